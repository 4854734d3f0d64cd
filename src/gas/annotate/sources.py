"""Allele sources: what others know of an allele or a place (ClinVar, gnomAD, dbSNP, a BED file).

A source is compiled once into columns that are mapped, not read (``sources_compile.py``):

    keys      uint64, ascending: position in the upper half, the allele in the lower
    offsets   int64: where each key's values begin in the text
    text      values in the order of the source's fields, joined by 0x1f

An allele is known by its shortest form, moved as far left as the genome allows (the normal form of
Tan et al., Bioinformatics 2015), so that it is found however it was written. Alleles of one base
each are numbered; of any other the lower half is a checksum (CRC-32) of the bases.

A BED source has stretches in place of alleles: a key is the stretch's first position, and its
values hold up to the next key.

Records are joined a slice at a time: one binary search for all of their alleles together.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from gas.annotate.pack import Pack
from gas.annotate.transcript import Genome
from gas.errors import PackError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gas.annotate.engines import Record

    Numbers = NDArray[np.int64]

MAGIC = b"GASSRC\x00\x01"
SEPARATOR = b"\x1f"
ALIGN = 64
#: How far an allele is moved left at most.
_REACH = 1000
_NEAR = 16
_BASES = b"ACGT"
_SINGLE = {
    (bytes([r]), bytes([a])): 4 * i + k for i, r in enumerate(_BASES) for k, a in enumerate(_BASES)
}
#: Bytes of mapped pages that are touched before they are given back.
_RELEASE_BYTES = 64 << 20
#: Bytes of a key and its offset.
_KEY_BYTES = 16
_POS, _REF, _ALT = itemgetter(1), itemgetter(3), itemgetter(4)


@dataclass(frozen=True)
class SourceField:
    """One value of a source, and the INFO key that it is written under."""

    #: Key in the source's own INFO; for BED the name of the fourth column.
    key: str
    #: Key in the output: ``NAME_KEY``.
    info: str
    type: str = "String"
    description: str = ""


@dataclass(frozen=True)
class SourceSpec:
    """What a pack's manifest says of a source."""

    name: str
    file: str
    kind: str
    fields: tuple[SourceField, ...]
    #: True where the ID column holds rs ids for Existing_variation.
    ids: bool

    @classmethod
    def parse(cls, entry: Any) -> SourceSpec:
        """From JSON. Raises KeyError or TypeError."""
        fields = tuple(SourceField(**field) for field in entry["fields"])
        return cls(entry["name"], entry["file"], entry["kind"], fields, bool(entry["ids"]))

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "file": self.file,
            "kind": self.kind,
            "ids": self.ids,
            "fields": [vars(field) for field in self.fields],
        }


def specs_of(pack: Pack) -> list[SourceSpec]:
    """The sources of a pack, in the order they were added. Raises PackError."""
    try:
        return [SourceSpec.parse(entry) for entry in pack.manifest.get("sources", [])]  # type: ignore[attr-defined]
    except (KeyError, TypeError) as error:
        raise PackError(
            f"The manifest of {pack.name} describes a source badly ({error})."
        ) from None


# -- alleles --------------------------------------------------------------------------------------


def normal_form(
    genome: Genome, contig: str, pos: int, ref: bytes, alt: bytes
) -> tuple[int, bytes, bytes]:
    """The shortest, leftmost form of an allele (upper case): position (1-based), REF and ALT; an
    insertion or deletion without a base beside it."""
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    skip = 0
    while skip < len(ref) and skip < len(alt) and ref[skip] == alt[skip]:
        skip += 1
    pos, ref, alt = pos + skip, ref[skip:], alt[skip:]
    moved = ref or alt
    if (ref and alt) or not moved:
        return pos, ref, alt
    size = len(moved)
    # Most stop at once.
    n = _equal_before(genome, contig, pos, moved, _NEAR)
    if n == _NEAR:
        n = _equal_before(genome, contig, pos, moved, _REACH)
    if n:
        turn = n % size
        moved = moved[size - turn :] + moved[: size - turn]
        pos -= n
        ref, alt = (moved, b"") if ref else (b"", moved)
    return pos, ref, alt


def _equal_before(genome: Genome, contig: str, pos: int, moved: bytes, reach: int) -> int:
    """How many of the ``reach`` bases before ``pos`` repeat ``moved``, from its end on."""
    left = genome.fetch(contig, pos - reach, pos - 1).encode()
    n, size = 0, len(moved)
    while n < len(left) and left[-1 - n] == moved[-1 - n % size]:
        n += 1
    return n


def allele_key(pos: int, ref: bytes, alt: bytes) -> int:
    """The key of an allele in normal form."""
    code = _SINGLE.get((ref, alt))
    if code is None:
        code = crc32(ref + b">" + alt) | 0x10
    return (pos << 32) | code


# -- an opened source -----------------------------------------------------------------------------


class AlleleSource:
    """A compiled source, mapped."""

    def __init__(self, path: Path, spec: SourceSpec) -> None:
        """Raises PackError where the file is missing or damaged."""
        import numpy as np

        self.spec = spec
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if self._map[:8] != MAGIC:
                raise ValueError("it is of another version")
            length = int.from_bytes(self._map[8:16], "little")
            head = json.loads(self._map[16 : 16 + length])
            self._columns = {
                name: (
                    np.frombuffer(self._map, np.uint64, count, keys),
                    np.frombuffer(self._map, np.int64, count + 1, offsets),
                    text,
                )
                for name, count, keys, offsets, text in head["contigs"]
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PackError(
                f"The source {spec.name} cannot be used ({error}).",
                hint="Add it again with `gas reference add-source`.",
            ) from None
        self._touched = 0

    @property
    def alleles(self) -> int:
        """How many alleles (or stretches) it knows."""
        return sum(len(keys) for keys, _, _ in self._columns.values())

    def find(self, contig: str, keys: Numbers) -> list[tuple[int, bytes]]:
        """The values of the allele keys that the source knows, each with its place in ``keys``."""
        return self._look_up(contig, keys, exact=True)

    def at(self, contig: str, positions: Numbers) -> list[tuple[int, bytes]]:
        """The values of the stretches around positions, each with its place in ``positions``."""
        return self._look_up(contig, positions << 32, exact=False)

    def _look_up(self, contig: str, query: Numbers, *, exact: bool) -> list[tuple[int, bytes]]:
        import numpy as np

        columns = self._columns.get(contig)
        if columns is None or not len(columns[0]) or not len(query):
            return []
        every, offsets, text = columns
        query = query.astype(np.uint64)
        # Records come sorted: what they ask for lies close together, and only that is touched.
        first = max(0, int(np.searchsorted(every, query.min(), side="right")) - 1)
        last = int(np.searchsorted(every, query.max(), side="right"))
        keys = every[first : last + 1]
        if exact:
            place = np.searchsorted(keys, query)
            place[place == len(keys)] = 0
            hits = np.nonzero(keys[place] == query)[0]
        else:
            place = np.searchsorted(keys, query, side="right").astype(np.int64) - 1
            hits = np.nonzero(place >= 0)[0]
        at = place[hits].astype(np.int64) + first
        starts, ends = offsets[at].tolist(), offsets[at + 1].tolist()
        found = [
            (i, self._map[text + start : text + end])
            for i, start, end in zip(hits.tolist(), starts, ends, strict=True)
            if start < end
        ]
        self._release((last - first) * _KEY_BYTES + sum(len(value) for _, value in found))
        return found

    def _release(self, touched_bytes: int) -> None:
        self._touched += touched_bytes
        if self._touched > _RELEASE_BYTES:
            self._touched = 0
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Unmap."""
        self._columns = {}
        self._map.close()


@dataclass(slots=True)
class Known:
    """What the sources know of one record."""

    #: rs ids of each ALT, joined by ``&``; b"" where there is none.
    ids: list[bytes]
    #: INFO entries, joined by ``;``; b"" where there are none.
    info: bytes = b""

    def add_id(self, alt: int, name: bytes) -> None:
        """``alt``: 0-based number of the ALT."""
        if name:
            self.ids[alt] = b"%b&%b" % (self.ids[alt], name) if self.ids[alt] else name

    def add_info(self, entries: bytes) -> None:
        if entries:
            self.info = b"%b;%b" % (self.info, entries) if self.info else entries


@dataclass(frozen=True)
class _Wanted:
    """The keys of all alleles of some records: ``records[i]`` and ``alts[i]`` (0-based) are those
    of ``keys[i]``; ``counts``: the number of ALTs of records that have several."""

    keys: Numbers
    records: list[int]
    alts: list[int]
    counts: dict[int, int]


class Sources:
    """All sources of a pack."""

    def __init__(self, pack: Pack, genome: Genome) -> None:
        """Raises PackError where one cannot be opened."""
        self._genome = genome
        self.sources = [AlleleSource(pack.path / s.file, s) for s in specs_of(pack)]
        self.has_ids = any(s.spec.ids for s in self.sources)

    def __bool__(self) -> bool:
        return bool(self.sources)

    def close(self) -> None:
        for source in self.sources:
            source.close()

    def join(self, contig: str, records: Sequence[Record]) -> dict[int, Known]:
        """What is known of each record of one contig, by its place in ``records``; records that
        no source knows are left out."""
        import numpy as np

        wanted = self._wanted(contig, records)
        known: dict[int, Known] = {}
        for source in self.sources:
            if source.spec.kind == "bed":
                positions = np.array(list(map(int, map(_POS, records))), np.int64)
                _add_stretches(source.spec, source.at(contig, positions), wanted.counts, known)
            else:
                _add_alleles(source.spec, source.find(contig, wanted.keys), wanted, known)
        return known

    def _wanted(self, contig: str, records: Sequence[Record]) -> _Wanted:
        import numpy as np

        pairs = zip(map(_REF, records), map(_ALT, records), strict=True)
        codes = np.array(list(map(_SINGLE.get, pairs, repeat(-1))), np.int64)
        singles = np.nonzero(codes >= 0)[0]
        owners = singles.tolist()
        positions = [int(records[i][1]) for i in owners]
        keys = np.array(positions, np.int64) << 32 | codes[singles]
        alts, counts, more = [0] * len(owners), dict[int, int](), list[int]()
        for i in np.nonzero(codes < 0)[0].tolist():
            record = records[i]
            names = record[4].upper().split(b",")
            if len(names) > 1:
                counts[i] = len(names)
            for k, alt in enumerate(names):
                if alt.isalpha() and record[3].isalpha():
                    form = normal_form(self._genome, contig, int(record[1]), record[3].upper(), alt)
                    more.append(allele_key(*form))
                    owners.append(i)
                    alts.append(k)
        return _Wanted(np.concatenate((keys, np.array(more, np.int64))), owners, alts, counts)


def _add_alleles(
    spec: SourceSpec, found: Iterable[tuple[int, bytes]], wanted: _Wanted, known: dict[int, Known]
) -> None:
    width = len(spec.fields)
    prefixes = [field.info.encode() + b"=" for field in spec.fields]
    several: dict[int, list[list[bytes]]] = {}
    for at, values in found:
        i = wanted.records[at]
        cells = values.split(SEPARATOR)
        name = cells.pop() if spec.ids else b""
        if i in wanted.counts:
            none = [b""] * width
            several.setdefault(i, [none] * wanted.counts[i])[wanted.alts[at]] = cells
            known.setdefault(i, Known([b""] * wanted.counts[i])).add_id(wanted.alts[at], name)
            continue
        info = b";".join([p + cell for p, cell in zip(prefixes, cells, strict=True) if cell])
        record = known.get(i)
        if record is None:
            known[i] = Known([name], info)
        else:
            record.add_id(0, name)
            record.add_info(info)
    for i, per_allele in several.items():
        columns = list(zip(*per_allele, strict=True))
        texts = [b",".join([cell or b"." for cell in cells]) if any(cells) else b""
                 for cells in columns]  # fmt: skip
        known[i].add_info(
            b";".join([p + text for p, text in zip(prefixes, texts, strict=True) if text])
        )


def _add_stretches(
    spec: SourceSpec,
    found: Iterable[tuple[int, bytes]],
    counts: Mapping[int, int],
    known: dict[int, Known],
) -> None:
    prefix = spec.fields[0].info.encode() + b"="
    for i, value in found:
        known.setdefault(i, Known([b""] * counts.get(i, 1))).add_info(prefix + value)
