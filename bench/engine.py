"""Our engine beside bcftools csq, which writes a fraction of its fields; what more workers, many
samples and long files do to it, and what a reference costs to get ready.

Each run is a fresh process on one core (two for two workers), and the ones that are compared take
turns. Seconds are the process's own (user and system): neighbours count less.
"""

from __future__ import annotations

import gzip
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import measure
from bench.measure import Used
from bench.table import Bar, Row
from gas.reference.packs import SHIPPED

FILE = Path(__file__).parent / "data" / "bench120k.vcf.gz"
RECORDS = 120_000
PACK = SHIPPED / "demo"
PAIRS = 5
SAMPLES = 2_500

GAS = """
import sys
from pathlib import Path
from gas.annotate.pack import Pack
from gas.annotate.run import annotate
source, out, pack, workers = sys.argv[1:]
annotate(Path(source), Path(out), Pack.open(Path(pack)), "gas", workers=int(workers))
"""
_CSQ = """
import sys
import pysam.bcftools
source, out, pack, _ = sys.argv[1:]
pysam.bcftools.csq("-l", "-f", f"{pack}/genome.fa.gz", "-g", f"{pack}/genes.gff3.gz",
                   "-Oz", "-o", out, source, catch_stdout=False)
"""
_OPEN = """
import sys, time
from pathlib import Path
from gas.annotate.model import open_model
from gas.annotate.pack import Pack
pack, scratch = map(Path, sys.argv[1:])
start = time.perf_counter()
open_model(Pack.open(pack), scratch).close()
print(time.perf_counter() - start)
"""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _ready(folder)
        for code in (GAS, _CSQ):  # what a first run leaves for the others is there from now on
            run(code, FILE, folder)
        yield from _beside_csq(folder)
        yield from _two_workers(folder)
        yield from _flat(folder)
        yield from _many_samples(folder)


def _ready(folder: Path) -> Iterator[Row]:
    """A pack without its compiled model, then with it."""
    pack = folder / "pack"
    shutil.copytree(PACK, pack, ignore=shutil.ignore_patterns("model-*"))
    bars = {
        "reference: compile and open": Bar(10, most=True),
        "reference: open": Bar(0.5, most=True),
    }
    for what, bar in bars.items():
        done = subprocess.run(
            [sys.executable, "-c", _OPEN, str(pack), str(folder)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        yield Row(what, float(done.stdout), "s", bar=bar)


def without_sources(target: Path) -> None:
    """The measured pack without its allele sources, in the folder ``target``."""
    shutil.copytree(PACK, target)
    manifest = target / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"sources": []}))


def _beside_csq(folder: Path) -> Iterator[Row]:
    plain = folder / "plain"
    without_sources(plain)
    ours, alone, theirs = list[Used](), list[Used](), list[Used]()
    for _ in range(PAIRS):
        ours.append(run(GAS, FILE, folder))
        alone.append(run(GAS, FILE, folder, pack=plain))
        theirs.append(run(_CSQ, FILE, folder))
    what = "bcftools csq -l, fresh process"
    csq = _rate(theirs)
    yield Row(f"{what}, one core", csq, "records/s")
    yield Row(
        "gas, one worker, one core", _rate(ours), "records/s", what, csq, Bar(0.5, of_ratio=True)
    )
    yield Row("gas, the same without allele sources", _rate(alone), "records/s", what, csq)
    peak_mib = max(used.peak_mib for used in ours)
    yield Row("gas, one worker, peak memory", peak_mib, "MiB", bar=Bar(500, most=True))


def _rate(runs: list[Used]) -> float:
    return RECORDS / statistics.median(used.cpu_s for used in runs)


def _two_workers(folder: Path) -> Iterator[Row]:
    big = repeat(folder, 4)
    one, two = [], []
    for _ in range(PAIRS):
        one.append(run(GAS, big, folder).wall_s)
        two.append(run(GAS, big, folder, workers=2, cores=2).wall_s)
    rate = 4 * RECORDS / statistics.median(one)
    yield Row("gas, two workers, two cores", 4 * RECORDS / statistics.median(two), "records/s",
              "one worker, wall clock", rate, Bar(1.7, of_ratio=True))  # fmt: skip


def _flat(folder: Path) -> Iterator[Row]:
    """The cost of a record in a short file and in a long one."""
    short = folder / "short.vcf"
    with gzip.open(FILE, "rb") as lines, short.open("wb") as out:
        for number, line in enumerate(lines):
            if line.startswith(b"#") or number % 12 == 0:
                out.write(line)
    count = sum(not line.startswith(b"#") for line in short.read_bytes().splitlines())
    start = run(GAS, _headers_only(folder), folder).cpu_s
    few = statistics.median(run(GAS, short, folder).cpu_s for _ in range(PAIRS)) - start
    times = 42
    many = run(GAS, repeat(folder, times), folder).cpu_s - start
    yield Row("gas, 5 million records", times * RECORDS / many, "records/s",
              "10 thousand records, start-up apart", count / few)  # fmt: skip


def _many_samples(folder: Path) -> Iterator[Row]:
    """Genotypes are passed through unread."""
    wide = folder / "wide.vcf"
    genotypes = b"\tGT:DP" + b"\t0|1:31\t0|0:28" * (SAMPLES // 2)
    with gzip.open(FILE, "rb") as lines, wide.open("wb") as out:
        for number, line in enumerate(lines):
            if line.startswith(b"#CHROM"):
                names = b"".join(b"\tS%d" % n for n in range(SAMPLES))
                out.write(line.rstrip() + b"\tFORMAT" + names + b"\n")
            elif line.startswith(b"#"):
                out.write(line)
            elif number % 10 == 0:
                out.write(line.rstrip() + genotypes + b"\n")
    seconds = statistics.median(run(GAS, wide, folder).cpu_s for _ in range(PAIRS))
    yield Row(f"gas, {SAMPLES:,} samples, one core", wide.stat().st_size / 1e6 / seconds,
              "MB/s of input", bar=Bar(150))  # fmt: skip
    wide.unlink()


def repeat(folder: Path, times: int) -> Path:
    """The file with every record so often, still sorted."""
    path = folder / f"times{times}.vcf"
    if not path.exists():
        with gzip.open(FILE, "rb") as lines, path.open("wb") as out:
            for line in lines:
                out.write(line if line.startswith(b"#") else line * times)
    return path


def _headers_only(folder: Path) -> Path:
    path = folder / "headers.vcf"
    with gzip.open(FILE, "rb") as lines:
        path.write_bytes(b"".join(line for line in lines if line.startswith(b"#")))
    return path


def run(
    code: str, source: Path, folder: Path, *, workers: int = 1, cores: int = 1, pack: Path = PACK
) -> Used:
    """``code`` in a fresh process on so many cores."""
    return measure.run(
        code, source, folder / "out.vcf.gz", pack, workers, caches=folder / "caches", cores=cores
    )
