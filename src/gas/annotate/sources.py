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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from gas.annotate.pack import Pack
from gas.annotate.transcript import Genome
from gas.errors import PackError

if TYPE_CHECKING:
    from gas.annotate.engines import Record

MAGIC = b"GASSRC\x00\x01"
SEPARATOR = b"\x1f"
ALIGN = 64
#: How far an allele is moved left at most.
_REACH = 1000
_BASES = b"ACGT"
_SINGLE = {
    (bytes([r]), bytes([a])): 4 * i + k for i, r in enumerate(_BASES) for k, a in enumerate(_BASES)
}
#: Bytes of mapped pages that are touched before they are given back.
_RELEASE_BYTES = 64 << 20


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
    left = genome.fetch(contig, pos - _REACH, pos - 1).encode()
    n, size = 0, len(moved)
    while n < len(left) and left[-1 - n] == moved[-1 - n % size]:
        n += 1
    if n:
        turn = n % size
        moved = moved[size - turn :] + moved[: size - turn]
        pos -= n
        ref, alt = (moved, b"") if ref else (b"", moved)
    return pos, ref, alt


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

    def find(self, contig: str, keys: Sequence[int]) -> list[bytes | None]:
        """The values of each allele key, None where the source does not know it."""
        return self._look_up(contig, keys, exact=True)

    def at(self, contig: str, positions: Sequence[int]) -> list[bytes | None]:
        """The values of the stretch around each position."""
        return self._look_up(contig, [pos << 32 for pos in positions], exact=False)

    def _look_up(self, contig: str, wanted: Sequence[int], *, exact: bool) -> list[bytes | None]:
        import numpy as np

        columns = self._columns.get(contig)
        out: list[bytes | None] = [None] * len(wanted)
        if columns is None or not len(columns[0]) or not wanted:
            return out
        keys, offsets, text = columns
        query = np.array(wanted, dtype=np.uint64)
        if exact:
            place = np.searchsorted(keys, query)
            place[place == len(keys)] = 0
            hits = np.nonzero(keys[place] == query)[0]
        else:
            place = np.searchsorted(keys, query, side="right").astype(np.int64) - 1
            hits = np.nonzero(place >= 0)[0]
        at = place[hits]
        for i, start, end in zip(
            hits.tolist(), offsets[at].tolist(), offsets[at + 1].tolist(), strict=True
        ):
            value = self._map[text + start : text + end]
            out[i] = value or None
        self._release(len(wanted))
        return out

    def _release(self, looked_up: int) -> None:
        self._touched += looked_up * 3 * mmap.PAGESIZE
        if self._touched > _RELEASE_BYTES:
            self._touched = 0
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Unmap."""
        self._columns = {}
        self._map.close()


@dataclass(frozen=True, slots=True)
class Known:
    """What the sources know of one record."""

    #: rs ids of each ALT, joined by ``&``; "" where there is none.
    ids: tuple[str, ...]
    #: INFO entries, joined by ``;``; b"" where there are none.
    info: bytes
    #: Whether a source lists one of its alleles, and not only its place.
    allele: bool


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

    def join(self, contig: str, records: Sequence[Record]) -> dict[int, Known]:
        """What is known of each record of one contig, by its place in ``records``; records that
        no source knows are left out."""
        keys, owners, counts = self._keys(contig, records)
        ids: dict[int, list[list[str]]] = {}
        infos: dict[int, list[bytes]] = {}
        listed: set[int] = set()
        for source in self.sources:
            if source.spec.kind == "bed":
                positions = [int(record[1]) for record in records]
                _add_stretches(source.spec, source.at(contig, positions), infos)
            else:
                found = source.find(contig, keys)
                listed |= _add_alleles(source.spec, found, owners, counts, ids, infos)
        return {
            i: Known(
                tuple("&".join(found) for found in ids.get(i, [])),
                b";".join(infos.get(i, [])),
                i in listed,
            )
            for i in listed | infos.keys()
        }

    def _keys(
        self, contig: str, records: Sequence[Record]
    ) -> tuple[list[int], list[tuple[int, int]], dict[int, int]]:
        """Keys of all alleles, which record and ALT each is of, and the number of ALTs of records
        that have several."""
        keys: list[int] = []
        owners: list[tuple[int, int]] = []
        counts: dict[int, int] = {}
        single = _SINGLE
        for i, record in enumerate(records):
            code = single.get((record[3], record[4]))
            if code is not None:
                keys.append((int(record[1]) << 32) | code)
                owners.append((i, 0))
                continue
            alts = record[4].upper().split(b",")
            if len(alts) > 1:
                counts[i] = len(alts)
            for k, alt in enumerate(alts):
                if alt.isalpha() and record[3].isalpha():
                    form = normal_form(self._genome, contig, int(record[1]), record[3].upper(), alt)
                    keys.append(allele_key(*form))
                    owners.append((i, k))
        return keys, owners, counts


def _add_alleles(
    spec: SourceSpec,
    found: Iterable[bytes | None],
    owners: Sequence[tuple[int, int]],
    counts: dict[int, int],
    ids: dict[int, list[list[str]]],
    infos: dict[int, list[bytes]],
) -> set[int]:
    """Add to ``ids`` and ``infos`` what a source says of alleles; the records that it lists."""
    rows: dict[int, list[list[bytes] | None]] = {}
    for (i, k), values in zip(owners, found, strict=True):
        if values is not None:
            rows.setdefault(i, [None] * counts.get(i, 1))[k] = values.split(SEPARATOR)
    width = len(spec.fields)
    for i, per_allele in rows.items():
        if spec.ids:
            mine = ids.setdefault(i, [[] for _ in per_allele])
            for k, values_ in enumerate(per_allele):
                if values_ and values_[width]:
                    mine[k].append(values_[width].decode())
        for number, wanted in enumerate(spec.fields):
            cells = [row[number] if row else b"" for row in per_allele]
            if any(cells):
                text = b",".join([cell or b"." for cell in cells])
                infos.setdefault(i, []).append(wanted.info.encode() + b"=" + text)
    return set(rows)


def _add_stretches(
    spec: SourceSpec, found: Iterable[bytes | None], infos: dict[int, list[bytes]]
) -> None:
    for i, values in enumerate(found):
        if values is not None:
            infos.setdefault(i, []).append(spec.fields[0].info.encode() + b"=" + values)
