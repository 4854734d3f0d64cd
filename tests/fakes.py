"""Fakes for what a use case takes from outside, so that tests decide what happens when."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gas.jobs.runner import Outcome, Target, Task
from gas.jobs.shard_runner import Keep, Pair, Planned
from gas.notify.mailer import Letter
from gas.storage import ObjectMissing, Storage, StoredObject
from gas.storage.cold import ColdTier, NotThawed, Thaw

SUMMARY = {"records": 3, "impact": {"HIGH": 1, "LOW": 0}, "a": None}
Step = Callable[[Task, Callable[[float], None]], None]


class FakeClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class FakeRunner:
    """Writes a result of fixed bytes. Before that it does the next of ``steps``, which may raise,
    call ``keep``, or let something else happen in the meantime."""

    steps: list[Step] = field(default_factory=list)
    runs: int = 0

    def run(self, task: Task, keep: Callable[[float], None]) -> Outcome:
        self.runs += 1
        step = self.steps.pop(0) if self.steps else None
        text = f"result of {task.output_prefix}".encode()
        stored = task.storage.put(f"{task.output_prefix}/annotated.vcf.gz", [text])
        if step is not None:
            step(task, keep)
        keep(1.0)
        file = {
            "name": "annotated.vcf.gz",
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
        }
        return Outcome([file], dict(SUMMARY))


@dataclass
class FakeShardRunner:
    """Splits every file into ``parts``; a part's work is to say its number. ``before`` is called
    with "plan N", "part N" or "join" before that is done, and may raise or call ``keep``."""

    parts: int = 3
    before: Callable[[str, Keep], None] = lambda what, keep: None

    def plan(
        self, task: Task, shard_bytes: int, take: Callable[[Planned], None], keep: Keep
    ) -> Pair:
        def put(name: str, text: str = "") -> StoredObject:
            return task.storage.put(f"{task.output_prefix}/shards/{name}", [text.encode()])

        for number in range(self.parts):
            self.before(f"plan {number}", keep)
            read = (number + 1) / self.parts
            inputs = put(f"{number}/text", str(number)), put(f"{number}/cuts")
            take(Planned(number, 100, read, inputs))
            keep(read)
        return put("head", "head "), put("found")

    def work(self, target: Target, inputs: Pair, keep: Keep) -> Pair:
        number = self._text(target, inputs[0])
        put = target.storage.put
        blocks = put(f"{target.output_prefix}/blocks", [f"<{number}>".encode()])
        about = put(f"{target.output_prefix}/about", [b""])
        self.before(f"part {number}", keep)
        keep(1.0)
        return blocks, about

    def join(self, target: Target, plan: Pair, shards: Iterable[Pair], keep: Keep) -> Outcome:
        texts = [self._text(target, stored) for stored in (plan[0], *(pair[0] for pair in shards))]
        key = f"{target.output_prefix}/annotated.vcf.gz"
        stored = target.storage.put(key, ["".join(texts).encode()])
        self.before("join", keep)
        keep(1.0)
        file = {"name": "annotated.vcf.gz", **vars(stored)}
        del file["key"]
        return Outcome([file], dict(SUMMARY))

    @staticmethod
    def _text(target: Target, stored: StoredObject) -> str:
        text = b"".join(target.storage.read(stored.key))
        assert hashlib.sha256(text).hexdigest() == stored.sha256
        return text.decode()


@dataclass
class FakeMailer:
    """Keeps what it is given. ``errors`` are raised first, one for each call."""

    sent: list[Letter] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def send(self, letter: Letter) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(letter)


class FakeCold(ColdTier):
    """A cold tier that thaws in ``thaw_s``. The next calls raise what ``errors`` holds, first to
    first; None lets one pass. ``calls`` says what was asked."""

    def __init__(self, clock: FakeClock, thaw_s: float = 300) -> None:
        self.clock, self.thaw_s = clock, thaw_s
        self.objects: dict[str, bytes] = {}
        self.ready_at: dict[str, datetime] = {}
        self.errors: list[Exception | None] = []
        self.calls: list[str] = []

    def archive(self, store: Storage, key: str) -> StoredObject:
        self._called("archive")
        self.objects[key] = b"".join(store.read(key))
        self.ready_at.pop(key, None)
        return self._stored(key)

    def request_thaw(self, key: str) -> Thaw:
        self._called("request_thaw")
        self._find(key)
        ready = self.ready_at.setdefault(key, self.clock() + timedelta(seconds=self.thaw_s))
        return Thaw("Expedited", ready)

    def is_ready(self, key: str) -> bool:
        self._called("is_ready")
        self._find(key)
        return key in self.ready_at and self.ready_at[key] <= self.clock()

    def restore(self, store: Storage, key: str) -> StoredObject:
        self._called("restore")
        self._find(key)
        if self.ready_at.get(key, self.clock() + timedelta(1)) > self.clock():
            raise NotThawed()
        return store.put(key, [self._find(key)])

    def delete(self, key: str) -> None:
        self._called("delete")
        self.objects.pop(key, None)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error

    def _find(self, key: str) -> bytes:
        if key not in self.objects:
            raise ObjectMissing(f"There is no object {key} in the cold.")
        return self.objects[key]

    def _stored(self, key: str) -> StoredObject:
        data = self.objects[key]
        return StoredObject(key, len(data), hashlib.sha256(data).hexdigest())


def raising(error: Exception) -> Step:
    def step(_task: Task, _keep: Callable[[float], None]) -> None:
        raise error

    return step
