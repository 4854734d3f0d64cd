"""The .tbi of a result, made while it is written, so that it need not be read again.

Format: the tabix paper (Li, Bioinformatics 2011) and the SAM specification, section 5.2. Each
contig has bins, which hold chunks of virtual offsets, and a linear index with the first offset of
every window of 16,384 bases. A virtual offset is a block's place in the file, shifted by 16, plus
a place within the uncompressed block.

Where a record's interval depends on its samples (LEN of VCF 4.5), or where a position is beyond
tabix's reach (2^29), the index is left to htslib: see ``Part.is_for_htslib``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from gas.annotate import bgzf
from gas.annotate.engines import Record
from gas.annotate.vcf import Batch, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

_MAX_POS = 1 << 29
_WINDOW_SHIFT = 14
#: Bins of one level cover 2^shift bases; the first of the level has this number.
_LEVELS = ((14, 4681), (17, 585), (20, 73), (23, 9), (26, 1))
_PSEUDO_BIN = 37450
#: Preset VCF; columns of the contig, the position and none for the end; comment; lines to skip.
_VCF_FORMAT = struct.pack("<6i", 2, 1, 2, 0, ord("#"), 0)
_reach = re.compile(rb"(?:^|;)(END|SVLEN)=([^;]*)").findall
_REF, _ALT = itemgetter(3), itemgetter(4)
_number = re.compile(rb"-?(\d{1,18})(?=,|$)").findall


@dataclass(frozen=True)
class Part:
    """What one slice gives to one contig. Offsets count from the slice's first block."""

    contig: bytes
    records: int
    #: (bin, first offset, offset after the last) of each run of records in one bin.
    runs: list[tuple[int, int, int]]
    #: (window, offset of the first record that reaches it), by window.
    windows: list[tuple[int, int]]
    is_for_htslib: bool


@dataclass
class _Contig:
    records: int = 0
    bins: dict[int, list[list[int]]] = field(default_factory=dict)
    windows: dict[int, int] = field(default_factory=dict)
    first: int = 0
    last: int = 0


def parts_of(
    batch: Batch,
    spans: Sequence[Span],
    sizes: Sequence[int],
    blocks: Sequence[bytes],
    is_reaching: bool,
) -> list[Part]:
    """What a slice gives to the index. ``spans``: those of ``batch``; ``sizes``: bytes of each
    record's line with its end; ``blocks``: the slice compressed, ``bgzf.BLOCK_BYTES`` of text in
    each but the last; ``is_reaching``: what ``may_reach`` says."""
    import numpy as np

    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    places = np.array([0, *accumulate(map(len, blocks))], np.int64)
    offsets = places[starts // bgzf.BLOCK_BYTES] << 16 | starts % bgzf.BLOCK_BYTES
    offsets[-1] = places[-1] << 16
    records = batch.records
    begins = (np.array(batch.positions, np.int64) - 1).clip(0)
    ends = begins + np.fromiter(map(len, map(_REF, records)), np.int64, len(records))
    is_odd = is_reaching and _stretch(records, begins, ends)
    bounds = [span.first_line - batch.first_line for span in spans] + [len(records)]
    return [
        _part(span.contig, begins[a:b], ends[a:b], offsets[a : b + 1], is_odd)
        for span, a, b in zip(spans, bounds, bounds[1:], strict=False)
    ]


def may_reach(records: Sequence[Record], infos: bytes) -> bool:
    """Whether a record may say that it is longer than its REF. ``infos``: INFO of all of them."""
    return b"END=" in infos or b"SVLEN=" in infos or b"<" in b"".join(map(_ALT, records))


def _stretch(records: Sequence[Record], begins: Numbers, ends: Numbers) -> bool:
    """Let records reach as far as INFO says; to index too much is safe. True: htslib must look."""
    for i, record in enumerate(records):
        if b"<" in record[4] and len(record) > 8 and b"LEN" in record[8].split(b"\t", 1)[0]:
            return True
        info = record[7]
        if b"END=" in info or b"SVLEN=" in info:
            for key, value in _reach(info):
                for number in _number(value):
                    reach = int(number) + (int(begins[i]) if key == b"SVLEN" else 0)
                    ends[i] = max(int(ends[i]), min(reach + 1, _MAX_POS))
    return False


def _part(contig: bytes, begins: Numbers, ends: Numbers, offsets: Numbers, is_odd: bool) -> Part:
    import numpy as np

    if is_odd or int(ends.max()) > _MAX_POS:
        return Part(contig, len(begins), [], [], is_for_htslib=True)
    lasts = ends - 1
    bins = np.zeros(len(begins), np.int64)
    for shift, first in reversed(_LEVELS):
        is_within = begins >> shift == lasts >> shift
        bins[is_within] = first + (begins[is_within] >> shift)
    cuts = np.flatnonzero(np.diff(bins)) + 1
    heads = np.concatenate(([0], cuts))
    tails = np.concatenate((cuts, [len(begins)]))
    columns = (bins[heads].tolist(), offsets[heads].tolist(), offsets[tails].tolist())
    runs = list(zip(*columns, strict=True))
    return Part(contig, len(begins), runs, _windows(begins, lasts, offsets), False)


def _windows(begins: Numbers, lasts: Numbers, offsets: Numbers) -> list[tuple[int, int]]:
    import numpy as np

    opened, first = np.unique(begins >> _WINDOW_SHIFT, return_index=True)
    found: dict[int, int] = dict(zip(opened.tolist(), offsets[first].tolist(), strict=True))
    # Later windows that a long record reaches; records come by rising offset.
    for i in np.flatnonzero(begins >> _WINDOW_SHIFT != lasts >> _WINDOW_SHIFT).tolist():
        offset = int(offsets[i])
        last = int(lasts[i]) >> _WINDOW_SHIFT
        for window in range((int(begins[i]) >> _WINDOW_SHIFT) + 1, last + 1):
            found[window] = min(found.get(window, offset), offset)
    return sorted(found.items())


class TabixIndex:
    """Gathers parts in file order."""

    def __init__(self) -> None:
        self._contigs: dict[bytes, _Contig] = {}
        #: Whether htslib must make the index instead.
        self.is_for_htslib = False

    def add(self, part: Part, place: int) -> None:
        """``place``: where in the file the slice's first block is."""
        self.is_for_htslib |= part.is_for_htslib
        base = place << 16
        contig = self._contigs.setdefault(part.contig, _Contig())
        if not contig.records and part.runs:
            contig.first = base + part.runs[0][1]
        contig.records += part.records
        for number, start, end in part.runs:
            chunks = contig.bins.setdefault(number, [])
            contig.last = base + end
            # Chunks that touch one block are read together anyway.
            if chunks and (base + start) >> 16 <= chunks[-1][1] >> 16:
                chunks[-1][1] = base + end
            else:
                chunks.append([base + start, base + end])
        for window, offset in part.windows:
            contig.windows.setdefault(window, base + offset)

    def to_bytes(self) -> bytes:
        """The .tbi file."""
        names = b"".join(name + b"\0" for name in self._contigs)
        out = [b"TBI\1", struct.pack("<i", len(self._contigs)), _VCF_FORMAT]
        out += [struct.pack("<i", len(names)), names]
        for contig in self._contigs.values():
            out.append(struct.pack("<i", len(contig.bins) + 1))
            for number, chunks in sorted(contig.bins.items()):
                flat = [offset for chunk in chunks for offset in chunk]
                out.append(struct.pack(f"<Ii{len(flat)}Q", number, len(chunks), *flat))
            about = (contig.first, contig.last, contig.records, 0)
            out.append(struct.pack("<Ii4Q", _PSEUDO_BIN, 2, *about))
            linear = _filled(contig.windows)
            out.append(struct.pack(f"<i{len(linear)}Q", len(linear), *linear))
        out.append(struct.pack("<Q", 0))
        return bgzf.compress(b"".join(out)) + bgzf.EOF


def _filled(windows: dict[int, int]) -> list[int]:
    """An offset for every window up to the last; an empty one has that of the next."""
    linear: list[Any] = [None] * (max(windows, default=-1) + 1)
    for window, offset in windows.items():
        linear[window] = offset
    following = 0
    for window in range(len(linear) - 1, -1, -1):
        if linear[window] is None:
            linear[window] = following
        following = linear[window]
    return linear
