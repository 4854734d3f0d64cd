from __future__ import annotations

from pathlib import Path

import pytest

from gas.annotate.engines import csq, outside
from gas.annotate.pack import Pack
from gas.annotate.run import annotate
from gas.annotate.strip import strip
from gas.errors import Cancelled, EngineError, PackError
from tests.annotation import (
    COURSE,
    HEADER,
    NA12878,
    PHASED_HEADER,
    demo_pack,
    infos_of,
    record,
    records_of,
    ref_at,
)

GCT_2 = 104  # first base of the second codon, GCT (Ala)


def run(tmp_path: Path, pack: Pack, text: bytes, **more: int) -> list[str]:
    path = tmp_path / "in.vcf"
    path.write_bytes(text)
    out = tmp_path / "out.vcf.gz"
    annotate(path, out, pack, "csq", **more)  # type: ignore[arg-type]
    assert b"".join(strip(out)) == text
    return [info.decode() for info in infos_of(out)]


def pair(*genotypes: str) -> bytes:
    """Two variants of the same codon, with the genotypes of samples A and B for each."""
    first, second = phased(104, "G", "A", *genotypes[:2]), phased(105, "C", "A", *genotypes[2:])
    return PHASED_HEADER + first + second


def phased(pos: int, ref: str, alt: str, *genotypes: str, contig: str = "1") -> bytes:
    line = record(pos, ref, alt, contig=contig).rstrip(b"\n").decode()
    return "\t".join([line, "GT:DP", *(f"{gt}:7" for gt in genotypes)]).encode() + b"\n"


def test_a_missense_variant_is_found(tmp_path: Path, tiny: Pack) -> None:
    (info,) = run(tmp_path, tiny, HEADER + record(GCT_2, "G", "A", "DP=3"))
    assert info == "DP=3;BCSQ=missense|GENE1|T1|protein_coding|+|2A>2T|104G>A"


def test_the_mitochondrion_has_its_own_genetic_code(tmp_path: Path, tiny: Pack) -> None:
    # GCT -> TGA needs three bases: Trp in the vertebrate mitochondrion (NCBI code 2), else a stop.
    text = HEADER + record(GCT_2, "GCT", "TGA") + record(GCT_2, "GCT", "TGA", contig="chrM")
    nuclear, mitochondrial = run(tmp_path, tiny, text)
    assert nuclear.startswith("BCSQ=stop_gained|GENE1|")
    assert mitochondrial.startswith("BCSQ=missense|GENEMT|")
    assert "2A>2W" in mitochondrial


def test_lower_case_and_prefixed_contigs_are_understood(tmp_path: Path, tiny: Pack) -> None:
    (info,) = run(tmp_path, tiny, HEADER + record(GCT_2, "g", "a", contig="chr1"))
    assert "missense|GENE1" in info


@pytest.mark.parametrize("alt", ["<DEL>", "*", "G]1:500]", "<NON_REF>", "."])
def test_alleles_without_bases_are_passed_through(tmp_path: Path, tiny: Pack, alt: str) -> None:
    assert run(tmp_path, tiny, HEADER + record(GCT_2, "G", alt)) == ["."]


@pytest.mark.parametrize("alt", ["A,<DEL>", "*,A", "<NON_REF>,A", "G]1:500],A"])
def test_the_plain_alleles_of_a_mixed_record_are_annotated(
    tmp_path: Path, tiny: Pack, alt: str
) -> None:
    (info,) = run(tmp_path, tiny, HEADER + record(GCT_2, "G", alt))
    assert info == "BCSQ=missense|GENE1|T1|protein_coding|+|2A>2T|104G>A"


def test_a_wrong_ref_is_flagged_and_not_annotated(tmp_path: Path, tiny: Pack) -> None:
    text = HEADER + record(GCT_2, "C", "A") + record(GCT_2, "G", "A")
    wrong, right = run(tmp_path, tiny, text)
    assert wrong == "GAS_WARN=REF_MISMATCH"
    assert right.startswith("BCSQ=missense")


def test_positions_outside_the_contig_are_passed_through(tmp_path: Path, tiny: Pack) -> None:
    text = HEADER + record(0, "A", "C") + record(3000, ref_at(3000) + "A", "C")
    assert run(tmp_path, tiny, text + record(3001, "A", "C")) == [".", ".", "."]


def test_hostile_columns_never_reach_bcftools(tmp_path: Path, tiny: Pack) -> None:
    info = "X=\x1b[31m;=;;BAD=%00,,\u202e" + "y" * 5000
    first, last = PHASED_HEADER.splitlines(keepends=True)
    header = first + b"##contig=<ID=1,length=3000>\n##INFO=<ID=X\n##FORMAT=<\n" + last
    line = record(GCT_2, "G", "A", info).rstrip(b"\n") + b"\tPL:GT\t\xc3\xbf\t::::\n"
    (found,) = run(tmp_path, tiny, header + line)
    assert found.endswith(";BCSQ=missense|GENE1|T1|protein_coding|+|2A>2T|104G>A")


def test_phased_neighbours_are_read_together(tmp_path: Path, tiny: Pack) -> None:
    # GCT -> ACT (Thr) and GCT -> GAT (Asp) by themselves; ACT + GAT on one haplotype: AAT (Asn).
    together = pair("0|1", ".|.", "0|1", ".|.")
    first, second = run(tmp_path, tiny, together)
    assert "2A>2N|104G>A+105C>A" in first
    assert second == "BCSQ=@104"
    apart = pair("0|1", "0|0", "1|0", "0|0")
    first, second = run(tmp_path, tiny, apart)
    assert ("2A>2T" in first, "2A>2D" in second) == (True, True)


@pytest.mark.parametrize("genotype", ["0/1", "1|1|1", "3|0", "x|1", "0|1x"])
def test_one_genotype_that_is_not_phased_makes_all_local(
    tmp_path: Path, tiny: Pack, genotype: str
) -> None:
    text = pair("0|1", "0|0", "0|1", genotype)
    first, second = run(tmp_path, tiny, text)
    assert ("2A>2T" in first, "2A>2D" in second) == (True, True)


def test_what_nobody_carries_is_annotated_by_itself(tmp_path: Path, tiny: Pack) -> None:
    text = PHASED_HEADER + phased(104, "G", "A", "0|0", "0|0") + phased(107, "G", "A", "1|1", "./.")
    assert [info.split("|")[5] for info in run(tmp_path, tiny, text)] == ["2A>2T", "3A>3T"]


def test_a_haplotype_counts_symbolic_alleles_as_reference(tmp_path: Path, tiny: Pack) -> None:
    text = PHASED_HEADER + phased(104, "G", "<DEL>,A", "1|2", "0|1")
    assert run(tmp_path, tiny, text) == ["BCSQ=missense|GENE1|T1|protein_coding|+|2A>2T|104G>A"]


def test_phased_files_are_cut_between_contigs_only(tmp_path: Path, tiny: Pack) -> None:
    lines = [phased(104, "G", "A", "0|1", "0|0"), phased(105, "C", "A", "0|1", "0|0")]
    mt = [line.replace(b"1\t", b"MT\t", 1) for line in lines]
    text = PHASED_HEADER + b"".join(lines + mt)
    assert run(tmp_path, tiny, text) == run(tmp_path, tiny, text, workers=4)


@pytest.mark.parametrize("name", ["free_1.vcf.gz", "NA12878"])
def test_workers_do_not_change_a_byte(tmp_path: Path, name: str) -> None:
    path = NA12878 if name == "NA12878" else next(p for p in COURSE if p.name == name)
    one, three = tmp_path / "1.vcf.gz", tmp_path / "3.vcf.gz"
    annotate(path, one, demo_pack(), "csq")
    annotate(path, three, demo_pack(), "csq", workers=3)
    assert one.read_bytes() == three.read_bytes()


def test_the_courses_mitochondrion_is_annotated(tmp_path: Path) -> None:
    out = tmp_path / "out.vcf.gz"
    path = next(p for p in COURSE if p.name == "free_1.vcf.gz")
    report = annotate(path, out, demo_pack(), "csq")
    assert report.summary.records == 1141
    assert not report.summary.skipped["ref-mismatch"]
    # m.3308T>C turns the start codon of MT-ND1, ATA (Met in code 2 only), into ACA.
    found = dict(zip((rec[1] for rec in records_of(out)), infos_of(out), strict=True))
    assert b";BCSQ=start_lost|MT-ND1|" in found[b"3308"]
    assert b"|229T>229M|" in found[b"3992"]  # ATA again


def test_what_bcftools_says_reaches_the_person(tmp_path: Path, tiny: Pack) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in tiny.path.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "genes.gff3.gz").write_bytes(b"no gene\tat all\n")
    (tmp_path / "in.vcf").write_bytes(HEADER + record(104, "G", "A"))
    with pytest.raises(EngineError, match="bcftools csq failed") as caught:
        annotate(tmp_path / "in.vcf", tmp_path / "out.vcf.gz", Pack.open(broken), "csq")
    assert caught.value.hint
    (broken / "genome.fa.gz").unlink()
    with pytest.raises(PackError, match="cannot be read"):
        annotate(tmp_path / "in.vcf", tmp_path / "out.vcf.gz", Pack.open(broken), "csq")


def test_answers_out_of_step_are_caught(
    tmp_path: Path, tiny: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = csq.answers

    def twisted(paths: object) -> object:
        return iter(reversed(list(real(paths))))  # type: ignore[arg-type]

    monkeypatch.setattr(csq, "answers", twisted)
    monkeypatch.setattr(csq.CsqSession, "close", lambda self: None)
    with pytest.raises(EngineError, match="out of step"):
        run(tmp_path, tiny, HEADER + record(104, "G", "A") + record(105, "C", "A"))


def test_cancelling_ends_the_child(
    tmp_path: Path, tiny: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:  # two while the skeleton is written, the next while bcftools is at work
            raise Cancelled

    (tmp_path / "in.vcf").write_bytes(HEADER + record(104, "G", "A"))
    started: list[object] = []
    real = outside.subprocess.Popen

    def watched(*args: object, **more: object) -> object:
        started.append(real(["sleep", "60"], **more))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(outside.subprocess, "Popen", watched)
    with pytest.raises(Cancelled):
        annotate(tmp_path / "in.vcf", tmp_path / "out.vcf.gz", tiny, "csq", check_cancelled=check)
    assert [process.poll() for process in started] == [-9]  # type: ignore[attr-defined]
    assert {path.name for path in tmp_path.iterdir()} == {"in.vcf"}
