from __future__ import annotations

import gzip

import pytest

from gas.annotate.validate import validate_head
from tests.annotation import COURSE, NA12878, REAL
from tests.unit.annotate.validate.help import vcf

TEXT = vcf(*(f"1 {pos} . A C x . ." for pos in range(1, 1000)))


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("size", [60, 200, 5000])
def test_what_is_said_of_the_start_is_true_of_the_whole(compress, size: int) -> None:  # type: ignore[no-untyped-def]
    head = compress(TEXT)[:size]
    report = validate_head(head, strict=True)
    assert not report.complete
    assert set(report.counts) <= {"qual-number"}
    assert report.counts["qual-number"] == report.records
    assert validate_head(head).valid


@pytest.mark.parametrize("path", [*COURSE, NA12878, *REAL], ids=lambda path: path.name)
def test_real_files_pass(path) -> None:  # type: ignore[no-untyped-def]
    report = validate_head(path.read_bytes()[: 1 << 20])
    assert report.valid
    assert report.records > 100


@pytest.mark.parametrize(
    ("head", "rule"),
    [
        (b"", "header-missing"),
        (b"hello\n", "header-missing"),
        (b"PK\3\4zip", "header-missing"),
        (gzip.compress(gzip.compress(TEXT)), "header-missing"),
        (TEXT.replace(b"\tPOS", b" POS"), "header-missing"),
        (TEXT.replace(b"\tA\t", b"\t\0\t", 1), "file-nul"),
        (TEXT.replace(b"\tA\t", b"\t\xff\t", 1), "file-encoding"),
        (TEXT.decode().encode("utf-16"), "header-missing"),
        (b"\x1f\x8b\x08\0" + b"\xff" * 60, "file-unreadable"),
    ],
)
def test_what_no_rest_can_mend_is_refused(head: bytes, rule: str) -> None:
    report = validate_head(head)
    assert rule in report.counts
    assert not report.valid


def test_a_bomb_is_opened_to_a_limit_only() -> None:
    bomb = gzip.compress(vcf() + b"1\t1\t.\tA\tC\t.\t.\tX=" + b"A" * (200 << 20))
    assert len(bomb) < 1 << 20
    assert validate_head(bomb).records == 0
