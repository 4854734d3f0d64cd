"""What kind of change an allele is. Names are those of the Sequence Ontology where it has one."""

from __future__ import annotations

import re

_is_bases = re.compile(rb"[ACGTNacgtn]+").fullmatch
_TRANSITIONS = frozenset({b"AG", b"GA", b"CT", b"TC"})


def variant_class(ref: bytes, alt: bytes) -> str:
    """Class of one ALT allele against REF, after shared bases at both ends are taken away."""
    if alt == b"*":
        return "spanning_deletion"
    if b"[" in alt or b"]" in alt or ((alt[:1] == b"." or alt[-1:] == b".") and len(alt) > 1):
        return "breakend"
    if not _is_bases(alt):
        return "symbolic"
    ref, alt = trim(ref.upper(), alt.upper())
    if len(ref) == len(alt):
        return {0: "no_change", 1: "SNV"}.get(len(ref), "MNV")
    if not ref:
        return "insertion"
    return "indel" if alt else "deletion"


def trim(ref: bytes, alt: bytes) -> tuple[bytes, bytes]:
    """Both without their shared suffix, then prefix; either may become empty."""
    end = 0
    while end < min(len(ref), len(alt)) and ref[-1 - end] == alt[-1 - end]:
        end += 1
    ref, alt = ref[: len(ref) - end], alt[: len(alt) - end]
    start = 0
    while start < min(len(ref), len(alt)) and ref[start] == alt[start]:
        start += 1
    return ref[start:], alt[start:]


def is_transition(ref: bytes, alt: bytes) -> bool | None:
    """Whether an SNV is a transition (purine to purine, pyrimidine to pyrimidine); None: the two
    alleles are no SNV of the bases ACGT."""
    ref, alt = trim(ref.upper(), alt.upper())
    if len(ref) != 1 or len(alt) != 1 or ref not in b"ACGT" or alt not in b"ACGT":
        return None
    return ref + alt in _TRANSITIONS
