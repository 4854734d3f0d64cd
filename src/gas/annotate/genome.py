"""The reference sequence, read through a sliding window: records come sorted."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import pysam

from gas.errors import PackError

_WINDOW_BASES = 1 << 17


class Genome:
    """Upper-case bases of a pack's FASTA. A context manager."""

    def __init__(self, fasta: Path, window_bases: int = _WINDOW_BASES) -> None:
        """``fasta`` is BGZF with its .fai and .gzi beside it. Raises PackError where it is not.

        ``window_bases``: how many are read at a time; few suit those who ask here and there."""
        self._window_bases = window_bases
        try:
            self._file = pysam.FastaFile(str(fasta))
        except (OSError, ValueError) as error:
            raise PackError(
                f"The genome {fasta} cannot be read ({error}).",
                hint="Check the reference with `gas reference verify`.",
            ) from None
        self._contig = ""
        self._start0 = 0
        self._window = b""

    def bases(self, contig: str, start0: int, end: int) -> bytes:
        """The bases of the 0-based half-open interval; shorter where the contig ends before."""
        offset = start0 - self._start0
        if contig != self._contig or offset < 0 or end - self._start0 > len(self._window):
            self._contig, self._start0, offset = contig, start0, 0
            stop = max(end, start0 + self._window_bases)
            self._window = self._file.fetch(contig, start0, stop).upper().encode()
        return self._window[offset : offset + end - start0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
