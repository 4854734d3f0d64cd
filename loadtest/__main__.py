"""``python -m loadtest``: loads the embedded farm, one farm after the other, and says how it went.

Needs Locust's own Python (``--locust``; `make loadtest` sees to that). Writes a folder; exits 1
where the bar was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.e2e.service import ROOT, Service, running

from gas.client import Client
from gas.config import override_environment
from loadtest import annotator_load, inputs, report
from loadtest.report import Look, Summary
from loadtest.watch import Watch

ENGINE = "loadtest.engine:SlowEngine"
#: The original's annotators were six at the most.
ANNOTATORS = 6
LONGEST_LOAD_S = 600.0
#: Beyond the hold: what runs has to end first.
LONGEST_WAY_BACK_S = 300.0
LOCUST_S = 1500.0


@dataclass(frozen=True)
class Plan:
    """How large the run is."""

    few: int
    many: int
    phase_s: float
    hold_s: float
    folder: Path
    locust: str


def main() -> int:
    plan = _plan()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the service is stopped on the way out
    plan.folder.mkdir(parents=True, exist_ok=True)
    with running(
        GAS_ANNOTATORS="2..10",
        GAS_WEB_WORKERS="2..10",
        GAS_SCALE_HOLD_S=f"{plan.hold_s:g}",
        # Each person has an address of their own, which the load says as a proxy would.
        GAS_TRUST_PROXY="true",
        GAS_EXTRA_ENGINES=json.dumps([ENGINE]),
        # As an operator would run it, not as quick as a test wants it.
        GAS_LEASE_S="30",
        GAS_HEARTBEAT_S="5",
        GAS_STOP_GRACE_S="60",
        GAS_LOG_LEVEL="WARNING",
    ) as service:
        summary = _measure(plan, service)
    print(summary.line())
    print(f"Report: {plan.folder}")
    for fault in summary.faults():
        print(f"MISSED: {fault}")
    return 1 if summary.faults() else 0


def _plan() -> Plan:
    parser = argparse.ArgumentParser(prog="python -m loadtest", description=__doc__)
    parser.add_argument("--few", type=int, default=30, help="people of the first phase")
    parser.add_argument("--many", type=int, default=300, help="people of the second")
    parser.add_argument("--phase", type=float, default=120, help="seconds that each is measured")
    parser.add_argument("--hold", type=float, default=240, help="GAS_SCALE_HOLD_S")
    parser.add_argument("--output", type=Path, help="folder of the report")
    parser.add_argument("--locust", required=True, help="the locust command")
    given = parser.parse_args()
    name = f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}"
    folder = (given.output or ROOT / "build" / "loadtest" / name).absolute()
    return Plan(given.few, given.many, given.phase, given.hold, folder, given.locust)


def _measure(plan: Plan, service: Service) -> Summary:
    override_environment(GAS_DATA_DIR=str(service.data))
    password = secrets.token_urlsafe(12)
    token = inputs.make_people(plan.many, password)
    file = inputs.make_file(plan.folder / "load.vcf")
    run_dir = service.data / "service" / "run"
    with Watch(run_dir, plan.folder / "instances.csv") as watch:
        _until(lambda: watch.last is not None, 30, "the farm tells nothing of itself")
        print(f"{plan.few}, then {plan.many} people ...", flush=True)
        web_from = time.time()
        _locust(plan, service.url, password, file, watch)
        web_to = time.time()
        _back(watch, plan, lambda look: look.web)
        print(f"A job every {annotator_load.EVERY_S:g} s ...", flush=True)
        client = Client(service.url, token)
        load = annotator_load.run(
            client,
            file,
            ENGINE,
            instances=lambda: watch.looks[-1].annotators,
            until=ANNOTATORS,
            least_s=plan.phase_s,
            longest_s=LONGEST_LOAD_S,
        )
        lost = annotator_load.failures(client, load.jobs)
        _back(watch, plan, lambda look: look.annotators)
    answers = report.read_answers(plan.folder / "requests.csv")
    looks = watch.looks
    p95 = {phase: report.percentile(report.pages(answers, phase), 0.95) for phase in
           ("few", "many sign in", "many")}  # fmt: skip
    sign_ins = [a.ms for a in answers if a.name == "sign in" and a.phase == "many sign in"]
    before_jobs = [look for look in looks if look.at < load.begun_at]
    after = [look for look in looks if look.at >= load.begun_at]
    summary = Summary(
        people=max(a.people for a in answers),
        requests=len(answers),
        failures=sum(1 for a in answers if a.error),
        requests_per_s=report.rate(answers, "many"),
        pages_p95_ms_few=p95["few"],
        pages_p95_ms_many=p95["many"],
        pages_p95_ms_while_many_sign_in=p95["many sign in"],
        sign_in_p95_ms=report.percentile(sign_ins, 0.95),
        generator_cpu=report.generator_cpu(looks),
        web=report.farm(before_jobs, lambda look: look.web, web_from, web_to),
        annotators_until=ANNOTATORS,
        annotators=report.farm(after, lambda look: look.annotators, load.begun_at, load.ended_at),
        jobs=len(load.jobs),
        jobs_failed=len(lost),
    )
    report.write(plan.folder, summary, answers, looks)
    return summary


def _locust(plan: Plan, url: str, password: str, file: Path, watch: Watch) -> None:
    """The people's load, in Locust's own environment. Its exit status says whether requests failed,
    which the report tells better."""
    command = [
        plan.locust, "--headless", "--host", url, "--only-summary",
        "--locustfile", str(Path(__file__).with_name("locustfile.py")),
    ]  # fmt: skip
    environment = {
        "PATH": os.defpath,
        "LOADTEST_FEW": str(plan.few),
        "LOADTEST_MANY": str(plan.many),
        "LOADTEST_PHASE_S": str(plan.phase_s),
        "LOADTEST_PASSWORD": password,
        "LOADTEST_INPUT": str(file),
        "LOADTEST_OUTPUT": str(plan.folder / "requests.csv"),
    }
    with (plan.folder / "locust.log").open("wb") as log:
        locust = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    watch.generator = locust.pid
    try:
        locust.wait(LOCUST_S)
    finally:
        locust.kill()
        locust.wait()
        watch.generator = None


def _back(watch: Watch, plan: Plan, size: Callable[[Look], int]) -> None:
    """Wait until this farm is as small as at the beginning, or for longer than that may take."""
    end = time.monotonic() + plan.hold_s + LONGEST_WAY_BACK_S
    least = size(watch.looks[0])
    while size(watch.looks[-1]) > least and time.monotonic() < end:
        time.sleep(1)


def _until(what: Callable[[], bool], timeout_s: float, why: str) -> None:
    end = time.monotonic() + timeout_s
    while not what():
        if time.monotonic() > end:
            raise SystemExit(f"loadtest: {why}")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
