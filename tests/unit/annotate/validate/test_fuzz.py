"""Files torn at random, through the reader and the validator: a report or a GasError."""

from __future__ import annotations

import gzip
import random
import tarfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gas.annotate.builds import BuildCheck, Reference
from gas.annotate.validate import validate_file, validate_head
from gas.annotate.vcf import VcfFile
from gas.errors import GasError
from tests.unit.annotate.validate.help import run
from tests.unit.annotate.validate.test_corpus import ARCHIVE

LONG_S = 60
_LIKELY = b'\t:;,=.|/0123456789ACGTN<>[]"%\\ \r\n-#\0\xc3\xff'


@pytest.fixture(scope="module")
def seeds() -> list[bytes]:
    """Small files of the corpus, valid and not."""
    with tarfile.open(ARCHIVE) as archive:
        members = [member for member in archive.getmembers() if member.size < 5_000]
        return [archive.extractfile(member).read() for member in members]  # type: ignore[union-attr]


def _tear(text: bytes, rng: random.Random) -> bytes:
    torn = bytearray(text)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(torn) + 1)
        match rng.randrange(4):
            case 0:
                torn[at : at + 1] = bytes([rng.choice(_LIKELY)])
            case 1:
                del torn[at : at + rng.randint(1, 8)]
            case 2:
                torn[at:at] = rng.choices(_LIKELY, k=rng.randint(1, 4))
            case 3:
                torn[at:at] = torn[at : at + rng.randint(1, 200)] * rng.randint(1, 3)
    return bytes(torn)


def _bases(contig: str, start0: int, end: int) -> bytes:
    return b"ACGT"[start0 % 4 :][: end - start0]


def _one(seed: int, seeds: list[bytes], path: Path) -> None:
    rng = random.Random(seed)
    text = _tear(rng.choice(seeds), rng)
    packed = _tear(gzip.compress(text), rng) if rng.random() < 0.3 else text
    path.write_bytes(packed)
    reference = Reference("r", "GRCh37", {"1": 500, "X": 500}, _bases)
    checks: list[BuildCheck] = []

    def watch(header):  # type: ignore[no-untyped-def]
        checks.append(BuildCheck(reference, header))
        return checks[0].add

    for strict in (True, False):
        validate_file(path, strict=strict, watch=watch).as_dict()
        validate_head(packed, strict=strict).as_dict()
        if b"\n#CHROM" in text:
            assert run(text, strict=strict).as_dict() == (
                run(text, strict=strict, thorough=True).as_dict()
            )
    for check in checks:
        check.verdict()
    with suppress(GasError):
        for _ in VcfFile(path).records():
            pass


@pytest.mark.parametrize("seed", range(40))
def test_torn_files(seed: int, seeds: list[bytes], tmp_path: Path) -> None:
    _one(seed, seeds, tmp_path / "torn.vcf.gz")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_torn_files_for_a_minute(seeds: list[bytes], tmp_path: Path) -> None:
    """A failure names its seed; ``_one`` with it tells the story again."""
    start = time.monotonic()
    seed = 0
    while time.monotonic() < start + LONG_S:
        seed += 1
        try:
            _one(seed, seeds, tmp_path / "torn.vcf.gz")
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
    assert seed > 100
