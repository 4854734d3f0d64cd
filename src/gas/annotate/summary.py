"""What a run found, in numbers. Built slice by slice, in any process, then merged.

Most records of a file look alike: so each record costs one regular expression that lifts the
consequences and genes out of its annotation, and one dictionary lookup; what these mean is worked
out once per distinct combination.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from gas.annotate import terms
from gas.annotate.alleles import is_transition, variant_class
from gas.annotate.contigs import ContigNames
from gas.annotate.engines import InfoField, Record
from gas.annotate.fit import REF_MISMATCH, why_not

_EXAMPLES = 3
_TOP_GENES = 10
_HIGH, _MODERATE = terms.IMPACTS.index(terms.HIGH), terms.IMPACTS.index(terms.MODERATE)
#: Rank of no term.
_NO_RANK = len(terms.RANK) + 1
#: So many distinct annotations, and rows, are remembered.
_MEMORY = 1 << 16

#: Name of a column in either engine's layout, by what it says.
_CONSEQUENCE = ("Consequence",)
_GENE = ("SYMBOL", "gene")
_BIOTYPE = ("BIOTYPE", "biotype")
_TRANSCRIPT = ("Feature", "transcript")
#: The first that a row fills is shown.
_CHANGE = ("HGVSp", "amino_acid_change", "HGVSc", "dna_change")

_CONTIG, _REF, _ALT = itemgetter(0), itemgetter(3), itemgetter(4)

#: Of each row of one record's annotation, the columns from the consequence to the gene, and the
#: biotype.
Heads = tuple[bytes, ...]


class _Meaning(NamedTuple):
    """What the annotation of one record says."""

    rank: int
    most_severe: str
    impact: str
    #: Gene of the first row that has the most severe term.
    gene: str
    #: Genes whose worst impact is HIGH, and those where it is MODERATE.
    high: tuple[str, ...]
    moderate: tuple[str, ...]
    #: Each once.
    biotypes: tuple[str, ...]


class _Row(NamedTuple):
    """What the head of one row says; of several, the least is the most severe."""

    rank: int
    most_severe: str
    #: Index into ``terms.IMPACTS``, the worst.
    impact: int
    gene: str
    biotype: str
    terms: tuple[str, ...]


class Layout:
    """Where in an engine's ``|``-separated columns the summary finds what; any may be missing."""

    def __init__(self, info: InfoField) -> None:
        self.prefix = info.key.encode() + b"="
        columns = info.columns
        self.consequence = _index(columns, _CONSEQUENCE)
        self.gene = _index(columns, _GENE)
        self.transcript = _index(columns, _TRANSCRIPT)
        self.changes = [columns.index(name) for name in _CHANGE if name in columns]
        # A row's head: its columns from the consequence to the gene, whichever comes first, and
        # the biotype where it comes after both.
        known = [i for i in (self.consequence, self.gene) if i is not None]
        first, last = min(known, default=0), max(known, default=0)
        self._first = first
        biotype = _index(columns, _BIOTYPE)
        self._has_biotype = biotype is not None and biotype > last
        skip = rb"(?:[^|,]*\|){%d}" % first
        find = rb"," + skip + rb"((?:[^|,]*\|){%d}[^|,;]*)" % (last - first)
        if biotype is not None and self._has_biotype:
            find += rb"\|(?:[^|,]*\|){%d}([^|,;]*)" % (biotype - last - 1)
        self._find = re.compile(find).findall
        self._known: dict[Heads, _Meaning] = {}
        #: Rows repeat far more often than whole records do.
        self._rows: dict[bytes, _Row] = {}

    def heads(self, entries: Sequence[bytes]) -> list[Heads | None]:
        """The heads of each entry; None where the engine says nothing of the record."""
        prefix, skip, find = self.prefix, len(self.prefix), self._find
        join = b"|".join if self._has_biotype else bytes
        return [
            tuple(map(join, find(b"," + entry[skip:])))
            if entry.startswith(prefix)
            else self._later_heads(entry)
            for entry in entries
        ]

    def _later_heads(self, entry: bytes) -> Heads | None:
        value = self.value(entry)
        join = b"|".join if self._has_biotype else bytes
        return None if value is None else tuple(map(join, self._find(b"," + value)))

    def value(self, entry: bytes) -> bytes | None:
        """The engine's value within what it adds to INFO; None: it says nothing of the record."""
        for part in entry.split(b";"):
            if part.startswith(self.prefix):
                return part[len(self.prefix) :]
        return None

    def terms(self, head: bytes) -> tuple[str, ...]:
        """The terms of one row."""
        return self._row(head).terms

    def meaning(self, heads: Heads) -> _Meaning:
        known = self._known.get(heads)
        if known is None:
            if len(self._known) >= _MEMORY:
                self._known.clear()
            known = self._known[heads] = self._read(heads)
        return known

    def _read(self, heads: Heads) -> _Meaning:
        known = self._rows.get
        rows = [known(head) or self._row(head) for head in dict.fromkeys(heads)]
        if not rows:
            return _Meaning(_NO_RANK, "", "", "", (), (), ())
        worst = min(rows)
        most_severe = worst.most_severe
        gene = ""
        for row in rows:
            if most_severe in row.terms:
                gene = row.gene
                break
        impact = min([row.impact for row in rows])
        high: tuple[str, ...] = ()
        moderate: tuple[str, ...] = ()
        if impact <= _MODERATE:
            high = _genes(rows, _HIGH)
            moderate = tuple([g for g in _genes(rows, _MODERATE) if g not in high])
        shown = terms.IMPACTS[impact] if impact < len(terms.IMPACTS) else ""
        biotypes = tuple({row.biotype: None for row in rows if row.biotype})
        return _Meaning(worst.rank, most_severe, shown, gene, high, moderate, biotypes)

    def _row(self, head: bytes) -> _Row:
        found = self._rows.get(head)
        if found is None:
            if len(self._rows) >= _MEMORY:
                self._rows.clear()
            columns = [""] * self._first + head.decode("utf-8", "replace").split("|")
            rank, most_severe, impact, found_terms = _read_terms(at(columns, self.consequence))
            gene = at(columns, self.gene)
            biotype = columns[-1] if self._has_biotype else ""
            found = _Row(rank, most_severe, impact, gene, biotype, found_terms)
            self._rows[head] = found
        return found

    def row(self, value: bytes, term: str) -> list[str]:
        """The columns of the first row that has ``term``."""
        for text in value.decode("utf-8", "replace").split(","):
            row = text.split("|")
            if term in split_terms(at(row, self.consequence)):
                return row
        return []


def _genes(rows: Iterable[_Row], impact: int) -> tuple[str, ...]:
    """The genes of the rows with this impact, each once."""
    return tuple({row.gene: None for row in rows if row.impact == impact and row.gene})


def at(columns: Sequence[str], index: int | None) -> str:
    """The column at ``index``; empty where there is none."""
    return columns[index] if index is not None and index < len(columns) else ""


def split_terms(text: str) -> list[str]:
    """Terms of a Consequence column in the Sequence Ontology's spelling. A leading ``*`` (bcftools:
    downstream of a stop on the same haplotype) is no part of a term."""
    return [terms.canonical(term) for term in text.lstrip("*").split("&") if term]


@lru_cache(maxsize=4096)
def _read_terms(text: str) -> tuple[int, str, int, tuple[str, ...]]:
    """Rank and name of a column's most severe term, the worst impact, and the terms."""
    found = tuple(split_terms(text))
    most_severe = min(found, key=terms.rank, default="")
    return (
        terms.rank(most_severe) if found else _NO_RANK,
        most_severe,
        min([terms.IMPACTS.index(terms.impact(t)) for t in found], default=len(terms.IMPACTS)),
        found,
    )


class Example(NamedTuple):
    """One finding; ordered by severity, then by place in the file."""

    rank: int
    line: int
    variant: str
    gene: str
    consequence: str
    impact: str
    transcript: str
    change: str


@dataclass
class Summary:
    """Counts over records, alleles and annotation rows; ``to_json`` says what each one counts."""

    records: int = 0
    alleles: int = 0
    annotated: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    consequences: Counter[str] = field(default_factory=Counter)
    most_severe: Counter[str] = field(default_factory=Counter)
    impacts: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    chromosomes: Counter[str] = field(default_factory=Counter)
    biotypes: Counter[str] = field(default_factory=Counter)
    #: ``known`` and ``novel``; empty where the reference has no allele source to ask.
    seen: Counter[str] = field(default_factory=Counter)
    transitions: int = 0
    transversions: int = 0
    high: Counter[str] = field(default_factory=Counter)
    moderate: Counter[str] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)

    def merge(self, other: Summary) -> None:
        """Add what another part of the same file gave; parts may come in any order."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        self.examples = _best(self.examples + other.examples)

    def to_plain(self) -> dict[str, Any]:
        """All of it as plain values, for another process; ``from_plain`` reads it."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in (*_NUMBERS, *_COUNTERS)}
        return plain | {"examples": [list(example) for example in self.examples]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Summary:
        values: dict[str, Any] = {name: plain[name] for name in _NUMBERS}
        values |= {name: Counter(plain[name]) for name in _COUNTERS}
        values["examples"] = [Example(*example) for example in plain["examples"]]
        return cls(**values)

    @property
    def titv(self) -> float | None:
        """Transitions per transversion; None where there is no transversion."""
        return round(self.transitions / self.transversions, 3) if self.transversions else None

    def to_json(self) -> dict[str, object]:
        """Plain values in a stable order.

        ``consequences.all`` counts annotation rows (allele x transcript), everything else under
        ``consequences`` and ``impact`` counts records once, by their most severe term. ``skipped``
        counts records that no engine could annotate, by reason (``gas.annotate.fit.REASONS``);
        ``unaffected`` those that the engine had nothing to say of. ``biotypes`` counts records
        once for each biotype of the transcripts in their rows. ``genes`` counts records that
        touch the gene with HIGH or MODERATE impact. ``known`` counts annotated records with an ALT
        allele that an allele source of the reference (dbSNP, ClinVar, gnomAD, any VCF; with the
        engine vep its cache) lists, ``novel`` the other annotated ones; both are null where there
        is none to ask.
        """
        rank = terms.rank
        return {
            "records": self.records,
            "alleles": self.alleles,
            "annotated": self.annotated,
            "unaffected": self.records - self.annotated - self.skipped.total(),
            "skipped": dict(sorted(self.skipped.items())),
            "consequences": {
                "most_severe": _by(self.most_severe, rank),
                "all": _by(self.consequences, rank),
            },
            "impact": {name: self.impacts[name] for name in terms.IMPACTS},
            "biotypes": _by(self.biotypes, lambda name: -self.biotypes[name]),
            "known": self.seen["known"] if self.seen else None,
            "novel": self.seen["novel"] if self.seen else None,
            "classes": dict(sorted(self.classes.items())),
            "chromosomes": dict(self.chromosomes),
            "titv": {
                "transitions": self.transitions,
                "transversions": self.transversions,
                "ratio": self.titv,
            },
            "genes": [
                {"gene": gene, "high": self.high[gene], "moderate": self.moderate[gene]}
                for gene in self._top_genes()
            ],
            "examples": [
                {key: value for key, value in example._asdict().items() if key != "rank"}
                for example in self.examples
            ],
        }

    def _top_genes(self) -> list[str]:
        genes = {*self.high, *self.moderate}
        return sorted(genes, key=lambda g: (-self.high[g], -self.moderate[g], g))[:_TOP_GENES]


_NUMBERS = ("records", "alleles", "annotated", "transitions", "transversions")
_COUNTERS = (
    "skipped",
    "consequences",
    "most_severe",
    "impacts",
    "classes",
    "chromosomes",
    "biotypes",
    "seen",
    "high",
    "moderate",
)


class Tally:
    """Counts slices of one engine's output."""

    def __init__(
        self, info: InfoField, lengths: Mapping[str, int], names: ContigNames | None = None
    ) -> None:
        """``lengths``: the reference's contigs in bases; ``names``: what else they are called."""
        self._layout = Layout(info)
        self._names = names or ContigNames(lengths)
        self._lengths = lengths

    def count(
        self,
        first_line: int,
        records: Sequence[Record],
        entries: Sequence[bytes],
        heads: Sequence[Heads | None] | None = None,
        known: Collection[int] | None = None,
    ) -> Summary:
        """The summary of one slice. Call it before the records are changed.

        ``heads``: where the engine knows them (``engines.TallyingSession``); ``known``: places of
        records that a source knows (``engines.KnowingSession``)."""
        if heads is None:
            heads = self._layout.heads(entries)
        summary = Summary(records=len(records))
        if known is not None:
            annotated = len(heads) - heads.count(None)
            seen = sum(heads[i] is not None for i in known)
            summary.seen.update(known=seen, novel=annotated - seen)
        counted = Counter(heads)
        if counted.pop(None, 0):
            for i, head in enumerate(heads):
                if head is None:
                    self._count_skipped(summary, records[i], entries[i])
        signatures: dict[Heads, int] = counted  # type: ignore[assignment]
        self._count_meanings(summary, signatures)
        self._pick_examples(summary, list(signatures), heads, first_line, records, entries)
        contigs: Mapping[bytes, int] = dict.fromkeys(map(_CONTIG, records), len(records))
        if len(contigs) > 1:
            contigs = Counter(map(_CONTIG, records))
        for contig, count in contigs.items():
            summary.chromosomes[_printable(contig)] += count
        alleles = Counter(zip(map(_REF, records), map(_ALT, records), strict=True))
        for (ref, alt), count in alleles.items():
            _count_alleles(summary, ref, alt, count)
        return summary

    def _count_meanings(self, summary: Summary, signatures: Mapping[Heads, int]) -> None:
        meaning = self._layout.meaning
        rows = Counter(chain.from_iterable(signatures))
        for signature, count in signatures.items():
            if count > 1:
                for head in signature:
                    rows[head] += count - 1
            found = meaning(signature)
            summary.annotated += count
            if found.most_severe:
                summary.most_severe[found.most_severe] += count
                summary.impacts[found.impact] += count
            for biotype in found.biotypes:
                summary.biotypes[biotype] += count
            for gene in found.high:
                summary.high[gene] += count
            for gene in found.moderate:
                summary.moderate[gene] += count
        for head, count in rows.items():
            for term in self._layout.terms(head):
                summary.consequences[term] += count

    def _pick_examples(
        self,
        summary: Summary,
        signatures: list[Heads],
        heads: Sequence[Heads | None],
        first_line: int,
        records: Sequence[Record],
        entries: Sequence[bytes],
    ) -> None:
        """``signatures``: the distinct ones in the order in which they first came. The first of a
        kind will do; the like of it further down is no better example."""
        meaning = self._layout.meaning
        genes = set()
        for signature in sorted(filter(None, signatures), key=lambda s: meaning(s).rank):
            if len(summary.examples) == _EXAMPLES:
                break
            gene = meaning(signature).gene
            if gene not in genes:
                genes.add(gene)
                i = heads.index(signature)
                example = self._example(first_line + i, records[i], entries[i], signature)
                summary.examples = _best([*summary.examples, example])

    def _count_skipped(self, summary: Summary, record: Record, entry: bytes) -> None:
        if entry == REF_MISMATCH:
            summary.skipped["ref-mismatch"] += 1
            return
        reason = why_not(record, self._names, self._lengths)
        if reason is not None:
            summary.skipped[reason] += 1

    def _example(self, line: int, record: Record, entry: bytes, heads: Heads) -> Example:
        term = self._layout.meaning(heads).most_severe
        row = self._layout.row(self._layout.value(entry) or b"", term)
        ref, alt = _short(record[3]), _short(record[4])
        changes = [at(row, i) for i in self._layout.changes]
        change = next(filter(None, changes), "")
        return Example(
            rank=terms.rank(term),
            line=line,
            variant=f"{_short(record[0])}:{int(record[1])} {ref}>{alt}",
            gene=at(row, self._layout.gene),
            consequence=term,
            impact=terms.impact(term),
            transcript=at(row, self._layout.transcript),
            change=change if len(change) <= 40 else f"{change[:37]}...",
        )


def _count_alleles(summary: Summary, ref: bytes, alts: bytes, count: int) -> None:
    if alts == b".":
        return
    for alt in alts.split(b","):
        kind = variant_class(ref, alt)
        summary.alleles += count
        summary.classes[kind] += count
        transition = is_transition(ref, alt) if kind == "SNV" else None
        if transition is not None:
            if transition:
                summary.transitions += count
            else:
                summary.transversions += count


def _best(examples: list[Example]) -> list[Example]:
    """The most severe ones, of distinct genes as far as possible to the top."""
    best: dict[str, Example] = {}
    for example in sorted(examples):
        best.setdefault(example.gene, example)
    return list(best.values())[:_EXAMPLES]


def _printable(text: bytes) -> str:
    return "".join(c if c.isprintable() else "?" for c in text.decode("utf-8", "replace"))


def _short(text: bytes) -> str:
    shown = _printable(text)
    return shown if len(shown) <= 24 else f"{shown[:21]}..."


def _by(counts: Counter[str], rank: Callable[[str], int]) -> dict[str, int]:
    return {term: counts[term] for term in sorted(counts, key=lambda t: (rank(t), t))}


def _index(columns: Sequence[str], names: Sequence[str]) -> int | None:
    return next((columns.index(name) for name in names if name in columns), None)
