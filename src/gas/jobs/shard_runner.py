"""Running the parts of the work on a large file in child processes (``gas.annotate.shards``).

What goes from one to the next, and may be another host's, lies in the store, with its checksum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gas.annotate.shards import FOUND, HEAD
from gas.config import Settings
from gas.jobs.runner import (
    RESULT,
    Outcome,
    Target,
    Task,
    converse,
    offers,
    request_for,
    store_results,
    work_folder,
)
from gas.storage import StoredObject

Keep = Callable[[float], None]
#: Two objects: a shard's text and cuts, its blocks and what is about them, a plan's head and
#: findings.
Pair = tuple[StoredObject, StoredObject]


@dataclass(frozen=True)
class Planned:
    """A shard, ready to be worked on. ``read``: share of the input that was read by then."""

    number: int
    size_bytes: int
    read: float
    inputs: Pair


class ShardRunner(Protocol):
    """``keep`` is as for ``gas.jobs.runner.Runner``; so are the errors, and InOnePiece's code."""

    def plan(
        self, task: Task, shard_bytes: int, take: Callable[[Planned], None], keep: Keep
    ) -> Pair:
        """Split the input into shards below the output prefix; ``take`` is given each as soon as it
        is there. Returns what the join needs."""
        ...

    def work(self, target: Target, inputs: Pair, keep: Keep) -> Pair:
        """Annotate one shard."""
        ...

    def join(self, target: Target, plan: Pair, shards: Iterable[Pair], keep: Keep) -> Outcome:
        """Make the result of what all the shards, in order, have come to."""
        ...


class ChildShardRunner:
    """Runs each in a process of its own, in a folder of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def plan(
        self, task: Task, shard_bytes: int, take: Callable[[Planned], None], keep: Keep
    ) -> Pair:
        furthest = 0.0

        def onward(share: float = 0.0) -> None:
            # What the child has read is ahead of what is stored.
            nonlocal furthest
            furthest = max(furthest, share)
            keep(furthest)

        def put(path: Path, name: str) -> StoredObject:
            key = f"{task.output_prefix}/shards/{name}"
            stored = task.storage.put_file(key, path, tick=onward)
            path.unlink()
            return stored

        def on_shard(shard: dict[str, Any]) -> None:
            number = shard["number"]
            text = put(Path(shard["text"]), f"{number}/text.vcf.gz")
            cuts = put(Path(shard["cuts"]), f"{number}/cuts")
            take(Planned(number, shard["size_bytes"], shard["read"], (text, cuts)))

        with work_folder(self._settings) as folder:
            source = folder / "input"
            task.storage.fetch(task.input_key, source, sha256=task.input_sha256, tick=onward)
            request = {
                **request_for(self._settings, task),
                "do": "plan",
                "input": str(source),
                "folder": str(folder),
                "shard_bytes": shard_bytes,
                "offers": offers(self._settings),
            }
            converse(request, onward, on_shard)
            return put(folder / HEAD, HEAD), put(folder / FOUND, FOUND)

    def work(self, target: Target, inputs: Pair, keep: Keep) -> Pair:
        with work_folder(self._settings) as folder:
            text, cuts = _fetch(target, folder, "in", inputs, lambda: keep(0.0))
            request = {
                **request_for(self._settings, target),
                "do": "work",
                "text": text,
                "cuts": cuts,
                "folder": str(folder),
            }
            done = converse(request, keep)

            def put(name: str) -> StoredObject:
                key = f"{target.output_prefix}/{name}"
                return target.storage.put_file(key, Path(done[name]), tick=lambda: keep(1.0))

            return put("blocks"), put("about")

    def join(self, target: Target, plan: Pair, shards: Iterable[Pair], keep: Keep) -> Outcome:
        with work_folder(self._settings) as folder:
            results = folder / "results"
            results.mkdir()

            def tick() -> None:
                keep(0.0)

            head, found = _fetch(target, folder, "plan", plan, tick)
            done = [
                _fetch(target, folder, str(number), pair, tick)
                for number, pair in enumerate(shards)
            ]
            request = {
                **request_for(self._settings, target),
                "do": "join",
                "head": head,
                "found": found,
                "shards": done,
                "output": str(results / RESULT),
                "beside": "",
            }
            summary = converse(request, keep)["summary"]
            return store_results(target, results, summary, keep)


def _fetch(
    target: Target, folder: Path, name: str, pair: Pair, tick: Callable[[], None]
) -> tuple[str, str]:
    """Both objects as files ``<name>.0`` and ``<name>.1`` of ``folder``."""
    paths = [str(folder / f"{name}.{at}") for at in range(2)]
    for path, stored in zip(paths, pair, strict=True):
        target.storage.fetch(stored.key, Path(path), sha256=stored.sha256, tick=tick)
    return paths[0], paths[1]
