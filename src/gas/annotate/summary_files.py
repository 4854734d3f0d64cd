"""A run's summary as files beside its result: one for any machine, and one for MultiQC, which puts
many runs into one report.

Format of the second: MultiQC's "custom content", a JSON file whose name ends in ``_mqc.json``.
Files of the same ``id`` become one table with a line for each sample.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gas.annotate import terms
from gas.errors import TransientError

SUMMARY, MULTIQC = "summary.json", "summary_mqc.json"
_WHOLE = "{:,.0f}"


def write(summary: Mapping[str, Any], folder: Path, before: str, sample: str) -> None:
    """Write both files into ``folder``, their names begun with ``before``. ``sample``: what MultiQC
    is to call this run. Raises TransientError where the disk refuses."""
    try:
        for name, content in (
            (SUMMARY, dict(summary)),
            (MULTIQC, custom_content(summary, sample)),
        ):
            (folder / f"{before}{name}").write_text(json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise TransientError(f"{folder} cannot be written to ({error.strerror}).") from None


def custom_content(summary: Mapping[str, Any], sample: str) -> dict[str, Any]:
    """What MultiQC reads. ``summary``: as ``gas.annotate.run.Report.to_json`` gives it."""
    columns = list(_columns(summary))
    return {
        "id": "gas",
        "section_name": "GAS",
        "description": "what the variants do to genes, by the Genomics Annotation Service",
        "plot_type": "table",
        "pconfig": {"id": "gas_table", "title": "GAS: annotation"},
        "headers": {
            key: {"title": title, "description": text, "format": form}
            for key, title, text, form, _ in columns
        },
        "data": {sample: {key: value for key, _, _, _, value in columns if value is not None}},
    }


def _columns(summary: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, float | None]]:
    """Key, title, description, format and value of each column."""
    for key, title, text in (
        ("records", "Records", "records of the file"),
        ("alleles", "Alleles", "alternate alleles"),
        ("annotated", "Annotated", "records with a consequence"),
    ):
        yield key, title, text, _WHOLE, summary[key]
    skipped = sum(summary["skipped"].values())
    yield "skipped", "Passed through", "records that cannot be annotated", _WHOLE, skipped
    for impact in terms.IMPACTS:
        text = f"records whose most severe consequence is {impact}"
        yield impact.lower(), impact, text, _WHOLE, summary["impact"][impact]
    yield "titv", "Ti/Tv", "transitions per transversion", "{:,.2f}", summary["titv"]["ratio"]
    yield "known", "Known", "records that an allele source lists", _WHOLE, summary["known"]
    yield "novel", "Novel", "annotated records that none lists", _WHOLE, summary["novel"]
    for kind, count in summary["classes"].items():
        key = f"class_{kind.lower()}"
        yield key, kind, f"alternate alleles of the class {kind}", _WHOLE, count
