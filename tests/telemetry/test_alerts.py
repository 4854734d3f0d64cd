"""The alert rules, the dashboard and the runbooks: held to the metrics and to each other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gas.accounts.models import User
from gas.telemetry import http_times, page, survey
from gas.wiring import Services

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = json.loads((ROOT / "deploy/grafana/gas.json").read_text())
ALERTS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
#: What Prometheus itself knows of a target.
OF_PROMETHEUS = {"up": {"job": {"gas"}, "instance": set()}}
#: Labels that a value is not looked up of: Prometheus' own, and what requests may answer.
OPEN_LABELS = {"instance", "job", "le", "status", "route"}


def expressions() -> list[str]:
    of_panels = [target["expr"] for panel in PANELS for target in panel["targets"]]
    return [rule["expr"] for rule in ALERTS] + of_panels


@pytest.fixture
def told(svc: Services, user: User) -> dict[str, dict[str, set[str]]]:
    """What the endpoint tells: {name of a sample: {label: its values}}."""
    http_times.observe("GET", "jobs/", 200, 0.1)
    survey.refresh(svc)
    found: dict[str, dict[str, set[str]]] = dict(OF_PROMETHEUS)
    for family in text_string_to_metric_families(page.text(svc).decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    # A test's data folder has no disk to speak of.
    return found | {"gas_disk_free_bytes": {}, "gas_disk_size_bytes": {}}


@pytest.mark.django_db
def test_rules_and_panels_ask_for_what_the_endpoint_tells(
    told: dict[str, dict[str, set[str]]],
) -> None:
    metric = re.compile(r"\b((?:gas_\w+|up))\b(?:\{([^}]*)\})?")
    for expression in expressions():
        names = metric.findall(re.sub(r'"[^"]*"', lambda m: m[0].replace("gas_", ""), expression))
        assert names, expression
        for name, matchers in names:
            assert name in told, f"{name}: {expression}"
            for label, operator, value in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', matchers):
                assert label in told[name], f"{name} has no label {label}: {expression}"
                if label not in OPEN_LABELS:
                    wanted = set(value.split("|")) if operator == "=~" else {value}
                    assert wanted <= told[name][label], f"{name} {label}: {expression}"
        for labels in re.findall(r"\bby \(([^)]*)\)", expression):
            having = {label for name, _ in names for label in told[name]}
            assert set(re.split(r",\s*", labels)) <= having, expression


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    chapter = text.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    runbooks = dict(re.findall(r"^### (Gas\w+)\n(.*?)(?=^### |\Z)", chapter, re.M | re.S))
    assert set(runbooks) == {rule["alert"] for rule in ALERTS}
    assert len(ALERTS) == len(runbooks)
    for name, body in runbooks.items():
        for part in ("**Seen:**", "**Look:**", "**Do:**"):
            assert re.search(rf"^- {re.escape(part)} \S.{{15,}}", body, re.M), (
                f"{name} lacks {part}"
            )
    for rule in ALERTS:
        url = rule["annotations"]["runbook_url"]
        assert url == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]


def test_every_metric_is_documented() -> None:
    from gas.telemetry.families import FAMILIES

    text = (ROOT / "docs/operations.md").read_text()
    for family in FAMILIES:
        label = f"`{family.label}`" if family.label else ""
        row = f"| `{family.name}` | {family.kind} | {label} | {family.text} |"
        if family.name != "gas_http_request_seconds":  # it has three labels
            assert row in text, f"docs/operations.md lacks: {row}"
    assert set(re.findall(r"^\| `(gas_\w+)`", text, re.M)) == {f.name for f in FAMILIES}


def test_the_dashboard_is_one_that_grafana_can_show() -> None:
    assert DASHBOARD["uid"] == "gas-service"
    assert [v["name"] for v in DASHBOARD["templating"]["list"]] == ["datasource"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
    for one, other in combinations(DASHBOARD["panels"], 2):
        assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def _overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    apart_x = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    apart_y = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    assert a["x"] + a["w"] <= 24
    return not (apart_x or apart_y)


# -- promtool: Prometheus' own reading of the rules --------------------------------------------

RELEASES = {
    'gas_job_events_total{event="release"}': "5x60",
    'gas_shard_events_total{event="release"}': "5x60",
}
#: For each alert: series that must make it fire, and when; then those of a service that is well.
FIRES: dict[str, tuple[dict[str, str], str]] = {
    "GasDown": ({'up{job="gas"}': "0x20"}, "3m"),
    "GasRequestsFail": (
        {
            'gas_http_request_seconds_count{status="200"}': "0+98x80",
            'gas_http_request_seconds_count{status="500"}': "0+2x80",
        },
        "12m",
    ),
    "GasRequestsSlow": (
        {
            'gas_http_request_seconds_bucket{method="GET",le="1"}': "0+90x100",
            'gas_http_request_seconds_bucket{method="GET",le="5"}': "0+100x100",
            'gas_http_request_seconds_bucket{method="GET",le="+Inf"}': "0+100x100",
        },
        "20m",
    ),
    "GasJobsWait": ({"gas_jobs_oldest_seconds": "301x60"}, "6m"),
    "GasQueueWaits": ({'gas_queue_oldest_seconds{queue="notify"}': "601x60"}, "6m"),
    "GasNoWorkers": ({"gas_workers": "0x20"}, "2m"),
    "GasReaperSilent": ({"gas_reaped_timestamp_seconds": "0x60"}, "6m"),
    "GasLeasesOverdue": ({"gas_leases_overdue": "1x40"}, "3m"),
    "GasJobsGiveUp": ({'gas_job_failures_total{code="gave-up"}': "0x20 1x20"}, "8m"),
    "GasTriesFail": ({**RELEASES, 'gas_job_events_total{event="release"}': "0+1x60"}, "14m"),
    "GasMessagesFail": ({'gas_queue_failed_messages{queue="archive"}': "0x20 1x20"}, "8m"),
    "GasMailNotSent": ({"gas_mails_retrying": "1x80"}, "16m"),
    "GasMailLost": ({'gas_mail_events_total{event="unknown"}': "0x20 1x20"}, "8m"),
    "GasResultsHalted": ({"gas_results_halted": "1x8"}, "1m"),
    "GasResultsFailing": ({"gas_results_failing": "1x140"}, "31m"),
    "GasArchiveLate": ({"gas_archive_lag_seconds": "901x60"}, "11m"),
    "GasDiskFull": ({"gas_disk_free_bytes": "9x40", "gas_disk_size_bytes": "100x40"}, "6m"),
}
#: Other ways to the same alert.
AS_WELL: list[tuple[str, dict[str, str], str]] = [
    ("GasDown", {'up{job="another"}': "1x20"}, "3m"),  # no target of ours
    (
        "GasJobsWait",
        {
            'gas_queue_oldest_seconds{queue="annotate"}': "301x60",
            'gas_queue_doing_messages{queue="annotate"}': "0x60",
        },
        "6m",
    ),
    ("GasTriesFail", {**RELEASES, 'gas_shard_events_total{event="release"}': "0+1x60"}, "14m"),
]
WELL = {
    'up{job="gas"}': "1x140",
    'gas_http_request_seconds_count{status="200"}': "0+999x140",
    'gas_http_request_seconds_count{status="404"}': "0+500x140",
    'gas_http_request_seconds_count{status="500"}': "0+1x140",
    'gas_http_request_seconds_bucket{method="GET",le="1"}': "0+96x140",
    'gas_http_request_seconds_bucket{method="GET",le="+Inf"}': "0+100x140",
    'gas_http_request_seconds_bucket{method="PUT",le="+Inf"}': "0+1000x140",
    "gas_jobs_oldest_seconds": "299x140",
    # Parts of a large file wait for annotators that are at work.
    'gas_queue_oldest_seconds{queue="annotate"}': "3000x140",
    'gas_queue_doing_messages{queue="annotate"}': "2x140",
    'gas_queue_oldest_seconds{queue="notify"}': "299x140",
    "gas_workers": "6x140",
    "gas_reaped_timestamp_seconds": "0+15x140",
    "gas_leases_overdue": "1x5 0x135",
    'gas_job_failures_total{code="gave-up"}': "7x140",
    'gas_job_failures_total{code="bad-vcf"}': "0+3x140",
    'gas_job_events_total{event="release"}': "5x140",
    'gas_job_events_total{event="complete"}': "0+50x140",
    'gas_shard_events_total{event="release"}': "5x140",
    'gas_shard_events_total{event="done"}': "0+500x140",
    'gas_queue_failed_messages{queue="archive"}': "3x140",
    "gas_mails_retrying": "1x20 0x120",
    'gas_mail_events_total{event="sent"}': "0+3x140",
    'gas_mail_events_total{event="failed"}': "2x140",
    "gas_results_halted": "0x140",
    "gas_results_failing": "1x60 0x80",
    "gas_archive_lag_seconds": "120x140",
    "gas_disk_free_bytes": "11x140",
    "gas_disk_size_bytes": "100x140",
}


@pytest.fixture(scope="module")
def promtool() -> str:
    """Its path. Without one: fails where CI is set (nobody would see the skip), else skips."""
    found = shutil.which("promtool")
    if found is None and os.environ.get("CI"):
        pytest.fail("No promtool: the alert rules are not tested. Install `prometheus`.")
    if found is None:
        pytest.skip("NO PROMTOOL: WHETHER ALERTS FIRE IS NOT TESTED. Install `prometheus`.")
    return found


def test_each_alert_has_its_case() -> None:
    assert set(FIRES) == {rule["alert"] for rule in ALERTS}


def test_alerts_fire_when_they_should_and_only_then(promtool: str, tmp_path: Path) -> None:
    cases = [_case(series, {name: at}, [name]) for name, (series, at) in FIRES.items()]
    cases += [_case(series, {name: at}, [name]) for name, series, at in AS_WELL]
    cases.append(_case(WELL, {rule["alert"]: "34m" for rule in ALERTS}, []))
    file = tmp_path / "cases.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": cases}))
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _case(series: dict[str, str], at: dict[str, str], firing: list[str]) -> dict[str, Any]:
    """promtool compares labels and texts of what fires: count(ALERTS) asks whether, no more."""
    asked = [
        {
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})',
            "eval_time": when,
            "exp_samples": [{"labels": "{}", "value": 1}] if name in firing else [],
        }
        for name, when in at.items()
    ]
    return {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": asked,
    }
