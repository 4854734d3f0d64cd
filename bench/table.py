"""One row a measurement; the ratio is what to quote."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """``value`` and ``baseline`` in ``unit``; more is better. A row without a baseline is one
    that others are measured against, or a plain figure."""

    what: str
    value: float
    unit: str
    against: str = ""
    baseline: float | None = None

    def cells(self) -> tuple[str, ...]:
        ratio = f"{self.value / self.baseline:.2f}x" if self.baseline else ""
        return (self.what, f"{self.value:,.1f} {self.unit}", ratio, self.against)


HEAD = ("measured", "median", "ratio", "against")


def show(rows: Iterable[Row]) -> str:
    """The rows as an aligned table."""
    table = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )
