"""A VCF allele as Ensembl VEP sees it: trimmed, and placed without an anchor base.

The rules (Ensembl VEP 115, input format "vcf"; VCFv4.3 section 1.4.1):

* one ALT of the same length as REF is taken as it is;
* one ALT of another length is reduced: the common start first, then the common end;
* of several ALTs with at least one of another length (``*`` counts as one base), the first base is
  taken off all alleles where REF and every ALT but ``*`` share it; nothing else is trimmed;
* an empty allele is written ``-``; an insertion lies between ``end`` and ``start = end + 1``;
* ``*`` (the allele is missing due to an overlapping deletion), ``.`` and ``<*>`` say nothing about
  sequence: they are passed over.
"""

from __future__ import annotations

from typing import NamedTuple

_DNA = frozenset("ACGTN")
_PLAIN = frozenset("ACGT")
_SILENT = frozenset({"*", ".", "<*>", "<NON_REF>", ""})


class Variant(NamedTuple):
    """One alternate allele on the forward strand. Positions are 1-based and inclusive."""

    start: int
    end: int
    #: Empty for an insertion.
    ref: str
    #: Empty for a deletion.
    alt: str
    #: The Allele column.
    label: str
    #: insertion | deletion | other: whether HGVS moves the change 3'. Decided for the record as a
    #: whole, so that an insertion beside a deletion, or beside ``*``, is not moved.
    kind: str

    @property
    def is_insertion(self) -> bool:
        return self.start == self.end + 1

    @property
    def is_plain(self) -> bool:
        """True where both alleles are of A, C, G and T alone, so that they can be translated."""
        return _PLAIN.issuperset(self.ref) and _PLAIN.issuperset(self.alt)

    @property
    def length_change(self) -> int:
        return len(self.alt) - (self.end - self.start + 1)


def is_sequence(alt: str) -> bool:
    """True for an ALT spelt in bases."""
    return bool(alt) and _DNA.issuperset(alt)


def is_silent(alt: str) -> bool:
    """True for an ALT that names no change of its own: ``*``, ``.``, ``<*>``."""
    return alt in _SILENT


def parse_alleles(pos: int, ref: str, alts: list[str]) -> list[Variant | None]:
    """The variants of a record in the order of its ALTs; None where ALT is no sequence.

    ``pos`` is 1-based. Case is ignored. A symbolic ALT or a breakend gives None: see ``symbolic``.
    """
    ref = ref.upper()
    alts = [alt.upper() for alt in alts]
    bases = [alt for alt in alts if is_sequence(alt)]
    if not bases or not is_sequence(ref):
        return [None] * len(alts)
    if len(alts) == 1:
        return [single(pos, ref, alts[0])]
    start, cut = pos, 0
    stars = alts.count("*")
    uneven = any(len(alt) != len(ref) for alt in bases) or (stars > 0 and len(ref) > 1)
    if uneven and all(alt[0] == ref[0] for alt in bases):
        start, cut = pos + 1, 1
    short = [alt[cut:] for alt in bases]
    end = pos + len(ref) - 1
    kind = "other" if stars else _kind(ref[cut:], short)
    out: list[Variant | None] = []
    for alt in alts:
        if not is_sequence(alt):
            out.append(None)
            continue
        out.append(Variant(start, end, ref[cut:], alt[cut:], alt[cut:] or "-", kind))
    return out


def single(pos: int, ref: str, alt: str) -> Variant | None:
    """The variant of a record with one ALT (upper case); None where an allele is not of bases."""
    if not is_sequence(ref) or not is_sequence(alt):
        return None
    start, end = pos, pos + len(ref) - 1
    if len(ref) != len(alt):
        while ref and alt and ref[0] == alt[0]:
            ref, alt, start = ref[1:], alt[1:], start + 1
        while ref and alt and ref[-1] == alt[-1]:
            ref, alt, end = ref[:-1], alt[:-1], end - 1
    return Variant(start, end, ref, alt, alt or "-", _kind(ref, [alt]))


def _kind(ref: str, alts: list[str]) -> str:
    if not ref and all(alts):
        return "insertion"
    if ref and not any(alts):
        return "deletion"
    return "other"
