"""Options of an engine: from the command line to the rows, the header and every worker."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from gas.annotate.engines import load
from gas.annotate.run import annotate
from gas.errors import EngineError
from tests.annotation import NA12878, demo_pack


def lines(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines()


def rows_of(path: Path) -> list[list[list[str]]]:
    """For each record its rows, each split into columns."""
    found = []
    for line in lines(path):
        if not line.startswith(b"#"):
            entry = re.search(rb"CSQ=([^;\t]+)", line)
            assert entry is not None
            found.append([row.split("|") for row in entry[1].decode().split(",")])
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_they_reach_rows_header_and_workers(tmp_path: Path, workers: int) -> None:
    out = tmp_path / "out.vcf.gz"
    options = {"fields": "Allele,Consequence,SYMBOL", "pick": "pick"}
    annotate(NA12878, out, demo_pack(), "gas", options, workers=workers)
    assert all(len(rows) == 1 and len(rows[0]) == 3 for rows in rows_of(out))
    header = b"\n".join(line for line in lines(out) if line.startswith(b"##"))
    assert b"Format: Allele|Consequence|SYMBOL" in header
    assert b'EngineOptions="fields=Allele,Consequence,SYMBOL; pick=pick"' in header


def test_distance_reaches_less_far(tmp_path: Path) -> None:
    near, far = tmp_path / "near.vcf.gz", tmp_path / "far.vcf.gz"
    annotate(NA12878, near, demo_pack(), "gas", {"distance": "100"})
    annotate(NA12878, far, demo_pack(), "gas")
    streams = [
        sum("stream_gene" in row[1] for rows in rows_of(path) for row in rows)
        for path in (near, far)
    ]
    assert 0 < streams[0] < streams[1] / 2
    assert not any(b"EngineOptions" in line for line in lines(far))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pick": "best"}, "best"),
        ({"fields": "Allele,Nonsense"}, "Nonsense"),
        ({"distance": "far"}, "far"),
        ({"distance": "-5"}, "negative"),
        ({"speed": "fast"}, "speed"),
    ],
)
def test_what_makes_no_sense_is_said(options: dict[str, str], said: str) -> None:
    with pytest.raises(EngineError, match=said):
        load("gas", options)


def test_an_engine_without_options_says_so() -> None:
    with pytest.raises(EngineError, match="takes no options"):
        load("csq", {"pick": "pick"})
