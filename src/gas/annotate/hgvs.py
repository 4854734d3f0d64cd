"""HGVS names of a variant on a transcript and its protein.

The rules, from HGVS nomenclature 21.0 and, where it leaves a choice or VEP departs from it, from
the behaviour of Ensembl VEP 115:

* An insertion or deletion is moved as far 3' on the transcript as the *genome* allows (at most
  1,000 bases); the distance is HGVS_OFFSET. Substitutions, delins and records that mix kinds stay.
* c. counts from the A of the start codon; -n before it, *n behind the stop; n. counts from the
  first base where nothing is coded. An intronic position hangs on the nearer exon, in the middle on
  the 5' one.
* Where a model starts inside a codon, the position of a single-base substitution counts the bases
  that are missing, other positions do not (VEP).
* An intron that follows the very last coding base is written *offset (VEP; HGVS would write
  c.123+5).
* A change must lie within the transcript as a whole, also after it was moved.
* Equal bases at either end of a delins are taken off first. A range replaced by its own reverse
  complement is inv; an insertion equal to the bases before it is dup.
* p. names the first residue that differs. Frameshift: fsTer and the distance to the next stop in
  the new frame, Ter? where there is none. Stop lost: extTer likewise. Start lost: p.Met1?.
  Unchanged residues: p.Arg66=.
* An inserted or deleted residue is moved 3' along the protein; an insertion equal to the residues
  before it is dup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gas.annotate import codons
from gas.annotate.codons import three_letter
from gas.annotate.consequence import (
    CodingTerms,
    Site,
    allele_codons,
    changed_coding,
    locate,
    on_transcript,
    residues,
)
from gas.annotate.transcript import Genome, Transcript, lazy
from gas.annotate.variant import Variant

#: How far a change is moved at most.
REACH = 1000
_NEAR = 32
#: Bases behind a frameshift in which most new frames have a stop.
_SOON = 120


def shift_length(genome: Genome, contig: str, variant: Variant, strand: int) -> int:
    """Bases that an insertion or deletion can be moved 3' on ``strand`` (0 for anything else)."""
    if variant.kind == "other":
        return 0
    # Most stop at once.
    near = _shift_within(genome, contig, variant, strand, _NEAR)
    return near if near < _NEAR // 2 else _shift_within(genome, contig, variant, strand, REACH)


def _shift_within(genome: Genome, contig: str, variant: Variant, strand: int, reach: int) -> int:
    moved = variant.alt if variant.kind == "insertion" else variant.ref
    size = len(moved)
    if strand > 0:
        flank = genome.fetch(contig, variant.end + 1, variant.end + reach)
    else:
        flank = genome.fetch(contig, variant.start - reach, variant.start - 1)[::-1]
        moved = moved[::-1]
    limit = len(flank) - size + 1 if reach == REACH else len(flank)
    if limit <= 0:
        limit = len(flank)
    n = 0
    while n < limit and flank[n] == moved[n % size]:
        n += 1
    return n


def shifted(variant: Variant, length: int, strand: int) -> Variant:
    """The variant moved ``length`` bases 3' on ``strand``; its sequence turns with it."""
    if not length:
        return variant
    by = length if strand > 0 else -length
    start, end, ref, alt, label, kind = variant
    return Variant(start + by, end + by, _turn(ref, by), _turn(alt, by), label, kind)


def _turn(sequence: str, by: int) -> str:
    if not sequence:
        return sequence
    by %= len(sequence)
    return sequence[by:] + sequence[:by]


# -- transcript -----------------------------------------------------------------------------------


def position_name(tx: Transcript, position: int) -> str:
    """The c. or n. position of a genomic base (1-based) within the transcript's ends."""
    i = tx.exon_index(position)
    if i >= 0:
        return coding_number(tx, tx.cdna_position(position), "")
    ((left, right),) = tx.introns_near(position, position, 0)
    return _intron_name(tx, position, left - 1, right + 1)


def _intron_name(tx: Transcript, position: int, before: int, after: int) -> str:
    """``before`` and ``after``: the exonic bases on either side, in genomic order."""
    from_before, from_after = position - before, after - position
    if tx.strand > 0:
        near_before = from_before <= from_after
        sign = "+" if near_before else "-"
    else:
        near_before = from_before < from_after
        sign = "-" if near_before else "+"
    anchor, distance = (before, from_before) if near_before else (after, from_after)
    return coding_number(tx, tx.cdna_position(anchor), f"{sign}{distance}")


def coding_number(tx: Transcript, cdna: int, offset: str) -> str:
    if tx.cds is None:
        return f"{cdna}{offset}"
    first, last = tx.coding_bounds
    if cdna > last:
        return f"*{cdna - last}{offset}"
    if cdna == last and offset:
        return "*" + offset.removeprefix("+")
    return f"{cdna - first + (1 if cdna >= first else 0)}{offset}"


class Change(NamedTuple):
    """A change as one strand of the genome reads it; the same for all transcripts of the strand.

    ``first`` and ``last`` are the genomic positions that its name quotes, in reading order.
    """

    first: int
    last: int
    kind: str
    #: What follows the position: ``A>G``, ``del``, ``insTT``.
    text: str
    #: Bases it was moved 3'.
    shift: int
    #: The variant after it was moved.
    moved: Variant
    #: Name of a dup for a transcript that does not hold its first copy: an ins.
    plain: Change | None = None


class Reading(NamedTuple):
    """A change, and the leftmost and the rightmost base of the genome that its name quotes or that
    it replaces once it was moved."""

    change: Change
    low: int
    high: int


class Strands:
    """The two readings of a variant, worked out when asked for; None where the alleles do not
    differ or are not of A, C, G and T."""

    def __init__(self, genome: Genome, contig: str, variant: Variant) -> None:
        self._genome, self._contig, self._variant = genome, contig, variant

    def on(self, strand: int) -> Change | None:
        """The change as ``strand`` (1, -1) reads it."""
        reading = self.forward if strand > 0 else self.reverse
        return None if reading is None else reading.change

    def within(self, strand: int, low: int, high: int) -> Change | None:
        """The same, where its name and what it replaces lie within the bounds; else None."""
        reading = self.forward if strand > 0 else self.reverse
        if reading is None or reading.low < low or reading.high > high:
            return None
        return reading.change

    @lazy
    def forward(self) -> Reading | None:
        return self._reading(1)

    @lazy
    def reverse(self) -> Reading | None:
        return self._reading(-1)

    def _reading(self, strand: int) -> Reading | None:
        change = _read(self._genome, self._contig, self._variant, strand)
        if change is None:
            return None
        ends = change.first, change.last, change.moved.start, change.moved.end
        return Reading(change, min(ends), max(ends))


def _read(genome: Genome, contig: str, variant: Variant, strand: int) -> Change | None:
    if not variant.is_plain or variant.ref == variant.alt:
        return None
    shift = shift_length(genome, contig, variant, strand)
    moved = shifted(variant, shift, strand)
    ref, alt = moved.ref, moved.alt
    if strand < 0:
        ref, alt = codons.reverse_complement(ref), codons.reverse_complement(alt)
    first, last = (moved.start, moved.end) if strand > 0 else (moved.end, moved.start)
    if not ref:
        return _inserted(genome, contig, moved, alt, shift, strand)
    if not alt:
        return Change(first, last, "del", "del", shift, moved)
    if len(ref) == len(alt) == 1:
        return Change(first, last, ">", f"{ref}>{alt}", shift, moved)
    kind = "inv" if codons.reverse_complement(ref) == alt else "delins"
    times, rest = divmod(len(alt), len(ref))
    if times > 1 and not rest and alt == ref * times:
        kind = "dup" if times == 2 else f"[{times}]"
        return Change(first, last, kind, kind, shift, moved)
    return _clipped(first, last, ref, alt, kind, moved, strand)


def _inserted(
    genome: Genome, contig: str, moved: Variant, alt: str, shift: int, strand: int
) -> Change:
    # Of an insertion the bases on either side are quoted, in reading order.
    before, after = (moved.end, moved.start) if strand > 0 else (moved.start, moved.end)
    plain = Change(before, after, "ins", f"ins{alt}", shift, moved)
    first = before - (len(alt) - 1) * strand
    low, high = min(first, before), max(first, before)
    copy = genome.fetch(contig, low, high)
    if (copy if strand > 0 else codons.reverse_complement(copy)) != alt:
        return plain
    return Change(first, before, "dup", "dup", shift, moved, plain)


def _clipped(
    first: int, last: int, ref: str, alt: str, kind: str, moved: Variant, strand: int
) -> Change:
    while ref and alt and ref[0] == alt[0]:
        ref, alt, first = ref[1:], alt[1:], first + strand
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt, last = ref[:-1], alt[:-1], last - strand
    if not ref:
        return Change(last, first, "ins", f"ins{alt}", 0, moved)
    if not alt:
        return Change(first, last, "del", "del", 0, moved)
    if len(ref) == len(alt) == 1:
        return Change(first, last, ">", f"{ref}>{alt}", 0, moved)
    return Change(first, last, kind, kind if kind == "inv" else f"delins{alt}", 0, moved)


def hgvs_transcript(tx: Transcript, variant: Variant, change: Change | None) -> str:
    """The c. or n. name of ``variant``, "" where there is none."""
    if change is None:
        return ""
    for end in (variant.start, variant.end, change.moved.start, change.moved.end):
        if not tx.start <= end <= tx.end:
            return ""
    if change.plain is not None and not tx.start <= change.first <= tx.end:
        change = change.plain
    if not (tx.start <= change.first <= tx.end and tx.start <= change.last <= tx.end):
        return ""
    first = position_name(tx, change.first)
    if change.kind == ">" and variant.start == variant.end and tx.cds_shift:
        first = _phased(tx, variant.start) or first
    last = first if change.first == change.last else position_name(tx, change.last)
    where = first if first == last else f"{first}_{last}"
    return f"{tx.labels.hgvs_transcript}:{'c' if tx.cds else 'n'}.{where}{change.text}"


def _phased(tx: Transcript, position: int) -> str:
    """CDS position of a single base, counted with the bases that the model misses (see above)."""
    cdna = tx.cdna_position(position)
    first, last = tx.coding_bounds
    return str(cdna - first + 1 + tx.cds_shift) if first <= cdna <= last else ""


# -- protein --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Residues:
    """A protein change under work: 1-based residues ``start`` to ``end`` (an insertion: start =
    end + 1), one-letter."""

    start: int
    end: int
    ref: str
    alt: str
    kind: str = ""
    #: Residues taken off the start as equal.
    prefix: str = ""
    #: ref before anything was taken off.
    whole: str = ""


def hgvs_protein(tx: Transcript, variant: Variant, site: Site, verdict: CodingTerms) -> str:
    """The p. name, "" where there is none.

    ``variant`` and ``site`` are those after the 3' shift; ``verdict`` is that of the variant as it
    was given, as are VEP's.
    """
    if not variant.is_plain or site.pep_start is None or site.pep_end is None:
        return ""
    if not tx.labels.hgvs_protein:
        return ""
    ref_seq, alt_seq = on_transcript(tx, variant.ref), on_transcript(tx, variant.alt)
    ref = residues(allele_codons(tx, site, ref_seq), tx.table)
    alt = residues(allele_codons(tx, site, alt_seq), tx.table)
    if ref is None or alt is None:
        return ""
    change = _Residues(site.pep_start, site.pep_end, ref, alt, whole=ref)
    if ref != alt:
        _clip_residues(change)
    if verdict.frameshift:
        text = _frameshift(tx, site, change, alt_seq, verdict)
    else:
        _name_kind(change)
        text = _in_frame(tx, site, change, alt_seq, verdict.start_lost, verdict.stop_lost)
    return f"{tx.labels.hgvs_protein}:p.{text}" if text else ""


def _clip_residues(change: _Residues) -> None:
    ref, alt = change.ref, change.alt
    n = 0
    while n < len(ref) and n < len(alt) and ref[n] == alt[n]:
        if ref[n] == "*":
            # The stop is made again: nothing changed up to it.
            return
        n += 1
    change.prefix = ref[:n]
    change.start += n
    ref, alt = ref[n:], alt[n:]
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
        change.end -= 1
    change.ref, change.alt = ref, alt


def _name_kind(change: _Residues) -> None:
    if not change.ref:
        change.kind = "ins"
    elif not change.alt:
        change.kind = "del"
    elif len(change.ref) == len(change.alt) == 1:
        change.kind = ">"
    else:
        change.kind = "delins"


def _frameshift(
    tx: Transcript, site: Site, change: _Residues, alt: str, verdict: CodingTerms
) -> str:
    start, at = site.cds_start, site.pep_start
    assert start is not None
    assert at is not None
    assert site.cds_end is not None
    found = frameshift(tx, start, site.cds_end, alt, at)
    if found is None:
        return _deleted(change)
    if verdict.start_lost:
        change.start = found.number
        return _with_question(three_letter(found.before), change)
    return found.text


class Frameshift(NamedTuple):
    """The first residue that differs, and the name of the change."""

    number: int
    before: str
    text: str


def frameshift(tx: Transcript, start: int, end: int, alt: str, at: int) -> Frameshift | None:
    """A frameshift by ``alt`` in place of CDS ``start`` to ``end``, which residue ``at`` is the
    first to feel; None where no residue is left."""
    # The protein from the first residue touched up to its new stop.
    changed = tx.coding[at * 3 - 3 : start - 1] + alt
    # Most meet a stop soon.
    new = codons.translate_to_stop(changed + tx.coding[end : end + _SOON], 0, tx.table)
    if not new.endswith("*"):
        new = codons.translate_to_stop(changed + tx.coding[end:] + tx.utr3, 0, tx.table)
    if not new:
        return None
    n, old = 0, tx.residue(at)
    while n < len(new) and new[n] == old:
        if old == "*":
            return Frameshift(at + n, old, f"Ter{at + n}=")
        n += 1
        old = tx.residue(at + n)
    before, after = (old, new[n]) if n < len(new) else (new[-1], new[-1])
    where = f"{three_letter(before)}{at + n}"
    if after == "*":
        return Frameshift(at + n, before, f"{where}Ter")
    distance = len(new) - n if new.endswith("*") and at + n > 1 else "?"
    return Frameshift(at + n, before, f"{where}{three_letter(after)}fsTer{distance}")


def _with_question(ref: str, change: _Residues) -> str:
    if change.start == change.end:
        return f"{ref}{change.start}?"
    return f"{ref}{change.start}_?{change.end}"


def inner_change(tx: Transcript, start: int, end: int, ref: str, alt: str) -> str:
    """What follows ``p.`` where residues ``start`` to ``end`` (an insertion: start = end + 1)
    become ``alt`` in frame, far from start and stop; "" where it has no name."""
    change = _Residues(start, end, ref, alt, whole=ref)
    if ref != alt:
        _clip_residues(change)
    _name_kind(change)
    return _in_frame(tx, None, change, "", False, False)


def _in_frame(
    tx: Transcript,
    site: Site | None,
    change: _Residues,
    alt: str,
    start_lost: bool,
    stop_lost: bool,
) -> str:
    if change.kind == "ins":
        _move(tx, change)
        if "*" not in change.alt and _is_dup(tx, change):
            return _dup(change)
        flank = _neighbours(tx, change, min(change.start, change.end))
        if not flank:
            return ""
        change.ref = flank
    elif change.kind == "del":
        _move(tx, change)
    ref, new = three_letter(change.ref), three_letter(change.alt)
    if start_lost:
        return _with_question(ref, change)
    if change.ref == change.alt and change.kind != "ins":
        return f"{ref}{change.start}="
    if stop_lost and site is not None and change.kind in ("del", ">"):
        return _extension(tx, site, change, alt, ref, new)
    if change.kind == ">":
        return f"{ref}{change.start}{new}"
    if change.kind == "del":
        return _deleted(change)
    return _replaced(change, ref, _until_stop(new))


def _until_stop(residues3: str) -> str:
    at = residues3.find("Ter")
    return residues3 if at < 0 else residues3[: at + 3]


def _replaced(change: _Residues, ref: str, new: str) -> str:
    if change.start == change.end and change.kind == "delins":
        return f"{ref[:3]}{change.start}{change.kind}{new}"
    start, end = sorted((change.start, change.end))
    return f"{ref[:3]}{start}_{ref[-3:]}{end}{change.kind}{new}"


def _deleted(change: _Residues) -> str:
    ref = three_letter(change.ref)
    if len(ref) > 3:
        return f"{ref[:3]}{change.start}_{ref[-3:]}{change.end}del"
    return f"{ref}{change.start}del"


def _extension(tx: Transcript, site: Site, change: _Residues, alt: str, ref: str, new: str) -> str:
    protein = codons.translate_to_stop(changed_coding(tx, site, alt) or "", 0, tx.table)
    more = len(protein) - 1 - tx.protein_length
    distance = str(more) if protein.endswith("*") and more > 0 and change.start > 1 else "?"
    tail = f"{new[:3] if change.alt else 'del'}extTer{distance}"
    if len(ref) > 3 and change.kind == "del":
        return f"{ref[:3]}{change.start}_{ref[-3:]}{change.end}{tail}"
    return f"{ref}{change.start}{tail}"


def _reference(tx: Transcript, change: _Residues, number: int) -> str:
    """Reference residue ``number``, "" beyond the last; the stop counts where the change itself
    began with it."""
    if number <= tx.protein_length:
        return tx.residue(number)
    behind = change.whole if change.whole.startswith("*") else ""
    return behind[number - tx.protein_length - 1 : number - tx.protein_length]


def _length(tx: Transcript, change: _Residues) -> int:
    """How far ``_reference`` goes."""
    return tx.protein_length + (len(change.whole) if change.whole.startswith("*") else 0)


def _neighbours(tx: Transcript, change: _Residues, at: int) -> str:
    """The residues on either side of an insertion, "" at the protein's ends."""
    if at < 1 or _length(tx, change) <= at:
        return ""
    return _reference(tx, change, at) + _reference(tx, change, at + 1)


def _move(tx: Transcript, change: _Residues) -> None:
    """Move an insertion or deletion of residues 3'."""
    at, moved = change.end + 1, change.alt if change.kind == "ins" else change.ref
    if _length(tx, change) <= at:
        return
    size, n = len(moved), 0
    limit = _length(tx, change) - at + 1 - size
    while n <= limit and _reference(tx, change, at + n) == moved[n % size]:
        n += 1
    change.start += n
    change.end += n
    if change.kind == "ins":
        change.alt = _turn(moved, n)
    else:
        change.ref = _turn(moved, n)


def _is_dup(tx: Transcript, change: _Residues) -> bool:
    first = change.start - len(change.alt)
    if first < 1:
        return False
    before = tx.coding[first * 3 - 3 : change.start * 3 - 3]
    return codons.translate(before, tx.table) == change.alt


def _dup(change: _Residues) -> str:
    end = change.start - 1
    start = change.start - len(change.alt)
    text = three_letter(change.alt)
    if start < end:
        return f"{text[:3]}{start}_{text[-3:]}{end}dup"
    return f"{text}{start}dup"


class Names(NamedTuple):
    """The HGVS columns."""

    transcript: str
    protein: str
    offset: int


def names(
    tx: Transcript,
    variant: Variant,
    site: Site,
    verdict: CodingTerms | None,
    change: Change | None,
) -> Names:
    """All HGVS columns of a variant within ``tx``; ``change`` is ``Strands.on`` its strand."""
    if change is None:
        return Names("", "", 0)
    protein = ""
    if verdict is not None and tx.labels.hgvs_protein:
        moved = change.moved
        moved_site = locate(tx, moved.start, moved.end) if change.shift else site
        protein = hgvs_protein(tx, moved, moved_site, verdict)
    return Names(hgvs_transcript(tx, variant, change), protein, change.shift * tx.strand)
