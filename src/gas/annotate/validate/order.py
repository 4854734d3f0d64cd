"""Rules that look at several records: order, contiguity and duplicates (section 1.6.1)."""

from __future__ import annotations

import hashlib

from gas.annotate.validate import spec
from gas.annotate.validate.header import Header
from gas.annotate.validate.report import Report, show

#: So many contigs are remembered; a file with more is not asked whether they are contiguous.
CONTIGS = 200_000
#: So many variants near the current position are remembered.
WINDOW = 50_000
#: Records with more alleles are not compared with others.
_ALLELES = 1_000

#: Rules that a file breaks whose records are not sorted by contig and position.
DISORDER = ("record-order", "record-order-4.5", "record-contiguous")

_Variant = tuple[int, bytes, bytes]


class Order:
    """The state that runs along the records of one file."""

    def __init__(self, header: Header, report: Report) -> None:
        self._report = report
        self._contigs = header.contigs
        suffix = "" if header.version < (4, 5) else "-4.5"
        self._order_rule = "record-order" + suffix
        self._duplicate_rule = "record-duplicate" + suffix
        self._done: set[bytes] = set()
        self._told: set[bytes] = set()
        self.contig = b""
        self.pos = -1
        self.length: int | None = None
        self._window: dict[_Variant, int] = {}

    def enter(self, contig: bytes, line: int) -> None:
        """A record of another contig than the last one's. ``<ID>`` counts as ``ID``."""
        name = contig.strip(b"<>")
        if name == self.contig:
            return
        if self.contig and len(self._done) < CONTIGS:
            self._done.add(self.contig)
        if name in self._done:
            self._report.add("record-contiguous", line, 1, f"{show(name)} comes a second time.")
        if self._contigs and contig not in self._contigs and not contig.startswith(b"<"):
            self._undeclared(contig, line)
        self.contig, self.pos = name, -1
        self.length = self._contigs.get(contig)
        self._window.clear()

    def _undeclared(self, contig: bytes, line: int) -> None:
        if contig not in self._told and len(self._told) < CONTIGS:
            self._told.add(contig)
            self._report.add("chrom-undeclared", line, 1, f"{show(contig)} has no ##contig line.")

    def move(self, pos: int, line: int) -> None:
        """A record at ``pos`` (1-based) of the current contig."""
        if pos < self.pos:
            self._report.add(self._order_rule, line, 2, f"POS {pos} comes after {self.pos}.")
        if self.length is not None and pos > self.length + 1:
            self._report.add(
                "pos-range", line, 2, f"POS is {pos}; {show(self.contig)} has {self.length} bases."
            )
        self.pos = pos

    def duplicates(self, pos: int, ref: bytes, alt: bytes, line: int) -> None:
        """Report alleles that were given before, written the same or with other context."""
        if alt.count(b",") > _ALLELES:
            return
        for allele in alt.upper().split(b","):
            if not spec.BASES.fullmatch(allele):
                continue
            variant = normal(pos, ref.upper(), allele)
            first = self._window.setdefault(variant, line)
            if first != line:
                self._report.add(
                    self._duplicate_rule,
                    line,
                    0,
                    f"The variant {show(self.contig)}:"
                    f"{variant[0]} {show(variant[1], 20)}>{show(variant[2], 20)} is "
                    f"also in line {first}.",
                )
        if len(self._window) > WINDOW:
            self._forget(pos)

    def substitution(self, pos: int, ref: bytes, alt: bytes, line: int) -> None:
        """``duplicates`` for one base in upper case, the quick way."""
        if self._window.setdefault((pos, ref, alt), line) != line:
            self.duplicates(pos, ref, alt, line)
        elif len(self._window) > WINDOW:
            self._forget(pos)

    def _forget(self, pos: int) -> None:
        self._window = {v: line for v, line in self._window.items() if v[0] >= pos}
        if len(self._window) > WINDOW // 2:
            self._window.clear()


def normal(pos: int, ref: bytes, alt: bytes) -> _Variant:
    """The variant without the bases that REF and ALT share at their ends, the last ones first;
    one base is left of each. ``pos`` is 1-based, of the first base left."""
    last, shortest = 0, min(len(ref), len(alt)) - 1
    while last < shortest and ref[-1 - last] == alt[-1 - last]:
        last += 1
    first, shortest = 0, shortest - last
    while first < shortest and ref[first] == alt[first]:
        first += 1
    return pos + first, _name(ref[first : len(ref) - last]), _name(alt[first : len(alt) - last])


def _name(allele: bytes) -> bytes:
    """The allele, or a digest of a long one."""
    return allele if len(allele) <= 64 else hashlib.blake2b(allele, digest_size=24).digest()
