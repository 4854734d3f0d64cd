"""A file in shards gives what one run gives, byte for byte."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import pysam
import pytest

from gas.annotate import bgzf, shards, vcf
from gas.annotate.gate import Gate
from gas.annotate.pack import Pack
from gas.annotate.run import Report, annotate
from gas.annotate.shards import Done, InOnePiece, Shard
from gas.annotate.stream import Limits
from gas.errors import Cancelled, EngineError, InputError
from tests.annotation import COURSE, HEADER, NA12878, REAL, demo_pack, record, ref_at, text_of

ECHO = "tests.annotation:EchoEngine"


def in_shards(
    input: Path, output: Path, pack: Pack, engine: str, shard_bytes: int, **more: Any
) -> tuple[Report, list[Shard]]:
    """Plan, work (the last shard first) and join, each in a folder of its own."""
    planned, found = output.parent / "plan", []
    planned.mkdir(parents=True)
    shards.plan(
        input, planned, pack, engine, shard_bytes=shard_bytes, tell=found.append,
        check_build=more.pop("check_build", True),
    )  # fmt: skip
    done: dict[int, Done] = {}
    for shard in reversed(found):
        folder = output.parent / f"work-{shard.number}"
        folder.mkdir()
        done[shard.number] = shards.work(shard.text, shard.cuts, folder, pack, engine, **more)
    results = output.parent / "joined"
    results.mkdir()
    report = shards.join(
        planned / shards.HEAD, planned / shards.FOUND, [done[s.number] for s in found],
        results / output.name, pack, engine,
    )  # fmt: skip
    return report, found


def assert_same(
    input: Path, folder: Path, pack: Pack, engine: str, shard_bytes: int, **more: Any
) -> list[Shard]:
    """Returns the shards."""
    (folder / "one").mkdir()
    check_build = more.get("check_build", True)
    one = annotate(input, folder / "one/out.vcf.gz", pack, engine, check_build=check_build)
    (folder / "many").mkdir()
    many, found = in_shards(input, folder / "many/out.vcf.gz", pack, engine, shard_bytes, **more)
    assert many.to_json() == one.to_json()
    assert list(many.to_json()["chromosomes"]) == list(one.to_json()["chromosomes"])  # type: ignore[call-overload]
    assert _files(many.output.parent) == _files(one.output.parent)
    return found


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("path", [*COURSE, *REAL], ids=lambda p: p.name)
def test_real_files(
    path: Path, tmp_path: Path, names: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 1 << 15)
    found = assert_same(path, tmp_path, names, ECHO, 1 << 16, check_build=False)
    total = sum(shard.size_bytes for shard in found)
    assert total // (1 << 17) <= len(found) <= total // (1 << 16) + 1


@pytest.mark.parametrize(
    ("shard_bytes", "workers"), [(1, 1), (100_000, 1), (1 << 30, 1), (100_000, 2)]
)
def test_any_size_of_shards_with_our_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_bytes: int, workers: int
) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 1 << 15)
    found = assert_same(NA12878, tmp_path, demo_pack(), "gas", shard_bytes, workers=workers)
    sizes = [shard.size_bytes for shard in found]
    assert len(sizes) == {1: 10, 100_000: 3, 1 << 30: 1}[shard_bytes]
    assert all(size >= shard_bytes for size in sizes[:-1])
    assert [shard.read for shard in found][-1] == 1


@pytest.mark.parametrize("kind", ["plain", "gzip", "bgzf", "byte order mark"])
def test_any_kind_of_input(
    tmp_path: Path, tiny: Pack, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 200)
    text = HEADER + b"".join(
        record(pos, ref_at(pos), "<DEL>", f"END={pos + 50}", contig)
        for contig in ("1", "MT") for pos in range(100, 160)
    )  # fmt: skip
    content = {
        "plain": text,
        "gzip": gzip.compress(text),
        "bgzf": bgzf.compress(text) + bgzf.EOF,
        "byte order mark": b"\xef\xbb\xbf" + text,
    }[kind]
    path = tmp_path / "in"
    path.write_bytes(content)
    assert len(assert_same(path, tmp_path, tiny, "gas", 500)) > 4
    with pysam.VariantFile(str(tmp_path / "many/joined/out.vcf.gz")) as file:
        assert len(list(file.fetch("MT", 129, 130))) == 31, "all that reach there by their END"


def test_rejected_lines_and_odd_ends(
    tmp_path: Path, tiny: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 150)
    rng = random.Random(5)
    lines = [record(pos, ref_at(pos), "ACGT"[pos % 4], f"N={pos}") for pos in range(100, 200)]
    for at in range(0, 100, 7):
        broken = [
            b"1\n",
            b"\n",
            b"1\tx\t.\tA\tC\t.\t.\t.\n",
            lines[at].replace(b"\t.\t", b"\tQ\t", 2),
        ]
        lines.insert(at, rng.choice(broken))
    text = (HEADER + b"".join(lines)).replace(b"N=150\n", b"N=150\r\n").removesuffix(b"\n")
    path = tmp_path / "in.vcf"
    path.write_bytes(text)
    assert len(assert_same(path, tmp_path, tiny, "gas", 400, check_build=False)) > 5
    assert (tmp_path / "many/joined/out.rejected.tsv").read_bytes().count(b"\n") > 10


def test_positions_that_need_another_index(tmp_path: Path, tiny: Pack) -> None:
    path = tmp_path / "in.vcf"
    path.write_bytes(HEADER + record(100, ref_at(100), "A") + record(600_000_000, "A", "C"))
    assert_same(path, tmp_path, tiny, "gas", 1, check_build=False)
    assert (tmp_path / "many/joined/out.vcf.gz.csi").exists()


@pytest.mark.parametrize("text", [HEADER, HEADER[:-1], HEADER + b"1"])
def test_next_to_nothing(tmp_path: Path, tiny: Pack, text: bytes) -> None:
    path = tmp_path / "in.vcf"
    path.write_bytes(text)
    assert len(assert_same(path, tmp_path, tiny, "gas", 10)) == (not HEADER.startswith(text))


def test_very_many_shards_grow(tmp_path: Path, tiny: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 20)
    path = tmp_path / "in.vcf"
    path.write_bytes(HEADER + record(100, ref_at(100), "A") * 300)
    found: list[Shard] = []
    shards.plan(path, tmp_path, tiny, ECHO, shard_bytes=1, tell=found.append)
    counts = [shard.size_bytes // len(record(100, "A", "A")) for shard in found]
    assert counts[0] == counts[63] == 1
    assert len(found) < 300
    assert max(counts[64:128]) > 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ([(300, "."), (200, "."), (250, ".")], "not in order"),
        ([(200, "."), (250, "ECHO=1")], "INFO key ECHO"),
        ([(200, "."), (250, "DP=1;GAS_WARN=x")], "INFO key GAS_WARN"),
    ],
)
@pytest.mark.parametrize("slice_bytes", [20, 1 << 20])
def test_what_a_run_starts_anew_for_is_left_to_it(
    tmp_path: Path, tiny: Pack, monkeypatch: pytest.MonkeyPatch,
    body: list[tuple[int, str]], why: str, slice_bytes: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(vcf, "SLICE_BYTES", slice_bytes)
    path = tmp_path / "in.vcf"
    path.write_bytes(HEADER + b"".join(record(pos, ref_at(pos), "A", i) for pos, i in body))
    if "order" in why:
        with pytest.raises(InOnePiece, match=why):
            shards.plan(path, tmp_path, tiny, ECHO, shard_bytes=1, tell=lambda _: None)
    # Where the plan does not see it, a shard does, or the join.
    monkeypatch.setattr(Gate, "in_order", True)
    with pytest.raises(InOnePiece, match=why):
        in_shards(path, tmp_path / "again/out.vcf.gz", tiny, ECHO, 1)


def test_an_engine_that_reads_a_file_as_a_whole_is_left_to_a_run(
    tmp_path: Path, tiny: Pack
) -> None:
    with pytest.raises(InOnePiece, match="csq"):
        shards.plan(NA12878, tmp_path, tiny, "csq", shard_bytes=1, tell=lambda _: None)


def test_a_plan_refuses_what_a_run_refuses(
    tmp_path: Path, tiny: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 50)
    path = tmp_path / "in.vcf"
    path.write_bytes(HEADER + record(100, ref_at(100), "A") * 9 + b"1\t7\0\n")
    found: list[Shard] = []
    with pytest.raises(InputError, match="NUL") as refused:
        shards.plan(path, tmp_path, tiny, ECHO, shard_bytes=1, tell=found.append)
    assert refused.value.line == 12
    wrong = "".join(c for c in "ACGT" if c != ref_at(100))
    path.write_bytes(HEADER + record(100, wrong[0], wrong[1]) * 9)
    with pytest.raises(InputError, match="REF bases differ"):
        shards.plan(path, tmp_path, tiny, ECHO, shard_bytes=1, tell=found.append)
    with pytest.raises(InputError, match="more than 100 bytes"):
        shards.plan(
            path, tmp_path, tiny, ECHO, shard_bytes=1, tell=found.append,
            limits=Limits(uncompressed_bytes=100),
        )  # fmt: skip


def test_shards_stop_when_told_and_say_what_breaks(
    out: Path, tmp_path: Path, tiny: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 50)
    path = tmp_path / "in.vcf"
    path.write_bytes(HEADER + record(100, ref_at(100), "A") * 9)
    found: list[Shard] = []
    shards.plan(path, tmp_path, tiny, ECHO, shard_bytes=1000, tell=found.append)
    text, cuts = found[0].text, found[0].cuts

    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        shards.plan(path, out.parent, tiny, ECHO, shard_bytes=1, tell=found.append,
                    check_cancelled=stop)  # fmt: skip
    with pytest.raises(Cancelled):
        shards.work(text, cuts, tmp_path, tiny, ECHO, check_cancelled=stop)
    with pytest.raises(EngineError, match="answered 1 of 2 records"):
        shards.work(text, cuts, tmp_path, tiny, "tests.annotation:BrokenEngine")


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 1 << 15)
    seen: list[tuple[int, int, int]] = []
    found: list[Shard] = []
    shards.plan(
        NA12878, tmp_path, demo_pack(), ECHO, shard_bytes=1 << 19, tell=found.append,
        progress=lambda *about: seen.append(about),
    )  # fmt: skip
    size = NA12878.stat().st_size
    assert seen[-1] == (0, size, size)
    shards.work(
        found[0].text, found[0].cuts, tmp_path, demo_pack(), ECHO,
        progress=lambda *about: seen.append(about),
    )  # fmt: skip
    records, read, total = seen[-1]
    assert records > 0
    assert read == total == found[0].text.stat().st_size
    assert text_of(found[0].text).startswith(b"##fileformat")
