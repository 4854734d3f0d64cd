"""Many records at a glance: a column after the other, each by a call or two at the speed of C.

``Glance`` accepts only what the look at each record, in ``stream.py``, would accept in silence;
where it refuses, each record is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gas.annotate.validate import spec
from gas.annotate.validate.fixed import ID, MEMORY, MEMORY_LENGTH, QUAL, Fixed
from gas.annotate.validate.info import Info

#: So many records are taken together: one odd record among them makes all go the slow way.
RECORDS = 256
#: After refusals in a row, so many groups at most are not tried.
_REST = 64

_BASE = frozenset(b"A C G T N".split())
_IDS = re.compile(rb"(?>%b\n)*+" % ID)
_QUALS = re.compile(rb"(?>(?>%b)\n)*+" % QUAL)


class _Alleles(dict[tuple[bytes, bytes], int]):
    """(REF, ALT) -> alleles in ALT, where there is nothing to report of the two; else -1."""

    def __init__(self, fixed: Fixed, symbols_slow: bool) -> None:
        super().__init__()
        self._fixed = fixed
        self._symbols_slow = symbols_slow

    def __missing__(self, pair: tuple[bytes, bytes]) -> int:
        ref, alt = pair
        alleles = self._fixed.alleles(alt)
        if not clean_pair(ref, alt) or (self._symbols_slow and b"<" in alt):
            alleles = -1
        if len(ref) + len(alt) < MEMORY_LENGTH:
            if len(self) >= MEMORY:
                self.clear()
            self[pair] = alleles
        return alleles


class Glance:
    """The quick rules of one file for records in groups."""

    def __init__(self, fixed: Fixed, info: Info, *, symbols_slow: bool) -> None:
        """``symbols_slow``: symbolic alleles have rules that need the slow way."""
        self._fixed = fixed
        self._info = info
        self._alleles = _Alleles(fixed, symbols_slow)
        self._refused = self._rest = 0

    def last_pos(
        self, records: Sequence[list[bytes]], width: int, contig: bytes, low: int, high: int
    ) -> int:
        """Position of the last record, where there is nothing to report of any: all of ``width``
        columns, on ``contig``, between ``low`` and ``high`` and in order; else -1. The columns
        behind INFO are not looked at."""
        if self._rest:
            self._rest -= 1
            return -1
        pos = self._look(records, width, contig, low, high)
        if pos < 0:
            self._refused = min(2 * self._refused + 1, _REST)
            self._rest = self._refused - 1
        else:
            self._refused = 0
        return pos

    def _look(
        self, records: Sequence[list[bytes]], width: int, contig: bytes, low: int, high: int
    ) -> int:
        if set(map(len, records)) != {width}:
            return -1
        chroms, texts, names, refs, alts, quals, filters, infos = list(zip(*records, strict=True))[
            :8
        ]
        if set(chroms) != {contig} or not all(texts) or max(map(len, texts)) > 10:
            return -1
        if not b"".join(texts).isdigit():
            return -1
        positions = list(map(int, texts))
        if positions[0] < low or positions[-1] > high or sorted(positions) != positions:
            return -1
        if not _IDS.fullmatch(_lines(names)) or not _QUALS.fullmatch(_lines(quals)):
            return -1
        if not self._fixed.ids_may_be_lists and b";" in b"".join(names):
            return -1
        if not all(map(self._fixed.filter_clean, set(filters))):
            return -1
        alleles = list(map(self._alleles.__getitem__, zip(refs, alts, strict=True)))
        return positions[-1] if self._infos_clean(infos, alleles, positions) else -1

    def _infos_clean(
        self, infos: Sequence[bytes], alleles: Sequence[int], positions: Sequence[int]
    ) -> bool:
        counts = set(alleles)
        if -1 in counts:
            return False
        if len(counts) == 1:
            return self._info.all_clean(infos, counts.pop(), positions)
        for count in counts:
            own = [i for i, n in enumerate(alleles) if n == count]
            some = [infos[i] for i in own]
            if not self._info.all_clean(some, count, [positions[i] for i in own]):
                return False
        return True


def clean_pair(ref: bytes, alt: bytes) -> bool:
    """Whether there is nothing to report of REF, nor of it beside ALT."""
    if ref in _BASE:
        if alt in _BASE:
            return ref != alt
    elif not spec.BASES.fullmatch(ref):
        return False
    return ref.upper() not in alt.upper().split(b",")


def _lines(values: Sequence[bytes]) -> bytes:
    return b"\n".join(values) + b"\n"
