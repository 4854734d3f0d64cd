"""The supervisor's decisions carried out, by the real policy and a clock that the test moves. The
processes are real ones that do nothing; a test is busy in their place, by their real locks."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gas import procs
from gas.config import Settings, get_settings
from gas.errors import GasError
from gas.farm import parts, reload, status, team
from gas.farm.elastic import SIGNAL_WAIT_S, Elastic
from gas.farm.parts import ANNOTATOR, UTILITIES, WEB, CannotStart, Maker, Part
from gas.farm.protection.local import LocalProtection
from gas.farm.reload import Rolling
from gas.farm.report import report
from gas.farm.seen import QueueState
from gas.farm.team import Team
from gas.farm.web_conf import workers_file
from tests.e2e.service import wait_for


class Idlers(Maker):
    """Makes parts that do nothing. ``refuses``: the machine starts no process."""

    refuses = False
    command = ("sleep", "60")

    def launch(
        self,
        name: str,
        command: list[str],
        orphan_signal: signal.Signals,
        pass_fds: tuple[int, ...] = (),
    ) -> subprocess.Popen[bytes]:
        if self.refuses:
            raise CannotStart("The machine starts no process: Out of memory.")
        return subprocess.Popen(self.command, start_new_session=True)


class Farm:
    """An elastic farm of idlers, and what it sees."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.settings: Settings = get_settings().model_copy(
            update={"data_dir": folder, "annotators": "2..5", "web_workers": "2..5", **settings}
        )
        for path in (self.settings.run_dir, self.settings.logs_dir):
            path.mkdir(parents=True)
        self.said: list[str] = []
        self.maker = Idlers(self.settings)
        self.team = Team(self.maker, self.said.append)
        self.now = 0.0
        self.sees: QueueState | None = QueueState()
        self.elastic = Elastic(self.settings, self.team, lambda: self.sees, lambda: self.now)
        self._busy: list[LocalProtection] = []

    def pass_s(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self.elastic.tick()
            self.team.mend()

    def names(self) -> list[str]:
        return [part.name for part in self.team.staying(ANNOTATOR)]

    def part(self, number: int) -> Part:
        return next(one for one in self.team.parts if one.name == f"annotator-{number}")

    def works(self, number: int) -> LocalProtection:
        lock = self.part(number).lock
        assert lock is not None
        protection = LocalProtection(lock)
        protection.protect()
        self._busy.append(protection)
        return protection

    def end(self) -> None:
        for part in self.team.parts:
            if part.process is not None:
                part.process.kill()
                part.process.wait()
        for protection in self._busy:
            protection._hold.close()


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    made = Farm(tmp_path)
    yield made
    made.end()


def waiting(jobs: int, running: int = 0) -> QueueState:
    return QueueState(backlog=jobs, in_flight=running, service_s=60.0)


# -- annotators ------------------------------------------------------------------------------------


def test_out_at_once_and_in_when_the_hold_is_over(farm: Farm) -> None:
    farm.pass_s(1)
    assert farm.names() == ["annotator-1", "annotator-2"]
    farm.sees = waiting(4)
    farm.pass_s(1)
    assert farm.names() == [f"annotator-{number}" for number in (1, 2, 3, 4)]
    farm.sees = waiting(40)
    farm.pass_s(1)
    assert len(farm.names()) == 5, "the most allowed"
    farm.sees = QueueState()
    farm.pass_s(int(farm.settings.scale_hold_s) - 1)
    assert len(farm.names()) == 5, "held"
    farm.pass_s(1)
    assert farm.names() == ["annotator-1", "annotator-2"], "the youngest went"
    before_after = [(one.before, one.after) for one in farm.elastic.annotators.changes]
    assert before_after == [(2, 4), (4, 5), (5, 2)]
    assert any("annotators" in line and "out from 2 to 4" in line for line in farm.said)


def test_a_busy_annotator_stays_until_it_is_idle(tmp_path: Path) -> None:
    farm = Farm(tmp_path, scale_hold_s=0.0)
    try:
        farm.sees = waiting(4)
        farm.pass_s(1)
        fourth, third = farm.works(4), farm.works(3)
        farm.sees = QueueState(in_flight=2, service_s=60.0)
        farm.pass_s(2)
        assert farm.names() == ["annotator-3", "annotator-4"], "the idle ones went"
        assert farm.elastic.annotators.desired == 2
        first = farm.part(3).process
        fourth.release()
        third.release()
        farm.pass_s(3)
        assert farm.names() == ["annotator-3", "annotator-4"], "they are the two that must be"
        assert farm.part(3).process is first, "never started anew"
    finally:
        farm.end()


def test_more_are_busy_than_wanted(tmp_path: Path) -> None:
    farm = Farm(tmp_path, scale_hold_s=0.0)
    try:
        farm.sees = waiting(3)
        farm.pass_s(1)
        busy = [farm.works(number) for number in (1, 2, 3)]
        farm.sees = QueueState(service_s=60.0)  # nobody else knows of their jobs
        farm.pass_s(5)
        assert len(farm.names()) == 3
        assert "3 are busy" in farm.elastic.annotators.reason
        busy[0].release()
        farm.pass_s(1)
        assert farm.names() == ["annotator-2", "annotator-3"]
    finally:
        farm.end()


def test_a_worker_that_is_taken_out_gets_no_job_any_more(farm: Farm) -> None:
    farm.pass_s(1)
    part = farm.part(2)
    assert part.leave_if_idle()
    with pytest.raises(parts.local.ProtectionFailed):
        farm.works(2)
    wait_for(lambda: (farm.team.mend(), part not in farm.team.parts)[1])
    assert farm.said[-1].split() == ["annotator-2", "left"]


def test_an_idle_one_that_does_not_go_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "IDLE_LEAVE_S", 0.2)
    farm = Farm(tmp_path)
    deaf = "import signal, time; signal.signal(signal.SIGUSR1, signal.SIG_IGN); print(); "
    farm.maker.command = (sys.executable, "-uc", deaf + "time.sleep(60)")  # type: ignore[assignment]
    try:
        with _piped(farm.maker):
            farm.pass_s(1)
        part = farm.part(1)
        assert part.process is not None
        assert part.process.stdout is not None
        part.process.stdout.readline()  # it is deaf by now
        assert part.leave_if_idle()
        wait_for(lambda: (farm.team.mend(), part not in farm.team.parts)[1])
    finally:
        farm.end()


@contextlib.contextmanager
def _piped(maker: Idlers) -> Iterator[None]:
    command = maker.command
    maker.launch = lambda *_, **__: subprocess.Popen(  # type: ignore[method-assign]
        command, start_new_session=True, stdout=subprocess.PIPE
    )
    yield


def test_a_database_that_is_away_changes_nothing(farm: Farm) -> None:
    farm.sees = waiting(4)
    farm.pass_s(1)
    farm.sees = None
    farm.pass_s(int(farm.settings.scale_hold_s) + 10)
    assert len(farm.names()) == 4
    assert report(farm.elastic, None).queue is None


# -- web -------------------------------------------------------------------------------------------


def test_gunicorn_is_told_one_by_one(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(Part, "signal", lambda _, number: told.append(signal.Signals(number).name))
    web = farm.team.add(farm.maker.web(0, lambda: 2))
    assert web.pid is not None
    gunicorn = workers_file(farm.settings.run_dir, web.pid)
    farm.elastic.web.desired = 4
    farm.elastic._size_web(1.0)
    assert told == [], "it has not begun"
    for has, expected in ((2, ["SIGTTIN"]), (2, []), (3, ["SIGTTIN"]), (4, []), (4, [])):
        told.clear()
        procs.replace_file(gunicorn, str(has))
        farm.elastic._size_web(1.0)
        assert told == expected, has
    farm.elastic.web.desired = 3
    farm.elastic._size_web(2.0)
    farm.elastic._size_web(2.0 + SIGNAL_WAIT_S + 0.1)
    assert told == ["SIGTTOU", "SIGTTOU"], "one that got lost is sent again"


def test_web_grows_with_its_requests(farm: Farm) -> None:
    counter = farm.settings.run_dir / f"web-{os.getpid()}.json"
    for second in range(1, 12):
        counter.write_text(
            f'{{"pid": {os.getpid()}, "master": 1, "served": {second * 70}, "open": 3, '
            '"draining": false}'
        )
        farm.pass_s(1)
    assert farm.elastic.web.desired == 5, "70 a second are 15 for each of 5"
    assert "requests a second" in farm.elastic.web.reason


# -- the team --------------------------------------------------------------------------------------


def test_what_cannot_start_is_tried_again(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team, "BACKOFF_S", (0.0,))
    farm.maker.refuses = True
    farm.pass_s(1)
    assert [part.process for part in farm.team.parts] == [None, None]
    assert any("Out of memory" in line for line in farm.said)
    assert {one.state for one in report(farm.elastic, None).instances} == {"waits"}
    farm.maker.refuses = False
    farm.pass_s(1)
    assert all(part.process is not None for part in farm.team.parts)


def test_what_waits_to_be_started_again_goes_first(tmp_path: Path) -> None:
    farm = Farm(tmp_path, scale_hold_s=0.0)
    try:
        farm.sees = waiting(3)
        farm.pass_s(1)
        ended = farm.part(1)
        assert ended.process is not None
        ended.process.kill()
        ended.process.wait()
        farm.sees = QueueState()
        farm.team.mend()
        farm.pass_s(1)
        assert farm.names() == ["annotator-2", "annotator-3"]
    finally:
        farm.end()


# -- reload ----------------------------------------------------------------------------------------


def roll(farm: Farm, rolling: Rolling) -> None:
    end = time.monotonic() + 20
    while rolling.state == "runs":
        assert time.monotonic() < end
        rolling.step()
        farm.team.mend()


def test_new_code_that_does_not_start_changes_nothing(farm: Farm) -> None:
    farm.team.add(farm.maker.web(0, lambda: 2))
    farm.pass_s(1)
    before = {part.name: part.pid for part in farm.team.parts}
    farm.maker.command = ("false",)  # type: ignore[assignment]
    rolling = Rolling("1", farm.team, farm.elastic, lambda: farm.maker.web(0, lambda: 2))
    roll(farm, rolling)
    assert rolling.state == "failed"
    assert "migrations fail" in rolling.steps[-1]
    assert "migrate.log" in rolling.steps[-1]

    rolling = Rolling("2", farm.team, farm.elastic, lambda: farm.maker.web(0, lambda: 2))
    rolling._way = rolling._roll_web()
    roll(farm, rolling)
    assert rolling.state == "failed"
    assert "web does not start" in rolling.steps[-1]
    wait_for(lambda: (farm.team.mend(), len(farm.team.staying(WEB)) == 1)[1])
    assert {part.name: part.pid for part in farm.team.parts} == before
    told = report(farm.elastic, rolling).reload
    assert told is not None
    assert (told.number, told.state) == ("2", "failed")


def test_workers_that_do_not_get_ready_are_taken_back(
    farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "READY_TIMEOUT_S", 0.2)
    farm.pass_s(1)
    old = farm.part(1)
    rolling = Rolling("1", farm.team, farm.elastic, lambda: farm.maker.web(0, lambda: 2))
    rolling._way = rolling._roll_worker(ANNOTATOR, old)
    roll(farm, rolling)  # an idler never shows its lock
    assert rolling.state == "failed"
    wait_for(lambda: (farm.team.mend(), farm.names() == ["annotator-1", "annotator-2"])[1])
    assert not old.leaving


# -- what is told ----------------------------------------------------------------------------------


def test_the_farm_s_state_is_read_as_it_was_written(farm: Farm) -> None:
    farm.sees = waiting(3, running=1)
    farm.pass_s(1)
    farm.works(2)
    told = report(farm.elastic, None)
    status.write(farm.settings.run_dir, told)
    assert status.read(farm.settings.run_dir) == told
    assert (told.annotators.desired, told.annotators.busy) == (4, 1)
    assert {one.name: one.state for one in told.instances}["annotator-2"] == "busy"
    assert [(one.farm, one.after) for one in told.decisions] == [("annotators", 4)]


def test_a_state_that_is_old_is_no_state(farm: Farm) -> None:
    farm.pass_s(1)
    told = report(farm.elastic, None)
    old = told.model_copy(update={"at": told.at.replace(year=2020)})
    status.write(farm.settings.run_dir, old)
    with pytest.raises(status.NotUp, match="said nothing since 2020"):
        status.read(farm.settings.run_dir)
    status.remove(farm.settings.run_dir)
    with pytest.raises(GasError, match="does not run"):
        status.read(farm.settings.run_dir)


def test_a_reload_is_asked_for_once(tmp_path: Path) -> None:
    assert status.take_request(tmp_path) is None
    status.ask_for_reload(tmp_path, "7")
    assert status.take_request(tmp_path) == "7"
    assert status.take_request(tmp_path) is None


def test_every_utility_is_a_queue() -> None:
    from gas.jobs.queue import QUEUES

    assert {*UTILITIES, "annotate"} == set(QUEUES)
