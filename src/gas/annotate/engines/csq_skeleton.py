"""Skeleton VCFs: what bcftools csq is asked, in lines of our own making (``outside``).

Beside a position and bases they hold phased allele numbers; samples are called S1, S2, ...
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gas.annotate.contigs import ContigNames
from gas.annotate.engines import Context, Record, Source
from gas.annotate.engines.outside import CHECK_EVERY, LOCAL, header_of, judge, line_of
from gas.annotate.fit import plain_alts
from gas.annotate.genome import Genome
from gas.annotate.pack import Pack

#: A record's mark beside those of ``outside``: asked by itself, and as a haplotype too.
PHASED = LOCAL + 1

_phased_genotype = re.compile(rb"(?:\d+|\.)(?:\|(?:\d+|\.))?|\./\.").fullmatch
_allele = re.compile(rb"\d+")


class Route(NamedTuple):
    """One kind of call: with haplotypes or record by record, and NCBI's genetic code."""

    phased: bool
    genetic_code: int


class Skeleton:
    """One file of lines; ``contig_starts`` are the numbers of the lines that open a contig."""

    def __init__(self, path: Path, header: bytes, one_piece_per_contig: bool) -> None:
        self.path = path
        self._header = header
        self._whole_contigs = one_piece_per_contig
        self._file: BinaryIO = path.open("wb")
        self._file.write(header)
        self._contig = ""
        self._contig_starts: list[int] = []
        self._count = 0

    def add(self, contig: str, line: bytes) -> None:
        if contig != self._contig:
            self._contig = contig
            self._contig_starts.append(self._count)
        self._count += 1
        self._file.write(line)

    def close(self) -> None:
        self._file.close()

    def parts(self, count: int) -> list[Path]:
        """The file, cut into at most ``count`` pieces of about the same number of lines. A
        haplotype must not be cut: there a piece ends with a contig."""
        cuts = self._cuts(count)
        if len(cuts) < 2:
            return [self.path]
        paths = []
        with self.path.open("rb") as whole:
            whole.seek(len(self._header))
            for number, (start, stop) in enumerate(zip(cuts, [*cuts[1:], None], strict=True)):
                path = self.path.with_suffix(f".{number}.vcf")
                with path.open("wb") as part:
                    part.write(self._header)
                    part.writelines(islice(whole, None if stop is None else stop - start))
                paths.append(path)
        self.path.unlink()
        return paths

    def _cuts(self, count: int) -> list[int]:
        even = [self._count * i // count for i in range(count)]
        if not self._whole_contigs:
            return sorted(set(even))
        return sorted({max(s for s in self._contig_starts if s <= cut) for cut in even})


@dataclass
class Plan:
    """What was asked: a mark per record of the input, and the skeletons."""

    pack: Pack
    names: ContigNames
    marks: bytearray = field(default_factory=bytearray)
    skeletons: dict[Route, Skeleton] = field(default_factory=dict)

    def contig_of(self, record: Record) -> tuple[str, int]:
        """The reference's contig of a record that was asked, and its genetic code."""
        contig = self.names.get(record[0])
        assert contig is not None
        return contig, self.pack.genetic_code(contig)


def write(source: Source, pack: Pack, context: Context) -> Plan:
    """Go through the source and write the skeletons into ``context.scratch``."""
    samples = phased_samples(source, context)
    plan = Plan(pack, ContigNames.of(pack))
    try:
        with Genome(pack.fasta) as genome:
            for number, (_, record) in enumerate(source.records()):
                if number % CHECK_EVERY == 0:
                    context.check_cancelled()
                plan.marks.append(_ask(plan, record, genome, samples, context.scratch))
    finally:
        for skeleton in plan.skeletons.values():
            skeleton.close()
    return plan


def _ask(plan: Plan, record: Record, genome: Genome, samples: int, scratch: Path) -> int:
    mark = judge(record, plan.names, plan.pack, genome)
    if mark != LOCAL:
        return mark
    contig, code = plan.contig_of(record)
    alts = plain_alts(record)
    line = line_of(contig, record, alts) + b"."
    _skeleton(plan, Route(False, code), 0, scratch).add(contig, line + b"\n")
    genotypes = _carried(record, alts) if samples else None
    if genotypes is None:
        return LOCAL
    line = b"\t".join([line, b"GT", *genotypes])
    _skeleton(plan, Route(True, code), samples, scratch).add(contig, line + b"\n")
    return PHASED


def _skeleton(plan: Plan, route: Route, samples: int, scratch: Path) -> Skeleton:
    known = plan.skeletons.get(route)
    if known is None:
        kind = "phased" if route.phased else "local"
        path = scratch / f"csq-{kind}-{route.genetic_code}.vcf"
        known = plan.skeletons[route] = Skeleton(path, header_of(plan.pack, samples), route.phased)
    return known


# -- genotypes -------------------------------------------------------------------------------------


def phased_samples(source: Source, context: Context) -> int:
    """The number of samples where every genotype of the file is phased, else 0.

    Phased: at most diploid, separated by ``|``, or missing; at least one with ``|``. Stops at the
    first that is not, so for most files this reads one record.
    """
    samples = 0
    good: set[bytes] = set()
    for number, (_, record) in enumerate(source.records()):
        if number % CHECK_EVERY == 0:
            context.check_cancelled()
        found = set(_genotypes(record))
        new = found - good
        if not found or not all(_phased_genotype(each) for each in new):
            return 0
        good |= new
        count = record[8].count(b"\t")
        if count != (samples or count) or _highest(new) > record[4].count(b",") + 1:
            return 0
        samples = count
    return samples if any(b"|" in each for each in good) else 0


def _highest(genotypes: set[bytes]) -> int:
    return max((int(n) for each in genotypes for n in _allele.findall(each)), default=0)


def _genotypes(record: Record) -> Iterator[bytes]:
    """GT of every sample; none where FORMAT does not start with GT."""
    if len(record) > 8:
        layout, *samples = record[8].split(b"\t")
        if layout.partition(b":")[0] == b"GT":
            for sample in samples:
                yield sample.partition(b":")[0]


def _carried(record: Record, alts: list[bytes]) -> list[bytes] | None:
    """Genotypes by the numbers of ``alts``, the rest as reference; None: nobody carries one."""
    numbers = {b"0": b"0"}
    kept = iter(range(1, len(alts) + 1))
    for number, allele in enumerate(record[4].split(b","), 1):
        numbers[b"%d" % number] = b"%d" % next(kept) if allele in alts else b"0"
    genotypes = [
        _allele.sub(lambda match: numbers.get(match[0], b"0"), each) for each in _genotypes(record)
    ]
    return genotypes if any(each.strip(b"0|./") for each in genotypes) else None
