"""How well the engine agrees with Ensembl VEP: column by column, class by class.

    python -m bench.concordance PACK TRUTH.vcf.gz [--samples N] [--json]

TRUTH is a VCF that Ensembl VEP annotated (``--vcf --gff --hgvs --symbol --biotype``) with the gene
models of PACK. Rows are matched by allele and transcript. Two figures count rows: how many of VEP's
the engine has, which a bar is on, and how many of the engine's VEP has. A column counts where
either side fills it. The exit code is 1 where a bar is missed.

What differs is sorted into classes, each with a word on who is right (``verdicts.py``).
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.referee import Referee
from bench.verdicts import Case, Row, classify, classify_row
from gas.annotate.engines import Context, Record, Source
from gas.annotate.engines.gas import GasEngine
from gas.annotate.pack import Pack

#: Least agreement, in percent, by group of rows and column.
BARS = {
    ("all", "VEP's rows"): 99.9,
    ("all", "Consequence"): 99.9,
    ("coding/splice SNV", "Consequence"): 99.9,
    ("coding/splice indel", "Consequence"): 99.0,
    ("all", "HGVSc"): 99.5,
    ("all", "HGVSp"): 99.0,
    ("all", "cDNA_position"): 99.5,
    ("all", "CDS_position"): 99.5,
    ("all", "Protein_position"): 99.5,
    ("all", "Codons"): 99.5,
    ("all", "Amino_acids"): 99.5,
}
COLUMNS = (
    "Consequence", "IMPACT", "SYMBOL", "Gene", "Feature_type", "BIOTYPE", "EXON", "INTRON",
    "HGVSc", "HGVSp", "cDNA_position", "CDS_position", "Protein_position", "Amino_acids",
    "Codons", "DISTANCE", "STRAND", "FLAGS", "HGVS_OFFSET",
)  # fmt: skip
#: Rows of VEP that the engine has, and rows of the engine that VEP has.
ROWS = ("VEP's rows", "GAS's rows")
_SLICE = 4096
#: A row is coding or splice where VEP gives it one of these.
_CODING = ("splice", "missense", "synonymous", "frameshift", "inframe", "stop_", "start_")
_CODING += ("protein_altering", "coding_sequence", "incomplete_terminal")


@dataclass
class Tally:
    """Rows compared and rows equal, by (group, column); samples of what differs, by class."""

    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    same: Counter[tuple[str, str]] = field(default_factory=Counter)
    classes: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def percent(self, key: tuple[str, str]) -> float:
        return 100.0 * self.same[key] / self.seen[key] if self.seen[key] else 100.0


class _NoSource:
    """The engine does not read ahead."""

    def records(self) -> Iterator[tuple[int, Record]]:
        return iter(())


def compare(pack: Pack, truth: Path) -> Tally:
    """Annotate the records of ``truth`` anew and compare."""
    engine = GasEngine()
    columns, records = read_truth(truth)
    tally, referee = Tally(), Referee(pack)
    source: Source = _NoSource()
    with (
        TemporaryDirectory() as scratch,
        engine.open(source, pack, Context(Path(scratch))) as session,
    ):
        for at in range(0, len(records), _SLICE):
            part = records[at : at + _SLICE]
            entries = session.annotate(part)
            for record, entry in zip(part, entries, strict=True):
                _compare_record(tally, referee, record, columns, engine.info().columns, entry)
    return tally


def read_truth(path: Path) -> tuple[list[str], list[Record]]:
    """The columns of the truth's CSQ, and its records."""
    columns: list[str] = []
    records = []
    with gzip.open(path, "rb") as lines:
        for line in lines:
            if line.startswith(b"##INFO=<ID=CSQ"):
                columns = line.decode().split("Format: ")[1].rstrip('">\r\n').split("|")
            elif not line.startswith(b"#"):
                records.append(line.rstrip(b"\r\n").split(b"\t", 8))
    if not columns:
        sys.exit(f"{path} has no CSQ of Ensembl VEP.")
    return columns, records


def rows_of(columns: list[str] | tuple[str, ...], text: str) -> dict[tuple[str, str], Row]:
    """The rows of one CSQ value by allele and transcript."""
    out: dict[tuple[str, str], Row] = {}
    for part in text.split(","):
        cells = dict(zip(columns, part.split("|"), strict=True))
        out[cells["Allele"], cells["Feature"]] = cells
    return out


def _compare_record(
    tally: Tally,
    referee: Referee,
    record: Record,
    theirs: list[str],
    ours: tuple[str, ...],
    entry: bytes,
) -> None:
    info = record[7].decode().split(";")
    value = next((part[4:] for part in info if part.startswith("CSQ=")), "")
    truth = rows_of(theirs, value) if value else {}
    mine = rows_of(ours, entry.decode().split(";")[0][4:]) if entry.startswith(b"CSQ=") else {}
    place = f"{record[0].decode()}:{record[1].decode()} {record[3].decode()}>{record[4].decode()}"
    for name, rows, others in zip(ROWS, (truth, mine), (mine, truth), strict=True):
        tally.seen["all", name] += len(rows)
        tally.same["all", name] += len(rows.keys() & others.keys())
    case = Case.of(referee, record)
    for key in {**truth, **mine}:
        if key in truth and key in mine:
            _compare_rows(tally, case, record, place, truth[key], mine[key])
        else:
            who, rows = ("GAS", mine) if key in mine else ("VEP", truth)
            name = classify_row(referee, who, rows[key], mine)
            tally.classes[f"{who}'s rows", name].append(f"{place} {key[1]}")


def _compare_rows(
    tally: Tally, case: Case, record: Record, place: str, truth: Row, mine: Row
) -> None:
    sizes = {len(allele) for allele in (record[3], *record[4].split(b","))}
    kind = "indel" if len(sizes) > 1 else ("SNV" if sizes == {1} else "MNV")
    groups = ["all", kind]
    if any(word in truth["Consequence"] for word in _CODING):
        groups.append(f"coding/splice {kind}")
    for column in COLUMNS:
        a, b = truth.get(column, ""), mine.get(column, "")
        if not a and not b:
            continue
        same = set(a.split("&")) == set(b.split("&")) if column == "Consequence" else a == b
        for group in groups:
            tally.seen[group, column] += 1
            tally.same[group, column] += same
        if not same:
            name = classify(column, truth, mine, case)
            tally.classes[column, name].append(
                f"{place} {truth['Feature']} VEP={a or '-'} GAS={b or '-'}"
            )


# -- printing -------------------------------------------------------------------------------------


def show(tally: Tally, samples: int) -> None:
    """The tables."""
    print(f"{'group':<20} {'column':<18} {'rows':>8} {'equal':>8} {'percent':>9} {'bar':>6}")
    for key in sorted(tally.seen, key=lambda k: (k[0], ((*ROWS, *COLUMNS).index(k[1])))):
        bar = BARS.get(key)
        mark = (
            "" if bar is None else f"{bar:6.1f} {'ok' if tally.percent(key) >= bar else 'MISSED'}"
        )
        print(
            f"{key[0]:<20} {key[1]:<18} {tally.seen[key]:>8} {tally.same[key]:>8} "
            f"{tally.percent(key):>9.3f} {mark}"
        )
    print("\nWhat differs")
    for (column, name), found in sorted(tally.classes.items()):
        print(f"  {column}: {len(found)} rows: {name}")
        for line in found[:samples]:
            print(f"      {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--samples", type=int, default=3, help="samples of each class")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    arguments = parser.parse_args()
    tally = compare(Pack.open(arguments.pack), arguments.truth)
    if arguments.json:
        print(json.dumps({f"{g}: {c}": tally.percent((g, c)) for g, c in sorted(tally.seen)}))
    else:
        show(tally, arguments.samples)
    missed = [key for key, bar in BARS.items() if tally.percent(key) < bar]
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
