"""API tokens: ``gas_`` and 43 random characters (256 bits).

A token is random enough that one plain SHA-256 keeps it: there is nothing to guess, so a slow hash
would only slow each request.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db.models import Q

from gas.accounts.models import ApiToken, User

PREFIX = "gas_"
#: ``last_used_at`` is a hint for people: it is written at most this often.
USE_RESOLUTION = timedelta(minutes=1)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def create_token(user: User, name: str, now: datetime) -> str:
    """Make a token for ``user`` and return it: the only time that it can be seen."""
    token = PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        user=user,
        name=name.strip()[:100] or "token",
        prefix=token[:12],
        digest=_digest(token),
        created_at=now,
    )
    return token


def user_of(token: str, now: datetime) -> User | None:
    """The active user whom ``token`` stands for, or None."""
    if not token.startswith(PREFIX):
        return None
    found = ApiToken.objects.select_related("user").filter(digest=_digest(token)).first()
    if found is None or not found.user.is_active:
        return None
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USE_RESOLUTION)
    ApiToken.objects.filter(stale, pk=found.pk).update(last_used_at=now)
    return found.user
