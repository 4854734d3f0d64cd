"""The specification's own conformance files."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gas.annotate.validate import Report, validate_file

ARCHIVE = Path(__file__).parents[3] / "data" / "hts-specs" / "corpus.tar.gz"
#: Rejected by the strict mode for another reason than the one that the file names: none so far.
LEFT: frozenset[str] = frozenset()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _reports(folder: Path, kind: str, *, strict: bool) -> Iterator[tuple[str, Report]]:
    for path in sorted(folder.glob(f"*/{kind}/*.vcf")):
        yield str(path.relative_to(folder)), validate_file(path, strict=strict)


def test_strict_accepts_every_valid_file(files: Path) -> None:
    reports = dict(_reports(files, "passed", strict=True))
    assert len(reports) == 76
    assert {name: dict(r.counts) for name, r in reports.items() if not r.valid} == {}


def test_strict_rejects_every_invalid_file(files: Path) -> None:
    reports = dict(_reports(files, "failed", strict=True))
    assert len(reports) == 607
    assert {name for name, r in reports.items() if r.valid} == LEFT


def test_default_refuses_only_what_cannot_be_read(files: Path) -> None:
    """Of 683 files, the default mode refuses those without a header, and no other."""
    for kind in ("passed", "failed"):
        for name, report in _reports(files, kind, strict=False):
            refused = {rule for rule in report.counts if rule.startswith(("file-u", "header-m"))}
            assert report.valid == (not refused), name
            assert report.valid or "meta_00" in name or "header" in name or "empty" in name


#: A word of the fault that the file itself names -> the rules that may say so.
FAULTS = {
    "ALT has a": {"alt-syntax"},
    "contig ID": {"chrom-name", "meta-id", "meta-key-missing", "meta-structure"},
    "non-contiguous": {"record-contiguous"},
    "plicated variant": {"record-duplicate"},
    "FILTER": {"filter-syntax", "filter-zero", "filter-repeated"},
    "FORMAT contains": {"format-syntax", "format-repeated"},
    "first field is not GT": {"format-gt-first"},
    "is a negative number": {"info-value", "qual-number"},
    "is a floating point number": {"info-type"},
    "is not a flag": {"info-flag"},
    "INFO field does not match Number": {"info-count", "info-flag"},
    "INFO field does not match Type": {"info-type"},
    "no newline at end": {"file-last-line"},
    "Position is not": {"pos-number"},
    "REF": {"ref-bases"},
    "Sample field does not match Type": {"sample-type"},
    "cardinality in PL": {"sample-count"},
    "non-sorted": {"record-order"},
    "Type is not": {"meta-reserved", "meta-type"},
    "Number is not": {"meta-reserved", "meta-number"},
    "Incorrect order": {"meta-key-order"},
    "Non-valid URL": {"meta-url"},
}


def test_the_rule_is_the_fault_that_the_file_names(files: Path) -> None:
    told = 0
    for name, report in _reports(files, "failed", strict=True):
        text = (files / name).read_bytes()
        cause = text.partition(b"##CauseOfFailure=")[2].partition(b"\n")[0].decode()
        for words, rules in FAULTS.items():
            if words in cause:
                told += 1
                assert rules & set(report.counts), (name, cause, dict(report.counts))
    assert told > 390
