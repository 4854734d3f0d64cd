"""Symbolic alleles: what a deletion, duplication, insertion or inversion of a whole range does.

Only places are known, not sequence, so the terms follow from overlap alone (the rules of Ensembl
VEP 115 for structural variants):

    whole transcript      DEL: transcript_ablation, DUP: transcript_amplification; any other kind:
                          coding_transcript or non_coding_transcript, NMD; nothing finer then
    mature miRNA          mature_miRNA; no other term then
    part of a transcript  where an exon is touched, DEL: feature_truncation; DUP and INS inside of
                          the transcript: feature_elongation
    and by place          intron, 5'/3' UTR, coding_sequence, non_coding_transcript(_exon), NMD
    within one exon       a DEL that takes coding bases, of a length that three does not divide:
                          frameshift, though it reach into the UTR; else inframe_deletion where it
                          takes nothing but coding bases. coding_sequence does not stand beside them
    start codon           start_lost, whatever the kind, where both ends of the range are exonic;
                          beside it start_retained for DEL, DUP and INS: nobody knows the sequence
                          that could show that the start is gone
    stop codon            DEL: stop_lost
    beside it             upstream_gene, downstream_gene

Positions are those of the ends of the range, ``?`` for one that lies in no exon or, in the coding
sequence, in no coding base.

The range is POS + 1 to INFO/END, or to POS + SVLEN (VCF 4.3, section 3). Breakends and alleles of
other kinds, or without an end, are passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gas.annotate.consequence import Site, locate, overlap
from gas.annotate.effects import Effect, effect, exon_column, intron_column, span
from gas.annotate.hgvs import Strands
from gas.annotate.transcript import Transcript
from gas.annotate.variant import Variant

_END = re.compile(rb"(?:^|;)END=(\d+)(?:;|$)")
_SVLEN = re.compile(rb"(?:^|;)SVLEN=(-?\d+)")
#: Type of a symbolic ALT, as VCF has it -> what VEP calls it.
KINDS = {
    "DEL": "deletion",
    "DUP": "duplication",
    "INS": "insertion",
    "INV": "inversion",
    "CNV": "copy_number_variation",
}
_LENGTHENS = ("duplication", "insertion")


@dataclass(frozen=True, slots=True)
class Structural:
    """A symbolic allele with its range (1-based, inclusive). ``label`` is the Allele column."""

    start: int
    end: int
    kind: str
    label: str


def parse_symbolic(pos: int, alt: str, info: bytes) -> Structural | None:
    """The allele ``alt`` of a record at ``pos``, None where it is no range of a known kind."""
    if not (alt.startswith("<") and alt.endswith(">")):
        return None
    kind = KINDS.get(alt[1:-1].split(":")[0].upper())
    if kind is None:
        return None
    if kind == "insertion":
        return Structural(pos + 1, pos, kind, kind)
    end = _END.search(info)
    if end is not None:
        stop = int(end.group(1))
    else:
        length = _SVLEN.search(info)
        stop = pos + abs(int(length.group(1))) if length else pos
    return Structural(pos + 1, stop, kind, kind) if stop > pos else None


def structural_effect(tx: Transcript, sv: Structural, distance: int) -> Effect | None:
    """The effect of ``sv`` on ``tx``, None where it is out of reach."""
    start, end = sv.start, sv.end
    if not overlap(start, end, tx.start, tx.end):
        # Beside a transcript all that counts is the place.
        beside = Variant(start, end, "", "", "", "other")
        return effect(tx, beside, Strands(tx.genome, tx.contig, beside), distance)
    if start <= tx.start and end >= tx.end:
        return Effect(frozenset(_whole_terms(tx, sv)))
    site = locate(tx, start, end)
    out = Effect(frozenset(_terms(tx, sv, site)))
    out.exon = exon_column(tx, start, end)
    out.intron = intron_column(tx, start, end)
    if site.exonic:
        out.cdna = span(site.cdna_start, site.cdna_end)
    if site.coding:
        out.cds = span(site.cds_start, site.cds_end)
        out.protein = span(site.pep_start, site.pep_end)
    return out


def _whole_terms(tx: Transcript, sv: Structural) -> set[str]:
    if sv.kind == "deletion":
        return {"transcript_ablation"}
    if sv.kind == "duplication":
        return {"transcript_amplification"}
    if tx.mature:
        return {"mature_miRNA_variant"}
    terms = {"coding_transcript_variant" if tx.cds else "non_coding_transcript_variant"}
    return terms | _biotype_terms(tx)


def _biotype_terms(tx: Transcript) -> set[str]:
    nmd = tx.labels.biotype == "nonsense_mediated_decay"
    return {"NMD_transcript_variant"} if nmd else set()


def _terms(tx: Transcript, sv: Structural, site: Site) -> set[str]:
    start, end = sv.start, sv.end
    if any(overlap(start, end, *product) for product in tx.mature):
        return {"mature_miRNA_variant"}
    terms = _biotype_terms(tx)
    inside = tx.start <= start and end <= tx.end
    spliced = any(c is not None for c in site.cdna)
    if spliced and sv.kind == "deletion":
        terms.add("feature_truncation")
    elif spliced and inside and sv.kind in _LENGTHENS:
        terms.add("feature_elongation")
    if any(overlap(start, end, low + 2, high - 2) for low, high in tx.introns):
        terms.add("intron_variant")
    if tx.cds is not None:
        terms |= _utr_terms(tx, start, end) if spliced else set()
        terms |= _coding_terms(tx, sv, site) if site.coding else set()
    elif tx.labels.biotype != "protein_coding":
        exonic = any(overlap(start, end, *exon) for exon in tx.exons)
        terms.add(f"non_coding_transcript{'_exon' if exonic else ''}_variant")
    return terms or {"coding_transcript_variant"}


def _utr_terms(tx: Transcript, start: int, end: int) -> set[str]:
    assert tx.cds is not None
    first, last = tx.cds
    insertion = start > end
    before = overlap(start, end, tx.start, first - 1) or (insertion and start == first)
    after = overlap(start, end, last + 1, tx.end) or (insertion and end == last)
    five, three = (before, after) if tx.strand > 0 else (after, before)
    return {t for t, h in (("5_prime_UTR_variant", five), ("3_prime_UTR_variant", three)) if h}


def _coding_terms(tx: Transcript, sv: Structural, site: Site) -> set[str]:
    terms = _start_terms(tx, sv, site)
    if sv.kind == "deletion":
        terms |= _deletion_terms(tx, sv.start, sv.end, site)
    coding = any(c is not None for c in site.cds)
    if coding and not terms & {"inframe_deletion", "frameshift_variant"}:
        terms.add("coding_sequence_variant")
    return terms


def _start_terms(tx: Transcript, sv: Structural, site: Site) -> set[str]:
    assert tx.cds is not None
    if "cds_start_NF" in tx.labels.flags or site.cdna_start is None or site.cdna_end is None:
        return set()
    begin = tx.coding_bounds[0]
    if not overlap(site.cdna_start, site.cdna_end, begin, begin + 2):
        return set()
    retained = sv.kind == "deletion" or sv.kind in _LENGTHENS
    return {"start_lost", "start_retained_variant"} if retained else {"start_lost"}


def _deletion_terms(tx: Transcript, start: int, end: int, site: Site) -> set[str]:
    assert tx.cds is not None
    first, last = tx.cds
    terms = set()
    if overlap(start, end, *((last - 2, last) if tx.strand > 0 else (first, first + 2))):
        terms.add("stop_lost")
    if any(s <= start and end <= e for s, e in tx.exons):
        if (end - start + 1) % 3:
            terms.add("frameshift_variant")
        elif len(site.cds) == 1:
            terms.add("inframe_deletion")
    return terms
