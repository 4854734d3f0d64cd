"""What an allele source of 10 million alleles costs a run: chromosome 20 with a random substitution
at every sixth base, and every second allele of the measured file among them."""

from __future__ import annotations

import gzip
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.engine import FILE, GAS, PAIRS, RECORDS, without_sources
from bench.measure import Used, run
from bench.table import Row

ALLELES = 10_000_000
_CONTIG = "20"
_SEED = 20
_HEADER = b"""##fileformat=VCFv4.2
##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency">
##INFO=<ID=nhomalt,Number=A,Type=Integer,Description="Homozygotes">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
"""
#: Writes the VCF and compiles it, in a process of its own, into the folder of a pack.
_MAKE = """
import json, sys
from pathlib import Path
from bench.sources import write_vcf
from gas.annotate.model import open_model
from gas.annotate.pack import Pack
from gas.annotate.sources_compile import compile_source
path = Path(sys.argv[1])
pack = Pack.open(path)
model = open_model(pack, path)
vcf = path.with_name("million.vcf")
write_vcf(vcf, model)
compiled = compile_source("big", vcf, path / "source-big.bin", model, pack.contigs, ids=True)
vcf.unlink()
manifest = json.loads((path / "manifest.json").read_text())
manifest["sources"] = [compiled.spec.to_json()]
(path / "manifest.json").write_text(json.dumps(manifest))
print(compiled.alleles)
"""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        without, within = folder / "without", folder / "within"
        for pack in (without, within):
            without_sources(pack)
        made = subprocess.run(
            [sys.executable, "-c", _MAKE, str(within)], capture_output=True, text=True, check=True
        )
        alleles = int(made.stdout)
        runs: dict[Path, list[Used]] = {without: [], within: []}
        for turn in range(PAIRS + 1):
            for pack, used in runs.items():
                one = run(GAS, FILE, folder / "out.vcf.gz", pack, 1, caches=folder / "caches")
                if turn:  # the first leaves what the others find
                    used.append(one)
        rate, base = (_rate(runs[pack]) for pack in (within, without))
        peak, least = (_peak(runs[pack]) for pack in (within, without))
    what = f"gas, with a source of {alleles / 1e6:.1f} million alleles"
    yield Row(what, rate, "records/s", "without any source", base)
    yield Row(f"{what}, memory added", peak - least, "MiB")


def write_vcf(path: Path, genome: object) -> None:
    """The source as a sorted VCF; ``genome``: the compiled model."""
    import numpy as np

    from gas.annotate.model import Model

    assert isinstance(genome, Model)
    rng = np.random.default_rng(_SEED)
    length = genome.lengths[_CONTIG]
    bases = np.frombuffer(genome.fetch(_CONTIG, 1, length).encode(), np.uint8)
    known = np.flatnonzero(np.isin(bases, np.frombuffer(b"ACGT", np.uint8)))
    places = np.sort(rng.choice(known, ALLELES, replace=False))
    turns = rng.integers(1, 4, ALLELES)
    counts = rng.integers(1, 5000, ALLELES)
    lines = [
        (at + 1, b"%b\t%b" % (bytes([base]), _other(base, turn)), count)
        for at, base, turn, count in zip(
            places.tolist(), bases[places].tolist(), turns.tolist(), counts.tolist(), strict=True
        )
    ]
    lines += [(pos, change, 1) for pos, change in _alleles()]
    lines.sort()
    with path.open("wb") as out:
        out.write(_HEADER)
        for pos, change, count in lines:
            out.write(
                b"20\t%d\trs%d\t%b\t.\t.\tAF=%.6f;nhomalt=%d\n"
                % (pos, pos, change, count / 5000, count // 50)
            )


def _other(base: int, turn: int) -> bytes:
    order = b"ACGT"
    return order[(order.index(base) + turn) % 4 :][:1]


def _alleles() -> Iterator[tuple[int, bytes]]:
    """Every second record of the measured file: POS, and REF and ALT."""
    with gzip.open(FILE, "rb") as file:
        records = [line.split(b"\t", 5) for line in file if not line.startswith(b"#")]
    for record in records[::2]:
        yield int(record[1]), b"\t".join(record[3:5])


def _rate(runs: list[Used]) -> float:
    return RECORDS / statistics.median(used.cpu_s for used in runs)


def _peak(runs: list[Used]) -> float:
    return max(used.peak_mib for used in runs)
