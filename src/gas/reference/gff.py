"""GFF3 files into one file of gene models; each fault is named with its line.

Here a line is held against the genome only; what the features mean is the engines' to judge.
Format: Generic Feature Format Version 3, revision 1.26.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pysam

from gas.errors import PackError
from gas.reference.fasta import lines

_TRANSL_TABLE = re.compile(rb"(?:^|;)transl_table=(\d+)").search
_ENSEMBL = re.compile(rb"(?:^|;)ID=transcript:").search
_STRANDS = frozenset({b"+", b"-", b".", b"?"})
#: Without a phase (.) the engine tells the frame from the next part, or says what it assumes.
_PHASES = frozenset({b"0", b"1", b"2", b"."})
_LINE = re.compile(r"\bline (\d+)\b")
#: Lines before the first feature of the written file.
_HEAD_LINES = 1


@dataclass
class GeneModels:
    """What the files held. ``notes``: what a person who builds a pack should know."""

    features: int = 0
    cds: int = 0
    ensembl: int = 0
    genetic_codes: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    #: For each line of the written file the number of its input file, and of the line in it.
    files: list[str] = field(default_factory=list)
    from_file: array[int] = field(default_factory=lambda: array("H"))
    from_line: array[int] = field(default_factory=lambda: array("L"))

    def in_input(self, text: str) -> str:
        """``text`` with every "line N" of the written file as the line of the input it is from."""

        def place(match: re.Match[str]) -> str:
            at = int(match[1]) - _HEAD_LINES - 1
            if not 0 <= at < len(self.from_line):
                return match[0]
            return f"{self.files[self.from_file[at]]} line {self.from_line[at]}"

        return _LINE.sub(place, text)


def write_genes(
    gffs: Sequence[Path],
    lengths: Mapping[str, int],
    folder: Path,
    rename: Callable[[str], str] | None = None,
) -> GeneModels:
    """Write genes.gff3.gz into ``folder``. ``lengths``: the genome's contigs in bases.

    Features of contigs that the genome does not have are left out, with a note. Raises PackError,
    naming file and line, for a line that is no GFF3 or reaches beyond its contig, and where
    nothing is left.
    """
    plain = folder / "genes.gff3"
    models = GeneModels()
    with plain.open("wb") as out:
        out.write(b"##gff-version 3\n")
        for path in gffs:
            models.files.append(path.name)
            absent: dict[str, list[int]] = {}
            for number, line in lines(path):
                if line.startswith(b"##FASTA"):
                    break
                if not line.strip() or line.startswith(b"#"):
                    continue
                columns = _checked(path, number, line)
                contig = columns[0].decode("utf-8", "replace")
                if rename is not None:
                    contig = rename(contig)
                    line = b"\t".join([contig.encode(), *columns[1:]])
                if contig not in lengths:
                    absent.setdefault(contig, []).append(number)
                    continue
                _check_place(path, number, columns, lengths[contig])
                _learn(models, path, number, contig, columns)
                out.write(line + b"\n")
                models.from_file.append(len(models.files) - 1)
                models.from_line.append(number)
            models.notes += [
                f"{path.name}: contig {contig} is not in the FASTA; {len(found)} lines left out, "
                f"the first is line {found[0]}."
                for contig, found in absent.items()
            ]
    _judge(models, gffs, lengths)
    pysam.tabix_compress(str(plain), str(folder / "genes.gff3.gz"), force=True)
    plain.unlink()
    return models


def _checked(path: Path, number: int, line: bytes) -> list[bytes]:
    columns = line.split(b"\t")
    if len(columns) != 9:
        raise PackError(
            f"{path.name} is not GFF3: the line has {len(columns)} of nine columns.", line=number
        )
    if not (columns[3].isdigit() and columns[4].isdigit()) or int(columns[3]) < 1:
        raise PackError(f"{path.name}: start and end are not whole numbers from 1.", line=number)
    if int(columns[3]) > int(columns[4]):
        raise PackError(f"{path.name}: the feature starts after its end.", line=number)
    if columns[6] not in _STRANDS:
        raise PackError(f"{path.name}: the strand is none of + - . ?", line=number)
    if columns[2] == b"CDS" and columns[7] not in _PHASES:
        raise PackError(f"{path.name}: the CDS has no phase 0, 1 or 2.", line=number)
    return columns


def _check_place(path: Path, number: int, columns: list[bytes], length: int) -> None:
    if int(columns[4]) > length:
        raise PackError(
            f"{path.name}: the feature ends at {int(columns[4]):,}, beyond its contig of "
            f"{length:,} bases.",
            hint="Are genome and gene models of the same assembly?",
            line=number,
        )


def _learn(models: GeneModels, path: Path, number: int, contig: str, columns: list[bytes]) -> None:
    models.features += 1
    models.ensembl += _ENSEMBL(columns[8]) is not None
    if columns[2] != b"CDS":
        return
    models.cds += 1
    table = _TRANSL_TABLE(columns[8])
    if table:
        code = models.genetic_codes.setdefault(contig, int(table[1]))
        if code != int(table[1]):
            raise PackError(
                f"{path.name}: {contig} has the genetic codes {code} and {int(table[1])}.",
                line=number,
            )


def _judge(models: GeneModels, gffs: Sequence[Path], lengths: Mapping[str, int]) -> None:
    if not models.features:
        raise PackError(
            "The gene models name no contig of the genome.",
            hint=f"The genome has {', '.join(list(lengths)[:10])}. " + " ".join(models.notes[:3]),
        )
    if not models.cds:
        models.notes.append("There is no CDS: no variant will change a protein.")
    if not models.ensembl:
        models.notes.append(
            "No ID=transcript:... as Ensembl writes it: the engine csq will find no gene."
        )
