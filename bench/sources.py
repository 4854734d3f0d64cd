"""What an allele source of ten million alleles costs: time, memory, and making it.

The source, with an id and a frequency for each allele, is drawn over chromosome 20 with a seed;
half of the benchmark's records are in it.
"""

from __future__ import annotations

import gzip
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pysam

from bench.engine import FILE, GAS, PACK, RECORDS, run
from bench.table import Bar, Row
from gas.annotate.pack import MANIFEST, Pack
from gas.reference.add_source import add_source

ALLELES = 10_000_000
PAIRS = 5
_SEED = 20
_CHUNK = 1 << 18
_HEADER = (
    '##fileformat=VCFv4.2\n##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
)


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare, known = _pack(folder / "bare"), _pack(folder / "known")
        vcf = folder / "big.vcf"
        _write(vcf, known)
        start = time.process_time()
        made = add_source(known, "big", [vcf], ids=True)
        seconds = time.process_time() - start
        vcf.unlink()
        yield Row("source: compile", made.alleles / seconds, "alleles/s")
        yield from _beside(folder, bare.path, known.path)


def _beside(folder: Path, bare: Path, known: Path) -> Iterator[Row]:
    seconds: dict[Path, list[float]] = {bare: [], known: []}
    memory: dict[Path, float] = {bare: 0.0, known: 0.0}
    for _ in range(PAIRS):
        for pack, used_s in seconds.items():
            used = run(GAS, FILE, folder, pack=pack)
            used_s.append(used.cpu_s)
            memory[pack] = max(memory[pack], used.peak_mib)
    without = RECORDS / statistics.median(seconds[bare])
    what = f"gas with a source of {ALLELES // 1_000_000} million alleles"
    yield Row(what, RECORDS / statistics.median(seconds[known]), "records/s", "without", without,
              Bar(0.87, of_ratio=True))  # fmt: skip
    more_mib = memory[known] - memory[bare]
    yield Row(f"{what}, memory more", more_mib, "MiB", bar=Bar(300, most=True))


def _pack(folder: Path) -> Pack:
    """The demo's reference without its sources."""
    shutil.copytree(PACK, folder, ignore=shutil.ignore_patterns("source-*"))
    values = json.loads((folder / MANIFEST).read_bytes())
    values["sources"] = []
    values["files"] = {k: v for k, v in values["files"].items() if not k.startswith("source-")}
    (folder / MANIFEST).write_text(json.dumps(values))
    return Pack.open(folder)


def _write(path: Path, pack: Pack) -> None:
    """Ten million alleles in no order: substitutions all over the chromosome, and every other
    record of the benchmark."""
    rng = np.random.default_rng(_SEED)
    with pysam.FastaFile(str(pack.fasta)) as fasta:
        genome = np.frombuffer(fasta.fetch("20").upper().encode(), np.uint8)
    places = np.nonzero(genome != ord("N"))[0]
    drawn = rng.choice(places, ALLELES, replace=True, shuffle=False)
    step = rng.integers(1, 4, ALLELES)
    bases = np.frombuffer(b"ACGT", np.uint8)
    with path.open("w") as out:
        out.write(_HEADER)
        for at in range(0, ALLELES, _CHUNK):
            pos = drawn[at : at + _CHUNK]
            ref = np.searchsorted(bases, genome[pos])
            alt = (ref + step[at : at + _CHUNK]) % 4
            rows = zip((pos + 1).tolist(), ref.tolist(), alt.tolist(), strict=True)
            out.writelines(
                f"20\t{p}\trs{p}\t{'ACGT'[r]}\t{'ACGT'[a]}\t.\t.\tAF=0.0{p % 1000}\n"
                for p, r, a in rows
            )
        with gzip.open(FILE, "rt") as lines:
            for number, line in enumerate(lines):
                if line[0] != "#" and number % 2:
                    contig, at_, _, ref_, alts = line.split("\t")[:5]
                    out.write(f"{contig}\t{at_}\trs{at_}\t{ref_}\t{alts}\t.\t.\tAF=0.01\n")
