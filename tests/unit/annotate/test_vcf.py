from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gas.annotate import bgzf, vcf
from gas.annotate.piece import to_lines
from gas.annotate.vcf import Limits, Unsorted, VcfFile, split
from gas.errors import InputError
from tests.annotation import COURSE, HEADER, PHASED_HEADER, REAL, record, text_of


def write(folder: Path, content: bytes, name: str = "in.vcf") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def refused(path: Path, limits: Limits | None = None) -> InputError:
    with pytest.raises(InputError) as caught:
        list(VcfFile(path, limits).records())
    return caught.value


@pytest.mark.parametrize("path", [*COURSE, *REAL], ids=lambda p: p.name)
def test_reading_real_files_gives_every_byte(path: Path) -> None:
    source = VcfFile(path)
    body = b"".join(line for piece in source.slices() for line in to_lines(split(piece)))
    assert b"".join(source.header) + body == text_of(path)


def test_records_can_be_read_again_and_know_their_line(tmp_path: Path) -> None:
    source = VcfFile(write(tmp_path, HEADER + record(5, "A", "C") + record(7, "G", "T")))
    first = list(source.records())
    assert [(line, rec[1]) for line, rec in first] == [(3, b"5"), (4, b"7")]
    assert list(source.records()) == first


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("is_last_ended", [True, False])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda b: bgzf.compress(b) + bgzf.EOF])
def test_line_ends_and_compression_are_seen_through(
    tmp_path: Path, end: bytes, is_last_ended: bool, pack: object
) -> None:
    text = (HEADER + record(5, "A", "C") + record(7, "G", "T")).replace(b"\n", end)
    if not is_last_ended:
        text = text.removesuffix(end)
    assert callable(pack)
    source = VcfFile(write(tmp_path, pack(text)))
    assert [rec[7] for _, rec in source.records()] == [b".", b"."]
    body = b"".join(line for piece in source.slices() for line in to_lines(split(piece)))
    assert b"".join(source.header) + body == text


@given(st.lists(st.binary(max_size=60).map(lambda b: b.replace(b"\n", b"\t")), max_size=9))
def test_long_lines_are_cut_into_the_same_cells(lines: list[bytes]) -> None:
    text = b"\n".join(lines)
    plain = vcf.Slice(1, text).cells
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vcf, "_LONG_LINE_BYTES", 12)
        assert vcf.Slice(1, text).cells == plain


def test_a_file_of_long_lines_has_larger_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 300)
    monkeypatch.setattr(vcf, "_LONG_LINE_BYTES", 50)
    header = HEADER.rstrip(b"\n") + b"\tFORMAT\tS\n"
    lines = [record(at, "A", "C").rstrip(b"\n") + b"\tGT\t" + b"0" * 60 + b"\n" for at in range(99)]
    source = VcfFile(write(tmp_path, header + b"".join(lines)))
    sizes = [piece.text.count(b"\n") for piece in source.slices()]
    assert 0 < sizes[0] < 5 < sizes[1]
    body = b"".join(line for piece in source.slices() for line in to_lines(split(piece)))
    assert body == b"".join(lines)


def test_slices_are_cut_at_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 50)
    text = HEADER + b"".join(record(i, "A" * (i % 90 + 1), "C") for i in range(1, 300))
    source = VcfFile(write(tmp_path, text))
    slices = list(source.slices())
    assert len(slices) > 10
    assert b"".join(piece.text for piece in slices) == text[len(HEADER) :]
    assert all(piece.text.endswith(b"\n") for piece in slices)
    lines = text.splitlines()
    assert all(lines[s.first_line - 1] == s.text.splitlines()[0] for s in slices)


@given(st.binary(max_size=400))
def test_bytes_are_a_vcf_or_an_input_error(tmp_path_factory: object, content: bytes) -> None:
    assert isinstance(tmp_path_factory, pytest.TempPathFactory)
    path = write(tmp_path_factory.getbasetemp(), content, "fuzz")
    try:
        list(VcfFile(path).records())
    except InputError as error:
        assert error.message  # noqa: PT017


@pytest.mark.parametrize(
    ("content", "says", "line"),
    [
        (b"", "empty", None),
        (b"hello\n", "not a VCF", 1),
        (b"BCF\2\2", "not a VCF", 1),
        ("##fileformat=VCFv4.2\n".encode("utf-16"), "not a VCF", 1),
        (b"##fileformat=VCFv4.2\n##x=\xff\xfe\n", "not UTF-8", 2),
        (b"##fileformat=VCFv4.2\n", "ends before", 1),
        (b"##fileformat=VCFv4.2\n1\t5\t.\tA\tC\t.\t.\t.\n", "expected a header line", 2),
        (HEADER.replace(b"\tALT", b""), "eight columns", 2),
        (HEADER.replace(b"\t", b" "), "expected a header line", 2),
        (HEADER + b"1\t5\t.\0\tC\t.\t.\t.\n", "NUL", 3),
    ],
)
def test_what_is_no_vcf_is_refused_with_its_line(
    tmp_path: Path, content: bytes, says: str, line: int | None
) -> None:
    error = refused(write(tmp_path, content))
    assert says in error.message
    assert error.line == line


@pytest.mark.parametrize(
    "body",
    [
        record(5, "A", "C") + record(4, "A", "C"),
        record(5, "A", "C") + record(4, "A", "C", contig="2") + record(9, "A", "C"),
        b"".join(record(i, "A", "C") for i in range(10, 90)) + record(88, "A", "C"),
    ],
)
def test_order_is_checked_across_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 40)
    with pytest.raises(Unsorted):
        list(VcfFile(write(tmp_path, HEADER + body)).records())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"1\t5\t.\tA\tC\n", "5 of the eight columns"),
        (b"\n", "empty"),
        (b"##late=1\n", "header line"),
        (HEADER.splitlines(True)[1], "header line"),
        (record(5, "A", "C").replace(b"\t5", b"\t-5"), "POS"),
        (record(5, "A", "C").replace(b"\t5", b"\t"), "POS"),
        (record(99999999999, "A", "C"), "POS"),
        (record(2**31, "A", "C"), "POS"),
        (record(5, "A", "C", contig=""), "CHROM"),
        (record(5, "A", ",".join(["C"] * 1001)), "1,000 alleles"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_that_are_no_records_are_set_apart(
    tmp_path: Path, line: bytes, why: str, end: bytes
) -> None:
    text = (HEADER + record(5, "A", "C") + line + record(7, "A", "C")).replace(b"\n", end)
    source = VcfFile(write(tmp_path, text))
    (piece,) = source.slices()
    batch = split(piece)
    assert [rec[1] for rec in batch.records] == [b"5", b"7"]
    assert list(batch.odd) == [1]
    assert why in batch.odd[1][1]
    assert b"".join(to_lines(batch)) == piece.text
    assert [number for number, _ in source.records()] == [3, 5]


def test_a_header_line_of_many_pieces_is_read_once(tmp_path: Path) -> None:
    long = b"##x=" + b"y" * (20 << 20) + b"\n"
    source = VcfFile(write(tmp_path, long + HEADER))
    assert len(source.header[0]) == len(long)


def test_the_same_position_twice_is_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + record(5, "A", "C") * 2)
    assert len(list(VcfFile(path).records())) == 2


def test_a_bgzf_without_its_closing_block_is_cut_short(tmp_path: Path) -> None:
    text = HEADER + record(5, "A", "C")
    assert "cut short" in refused(write(tmp_path, bgzf.compress(text))).message


@pytest.mark.parametrize("pack", [gzip.compress, lambda b: bgzf.compress(b) + bgzf.EOF])
@pytest.mark.parametrize("seeds", [range(20), pytest.param(range(20, 520), marks=pytest.mark.long)])
def test_cut_and_flipped_bytes_never_give_other_text(
    tmp_path: Path, pack: object, seeds: range
) -> None:
    rng = random.Random(7)
    text = HEADER + b"".join(
        record(i, rng.choice("ACGT"), rng.choice("ACGT"), f"DP={rng.randrange(10**6)}")
        for i in range(1, 400)
    )
    assert callable(pack)
    whole: bytes = pack(text)
    for seed in seeds:
        rng = random.Random(seed)
        broken = bytearray(whole)
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        assert read_or_none(tmp_path, bytes(broken)) in (None, text)
        assert read_or_none(tmp_path, whole[: rng.randrange(1, len(whole))]) is None


def read_or_none(folder: Path, content: bytes) -> bytes | None:
    source_path = write(folder, content)
    try:
        source = VcfFile(source_path)
        return b"".join([*source.header, *(piece.text for piece in source.slices())])
    except InputError:
        return None


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (Limits(uncompressed_bytes=1 << 20), "more than 1,048,576 bytes"),
        (Limits(ratio=20, ratio_from_bytes=1 << 20), "more than 20 times"),
        (Limits(line_bytes=1000), "longer than 1,000 bytes"),
        (Limits(header_lines=1), "more than 1 lines"),
        (Limits(header_bytes=10), "more than 10 bytes"),
        (Limits(samples=1), "2 samples; up to 1"),
    ],
)
def test_caps_hold(tmp_path: Path, limits: Limits, says: str) -> None:
    header = b"##a=b\n" * 3 + HEADER if limits.header_lines == 1 else HEADER
    header = b"##a=" + b"b" * 70_000 + b"\n" + HEADER if limits.header_bytes == 10 else header
    header = PHASED_HEADER if limits.samples == 1 else header
    body = record(5, "A", "C", "X=" + "a" * 2000) * 2000
    assert says in refused(write(tmp_path, gzip.compress(header + body)), limits).message


def test_an_endless_line_ends_the_run_early(tmp_path: Path) -> None:
    path = write(tmp_path, gzip.compress(HEADER + b"1\t5\t" + b"A" * (5 << 20)))
    assert "longer" in refused(path, Limits(line_bytes=1 << 20)).message
