"""What a sequence variant does to a transcript, in Sequence Ontology terms.

The rules, term by term. Sources: Sequence Ontology (SO), the Ensembl VEP documentation
"Calculated variant consequences", and the behaviour of Ensembl VEP release 115, which this module
follows where the documents leave a choice. "Site" is the range of genome that the variant's
reference allele covers (``variant.py``).

Place
  upstream/downstream_gene     within ``distance`` bases of the transcript, outside of it
  intron                       touches an intron inside of its first and last two bases
  splice_donor/acceptor        first/last two bases of an intron (SO:0001575, SO:0001574)
  splice_donor_5th_base        fifth base of an intron (SO:0001787)
  splice_donor_region          bases 3 to 6 of an intron (SO:0002170), unless the fifth is touched
  splice_polypyrimidine_tract  bases -3 to -17 of an intron (SO:0002169), unless exonic as well
  splice_region                1-3 bases of the exon, 3-8 of the intron (SO:0001630), unless one of
                               donor, acceptor, fifth base, donor region holds
  Splice terms look at the runs of bases in which the alleles differ, not at the whole site; of
  several runs the last one decides on splice_region.
  An intron of at most 13 bases only restores the frame: nothing in it is intronic or splice, and
  exons of such a transcript reach 12 bases further.
  5/3_prime_UTR                exonic, before/after the coding region
  non_coding_transcript_exon / non_coding_transcript, NMD_transcript, mature_miRNA
  transcript_ablation          a deletion of the whole transcript; no other term then
Coding, from the codons that the site touches, their residues before (ref) and after (alt)
  frameshift                   length change not divisible by three
  stop_gained                  a stop in alt, none in ref
  stop_lost                    a stop in ref, none in alt; across the end of the coding region: the
                               last codon of the changed sequence is no stop
  stop_retained                the stop is still where it was; VEP 115 also counts an alt that
                               begins with ref and holds any stop, and one or two residues more
                               before the stop. It excludes stop_gained and frameshift.
  start_lost / start_retained  the codon at the start's place is (not) ATG any more
  inframe_insertion            alt begins or ends with ref
  inframe_deletion             the codons after are a start, an end, or all but an inner piece of
                               those before
  missense / synonymous        same number of residues, different / equal
  protein_altering             a length change that is none of the above
  incomplete_terminal_codon    touches a last codon of one or two bases
  coding_sequence              coding, but the residues cannot be told
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest

from gas.annotate import codons
from gas.annotate.transcript import FRAMESHIFT_INTRON, Coord, Transcript
from gas.annotate.variant import Variant

STRETCH = 12
#: How far from an intron splice terms may hold: past the other end of a tiny one.
SPLICE_REACH = 8


def overlap(start: int, end: int, low: int, high: int) -> bool:
    """Do two ranges share a base? An insertion must have both its neighbours in the other."""
    return end >= low and start <= high


@dataclass(slots=True)
class Site:
    """Where a variant lies in a transcript. Coordinates are None where they fall into a gap."""

    low: int
    high: int
    cdna: list[Coord]
    cds: list[Coord]
    cdna_start: int | None
    cdna_end: int | None
    cds_start: int | None
    cds_end: int | None
    pep_start: int | None
    pep_end: int | None
    #: Touches an exon (widened by STRETCH where the transcript has a frameshift intron).
    exonic: bool
    #: Touches the coding region, and an exon.
    coding: bool
    #: Touches the transcript before or after its coding region.
    utr: bool


def locate(tx: Transcript, start: int, end: int) -> Site:
    """Map a genomic range (1-based; insertion: start = end + 1) into ``tx``."""
    low, high = (end, start) if start > end else (start, end)
    cdna = tx.cdna_coords(start, end)
    cds = tx.cds_coords(cdna)
    pep = tx.pep_coords(cds)
    stretch = STRETCH if tx.has_frameshift_intron else 0
    exonic = bool(tx.overlapping_exons(low, high, stretch))
    coding = utr = False
    if tx.cds is not None:
        touches = overlap(low, high, *tx.cds)
        coding = touches and exonic
        utr = not touches or low < tx.cds[0] or high > tx.cds[1]
    shift = tx.cds_shift
    return Site(
        low=low,
        high=high,
        cdna=cdna,
        cds=cds,
        cdna_start=cdna[0][0] if cdna[0] else None,
        cdna_end=cdna[-1][1] if cdna[-1] else None,
        cds_start=cds[0][0] + shift if cds[0] else None,
        cds_end=cds[-1][1] + shift if cds[-1] else None,
        pep_start=pep[0][0] if pep[0] else None,
        pep_end=pep[-1][1] if pep[-1] else None,
        exonic=exonic,
        coding=coding,
        utr=utr,
    )


# -- codons and residues ------------------------------------------------------------------------


@dataclass(slots=True)
class Coding:
    """The codons a variant touches. Codons and residues are None where they cannot be told; the
    empty string is an allele without any (VEP writes ``-``)."""

    ref_codon: str | None = None
    alt_codon: str | None = None
    ref_pep: str | None = None
    alt_pep: str | None = None
    #: Transcript strand.
    ref: str = ""
    alt: str = ""

    @property
    def known(self) -> bool:
        return self.ref_pep is not None and self.alt_pep is not None


def on_transcript(tx: Transcript, sequence: str) -> str:
    """A forward-strand sequence as the transcript reads it."""
    return sequence if tx.strand > 0 else codons.reverse_complement(sequence)


def changed_coding(tx: Transcript, site: Site, allele: str) -> str | None:
    """The coding sequence with ``allele`` (transcript strand) in place of the site, and the 3' UTR
    behind it, since a lost stop reads on. None: the site's ends are not both in the CDS."""
    if site.cds_start is None or site.cds_end is None:
        return None
    return tx.coding[: site.cds_start - 1] + allele + tx.coding[site.cds_end :] + tx.utr3


def allele_codons(tx: Transcript, site: Site, allele: str) -> str | None:
    """The codons that the site touches, with ``allele`` in its place."""
    if site.pep_start is None or site.pep_end is None:
        return None
    if site.cds_start is None or site.cds_end is None:
        return None
    first = site.pep_start * 3 - 3
    growth = len(allele) - (site.cds_end - site.cds_start + 1)
    width = site.pep_end * 3 - first + growth
    changed = tx.coding[first : site.cds_start - 1] + allele
    missing = width - len(changed)
    if missing > 0:
        changed += tx.coding[site.cds_end : site.cds_end + missing]
        # Only a change of length may borrow bases from the 3' UTR.
        if growth and len(changed) < width:
            changed += tx.utr3[: width - len(changed)]
    return changed[: max(0, width)]


def residues(codon: str | None, table: int) -> str | None:
    """Residues of some codons; an incomplete one at the end is X."""
    if codon is None:
        return None
    protein = codons.translate(codon, table)
    return protein + "X" if len(codon) % 3 and protein != "*" else protein


def coding_change(tx: Transcript, variant: Variant, site: Site) -> Coding:
    """Codons and residues before and after."""
    ref, alt = on_transcript(tx, variant.ref), on_transcript(tx, variant.alt)
    out = Coding(ref=ref, alt=alt)
    if not site.coding:
        return out
    out.ref_codon = allele_codons(tx, site, ref)
    out.alt_codon = allele_codons(tx, site, alt)
    if variant.is_plain:
        out.ref_pep = residues(out.ref_codon, tx.table)
        out.alt_pep = residues(out.alt_codon, tx.table)
    return out


# -- splice sites -------------------------------------------------------------------------------


@dataclass(slots=True)
class Splice:
    """Which parts of which introns a variant touches; first and last as the genome has them."""

    intronic: bool = False
    frameshift_intron: bool = False
    first_two: bool = False
    last_two: bool = False
    fifth: tuple[bool, bool] = (False, False)
    donor_region: tuple[bool, bool] = (False, False)
    tract: tuple[bool, bool] = (False, False)
    region: bool = False


def differing_ranges(variant: Variant) -> list[tuple[int, int]]:
    """Genomic runs in which the alleles differ, base against base from their start; what one has
    beyond the other's end differs, though it lies beyond the site. Where either has one base or
    none: the site."""
    ref, alt = variant.ref, variant.alt
    if len(ref) < 2 or len(alt) < 2:
        return [(variant.start, variant.end)]
    runs: list[tuple[int, int]] = []
    for at, (a, b) in enumerate(zip_longest(ref, alt), variant.start):
        if a == b:
            continue
        if runs and runs[-1][1] == at - 1:
            runs[-1] = (runs[-1][0], at)
        else:
            runs.append((at, at))
    return runs or [(variant.start, variant.end)]


def splice_effects(tx: Transcript, variant: Variant) -> Splice:
    """Relation of the variant to each intron near it. Which introns are near is a matter of the
    site, what is touched one of the runs in which the alleles differ."""
    out = Splice()
    first, last = min(variant.start, variant.end), max(variant.start, variant.end)
    introns = [i for i in tx.introns_near(first, last, SPLICE_REACH) if i[0] <= i[1]]
    if not introns:
        return out
    near = [i for i in introns if overlap(first, last, i[0] - 3, i[1] + 3)]
    near_ends = [
        (low, high)
        for low, high in introns
        if overlap(first, last, low - 3, low + 7) or overlap(first, last, high - 7, high + 3)
    ]
    for start, end in differing_ranges(variant):
        for low, high in near:
            _touch_inside(out, start, end, low, high)
        regions = [_touch_ends(out, start, end, low, high) for low, high in near_ends]
        if not (out.first_two or out.last_two):
            out.region = any(regions)  # the last run decides
    return out


def _shifts_frame(out: Splice, start: int, end: int, low: int, high: int) -> bool:
    """Is a run in an intron that only restores the frame? Nothing else is said of it then."""
    if high - low <= FRAMESHIFT_INTRON and overlap(start, end, low, high):
        out.frameshift_intron = True
        return True
    return False


def _touch_inside(out: Splice, start: int, end: int, low: int, high: int) -> None:
    """Note whether a run touches the inside of an intron, and its tract."""
    if _shifts_frame(out, start, end, low, high):
        return
    insertion = start == end + 1
    out.intronic |= overlap(start, end, low + 2, high - 2) or (
        insertion and (start == low + 2 or end == high - 2)
    )
    # An insertion at either edge of the tract lengthens it.
    first, last = min(start, end), max(start, end)
    out.tract = (
        out.tract[0] or overlap(first, last, high - 16, high - 2),
        out.tract[1] or overlap(first, last, low + 2, low + 16),
    )


def _touch_ends(out: Splice, start: int, end: int, low: int, high: int) -> bool:
    """Note what of an intron's ends a run touches. Returns whether it is in the splice region."""
    if _shifts_frame(out, start, end, low, high):
        return False
    insertion = start == end + 1
    out.first_two |= overlap(start, end, low, low + 1)
    out.last_two |= overlap(start, end, high - 1, high)
    out.fifth = (
        out.fifth[0] or overlap(start, end, low + 4, low + 4),
        out.fifth[1] or overlap(start, end, high - 4, high - 4),
    )
    out.donor_region = (
        out.donor_region[0] or overlap(start, end, low + 2, low + 5),
        out.donor_region[1] or overlap(start, end, high - 5, high - 2),
    )
    return (
        overlap(start, end, low + 2, low + 7)
        or overlap(start, end, high - 7, high - 2)
        or overlap(start, end, low - 3, low - 1)
        or overlap(start, end, high + 1, high + 3)
        or (insertion and (start in (low, low + 2) or end in (high, high - 2)))
    )


def splice_terms(tx: Transcript, splice: Splice, exonic: bool) -> set[str]:
    """The splice terms that hold."""
    terms: set[str] = set()
    reverse = 0 if tx.strand > 0 else 1
    donor, acceptor = splice.first_two, splice.last_two
    if reverse:
        donor, acceptor = acceptor, donor
    fifth = splice.fifth[reverse]
    donor_region = splice.donor_region[reverse] and not fifth
    if donor:
        terms.add("splice_donor_variant")
    if acceptor:
        terms.add("splice_acceptor_variant")
    if fifth:
        terms.add("splice_donor_5th_base_variant")
    if donor_region:
        terms.add("splice_donor_region_variant")
    if splice.tract[reverse] and not exonic:
        terms.add("splice_polypyrimidine_tract_variant")
    if splice.region and not (donor or acceptor or fifth or donor_region):
        terms.add("splice_region_variant")
    if splice.intronic:
        terms.add("intron_variant")
    return terms


# -- coding terms -------------------------------------------------------------------------------


def _shares(change: str, part: str) -> bool:
    return change.startswith(part) or change.endswith(part)


def loses_piece(before: str, after: str) -> bool:
    """Is ``after`` what is left of ``before`` when whole codons are taken out?"""
    if _shares(before, after):
        return True
    while before and after and before[0] == after[0]:
        before, after = before[1:], after[1:]
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    return not after and len(before) % 3 == 0


@dataclass(slots=True)
class CodingTerms:
    """The coding terms of one variant on one transcript; each property is one rule."""

    tx: Transcript
    variant: Variant
    site: Site
    change: Coding
    frameshift_intron: bool
    stop_retained: bool = field(init=False)
    stop_lost: bool = field(init=False)
    frameshift: bool = field(init=False)
    start_retained: bool = field(init=False)
    inframe_deletion: bool = field(init=False)
    start_lost: bool = field(init=False)
    inframe_insertion: bool = field(init=False)

    def __post_init__(self) -> None:
        # Each line asks only for what stands above it.
        self.stop_lost = self._stop_lost()
        self.stop_retained = self._stop_retained()
        self.frameshift = self._frameshift()
        self.start_retained = self._start_retained()
        self.inframe_deletion = self._inframe_deletion()
        grows = self._grows_in_frame()
        self.start_lost = self._start_lost(grows or self.inframe_deletion)
        self.inframe_insertion = grows and not self.start_lost

    def terms(self) -> set[str]:
        """All coding terms that hold."""
        found: set[str] = set()
        change = self.change
        equal = self.variant.length_change == 0
        for term, holds in (
            ("stop_lost", self.stop_lost),
            ("stop_gained", self._stop_gained()),
            ("frameshift_variant", self.frameshift and not equal),
            ("start_lost", self.start_lost),
            ("inframe_insertion", self.inframe_insertion),
            ("inframe_deletion", self.inframe_deletion),
            ("missense_variant", equal and self._missense()),
            ("protein_altering_variant", self._protein_altering()),
            ("incomplete_terminal_codon_variant", self.partial_codon),
            ("start_retained_variant", self.start_retained),
            ("stop_retained_variant", self.stop_retained),
            ("synonymous_variant", self._synonymous()),
            ("coding_sequence_variant", self._unknown()),
        ):
            if holds:
                found.add(term)
        if change.known and not found and self._within_cds():
            found.add("coding_sequence_variant")
        return found

    # -- facts --

    @property
    def partial_codon(self) -> bool:
        """Is the first codon touched a last one of one or two bases?"""
        if self.site.pep_start is None:
            return False
        return 0 < len(self.tx.coding) - (self.site.pep_start * 3 - 3) < 3

    def _overlaps(self, first: int) -> bool:
        start, end = self.site.cdna_start, self.site.cdna_end
        return bool(start and end) and overlap(start or 0, end or 0, first, first + 2)

    @property
    def _at_start(self) -> bool:
        return "cds_start_NF" not in self.tx.labels.flags and self._overlaps(
            self.tx.coding_bounds[0]
        )

    @property
    def _at_stop(self) -> bool:
        return "cds_end_NF" not in self.tx.labels.flags and self._overlaps(
            self.tx.coding_bounds[1] - 2
        )

    @property
    def _pair(self) -> tuple[str, str] | None:
        return (
            (self.change.ref_pep, self.change.alt_pep)
            if self.change.ref_pep is not None and self.change.alt_pep is not None
            else None
        )

    # -- the stop --

    def _stop_retained(self) -> bool:
        pair = self._pair
        if self.stop_lost or self.partial_codon:
            return False
        if pair is not None and pair[1]:
            return self._same_stop(*pair)
        changes = self.variant.length_change != 0
        return changes and self._at_stop and not self._stop_altered()

    def _same_stop(self, ref: str, alt: str) -> bool:
        if ref == "X" and alt == "X":
            return False
        tx, start, end = self.tx, self.site.pep_start, self.site.pep_end
        assert start is not None
        assert end is not None
        length = tx.protein_length
        if start > length + 1 or (ref == alt[:1] and "*" in alt):
            return True
        extra = start - 1 + len(alt) + max(0, length - end) - length
        if 0 < extra < 3 and (start > length or alt[0] == tx.residue(start)):
            protein = tx.peptide
            changed = protein[: start - 1] + alt + protein[end:]
            if changed.startswith(protein):
                return True
        return "*" in ref and ref.find("*") == alt.find("*")

    def _stop_altered(self) -> bool:
        """Does the last codon of the changed coding sequence cease to be a stop?"""
        site, tx = self.site, self.tx
        if not (self.variant.is_plain and self._at_stop and self.variant.length_change):
            return False
        if not (site.cdna_start and site.cdna_end and site.cds_start):
            return False
        width = site.cdna_end - site.cdna_start + 1
        whole = tx.coding + tx.utr3
        at = site.cds_start - 1
        changed = whole[:at] + self.change.alt + whole[at + width :]
        if len(changed) < len(tx.coding):
            return True
        last = changed[len(tx.coding) - 3 : len(tx.coding)]
        return codons.translate(last, tx.table) != "*"

    def _stop_lost(self) -> bool:
        pair = self._pair
        if pair is None:
            return self._stop_altered()
        return "*" in pair[0] and "*" not in pair[1]

    def _stop_gained(self) -> bool:
        pair = self._pair
        return pair is not None and not self.stop_retained and "*" in pair[1] and "*" not in pair[0]

    # -- the frame --

    def _frameshift(self) -> bool:
        site = self.site
        if self.partial_codon or self.stop_retained:
            return False
        if site.cds_start is None or site.cds_end is None:
            return False
        return (len(self.change.alt) - (site.cds_end - site.cds_start + 1)) % 3 != 0

    def _codon_pair(self) -> tuple[str, str] | None:
        change = self.change
        if self.frameshift or change.ref_codon is None or change.alt_codon is None:
            return None
        return change.ref_codon, change.alt_codon

    def _grows_in_frame(self) -> bool:
        pair, residues_ = self._codon_pair(), self._pair
        if self.variant.length_change <= 0 or pair is None or residues_ is None:
            return False
        ref, alt = residues_
        if len(pair[1]) <= len(pair[0]) or (self.start_retained and alt.endswith(ref)):
            return False
        stop = alt.find("*")
        if stop >= 0:
            alt = alt[: stop + 1]
        return _shares(alt, ref)

    def _inframe_deletion(self) -> bool:
        pair = self._codon_pair()
        if self.variant.length_change >= 0 or self.partial_codon or pair is None:
            return False
        return len(pair[1]) < len(pair[0]) and loses_piece(*pair)

    # -- the start --

    def _start_changed(self) -> str | None:
        """5' UTR and coding sequence with the variant in it; None where it cannot be placed."""
        site, tx = self.site, self.tx
        if not (self.variant.is_plain and self._at_start and site.cdna_start and site.cdna_end):
            return None
        whole = tx.utr5 + tx.coding
        shift = tx.phase if not tx.utr5 else 0
        at = site.cdna_start - 1 + shift
        width = site.cdna_end - site.cdna_start + 1
        return whole[:at] + self.change.alt + whole[at + width :]

    def _start_retained(self) -> bool:
        changed = self._start_changed()
        if changed is None:
            return False
        coding = self.tx.coding
        if self.variant.length_change:
            return len(changed) >= len(coding) and changed.endswith(coding)
        at = len(self.tx.utr5)
        return bool(self.tx.utr5) and changed[at : at + 3] == "ATG"

    def _start_lost(self, in_frame: bool) -> bool:
        if not self._at_start:
            return False
        changed = self._start_changed()
        if changed is not None:
            if self.variant.length_change and not self.start_retained and not in_frame:
                return True
            at = len(self.tx.utr5)
            if at and changed[at : at + 3] != "ATG":
                return True
        pair = self._pair
        if pair is None or not pair[0]:
            return False
        return self.site.pep_start == 1 and not _shares(pair[1], pair[0])

    # -- the rest --

    def _missense(self) -> bool:
        pair = self._pair
        if pair is None or self.start_lost or self.stop_lost or self._stop_gained():
            return False
        return not self.partial_codon and pair[0] != pair[1] and len(pair[0]) == len(pair[1])

    def _synonymous(self) -> bool:
        pair = self._pair
        if pair is None or not pair[0] or pair[0] != pair[1] or self.stop_retained:
            return False
        return "X" not in pair[0]

    def _protein_altering(self) -> bool:
        pair = self._pair
        if pair is None:
            return False
        ref, alt = pair
        if len(ref) == len(alt) or ref.startswith("*") or alt.startswith("*"):
            return False
        if _shares(alt, ref):
            return False
        return not (self.inframe_deletion or self.start_lost or self.frameshift)

    def _within_cds(self) -> bool:
        if any(c is not None for c in self.site.cds):
            return True
        return self.frameshift_intron and self.site.coding

    def _unknown(self) -> bool:
        pair = self._pair
        if pair is not None and "X" not in pair[0] and "X" not in pair[1]:
            return False
        return self._within_cds() and not (
            self.frameshift
            or self.inframe_deletion
            or self._protein_altering()
            or self.start_retained
            or self.start_lost
            or self.stop_retained
            or self.stop_lost
        )


# -- all terms ----------------------------------------------------------------------------------


def _utr_terms(tx: Transcript, variant: Variant, site: Site, splice: Splice) -> set[str]:
    if tx.cds is None or not (site.utr and site.exonic):
        return set()
    if not any(c is not None for c in site.cdna) and not splice.frameshift_intron:
        return set()
    start, end = variant.start, variant.end
    first, last = tx.cds
    before = overlap(start, end, tx.start, first - 1) or (variant.is_insertion and start == first)
    after = overlap(start, end, last + 1, tx.end) or (variant.is_insertion and end == last)
    five, three = (before, after) if tx.strand > 0 else (after, before)
    return {t for t, h in (("5_prime_UTR_variant", five), ("3_prime_UTR_variant", three)) if h}


def _biotype_terms(tx: Transcript, variant: Variant, site: Site) -> set[str]:
    terms: set[str] = set()
    biotype = tx.labels.biotype
    if biotype == "nonsense_mediated_decay":
        terms.add("NMD_transcript_variant")
    if biotype != "protein_coding" and tx.cds is None:
        start, end = variant.start, variant.end
        exonic = site.exonic and any(overlap(start, end, s, e) for s, e in tx.exons)
        terms.add(
            "non_coding_transcript_exon_variant" if exonic else "non_coding_transcript_variant"
        )
    return terms


def consequence_terms(
    tx: Transcript, variant: Variant, site: Site, change: Coding
) -> tuple[set[str], CodingTerms | None]:
    """The terms of a variant that lies within ``tx``, unordered, and the coding verdicts (for
    HGVS) where there are any."""
    start, end = variant.start, variant.end
    if variant.length_change < 0 and start <= tx.start and end >= tx.end:
        return {"transcript_ablation"}, None
    if any(overlap(start, end, s, e) for s, e in tx.mature):
        return {"mature_miRNA_variant"}, None
    splice = splice_effects(tx, variant)
    terms = splice_terms(tx, splice, site.exonic)
    verdict = None
    if site.coding:
        verdict = CodingTerms(tx, variant, site, change, splice.frameshift_intron)
        terms |= verdict.terms()
    terms |= _utr_terms(tx, variant, site, splice)
    terms |= _biotype_terms(tx, variant, site)
    if not terms:
        terms.add("coding_transcript_variant")
    return terms, verdict
