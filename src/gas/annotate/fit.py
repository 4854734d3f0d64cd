"""Which records can be annotated at all, and why the others are passed through as they are.

Every engine asks the same questions, so that its user reads the same reasons. The keys of
``REASONS`` are stable words for machines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gas.annotate.contigs import ContigNames
from gas.annotate.engines import Record

REASONS: dict[str, str] = {
    "contig-unknown": "contig not in the reference",
    "pos-outside-contig": "position outside the contig",
    "no-alt": "no ALT allele",
    "alt-not-bases": "ALT alleles all symbolic, breakends or *",
    "ref-not-bases": "REF is not of the bases ACGTN",
    "ref-mismatch": "REF differs from the reference",
    "rejected": "not a record that can be read; rejected.tsv says why",
}

#: The INFO entry of a record whose REF differs from the reference; run.py may rename its key.
WARN_KEY = "GAS_WARN"
REF_MISMATCH = b"GAS_WARN=REF_MISMATCH"

_is_bases = re.compile(rb"[ACGTNacgtn]+").fullmatch


def plain_alts(record: Record) -> list[bytes]:
    """The ALT alleles that are plain bases, in order."""
    alt = record[4]
    if b"," in alt:
        return [allele for allele in alt.split(b",") if _is_bases(allele)]
    return [alt] if _is_bases(alt) else []


def why_not(record: Record, names: ContigNames, lengths: Mapping[str, int]) -> str | None:
    """The first reason of ``REASONS`` that holds, found without the sequence; None: it can be.

    ``lengths``: the reference's contigs in bases.
    """
    contig = names.get(record[0])
    if contig is None:
        return "contig-unknown"
    pos = int(record[1])
    if pos < 1 or pos + len(record[3]) - 1 > lengths[contig]:
        return "pos-outside-contig"
    if record[4] == b".":
        return "no-alt"
    if not plain_alts(record):
        return "alt-not-bases"
    return None if _is_bases(record[3]) else "ref-not-bases"
