"""Who asks: ``Authorization: Bearer gas_...``. A session alone is not enough, so no other site can
make a browser call the API."""

from __future__ import annotations

from typing import cast

import structlog
from django.http import HttpRequest
from ninja.security import HttpBearer

from gas.accounts import tokens
from gas.accounts.models import User
from gas.wiring import get_services


class BearerToken(HttpBearer):
    """An API token, made on the profile page."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        user = tokens.user_of(token, get_services().now())
        if user is not None:
            structlog.contextvars.bind_contextvars(user=str(user.pk))
        return user


def user_of(request: HttpRequest) -> User:
    """The user whose token came with ``request``."""
    return cast(User, request.auth)  # type: ignore[attr-defined]
