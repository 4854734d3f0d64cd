"""Metrics and traces of a real service: several web processes, workers of their own, a collector
that speaks OTLP over HTTP."""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gas.demo.run import INPUT
from tests.e2e.service import Service, running, wait_for

TOKEN = "a-token-of-enough-length"


@dataclass(frozen=True)
class Span:
    service: str
    name: str
    trace: bytes
    own: bytes
    parent: bytes


@dataclass
class Collector:
    """Takes what it is sent, and decodes it."""

    url: str
    spans: list[Span] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest()
        request.ParseFromString(body)
        for of_resource in request.resource_spans:
            names = {item.key: item.value.string_value for item in of_resource.resource.attributes}
            self.spans += [
                Span(names["service.name"], s.name, s.trace_id, s.span_id, s.parent_span_id)
                for scope in of_resource.scope_spans
                for s in scope.spans
            ]

    def of(self, service: str, name: str) -> list[Span]:
        return [span for span in self.spans if (span.service, span.name) == (service, name)]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                found.take(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Collector(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


@pytest.fixture(scope="module")
def service(collector: Collector) -> Iterator[Service]:
    with running(
        GAS_METRICS_TOKEN=TOKEN,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_BSP_SCHEDULE_DELAY="200",
    ) as up:
        yield up


def metrics(service: Service) -> str:
    answer = httpx.get(f"{service.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    return answer.text


def value(text: str, metric: str) -> float:
    found = re.search(rf"^{re.escape(metric)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0


def test_a_job_is_one_trace_from_the_web_to_its_mail(
    service: Service, collector: Collector
) -> None:
    client = service.sign_up()
    job = client.submit(client.upload(INPUT))
    assert client.wait(job["id"])["status"] == "COMPLETED"
    wait_for(lambda: collector.of("gas-notify", "mail"), why="no span of the mail")
    wait_for(lambda: collector.of("gas-annotate", "annotate"), why="no span of the annotator")
    (run,) = collector.of("gas-annotate", "annotate")
    (mail,) = collector.of("gas-notify", "mail")
    (request,) = wait_for(lambda: collector.of("gas-web", "POST /api/v1/jobs"))
    assert run.trace == mail.trace == request.trace
    assert run.parent == mail.parent == request.own


def test_metrics_are_the_same_whichever_web_process_is_asked(service: Service) -> None:
    before = value(metrics(service), _ROUTE)
    for _ in range(20):
        assert httpx.get(f"{service.url}/healthz").status_code == 200
    for _ in range(6):
        text = metrics(service)
        assert value(text, _ROUTE) == before + 20
        assert value(text, "gas_workers") == 6
    wait_for(
        lambda: value(metrics(service), "gas_reaped_timestamp_seconds") > 0,
        why="the reaper does not come round",
    )


_ROUTE = 'gas_http_request_seconds_count{method="GET",route="/healthz",status="200"}'
