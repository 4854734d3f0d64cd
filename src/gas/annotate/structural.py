"""Symbolic alleles: what a deletion, duplication, insertion or inversion of a whole range does.

Only places are known, not sequence, so the terms follow from overlap alone (the rules of Ensembl
VEP 115 for structural variants):

    whole transcript      DEL: transcript_ablation, DUP and CNV gain: transcript_amplification; no
                          other term then
    part of a transcript  DEL: feature_truncation; DUP and INS inside of it: feature_elongation
    and by place          intron, 5'/3' UTR, coding_sequence, non_coding_transcript(_exon), NMD;
                          a DEL inside one exon of the coding region: inframe_deletion or
                          frameshift; one that takes start or stop codon: start_lost, stop_lost
    beside it             upstream_gene, downstream_gene

The range is POS + 1 to INFO/END, or to POS + SVLEN (VCF 4.3, section 3). Breakends and alleles of
other kinds, or without an end, are passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gas.annotate.consequence import locate, overlap
from gas.annotate.effects import Effect, effect, exon_column, intron_column
from gas.annotate.hgvs import Strands
from gas.annotate.transcript import Transcript
from gas.annotate.variant import Variant

_END = re.compile(rb"(?:^|;)END=(\d+)(?:;|$)")
_SVLEN = re.compile(rb"(?:^|;)SVLEN=(-?\d+)")
_KINDS = {
    "DEL": "deletion",
    "DUP": "duplication",
    "INS": "insertion",
    "INV": "inversion",
    "CNV": "copy_number_variation",
}


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
    kind = _KINDS.get(alt[1:-1].split(":")[0].upper())
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
        whole = {"deletion": "transcript_ablation", "duplication": "transcript_amplification"}
        if sv.kind in whole:
            return Effect(frozenset({whole[sv.kind]}))
    out = Effect(frozenset(_terms(tx, sv)))
    out.exon = exon_column(tx, start, end)
    out.intron = intron_column(tx, start, end)
    return out


def _terms(tx: Transcript, sv: Structural) -> set[str]:
    start, end = sv.start, sv.end
    terms: set[str] = set()
    inside = tx.start <= start and end <= tx.end
    if sv.kind == "deletion":
        terms.add("feature_truncation")
    elif inside and sv.kind in ("duplication", "insertion"):
        terms.add("feature_elongation")
    if any(overlap(start, end, low + 2, high - 2) for low, high in tx.introns):
        terms.add("intron_variant")
    if tx.labels.biotype == "nonsense_mediated_decay":
        terms.add("NMD_transcript_variant")
    exonic = any(overlap(start, end, *exon) for exon in tx.exons)
    if tx.cds is not None:
        terms |= _coding_terms(tx, sv, exonic)
    elif tx.labels.biotype != "protein_coding":
        terms.add(f"non_coding_transcript{'_exon' if exonic else ''}_variant")
    return terms or {"coding_transcript_variant"}


def _coding_terms(tx: Transcript, sv: Structural, exonic: bool) -> set[str]:
    start, end = sv.start, sv.end
    assert tx.cds is not None
    first, last = tx.cds
    terms: set[str] = set()
    if not exonic:
        return terms
    before = overlap(start, end, tx.start, first - 1)
    after = overlap(start, end, last + 1, tx.end)
    five, three = (before, after) if tx.strand > 0 else (after, before)
    if any(c is not None for c in locate(tx, start, end).cdna):
        terms |= {"5_prime_UTR_variant"} if five else set()
        terms |= {"3_prime_UTR_variant"} if three else set()
    if not any(c is not None for c in locate(tx, start, end).cds):
        return terms
    changed: set[str] = set()
    if sv.kind == "deletion":
        changed = _deletion_terms(tx, start, end)
    if not changed & {"inframe_deletion", "frameshift_variant"}:
        changed.add("coding_sequence_variant")
    return terms | changed


def _deletion_terms(tx: Transcript, start: int, end: int) -> set[str]:
    assert tx.cds is not None
    first, last = tx.cds
    low, high = (first, first + 2), (last - 2, last)
    begin, stop = (low, high) if tx.strand > 0 else (high, low)
    terms = set()
    if overlap(start, end, *begin):
        terms.add("start_lost")
    if overlap(start, end, *stop):
        terms.add("stop_lost")
    if any(s <= start and end <= e for s, e in tx.exons) and first <= start and end <= last:
        whole = (end - start + 1) % 3 == 0
        terms.add("inframe_deletion" if whole else "frameshift_variant")
    return terms
