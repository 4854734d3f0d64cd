"""One contig, several names: ``chr20`` and ``20``; ``chrM``, ``M``, ``MT`` and ``chrMT``."""

from __future__ import annotations

from collections.abc import Iterable

_MITOCHONDRION = frozenset({"M", "MT"})


class ContigNames:
    """From the names in an input to those of the reference. The exact name wins."""

    def __init__(self, reference: Iterable[str]) -> None:
        names = list(reference)
        self._known: dict[bytes, str | None] = {}
        for name in names:
            for alias in _aliases(name):
                self._known.setdefault(alias.encode(), name)
        for name in names:
            self._known[name.encode()] = name

    def get(self, name: bytes) -> str | None:
        """The reference's name of the input's contig ``name``; None where it has none."""
        return self._known.get(name)


def _aliases(name: str) -> list[str]:
    bare = name[3:] if name.lower().startswith("chr") else name
    bares = sorted(_MITOCHONDRION) if bare in _MITOCHONDRION else [bare]
    return [form for each in bares for form in (each, f"chr{each}")]
