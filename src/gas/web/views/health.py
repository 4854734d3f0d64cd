"""For load balancers and monitors: does this process live, can it serve?"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from gas.errors import GasError
from gas.logs import get_logger
from gas.wiring import get_services

log = get_logger(__name__)


class NotReady(Exception):
    """A part that a page needs is not there."""


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; looks at nothing else."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 where database, schema and store are ready; else 503 and which of them are not."""
    parts = {
        name: _state(name, check)
        for name, check in (
            ("database", _check_database),
            ("schema", _check_schema),
            ("storage", lambda: get_services().storage.check()),
        )
    }
    ready = all(state == "ok" for state in parts.values())
    answer = {"status": "ready" if ready else "not ready", "parts": parts}
    return JsonResponse(answer, status=200 if ready else 503)


def _state(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except (Error, GasError, NotReady) as error:
        # The reason may name hosts and paths: it is for the log, not for whoever asks.
        log.warning("not ready", part=name, error=str(error))
        return "not ready"
    return "ok"


def _check_database() -> None:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute("SELECT 1")


def _check_schema() -> None:
    if not _is_migrated():
        _is_migrated.cache_clear()
        raise NotReady("there are migrations to apply")


@lru_cache(maxsize=1)
def _is_migrated() -> bool:
    """Remembered once true: this process's code and the schema it needs do not change."""
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())
