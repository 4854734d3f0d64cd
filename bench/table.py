"""One row a measurement; the ratio is what to quote, and the bar is what it should come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """A goal for a row's value, or with ``of_ratio`` for its ratio: at least ``limit``, or with
    ``most`` at most that."""

    limit: float
    most: bool = False
    of_ratio: bool = False

    def __str__(self) -> str:
        return f"{'<=' if self.most else '>='} {self.limit:,g}{'x' if self.of_ratio else ''}"

    def held(self, seen: float | None) -> bool:
        """Whether ``seen`` is good enough. What is not there, or not a number, is not."""
        if seen is None:
            return False
        return seen <= self.limit if self.most else seen >= self.limit


@dataclass(frozen=True)
class Row:
    """``value`` and ``baseline`` in ``unit``. A row without a baseline is one that others are
    measured against, or a plain figure."""

    what: str
    value: float
    unit: str
    against: str = ""
    baseline: float | None = None
    bar: Bar | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.baseline if self.baseline else None

    @property
    def missed(self) -> bool:
        """Whether there is a bar, and it is not held."""
        if self.bar is None:
            return False
        return not self.bar.held(self.ratio if self.bar.of_ratio else self.value)

    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}x"
        bar = "" if self.bar is None else f"{self.bar}{' MISSED' if self.missed else ''}"
        return (self.what, f"{self.value:,.1f} {self.unit}", ratio, bar, self.against)


HEAD = ("measured", "median", "ratio", "bar", "against")


def show(rows: Iterable[Row]) -> str:
    """The rows as an aligned table."""
    table = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def missed(rows: Sequence[Row]) -> list[str]:
    """A sentence for each row that misses its bar."""
    return [
        f"MISSED: {row.what}: {row.value:,.1f} {row.unit}"
        f"{'' if row.ratio is None else f', {row.ratio:.2f}x'}; the bar is {row.bar}."
        for row in rows
        if row.missed
    ]
