"""What a person may do with all that is theirs: take it along, or close the account."""

from __future__ import annotations

from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gas.accounts.closing import LastOperator, close_account
from gas.accounts.forms import CloseForm
from gas.web import export
from gas.web.views import Request
from gas.wiring import get_services


@require_POST
@login_required
def account_export(request: Request) -> HttpResponseBase:
    """A POST, since it is told to the audit log and holds the person's only turn."""
    svc = get_services()
    archive = export.begin(svc, request.user)
    if archive is None:
        messages.warning(request, "Another download of all that is yours runs: one at a time.")
        return redirect("profile")
    response = StreamingHttpResponse(archive, content_type="application/zip")
    name = f"gas-export-{svc.now():%Y-%m-%d}.zip"
    response["Content-Disposition"] = content_disposition_header(True, name) or ""
    return response


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def account_close(request: Request) -> HttpResponse:
    if request.method != "POST":
        return render(request, "account/close.html", {"form": CloseForm(request.user)})
    # Whoever found an open session shall not try out passwords here.
    refused: HttpResponse | None = ratelimit.consume_or_429(
        request, action="reauthenticate", user=request.user
    )
    if refused is not None:
        return refused
    form = CloseForm(request.user, request.POST)
    if form.is_valid():
        try:
            close_account(get_services(), request.user)
        except LastOperator as error:
            form.add_error(None, str(error))
        else:
            logout(request)
            return redirect("account-closed")
    return render(request, "account/close.html", {"form": form}, status=400)


@require_safe
def account_closed(request: HttpRequest) -> HttpResponse:
    return render(request, "account/closed.html")
