from __future__ import annotations

import gzip
import os
from pathlib import Path

import pysam
import pytest

from gas.annotate import bgzf


@pytest.mark.parametrize(
    "text",
    [b"", b"a", b"ACGT" * 50_000, os.urandom(3 * bgzf.BLOCK_BYTES + 17), b"\n" * bgzf.BLOCK_BYTES],
    ids=["empty", "one", "easy", "incompressible", "block"],
)
def test_blocks_are_read_by_gzip_and_htslib(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(bgzf.compress(text) + bgzf.EOF)
    assert bgzf.is_bgzf(path.read_bytes()[:18])
    assert gzip.decompress(path.read_bytes()) == text
    with pysam.BGZFile(str(path)) as file:
        assert file.read(len(text) + 1) == text


def test_plain_gzip_is_no_bgzf() -> None:
    assert not bgzf.is_bgzf(gzip.compress(b"hello world, hello world"))
