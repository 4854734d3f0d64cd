"""What the validation of 120,000 records costs, beside pysam's plain iteration over the same file,
which parses no more than a record's fixed columns and reports nothing; and its memory."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pysam

from bench.measure import run
from bench.table import Bar, Row
from gas.annotate.gate import Gate
from gas.annotate.pack import Pack
from gas.annotate.validate import validate_file
from gas.annotate.vcf import VcfFile, split
from gas.reference.packs import SHIPPED

FILE = Path(__file__).parent / "data" / "bench120k.vcf.gz"
TIMES = 5
_STRICT = """
import sys
from pathlib import Path
from gas.annotate.validate import validate_file
validate_file(Path(sys.argv[1]), strict=True)
"""


def rows() -> Iterator[Row]:
    plain = _rate(_iterate)
    what = "pysam, plain iteration"
    yield Row("pysam, plain iteration, one core", plain, "records/s")
    yield Row("validate, default, one core", _rate(_default), "records/s", what, plain,
              Bar(150_000))  # fmt: skip
    yield Row("validate, strict, one core", _rate(_strict), "records/s", what, plain,
              Bar(60_000))  # fmt: skip
    without, within = _gate_cost()
    yield Row("read and cut a file, without the gate", without, "records/s")
    yield Row("the same through the gate", within, "records/s", "without the gate", without)
    with tempfile.TemporaryDirectory() as folder:
        used = run(_STRICT, FILE, caches=Path(folder))
    yield Row("validate, strict, peak memory", used.peak_mib, "MiB", bar=Bar(150, most=True))


def _gate_cost() -> tuple[float, float]:
    """What the gate (validator and build check) adds to the reading of a file."""
    pack = Pack.open(SHIPPED / "demo")

    def cut() -> int:
        return sum(len(split(piece).records) for piece in VcfFile(FILE).slices())

    def gated() -> int:
        source = VcfFile(FILE)
        with Gate(source, pack, (), check_build=True) as gate:
            return sum(len(split(piece).records) for piece in gate.slices())

    return _rate(cut), _rate(gated)


def _rate(work: Callable[[], int]) -> float:
    """Median records for a second of this process's own time, so that neighbours count less."""
    rates = []
    for _ in range(TIMES):
        start = time.process_time()
        records = work()
        rates.append(records / (time.process_time() - start))
    return statistics.median(rates)


def _iterate() -> int:
    pysam.set_verbosity(0)
    with pysam.VariantFile(str(FILE)) as file:
        return sum(1 for _ in file)


def _default() -> int:
    return validate_file(FILE).records


def _strict() -> int:
    return validate_file(FILE, strict=True).records
