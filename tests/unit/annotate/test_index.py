from __future__ import annotations

import random
from pathlib import Path

import pysam
import pytest

from gas.annotate import bgzf, vcf
from gas.annotate.pack import Pack
from gas.annotate.run import annotate
from tests.annotation import HEADER, NA12878, record, text_of

ECHO = "tests.annotation:EchoEngine"


def random_records(seed: int) -> bytes:
    """Records of three contigs, some of which reach far by REF, END or SVLEN."""
    rng = random.Random(seed)
    lines = []
    for contig in ("1", "2", "X"):
        places = sorted(rng.choices(range(1, 3_000_000), k=rng.randrange(1, 400)))
        for pos in places:
            ref = "A" * rng.choice([1, 1, 1, 2, 30, 20_000])
            info = "."
            alt = "C"
            if rng.random() < 0.1:
                info, alt = f"END={pos + rng.randrange(1, 2_000_000)}", "<DEL>"
            elif rng.random() < 0.1:
                info, alt = f"X=1;SVTYPE=DEL;SVLEN=-{rng.randrange(1, 500_000)}", "<DEL>"
            lines.append(record(pos, ref, alt, info, contig))
    return b"".join(lines)


def annotated(text: bytes, out: Path, names: Pack) -> Path:
    path = out.with_name("in.vcf")
    path.write_bytes(text)
    assert annotate(path, out, names, ECHO, check_build=False).index.suffix == ".tbi"
    return out


@pytest.mark.parametrize("seed", range(4))
def test_htslib_finds_the_same_with_our_index_as_with_its_own(
    names: Pack, out: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 1 << 15)
    monkeypatch.setattr(bgzf, "BLOCK_BYTES", 1 << 12)
    annotated(HEADER + random_records(seed), out, names)
    theirs = out.with_name("theirs.tbi")
    pysam.tabix_index(str(out), preset="vcf", index=str(theirs), force=True, keep_original=True)
    rng = random.Random(seed + 100)
    found = 0
    with (
        pysam.TabixFile(str(out)) as ours,
        pysam.TabixFile(str(out), index=str(theirs)) as reference,
    ):
        assert ours.contigs == reference.contigs
        for _ in range(300):
            contig = rng.choice(ours.contigs)
            start = rng.randrange(0, 3_100_000)
            end = start + rng.choice([1, 100, 16_384, 1_000_000])
            hits = list(ours.fetch(contig, start, end))
            assert hits == list(reference.fetch(contig, start, end))
            found += len(hits)
        assert list(ours.fetch()) == list(reference.fetch())
    assert found > 100


def test_htslib_counts_the_records_by_contig(names: Pack, out: Path) -> None:
    import pysam.bcftools

    annotated(text_of(NA12878), out, names)
    assert pysam.bcftools.index("-s", str(out)).split() == ["20", "63025520", "4591"]  # type: ignore[attr-defined]
    assert pysam.bcftools.index("-n", str(out)).strip() == "4591"  # type: ignore[attr-defined]


def test_records_that_reach_by_their_samples_are_left_to_htslib(
    names: Pack, tmp_path: Path, out: Path
) -> None:
    header = HEADER.rstrip(b"\n") + b"\tFORMAT\tS\n"
    line = record(100, "A", "<*>").rstrip(b"\n") + b"\tGT:LEN\t0/0:50000\n"
    path = tmp_path / "in.vcf"
    path.write_bytes(header.replace(b"VCFv4.2", b"VCFv4.5") + line)
    assert annotate(path, out, names, ECHO, check_build=False).index.suffix == ".csi"
    with pysam.TabixFile(str(out), index=f"{out}.csi") as file:
        assert len(list(file.fetch("1", 99, 100))) == 1
