"""How few and how many: `3` or `2..10`, as settings and command lines say it."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST = 64


@dataclass(frozen=True)
class Bounds:
    """From ``minimum`` to ``maximum``, both included."""

    minimum: int
    maximum: int

    @classmethod
    def parse(cls, text: str) -> Bounds:
        """Raises ValueError with a sentence for a person."""
        found = re.fullmatch(r"(\d{1,3})(?:\.\.(\d{1,3}))?", text.strip(), re.ASCII)
        if found is None:
            raise ValueError(f"must be a number or a range as 2..10, not {text!r}")
        minimum = int(found[1])
        maximum = minimum if found[2] is None else int(found[2])
        if not 1 <= minimum <= maximum <= MOST:
            raise ValueError(f"must go from 1 to {MOST} at most, the smaller number first")
        return cls(minimum, maximum)

    def __str__(self) -> str:
        return (
            str(self.minimum) if self.minimum == self.maximum else f"{self.minimum}..{self.maximum}"
        )
