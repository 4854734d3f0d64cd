"""The front page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from gas.accounts.plans import FREE, get_plan
from gas.config import get_settings


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/home.html", {"free": get_plan(FREE, get_settings())})


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Where browsers look on pages that name no icon, as the operator's do."""
    return redirect(static("gas/favicon.svg"))
