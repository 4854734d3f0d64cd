"""INFO keys of structural variants and tandem repeats, from 4.4 on (section 3 of 4.4 and 4.5)."""

from __future__ import annotations

from collections.abc import Mapping

from gas.annotate.validate import reserved, spec
from gas.annotate.validate.report import Report, show

#: key -> values for each ALT allele.
_PER_ALLELE = {b"CIPOS": 2, b"CIEND": 2, b"CILEN": 2, b"CICN": 2, b"MEINFO": 4, b"METRANS": 4}
#: Intervals around a value: the lower bound is at most 0, the upper at least 0.
_AROUND_ZERO = (b"CIPOS", b"CIEND", b"CIRUC", b"CIRB")
#: key -> values for each repeat of a <CNV:TR> allele.
_PER_REPEAT = {b"RUS": 1, b"RUL": 1, b"RUC": 1, b"RB": 1, b"CIRUC": 2, b"CIRB": 2}
KEYS = frozenset([*_PER_ALLELE, *_PER_REPEAT, b"RUB", b"RN", b"SVCLAIM"])

Found = Mapping[bytes, bytes | None]


def check(report: Report, version: spec.Version, alt: bytes, found: Found, line: int) -> None:
    """Report what the entries ``found`` of one record's INFO break together."""
    if version < (4, 4):
        return
    alleles = [] if alt == b"." else alt.split(b",")
    _check_lists(report, alleles, found, line)
    if b"SVCLAIM" in found:
        _check_claims(report, alleles, found[b"SVCLAIM"] or b"", line)
    if any(key in found for key in _PER_REPEAT) or b"RUB" in found:
        _check_repeats(report, alleles, found, line)
    check_absent(report, version, alt, found, line)


def check_absent(
    report: Report, version: spec.Version, alt: bytes, found: Found, line: int
) -> None:
    """Report keys that a symbolic allele asks for and the record lacks.

    Warnings only: the specification itself tells how to read a record without SVLEN.
    """
    if version < (4, 4) or b"<" not in alt:
        return
    types = [a[1:4] for a in alt.split(b",") if a.startswith(b"<")]
    if b"SVLEN" not in found and b"END" not in found and any(t in spec.SV_TYPES for t in types):
        report.add("info-sv-length", line, 8, f"ALT is {show(alt)}; there is no SVLEN.")
    if b"SVCLAIM" not in found and any(t in (b"DEL", b"DUP") for t in types):
        report.add("info-sv-claim", line, 8, f"ALT is {show(alt)}; there is no SVCLAIM.")


def _check_lists(report: Report, alleles: list[bytes], found: Found, line: int) -> None:
    for key, each in _PER_ALLELE.items():
        value = found.get(key)
        if value in (None, b"."):
            continue
        assert value is not None
        wanted, n = each * max(1, len(alleles)), value.count(b",") + 1
        if n != wanted:
            report.add(
                "info-count",
                line,
                8,
                f"{key.decode()} has {n} values; {wanted} are needed, {each} for each allele.",
            )
    for key in _AROUND_ZERO:
        bounds = (found.get(key) or b"").split(b",")
        for low, high in zip(bounds[::2], bounds[1::2], strict=False):
            if _number(low) > 0 or _number(high) < 0:
                report.add(
                    "info-value",
                    line,
                    8,
                    f'{key.decode()} is "{show(low)},{show(high)}": it does not reach around 0.',
                )


def _check_claims(report: Report, alleles: list[bytes], value: bytes, line: int) -> None:
    allowed = {
        b"DEL": (b"D", b"J", b"DJ"),
        b"DUP": (b"D", b"J", b"DJ"),
        b"CNV": (b"D", b"."),
        b"INV": (b"J", b"DJ", b"."),
        b"INS": (b"J", b"DJ", b"."),
    }
    for at, claim in enumerate(value.split(b",")):
        allele = alleles[at] if at < len(alleles) else b""
        if allele.startswith(b"<"):
            right = claim in allowed.get(allele[1:4], (b"D", b"J", b"DJ", b"."))
        elif b"[" in allele or b"]" in allele:
            right = claim in (b"J", b".")
        else:
            right = claim in reserved.SVCLAIMS
        if not right:
            report.add(
                "info-value", line, 8, f'SVCLAIM is "{show(claim)}" for the allele {show(allele)}.'
            )


def _check_repeats(report: Report, alleles: list[bytes], found: Found, line: int) -> None:
    repeats = _repeats(alleles, found.get(b"RN"))
    lists = {key: (found.get(key) or b".").split(b",") for key in _PER_REPEAT}
    for key, each in _PER_REPEAT.items():
        if lists[key] == [b"."]:
            continue
        if len(lists[key]) != each * repeats:
            report.add(
                "info-repeat-length",
                line,
                8,
                f"{key.decode()} has {len(lists[key])} values; {each * repeats} are needed.",
            )
    for unit in lists[b"RUS"]:
        if unit != b"." and not spec.IUPAC.fullmatch(unit):
            report.add("info-value", line, 8, f'RUS is "{show(unit)}": it is no sequence.')
    for unit, length in zip(lists[b"RUS"], lists[b"RUL"], strict=False):
        if b"." not in (unit, length) and str(len(unit)).encode() != length:
            report.add("info-value", line, 8, f"RUL is {show(length)}, RUS has {len(unit)} bases.")
    _check_unit_bases(report, lists[b"RUC"], found.get(b"RUB"), line)


def _check_unit_bases(report: Report, units: list[bytes], value: bytes | None, line: int) -> None:
    """RUB: one value for each repeat unit; RUC must then be whole numbers."""
    if value in (None, b"."):
        return
    assert value is not None
    if not all(n.isdigit() and len(n) < 10 for n in units):
        report.add("info-repeat-length", line, 8, "RUB is given, RUC is not a list of integers.")
    elif value.count(b",") + 1 != sum(int(n) for n in units):
        report.add(
            "info-repeat-length",
            line,
            8,
            f"RUB has {value.count(b',') + 1} values; RUC asks for {sum(int(n) for n in units)}.",
        )


def _repeats(alleles: list[bytes], value: bytes | None) -> int:
    """The sum of RN; where it is missing, one for each <CNV:TR> allele."""
    if value in (None, b"."):
        return sum(a == b"<CNV:TR>" for a in alleles)
    assert value is not None
    return sum(int(n) for n in value.split(b",") if n.isdigit() and len(n) < 6)


def _number(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0
