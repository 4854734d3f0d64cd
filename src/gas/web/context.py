"""What every page may show."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse

from gas import __version__
from gas.accounts.models import User
from gas.accounts.plans import get_plan
from gas.config import get_settings
from gas.wiring import get_services

PRODUCT = "GAS"
PRODUCT_LONG = "Genomics Annotation Service"


def bare() -> dict[str, object]:
    """The part that needs neither a request nor a database."""
    return {
        "product": PRODUCT,
        "product_long": PRODUCT_LONG,
        "version": __version__,
        "signup_open": get_settings().signup_open,
    }


def site(request: HttpRequest) -> dict[str, object]:
    """The template context processor."""
    user = getattr(request, "user", None)
    plan = get_plan(user.plan, get_settings()) if isinstance(user, User) else None
    return {**bare(), "plan": plan, "upgrade_url": upgrade_url()}


def upgrade_url() -> str | None:
    """Where a person changes to the premium plan; None where nobody can by themselves."""
    return reverse("subscribe") if get_services().billing is not None else None
