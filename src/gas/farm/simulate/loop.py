"""Simulated time: things happen in order of their time; at the same time, in order of entry."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Loop:
    """A clock that jumps from one thing to the next. ``now_s`` starts at 0."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._count = 0
        self._coming: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, delay_s: float, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._coming, (self.now_s + delay_s, self._count, do))

    def every(self, period_s: float, do: Callable[[], None], first_s: float = 0.0) -> None:
        def again() -> None:
            do()
            self.after(period_s, again)

        self.after(first_s, again)

    def run(self, until_s: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Go on until ``until_s``, or until ``enough`` says so after something happened."""
        while self._coming and self._coming[0][0] <= until_s and not enough():
            self.now_s, _, do = heapq.heappop(self._coming)
            do()
