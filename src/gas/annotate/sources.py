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

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from gas.annotate.mapped import MappedFile
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
#: The place of what was looked up, and the values found there.
Hit = tuple[int, bytes]
#: How far an allele is moved left at most.
_REACH = 1000
_NEAR = 16
_BASES = b"ACGT"
_SINGLE = {
    (bytes([r]), bytes([a])): 4 * i + k for i, r in enumerate(_BASES) for k, a in enumerate(_BASES)
}
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
            self._file = MappedFile(path, MAGIC)
            self._map, head = self._file.map, self._file.head
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

    @property
    def alleles(self) -> int:
        """How many alleles (or stretches) it knows."""
        return sum(len(keys) for keys, _, _ in self._columns.values())

    def find(self, contig: str, keys: Numbers) -> list[Hit]:
        """Those of the allele keys that the source has, and their values."""
        return self._look_up(contig, keys, exact=True)

    def at(self, contig: str, positions: Numbers) -> list[Hit]:
        """Those of the positions that a stretch covers, and its values; b"" within a gap."""
        return self._look_up(contig, positions << 32, exact=False)

    def _look_up(self, contig: str, query: Numbers, *, exact: bool) -> list[Hit]:
        import numpy as np

        columns = self._columns.get(contig)
        if columns is None or not len(columns[0]) or not len(query):
            return []
        keys, offsets, text = columns
        query = query.astype(np.uint64)
        # What is asked lies close together: all but its stretch of the file is left alone.
        low = int(np.searchsorted(keys, query.min(), side="left" if exact else "right"))
        low = low if exact else max(0, low - 1)
        high = int(np.searchsorted(keys, query.max(), side="right"))
        if low == high:
            return []
        near = keys[low:high]
        if exact:
            place = np.searchsorted(near, query)
            place[place == len(near)] = 0
            hits = np.nonzero(near[place] == query)[0]
        else:
            place = np.searchsorted(near, query, side="right").astype(np.int64) - 1
            hits = np.nonzero(place >= 0)[0]
        at = place[hits] + low
        mapped = self._map
        starts, ends = (offsets[at] + text).tolist(), (offsets[at + 1] + text).tolist()
        out = [
            (i, mapped[start:end])
            for i, start, end in zip(hits.tolist(), starts, ends, strict=True)
        ]
        self._file.touched(2 * near.nbytes + int(offsets[high] - offsets[low]))
        return out

    def close(self) -> None:
        """Unmap."""
        self._columns = {}
        self._map.close()


class Known(NamedTuple):
    """What the sources know of some records, by their places."""

    #: rs ids of each ALT, joined by ``&``, b"" where there is none.
    ids: dict[int, list[bytes]]
    #: INFO entries, joined by ``;``.
    infos: dict[int, bytes]
    #: Records of which a source lists an allele, and not only the place.
    listed: set[int]


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
        self.has_alleles = any(s.spec.kind != "bed" for s in self.sources)

    def __bool__(self) -> bool:
        return bool(self.sources)

    def close(self) -> None:
        for source in self.sources:
            source.close()

    def join(self, contig: str, records: Sequence[Record]) -> Known:
        """What is known of records of one contig."""
        import numpy as np

        wanted = self._wanted(contig, records)
        ids: dict[int, list[bytes]] = {}
        infos: dict[int, bytes] = {}
        listed: set[int] = set()
        for source in self.sources:
            if source.spec.kind == "bed":
                positions = np.array(list(map(int, map(_POS, records))), np.int64)
                _add_stretches(source.spec, source.at(contig, positions), infos)
            else:
                found = _Alleles(source.spec, ids, infos)
                listed |= found.add(source.find(contig, wanted.keys), wanted)
        return Known(ids, infos, listed)

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


class _Alleles:
    """Puts what one source says of alleles to what others said of the same records."""

    def __init__(
        self, spec: SourceSpec, ids: dict[int, list[bytes]], infos: dict[int, bytes]
    ) -> None:
        self._prefixes = [field.info.encode() + b"=" for field in spec.fields]
        #: Where an allele's values hold its ids.
        self._ids_at = len(spec.fields) if spec.ids else None
        self._ids, self._infos = ids, infos

    def add(self, hits: Sequence[Hit], wanted: _Wanted) -> set[int]:
        """The records that the source lists."""
        listed = set()
        several: dict[int, list[list[bytes]]] = {}
        prefixes, ids_at, ids, infos = self._prefixes, self._ids_at, self._ids, self._infos
        owners, counts = wanted.records, wanted.counts
        nothing = [b""] * (len(prefixes) + 1)
        for at, values in hits:
            i = owners[at]
            listed.add(i)
            cells = values.split(SEPARATOR)
            if i in counts:
                several.setdefault(i, [nothing] * counts[i])[wanted.alts[at]] = cells
                continue
            # One ALT, as most records have.
            if ids_at is not None and (own := cells[ids_at]):
                ids[i] = [_and(ids[i][0], own)] if i in ids else [own]
            if text := b";".join([p + c for p, c in zip(prefixes, cells, strict=False) if c]):
                infos[i] = infos[i] + b";" + text if i in infos else text
        for i, per_allele in several.items():
            self._add_several(i, per_allele)
        return listed

    def _add_several(self, i: int, per_allele: list[list[bytes]]) -> None:
        """A record with several ALTs: a value for each, ``.`` where there is none."""
        if self._ids_at is not None:
            before = self._ids.get(i, [b""] * len(per_allele))
            new = [cells[self._ids_at] for cells in per_allele]
            self._ids[i] = [_and(a, b) for a, b in zip(before, new, strict=True)]
        for number, prefix in enumerate(self._prefixes):
            values = [cells[number] for cells in per_allele]
            if any(values):
                text = prefix + b",".join([value or b"." for value in values])
                self._infos[i] = self._infos[i] + b";" + text if i in self._infos else text


def _and(a: bytes, b: bytes) -> bytes:
    """Both ids, joined by ``&``."""
    return a + b"&" + b if a and b else a or b


def _add_stretches(spec: SourceSpec, hits: Sequence[Hit], infos: dict[int, bytes]) -> None:
    prefix = spec.fields[0].info.encode() + b"="
    for i, values in hits:
        if values:
            infos[i] = infos[i] + b";" + prefix + values if i in infos else prefix + values
