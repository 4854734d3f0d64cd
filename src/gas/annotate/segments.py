"""The fast way: what is the same for every position of a stretch is written once.

A *region* is a stretch of one transcript's surroundings in which a row's text differs from place to
place by a few numbers only: upstream, half an intron, an exon's inner part, the UTR of one exon ...
A *segment* is the stretch in which every transcript within reach stays in one region. Records come
sorted, so a sweep keeps one segment and remakes it where a record lies behind its end; nothing is
kept that lies behind the sweep, and memory does not grow.

Within a segment
  a single-base substitution      asks each region for its row: a few numbers put into ready text
  any other change                the same upstream, downstream and deep in introns; elsewhere the
                                  plain evaluator (``effects.py``)
Regions do only what is regular: everything rare (start and stop codons, short introns, incomplete
codons, ambiguous bases ...) is a ``Slow`` region, which asks the plain evaluator. Both ways must
give the same text; the property tests hold them against each other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Protocol

from gas.annotate import codons
from gas.annotate.codons import AA3, translate
from gas.annotate.consequence import SPLICE_REACH, loses_piece
from gas.annotate.csq import head, names_part, row, tail_part
from gas.annotate.effects import effect, shown_codon
from gas.annotate.hgvs import Change, Strands, coding_number, frameshift, inner_change
from gas.annotate.model import ContigIndex, Model
from gas.annotate.transcript import Transcript, lazy
from gas.annotate.variant import Variant

#: Bases of an intron next to an exon in which splice terms may hold, and those of an exon.
_FLANK, _EDGE = 17, 3
#: Introns shorter than this have flanks that touch.
_SHORT_INTRON = 2 * _FLANK + 6
_FAR = 1 << 60


#: Terms of exons outside of the coding region, by the sign of c. numbers there.
_EXON_TERMS = {
    "": "non_coding_transcript_exon_variant",
    "-": "5_prime_UTR_variant",
    "*": "3_prime_UTR_variant",
}

Plain = tuple[str, int, int, str]
#: ``Consequence|IMPACT|`` of several kinds of change, and the titles of their rows.
_Heads = tuple[tuple[str, ...], list[bytes]]
#: A row without its allele, and its ``Consequence|IMPACT|SYMBOL|BIOTYPE``.
Titled = tuple[str, bytes]


class Region(Protocol):
    """One region of one transcript: genomic bounds, and rows of what happens within them."""

    low: int
    high: int

    @property
    def title(self) -> bytes | None:
        """``Consequence|IMPACT|SYMBOL|BIOTYPE`` where it is the same for all that the region
        answers, else None."""
        ...

    #: Where a substitution's row is no more than head, distance from the edge, change and tail:
    #: these, with which change it is (0 none, 1 forward, 2 reverse strand).
    plain: Plain | None

    def snv(self, pos: int, ref: str, alt: str, change: str, reverse: str) -> Titled:
        """The row (without allele) of a substitution at ``pos``, and its title; ``change`` is
        ``A>G`` and ``reverse`` the same on the other strand."""
        ...

    def other(self, variant: Variant, strands: Strands) -> str:
        """The row of any other variant that lies within the bounds as a whole."""
        ...


def title(row: str) -> bytes:
    """``Consequence|IMPACT|SYMBOL|BIOTYPE`` of a row without its allele."""
    consequence, impact, symbol, _, _, _, biotype, _ = row.split("|", 7)
    return f"{consequence}|{impact}|{symbol}|{biotype}".encode()


def _is_padded(variant: Variant) -> bool:
    """Do splice terms look at bases beyond the site (``consequence.differing_ranges``)?"""
    return len(variant.alt) > len(variant.ref) > 1


def _span(a: int, b: int) -> str:
    if a == b:
        return str(a)
    return f"{a}-{b}" if a < b else f"{b}-{a}"


class Away:
    """Up- or downstream of the transcript."""

    __slots__ = ("_edge", "_head", "_tail", "high", "low", "plain", "title")

    def __init__(self, ribbon: Ribbon, low: int, high: int, edge: int, term: str) -> None:
        self.low, self.high, self._edge = low, high, edge
        start = head([term])
        self._head = f"{start}{ribbon.names}|||||||||{ribbon.mark}|"
        self.title: bytes = f"{start}{ribbon.whose}".encode()
        self._tail = ribbon.tail
        self.plain: Plain | None = (self._head, edge, 0, self._tail)

    def snv(self, pos: int, ref: str, alt: str, change: str, reverse: str) -> Titled:
        return f"{self._head}{abs(pos - self._edge)}{self._tail}", self.title

    def other(self, variant: Variant, strands: Strands) -> str:
        near = min(abs(variant.start - self._edge), abs(variant.end - self._edge))
        return f"{self._head}{near}{self._tail}"


class Intron:
    """Half of an intron, without the bases next to the exon."""

    __slots__ = ("_anchor", "_edge", "_head", "_strand", "_tail", "high", "low", "plain", "title")

    def __init__(self, ribbon: Ribbon, low: int, high: int, edge: int, index: int) -> None:
        self.low, self.high, self._edge = low, high, edge
        self._strand = ribbon.strand
        anchor = self._anchor = ribbon.anchor(index, edge < low)
        self._head = f"{ribbon.intron_head}{ribbon.intron_part(index)}{anchor}"
        self._tail = ribbon.intron_tail
        self.title: bytes = ribbon.intron_title
        self.plain: Plain | None = (self._head, edge, 1 if self._strand > 0 else 2, self._tail)

    def snv(self, pos: int, ref: str, alt: str, change: str, reverse: str) -> Titled:
        shown = change if self._strand > 0 else reverse
        return f"{self._head}{abs(pos - self._edge)}{shown}{self._tail}", self.title

    def other(self, variant: Variant, strands: Strands) -> str:
        change = strands.within(self._strand, self.low, self.high)
        if change is None or (_is_padded(variant) and variant.start + len(variant.alt) > self.high):
            return ""
        first = abs(change.first - self._edge)
        if change.first == change.last:
            where = f"{self._head}{first}"
        else:
            where = f"{self._head}{first}_{self._anchor}{abs(change.last - self._edge)}"
        offset = change.shift * self._strand
        return f"{where}{change.text}{self._tail}{offset or ''}"


class Flank:
    """The bases of an intron next to an exon."""

    title: bytes | None = None
    plain: Plain | None = None
    __slots__ = ("_edge", "_heads", "_middle", "_strand", "_tail", "_titles", "high", "low")

    def __init__(self, ribbon: Ribbon, low: int, high: int, edge: int, index: int) -> None:
        self.low, self.high, self._edge = low, high, edge
        self._strand = ribbon.strand
        before = edge < low
        donor = before == (self._strand > 0)
        self._heads, self._titles = ribbon.donor if donor else ribbon.acceptor
        self._middle = f"{ribbon.intron_part(index)}{ribbon.anchor(index, before)}"
        self._tail = ribbon.intron_tail

    def snv(self, pos: int, ref: str, alt: str, change: str, reverse: str) -> Titled:
        at = abs(pos - self._edge)
        shown = change if self._strand > 0 else reverse
        return f"{self._heads[at]}{self._middle}{at}{shown}{self._tail}", self._titles[at]

    def other(self, variant: Variant, strands: Strands) -> str:
        return ""


@lru_cache(maxsize=64)
def _flank_heads(donor: bool, suffix: tuple[str, ...]) -> tuple[str, ...]:
    """``Consequence|IMPACT|`` by distance from the exon."""
    out = [""]
    for at in range(1, _FLANK + 1):
        terms = set(suffix)
        if at <= 2:
            terms.add("splice_donor_variant" if donor else "splice_acceptor_variant")
        else:
            terms.add("intron_variant")
            if donor and at == 5:
                terms.add("splice_donor_5th_base_variant")
            elif donor and at <= 6:
                terms.add("splice_donor_region_variant")
            elif at <= 8:
                terms.add("splice_region_variant")
            if not donor:
                terms.add("splice_polypyrimidine_tract_variant")
        out.append(head(terms))
    return tuple(out)


class Exon:
    """Part of an exon outside of the coding region."""

    plain: Plain | None = None
    __slots__ = (
        *("_base", "_edge", "_head", "_origin", "_sign", "_strand", "_tail", "_whole"),
        *("high", "low", "title"),
    )
    title: bytes

    def __init__(self, ribbon: Ribbon, low: int, high: int, index: int, edge: bool) -> None:
        self.low, self.high = low, high
        tx = ribbon.tx
        self._strand = tx.strand
        cdna = ribbon.cdna(index, low)
        #: The (imaginary) genomic positions at which cDNA and c. numbers would be 0.
        self._origin = low - cdna * tx.strand
        sign, zero = "", 0
        if tx.cds is not None:
            first, last = tx.coding_bounds
            sign, zero = ("-", first) if cdna < first else ("*", last)
        self._base = self._origin + zero * tx.strand
        self._sign, self._edge = sign, edge
        start, self.title = ribbon.exon_head(sign, edge)
        self._head = f"{start}{ribbon.exon_part(index)}{sign}"
        self._tail = ribbon.exon_tail
        #: The region is all there is of the transcript: it may be deleted as a whole.
        self._whole = low == tx.start and high == tx.end

    def snv(self, pos: int, ref: str, alt: str, change: str, reverse: str) -> Titled:
        shown = change if self._strand > 0 else reverse
        base, cdna = abs(pos - self._base), abs(pos - self._origin)
        return f"{self._head}{base}{shown}||{cdna}{self._tail}", self.title

    def other(self, variant: Variant, strands: Strands) -> str:
        change = strands.within(self._strand, self.low, self.high)
        if change is None or self._whole or (self._edge and _is_padded(variant)):
            return ""
        where = str(abs(change.first - self._base))
        if change.first != change.last:
            where = f"{where}_{self._sign}{abs(change.last - self._base)}"
        cdna = _span(abs(variant.start - self._origin), abs(variant.end - self._origin))
        offset = change.shift * self._strand
        return f"{self._head}{where}{change.text}||{cdna}{self._tail}{offset or ''}"


class Code:
    """Part of an exon within the coding region, without the first and the last codon."""

    title: bytes | None = None
    plain: Plain | None = None
    __slots__ = (
        *("_changes", "_edge", "_heads", "_origin", "_part", "_protein", "_ribbon"),
        *("_strand", "_tail", "_titles", "_to_cdna", "_tx", "high", "low"),
    )

    def __init__(self, ribbon: Ribbon, low: int, high: int, index: int, edge: bool) -> None:
        self.low, self.high, self._edge = low, high, edge
        tx = self._tx = ribbon.tx
        self._ribbon = ribbon
        self._strand = tx.strand
        to_cdna = self._to_cdna = ribbon.to_cdna
        #: 0-based place in the coding sequence is the distance from here.
        self._origin = low - (ribbon.cdna(index, low) - to_cdna) * tx.strand
        self._heads, self._titles = ribbon.code_edge if edge else ribbon.code
        self._part = ribbon.exon_part(index)
        self._protein = ribbon.protein
        self._tail = ribbon.code_tail
        self._changes = ribbon.changes

    def snv(self, pos: int, ref: str, alt: str, change: str, reverse: str) -> Titled:
        if self._strand > 0:
            at = pos - self._origin
        else:
            at = self._origin - pos
            alt, change = _COMPLEMENT[alt], reverse
        residue, within = divmod(at, 3)
        codon = self._tx.coding[at - within : at - within + 3]
        found = self._changes[codon, within, alt]
        if found is None:
            return self._ribbon.slow_snv(pos, ref, alt if self._strand > 0 else _COMPLEMENT[alt])
        kind, before, after, acids, shown = found
        residue += 1
        protein = f"{self._protein}{before}{residue}{after}" if self._protein else ""
        return (
            f"{self._heads[kind]}{self._part}{at + 1}{change}|{protein}|{at + self._to_cdna}"
            f"|{at + 1}|{residue}|{acids}|{shown}{self._tail}",
            self._titles[kind],
        )

    def other(self, variant: Variant, strands: Strands) -> str:
        """All but changes that touch or make a stop; those are for the plain evaluator."""
        change = strands.within(self._strand, self.low, self.high)
        tx = self._tx
        if change is None or tx.phase or (self._edge and _is_padded(variant)):
            return ""
        grows = variant.length_change
        begin, stop, ref, alt = self._placed(variant)
        # Whole codons around the site: ``first`` 0-based, ``after`` behind the last.
        first, after = begin // 3 * 3, (stop // 3 + 1) * 3
        before = tx.coding[first:after]
        changed = tx.coding[first:begin] + alt + tx.coding[stop + 1 : after]
        acids, new = translate(before, tx.table), translate(changed, tx.table)
        if "*" in acids or "X" in acids or (grows and "*" in new):
            return ""
        within = begin - first
        residue, last = first // 3 + 1, after // 3
        if grows % 3:
            new += "X"
        if 0 < len(new) - len(acids) < 3 and self._repeats(residue, last, new):
            return ""
        if grows % 3:
            kind, protein = 3, self._frameshift(change)
        else:
            kind, protein = _in_frame(acids, new, before, changed), self._named(change)
        acids = acids if acids == new else f"{acids or '-'}/{new or '-'}"
        shown = f"{shown_codon(before, within, ref)}/{shown_codon(changed, within, alt)}"
        where = str(abs(change.first - self._origin) + 1)
        if change.first != change.last:
            where = f"{where}_{abs(change.last - self._origin) + 1}"
        cdna = self._to_cdna
        offset = change.shift * self._strand
        return (
            f"{self._heads[kind]}{self._part}{where}{change.text}|{protein}"
            f"|{_span(begin + cdna, stop + cdna)}|{_span(begin + 1, stop + 1)}"
            f"|{_span(residue, last)}|{acids}|{shown}"
            f"{self._tail}{offset or ''}"
        )

    def _repeats(self, residue: int, last: int, new: str) -> bool:
        """Is the protein the same up to its old end (a tail of one repeated pattern)?"""
        tx, grown = self._tx, len(new) - (last - residue + 1)
        for number in range(residue, tx.protein_length + 1):
            at = number - residue
            now = new[at] if at < len(new) else tx.residue(number - grown)
            if now != tx.residue(number):
                return False
        return True

    def _named(self, change: Change) -> str:
        """HGVSp of a change in frame, at the place it was moved to."""
        if not self._protein:
            return ""
        tx = self._tx
        begin, stop, _, alt = self._placed(change.moved)
        first, after = begin // 3 * 3, (stop // 3 + 1) * 3
        before = translate(tx.coding[first:after], tx.table)
        new = translate(tx.coding[first:begin] + alt + tx.coding[stop + 1 : after], tx.table)
        name = inner_change(tx, first // 3 + 1, after // 3, before, new)
        return f"{self._protein}{name.replace('=', '%3D')}" if name else ""

    def _placed(self, variant: Variant) -> tuple[int, int, str, str]:
        """First and last 0-based place in the coding sequence, and the alleles on its strand."""
        if self._strand > 0:
            at = self._origin
            return variant.start - at, variant.end - at, variant.ref, variant.alt
        ref, alt = codons.reverse_complement(variant.ref), codons.reverse_complement(variant.alt)
        return self._origin - variant.end, self._origin - variant.start, ref, alt

    def _frameshift(self, change: Change) -> str:
        if not self._protein:
            return ""
        begin, stop, _, alt = self._placed(change.moved)
        found = frameshift(self._tx, begin + 1, stop + 1, alt, begin // 3 + 1)
        return "" if found is None else f"{self._protein}{found.text.replace('=', '%3D')}"


def _in_frame(acids: str, new: str, before: str, changed: str) -> int:
    """Index into ``_code_heads`` for a change of codons ``before`` and their residues ``acids``."""
    more = len(changed) - len(before)
    if not more:
        return 1 if acids == new else 2 if "*" in new else 0
    if more < 0:
        return 4 if loses_piece(before, changed) else 6
    return 5 if new.startswith(acids) or new.endswith(acids) else 6


@lru_cache(maxsize=64)
def _code_heads(extra: tuple[str, ...]) -> tuple[str, ...]:
    """``Consequence|IMPACT|`` of the kinds of ``_codon_change`` and of those of other changes."""
    kinds = (
        *("missense_variant", "synonymous_variant", "stop_gained", "frameshift_variant"),
        *("inframe_deletion", "inframe_insertion", "protein_altering_variant"),
    )
    return tuple([head({kind, *extra}) for kind in kinds])


_COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}


#: Index into the heads, HGVS before and after the number, Amino_acids, Codons.
_CodonChange = tuple[int, str, str, str, str]


class _CodonChanges(dict[tuple[str, int, str], _CodonChange | None]):
    """What a base in place of another does to a codon, by (codon, 0-based place, base); None where
    the codon is not a plain one of a residue."""

    def __init__(self, table: int) -> None:
        super().__init__()
        self._code = codons.genetic_code(table)

    def __missing__(self, key: tuple[str, int, str]) -> _CodonChange | None:
        found = self[key] = _codon_change(*key, self._code)
        return found


_codon_changes = lru_cache(maxsize=64)(_CodonChanges)


def _codon_change(
    codon: str, within: int, alt: str, code: Mapping[str, str]
) -> _CodonChange | None:
    changed = codon[:within] + alt + codon[within + 1 :]
    before, after = code.get(codon), code.get(changed)
    if before is None or after is None or before == "*":
        return None
    low, new = codon.lower(), changed.lower()
    shown = (
        f"{low[:within]}{codon[within]}{low[within + 1 :]}"
        f"/{new[:within]}{changed[within]}{new[within + 1 :]}"
    )
    if before == after:
        return 1, AA3[before], "%3D", before, shown
    kind = 2 if after == "*" else 0
    return kind, AA3[before], AA3[after], f"{before}/{after}", shown


class Slow:
    """A region in which the plain evaluator is asked."""

    title: bytes | None = None
    plain: Plain | None = None
    __slots__ = ("_ribbon", "high", "low")

    def __init__(self, ribbon: Ribbon, low: int, high: int) -> None:
        self._ribbon, self.low, self.high = ribbon, low, high

    def snv(self, pos: int, ref: str, alt: str, change: str, reverse: str) -> Titled:
        return self._ribbon.slow_snv(pos, ref, alt)

    def other(self, variant: Variant, strands: Strands) -> str:
        return ""


class Ribbon:
    """A transcript as the sweep sees it: ready parts of its rows, and its regions."""

    def __init__(self, tx: Transcript, distance: int, mark: str = "") -> None:
        self.tx = tx
        self.mark = mark
        self.strand = tx.strand
        self._distance = distance
        self.names = names_part(tx.labels)
        self.whose = f"{tx.labels.symbol}|{tx.labels.biotype}"
        self.tail = tail_part(tx)
        self.intron_tail = f"|||||||{mark}|{self.tail}"
        self.exon_tail = f"|||||{mark}|{self.tail}"
        self.code_tail = f"|{mark}|{self.tail}"
        self._name = f"{tx.labels.hgvs_transcript}:{'c' if tx.cds else 'n'}."
        self.protein = f"{tx.labels.hgvs_protein}:p." if tx.labels.hgvs_protein else ""
        biotype = tx.labels.biotype
        suffix = ("NMD_transcript_variant",) if biotype == "nonsense_mediated_decay" else ()
        #: Terms that hold in exons outside of the coding region, and those everywhere else.
        self._suffix_exon: tuple[str, ...] = suffix
        self._suffix: tuple[str, ...] = suffix
        if tx.cds is None and biotype != "protein_coding":
            self._suffix = (*suffix, "non_coding_transcript_variant")
        self.intron_head = head(("intron_variant", *self._suffix))
        self.intron_title = f"{self.intron_head}{self.whose}".encode()
        self._exon_heads: dict[tuple[str, bool], tuple[str, bytes]] = {}
        #: An intron shorter than what counts as its flank reaches past its ends; some shift the
        #: reading frame, which makes exons wider: what is near one is for the plain evaluator.
        self._is_tight = tx.shortest_intron < _FLANK
        #: The exon and the intron asked for last: several regions of one follow each other.
        self._exon_known = self._intron_known = -1
        self._exon_part = self._intron_part = ""

    # -- parts of rows --

    def cdna(self, index: int, pos: int) -> int:
        """cDNA position of ``pos`` in exon ``index``."""
        start, end = self.tx.exons[index]
        return self.tx.cdna_offsets[index] + (pos - start if self.strand > 0 else end - pos)

    def anchor(self, index: int, before: bool) -> str:
        """The c. position of the exonic base beside intron ``index``, with the sign of the bases
        that hang on it; ``before``: the one that the genome has before the intron."""
        tx = self.tx
        exon = index if before else index + 1
        cdna = tx.cdna_offsets[exon]
        if before == (self.strand > 0):
            start, end = tx.exons[exon]
            return coding_number(tx, cdna + end - start, "+")
        return coding_number(tx, cdna, "-")

    def intron_part(self, index: int) -> str:
        """From SYMBOL to the start of HGVSc."""
        if index != self._intron_known:
            total = len(self.tx.exons) - 1
            rank = index + 1 if self.strand > 0 else total - index
            self._intron_known = index
            self._intron_part = f"{self.names}|{rank}/{total}|{self._name}"
        return self._intron_part

    def exon_part(self, index: int) -> str:
        """From SYMBOL to the start of HGVSc."""
        if index != self._exon_known:
            total = len(self.tx.exons)
            rank = index + 1 if self.strand > 0 else total - index
            self._exon_known = index
            self._exon_part = f"{self.names}{rank}/{total}||{self._name}"
        return self._exon_part

    def exon_head(self, sign: str, edge: bool) -> tuple[str, bytes]:
        """``Consequence|IMPACT|`` and the title of an exon outside of the coding region; ``sign``:
        that of c. numbers there; ``edge``: beside an intron."""
        found = self._exon_heads.get((sign, edge))
        if found is None:
            terms = {_EXON_TERMS[sign], *self._suffix_exon}
            if edge:
                terms.add("splice_region_variant")
            if self.tx.cds is None and self.tx.labels.biotype == "protein_coding":
                terms = {"splice_region_variant"} if edge else {"coding_transcript_variant"}
            start = head(terms)
            found = self._exon_heads[sign, edge] = start, f"{start}{self.whose}".encode()
        return found

    @lazy
    def code(self) -> _Heads:
        """Of coding exons, by the kinds of ``_code_heads``."""
        return self._titled(_code_heads(self._suffix))

    @lazy
    def code_edge(self) -> _Heads:
        """Of coding exons, beside an intron."""
        return self._titled(_code_heads((*self._suffix, "splice_region_variant")))

    @lazy
    def donor(self) -> _Heads:
        """Of the first bases of introns, by distance from the exon."""
        return self._titled(_flank_heads(True, self._suffix))

    @lazy
    def acceptor(self) -> _Heads:
        """Of the last bases of introns, by distance from the exon."""
        return self._titled(_flank_heads(False, self._suffix))

    def _titled(self, heads: tuple[str, ...]) -> _Heads:
        return heads, [f"{one}{self.whose}".encode() for one in heads]

    @lazy
    def changes(self) -> _CodonChanges:
        """Of the transcript's genetic code."""
        return _codon_changes(self.tx.table)

    @lazy
    def to_cdna(self) -> int:
        """What is added to a 0-based place in the coding sequence for its cDNA position."""
        return self.tx.coding_bounds[0] - self.tx.phase

    # -- the plain evaluator --

    def slow_snv(self, pos: int, ref: str, alt: str) -> Titled:
        """A substitution's row and its title."""
        variant = Variant(pos, pos, ref, alt, alt, "other")
        text = self.slow(variant, Strands(self.tx.genome, self.tx.contig, variant))
        return text, title(text)

    def slow(self, variant: Variant, strands: Strands) -> str:
        """The row of any variant, "" where the transcript is out of its reach."""
        found = effect(self.tx, variant, strands, self._distance)
        return "" if found is None else row(self.tx, found, self.mark)

    # -- regions --

    def region(self, pos: int) -> tuple[int, int, Region | None]:
        """The region around ``pos`` and its bounds; None beyond the distance."""
        tx = self.tx
        if tx.start <= pos <= tx.end:
            found = Slow(self, tx.start, tx.end) if tx.mature else self._inside(pos)
            return found.low, found.high, found
        reach, before = self._distance, pos < tx.start
        term = "upstream" if before == (tx.strand > 0) else "downstream"
        if before:
            low, high, edge = tx.start - reach, tx.start - 1, tx.start
            if pos < low:
                return -_FAR, low - 1, None
        else:
            low, high, edge = tx.end + 1, tx.end + reach, tx.end
            if pos > high:
                return high + 1, _FAR, None
        return low, high, Away(self, low, high, edge, f"{term}_gene_variant")

    def _inside(self, pos: int) -> Region:
        tx = self.tx
        index = bisect_right(tx.exon_starts, pos) - 1
        start, end = tx.exons[index]
        if pos <= end:
            return self._in_exon(pos, start, end, index)
        return self._in_intron(pos, end + 1, tx.exons[index + 1][0] - 1, index)

    def _in_intron(self, pos: int, low: int, high: int, index: int) -> Region:
        if high - low + 1 < _SHORT_INTRON:
            return Slow(self, low, high)
        if pos < low + _FLANK:
            low, high, edge = low, low + _FLANK - 1, low - 1
        elif pos > high - _FLANK:
            low, high, edge = high - _FLANK + 1, high, high + 1
        else:
            return self._deep(pos, low, high, index)
        return Slow(self, low, high) if self._is_tight else Flank(self, low, high, edge, index)

    def _deep(self, pos: int, low: int, high: int, index: int) -> Region:
        # A base as near to either exon belongs to the one before it in reading order.
        middle = low + (high - low + (0 if self.tx.strand > 0 else -1)) // 2
        if pos <= middle:
            return Intron(self, low + _FLANK, middle, low - 1, index)
        return Intron(self, middle + 1, high - _FLANK, high + 1, index)

    def _in_exon(self, pos: int, low: int, high: int, index: int) -> Region:
        tx = self.tx
        edge = False
        width = SPLICE_REACH if self._is_tight else _EDGE
        inner_low = low + width if index else low
        inner_high = high - width if index + 1 < len(tx.exons) else high
        if pos < inner_low:
            high, edge = min(high, inner_low - 1), True
        else:
            low = inner_low
        if pos > inner_high:
            low, edge = max(low, inner_high + 1), True
        else:
            high = min(high, inner_high)
        if edge and self._is_tight:
            return Slow(self, low, high)
        if tx.cds is None:
            return Exon(self, low, high, index, edge)
        first, last = tx.cds
        if pos < first:
            return Exon(self, low, min(high, first - 1), index, edge)
        if pos > last:
            return Exon(self, max(low, last + 1), high, index, edge)
        low, high = max(low, first), min(high, last)
        first, last = self._inner_code
        if pos < first:
            return Slow(self, low, min(high, first - 1))
        if pos > last:
            return Slow(self, max(low, last + 1), high)
        return Code(self, max(low, first), min(high, last), index, edge)

    @lazy
    def _inner_code(self) -> tuple[int, int]:
        """Genomic bounds of the codons that are neither the first nor the last, nor behind the
        last whole one; none where CDS positions and codons are out of step."""
        tx = self.tx
        if tx.cds_shift != tx.phase:
            return _FAR, _FAR
        begin = tx.coding_bounds[0] - tx.phase
        first = tx.genomic_position(begin + 3)
        last = tx.genomic_position(begin + 3 * (len(tx.coding) // 3 - 1) - 1)
        if not first or not last:
            return _FAR, _FAR
        return (first, last) if tx.strand > 0 else (last, first)


class Sweep:
    """The transcripts and regions around a position that moves along one contig."""

    def __init__(self, model: Model, contig: str, distance: int, mark: str = "") -> None:
        """``mark`` stands in rows where ids are to come."""
        self._model = model
        self._distance = distance
        self._mark = mark
        self._index: ContigIndex = model.index(contig)
        self._beyond = max(0, distance - model.reach)
        self._ribbons: dict[int, Ribbon] = {}
        #: The stretch of the index, and the transcripts in it.
        self._stretch = (1, 0)
        self._current: list[Ribbon] = []
        self._bounds: list[tuple[int, int, Region | None]] = []
        #: The segment.
        self.low, self.high = 1, 0
        self.regions: list[Region] = []
        self.ribbons: list[Ribbon] = []
        #: Titles of the rows of every substitution, where they are the same for all.
        self.titles: tuple[bytes, ...] | None = None
        #: ``Region.plain`` of all regions, where all have it.
        self.plain: list[Plain] | None = None

    def move(self, pos: int) -> None:
        """Make the segment around ``pos``."""
        if not self._stretch[0] <= pos <= self._stretch[1]:
            self._enter(pos)
        low, high = self._stretch
        bounds = self._bounds
        for i, ribbon in enumerate(self._current):
            found = bounds[i]
            if not found[0] <= pos <= found[1]:
                found = bounds[i] = ribbon.region(pos)
            if found[0] > low:
                low = found[0]
            if found[1] < high:
                high = found[1]
        self.low, self.high = low, high
        regions = [found[2] for found in bounds]
        self.ribbons = self._current
        if None in regions:
            self.ribbons = [r for r, kept in zip(self._current, regions, strict=True) if kept]
            regions = [region for region in regions if region is not None]
        self.regions = regions  # type: ignore[assignment]
        titles = [region.title for region in self.regions]
        self.titles = None if None in titles else tuple(titles)  # type: ignore[arg-type]
        plain = [region.plain for region in self.regions]
        self.plain = None if None in plain else plain  # type: ignore[assignment]

    def _enter(self, pos: int) -> None:
        if self._beyond:
            low = high = pos
            numbers = self._index.between(pos - self._beyond, pos + self._beyond)
        else:
            low, high, numbers = self._index.at(pos)
        known, bounds = self._ribbons, dict(zip(self._ribbons, self._bounds, strict=True))
        self._ribbons = {n: known[n] if n in known else self._ribbon(n) for n in numbers}
        self._current = list(self._ribbons.values())
        self._bounds = [bounds.get(n, (1, 0, None)) for n in numbers]
        self._stretch = (low, high)

    def _ribbon(self, number: int) -> Ribbon:
        return Ribbon(self._model.transcript(number), self._distance, self._mark)

    def holding(self, low: int, high: int) -> Iterable[tuple[Ribbon, Region | None]]:
        """All transcripts within reach of a range that begins in the segment, in the order of rows,
        each with the region that holds the range as a whole."""
        pairs = zip(self.ribbons, self.regions, strict=True)
        if high <= self.high:
            return pairs
        whole = {ribbon: region for ribbon, region in pairs if high <= region.high}
        return [(ribbon, whole.get(ribbon)) for ribbon in self.around(low, high)]

    def around(self, start: int, end: int) -> list[Ribbon]:
        """All transcripts within reach of a range, in the order of rows."""
        numbers = self._index.between(start - self._beyond, end + self._beyond)
        return [self._ribbons.get(n) or self._ribbon(n) for n in numbers]
