"""The text that Prometheus reads."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from gas.telemetry import http_times
from gas.telemetry.service import ServiceCollector
from gas.wiring import Services

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def text(svc: Services) -> bytes:
    """All metrics in Prometheus' text format. Raises django.db.Error."""
    service = CollectorRegistry(auto_describe=False)
    service.register(ServiceCollector(svc))
    return generate_latest(service) + generate_latest(http_times.registry())
