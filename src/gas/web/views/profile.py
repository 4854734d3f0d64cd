"""Who I am, what my plan allows, my keys to the API."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from gas.accounts import tokens
from gas.accounts.forms import ProfileForm, TokenForm
from gas.billing.subscribe import membership_of
from gas.web.views import Request
from gas.wiring import get_services

#: Both forms of the page have a name.
SECOND_FORM_IDS = "new-%s"


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def profile(request: Request) -> HttpResponse:
    if request.method != "POST":
        return _page(request, form=ProfileForm(instance=request.user))
    form = ProfileForm(request.POST, instance=request.user)
    if not form.is_valid():
        request.user.refresh_from_db()
        return _page(request, status=400, form=form)
    form.save()
    messages.success(request, "Saved.")
    return redirect("profile")


@sensitive_variables("token")
@never_cache
@require_POST
@login_required
def token_create(request: Request) -> HttpResponse:
    """Shows the token in the answer itself: it is stored nowhere."""
    form = TokenForm(request.POST, auto_id=SECOND_FORM_IDS)
    if not form.is_valid():
        return _page(request, status=400, token_form=form)
    name = form.cleaned_data["name"]
    token = tokens.create_token(request.user, name, get_services().now())
    return _page(request, token=token, token_name=name)


@require_POST
@login_required
def token_revoke(request: Request, token_id: int) -> HttpResponse:
    token = request.user.api_tokens.filter(pk=token_id).first()
    if token is None:
        raise Http404
    token.delete()
    messages.success(request, f"The token {token.prefix}… is revoked: it opens nothing any more.")
    return redirect("profile")


def _page(request: Request, status: int = 200, **facts: object) -> HttpResponse:
    defaults: dict[str, object] = {
        "form": ProfileForm(instance=request.user),
        "token_form": TokenForm(auto_id=SECOND_FORM_IDS),
        "tokens": request.user.api_tokens.all(),
        "membership": membership_of(get_services(), request.user),
    }
    return render(request, "pages/profile.html", {**defaults, **facts}, status=status)
