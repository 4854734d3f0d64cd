"""Our engine beside bcftools csq, which writes a fraction of its fields; what more workers, many
samples and long files do to it, and what a reference costs to get ready.

Each run is a fresh process on one core (two for two workers), and the ones that are compared take
turns. Seconds are the process's own (user and system): neighbours count less.
"""

from __future__ import annotations

import gzip
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.table import Row
from gas.reference.packs import SHIPPED

FILE = Path(__file__).parent / "data" / "bench120k.vcf.gz"
RECORDS = 120_000
PACK = SHIPPED / "demo"
PAIRS = 3
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
        run(GAS, FILE, folder)  # what a first run leaves for the others is there from now on
        yield from _beside_csq(folder)
        yield from _two_workers(folder)
        yield from _flat(folder)
        yield from _many_samples(folder)


def _ready(folder: Path) -> Iterator[Row]:
    """A pack without its compiled model, then with it."""
    pack = folder / "pack"
    shutil.copytree(PACK, pack, ignore=shutil.ignore_patterns("model-*"))
    for what in ("reference: compile and open", "reference: open"):
        done = subprocess.run(
            [sys.executable, "-c", _OPEN, str(pack), str(folder)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        yield Row(what, float(done.stdout), "s")


def _beside_csq(folder: Path) -> Iterator[Row]:
    ours, theirs, memory = [], [], []
    for _ in range(PAIRS):
        used = run(GAS, FILE, folder)
        ours.append(used.cpu_s)
        memory.append(used.peak_mib)
        theirs.append(run(_CSQ, FILE, folder).cpu_s)
    csq = RECORDS / statistics.median(theirs)
    what = "bcftools csq -l, fresh process"
    yield Row(f"{what}, one core", csq, "records/s")
    yield Row(
        "gas, one worker, one core", RECORDS / statistics.median(ours), "records/s", what, csq
    )
    yield Row("gas, one worker, peak memory", max(memory), "MiB")


def _two_workers(folder: Path) -> Iterator[Row]:
    big = repeat(folder, 4)
    one, two = [], []
    for _ in range(PAIRS):
        one.append(run(GAS, big, folder).wall_s)
        two.append(run(GAS, big, folder, workers=2, cores=2).wall_s)
    rate = 4 * RECORDS / statistics.median(one)
    yield Row("gas, two workers, two cores", 4 * RECORDS / statistics.median(two), "records/s",
              "one worker, wall clock", rate)  # fmt: skip


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
    used = run(GAS, wide, folder)
    yield Row(f"gas, {SAMPLES:,} samples, one core", wide.stat().st_size / 1e6 / used.cpu_s,
              "MB/s of input")  # fmt: skip
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


class Used:
    """What a process took: its own seconds, those on the wall, its peak memory."""

    def __init__(self, cpu_s: float, wall_s: float, peak_mib: float) -> None:
        self.cpu_s, self.wall_s, self.peak_mib = cpu_s, wall_s, peak_mib


def run(
    code: str, source: Path, folder: Path, *, workers: int = 1, cores: int = 1, pack: Path = PACK
) -> Used:
    """``code`` in a fresh process on so many cores."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    command = [sys.executable, "-c", code, source, folder / "out.vcf.gz", pack, str(workers)]
    start = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)),
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{source.name}: exit status {process.returncode}")
    return Used(usage.ru_utime + usage.ru_stime, wall_s, _peak(usage))


def _peak(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / 1024
