"""For Prometheus."""

from __future__ import annotations

import hmac

from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from gas.logs import get_logger
from gas.wiring import get_services

log = get_logger(__name__)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All metrics, to whoever sends the token of the settings; no such page where none is set."""
    svc = get_services()
    token = svc.settings.metrics_token
    if token is None:
        raise Http404
    given = request.headers.get("Authorization", "")
    right = f"Bearer {token.get_secret_value()}"
    if not hmac.compare_digest(given.encode(), right.encode()):
        refused = HttpResponse("The metrics need their token.\n", "text/plain", 401)
        refused["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return refused
    from gas.telemetry import page  # prometheus_client: only where it is used

    try:
        return HttpResponse(page.text(svc), page.CONTENT_TYPE)
    except Error as error:
        log.warning("no metrics", error=str(error))
        return HttpResponse("The database does not answer.\n", "text/plain", 503)
