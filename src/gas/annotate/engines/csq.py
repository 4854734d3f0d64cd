"""Engine ``csq``: bcftools csq, as pysam carries it.

bcftools never sees a line of the input and never writes one of the output. Steps:

1. Go through the input and write *skeletons* of our own making (``csq_skeleton``): the records that
   can be annotated, with the reference's contig names, POS, REF and the plain ALT alleles.
2. Run one child process per skeleton (``csq_child``); ``Context.workers`` of them at once, over
   ranges of records.
3. Hand out the answers record by record, each checked against the record it is for.

Rules
- ``-l`` (each record by itself), unless every genotype of the file is phased. Then records that a
  sample carries are also asked as haplotypes, and that answer is taken where there is one: so a
  variant that nobody carries, or that bcftools leaves out of a haplotype because it overlaps
  another, is still annotated by itself.
- Genetic code: ``-C`` with NCBI's number for each contig that does not use the standard one
  (vertebrate mitochondrial, 2, for human ``MT``), in a child of its own.
- ALT alleles that are not plain bases (symbolic, breakends, ``*``) are left out of the skeleton;
  in haplotypes they count as the reference. A record with no plain ALT is passed through.
- REF must be equal to the genome; else the record gets ``GAS_WARN=REF_MISMATCH`` and no
  consequence.
- bcftools csq reads GFF3 in Ensembl's dialect (``ID=gene:``, ``ID=transcript:``, ``biotype=``).

Method: Danecek and McCarthy, BCFtools/csq: haplotype-aware variant consequences, Bioinformatics
2017, doi:10.1093/bioinformatics/btx100.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gas.annotate.engines import Context, InfoField, Record, Source
from gas.annotate.engines.csq_skeleton import PHASED, Plan, Route, write
from gas.annotate.engines.outside import MISMATCH, UNFIT, answers, cut, entry_of, line_of, run
from gas.annotate.fit import REF_MISMATCH, plain_alts
from gas.annotate.pack import Pack

_KEY = "BCSQ"
_TOOL = "bcftools csq"


class CsqEngine:
    """bcftools csq, one child process per file and genetic code."""

    name = "csq"
    parallel = False

    def version(self) -> str:
        from pysam.version import __bcftools_version__, __version__

        return f"bcftools csq {__bcftools_version__} (pysam {__version__})"

    def info(self) -> InfoField:
        return InfoField(
            key=_KEY,
            description="Consequences by bcftools csq",
            columns=(
                "Consequence",
                "gene",
                "transcript",
                "biotype",
                "strand",
                "amino_acid_change",
                "dna_change",
            ),
        )

    @contextmanager
    def open(self, source: Source, pack: Pack, context: Context) -> Iterator[CsqSession]:
        plan = write(source, pack, context)
        parts = {route: plan.skeletons[route].parts(context.workers) for route in plan.skeletons}
        commands = [
            _command(pack, route, part, _answer(part))
            for route, paths in parts.items()
            for part in paths
        ]
        run(commands, context, _TOOL)
        session = CsqSession(
            plan, {route: answers(map(_answer, paths)) for route, paths in parts.items()}
        )
        try:
            yield session
        finally:
            session.close()


class CsqSession:
    """Hands out the answers in the order of the records."""

    def __init__(self, plan: Plan, answers: dict[Route, Iterator[bytes]]) -> None:
        self._plan = plan
        self._answers = answers
        self._next = 0

    def annotate(self, records: Sequence[Record]) -> Sequence[bytes]:
        marks = cut(self._plan.marks, self._next, len(records))
        self._next += len(records)
        return [
            self._entry(record, mark) if mark > MISMATCH else (b"", REF_MISMATCH)[mark - UNFIT]
            for record, mark in zip(records, marks, strict=True)
        ]

    def _entry(self, record: Record, mark: int) -> bytes:
        contig, code = self._plan.contig_of(record)
        asked = line_of(contig, record, plain_alts(record))
        entry = self._answer(Route(False, code), asked)
        if mark == PHASED:
            return self._answer(Route(True, code), asked) or entry
        return entry

    def _answer(self, route: Route, asked: bytes) -> bytes:
        return entry_of(next(self._answers[route], b""), asked, _TOOL)

    def close(self) -> None:
        for lines in self._answers.values():
            lines.close()  # type: ignore[attr-defined]  # a generator: closes its file


def _command(pack: Pack, route: Route, skeleton: Path, answer: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "gas.annotate.engines.csq_child",
        str(os.getpid()),
        *(("-p", "a") if route.phased else ("-l",)),
        *("-C", str(route.genetic_code)),
        *("-f", str(pack.fasta)),
        *("-g", str(pack.gff)),
        *("-c", _KEY),
        "--no-version",
        *("-o", str(answer)),
        str(skeleton),
    ]


def _answer(skeleton: Path) -> Path:
    return skeleton.with_suffix(".answer.vcf")
