"""A transcript, and the ways between its coordinate systems.

    genome   1-based, forward strand
    cDNA     1-based along the spliced transcript, 5' to 3'
    CDS      1-based along the coding sequence; a coding sequence that starts inside a codon
             (``phase`` bases of the codon are missing) is counted as if those bases were there
    protein  1-based residues

A range is mapped piece by piece. What falls into no exon (or, for the CDS, into no coding base) is
a gap: ``None`` in a list of ``(start, end)`` pairs, in transcript order. An insertion between two
bases is a pair whose start is its end plus one; at the edge of an exon it belongs to the exon.
These are the conventions of the Ensembl core API (TranscriptMapper), which VEP's columns follow.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import sub
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from gas.annotate import codons

Coord = tuple[int, int] | None
_Value = TypeVar("_Value")

#: Introns of at most 13 bases are taken for artefacts of alignment that restore the reading frame.
FRAMESHIFT_INTRON = 12


class lazy(Generic[_Value]):
    """A property that is worked out once. ``functools.cached_property`` without the lock that it
    takes before Python 3.12; a transcript belongs to one thread."""

    def __init__(self, work_out: Callable[[Any], _Value]) -> None:
        self._work_out = work_out
        self.__doc__ = work_out.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type | None = None) -> _Value:
        value = self._work_out(instance)
        instance.__dict__[self._name] = value
        return value


class Genome(Protocol):
    """Where sequence comes from."""

    def fetch(self, contig: str, start: int, end: int) -> str:
        """Bases ``start`` to ``end`` (1-based, inclusive, cut at the contig's ends), upper case."""
        ...


class Labels(NamedTuple):
    """What is known of a transcript by name only: the constant columns of its rows."""

    symbol: str = ""
    gene: str = ""
    feature: str = ""
    biotype: str = ""
    flags: str = ""
    symbol_source: str = ""
    hgnc_id: str = ""
    canonical: str = ""
    mane_select: str = ""
    mane_plus_clinical: str = ""
    tsl: str = ""
    appris: str = ""
    ccds: str = ""
    source: str = ""
    #: Reference names of HGVS, with version: ENST00000361390.2, ENSP00000354687.1
    hgvs_transcript: str = ""
    hgvs_protein: str = ""


@dataclass(eq=False)
class Transcript:
    """Geometry and names of one transcript; sequence is fetched when first asked for."""

    contig: str
    strand: int
    #: Genomic, ascending, 1-based inclusive.
    exons: tuple[tuple[int, int], ...]
    #: Genomic bounds of the coding region, or None.
    cds: tuple[int, int] | None
    #: Bases of the first codon that lie before the model (0, 1, 2).
    phase: int
    #: Start of the transcript's own first exon in the reading frame; -1: not coding.
    first_exon_phase: int
    table: int
    labels: Labels
    genome: Genome
    #: Mature miRNA products: genomic ranges.
    mature: tuple[tuple[int, int], ...] = ()
    start: int = field(init=False)
    end: int = field(init=False)

    def __post_init__(self) -> None:
        self.start = self.exons[0][0]
        self.end = self.exons[-1][1]

    # -- geometry --------------------------------------------------------------------------

    @lazy
    def exon_starts(self) -> list[int]:
        return [s for s, _ in self.exons]

    @lazy
    def cdna_offsets(self) -> list[int]:
        """cDNA position of each exon's 5' base, in the order of ``exons``."""
        lengths = [e - s + 1 for s, e in self.exons]
        offsets = []
        total = 1
        for length in lengths if self.strand > 0 else reversed(lengths):
            offsets.append(total)
            total += length
        return offsets if self.strand > 0 else offsets[::-1]

    @lazy
    def cdna_length(self) -> int:
        return sum(e - s + 1 for s, e in self.exons)

    @lazy
    def introns(self) -> tuple[tuple[int, int], ...]:
        """Genomic, ascending."""
        return tuple((a[1] + 1, b[0] - 1) for a, b in zip(self.exons, self.exons[1:], strict=False))

    @lazy
    def shortest_intron(self) -> int:
        """The last base of the shortest intron minus its first; a large number without introns."""
        starts = self.exon_starts
        return min(map(sub, starts[1:], self._exon_ends), default=1 << 60) - 2

    @property
    def has_frameshift_intron(self) -> bool:
        return self.shortest_intron <= FRAMESHIFT_INTRON

    @lazy
    def coding_bounds(self) -> tuple[int, int]:
        """First and last coding base in cDNA coordinates; (0, -1) where nothing is coded."""
        if self.cds is None:
            return (0, -1)
        a, b = self.cdna_position(self.cds[0]), self.cdna_position(self.cds[1])
        return (a, b) if a <= b else (b, a)

    @property
    def cds_shift(self) -> int:
        """What VEP adds to CDS positions: it asks the transcript's first exon for its phase."""
        return self.first_exon_phase if self.first_exon_phase > 0 else 0

    def exon_index(self, position: int) -> int:
        """Index of the exon that holds ``position``, or -1."""
        i = bisect_right(self.exon_starts, position) - 1
        return i if i >= 0 and position <= self.exons[i][1] else -1

    def cdna_position(self, position: int) -> int:
        """cDNA position of an exonic base; 0 elsewhere."""
        i = self.exon_index(position)
        if i < 0:
            return 0
        start, end = self.exons[i]
        return self.cdna_offsets[i] + (position - start if self.strand > 0 else end - position)

    def genomic_position(self, cdna: int) -> int:
        """The genomic position of a base of the transcript; 0 where it has no such base."""
        for offset, (start, end) in zip(self.cdna_offsets, self.exons, strict=True):
            within = cdna - offset
            if 0 <= within <= end - start:
                return start + within if self.strand > 0 else end - within
        return 0

    def exon_rank(self, index: int) -> int:
        """1-based number of an exon or, with the index of an intron, see ``intron_rank``."""
        return index + 1 if self.strand > 0 else len(self.exons) - index

    def intron_rank(self, index: int) -> int:
        """1-based number of an intron, 5' to 3'."""
        return index + 1 if self.strand > 0 else len(self.exons) - 1 - index

    # -- mapping ---------------------------------------------------------------------------

    def cdna_coords(self, start: int, end: int) -> list[Coord]:
        """Map a genomic range; see the module's head."""
        if start == end + 1:
            return self._map_insertion(end, start)
        return self._map(start, end)

    def _map(self, start: int, end: int) -> list[Coord]:
        out: list[Coord] = []
        at = start
        i = max(0, bisect_right(self.exon_starts, start) - 1)
        while i < len(self.exons) and self.exons[i][0] <= end:
            s, e = self.exons[i]
            if e >= at:
                if s > at:
                    out.append(None)
                    at = s
                stop = min(e, end)
                a = self.cdna_offsets[i]
                out.append(
                    (a + at - s, a + stop - s) if self.strand > 0 else (a + e - stop, a + e - at)
                )
                at = stop + 1
            i += 1
        if at <= end:
            out.append(None)
        return out if self.strand > 0 else out[::-1]

    def _map_insertion(self, left: int, right: int) -> list[Coord]:
        coords = self._map(left, right)
        if len(coords) == 1:
            whole = coords[0]
            return [None if whole is None else (whole[1], whole[0])]
        first, second = coords
        out: list[Coord] = []
        if first is not None:
            out.append((first[0] + 1, first[0]))
        if second is not None:
            out.append((second[0], second[0] - 1))
        return out

    def cds_coords(self, cdna: list[Coord]) -> list[Coord]:
        """Cut cDNA ranges at the coding region and count from its start (without ``phase``)."""
        if self.cds is None:
            return [None]
        first, last = self.coding_bounds
        out: list[Coord] = []
        for coord in cdna:
            if coord is None or coord[1] < first or coord[0] > last:
                out.append(None)
                continue
            start, end = coord
            if start < first:
                out.append(None)
                start = first
            tail = end > last
            end = min(end, last)
            out.append((start - first + 1, end - first + 1))
            if tail:
                out.append(None)
        return out

    def pep_coords(self, cds: list[Coord]) -> list[Coord]:
        """Residues of CDS ranges."""
        shift = self.phase
        return [
            None if c is None else ((c[0] + shift + 2) // 3, (c[1] + shift + 2) // 3) for c in cds
        ]

    # -- sequence --------------------------------------------------------------------------

    @lazy
    def spliced(self) -> str:
        """The transcript's sequence, 5' to 3'."""
        joined = "".join([self.genome.fetch(self.contig, s, e) for s, e in self.exons])
        return joined if self.strand > 0 else codons.reverse_complement(joined)

    @lazy
    def coding(self) -> str:
        """The coding sequence, with N for each base of the first codon that is missing."""
        first, last = self.coding_bounds
        return "N" * self.phase + self.spliced[first - 1 : last] if self.cds else ""

    @lazy
    def utr5(self) -> str:
        return self.spliced[: self.coding_bounds[0] - 1] if self.cds else ""

    @lazy
    def utr3(self) -> str:
        return self.spliced[self.coding_bounds[1] :] if self.cds else ""

    @lazy
    def peptide(self) -> str:
        """The protein without its final stop; an incomplete last codon adds nothing."""
        protein = codons.translate(self.coding, self.table)
        whole = len(self.coding) % 3 == 0
        return protein[:-1] if whole and protein.endswith("*") else protein

    def overlapping_exons(self, low: int, high: int, stretch: int = 0) -> range:
        """Indices of exons that share a base with ``low - stretch`` to ``high + stretch``."""
        low, high = low - stretch, high + stretch
        first = bisect_left(self._exon_ends, low)
        last = bisect_right(self.exon_starts, high)
        return range(first, max(first, last))

    def introns_near(self, low: int, high: int, margin: int) -> tuple[tuple[int, int], ...]:
        """Introns that share a base with ``low`` to ``high`` or lie within ``margin`` of it."""
        # Intron i lies between exons i and i + 1.
        first = bisect_right(self.exon_starts, low - margin - 1) - 1
        last = bisect_left(self._exon_ends, high + margin + 1)
        return self.introns[max(0, first) : max(0, last)]

    def exons_hit(self, start: int, end: int) -> range:
        """Indices of the exons that a range touches; an insertion must lie inside of one."""
        first = bisect_left(self._exon_ends, start)
        last = bisect_right(self.exon_starts, end)
        return range(first, max(first, last))

    def introns_hit(self, start: int, end: int) -> range:
        """Indices of the introns that a range touches; an insertion must lie inside of one."""
        first = max(0, bisect_right(self.exon_starts, start) - 1)
        last = min(len(self.exons) - 1, bisect_left(self._exon_ends, end))
        return range(first, max(first, last))

    def residue(self, number: int) -> str:
        """Residue ``number`` (1-based) of the protein; ``*`` behind the last one, "" beyond."""
        codon = self.coding[number * 3 - 3 : number * 3]
        if len(codon) == 3:
            return codons.genetic_code(self.table).get(codon) or codons.translate(codon, self.table)
        return "*" if number == len(self.coding) // 3 + 1 else ""

    @lazy
    def protein_length(self) -> int:
        """Residues of ``peptide``."""
        whole, rest = divmod(len(self.coding), 3)
        return whole - 1 if not rest and self.residue(whole) == "*" else whole

    @lazy
    def _exon_ends(self) -> list[int]:
        return [e for _, e in self.exons]
