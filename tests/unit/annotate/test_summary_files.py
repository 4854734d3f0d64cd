"""The summary beside a result, and what MultiQC is to read of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gas.annotate.run import annotate
from gas.annotate.summary_files import custom_content, write
from gas.errors import TransientError
from tests.annotation import NA12878, demo_pack


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    out = tmp_path_factory.mktemp("summary") / "out.vcf.gz"
    return annotate(NA12878, out, demo_pack()).to_json()


def test_both_files_are_written_under_the_results_name(
    tmp_path: Path, summary: dict[str, object]
) -> None:
    write(summary, tmp_path, "NA12878.", "NA12878")
    assert {path.name for path in tmp_path.iterdir()} == {
        "NA12878.summary.json",
        "NA12878.summary_mqc.json",
    }
    assert json.loads((tmp_path / "NA12878.summary.json").read_text()) == summary
    with pytest.raises(TransientError, match="cannot be written to"):
        write(summary, tmp_path / "nowhere", "", "x")


def test_multiqc_finds_its_custom_content(summary: dict[str, object]) -> None:
    """As MultiQC's documentation of custom content has it (read by MultiQC 1.35 as such): an id, a
    known plot type, and values by sample and column, each column with a header."""
    content = custom_content(summary, "NA12878")
    assert content["plot_type"] == "table"
    assert content["id"].isidentifier()
    assert list(content["data"]) == ["NA12878"]
    values = content["data"]["NA12878"]
    assert set(values) == set(content["headers"])
    assert all(isinstance(value, int | float) for value in values.values())
    for header in content["headers"].values():
        assert header["format"].format(1234.5)
        assert header["title"]
        assert header["description"]
    assert {key: values[key] for key in ("records", "alleles", "annotated", "skipped")} == {
        "records": 4591,
        "alleles": 4629,
        "annotated": 4591,
        "skipped": 0,
    }
    assert values["known"] + values["novel"] == 4591
    assert values["titv"] == 1.99
    assert values["high"] + values["moderate"] + values["low"] + values["modifier"] == 4591
    assert values["class_snv"] == summary["classes"]["SNV"]  # type: ignore[index]


def test_what_a_run_does_not_know_is_left_out(summary: dict[str, object]) -> None:
    content = custom_content({**summary, "known": None, "novel": None}, "x")
    assert not {"known", "novel"} & set(content["data"]["x"])
