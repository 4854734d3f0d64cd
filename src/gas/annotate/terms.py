"""Consequence terms of the Sequence Ontology, most severe first, each with its impact.

Order and impact are those that Ensembl publishes with its Variant Effect Predictor, release 115,
on the page "Calculated variant consequences". bcftools csq uses short spellings of its own; they
are mapped onto the same terms (``canonical``), so that results of all engines can be compared.
"""

from __future__ import annotations

HIGH, MODERATE, LOW, MODIFIER = IMPACTS = ("HIGH", "MODERATE", "LOW", "MODIFIER")

#: term -> impact, in order of severity.
TERMS: dict[str, str] = {
    "transcript_ablation": HIGH,
    "splice_acceptor_variant": HIGH,
    "splice_donor_variant": HIGH,
    "stop_gained": HIGH,
    "frameshift_variant": HIGH,
    "stop_lost": HIGH,
    "start_lost": HIGH,
    "transcript_amplification": HIGH,
    "feature_elongation": HIGH,
    "feature_truncation": HIGH,
    "inframe_insertion": MODERATE,
    "inframe_deletion": MODERATE,
    "missense_variant": MODERATE,
    "protein_altering_variant": MODERATE,
    "splice_donor_5th_base_variant": LOW,
    "splice_region_variant": LOW,
    "splice_donor_region_variant": LOW,
    "splice_polypyrimidine_tract_variant": LOW,
    "incomplete_terminal_codon_variant": LOW,
    "start_retained_variant": LOW,
    "stop_retained_variant": LOW,
    "synonymous_variant": LOW,
    "coding_sequence_variant": MODIFIER,
    "mature_miRNA_variant": MODIFIER,
    "5_prime_UTR_variant": MODIFIER,
    "3_prime_UTR_variant": MODIFIER,
    "non_coding_transcript_exon_variant": MODIFIER,
    "intron_variant": MODIFIER,
    "NMD_transcript_variant": MODIFIER,
    "non_coding_transcript_variant": MODIFIER,
    "coding_transcript_variant": MODIFIER,
    "upstream_gene_variant": MODIFIER,
    "downstream_gene_variant": MODIFIER,
    "TFBS_ablation": MODERATE,
    "TFBS_amplification": MODIFIER,
    "TF_binding_site_variant": MODIFIER,
    "regulatory_region_ablation": MODIFIER,
    "regulatory_region_amplification": MODIFIER,
    "regulatory_region_variant": MODIFIER,
    "intergenic_variant": MODIFIER,
    "sequence_variant": MODIFIER,
}

#: term -> 0 for the most severe.
RANK: dict[str, int] = {term: rank for rank, term in enumerate(TERMS)}

#: bcftools csq's spelling -> the Sequence Ontology's. Its ``non_coding`` is any place in a
#: non-coding transcript, exon or intron; ``inframe_altering`` an in-frame change of residues.
_BCFTOOLS: dict[str, str] = {
    "synonymous": "synonymous_variant",
    "missense": "missense_variant",
    "frameshift": "frameshift_variant",
    "inframe_altering": "protein_altering_variant",
    "splice_acceptor": "splice_acceptor_variant",
    "splice_donor": "splice_donor_variant",
    "splice_region": "splice_region_variant",
    "start_retained": "start_retained_variant",
    "stop_retained": "stop_retained_variant",
    "coding_sequence": "coding_sequence_variant",
    "5_prime_utr": "5_prime_UTR_variant",
    "3_prime_utr": "3_prime_UTR_variant",
    "non_coding": "non_coding_transcript_variant",
    "intron": "intron_variant",
    "intergenic": "intergenic_variant",
}


def canonical(term: str) -> str:
    """The Sequence Ontology's spelling of ``term``; an unknown term is given back as it is."""
    return _BCFTOOLS.get(term, term)


def rank(term: str) -> int:
    """Severity of a term in the Sequence Ontology's spelling; an unknown one ranks last."""
    return RANK.get(term, len(RANK))


def impact(term: str) -> str:
    """Impact of a term in the Sequence Ontology's spelling; an unknown one is MODIFIER."""
    return TERMS.get(term, MODIFIER)
