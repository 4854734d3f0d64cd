"""What the VCF specification fixes: versions, grammars and reserved keys of 4.1 to 4.5.

Source: "The Variant Call Format Specification", GA4GH/samtools hts-specs, VCFv4.1 to VCFv4.5;
sections are those of 4.3 unless said otherwise. Grammars are compiled bytes regexes that are meant
for ``fullmatch``.
"""

from __future__ import annotations

import re
from functools import cache

Version = tuple[int, int]

#: Versions whose rules are known. 4.0 is read by the rules of 4.1, which only added to it.
KNOWN: dict[bytes, Version] = {
    b"VCFv3.2": (3, 2),
    b"VCFv3.3": (3, 3),
    b"VCFv4.0": (4, 0),
    b"VCFv4.1": (4, 1),
    b"VCFv4.2": (4, 2),
    b"VCFv4.3": (4, 3),
    b"VCFv4.4": (4, 4),
    b"VCFv4.5": (4, 5),
}
#: Read by these rules where the file does not say what it is.
ASSUMED: Version = (4, 2)

FIXED = (b"#CHROM", b"POS", b"ID", b"REF", b"ALT", b"QUAL", b"FILTER", b"INFO")

INTEGER = re.compile(rb"[-+]?[0-9]+")
#: Section 1.3 (4.3); the dot may also end the number, as in the specification's own ``Mixture=1.``.
FLOAT = re.compile(
    rb"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:inf|infinity|nan)",
    re.IGNORECASE,
)
#: The smallest Integer: the eight values below are reserved by BCF (section 1.3).
INTEGER_MIN = -(2**31) + 8
INTEGER_MAX = 2**31 - 1

BASES = re.compile(rb"[ACGTNacgtn]+")
#: Section 1.6.1.8 (4.3).
KEY = re.compile(rb"[A-Za-z_][0-9A-Za-z_.]*")
#: Section 1.4.2 (4.1, 4.2): a colon-separated alphanumeric String.
OLD_FORMAT_KEY = re.compile(rb"[0-9A-Za-z]+")
CIGAR = re.compile(rb"(?:[0-9]+[MIDNSHPX=])+")
IUPAC = re.compile(rb"[ACGTUNRYSWKMBDHVacgtunryswkmbdhv]+")
PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
WHITESPACE = re.compile(rb"[ \t\v\f\r]")
#: U+0000–U+0008, U+000B–U+000C, U+000E–U+001F (section 1.2), and DEL.
CONTROL = bytes([*range(9), 11, 12, *range(14, 32), 127])

#: First-level types of a structural variant's symbolic allele (section 1.4.5).
SV_TYPES = (b"DEL", b"INS", b"DUP", b"INV", b"CNV")
#: gVCF's "any other allele" (section 5.5 and 4.5's list of changes).
UNSPECIFIED = (b"<*>", b"<NON_REF>")

_CONTIG_OLD = rb"[^\x00-\x20\x7f:,<>]+"
_CONTIG_43 = rb"(?!=)[^\x00-\x20\x7f-\xff<>\[\]:*,]+"
_CONTIG_SAM = rb"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*"


@cache
def contig_pattern(version: Version) -> bytes:
    """What a contig may be called.

    Up to 4.2 anything without white space, colon, comma and angle brackets; the first printing of
    4.3 excludes ``<>[]:*`` (and a comma would end the value in a contig line); from 4.4 on the
    names of SAM, colons included.
    """
    if version <= (4, 2):
        return _CONTIG_OLD
    return _CONTIG_43 if version == (4, 3) else _CONTIG_SAM


@cache
def chrom_grammar(version: Version) -> re.Pattern[bytes]:
    """CHROM: a contig's name, or ``<ID>`` of a contig in the assembly file."""
    return re.compile(rb"%b|<%b>" % (contig_pattern(version), contig_pattern((4, 2))))


@cache
def symbol_grammar() -> re.Pattern[bytes]:
    """The ID of a symbolic allele: no white space, commas or angle brackets; where it has levels,
    the first is a type of structural variant (section 1.4.5)."""
    types = rb"|".join((*SV_TYPES, b"BND"))
    return re.compile(rb"(?:%b)(?::[!-+\--;=?-~]+)?|[!-+\--9;=?-~]+" % types)


@cache
def breakend_grammar(version: Version) -> re.Pattern[bytes]:
    """A breakend replacement string (section 5.4): ``t[p[``, ``t]p]``, ``]p]t``, ``[p[t``, and
    single breakends ``.t`` and ``t.``."""
    place = rb"(?:%b|<%b>):[0-9]+" % (contig_pattern(version), contig_pattern((4, 2)))
    return re.compile(
        rb"(?:[ACGTNacgtn]+|\.)(?:\[%b\[|\]%b\])|(?:\[%b\[|\]%b\])(?:[ACGTNacgtn]+|\.)"
        rb"|\.[ACGTNacgtn]+|[ACGTNacgtn]+\." % ((place,) * 4)
    )


def numbers(version: Version, *, sample: bool) -> frozenset[bytes]:
    """The letters that Number may be, besides an integer and a dot."""
    letters = {b"A", b"G"}
    if version >= (4, 2):
        letters.add(b"R")
    if sample and version >= (4, 4):
        letters.add(b"P")
    if sample and version >= (4, 5):
        letters |= {b"LA", b"LR", b"LG", b"M"}
    return frozenset(letters)
