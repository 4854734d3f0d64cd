"""1,000 annotators and 10 million jobs a day: what saturates first, on paper and by simulation.

``FIGURES`` names every number that is used, and where it is from. ``paper`` does the arithmetic;
``simulate_database`` runs the farm's statements against a PostgreSQL of some cores; queues.py does
the rest that queues.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass

from gas.farm.simulate.loop import Loop


@dataclass(frozen=True)
class Figure:
    value: float
    unit: str
    what: str
    source: str


MEASURED = "measured in this project"
CODE = "this project's code or settings"
PUBLIC = "public: "
ASSUMED = "assumed"

FIGURES = {
    "jobs_per_day": Figure(10e6, "jobs a day", "the load in question", "the question"),
    "annotators": Figure(1_000, "", "annotators in question", "the question"),
    "peak": Figure(3, "x", "busiest hour against the mean", ASSUMED),
    "message_ms": Figure(
        1.5, "ms CPU", "database, for a message and its rows, from submit to done",
        MEASURED + ": 3 ms for a job of two messages",
    ),
    "messages": Figure(3, "", "messages for a job: annotate, notify, archive", CODE),
    "empty_fetch_ms": Figure(0.05, "ms CPU", "database, an annotator asks and nothing waits",
                             MEASURED),
    "beat_ms": Figure(0.16, "ms CPU", "database, one heartbeat or renewed lease", MEASURED),
    "beats_per_s": Figure(0.4, "1/s", "heartbeat and lease of a busy annotator, each every 5 s",
                          CODE),
    "poll_s": Figure(5, "s", "an idle annotator asks without being told",
                     PUBLIC + "procrastinate's default"),
    "connections": Figure(4, "", "connections of an annotator: 3 of the queue, 1 of Django", CODE),
    "max_connections": Figure(200, "", "connections that the embedded PostgreSQL takes at least",
                              CODE),
    "commits_per_s": Figure(
        5_000, "1/s", "durable commits of one PostgreSQL with group commit on a fast disk", ASSUMED
    ),
    "requests": Figure(8, "", "requests to the object store for a job: 1 input put, 1 get, "
                       "3 results put, 1 result got, 2 to archive", CODE),
    "puts": Figure(5, "", "of these, those that write or copy", CODE),
    "puts_per_s": Figure(3_500, "1/s", "writes that S3 takes for one prefix",
                         PUBLIC + "Amazon S3 user guide"),
    "job_mb": Figure(0.6, "MB", "input of 150 KB and result of 450 KB", ASSUMED),
    "mails": Figure(1, "", "mails for a job", CODE),
    "mail_ms": Figure(50, "ms", "one mail handed to a server near by", ASSUMED),
    "ses_per_s": Figure(14, "1/s", "mails that SES takes at first, 50,000 a day",
                        PUBLIC + "the usual first quota of Amazon SES"),
}  # fmt: skip


def value(name: str) -> float:
    return FIGURES[name].value


@dataclass(frozen=True)
class Part:
    """How much of a limit is used; ``mean`` and ``peak`` in the limit's unit."""

    name: str
    sum: str
    mean: float
    peak: float
    limit: float
    unit: str
    then: str
    #: Requests of a job that wait for their turn here; 0: nothing waits, or it is simulated by its
    #: statements.
    requests: float = 0

    @property
    def saturates_at_jobs_per_day(self) -> float:
        """At the peak hour, everything else in proportion."""
        return value("jobs_per_day") * self.limit / self.peak


def paper() -> Iterator[Part]:
    """Each part that the load goes through, in order of the way of a job."""
    rate, peak = value("jobs_per_day") / 86_400, value("peak")

    def part(
        name: str, how: str, each: float, limit: float, unit: str, then: str, requests: float = 0
    ) -> Part:
        return Part(name, how, rate * each, rate * peak * each, limit, unit, then, requests)

    links = value("annotators") * value("connections")
    yield Part(
        "PostgreSQL, connections", "1,000 annotators x 4", links, links,
        value("max_connections"), "connections",
        "a server with max_connections 5,000 and the memory for it; to be built: annotators that "
        "poll instead of listening (no session is kept then), or an address of its own for "
        "Django's connections, so that PgBouncer in transaction mode can stand before them",
    )  # fmt: skip
    yield part(
        "PostgreSQL, CPU", "jobs/s x 3 messages x 1.5 ms",
        value("messages") * value("message_ms") / 1e3, 4, "of 4 cores",
        "8 cores; to be built: job events partitioned by month",
    )  # fmt: skip
    yield part(
        "PostgreSQL, commits", "jobs/s x 3 messages x 4 commits", value("messages") * 4,
        value("commits_per_s"), "commits/s",
        "a faster disk; to be built: synchronous_commit off for heartbeats and progress, a "
        "database of its own for the queue",
        value("messages") * 4,
    )  # fmt: skip
    yield part(
        "Object store, writes", "jobs/s x 5 writes", value("puts"), value("puts_per_s"), "puts/s",
        "nothing on S3: keys begin with users/ID, which it splits into partitions as they warm "
        "up; to be built: small results of one user archived as one object",
        value("puts"),
    )  # fmt: skip
    yield part(
        "Object store, bytes", "jobs/s x 0.6 MB", value("job_mb"), 1_250, "MB/s (10 Gbit/s)",
        "no need; a local disk as store ends far earlier and gives way to S3",
    )  # fmt: skip
    yield part(
        "Mail, one notify worker", "jobs/s x 50 ms", value("mails") * value("mail_ms") / 1e3, 1,
        "of 1 worker", "more of them for the peak, 18 (gas worker notify); to be built: one mail "
        "an hour for who sends many jobs",
        value("mails"),
    )  # fmt: skip
    yield part(
        "Mail, SES", "jobs/s x 1 mail", value("mails"), value("ses_per_s"), "mails/s",
        "a quota of 350 mails/s (it is raised on request); to be built: digests, and webhooks "
        "instead of mails for programs, which most of 10 million jobs a day come from",
        value("mails"),
    )  # fmt: skip


@dataclass(frozen=True)
class Load:
    """What a PostgreSQL of ``cores`` has to do for ``annotators``, at 80 % of their time busy."""

    annotators: int
    jobs_per_s: float
    listening: bool
    cores: int
    #: Share of all cores' time, above 1 where it cannot keep up.
    utilisation: float
    #: 95th percentile of a statement's wait for a core.
    wait_p95_ms: float


def simulate_database(
    annotators: int, *, listening: bool, cores: int = 4, seconds: float = 20.0, seed: int = 0
) -> Load:
    """Run ``seconds`` of the farm's statements. Jobs come at the question's ratio of jobs to
    annotators; with ``listening`` each new job wakes every idle annotator, and each asks."""
    rng = random.Random(f"database {seed}")  # noqa: S311 - no secret
    loop, free_s, waits, work = Loop(), [0.0] * cores, list[float](), [0.0]
    rate = value("jobs_per_day") / 86_400 / value("annotators") * annotators
    idle = annotators * 0.2

    def spend(cpu_ms: float) -> None:
        start_s = max(loop.now_s, heapq.heappop(free_s))
        heapq.heappush(free_s, start_s + cpu_ms / 1e3)
        waits.append(start_s - loop.now_s)
        work[0] += cpu_ms / 1e3

    def job() -> None:
        for message in range(int(value("messages"))):
            # Its statements come one after another while the job goes on its way.
            for step in range(3):
                delay_s = 0.2 * message + rng.expovariate(1.0) * step
                loop.after(delay_s, lambda: spend(value("message_ms") / 3))
        if listening:
            for _ in range(cores):
                spend(idle * value("empty_fetch_ms") / cores)
        loop.after(rng.expovariate(rate), job)

    def steady(per_s: float, cpu_ms: float) -> None:
        def once() -> None:
            spend(cpu_ms)
            loop.after(rng.expovariate(per_s), once)

        loop.after(rng.expovariate(per_s), once)

    job()
    steady((annotators - idle) * value("beats_per_s"), value("beat_ms"))
    steady(idle / value("poll_s"), value("empty_fetch_ms"))
    loop.run(seconds)
    waits.sort()
    p95_ms = waits[int(len(waits) * 0.95)] * 1e3
    return Load(annotators, rate, listening, cores, work[0] / seconds / cores, p95_ms)
