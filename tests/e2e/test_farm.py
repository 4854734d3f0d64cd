"""The farm of `gas up` with real processes: out and in with the load, and over to new code, while
users work."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gas.client import Client
from gas.demo.run import INPUT
from gas.farm.status import Status, read
from tests.e2e.held import HELD, Hold, make_held_reference, worker_of
from tests.e2e.service import ROOT, Service, alive, running, wait_for

#: A web worker should get so many requests a second: few, so that a test can make it scale.
TARGET = 3


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that every process of the service looks into first when it starts."""
    return tmp_path_factory.mktemp("release")


@pytest.fixture(scope="module")
def service(release: Path) -> Iterator[Service]:
    with running(
        PYTHONPATH=os.pathsep.join(map(str, (release, ROOT / "src", ROOT))),
        GAS_ANNOTATORS="2..4",
        GAS_WEB_WORKERS="2..3",
        GAS_WEB_TARGET=str(TARGET),
        GAS_SCALE_HOLD_S="1",
        GAS_EXTRA_ENGINES=json.dumps([HELD]),
    ) as up:
        make_held_reference(up)
        yield up


def look(service: Service) -> Status:
    return read(service.data / "service" / "run")


def annotators(service: Service) -> dict[int, str]:
    """Process id and state of each annotator."""
    return {
        one.pid: one.state
        for one in look(service).instances
        if one.kind == "annotator" and one.pid is not None
    }


def submit_held(client: Client, count: int) -> list[str]:
    return [
        client.submit(client.upload(INPUT), reference="held", engine=HELD)["id"]
        for _ in range(count)
    ]


def settled(service: Service, count: int) -> bool:
    """Whether there are so many annotators and none on its way."""
    states = Counter(annotators(service).values())
    return states["idle"] + states["busy"] == count == states.total()


def test_annotators_follow_the_backlog_and_no_busy_one_is_taken(service: Service) -> None:
    client = service.sign_up("backlog@example.org")
    wait_for(lambda: settled(service, 2), 60)
    with Hold(service) as hold:
        jobs = submit_held(client, 8)
        wait_for(lambda: len(hold.engines()) == 4, 60, "the farm does not grow")
        wait_for(lambda: settled(service, 4))
        grown = look(service).annotators
        assert (grown.desired, grown.bounds) == (4, "2..4")
        # Only the two youngest keep their jobs: the older ones have to go, though busy ones stay.
        young = [worker_of(service, engine) for engine in hold.engines()[2:]]
        mine = {job: _worker_in(service.log(client, job)) for job in jobs}
        kept = [job for job, pid in mine.items() if pid in young]
        assert len(kept) == 2
        for job in jobs:
            if job not in kept:
                client._http.post(f"/api/v1/jobs/{job}/cancel").raise_for_status()
        # A job that ends tells that jobs are short: so few do not need four annotators.
        assert client.wait(client.submit(client.upload(INPUT))["id"])["status"] == "COMPLETED"
        wait_for(lambda: settled(service, 2), 60, "the farm does not shrink")
        assert annotators(service) == dict.fromkeys(young, "busy")
    for job in kept:
        assert client.wait(job)["status"] == "COMPLETED"
        log = service.log(client, job)
        assert "Attempt 2" not in log
        assert log.count("Completed:") == 1
    told = [made for made in look(service).decisions if made.farm == "annotators"]
    sizes = [made.after for made in told]
    assert [made.before for made in told] == [2, *sizes[:-1]]
    assert (max(sizes), sizes[-1]) == (4, 2)
    assert all(made.reason for made in told)
    assert not [line for line in service.lines if "annotator" in line and "ended" in line]


def _worker_in(log: str) -> int:
    """The process id of the annotator that began the job; 0 where none has."""
    begun = re.search(r"begins on \S+:(\d+)\.", log)
    return int(begun[1]) if begun else 0


class Load:
    """Users who ask without end: half of them keep their connection, half connect anew."""

    def __init__(self, url: str, users: int = 4) -> None:
        self.answers: Counter[str] = Counter()
        self._url, self._lock, self._end = url, threading.Lock(), threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(number % 2 == 0,)) for number in range(users)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, keeps: bool) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            for path in _endless("/healthz", "/accounts/login/", "/", "/readyz"):
                if self._end.wait(0.2):
                    return
                headers = {} if keeps else {"Connection": "close"}
                try:
                    said = str(client.get(path, headers=headers).status_code)
                except httpx.HTTPError as error:
                    said = f"{path}: {error!r}"
                with self._lock:
                    self.answers[said] += 1


def _endless(*paths: str) -> Iterator[str]:
    while True:
        yield from paths


class Watch:
    """Looks at the farm all the time: the fewest web workers that took requests."""

    def __init__(self, service: Service) -> None:
        self.fewest = 99
        self._service, self._end = service, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.1):
            self.fewest = min(self.fewest, look(self._service).web.running)


def reload(service: Service) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        service.gas("reload", "--data", str(service.data)),
        env=service.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


@pytest.mark.long
@pytest.mark.timeout(300)
def test_web_follows_the_requests_and_new_code_comes_without_a_dropped_one(
    service: Service,
) -> None:
    client = service.sign_up("reload@example.org")
    wait_for(lambda: look(service).web.running >= 2)
    with Load(service.url) as load:
        wait_for(lambda: look(service).web.running == 3, 60, "the web part does not grow")
        with Hold(service) as hold, Watch(service) as watch:
            (job,) = submit_held(client, 1)
            holder = worker_of(service, wait_for(hold.engines)[0])
            before = {one.pid for one in look(service).web_workers}
            first = {one.pid for one in look(service).instances if one.name != "postgres"}
            done = reload(service)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "finishes its job" in done.stdout
            assert done.stdout.splitlines()[-1] == "Reloaded."
            wait_for(lambda: len(annotators(service)) == 3, why="the idle one does not go")
            after = {one.pid for one in look(service).web_workers if one.state == "runs"}
            assert len(after) == 3, "as many as before"
            assert not before & after
            assert annotators(service)[holder] == "leaves"
            assert watch.fewest >= 2
            stay = [one for one in look(service).instances if one.state != "leaves"]
            assert len(stay) == 8, "postgres, web, 2 annotators, 4 utilities"
            assert not first & {one.pid for one in stay}
        assert client.wait(job)["status"] == "COMPLETED"
        assert "Attempt 2" not in service.log(client, job)
        wait_for(lambda: not alive(holder), why="it has no job any more, and stays")
        fresh = client.wait(client.submit(client.upload(INPUT))["id"])
        assert fresh["status"] == "COMPLETED"
    assert load.answers["200"] > 100
    assert set(load.answers) == {"200"}
    wait_for(lambda: look(service).web.running == 2, 90, "the web part does not shrink")


@pytest.mark.long
@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        ("migrate", "migrations fail"),
        ("gunicorn", "new web does not start"),
        ("annotate", r"new annotator-\d does not start"),
    ],
)
def test_new_code_that_does_not_start_leaves_the_old_at_work(
    service: Service, release: Path, breaks: str, says: str
) -> None:
    client = service.sign_up(f"{breaks}@example.org")
    wait_for(lambda: settled(service, 2), 60)
    before = annotators(service)
    (release / "sitecustomize.py").write_text(
        f"import os, sys\nif {breaks!r} in sys.orig_argv: os._exit(3)\n"
    )
    try:
        done = reload(service)
    finally:
        (release / "sitecustomize.py").unlink()
    assert done.returncode == 1
    assert re.search(says, done.stderr)
    assert ".log" in done.stderr, "where to look"
    assert client.wait(client.submit(client.upload(INPUT))["id"])["status"] == "COMPLETED"
    wait_for(lambda: annotators(service) == before, why="the old ones do not stay")


def test_gas_farm_tells_it_to_people_and_programs(service: Service) -> None:
    def farm(*options: str) -> str:
        return subprocess.run(
            service.gas("farm", "--data", str(service.data), *options),
            env={**service.environment, "COLUMNS": "160"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    text = farm("--once")
    assert "annotators  2..4" in text
    assert "jobs        0 wait" in text
    for part in ("postgres", "web worker", "annotator-", "notify"):
        assert part in text
    assert Status.model_validate_json(farm("--json")).pid == service.process.pid


def test_gas_farm_and_reload_need_a_farm(service: Service, tmp_path: Path) -> None:
    for command in ("farm", "reload"):
        done = subprocess.run(
            service.gas(command, "--data", str(tmp_path)),
            env=service.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "does not run on this data folder" in done.stderr
