from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
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


def test_every_process_writes_the_same_bytes(tmp_path: Path) -> None:
    """A compressor that looks at addresses differs from process to process, in few blocks only."""
    text = b"".join(
        b"20\t%d\t.\t%c\tA\t.\t.\tCSQ=A|intron_variant|MODIFIER|GENE%d|T%d|%d/9\n"
        % (at * 7, b"CGT"[at % 3], at // 97, at // 31, at * at % 9)
        for at in range(30_000)
    )
    (tmp_path / "text").write_bytes(text * 8)
    code = (
        "import hashlib, sys; from pathlib import Path; from gas.annotate import bgzf; "
        "print(hashlib.sha256(bgzf.compress(Path(sys.argv[1]).read_bytes())).hexdigest())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "text")]
    expected = hashlib.sha256(bgzf.compress(text * 8)).hexdigest() + "\n"
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == expected


def test_plain_gzip_is_no_bgzf() -> None:
    assert not bgzf.is_bgzf(gzip.compress(b"hello world, hello world"))
