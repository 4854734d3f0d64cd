"""The index of a result, made while it is written, so that it need not be read again: a .tbi, or a
.csi where a record reaches beyond what a .tbi can say (2^29).

Formats: the tabix paper (Li, Bioinformatics 2011), the SAM specification, section 5.2, and the CSI
specification (CSIv1). Each contig has bins, which hold chunks of virtual offsets, and a linear
index with the first offset of every window of 16,384 bases, of which a .csi keeps, for each bin,
the one at its start. A virtual offset is a block's place in the file, shifted by 16, plus a place
within the uncompressed block.

Bins are numbered as a .csi of six levels does, which reaches to 2^32; a .tbi has the lower five.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING

from gas.annotate import bgzf
from gas.annotate.engines import Record
from gas.annotate.vcf import Batch, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

#: No record is said to reach further (0-based, excluded).
_MAX_END = 1 << 31
_TBI_END = 1 << 29
_WINDOW_SHIFT = 14
_CSI_DEPTH = 6


def _first_bin(level: int) -> int:
    """The number of a level's first bin; level 0 is the one bin that holds all others."""
    return ((1 << 3 * level) - 1) // 7


#: Bins of one level cover 2^shift bases; the first of the level has this number. Smallest first.
_LEVELS = tuple(
    (_WINDOW_SHIFT + 3 * (_CSI_DEPTH - level), _first_bin(level))
    for level in range(_CSI_DEPTH, 0, -1)
)
#: Of a .tbi, and of a .csi: holds the contig's extent and its number of records.
_TBI_PSEUDO_BIN, _CSI_PSEUDO_BIN = _first_bin(_CSI_DEPTH) + 1, _first_bin(_CSI_DEPTH + 1) + 1
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
    #: (first window, last window, offset of the first record that reaches them), ascending.
    windows: list[tuple[int, int, int]]
    #: The last base that a record reaches is number ``end`` (1-based).
    end: int


@dataclass
class _Contig:
    records: int = 0
    bins: dict[int, list[list[int]]] = field(default_factory=dict)
    #: The first offset of every window up to the last one; None: no record reaches it.
    windows: list[int | None] = field(default_factory=list)
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
    if is_reaching:
        _stretch(records, begins, ends)
    bounds = [span.first_line - batch.first_line for span in spans] + [len(records)]
    return [
        _part(span.contig, begins[a:b], ends[a:b], offsets[a : b + 1])
        for span, a, b in zip(spans, bounds, bounds[1:], strict=False)
    ]


def may_reach(records: Sequence[Record], infos: bytes) -> bool:
    """Whether a record may say that it is longer than its REF. ``infos``: INFO of all of them."""
    return b"END=" in infos or b"SVLEN=" in infos or b"<" in b"".join(map(_ALT, records))


def _stretch(records: Sequence[Record], begins: Numbers, ends: Numbers) -> None:
    """Let records reach as far as INFO, and LEN of their samples, say; to index too much is
    safe."""
    for i, record in enumerate(records):
        reach, info = int(ends[i]), record[7]
        if b"END=" in info or b"SVLEN=" in info:
            for key, value in _reach(info):
                from_ = int(begins[i]) if key == b"SVLEN" else 0
                reach = max([reach, *(from_ + int(number) + 1 for number in _number(value))])
        if b"<" in record[4] and len(record) > 8:
            reach = max(reach, int(begins[i]) + _longest(record[8]))
        ends[i] = min(reach, _MAX_END)


def _longest(tail: bytes) -> int:
    """The greatest LEN (VCF 4.5, section 1.6.2: bases of a reference block) of all samples; 0:
    there is none. ``tail``: FORMAT and the samples."""
    keys, *samples = tail.split(b"\t") if b"LEN" in tail else [b""]
    names = keys.split(b":")
    if b"LEN" not in names:
        return 0
    at = names.index(b"LEN")
    values = [sample.split(b":")[at : at + 1] for sample in samples]
    return max([int(n) for value in values if value for n in _number(value[0])], default=0)


def _part(contig: bytes, begins: Numbers, ends: Numbers, offsets: Numbers) -> Part:
    import numpy as np

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
    return Part(contig, len(begins), runs, _windows(begins, lasts, offsets), int(ends.max()))


def _windows(begins: Numbers, lasts: Numbers, offsets: Numbers) -> list[tuple[int, int, int]]:
    import numpy as np

    starts, stops = begins >> _WINDOW_SHIFT, lasts >> _WINDOW_SHIFT
    # Records come by rising begin and offset: what an earlier one reaches is its own.
    reached = np.concatenate(([-1], np.maximum.accumulate(stops)[:-1]))
    starts = np.maximum(starts, reached + 1)
    new = np.flatnonzero(starts <= stops)
    columns = (starts[new].tolist(), stops[new].tolist(), offsets[new].tolist())
    return list(zip(*columns, strict=True))


class Index:
    """Gathers parts in file order."""

    def __init__(self) -> None:
        self._contigs: dict[bytes, _Contig] = {}
        self._end = 0

    def add(self, part: Part, place: int) -> None:
        """``place``: where in the file the slice's first block is."""
        self._end = max(self._end, part.end)
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
        windows = contig.windows
        for first, last, offset in part.windows:
            if last >= len(windows):
                windows += [None] * (first - len(windows))
                windows += [base + offset] * (last + 1 - len(windows))

    @property
    def suffix(self) -> str:
        """The ending of the index's name: ``.tbi``, or ``.csi``."""
        return ".tbi" if self._end <= _TBI_END else ".csi"

    def to_bytes(self) -> bytes:
        """The index file."""
        names = b"".join(name + b"\0" for name in self._contigs)
        about = _VCF_FORMAT + struct.pack("<i", len(names)) + names
        count = struct.pack("<i", len(self._contigs))
        contigs = self._contigs.values()
        if self.suffix == ".tbi":
            out = [b"TBI\1", count, about, *map(_tbi, contigs)]
        else:
            shape = struct.pack("<3i", _WINDOW_SHIFT, _CSI_DEPTH, len(about))
            out = [b"CSI\1", shape, about, count, *map(_csi, contigs)]
        out.append(struct.pack("<Q", 0))
        return bgzf.compress(b"".join(out)) + bgzf.EOF


def _tbi(contig: _Contig) -> bytes:
    out = [struct.pack("<i", len(contig.bins) + 1)]
    for number, chunks in sorted(contig.bins.items()):
        level = _level(number)
        out.append(struct.pack("<I", number - 8 ** (level - 1)) + _chunks(chunks))
    out.append(struct.pack("<I", _TBI_PSEUDO_BIN) + _extent(contig))
    linear = _filled(contig.windows)
    return b"".join([*out, struct.pack(f"<i{len(linear)}Q", len(linear), *linear)])


def _csi(contig: _Contig) -> bytes:
    linear = _filled(contig.windows)
    out = [struct.pack("<i", len(contig.bins) + 1)]
    for number, chunks in sorted(contig.bins.items()):
        level = _level(number)
        first = (number - _first_bin(level)) << 3 * (_CSI_DEPTH - level)
        out.append(struct.pack("<IQ", number, linear[first]) + _chunks(chunks))
    out.append(struct.pack("<IQ", _CSI_PSEUDO_BIN, 0) + _extent(contig))
    return b"".join(out)


def _level(number: int) -> int:
    """Of a bin; 0 is the one that holds all others."""
    return ((7 * number + 1).bit_length() - 1) // 3


def _chunks(chunks: list[list[int]]) -> bytes:
    flat = [offset for chunk in chunks for offset in chunk]
    return struct.pack(f"<i{len(flat)}Q", len(chunks), *flat)


def _extent(contig: _Contig) -> bytes:
    return struct.pack("<i4Q", 2, contig.first, contig.last, contig.records, 0)


def _filled(windows: Sequence[int | None]) -> list[int]:
    """An offset for every window; one that no record reaches has that of the next."""
    linear: list[int] = []
    following = 0
    for offset in reversed(windows):
        following = following if offset is None else offset
        linear.append(following)
    return linear[::-1]
