"""Engine ``vep``: Ensembl VEP's own answers out of a VEP cache, by vepyr.

An optional extra (``pip install -r requirements-vep.lock``). The cache is the user's; ``gas
reference add-vep-cache`` ties it to a reference, whose genome is the one that is read. Steps:

1. Go through the input and write skeletons (``outside``), one for each contig that the cache has.
2. Run one child process (``vep_child``), which has vepyr annotate them one after the other, with
   all that ``vep --everything`` gives.
3. Hand out the answers record by record, each checked against the record it is for.

Each allele is asked in a line of its own, since vepyr takes a record's alleles for one; the column
Allele is named as VEP names it, by all alleles of the record. Alleles that are not plain bases
(symbolic, breakends, ``*``) are left out, and a record whose REF differs from the genome is not
asked at all: of both vepyr says something that is not so.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from itertools import chain
from pathlib import Path

from gas.annotate.contigs import ContigNames
from gas.annotate.engines import Context, InfoField, Record, Source, check_installed
from gas.annotate.engines.outside import (
    CHECK_EVERY,
    LOCAL,
    UNFIT,
    answers,
    cut,
    entry_of,
    header_of,
    judge,
    line_of,
    run,
)
from gas.annotate.fit import REF_MISMATCH, plain_alts
from gas.annotate.genome import Genome
from gas.annotate.pack import Pack
from gas.annotate.variant import parse_alleles
from gas.annotate.vep_cache import VepCache

_KEY = "CSQ"
_PREFIX = b"CSQ="
_TOOL = "vepyr"
#: What ``vep --everything`` writes, in its order.
_COLUMNS = (
    *("Allele", "Consequence", "IMPACT", "SYMBOL", "Gene", "Feature_type", "Feature", "BIOTYPE"),
    *("EXON", "INTRON", "HGVSc", "HGVSp", "cDNA_position", "CDS_position", "Protein_position"),
    *("Amino_acids", "Codons", "Existing_variation", "DISTANCE", "STRAND", "FLAGS"),
    *("VARIANT_CLASS", "SYMBOL_SOURCE", "HGNC_ID", "CANONICAL", "MANE", "MANE_SELECT"),
    *("MANE_PLUS_CLINICAL", "TSL", "APPRIS", "CCDS", "ENSP", "SWISSPROT", "TREMBL", "UNIPARC"),
    *("UNIPROT_ISOFORM", "GENE_PHENO", "SIFT", "PolyPhen", "DOMAINS", "miRNA", "HGVS_OFFSET"),
    *("AF", "AFR_AF", "AMR_AF", "EAS_AF", "EUR_AF", "SAS_AF"),
    *("gnomADe_AF", "gnomADe_AFR_AF", "gnomADe_AMR_AF", "gnomADe_ASJ_AF", "gnomADe_EAS_AF"),
    *("gnomADe_FIN_AF", "gnomADe_MID_AF", "gnomADe_NFE_AF", "gnomADe_REMAINING_AF"),
    *("gnomADe_SAS_AF", "gnomADg_AF", "gnomADg_AFR_AF", "gnomADg_AMI_AF", "gnomADg_AMR_AF"),
    *("gnomADg_ASJ_AF", "gnomADg_EAS_AF", "gnomADg_FIN_AF", "gnomADg_MID_AF", "gnomADg_NFE_AF"),
    *("gnomADg_REMAINING_AF", "gnomADg_SAS_AF", "MAX_AF", "MAX_AF_POPS", "CLIN_SIG", "SOMATIC"),
    *("PHENO", "PUBMED", "MOTIF_NAME", "MOTIF_POS", "HIGH_INF_POS", "MOTIF_SCORE_CHANGE"),
    "TRANSCRIPTION_FACTORS",
)
_FEATURE, _EXISTING = _COLUMNS.index("Feature"), _COLUMNS.index("Existing_variation")


class VepEngine:
    """vepyr, one child process per file."""

    name = "vep"
    parallel = False

    def version(self) -> str:
        """Raises EngineError where vepyr is not installed."""
        check_installed(self.name)
        return f"vepyr {metadata.version('vepyr')}"

    def info(self) -> InfoField:
        return InfoField(_KEY, "Consequence annotations from Ensembl VEP", _COLUMNS)

    def data(self, pack: Pack) -> str:
        """What it reads beside the reference's genome. Raises EngineError where vepyr is not
        installed, PackError where the reference has no cache."""
        check_installed(self.name)
        return VepCache.of(pack).title

    @contextmanager
    def open(self, source: Source, pack: Pack, context: Context) -> Iterator[VepSession]:
        check_installed(self.name)
        cache = VepCache.of(pack)
        names = ContigNames.of(pack)
        marks, asked = _ask(source, pack, cache, names, context)
        if asked:
            run([_command(pack, cache, asked, context)], context, _TOOL)
        session = VepSession(marks, names, answers(map(_answer, asked)))
        try:
            yield session
        finally:
            session.close()


class VepSession:
    """Hands out the answers in the order of the records. See ``KnowingSession`` too."""

    def __init__(self, marks: bytearray, names: ContigNames, lines: Iterator[bytes]) -> None:
        self._marks = marks
        self._names = names
        self._lines = lines
        self._next = 0
        self.known: set[int] = set()

    def annotate(self, records: Sequence[Record]) -> Sequence[bytes]:
        marks = cut(self._marks, self._next, len(records))
        self._next += len(records)
        self.known = set()
        return [
            self._entry(i, record) if mark == LOCAL else (b"", REF_MISMATCH)[mark - UNFIT]
            for i, (record, mark) in enumerate(zip(records, marks, strict=True))
        ]

    def _entry(self, place: int, record: Record) -> bytes:
        contig = self._names.get(record[0])
        assert contig is not None
        labels = _labels(record)
        rows: dict[bytes, list[bytes]] = {}
        for alt in plain_alts(record):
            asked = line_of(contig, record, [alt])
            entry = entry_of(next(self._lines, b""), asked, _TOOL)
            for row in _rows(entry):
                rows.setdefault(row[_FEATURE], []).append(b"|".join([labels[alt], *row[1:]]))
                if row[_EXISTING]:
                    self.known.add(place)
        # Rows of one transcript side by side, alleles in the order of ALT.
        return _PREFIX + b",".join(chain.from_iterable(rows.values())) if rows else b""

    def close(self) -> None:
        self._lines.close()  # type: ignore[attr-defined]  # a generator: closes its file


def _labels(record: Record) -> dict[bytes, bytes]:
    """Each ALT's name in the column Allele."""
    alts = record[4].decode("utf-8", "replace").split(",")
    variants = parse_alleles(int(record[1]), record[3].decode("utf-8", "replace"), alts)
    return {
        alt: variant.label.encode() if variant is not None else alt
        for alt, variant in zip(record[4].split(b","), variants, strict=True)
    }


def _rows(entry: bytes) -> list[list[bytes]]:
    """The rows of one allele's answer, as columns."""
    if not entry.startswith(_PREFIX):
        return []
    return [row.split(b"|") for row in entry[len(_PREFIX) :].split(b",")]


def _ask(
    source: Source, pack: Pack, cache: VepCache, names: ContigNames, context: Context
) -> tuple[bytearray, list[Path]]:
    """A mark for each record, and the skeletons in the order of the records."""
    marks = bytearray()
    paths: list[Path] = []
    there = {names.get(name.encode()) for name in cache.contigs}
    current, out = "", None
    try:
        with Genome(pack.fasta) as genome:
            for number, (_, record) in enumerate(source.records()):
                if number % CHECK_EVERY == 0:
                    context.check_cancelled()
                mark = judge(record, names, pack, genome)
                contig = names.get(record[0]) or ""
                if mark == LOCAL and contig not in there:
                    mark = UNFIT
                marks.append(mark)
                if mark != LOCAL:
                    continue
                if out is None or contig != current:
                    if out is not None:
                        out.close()
                    current = contig
                    paths.append(context.scratch / f"vep-{len(paths)}.vcf")
                    out = paths[-1].open("wb")
                    out.write(header_of(pack))
                out.writelines(
                    line_of(contig, record, [alt]) + b".\n" for alt in plain_alts(record)
                )
    finally:
        if out is not None:
            out.close()
    return marks, paths


def _command(pack: Pack, cache: VepCache, asked: Sequence[Path], context: Context) -> list[str]:
    request = context.scratch / "vep.json"
    request.write_text(
        json.dumps(
            {
                "cache": str(cache.path),
                "release": str(cache.release),
                "fasta": str(pack.fasta),
                "fields": _COLUMNS,
                "workers": context.workers,
                "files": [[str(path), str(_answer(path))] for path in asked],
            }
        )
    )
    return [
        *(sys.executable, "-m", "gas.annotate.engines.vep_child"),
        *(str(os.getpid()), str(request)),
    ]


def _answer(skeleton: Path) -> Path:
    return skeleton.with_suffix(".answer.vcf")
