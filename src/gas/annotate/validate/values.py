"""Values of INFO and FORMAT keys: types and counts, and regexes that accept what is right.

A ``quick`` pattern accepts only what has nothing to report; what it refuses may still be right and
is looked at slowly. Its groups are atomic and its repeats possessive, so that a hostile value costs
no more than its length.
"""

from __future__ import annotations

import re
from math import comb

from gas.annotate.validate import reserved, spec
from gas.annotate.validate.reserved import Declared

_FLOAT = rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE]-?[0-9]+)?|[-+]?(?i:infinity|inf|nan)"
_FRACTION = rb"0(?:\.[0-9]+)?|1(?:\.0+)?|[0-9](?:\.[0-9]+)?[eE]-[0-9]+"
_NUMERIC = {b"Integer": rb"-?[0-9]{1,9}", b"Float": _FLOAT}
# Printable ASCII without the separators of the column, and without the percent sign.
_INFO_TEXT = rb"[!-$&-+\--:<>-~]"
_SAMPLE_TEXT = rb"[!-$&-+\--9;-~]"
#: Above this many values of one key a quick pattern is not worth its size.
_QUICK_COUNT = 60
#: Of a longer genotype the number of values is not asked: the binomials outgrow everything.
PLOIDY_MAX = 64


def counts(
    number: bytes, alleles: int, ploidy: int | None, *, sample: bool
) -> frozenset[int] | None:
    """How many values ``number`` allows; None: any.

    ``alleles`` is that of ALT. A record without any (ALT is a dot) may count none or one, since
    writers do both. ``ploidy`` is the genotype's; None where there is none (diploid is assumed).
    """
    if number.isdigit():
        return frozenset((int(number[:9]),))
    some = (0, 1) if alleles == 0 else (alleles,)
    if number == b"A":
        return frozenset(some)
    if number == b"R":
        return frozenset(n + 1 for n in some)
    if ploidy is not None and ploidy > PLOIDY_MAX:
        return None
    if number == b"G" and sample:
        return frozenset(genotypes(n, 2 if ploidy is None else ploidy) for n in some)
    if number == b"P" and ploidy is not None:
        return frozenset((ploidy,))
    return None


def genotypes(alleles: int, ploidy: int) -> int:
    """How many genotypes ``alleles`` (beside REF) and ``ploidy`` make (section 1.6.2)."""
    return comb(alleles + ploidy, ploidy)


def quick_one(key: bytes, kind: bytes, *, sample: bool) -> bytes:
    """A pattern for one value that is right for sure."""
    never = reserved.NOT_NEGATIVE_FORMAT if sample else reserved.NOT_NEGATIVE_INFO
    if not sample and key in reserved.FRACTION_INFO:
        return _FRACTION
    if sample and key in reserved.FRACTION_FORMAT_43:
        return _FRACTION
    if not sample and key == b"CIGAR":
        return rb"(?:[0-9]+[MIDNSHPX])+"
    if kind not in _NUMERIC:
        text = _SAMPLE_TEXT if sample else _INFO_TEXT
        return text if kind == b"Character" else text + b"+"
    if key in never:
        return rb"[0-9]{1,9}" if kind == b"Integer" else rb"[0-9]+(?:\.[0-9]+)?"
    return _NUMERIC[kind]


def quick_list(
    key: bytes, declared: Declared, alleles: int, ploidy: int | None, *, sample: bool
) -> bytes | None:
    """A pattern for a whole value, ``.`` included; None where there is no quick one."""
    one = rb"(?>%b|\.)" % quick_one(key, declared.type, sample=sample)
    allowed = counts(declared.number, alleles, ploidy, sample=sample)
    if allowed is None:
        return rb"(?>%b(?:,%b)*+)" % (one, one)
    options = []
    for n in sorted(allowed, reverse=True):
        if n > _QUICK_COUNT:
            return None
        if n > 0:
            options.append(one + (rb"(?:,%b){%d}+" % (one, n - 1) if n > 1 else b""))
    return b"(?>" + b"|".join([*options, rb"\."]) + b")"


def type_fault(value: bytes, kind: bytes, version: spec.Version) -> str:
    """What is wrong with one value of the declared type: "", "type" or "range"."""
    if value == b".":
        return ""
    if kind == b"Integer":
        if not spec.INTEGER.fullmatch(value):
            return "type"
        fits = len(value) < 12 and spec.INTEGER_MIN <= int(value) <= spec.INTEGER_MAX
        return "" if fits or version < (4, 3) else "range"
    if kind == b"Float":
        return "" if spec.FLOAT.fullmatch(value) else "type"
    if kind == b"Character":
        return (
            "" if len(value.decode("utf-8", "replace")) == 1 or _encoded(value, version) else "type"
        )
    return ""


def _encoded(value: bytes, version: spec.Version) -> bool:
    return version >= (4, 3) and re.fullmatch(rb"%[0-9A-Fa-f]{2}", value) is not None


def reserved_fault(key: bytes, value: bytes, *, sample: bool, version: spec.Version) -> str:
    """Why ``value``, of the right type, may not be one of the reserved ``key``; "" if it may."""
    if value == b".":
        return ""
    never = reserved.NOT_NEGATIVE_FORMAT if sample else reserved.NOT_NEGATIVE_INFO
    if key in never and _number(value) < 0:
        return "it is negative"
    fraction = (
        key in reserved.FRACTION_INFO
        if not sample
        else (key in reserved.FRACTION_FORMAT_43 and version >= (4, 3))
    )
    if fraction and not 0 <= _number(value) <= 1 and value.lower() != b"nan":
        return "it is not between 0 and 1"
    if not sample and key == b"CIGAR" and not spec.CIGAR.fullmatch(value):
        return "it is no CIGAR string"
    return ""


def _number(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0
