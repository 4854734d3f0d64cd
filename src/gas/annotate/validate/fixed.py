"""Rules of the columns CHROM to FILTER (section 1.6.1).

Each ``*_clean`` method is quick and says "nothing to report"; where it says no, ``check`` looks
again, slowly, and reports. Values that come again and again are looked at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

from gas.annotate.validate import spec
from gas.annotate.validate.header import Header
from gas.annotate.validate.report import Report, show

POS_MAX = 2**31 - 1
#: A column of more parts is not taken apart; real ones stay far below.
PARTS = {2: (b";", 10_000), 4: (b",", 10_000), 6: (b";", 10_000), 7: (b";", 100_000)}
#: So many values of one record's INFO.
VALUES = 1_000_000
#: So many values of a column are remembered before the memory starts anew.
MEMORY = 20_000
#: Longer ones are not remembered.
MEMORY_LENGTH = 400

_Value = TypeVar("_Value")
#: Quick patterns; possessive, so that a hostile value costs no more than its length.
ID = rb"[!-:<-~\x80-\xff]++(?:;[!-:<-~\x80-\xff]++)*+"
QUAL = rb"\.|[0-9]++(?:\.[0-9]++)?+"
_ID = re.compile(ID)
_FILTERS = re.compile(rb"[^\s;]+(?:;[^\s;]+)*")
_QUAL = re.compile(QUAL)


class Fixed:
    """The rules of one file's fixed columns."""

    def __init__(self, header: Header, report: Report) -> None:
        self._header = header
        self._version = header.version
        self._report = report
        self._chrom = spec.chrom_grammar(header.version)
        self._breakend = spec.breakend_grammar(header.version)
        self._symbol = spec.symbol_grammar()
        self._alts: dict[bytes, int] = {}
        self._filters: dict[bytes, bool] = {b"PASS": True, b".": True}
        self._told: set[bytes] = set()

    # -- quick ------------------------------------------------------------------------------

    @property
    def ids_may_be_lists(self) -> bool:
        """Whether there is nothing to report of a list of names that is well formed."""
        return self._version < (4, 3)

    def id_clean(self, value: bytes) -> bool:
        if b";" in value and not self.ids_may_be_lists:
            return False
        return _ID.fullmatch(value) is not None

    def qual_clean(self, value: bytes) -> bool:
        return _QUAL.fullmatch(value) is not None

    def filter_clean(self, value: bytes) -> bool:
        known = self._filters.get(value)
        if known is None:
            if len(value) > MEMORY_LENGTH:
                return False
            names = value.split(b";")
            known = _FILTERS.fullmatch(value) is not None and not _repeats(names)
            known = known and all(name in self._header.filters or name == b"PASS" for name in names)
            known = known and not {b"0", b"."} & set(names)
            _remember(self._filters, value, known)
        return known

    def alleles(self, alt: bytes) -> int:
        """How many alleles ``alt`` has where there is nothing to report of it alone, else -1."""
        known = self._alts.get(alt)
        if known is None:
            known = -1
            if alt == b".":
                known = 0
            elif alt.count(b",") > PARTS[4][1]:
                return known
            elif not list(self._alt_faults(alt)):
                known = alt.count(b",") + 1
            _remember(self._alts, alt, known)
        return known

    # -- thorough ---------------------------------------------------------------------------

    def check_chrom(self, value: bytes, line: int) -> bool:
        """True where CHROM is the name of a contig."""
        if self._chrom.fullmatch(value):
            return True
        self._add("chrom-name", line, 1, f'CHROM is "{show(value)}".')
        return False

    def check_pos(self, value: bytes, line: int) -> int:
        """POS as a number, or -1."""
        if not value.isdigit() or len(value) > 10 or int(value) > POS_MAX:
            self._add("pos-number", line, 2, f'POS is "{show(value)}".')
            return -1
        return int(value)

    def check_id(self, value: bytes, line: int) -> None:
        if not _ID.fullmatch(value):
            self._add("id-syntax", line, 3, f'ID is "{show(value)}".')
        elif self._version >= (4, 3) and _repeats(value.split(b";")):
            self._add("id-repeated", line, 3, f'ID is "{show(value)}".')

    def check_ref(self, value: bytes, line: int) -> None:
        if not spec.BASES.fullmatch(value):
            self._add("ref-bases", line, 4, f'REF is "{show(value)}".')

    def check_alt(self, ref: bytes, alt: bytes, line: int) -> None:
        for rule, what in self._alt_faults(alt):
            self._add(rule, line, 5, what)
        if ref.upper() in alt.upper().split(b","):
            self._add("alt-reference", line, 5, f"{show(ref)} is both REF and in ALT.")

    def check_qual(self, value: bytes, line: int) -> None:
        if value == b".":
            return
        if not spec.FLOAT.fullmatch(value) or float(value) < 0:
            self._add("qual-number", line, 6, f'QUAL is "{show(value)}".')

    def check_filter(self, value: bytes, line: int) -> None:
        names = value.split(b";")
        if b"0" in names:
            self._add("filter-zero", line, 7, f'FILTER is "{show(value)}".')
        elif any(not name or spec.WHITESPACE.search(name) for name in names) or (
            b"." in names and len(names) > 1
        ):
            self._add("filter-syntax", line, 7, f'FILTER is "{show(value)}".')
        elif self._version >= (4, 3) and _repeats(names):
            self._add("filter-repeated", line, 7, f'FILTER is "{show(value)}".')
        else:
            self._filters_declared(value, names, line)

    def _filters_declared(self, value: bytes, names: list[bytes], line: int) -> None:
        for name in names:
            known = name in (b"PASS", b".") or name in self._header.filters
            if not known and name not in self._told and len(self._told) < MEMORY:
                self._told.add(name)
                self._add(
                    "filter-undeclared",
                    line,
                    7,
                    f"{show(name)} has no ##FILTER line; it is used from here on.",
                )
        if not _repeats(names):
            _remember(self._filters, value, True)

    def _alt_faults(self, alt: bytes) -> Iterator[tuple[str, str]]:
        if alt == b".":
            return
        alleles = alt.split(b",")
        for allele in alleles:
            rule = self._allele_fault(allele)
            if rule:
                yield rule, f'An allele in ALT is "{show(allele)}".'
        # A symbolic allele may come twice, with a copy number of its own (5.6 of 4.4).
        if _repeats([a.upper() for a in alleles if a[:1] != b"<"]):
            yield "alt-repeated", f'ALT is "{show(alt)}".'

    def _allele_fault(self, allele: bytes) -> str:
        """The rule that ``allele`` breaks, or ""."""
        if spec.BASES.fullmatch(allele) or allele == b"*":
            return ""
        if allele.startswith(b"<") and allele.endswith(b">"):
            if allele[1:4] == b"BND" and self._version >= (4, 4):
                return "alt-bnd"
            return "" if self._symbol.fullmatch(allele[1:-1]) or allele == b"<*>" else "alt-symbol"
        if self._breakend.fullmatch(allele):
            return ""
        return "alt-breakend" if b"[" in allele or b"]" in allele else "alt-syntax"

    def _add(self, rule: str, line: int, column: int, what: str) -> None:
        self._report.add(rule, line, column, what)


def too_large(record: list[bytes]) -> int:
    """The 1-based number of the first column that has too many parts to look into, or 0."""
    for at, (separator, most) in PARTS.items():
        if len(record[at]) > most and record[at].count(separator) > most:
            return at + 1
    return 8 if len(record[7]) > VALUES and record[7].count(b",") > VALUES else 0


def _repeats(names: list[bytes]) -> bool:
    return len(set(names)) < len(names)


def _remember(memory: dict[bytes, _Value], key: bytes, value: _Value) -> None:
    if len(key) > MEMORY_LENGTH:
        return
    if len(memory) >= MEMORY:
        memory.clear()
    memory[key] = value
