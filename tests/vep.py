"""A reference with a VEP cache, for tests of the engine ``vep`` (tests/data/vep115/README.md)."""

from __future__ import annotations

import importlib.util
import shutil
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from gas.annotate.pack import Pack
from gas.reference.add_vep_cache import add_vep_cache
from gas.reference.build import build
from tests.annotation import DATA

VEP115 = DATA / "vep115"
INPUTS = (VEP115 / "coding.vcf", VEP115 / "known.vcf")
#: Long enough to hold the last gene of the cache's slice.
_LENGTH = 17_010_000

needs_vepyr = pytest.mark.skipif(
    importlib.util.find_spec("vepyr") is None, reason="vepyr is not installed (make test-vep)"
)


def plain_pack(folder: Path) -> Pack:
    """Contig 22: N but for the exons and sites that the cache knows the bases of; two genes."""
    sequence = bytearray(b"N" * _LENGTH)
    for line in (VEP115 / "bases.tsv").read_text().splitlines():
        start, bases = line.split("\t")
        sequence[int(start) - 1 : int(start) - 1 + len(bases)] = bases.encode()
    fasta = folder / "22.fa"
    fasta.write_bytes(b">22\n" + sequence + b"\n")
    return build("vep", [fasta], [VEP115 / "genes.gff3"], folder / "packs", assembly="GRCh38").pack


def raw_cache(folder: Path) -> Path:
    """The cache in the folder that Ensembl has it in."""
    cache = folder / "homo_sapiens" / "115_GRCh38"
    cache.mkdir(parents=True)
    shutil.copy(VEP115 / "info.txt", cache)
    shutil.copytree(VEP115 / "22", cache / "22")
    return cache


@lru_cache
def vep_pack() -> Pack:
    """Made once in a process; needs vepyr."""
    folder = Path(mkdtemp(prefix="gas-vep-"))
    pack = plain_pack(folder)
    add_vep_cache(pack, raw_cache(folder))
    return Pack.open(pack.path)
