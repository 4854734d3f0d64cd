"""Who is right where the engine and Ensembl VEP differ: worked out anew from genome and GFF3.

Nothing here asks the engine's evaluators: the exons are cut out of the FASTA, the allele is put in
their place, and the result is read codon by codon. So a fault of theirs is not repeated, and a
verdict is one on the row at hand.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from functools import cached_property

import pysam

from gas.annotate.codons import genetic_code, reverse_complement, three_letter
from gas.annotate.genes import GeneModel, read_genes
from gas.annotate.pack import Pack

_ATTRIBUTE = re.compile(r"(?:^|;)(ID|Parent|transcript_id|tag)=([^;]*)")


@dataclass(frozen=True)
class Edited:
    """A transcript's spliced sequence, 5' to 3', before and after a change that begins at the
    0-based place ``at``. Its coding sequence is ``before[first:stop]``."""

    model: GeneModel
    before: str
    after: str
    at: int
    first: int
    stop: int

    def protein(self, sequence: str) -> str:
        """What ``sequence`` codes from the start of the coding region to the first stop, with it,
        or to the end."""
        code = genetic_code(self.model.table)
        coding = "N" * self.model.phase + sequence[self.first :]
        out = ""
        for i in range(0, len(coding) - 2, 3):
            out += code.get(coding[i : i + 3], "X")
            if out.endswith("*"):
                break
        return out


class Referee:
    """Recomputes what rows of transcripts of ``pack`` should say."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack

    @cached_property
    def models(self) -> dict[str, GeneModel]:
        found, _ = read_genes(self._pack.gff, self._pack.contigs)
        return {model.labels.feature: model for model in found}

    @cached_property
    def _genome(self) -> pysam.FastaFile:
        return pysam.FastaFile(str(self._pack.fasta))

    @cached_property
    def _lines(self) -> list[tuple[str, dict[str, str]]]:
        """Type and attributes of each line of the GFF3."""
        with gzip.open(self._pack.gff, "rt") as lines:
            fields = [line.rstrip().split("\t") for line in lines if line[0] != "#"]
        return [(f[2], dict(_ATTRIBUTE.findall(f[8]))) for f in fields if len(f) > 8]

    @cached_property
    def unread(self) -> set[str]:
        """Transcripts below an ``ncRNA_gene``, a type that VEP's ``--gff`` skips with all below."""
        genes = {about.get("ID") for kind, about in self._lines if kind == "ncRNA_gene"}
        return {
            about.get("transcript_id") or about.get("ID", "").rpartition(":")[2]
            for _, about in self._lines
            if "ID" in about and about.get("Parent") in genes
        }

    @cached_property
    def without_start(self) -> set[str]:
        """Transcripts whose tag says that their coding sequence begins before the model does."""
        return {
            about.get("transcript_id", "")
            for _, about in self._lines
            if "cds_start_NF" in about.get("tag", "").split(",")
        }

    def edit(self, feature: str, pos: int, ref: str, alt: str) -> Edited | None:
        """REF at ``pos`` (1-based) replaced by ALT in a coding transcript; None where the bases
        that differ do not lie within one of its exons."""
        model = self.models.get(feature)
        if model is None or model.cds is None:
            return None
        while ref and alt and ref[0] == alt[0]:
            ref, alt, pos = ref[1:], alt[1:], pos + 1
        while ref and alt and ref[-1] == alt[-1]:
            ref, alt = ref[:-1], alt[:-1]
        before, after, at = "", "", -1
        for start, end in model.exons:
            bases = self._genome.fetch(model.contig, start - 1, end).upper()
            if start <= pos and pos + len(ref) - 1 <= end and at < 0:
                at, within = len(before) + pos - start, pos - start
                after += bases[:within] + alt + bases[within + len(ref) :]
            else:
                after += bases
            before += bases
        if at < 0:
            return None
        first, last = (self._index(model, p) for p in model.cds)
        if model.strand < 0:
            size = len(before)
            at, first, last = size - at - len(ref), size - 1 - last, size - 1 - first
            before, after = reverse_complement(before), reverse_complement(after)
        return Edited(model, before, after, at, first, last + 1)

    @staticmethod
    def _index(model: GeneModel, position: int) -> int:
        """0-based place of an exonic base along the exons, forward."""
        return sum(max(0, min(end, position - 1) - start + 1) for start, end in model.exons)


def frameshift_name(edited: Edited) -> str:
    """What follows ``p.`` of a frameshift (HGVS: the first residue that differs, and which codon
    from there on, it included, is the new stop); "" where there is no such name."""
    old, new = edited.protein(edited.before), edited.protein(edited.after)
    at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    if edited.at < edited.first or not at or new[at] == "*":
        return ""
    distance = str(len(new) - at) if new.endswith("*") else "?"
    return f"{three_letter(old[at])}{at + 1}{three_letter(new[at])}fsTer{distance}"


def substitution_name(edited: Edited) -> str:
    """What follows ``p.`` where one residue and nothing else is another; "" elsewhere."""
    old, new = edited.protein(edited.before), edited.protein(edited.after)
    other = [i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b]
    if len(old) != len(new) or len(other) != 1:
        return ""
    return f"{three_letter(old[other[0]])}{other[0] + 1}{three_letter(new[other[0]])}"


def extension(edited: Edited) -> str:
    """What follows ``extTer`` (HGVS: how many residues behind the old stop the new one is)."""
    old, new = edited.protein(edited.before), edited.protein(edited.after)
    more = len(new) - len(old)
    return str(more) if new.endswith("*") and more > 0 else "?"


def start_retained(edited: Edited) -> bool:
    """Does the coding sequence stand unchanged at the end of what was 5' UTR and it?"""
    behind = len(edited.before) - edited.stop
    head = edited.after[: len(edited.after) - behind]
    coding = edited.before[edited.first : edited.stop]
    return len(head) >= len(coding) and head.endswith(coding)
