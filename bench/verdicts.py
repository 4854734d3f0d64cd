"""What kind of difference there is between a row of the engine and one of VEP, and who is right.

"GAS is right" and "VEP is right" are said only of rows that ``referee.py`` has worked out anew from
genome and gene models; what nobody has checked counts as a fault of the engine.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.referee import (
    Edited,
    Referee,
    extension,
    frameshift_name,
    start_retained,
    substitution_name,
)
from gas.annotate.codons import STANDARD
from gas.annotate.engines import Record
from gas.annotate.variant import parse_alleles

_UNCHECKED = "nobody has checked, so it counts as a fault of GAS"

#: Column -> value.
Row = dict[str, str]


@dataclass(frozen=True)
class Case:
    """A record, for what can be said of its rows."""

    referee: Referee
    pos: int
    ref: str
    #: Allele column -> ALT.
    alts: dict[str, str]

    @classmethod
    def of(cls, referee: Referee, record: Record) -> Case:
        pos, ref, alts = int(record[1]), record[3].decode().upper(), record[4].decode().split(",")
        variants = zip(alts, parse_alleles(pos, ref, alts), strict=True)
        return cls(referee, pos, ref, {v.label: alt.upper() for alt, v in variants if v})

    def edit(self, row: Row) -> Edited | None:
        """The transcript of ``row`` with its allele."""
        alt = self.alts.get(row["Allele"])
        return None if alt is None else self.referee.edit(row["Feature"], self.pos, self.ref, alt)


def classify_row(referee: Referee, who: str, row: Row, mine: dict[tuple[str, str], Row]) -> str:
    """Why only ``who`` has ``row``; ``mine`` are the engine's rows of the record."""
    unread = referee.unread
    if who == "GAS" and row["Feature"] in unread:
        return (
            "transcripts that VEP does not read: its --gff skips genes of the type ncRNA_gene and "
            "all below; GAS is right"
        )
    around = [r["Feature"] for r in mine.values() if r["Allele"] == row["Allele"]]
    if who == "VEP" and not row["Feature"] and around and unread.issuperset(around):
        return (
            "intergenic for want of transcripts: all that are near belong to genes of the type "
            "ncRNA_gene, which VEP's --gff skips; GAS is right"
        )
    return f"only {who} has it: {_UNCHECKED}"


def classify(column: str, truth: Row, mine: Row, case: Case) -> str:
    """What kind of difference this is, and who is right."""
    if column in ("Consequence", "IMPACT", "FLAGS", "HGVSp"):
        name = _without_start(column, truth, mine, case)
        if not name and column == "Consequence":
            name = _start_retained(truth, mine, case)
        if not name and column == "HGVSp":
            name = _distance(truth["HGVSp"], mine["HGVSp"], case.edit(mine))
        if name:
            return name
    a, b = truth.get(column, ""), mine.get(column, "")
    if not a or not b:
        return f"only {'VEP' if a else 'GAS'} says something: {_UNCHECKED}"
    return f"different: {_UNCHECKED}"


def _without_start(column: str, truth: Row, mine: Row, case: Case) -> str:
    """A model whose coding sequence begins before it has no start that could be lost. VEP's rules
    exclude missense where one is."""
    if mine["Feature"] not in case.referee.without_start:
        return ""
    a, b = (set(row["Consequence"].split("&")) for row in (truth, mine))
    edited = case.edit(mine)
    named = substitution_name(edited) if edited else ""
    lost = a - b == {"start_lost"} and (a > b or (b - a == {"missense_variant"} and named != ""))
    if column == "FLAGS":
        right = not truth["FLAGS"] and "cds_start_NF" in mine["FLAGS"].split("&")
    elif column == "HGVSp":
        right = lost and truth["HGVSp"].endswith("?") and mine["HGVSp"].endswith(f":p.{named}")
    else:
        right = lost
    if not right:
        return ""
    return (
        "an incomplete coding sequence: the tag cds_start_NF says that the start is not in the "
        "model, and VEP's --gff reads no tags; GAS is right"
    )


def _start_retained(truth: Row, mine: Row, case: Case) -> str:
    term = "start_retained_variant"
    a, b = (set(row["Consequence"].split("&")) for row in (truth, mine))
    edited = case.edit(mine)
    if a ^ b != {term} or edited is None:
        return ""
    if start_retained(edited) != (term in b):
        return "start kept or lost: by the spliced sequence VEP is right"
    return (
        "start kept or lost: VEP reads the 5' UTR of GFF3 models wrongly and edits another place; "
        "by the spliced sequence GAS is right"
    )


def _distance(theirs: str, ours: str, edited: Edited | None) -> str:
    """A frameshift's or an extension's name, worked out anew."""
    a, b = theirs.partition(":p.")[2], ours.partition(":p.")[2]
    if edited is None or not a or not b:
        return ""
    if "fsTer" in b or "fsTer" in a:
        right = frameshift_name(edited)
    else:
        right = f"{_before_distance(b)}{extension(edited)}" if "extTer" in b else ""
    if right == b:
        return _why_theirs_differs(a, b, edited.model.table)
    return "distance to the new stop: by the spliced sequence VEP is right" if right == a else ""


def _why_theirs_differs(theirs: str, ours: str, table: int) -> str:
    if table != STANDARD:
        return (
            "another genetic code: VEP reads the reference protein by the standard one; by the "
            "spliced sequence GAS is right"
        )
    if _before_distance(theirs) != _before_distance(ours):
        return "another residue first: by the spliced sequence GAS is right"
    return (
        "distance to the new stop: VEP reads the 3' UTR of GFF3 models wrongly (transcripts that "
        "share the stop and all that follows get different distances); by the spliced sequence GAS "
        "is right"
    )


def _before_distance(name: str) -> str:
    for word in ("fsTer", "extTer"):
        if word in name:
            return name.split(word)[0] + word
    return name
