from __future__ import annotations

import pytest

from gas.annotate import terms
from gas.annotate.alleles import is_transition, variant_class
from gas.annotate.contigs import ContigNames
from gas.annotate.fit import REASONS, why_not


@pytest.mark.parametrize(
    ("reference", "asked", "found"),
    [
        (["20", "MT"], b"20", "20"),
        (["20", "MT"], b"chr20", "20"),
        (["20", "MT"], b"chrM", "MT"),
        (["20", "MT"], b"M", "MT"),
        (["chr20", "chrM"], b"20", "chr20"),
        (["chr20", "chrM"], b"MT", "chrM"),
        (["20"], b"2", None),
        (["20"], b"\xff", None),
        (["20", "chr20"], b"chr20", "chr20"),
        (["chr20", "20"], b"20", "20"),
    ],
)
def test_a_contig_is_found_by_its_other_names(
    reference: list[str], asked: bytes, found: str | None
) -> None:
    assert ContigNames(reference).get(asked) == found


@pytest.mark.parametrize(
    ("ref", "alt", "kind"),
    [
        (b"A", b"G", "SNV"),
        (b"CA", b"CG", "SNV"),
        (b"AC", b"GT", "MNV"),
        (b"A", b"AT", "insertion"),
        (b"AT", b"A", "deletion"),
        (b"ATG", b"CC", "indel"),
        (b"A", b"a", "no_change"),
        (b"A", b"*", "spanning_deletion"),
        (b"A", b"<DEL>", "symbolic"),
        (b"A", b"A]2:5]", "breakend"),
        (b"A", b".TC", "breakend"),
        (b"A", b"?", "symbolic"),
    ],
)
def test_classes_of_alleles(ref: bytes, alt: bytes, kind: str) -> None:
    assert variant_class(ref, alt) == kind


def test_transitions() -> None:
    assert is_transition(b"A", b"g") is True
    assert is_transition(b"CA", b"CC") is False
    assert is_transition(b"A", b"AT") is None
    assert is_transition(b"A", b"N") is None


@pytest.mark.parametrize(
    ("contig", "pos", "ref", "alt", "reason"),
    [
        (b"1", b"5", b"A", b"C", None),
        (b"chr1", b"5", b"a", b"C,<DEL>", None),
        (b"2", b"5", b"A", b"C", "contig-unknown"),
        (b"1", b"0", b"A", b"C", "pos-outside-contig"),
        (b"1", b"10", b"AC", b"A", "pos-outside-contig"),
        (b"1", b"5", b"A", b".", "no-alt"),
        (b"1", b"5", b"A", b"<DEL>,*,A]2:1]", "alt-not-bases"),
        (b"1", b"5", b"R", b"C", "ref-not-bases"),
    ],
)
def test_reasons_to_pass_a_record_through(
    contig: bytes, pos: bytes, ref: bytes, alt: bytes, reason: str | None
) -> None:
    names = ContigNames(["1"])
    assert why_not([contig, pos, b".", ref, alt, b".", b".", b"."], names, {"1": 10}) == reason
    assert reason is None or reason in REASONS


def test_terms_are_ranked_and_bcftools_spellings_are_known() -> None:
    assert terms.rank("stop_gained") < terms.rank("missense_variant") < terms.rank("unheard_of")
    assert terms.canonical("missense") == "missense_variant"
    assert terms.canonical("inframe_deletion") == "inframe_deletion"
    assert terms.impact("frameshift_variant") == "HIGH"
    assert terms.impact("unheard_of") == "MODIFIER"
    spellings = terms._BCFTOOLS.values()
    assert all(term in terms.TERMS for term in spellings)
    assert list(terms.RANK) == list(terms.TERMS)
