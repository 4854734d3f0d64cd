"""Traces: from the request that submits a job over the queue to the annotator and the mail.

OpenTelemetry is imported only where the settings name a collector; everywhere else each call here
does nothing. The context travels beside the job's row (``JobTrace``): a message carries an id
alone, and one that is lost and written anew leads to the same trace.
"""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Iterator
from typing import Any, Literal

from gas import __version__
from gas.config import Settings, SettingsError

#: A collector that is away must not keep a process from its end.
PATIENCE_S = 2.0
_tracer: Any = None


def set_up(settings: Settings, part: str) -> None:
    """Send the traces of this process, which is ``part`` of the service, where the settings say.

    Raises SettingsError where they name a collector and OpenTelemetry is not installed.
    """
    if settings.otlp_endpoint is None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed.",
            hint="In GAS's folder: pip install -r requirements-otel.lock. Or unset it.",
        ) from None
    address = f"{settings.otlp_endpoint}/v1/traces"
    start(BatchSpanProcessor(OTLPSpanExporter(address, timeout=PATIENCE_S)), part)


def start(processor: Any, part: str) -> Any:
    """Give every span of this process to ``processor`` (an SDK SpanProcessor); returns the
    provider, whose ``shutdown`` sends what is left. It is called at the process's end anyhow."""
    global _tracer
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    resource = Resource.create(
        {
            "service.name": f"gas-{part}",
            "service.version": __version__,
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
    )
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("gas", __version__)
    return provider


@contextlib.contextmanager
def span(
    name: str,
    *,
    parent: str = "",
    of_job: uuid.UUID | None = None,
    kind: Literal["internal", "server", "consumer"] = "internal",
    **attributes: str | int | float,
) -> Iterator[None]:
    """A span around what follows, below ``parent`` (a ``traceparent``), or in the trace of the
    request that submitted job ``of_job``, or below the span that is open. An exception marks it
    as failed and goes on."""
    if _tracer is None:
        yield
        return
    from opentelemetry.trace import SpanKind

    if of_job is not None:
        parent, kind = parent_of(of_job), "consumer"
        attributes["job"] = str(of_job)
    named = {f"gas.{key}": value for key, value in attributes.items()}
    with _tracer.start_as_current_span(
        name, context=_context(parent), kind=SpanKind[kind.upper()], attributes=named
    ):
        yield


def describe(name: str, *, route: str, status: int) -> None:
    """Say of the request whose span is open what is known only now that it is answered."""
    if _tracer is None:
        return
    from opentelemetry.trace import StatusCode, get_current_span

    current = get_current_span()
    current.update_name(name)
    current.set_attributes({"http.route": route, "http.response.status_code": status})
    if status >= 500:
        current.set_status(StatusCode.ERROR)


def note(**attributes: str | int | float) -> None:
    """Add to the span that is open, if one is."""
    if _tracer is None:
        return
    from opentelemetry.trace import get_current_span

    get_current_span().set_attributes({f"gas.{key}": value for key, value in attributes.items()})


def remember(job_id: uuid.UUID) -> None:
    """What is done for this job belongs to the trace that is open. Part of the caller's
    transaction."""
    if _tracer is None:
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    from gas.telemetry.models import JobTrace

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    if carrier:
        JobTrace.objects.create(job_id=job_id, traceparent=carrier["traceparent"])


def parent_of(job_id: uuid.UUID) -> str:
    """The ``traceparent`` of the request that submitted this job; "" where it was not traced."""
    from gas.telemetry.models import JobTrace

    found = JobTrace.objects.filter(pk=job_id).values_list("traceparent", flat=True).first()
    return found or ""


def _context(parent: str) -> Any:
    """None: below the span that is open, if one is. A parent that is none is passed over."""
    if not parent:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent})
