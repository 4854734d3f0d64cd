from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from gas.annotate import assemblies
from gas.annotate.builds import BuildCheck, Contigs, Reference, Verdict
from gas.annotate.genome import Genome
from gas.annotate.validate import Validator, validate_file
from tests.annotation import COURSE, DATA, NA12878, demo_pack
from tests.unit.annotate.validate.help import vcf

SEQUENCE = "".join(random.Random(7).choices("ACGT", k=5000))


def _bases(contig: str, start0: int, end: int) -> bytes:
    return SEQUENCE[start0:end].encode()


def _reference(assembly: str = "GRCh37", **contigs: int) -> Reference:
    return Reference("mine", assembly, contigs or {"20": 5000}, _bases)


def _verdict(
    reference: Reference, records: Iterable[str] = (), header: Iterable[str] = ()
) -> Verdict:
    validator = Validator()
    lines = vcf(header=header).removesuffix(b"\n").split(b"\n")
    check = BuildCheck(reference, validator.header(lines), ["mine (GRCh37)", "other (GRCh38)"])
    check.add([record.encode().split(b" ", 8) for record in records])
    return check.verdict()


def _right(n: int = 30, contig: str = "20") -> list[str]:
    return [f"{contig} {p} . {SEQUENCE[p - 1]} T . . ." for p in range(100, 100 + n)]


def _wrong(n: int = 30, contig: str = "20") -> list[str]:
    return [f"{contig} {p} . {'CGTA'['ACGT'.index(SEQUENCE[p - 1])]} T . . ."
            for p in range(100, 100 + n)]  # fmt: skip


def test_a_file_that_fits() -> None:
    verdict = _verdict(_reference(), _right())
    assert verdict == Verdict(True, build="GRCh37", compared=30)
    assert verdict.refusal() is None


def test_ref_bases_outweigh_words() -> None:
    stale = ["##reference=hg18.fa"]
    verdict = _verdict(_reference(), _right(), stale)
    assert verdict.fits
    assert "30 of 30 REF bases agree with GRCh37" in verdict.warnings[0]
    verdict = _verdict(_reference(), _wrong(), ["##reference=b37.fa"])
    assert verdict.sentence == "This file is not GRCh37: 30 of 30 REF bases differ."
    assert "other (GRCh38)" in verdict.hint
    refusal = verdict.refusal()
    assert refusal is not None
    assert refusal.code == "bad-input"


def test_words_count_where_ref_says_nothing() -> None:
    verdict = _verdict(_reference(), _right(2), ["##reference=file:///x/human_b36_both.fasta"])
    assert not verdict.fits
    assert verdict.build == "NCBI36"
    assert "of NCBI36 (its header says reference=file:///x/human_b36_both.fasta)" in (
        verdict.sentence
    )


def test_lengths_of_contigs_name_the_assembly() -> None:
    header = ["##contig=<ID=chr20,length=64444167>", "##contig=<ID=chr1,length=248956422>"]
    reference = _reference(**{"20": 63025520})
    verdict = _verdict(reference, _wrong(5, "chr20"), header)
    assert verdict.build == "GRCh38"
    assert "the lengths of its contigs" in verdict.sentence
    assert "its contig chr20 has 64,444,167 bases, the reference's 63,025,520" in verdict.sentence


def test_positions_beyond_the_end() -> None:
    verdict = _verdict(_reference(), [f"20 {p} . A T . . ." for p in (6000, 7000, 8000)])
    assert not verdict.fits
    assert "3 positions lie beyond the end" in verdict.sentence


def test_no_contig_in_common_and_some_unknown_ones() -> None:
    verdict = _verdict(_reference(), ["7 5 . A T . . ."])
    assert not verdict.fits
    assert "No contig in common: the file has 7; the reference" in verdict.sentence
    verdict = _verdict(_reference(), [*_right(), "7 5 . A T . . .", "7 6 . A T . . ."])
    assert verdict.fits
    assert verdict.unknown == {"7": 2}
    assert any("2 records are on contigs that GRCh37 lacks: 7" in w for w in verdict.warnings)


def test_records_that_say_nothing() -> None:
    odd = ["20 x . A T . . .", "20 5 . . T . . .", "20 0 . A T . . .", "20 5", "20 9 . NN T . . ."]
    verdict = _verdict(_reference(), odd)
    assert (verdict.fits, verdict.compared) == (True, 0)
    assert "No REF base could be compared" in verdict.warnings[0]


def test_far_records_are_sampled_too() -> None:
    """The start of a chromosome may be alike in two assemblies, its end not."""
    near = _right(1000)
    far = [record.replace("20 ", "20 ", 1) for record in _wrong(1000)] * 4
    verdict = _verdict(_reference(), near + far)
    assert not verdict.fits
    assert verdict.compared < 600


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (b"20", "20"), (b"chr20", "20"), (b"NC_000020.10", "20"), (b"CM000682.1", "20"),
        (b"NC_000020.11", None), (b"chrM", "MT"), (b"M", "MT"), (b"chrMT", "MT"),
        (b"NC_012920.1", "MT"), (b"21", None), (b"chr20_random", None), (b"\xff", None),
    ],
)  # fmt: skip
def test_contig_names(name: bytes, found: str | None) -> None:
    assert Contigs(_reference(**{"20": 5000, "MT": 16569})).get(name) == found


def test_a_reference_may_use_accessions_too() -> None:
    names = Contigs(_reference("GRCh38", **{"NC_000020.11": 5000}))
    assert names.get(b"chr20") == "NC_000020.11"
    assert names.get(b"CM000682.2") == "NC_000020.11"
    assert names.get(b"NC_000020.10") is None


@pytest.mark.parametrize(
    ("text", "build"),
    [
        ("human_g1k_v37.fasta", "GRCh37"), ("hs37d5", "GRCh37"), ("hg19.fa", "GRCh37"),
        ("GRCh38_full_analysis_set", "GRCh38"), ("Homo_sapiens_assembly38.fasta", "GRCh38"),
        ("1000GenomesPilot-NCBI36", "NCBI36"), ("human_b36_both.fasta", "NCBI36"),
        ("chm13v2.0", "T2T-CHM13v2.0"), ("GCA_000001405.15", "GRCh38"),
        ("GCF_000001405.13", "GRCh37"), ("rCRS", None), ("ab370", None), ("mm10", None),
    ],
)  # fmt: skip
def test_names_of_assemblies(text: str, build: str | None) -> None:
    assert assemblies.named(text) == build


def test_the_tables_are_whole() -> None:
    for build, lengths in assemblies.LENGTHS.items():
        assert len(lengths) == 24
        assert assemblies.by_lengths(lengths) == {build}
    assert len(assemblies.accessions()) == 24 * 7 + 3


def _real(path: Path) -> Verdict:
    pack = demo_pack()
    checks: list[BuildCheck] = []
    with Genome(pack.fasta) as genome:
        reference = Reference(pack.name, pack.assembly, pack.contigs, genome.bases)

        def watch(header):  # type: ignore[no-untyped-def]
            checks.append(BuildCheck(reference, header))
            return checks[0].add

        validate_file(path, watch=watch)
        return checks[0].verdict()


def test_real_files_against_the_demo_reference() -> None:
    said = {path.name.removesuffix(".vcf.gz"): _real(path) for path in COURSE}
    assert {name for name, verdict in said.items() if verdict.fits} == {"free_1", "test"}
    assert {name for name, verdict in said.items() if verdict.build == "NCBI36"} == {
        "free_2", "premium_1", "premium_3",
    }  # fmt: skip
    assert "not GRCh37: 78 of 102 REF bases differ" in said["premium_3"].sentence
    assert (_real(NA12878).fits, _real(NA12878).differing) == (True, 0)
    assert _real(DATA / "real" / "PG_NA12878_hg38-chr21.vcf.gz").build == "GRCh38"
