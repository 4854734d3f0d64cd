"""One variant on one transcript: every column that depends on both.

This is the plain way, in steps that follow the rules one by one. ``segments.py`` answers most
records faster and must give the same rows; tests hold the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from gas.annotate.consequence import (
    Coding,
    Site,
    coding_change,
    consequence_terms,
    locate,
    overlap,
)
from gas.annotate.hgvs import Strands, names
from gas.annotate.transcript import Coord, Transcript
from gas.annotate.variant import Variant

#: VEP's default reach of upstream_ and downstream_gene_variant, in bases.
DISTANCE = 5000


@dataclass(slots=True)
class Effect:
    """The columns of one row that are not names of the transcript; "" where there is nothing."""

    terms: frozenset[str]
    exon: str = ""
    intron: str = ""
    hgvsc: str = ""
    hgvsp: str = ""
    cdna: str = ""
    cds: str = ""
    protein: str = ""
    amino_acids: str = ""
    codons: str = ""
    distance: str = ""
    offset: str = ""


def effect(
    tx: Transcript, variant: Variant, strands: Strands, distance: int = DISTANCE
) -> Effect | None:
    """The effect of ``variant`` on ``tx``, None where it is out of reach.

    ``strands``: the readings of the same variant.
    """
    start, end = variant.start, variant.end
    if not overlap(start, end, tx.start, tx.end):
        return _nearby(tx, start, end, distance)
    site = locate(tx, start, end)
    change = coding_change(tx, variant, site)
    terms, verdict = consequence_terms(tx, variant, site, change)
    out = Effect(frozenset(terms))
    out.exon = exon_column(tx, start, end)
    out.intron = intron_column(tx, start, end)
    if site.exonic:
        out.cdna = span(site.cdna_start, site.cdna_end)
    if site.coding:
        _coding_columns(out, tx, site, change)
    named = names(tx, variant, site, verdict, strands.on(tx.strand))
    out.hgvsc, out.hgvsp = named.transcript, named.protein.replace("=", "%3D")
    if named.offset and (out.hgvsc or out.hgvsp):
        out.offset = str(named.offset)
    return out


def _nearby(tx: Transcript, start: int, end: int, distance: int) -> Effect | None:
    if end < tx.start:
        ahead, term = tx.start - end, "upstream" if tx.strand > 0 else "downstream"
    else:
        ahead, term = start - tx.end, "downstream" if tx.strand > 0 else "upstream"
    if ahead > distance:
        return None
    nearest = min(abs(a - b) for a in (start, end) for b in (tx.start, tx.end))
    return Effect(frozenset({f"{term}_gene_variant"}), distance=str(nearest))


def exon_column(tx: Transcript, start: int, end: int) -> str:
    """EXON: ``3/7``, ``3-4/7``."""
    return _ranks([tx.exon_rank(i) for i in tx.exons_hit(start, end)], len(tx.exons))


def intron_column(tx: Transcript, start: int, end: int) -> str:
    """INTRON: ``3/6``, ``3-4/6``."""
    return _ranks([tx.intron_rank(i) for i in tx.introns_hit(start, end)], len(tx.introns))


def _ranks(ranks: list[int], total: int) -> str:
    if len(ranks) < 2:
        return f"{ranks[0]}/{total}" if ranks else ""
    return f"{min(ranks)}-{max(ranks)}/{total}"


def span(start: int | None, end: int | None) -> str:
    """A position column: ``12``, ``12-14``, ``12-?``, ``?-14``."""
    if start is None and end is None:
        return ""
    if start is None or end is None:
        return f"{'?' if start is None else start}-{'?' if end is None else end}"
    if start == end:
        return str(start)
    return f"{start}-{end}" if start < end else f"{end}-{start}"


def _coding_columns(out: Effect, tx: Transcript, site: Site, change: Coding) -> None:
    out.cds = span(site.cds_start, site.cds_end)
    out.protein = span(site.pep_start, site.pep_end)
    ref, alt = change.ref_pep, change.alt_pep
    if ref is not None and alt is not None:
        ref, alt = ref or "-", alt or "-"
        out.amino_acids = ref if ref == alt else f"{ref}/{alt}"
    if change.ref_codon is not None and change.alt_codon is not None:
        at = codon_offset(tx, site)
        before = shown_codon(change.ref_codon, at, change.ref)
        out.codons = f"{before}/{shown_codon(change.alt_codon, at, change.alt)}"


def codon_offset(tx: Transcript, site: Site) -> int:
    """0-based place of the site's first base in its codon."""
    if site.cdna_start is None:
        return -1
    return (site.cdna_start - tx.coding_bounds[0] + tx.cds_shift) % 3


def shown_codon(codon: str, at: int, allele: str) -> str:
    """The codon with the changed bases in upper case, the others in lower case."""
    if not codon:
        return "-"
    codon = codon.lower()
    if at < 0 or not allele:
        return codon
    return codon[:at] + codon[at : at + len(allele)].upper() + codon[at + len(allele) :]


__all__ = ["DISTANCE", "Coord", "Effect", "effect", "span"]
