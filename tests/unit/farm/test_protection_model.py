"""All interleavings of a worker that takes jobs and a scaler that takes workers away.

The model: three workers run the same steps over and over, three jobs wait, and a scaler wants two
workers fewer. Every step is atomic, as it is in the real parts: protecting is one call to the
scaling group, receiving is one UPDATE in the queue, and the scaling group checks the protection in
the same step in which it terminates. What is in between may happen in any order, so all orders are
tried: a search over all states that can be reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

#: A worker's steps in order; after the last it starts again.
SAFE = ("protect", "receive", "work", "acknowledge", "unprotect")
UNSAFE = ("receive", "protect", "work", "acknowledge", "unprotect")
#: Gives its protection up one step too early.
HASTY = ("protect", "receive", "work", "unprotect", "acknowledge")


@dataclass(frozen=True)
class Worker:
    step: int = 0
    alive: bool = True
    protected: bool = False
    holds_job: bool = False


@dataclass(frozen=True)
class World:
    workers: tuple[Worker, ...]
    jobs_waiting: int
    to_terminate: int
    #: The scaler's choice, made on what it saw then. None: it has not chosen.
    chosen: int | None = None
    busy_kills: int = 0


def after_worker(world: World, order: tuple[str, ...], number: int) -> Iterator[World]:
    worker = world.workers[number]
    if not worker.alive:
        return
    waiting = world.jobs_waiting
    done = replace(worker, step=(worker.step + 1) % len(order))
    match order[worker.step]:
        case "protect":
            done = replace(done, protected=True)
        case "receive" if waiting:
            done, waiting = replace(done, holds_job=True), waiting - 1
        case "receive":  # nothing there: give the protection back and begin again
            done = Worker()
        case "acknowledge":
            done = replace(done, holds_job=False)
        case "unprotect":
            done = replace(done, protected=False)
    workers = tuple(done if at == number else other for at, other in enumerate(world.workers))
    yield replace(world, workers=workers, jobs_waiting=waiting)


def after_scaler(world: World, checks: bool) -> Iterator[World]:
    """Pick any unprotected instance, later terminate it; ``checks``: if it still is unprotected."""
    if not world.to_terminate:
        return
    if world.chosen is None:
        for number, worker in enumerate(world.workers):
            if worker.alive and not worker.protected:
                yield replace(world, chosen=number)
        return
    worker = world.workers[world.chosen]
    if worker.protected and checks:  # refused: choose again
        yield replace(world, chosen=None)
        return
    dead = replace(worker, alive=False)
    yield replace(
        world,
        workers=tuple(dead if n == world.chosen else w for n, w in enumerate(world.workers)),
        to_terminate=world.to_terminate - 1,
        chosen=None,
        busy_kills=world.busy_kills + worker.holds_job,
    )


def following(world: World, order: tuple[str, ...], checks: bool = True) -> Iterator[World]:
    for number in range(len(world.workers)):
        yield from after_worker(world, order, number)
    yield from after_scaler(world, checks)


def reachable(order: tuple[str, ...], checks: bool = True) -> set[World]:
    first = World(workers=(Worker(),) * 3, jobs_waiting=3, to_terminate=2)
    seen, frontier = {first}, [first]
    while frontier:
        world = frontier.pop()
        new = set(following(world, order, checks)) - seen
        seen |= new
        frontier.extend(new)
    return seen


def test_protect_then_receive_never_loses_a_busy_worker() -> None:
    worlds = reachable(SAFE)
    assert len(worlds) > 1_000
    assert max(world.busy_kills for world in worlds) == 0


def test_protection_still_lets_the_farm_go_in() -> None:
    ends = {world for world in reachable(SAFE) if world.to_terminate == 0}
    assert ends
    # From every state there is a way to an end: the protection is no trap.
    leads_there = set(ends)
    others = reachable(SAFE) - ends
    while found := {w for w in others if not leads_there.isdisjoint(following(w, SAFE))}:
        leads_there |= found
        others -= found
    assert not others


@pytest.mark.parametrize("order", [UNSAFE, HASTY], ids=["receive-first", "unprotect-early"])
def test_every_other_order_is_found_out(order: tuple[str, ...]) -> None:
    assert max(world.busy_kills for world in reachable(order)) > 0


def test_a_scaler_that_trusts_what_it_saw_is_found_out() -> None:
    # Which is why the supervisor asks and stops in one step, and a scaling group does too.
    assert max(world.busy_kills for world in reachable(SAFE, checks=False)) > 0
