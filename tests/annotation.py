"""What tests of the annotation share: files, a synthetic reference, and an engine that answers."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from gas.annotate.engines import Context, InfoField, Record, Source
from gas.annotate.pack import Pack
from gas.reference.build import build
from gas.reference.packs import SHIPPED

DATA = Path(__file__).parent / "data"
NA12878 = Path(__file__).parents[1] / "src/gas/demo/NA12878_NIST_complex_indels_chr20_GRCh37.vcf.gz"
COURSE = sorted((DATA / "course").glob("*.vcf.gz"))
REAL = [NA12878, *sorted((DATA / "real").glob("*.vcf.gz"))]

HEADER = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
PHASED_HEADER = HEADER.rstrip(b"\n") + b"\tFORMAT\tA\tB\n"

#: Codons of the synthetic gene: ATG, 32 x GCT (Ala), TAA; its CDS is 101..151 and 301..351.
CODONS = ["ATG", *["GCT"] * 32, "TAA"]
CDS = [(101, 151), (301, 351)]


def demo_pack() -> Pack:
    return Pack.open(SHIPPED / "demo")


@lru_cache
def synthetic_sequence() -> str:
    """3,000 bases of contig ``1`` with the gene's codons in place."""
    bases = random.Random(1).choices("ACGT", k=3000)
    coding = iter("".join(CODONS))
    for start, end in CDS:
        for i in range(start - 1, end):
            bases[i] = next(coding)
    return "".join(bases)


def gff_of(contig: str, extra: str = "") -> str:
    """A gene of the CDS above, in Ensembl's dialect."""
    start, end = CDS[0][0] - 20, CDS[-1][1] + 20
    exons = [(start, CDS[0][1]), (CDS[1][0], end)]
    lines = [
        ("gene", start, end, ".", f"ID=gene:G{contig};Name=GENE{contig};biotype=protein_coding"),
        (
            "mRNA",
            start,
            end,
            ".",
            f"ID=transcript:T{contig};Parent=gene:G{contig};biotype=protein_coding",
        ),
        *(("exon", s, e, ".", f"Parent=transcript:T{contig}") for s, e in exons),
        *(("CDS", s, e, "0", f"Parent=transcript:T{contig}{extra}") for s, e in CDS),
    ]
    return "".join(
        f"{contig}\ttest\t{kind}\t{s}\t{e}\t.\t+\t{phase}\t{about}\n"
        for kind, s, e, phase, about in lines
    )


def synthetic_pack(folder: Path, name: str = "tiny") -> Pack:
    """Contigs ``1`` and ``MT`` with one gene each; that of MT uses genetic code 2."""
    sources = folder / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    fasta, gff = sources / "genome.fa", sources / "genes.gff3"
    sequence = synthetic_sequence()
    fasta.write_text(f">1\n{sequence}\n>MT\n{sequence[:1000]}\n")
    gff.write_text("##gff-version 3\n" + gff_of("1") + gff_of("MT", ";transl_table=2"))
    return build(name, [fasta], [gff], folder / "packs", assembly="Test1").pack


def names_pack(folder: Path) -> Pack:
    """Every contig name of the real files, with next to no sequence: for engines that read none."""
    fasta, gff = folder / "names.fa", folder / "names.gff3"
    names = [*map(str, range(1, 23)), "X", "Y", "MT"]
    fasta.write_text("".join(f">{name}\n{synthetic_sequence()[:1000]}\n" for name in names))
    gff.write_text(gff_of("1"))
    return build("names", [fasta], [gff], folder / "packs").pack


def text_of(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def records_of(path: Path) -> list[list[bytes]]:
    lines = text_of(path).splitlines()
    return [line.split(b"\t") for line in lines if not line.startswith(b"#")]


def infos_of(path: Path) -> list[bytes]:
    return [record[7] for record in records_of(path)]


def record(pos: int, ref: str, alt: str, info: str = ".", contig: str = "1") -> bytes:
    return f"{contig}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t{info}\n".encode()


def ref_at(pos: int, length: int = 1) -> str:
    return synthetic_sequence()[pos - 1 : pos - 1 + length]


class EchoEngine:
    """Answers every record with what it was asked: a fixed form, and parallel."""

    name = "echo"
    parallel = True

    def version(self) -> str:
        return "echo 1"

    def info(self) -> InfoField:
        columns = ("Allele", "Consequence", "IMPACT", "SYMBOL", "Feature", "HGVSp")
        return InfoField("ECHO", "What was asked", columns)

    @contextmanager
    def open(self, source: Source, pack: Pack, context: Context) -> Iterator[EchoEngine]:
        yield self

    def annotate(self, records: Sequence[Record]) -> Sequence[bytes]:
        return [
            b"ECHO=%s|missense_variant|MODERATE|G%s|T1|p.%s" % (r[3], r[0], r[1]) for r in records
        ]


class BrokenEngine(EchoEngine):
    """Answers one record too few."""

    name = "broken"
    parallel = False

    def annotate(self, records: Sequence[Record]) -> Sequence[bytes]:
        return super().annotate(records)[1:]
