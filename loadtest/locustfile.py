"""People at their browsers: sign in, look at lists and jobs, upload, wait, take the result.

Run by ``python -m loadtest``, which sets the variables below; Locust lives in an environment of its
own and knows nothing of GAS. Every answer becomes a line of a CSV file, with the phase it fell in.

Phases, in turn: a few people sign in, then browse for a while; then many come at 30 a second and
sign in, then browse for a while. Browsing is measured once everybody is in: checking a password is
slow on purpose, and hundreds at once keep a machine busy. What that does to the others is in the
report as well, as a phase of its own.
"""

from __future__ import annotations

import csv
import itertools
import os
import random
import time
import uuid
from pathlib import Path
from typing import Any

from locust import LoadTestShape, events, task
from locust.contrib.fasthttp import FastHttpUser
from locust.exception import StopUser

from loadtest import pages

FEW = int(os.environ["LOADTEST_FEW"])
MANY = int(os.environ["LOADTEST_MANY"])
PHASE_S = float(os.environ["LOADTEST_PHASE_S"])
PASSWORD = os.environ["LOADTEST_PASSWORD"]
INPUT = Path(os.environ["LOADTEST_INPUT"]).read_bytes()
OUTPUT = Path(os.environ["LOADTEST_OUTPUT"])
SPAWN_PER_S = 30
#: People who do not get in for so long end the run.
SIGN_IN_S = 600.0
#: Reading takes a few seconds.
THINK_S = (2.0, 6.0)
POLLS = 150

_numbers = itertools.count()
_HTMX = {"HX-Request": "true"}


class Phases(LoadTestShape):
    """Few, then many. ``phase`` is the one of now, ``signed_in`` how many people are in."""

    phase = "few sign in"
    signed_in = 0
    _since = 0.0

    def tick(self) -> tuple[int, float] | None:
        for sign_in, browse, people in (
            ("few sign in", "few", FEW),
            ("many sign in", "many", MANY),
        ):
            if Phases.phase == sign_in:
                if Phases.signed_in >= people:
                    self._begin(browse)
                elif self.get_run_time() - self._since > SIGN_IN_S:
                    return None
                return people, SPAWN_PER_S
            if Phases.phase == browse and self.get_run_time() - self._since < PHASE_S:
                return people, SPAWN_PER_S
            if Phases.phase == browse and browse == "few":
                self._begin("many sign in")
                return MANY, SPAWN_PER_S
        return None

    def _begin(self, phase: str) -> None:
        Phases.phase, self._since = phase, self.get_run_time()


class Person(FastHttpUser):
    """One person, at an address and with an account of their own."""

    connection_timeout = network_timeout = 300.0

    def wait_time(self) -> float:
        return random.uniform(*THINK_S)

    def on_start(self) -> None:
        number = next(_numbers)
        self.jobs: list[str] = []
        # As the proxy in front would: limits on sign-ins count by address.
        self.address = {"X-Forwarded-For": f"10.1.{number // 250}.{number % 250 + 1}"}
        form = self.get("/accounts/login/", "sign-in form")
        fields = {"login": f"load-{number}@example.org", "password": PASSWORD}
        if self.post("/accounts/login/", "sign in", form, fields) is None:
            raise StopUser  # the failure is in the report
        Phases.signed_in += 1

    @task(20)
    def look_at_the_list(self) -> None:
        self.jobs = pages.jobs(self.get("/jobs/", "list")) or self.jobs

    @task(12)
    def look_at_a_job(self) -> None:
        if self.jobs:
            self.get(f"/jobs/{random.choice(self.jobs)}/", "job")
        else:
            self.look_at_the_list()

    @task(6)
    def take_a_result(self) -> None:
        if self.jobs:
            page = self.get(f"/jobs/{random.choice(self.jobs)}/", "job")
            if file := pages.result(page):
                self.get(file, "result file")
        else:
            self.look_at_the_list()

    @task(1)
    def annotate(self) -> None:
        """Upload, then watch the page until the job is over. One that ends without a result, or
        not at all, is a failure like a request's."""
        form = self.get("/annotate/", "upload form")
        sent = self.post("/annotate/", "upload", form, {"once": pages.once(form)}, INPUT)
        if sent is None:
            return
        if not (found := pages.jobs(sent)):
            self.missed("upload", f"leads to {sent}, which is no job")
            return
        self.jobs += found
        page = self.get(sent, "job")
        for _ in range(POLLS):
            again = pages.asks_again(page)
            if again is None:
                break
            where, seconds = again
            time.sleep(seconds)
            page = self.get(where, "poll", (200, 204), _HTMX) or page
        if fault := pages.fault(page):
            self.missed("job's end", f"{fault}: {sent}")

    def missed(self, name: str, why: str) -> None:
        """Note a failure that no request tells by its status."""
        self.environment.events.request.fire(
            request_type="PAGE", name=name, response_time=0, response_length=0,
            exception=RuntimeError(why), context={},
        )  # fmt: skip

    def get(
        self,
        path: str,
        name: str,
        right: tuple[int, ...] = (200,),
        more: dict[str, str] | None = None,
    ) -> str:
        """The page's text; "" where it failed, which is noted."""
        with self.client.get(
            path, name=name, headers={**self.address, **(more or {})}, catch_response=True
        ) as answer:
            if answer.status_code in right:
                return answer.text or ""
            answer.failure(f"status {answer.status_code}")
        return ""

    def post(
        self, path: str, name: str, form: str, fields: dict[str, str], file: bytes | None = None
    ) -> str | None:
        """Send the form that stands on the page ``form``. Where it leads; None where it failed."""
        fields = {"csrfmiddlewaretoken": pages.token(form), **fields}
        kind, body = _multipart(fields, file)
        with self.client.post(
            path,
            name=name,
            data=body,
            headers={**self.address, "Content-Type": kind},
            allow_redirects=False,
            catch_response=True,
        ) as answer:
            if answer.status_code == 302:
                return str(answer.headers["Location"])
            answer.failure(f"status {answer.status_code}")
        return None


def _multipart(fields: dict[str, str], file: bytes | None) -> tuple[str, bytes]:
    edge = uuid.uuid4().hex
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    if file is not None:
        head = (
            f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="load.vcf"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        parts += [head.encode(), file, b"\r\n"]
    return f"multipart/form-data; boundary={edge}", b"".join([*parts, f"--{edge}--\r\n".encode()])


@events.init.add_listener
def write_down(environment: Any, **_: Any) -> None:
    """Every answer as a line: its end (UNIX time), phase, people, what, how long (ms), error."""
    file = OUTPUT.open("w", newline="", buffering=1)
    lines = csv.writer(file)
    lines.writerow(("at", "phase", "people", "name", "ms", "error"))

    def note(name: str, response_time: float, exception: object = None, **_: Any) -> None:
        people = environment.runner.user_count
        ms = round(response_time, 1)
        lines.writerow((f"{time.time():.3f}", Phases.phase, people, name, ms, exception or ""))

    environment.events.request.add_listener(note)
