"""Is this file of the assembly that it is to be annotated with?

Annotating with another assembly's genes is silently wrong, so the check rests on evidence: what the
header says, the lengths of its contigs, positions beyond a contig's end, and above all how many REF
alleles differ from the reference. REF outweighs words: of a file of the right assembly nearly every
REF agrees, of any other one about three in four differ.

    check = BuildCheck(reference, header)
    for records in …: check.add(records)
    verdict = check.verdict()

Pure: the reference is a value with a function that gives bases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from gas.annotate import assemblies
from gas.annotate.contigs import ContigNames
from gas.annotate.validate.header import Header
from gas.annotate.validate.report import listed, show
from gas.errors import InputError

#: contig, start (0-based), end -> upper-case bases, fewer where the contig ends.
Bases = Callable[[str, int, int], bytes]

#: REF alleles compared: all of a contig's first 127, then 32 for each doubling.
_ALL = 128
_EACH_DOUBLING = 32
_MOST = 5_000
_LONGEST_REF = 50
#: So many compared REF alleles say something on their own.
_ENOUGH = 10
#: So many outside of the mitochondrion may end a run before its end.
_EARLY = 50
_AGREES = 0.05
_DIFFERS = 0.20
_CONTIGS = 10_000


@dataclass(frozen=True)
class Reference:
    """What the check asks of a reference. ``contigs``: name -> length in bases."""

    name: str
    assembly: str
    contigs: Mapping[str, int]
    bases: Bases

    @property
    def build(self) -> str | None:
        """The known assembly that this is of."""
        return assemblies.named(self.assembly) or assemblies.named(self.name)


class Contigs(ContigNames):
    """The names that the contigs of a reference go by."""

    def __init__(self, reference: Reference) -> None:
        super().__init__(reference.contigs, reference.build)


@dataclass(frozen=True)
class Verdict:
    """What the check found. ``sentence`` is empty where the file fits."""

    fits: bool
    sentence: str = ""
    hint: str = ""
    #: The assembly that the file is of, where it is known.
    build: str | None = None
    compared: int = 0
    differing: int = 0
    #: The file's contigs that the reference lacks -> records, which pass unannotated.
    unknown: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    #: No contig of the file is in the reference.
    nothing_common: bool = False

    def as_dict(self) -> dict[str, object]:
        """For machines."""
        return {
            "fits": self.fits,
            "sentence": self.sentence,
            "build": self.build,
            "compared": self.compared,
            "differing": self.differing,
            "unknown_contigs": dict(self.unknown),
            "warnings": list(self.warnings),
        }

    def refusal(self) -> InputError | None:
        """The error that ends a job, or None."""
        return None if self.fits else InputError(self.sentence, hint=self.hint)


class BuildCheck:
    """Gathers evidence from a file's header and records; ``others``: references on offer."""

    def __init__(self, reference: Reference, header: Header, others: Sequence[str] = ()) -> None:
        self.contigs = Contigs(reference)
        self._reference = reference
        self._header = header
        self._others = others
        self._records: Counter[bytes] = Counter()
        self._compared = 0
        self._differing = 0
        self._beyond = 0
        #: Compared and differing outside of the mitochondrion.
        self._early = [0, 0]

    def add(self, records: Sequence[Sequence[bytes]]) -> None:
        """Take in some records (CHROM, POS, ID, REF, …); malformed ones say nothing."""
        if len(set(map(itemgetter(0), records))) == 1 and records[0][0] in self._records:
            self._add_run(records[0][0], records)
            return
        for contig, run in groupby(records, itemgetter(0)):
            if contig in self._records or len(self._records) < _CONTIGS:
                self._add_run(contig, list(run))

    def _add_run(self, contig: bytes, run: Sequence[Sequence[bytes]]) -> None:
        before = self._records[contig]
        after = self._records[contig] = before + len(run)
        nth = before
        while (nth := _next_chosen(nth)) <= after and self._compared < _MOST:
            record = run[nth - before - 1]
            if len(record) > 3:
                self._compare(contig, record[1], record[3])

    def _compare(self, contig: bytes, pos_text: bytes, ref: bytes) -> None:
        name = self.contigs.get(contig)
        if name is None or not pos_text.isdigit() or len(pos_text) > 10:
            return
        start0 = int(pos_text) - 1
        ref = ref[:_LONGEST_REF].upper()
        if start0 < 0 or not ref or not ref.isalpha():
            return
        if start0 + len(ref) > self._reference.contigs[name]:
            self._beyond += start0 > self._reference.contigs[name]
            return
        bases = self._reference.bases(name, start0, start0 + len(ref)).upper()
        if len(bases) == len(ref) and b"N" not in bases and b"N" not in ref:
            self._compared += 1
            self._differing += bases != ref
            if assemblies.chromosome(name) != assemblies.MT:
                self._early[0] += 1
                self._early[1] += bases != ref

    def early(self) -> InputError | None:
        """The refusal, where the records so far leave no doubt: more than half of at least
        fifty REF bases differ, the mitochondrion's not counted, of which there are two."""
        compared, differing = self._early
        if compared < _EARLY or 2 * differing <= compared:
            return None
        return self.verdict().refusal()

    def verdict(self) -> Verdict:
        """What the evidence so far says."""
        unknown = {
            show(name, 40): n for name, n in self._records.items() if self.contigs.get(name) is None
        }
        if self._records and len(unknown) == len(self._records):
            return self._nothing_common(unknown)
        build, why = self._stated()
        wanted = self._reference.build
        other = build is not None and wanted is not None and build != wanted
        agrees = self._compared >= _ENOUGH and self._differing <= _AGREES * self._compared
        differs = self._differing >= 3 and self._differing > _DIFFERS * self._compared
        beyond = self._beyond >= 3 and not agrees
        conflict = self._length_conflict()
        if differs or beyond or ((other or conflict) and not agrees):
            return self._refused(build if other else None, why, conflict, unknown)
        return Verdict(
            True,
            build=build or (wanted if agrees else None),
            compared=self._compared,
            differing=self._differing,
            unknown=unknown,
            warnings=tuple(self._warnings(other, why, unknown)),
        )

    def _stated(self) -> tuple[str | None, str]:
        """The assembly that header and names speak for, and what says so."""
        lengths = {
            chromosome: length
            for name, length in self._header.contigs.items()
            if length and (chromosome := assemblies.chromosome(name.decode("utf-8", "replace")))
        }
        fitting = assemblies.by_lengths(lengths)
        if len(fitting) == 1:
            return fitting.pop(), "the lengths of its contigs"
        for name in (*self._records, *self._header.contigs):
            build = assemblies.accession_build(name.decode("utf-8", "replace"))
            if build is not None:
                return build, f"its contig {show(name, 30)}"
        for meta in self._header.metas:
            if meta.key not in (b"reference", b"assembly", b"contig", b"source"):
                continue
            text = meta.get(b"assembly") if meta.key == b"contig" else meta.value.strip()
            build = assemblies.named((text or b"").decode("utf-8", "replace"))
            if build is not None:
                return build, f"its header says {show(meta.key)}={show(text or b'', 40)}"
        return None, ""

    def _length_conflict(self) -> str:
        """Where every contig in common that has a length has another one: which, in words."""
        pairs = [
            (name, length, self._reference.contigs[known])
            for name, length in self._header.contigs.items()
            if length and (known := self.contigs.get(name)) is not None
        ]
        if not pairs or any(ours == theirs for _, theirs, ours in pairs):
            return ""
        name, theirs, ours = pairs[0]
        return f"its contig {show(name, 30)} has {theirs:,} bases, the reference's {ours:,}"

    def _nothing_common(self, unknown: Mapping[str, int]) -> Verdict:
        build, why = self._stated()
        of = f" It is of {build} ({why})." if build and build != self._reference.build else ""
        return Verdict(
            False,
            f"No contig in common: the file has {_some(unknown)}; the reference "
            f"{self._reference.name} ({self._title()}) has {_some(self._reference.contigs)}.{of}",
            self._offer(),
            build,
            unknown=unknown,
            nothing_common=True,
        )

    def _refused(
        self, build: str | None, why: str, conflict: str, unknown: Mapping[str, int]
    ) -> Verdict:
        seen = []
        if self._compared:
            seen.append(f"{self._differing} of {self._compared} REF bases differ")
        if self._beyond:
            seen.append(f"{self._beyond} positions lie beyond the end of their contig")
        if conflict:
            seen.append(conflict)
        of = f"of {build} ({why}), " if build else ""
        sentence = f"This file is {of}not {self._title()}"
        return Verdict(
            False,
            sentence + (f": {'; '.join(seen)}." if seen else "."),
            self._offer(),
            build,
            self._compared,
            self._differing,
            unknown,
        )

    def _warnings(self, other: bool, why: str, unknown: Mapping[str, int]) -> Iterable[str]:
        if other:
            yield (
                f"The file seems to be of another assembly ({why}), yet "
                f"{self._compared - self._differing} of {self._compared} REF bases agree with "
                f"{self._title()}."
            )
        if not self._compared and self._records:
            yield f"No REF base could be compared with {self._title()}."
        elif self._differing > _AGREES * self._compared:
            yield f"{self._differing} of {self._compared} REF bases differ from {self._title()}."
        if unknown:
            n = sum(unknown.values())
            yield f"{n:,} records are on contigs that {self._title()} lacks: {_some(unknown)}."

    def _title(self) -> str:
        return self._reference.build or self._reference.assembly or self._reference.name

    def _offer(self) -> str:
        if not self._others:
            return ""
        return (
            f"Choose the reference of the file's own assembly; on offer: {', '.join(self._others)}."
        )


def _some(names: Iterable[str]) -> str:
    every = list(names)
    rest = f" and {len(every) - 5} more" if len(every) > 5 else ""
    return listed(name.encode() for name in every) + rest


def _next_chosen(nth: int) -> int:
    """The number of the next record of a contig that is compared, after the ``nth``."""
    nth += 1
    if nth < _ALL:
        return nth
    step = 1 << (nth.bit_length() - _EACH_DOUBLING.bit_length())
    return -(-nth // step) * step
