"""The CSQ entry: its columns, its rows, and which rows are kept.

Columns, their names and their order are those of Ensembl VEP 115 (``--vcf`` with ``--hgvs
--symbol --biotype --numbers --canonical --mane --tsl --appris --ccds``). One row per allele and
transcript; rows of one transcript stand together, alleles in the order of ALT. A record near no
transcript has one ``intergenic_variant`` row per allele.

Choosing rows follows VEP's ``--pick``, ``--per_gene`` and ``--flag_pick`` with its default order:
MANE Select, MANE Plus Clinical, canonical, APPRIS, transcript support level, protein coding
biotype, CCDS, severity of the consequence, length of the protein or else of the transcript.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gas.annotate import terms
from gas.annotate.effects import Effect
from gas.annotate.transcript import Labels, Transcript
from gas.errors import EngineError

KEY = "CSQ"
DESCRIPTION = "Consequence annotations in the layout of Ensembl VEP"
COLUMNS = (
    "Allele", "Consequence", "IMPACT", "SYMBOL", "Gene", "Feature_type", "Feature", "BIOTYPE",
    "EXON", "INTRON", "HGVSc", "HGVSp", "cDNA_position", "CDS_position", "Protein_position",
    "Amino_acids", "Codons", "Existing_variation", "DISTANCE", "STRAND", "FLAGS", "SYMBOL_SOURCE",
    "HGNC_ID", "CANONICAL", "MANE_SELECT", "MANE_PLUS_CLINICAL", "TSL", "APPRIS", "CCDS",
    "HGVS_OFFSET",
)  # fmt: skip
PICK_COLUMN = "PICK"
#: Where VEP puts PICK: behind FLAGS.
_PICK_AT = COLUMNS.index("FLAGS") + 1
PICK_MODES = ("all", "pick", "per-gene", "flag-pick")

_KNOWN_AT = COLUMNS.index("Existing_variation")


def intergenic(mark: str = "") -> str:
    """The row of a record near no transcript, as ``row`` gives it."""
    before = "|" * (_KNOWN_AT - 2)
    return f"intergenic_variant|MODIFIER{before}{mark}{'|' * (len(COLUMNS) - 1 - _KNOWN_AT)}"


INTERGENIC = intergenic()


def order_terms(found: Iterable[str]) -> str:
    """Terms as VEP writes them: most severe first, joined by ``&``."""
    return "&".join(sorted(found, key=terms.rank))


def head(found: Iterable[str]) -> str:
    """``Consequence|IMPACT|`` of a row."""
    return _head(frozenset(found))


@lru_cache(maxsize=4096)
def _head(found: frozenset[str]) -> str:
    text = order_terms(found)
    return f"{text}|{terms.impact(text.split('&')[0])}|"


def names_part(labels: Labels) -> str:
    """``SYMBOL|Gene|Feature_type|Feature|BIOTYPE|`` of a row."""
    return f"{labels.symbol}|{labels.gene}|Transcript|{labels.feature}|{labels.biotype}|"


def tail_part(tx: Transcript) -> str:
    """``|STRAND|FLAGS| ... |CCDS|`` of a row; HGVS_OFFSET follows."""
    own = tx.labels
    return (
        f"|{tx.strand}|{own.flags}|{own.symbol_source}|{own.hgnc_id}|{own.canonical}"
        f"|{own.mane_select}|{own.mane_plus_clinical}|{own.tsl}|{own.appris}|{own.ccds}|"
    )


def row(tx: Transcript, effect: Effect, mark: str = "") -> str:
    """A row without its first column, the allele; ``mark`` stands where ids are to come."""
    return (
        f"{head(effect.terms)}{names_part(tx.labels)}{effect.exon}|{effect.intron}"
        f"|{effect.hgvsc}|{effect.hgvsp}|{effect.cdna}|{effect.cds}|{effect.protein}"
        f"|{effect.amino_acids}|{effect.codons}|{mark}|{effect.distance}{tail_part(tx)}{effect.offset}"
    )


# -- choosing rows and columns --------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One row on its way out: ``text`` has no allele yet; ``tx`` None: intergenic."""

    allele: str
    text: str
    tx: Transcript | None


@dataclass(frozen=True)
class Options:
    """What to write. ``fields``: columns and their order; empty: all. ``pick``: PICK_MODES.
    ``distance``: reach of up- and downstream, in bases. ``fill_id``: whether identifiers that an
    allele source has go into the ID column too."""

    fields: tuple[str, ...] = ()
    pick: str = "all"
    distance: int = 5000
    fill_id: bool = False

    def __post_init__(self) -> None:
        """Raises EngineError for an option that makes no sense."""
        if self.pick not in PICK_MODES:
            raise EngineError(
                f'There is no way "{self.pick}" to pick rows.',
                hint=f"Choose one of {', '.join(PICK_MODES)}.",
            )
        unknown = [name for name in self.fields if name not in self.all_columns]
        if unknown:
            raise EngineError(
                f"There is no column {', '.join(unknown)}.",
                hint=f"Columns: {', '.join(self.all_columns)}.",
            )
        if self.distance < 0:
            raise EngineError("The distance is negative.", hint="Give it in bases, 0 or more.")

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Every column that these options can write."""
        if self.pick != "flag-pick":
            return COLUMNS
        return (*COLUMNS[:_PICK_AT], PICK_COLUMN, *COLUMNS[_PICK_AT:])

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row."""
        return self.fields or self.all_columns

    @property
    def plain(self) -> bool:
        """True where every row is kept whole: the fast way."""
        return not self.fields and self.pick == "all"


def write_rows(rows: Sequence[Row], options: Options) -> str:
    """The value of the entry."""
    if options.pick in ("pick", "per-gene"):
        rows = pick_rows(rows, per_gene=options.pick == "per-gene")
    picked = {id(r) for r in pick_rows(rows, per_gene=False)} if options.pick == "flag-pick" else ()
    project = projection(options)
    return ",".join(
        [project(f"{r.allele}|{r.text}", id(r) in picked) for r in rows],
    )


def projection(options: Options) -> Callable[[str, bool], str]:
    """From a full row, and whether it was picked, to the columns asked for."""
    if options.pick != "flag-pick" and not options.fields:
        return lambda text, picked: text
    at = [options.all_columns.index(name) for name in options.columns]

    def project(text: str, picked: bool) -> str:
        cells = text.split("|")
        if options.pick == "flag-pick":
            cells.insert(_PICK_AT, "1" if picked else "")
        return "|".join([cells[i] for i in at])

    return project


def pick_rows(rows: Sequence[Row], *, per_gene: bool) -> list[Row]:
    """The best row, or the best of each gene, in the order they had."""
    if not per_gene:
        return [min(rows, key=_preference)] if rows else []
    best: dict[str, Row] = {}
    for candidate in rows:
        gene = candidate.tx.labels.gene if candidate.tx is not None else ""
        kept = best.get(gene)
        if kept is None or _preference(candidate) < _preference(kept):
            best[gene] = candidate
    return [r for r in rows if any(r is b for b in best.values())]


def _preference(candidate: Row) -> tuple[int, ...]:
    """VEP's pick order; the smaller the better."""
    worst = min(terms.rank(t) for t in candidate.text.split("|", 1)[0].split("&"))
    tx = candidate.tx
    if tx is None:
        return (1, 1, 1, 100, 100, 1, 1, worst, 0)
    own = tx.labels
    length = len(tx.coding) // 3 if tx.cds else tx.cdna_length
    return (
        int(not own.mane_select),
        int(not own.mane_plus_clinical),
        int(not own.canonical),
        _appris(own.appris),
        int(own.tsl) if own.tsl.isdigit() else 100,
        int(own.biotype != "protein_coding"),
        int(not own.ccds),
        worst,
        -length,
    )


def _appris(level: str) -> int:
    if not level:
        return 100
    return int(level[1:]) + (0 if level[0] == "P" else 10)
