"""Who asks: ``Authorization: Bearer gas_...``. A session alone is not enough, so no other site can
make a browser call the API; where a page's own script may, it sends the page's CSRF token too."""

from __future__ import annotations

from typing import cast

import structlog
from django.conf import settings
from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

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


class PageSession(APIKeyCookie):
    """A session, together with the CSRF token of one of its pages (``X-CSRFToken``)."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> User | None:
        if not isinstance(request.user, User):
            return None
        if check_csrf(request) is not None:
            raise HttpError(403, "This page has expired. Reload it and try again.")
        return self.authenticate(request, None)

    def authenticate(self, request: HttpRequest, key: str | None) -> User:
        return cast(User, request.user)


def user_of(request: HttpRequest) -> User:
    """The user whose token, or session, came with ``request``."""
    return cast(User, request.auth)  # type: ignore[attr-defined]
