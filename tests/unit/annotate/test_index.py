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


def random_records(seed: int, high: int = 3_000_000) -> bytes:
    """Records of three contigs, up to ``high``, some of which reach far by REF, END or SVLEN."""
    rng = random.Random(seed)
    lines = []
    for contig in ("1", "2", "X"):
        places = sorted(rng.choices(range(1, high), k=rng.randrange(1, 400)))
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


def annotated(text: bytes, out: Path, names: Pack, suffix: str = ".tbi") -> Path:
    """The index of ``text`` annotated into ``out``."""
    path = out.with_name("in.vcf")
    path.write_bytes(text)
    index = annotate(path, out, names, ECHO, check_build=False).index
    assert index.suffix == suffix
    return index


@pytest.mark.parametrize(
    ("seed", "high"), [*((seed, 3_000_000) for seed in range(4)), (4, 2**31 - 1), (5, 2**30)]
)
def test_htslib_finds_the_same_with_our_index_as_with_its_own(
    names: Pack, out: Path, monkeypatch: pytest.MonkeyPatch, seed: int, high: int
) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 1 << 15)
    monkeypatch.setattr(bgzf, "BLOCK_BYTES", 1 << 12)
    is_far = high > 2**29
    suffix = ".csi" if is_far else ".tbi"
    index = annotated(HEADER + random_records(seed, high), out, names, suffix)
    theirs = out.with_name("theirs" + suffix)
    pysam.tabix_index(
        str(out), preset="vcf", index=str(theirs), force=True, keep_original=True, csi=is_far
    )
    rng = random.Random(seed + 100)
    found = 0
    with (
        pysam.TabixFile(str(out), index=str(index)) as ours,
        pysam.TabixFile(str(out), index=str(theirs)) as reference,
    ):
        assert ours.contigs == reference.contigs
        for _ in range(300):
            contig = rng.choice(ours.contigs)
            start = rng.randrange(0, high + 100_000)
            end = start + rng.choice([1, 100, 16_384, high // 3])
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


def test_records_reach_as_far_as_their_samples_say(names: Pack, out: Path) -> None:
    header = HEADER.rstrip(b"\n") + b"\tFORMAT\tS\tT\n"
    line = record(100, "A", "<*>").rstrip(b"\n") + b"\tGT:LEN\t0/0:.\t0/0:50000\n"
    index = annotated(header.replace(b"VCFv4.2", b"VCFv4.5") + line, out, names)
    with pysam.TabixFile(str(out), index=str(index)) as file:
        assert len(list(file.fetch("1", 99, 100))) == 1
        assert len(list(file.fetch("1", 50_098, 50_099))) == 1
        assert not list(file.fetch("1", 80_000, 80_001))


def test_a_line_that_is_no_record_beside_one_that_is_far_off(names: Pack, out: Path) -> None:
    text = record(2**29 + 7, "A", "C") + b"1\tno position\n" + record(2**30, "A", "C")
    index = annotated(HEADER + text, out, names, ".csi")
    with pysam.TabixFile(str(out), index=str(index)) as file:
        assert len(list(file.fetch("1", 2**29, 2**31 - 1))) == 2


def test_records_that_all_reach_to_the_end_are_indexed_once_for_each_window(
    names: Pack, out: Path
) -> None:
    lines = [record(pos, "A", "<DEL>", f"END={2**31 - 1}") for pos in range(1, 5_000)]
    index = annotated(HEADER + b"".join(lines), out, names, ".csi")
    with pysam.TabixFile(str(out), index=str(index)) as file:
        assert len(list(file.fetch("1", 2**31 - 3, 2**31 - 2))) == len(lines)
