"""Traces, as the SDK hands them to an exporter. tests/e2e sends them over the wire."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gas.accounts.models import User
from gas.config import SettingsError
from gas.errors import Cancelled, EngineError
from gas.jobs import lifecycle
from gas.jobs.models import Job
from gas.notify import notify
from gas.notify.models import Mail
from gas.telemetry import traces
from gas.telemetry.models import JobTrace
from gas.wiring import Services
from tests.fakes import FakeRunner

pytestmark = pytest.mark.django_db
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    monkeypatch.setattr(traces, "_tracer", None)  # as it is again afterwards
    exporter = InMemorySpanExporter()
    provider = traces.start(SimpleSpanProcessor(exporter), "test")
    yield exporter
    provider.shutdown()


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def work(svc: Services, job: Job) -> None:
    lifecycle.annotate(svc, job.pk, worker="w:1", stopping=lambda: False)


def test_a_job_belongs_to_the_trace_of_its_request(
    svc: Services, spans: InMemorySpanExporter, user: User, make_job: Callable[..., Job]
) -> None:
    with traces.span("request", kind="server"):
        job = make_job(user)
    work(svc, job)
    notify.send(svc, Mail.objects.get().pk)
    (request,), (run,), (mail,) = (named(spans, n) for n in ("request", "annotate", "mail"))
    for child in (run, mail):
        assert child.parent is not None
        assert child.parent.span_id == request.context.span_id
        assert child.context.trace_id == request.context.trace_id
        assert child.attributes is not None
        assert child.attributes["gas.job"] == str(job.pk)
    assert run.attributes is not None
    assert run.attributes["gas.outcome"] == "completed"
    assert run.attributes["gas.records"] == 3


def test_every_try_is_a_span_of_the_same_trace(
    svc: Services,
    runner: FakeRunner,
    spans: InMemorySpanExporter,
    user: User,
    make_job: Callable[..., Job],
) -> None:
    def stopped(*_: object) -> None:
        raise Cancelled

    def broken(*_: object) -> None:
        raise EngineError("no")

    with traces.span("request", kind="server"):
        job = make_job(user)
    runner.steps += [stopped, broken]
    work(svc, job)
    work(svc, job)
    found = named(spans, "annotate")
    assert [span.attributes and span.attributes["gas.outcome"] for span in found] == [
        "released",
        "failed",
    ]
    assert len({span.context.trace_id for span in found}) == 1


def test_a_request_is_named_by_its_route(spans: InMemorySpanExporter, browser: Client) -> None:
    browser.get("/jobs/", {"address": "with-a-secret"})
    (span,) = spans.get_finished_spans()
    assert span.name == "GET /jobs/"
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 302
    assert "with-a-secret" not in span.to_json()


@pytest.fixture
def browser(svc: Services) -> Client:
    return Client()


def test_what_monitors_ask_is_not_traced(spans: InMemorySpanExporter, browser: Client) -> None:
    for address in ("/healthz", "/readyz", "/metrics"):
        browser.get(address)
    assert spans.get_finished_spans() == ()


@pytest.mark.parametrize("trusted", [False, True])
def test_a_callers_trace_is_believed_of_a_trusted_proxy_alone(
    svc: Services,
    spans: InMemorySpanExporter,
    browser: Client,
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,
) -> None:
    settings = svc.settings.model_copy(update={"trust_proxy": trusted})
    monkeypatch.setattr("gas.web.middleware.get_settings", lambda: settings)
    browser.get("/", headers={"traceparent": PARENT})
    browser.get("/", headers={"traceparent": "no such thing"})
    first, second = spans.get_finished_spans()
    assert (f"{first.context.trace_id:032x}" == PARENT.split("-")[1]) is trusted
    assert second.parent is None


def test_where_traces_are_off_nothing_is_written_down(svc: Services, job: Job) -> None:
    with traces.span("request"):
        traces.remember(job.pk)
        traces.note(outcome="none")
        traces.describe("x", route="/", status=200)
    work(svc, job)
    assert not JobTrace.objects.exists()


def test_opentelemetry_is_imported_only_where_a_collector_is_named() -> None:
    code = (
        "import sys; from gas.config import Settings; from gas.telemetry import traces; "
        "traces.set_up(Settings(), 'web'); "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout == "[]\n"


def test_a_collector_without_opentelemetry_is_said(
    svc: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    settings = svc.settings.model_copy(update={"otlp_endpoint": "http://127.0.0.1:1"})
    with pytest.raises(SettingsError, match="not installed"):
        traces.set_up(settings, "web")
