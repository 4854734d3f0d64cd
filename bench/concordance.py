"""How well the engine agrees with Ensembl VEP: column by column, class by class.

    python bench/concordance.py PACK TRUTH.vcf.gz [--samples N] [--json]

TRUTH is a VCF that Ensembl VEP annotated (``--vcf --gff --hgvs --symbol --biotype``) with the gene
models of PACK. Rows are matched by allele and transcript. A column counts where either side fills
it. The exit code is 1 where a bar is missed.
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

from gas.annotate.engines import Context, Record, Source
from gas.annotate.engines.gas import GasEngine
from gas.annotate.pack import Pack

#: Least agreement, in percent, by group of rows and column.
BARS = {
    ("all", "rows"): 99.9,
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
_SLICE = 4096
#: A row is coding or splice where VEP gives it one of these.
_CODING = ("splice", "missense", "synonymous", "frameshift", "inframe", "stop_", "start_")
_CODING += ("protein_altering", "coding_sequence", "incomplete_terminal")

Row = dict[str, str]


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
    tally = Tally()
    source: Source = _NoSource()
    with (
        TemporaryDirectory() as scratch,
        engine.open(source, pack, Context(Path(scratch))) as session,
    ):
        for at in range(0, len(records), _SLICE):
            part = records[at : at + _SLICE]
            entries = session.annotate(part)
            for record, entry in zip(part, entries, strict=True):
                _compare_record(tally, record, columns, engine.info().columns, entry)
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
    tally: Tally, record: Record, theirs: list[str], ours: tuple[str, ...], entry: bytes
) -> None:
    info = record[7].decode().split(";")
    value = next((part[4:] for part in info if part.startswith("CSQ=")), "")
    truth = rows_of(theirs, value) if value else {}
    mine = rows_of(ours, entry.decode().split(";")[0][4:]) if entry.startswith(b"CSQ=") else {}
    place = f"{record[0].decode()}:{record[1].decode()} {record[3].decode()}>{record[4].decode()}"
    for key in {**truth, **mine}:
        tally.seen["all", "rows"] += 1
        if key in truth and key in mine:
            tally.same["all", "rows"] += 1
            _compare_rows(tally, record, place, truth[key], mine[key])
        else:
            tally.classes["rows", "ours only" if key in mine else "VEP only"].append(
                f"{place} {key[1]}"
            )


def _compare_rows(tally: Tally, record: Record, place: str, truth: Row, mine: Row) -> None:
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
            name = classify(column, truth, mine)
            tally.classes[column, name].append(
                f"{place} {truth['Feature']} VEP={a or '-'} GAS={b or '-'}"
            )


def classify(column: str, truth: Row, mine: Row) -> str:
    """What kind of difference this is, and who is right."""
    a, b = truth.get(column, ""), mine.get(column, "")
    if column == "HGVSp" and _before_distance(a) == _before_distance(b):
        return (
            "distance to the new stop: VEP reads the 3' UTR of GFF3 models wrongly (transcripts "
            "that share the stop and all that follows get different distances); GAS is right"
        )
    if "start_retained_variant" in truth["Consequence"] + mine["Consequence"]:
        return (
            "start kept or lost: VEP reads the 5' UTR of GFF3 models wrongly and edits another "
            "place; GAS is right"
        )
    if not a or not b:
        return "only VEP says something" if a else "only GAS says something"
    return "different: not explained"


def _before_distance(name: str) -> str:
    for word in ("fsTer", "extTer"):
        if word in name:
            return name.split(word)[0] + word
    return name


# -- printing -------------------------------------------------------------------------------------


def show(tally: Tally, samples: int) -> None:
    """The tables."""
    print(f"{'group':<20} {'column':<18} {'rows':>8} {'equal':>8} {'percent':>9} {'bar':>6}")
    for key in sorted(tally.seen, key=lambda k: (k[0], (("rows", *COLUMNS).index(k[1])))):
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
