"""Thousands of scale-ins against workers that take jobs all the time: is one killed while busy?

A worker protects its instance, receives, works, acknowledges, gives the protection up. Asking for
protection takes time on its way, as does the scaler's look at the farm and its order to terminate;
the scaling group compares with the protection in the moment in which it terminates.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from gas.farm.simulate.loop import Loop

FARM = 10


@dataclass(eq=False)
class _Worker:
    alive: bool = True
    protected: bool = False
    busy: bool = False


@dataclass
class ScaleIns:
    """``protect_first`` is the safe order; without it a worker receives first."""

    rng: random.Random
    protect_first: bool = True
    done: int = 0
    refused: int = 0
    busy_kills: int = 0

    def run(self, scale_ins: int) -> ScaleIns:
        """Until so many instances were terminated. Each is replaced, so the farm stays busy."""
        self.loop = Loop()
        self.workers: list[_Worker] = []
        for _ in range(FARM):
            self._launch()
        self.loop.every(1.0, self._choose)
        self.loop.run(float("inf"), lambda: self.done >= scale_ins)
        return self

    def _launch(self) -> None:
        worker = _Worker()
        self.workers.append(worker)
        self._begin(worker)

    def _begin(self, worker: _Worker) -> None:
        """Idle for a while, then the next job."""
        first = self._protect if self.protect_first else self._receive
        self.loop.after(self.rng.expovariate(1 / 3.0), lambda: first(worker))

    def _protect(self, worker: _Worker) -> None:
        self.loop.after(self.rng.uniform(0.05, 0.5), lambda: self._protected(worker))

    def _protected(self, worker: _Worker) -> None:
        worker.protected = worker.alive
        if self.protect_first:
            self._receive(worker)

    def _receive(self, worker: _Worker) -> None:
        if not worker.alive:  # its process is gone, and takes nothing
            return
        worker.busy = True
        if not self.protect_first:
            self._protect(worker)
        self.loop.after(1 + self.rng.expovariate(1 / 4.0), lambda: self._acknowledge(worker))

    def _acknowledge(self, worker: _Worker) -> None:
        worker.busy = False
        self.loop.after(self.rng.uniform(0.05, 0.5), lambda: self._give_up(worker))

    def _give_up(self, worker: _Worker) -> None:
        worker.protected = False
        if worker.alive:
            self._begin(worker)

    def _choose(self) -> None:
        """Pick one that looks unprotected; the order to terminate it arrives later."""
        free = [worker for worker in self.workers if not worker.protected]
        if free:
            chosen = self.rng.choice(free)
            self.loop.after(self.rng.uniform(0.1, 2.0), lambda: self._terminate(chosen))

    def _terminate(self, worker: _Worker) -> None:
        if worker.protected or not worker.alive:
            self.refused += 1
            return
        worker.alive = False
        self.done += 1
        self.busy_kills += worker.busy
        self.workers.remove(worker)
        self._launch()


def scale_ins(number: int, seed: int = 0, protect_first: bool = True) -> ScaleIns:
    """The outcome of ``number`` scale-ins; the same seed gives the same."""
    return ScaleIns(random.Random(f"scale-ins {seed}"), protect_first).run(number)  # noqa: S311
