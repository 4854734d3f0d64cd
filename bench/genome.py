"""The memory that a run takes on a reference as large as a whole genome: the sequence and the genes
of chromosome 20, sixty times over."""

from __future__ import annotations

import dataclasses
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.engine import FILE, GAS, PACK
from bench.measure import run
from bench.table import Bar, Row

CONTIGS = 60
_NAMES = [f"c{number}" for number in range(1, CONTIGS + 1)]
_SOURCE = "20"
_LINE_BASES = 60
_MAKE = """
import sys
from pathlib import Path
from bench.genome import make
make(Path(sys.argv[1]))
"""


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pack, vcf = folder / "pack", folder / "in.vcf"
        pack.mkdir()
        subprocess.run([sys.executable, "-c", _MAKE, str(pack)], check=True)
        records = _write_vcf(vcf)
        size = sum(file.stat().st_size for file in pack.glob("model-*"))
        used = run(GAS, vcf, folder / "out.vcf.gz", pack, 1, caches=folder / "caches")
    what = f"gas, a genome of {CONTIGS} x chr20 ({size / 1e9:.1f} GB)"
    yield Row(what, records / used.cpu_s, "records/s")
    yield Row(f"{what}, peak memory", used.peak_mib, "MiB", bar=Bar(1536, most=True))


def make(path: Path) -> None:
    """The pack, with its compiled model."""
    import pysam

    from gas.annotate import bgzf
    from gas.annotate.compile import compile_model
    from gas.annotate.genes import read_genes
    from gas.annotate.model import model_path
    from gas.annotate.pack import Pack

    demo = Pack.open(PACK)
    with pysam.FastaFile(str(demo.fasta)) as fasta:
        bases = fasta.fetch(_SOURCE)
    text = "\n".join(bases[i : i + _LINE_BASES] for i in range(0, len(bases), _LINE_BASES))
    body = bgzf.compress(f"{text}\n".encode())
    with (path / "genome.fa.gz").open("wb") as out:
        for name in _NAMES:
            out.write(bgzf.compress(f">{name}\n".encode()) + body)
        out.write(bgzf.EOF)
    pysam.faidx(str(path / "genome.fa.gz"))
    contigs = [{"name": name, "length": len(bases)} for name in _NAMES]
    manifest = {"name": "sixty", "assembly": "none", "version": "1", "contigs": contigs}
    (path / "manifest.json").write_text(json.dumps(manifest))
    models, _ = read_genes(demo.gff, demo.contigs)
    own = [model for model in models if model.contig == _SOURCE]
    pack = Pack.open(path)
    compile_model(
        pack,
        model_path(pack, path),
        models=[dataclasses.replace(model, contig=name) for name in _NAMES for model in own],
    )


def _write_vcf(path: Path) -> int:
    """Every sixtieth record of the measured file on each contig; how many."""
    with gzip.open(FILE, "rb") as file:
        lines = list(file)
    records = [line.split(b"\t", 1)[1] for line in lines if not line.startswith(b"#")][::CONTIGS]
    with path.open("wb") as out:
        out.writelines(line for line in lines if line.startswith(b"#") and b"contig" not in line)
        for name in _NAMES:
            out.writelines(name.encode() + b"\t" + record for record in records)
    return CONTIGS * len(records)
