"""Rules of the sample columns (sections 1.6.2 and 4), value by value.

Samples come here where ``formats`` could not say that there is nothing to report.
"""

from __future__ import annotations

import re

from gas.annotate.validate import values
from gas.annotate.validate.formats import LOCAL, Formats, Plan
from gas.annotate.validate.header import Header
from gas.annotate.validate.report import Report, show
from gas.annotate.validate.reserved import Declared

_GT = re.compile(rb"(?:\.|[0-9]+)(?:[/|](?:\.|[0-9]+))*")
_GT_44 = re.compile(rb"[/|]?(?:\.|[0-9]+)(?:[/|](?:\.|[0-9]+))*")
#: A longer FORMAT is not taken apart.
_LONG_FORMAT = 100_000
#: A longer sample is not taken apart.
_LONG = 5_000_000
_ALLELE = re.compile(rb"[0-9]+")


class Samples:
    """The sample rules of one file."""

    def __init__(self, header: Header, report: Report) -> None:
        self.formats = Formats(header, report)
        self._report = report
        self._version = header.version
        self._count = len(header.samples)

    def check(self, tail: bytes, alleles: int, line: int, *, inside: bool) -> None:
        """Report every fault of ``tail``; of the samples themselves where ``inside``."""
        text, _, body = tail.partition(b"\t")
        if len(text) > _LONG_FORMAT:
            self._add("record-too-large", line, 9, "FORMAT has too many keys.")
            return
        plan = self.formats.plan(text, line)
        found = tail.count(b"\t")
        if found != self._count:
            self._report.add(
                "record-sample-columns",
                line,
                0,
                f"There are {found} sample columns; the header line names {self._count}.",
            )
            return
        if not inside:
            return
        for column, sample in enumerate(body.split(b"\t") if found else (), 10):
            self._check_sample(sample, plan, alleles, line, column)

    def _check_sample(
        self, sample: bytes, plan: Plan, alleles: int, line: int, column: int
    ) -> None:
        if len(sample) > _LONG:
            self._add("record-too-large", line, column, "The sample has too many values.")
            return
        parts = sample.split(b":")
        if len(parts) > len(plan.keys):
            self._add(
                "sample-fields",
                line,
                column,
                f"There are {len(parts)} values for {len(plan.keys)} keys.",
            )
            return
        ploidy: int | None = None
        gt = parts[0] if plan.keys[0] == b"GT" else None
        if gt is not None:
            ploidy = self._check_gt(gt, alleles, line, column)
            if ploidy is None:
                return
        local = self._check_laa(parts, plan, alleles, line, column)
        for key, declared, value in zip(plan.keys, plan.declared, parts, strict=False):
            if key != b"GT":
                self._check_value(key, declared, value, alleles, ploidy, local, line, column)
        self._check_phase(plan, parts, line, column)

    def _check_gt(self, gt: bytes, alleles: int, line: int, column: int) -> int | None:
        """The ploidy, 0 for a lone dot (it may be any), or None where GT is broken."""
        grammar = _GT_44 if self._version >= (4, 4) else _GT
        if not grammar.fullmatch(gt):
            self._add("sample-gt", line, column, f'GT is "{show(gt)}".')
            return None
        for allele in _ALLELE.findall(gt):
            # Writers give allele 1 for the missing ALT of a monomorphic site too.
            if len(allele) > 9 or int(allele) > max(1, alleles):
                self._add(
                    "sample-gt-allele",
                    line,
                    column,
                    f'GT is "{show(gt)}"; the record has {alleles} alleles in ALT.',
                )
                return None
        if gt == b".":
            return 0
        return len(re.split(rb"[/|]", gt.lstrip(b"/|")))

    def _check_laa(
        self, parts: list[bytes], plan: Plan, alleles: int, line: int, column: int
    ) -> int | None:
        """How many local alleles the sample has; None where FORMAT has no LAA."""
        if b"LAA" not in plan.keys or self._version < (4, 5):
            return None
        at = plan.keys.index(b"LAA")
        value = parts[at] if at < len(parts) else b""
        if value in (b"", b"."):
            return 0
        items = value.split(b",")
        right = all(item.isdigit() and len(item) < 9 and 0 < int(item) <= alleles for item in items)
        if not right or len(set(items)) < len(items):
            self._add("sample-laa", line, column, f'LAA is "{show(value)}".')
        return len(items)

    def _check_value(
        self,
        key: bytes,
        declared: Declared,
        value: bytes,
        alleles: int,
        ploidy: int | None,
        local: int | None,
        line: int,
        column: int,
    ) -> None:
        if value == b".":
            return
        if not value:
            if local is None or (key != b"LAA" and declared.number not in LOCAL):
                self._add("sample-empty", line, column, f"{show(key)} is empty.")
            return
        items = value.split(b",")
        allowed = self._allowed(declared.number, alleles, ploidy, local)
        if allowed is not None and len(items) not in allowed:
            wanted = " or ".join(str(n) for n in sorted(allowed))
            self._add(
                "sample-count",
                line,
                column,
                f"{show(key)} has {len(items)} values; its "
                f"Number {show(declared.number)} asks for {wanted} here.",
            )
        for item in items:
            fault = values.type_fault(item, declared.type, self._version) if item else "type"
            why = values.reserved_fault(key, item, sample=True, version=self._version)
            if fault:
                rule = "sample-range" if fault == "range" else "sample-type"
                self._add(
                    rule,
                    line,
                    column,
                    f'{show(key)} is "{show(item)}"; its Type is {show(declared.type)}.',
                )
                return
            if why:
                self._add("sample-value", line, column, f'{show(key)} is "{show(item)}": {why}.')
                return

    def _allowed(
        self, number: bytes, alleles: int, ploidy: int | None, local: int | None
    ) -> frozenset[int] | None:
        if number in LOCAL:
            if local is None:
                return None
            # Local fields are counted as their namesakes, over the local alleles alone; a site
            # without any is not a site without ALT, so there is no second way to count.
            n = {b"LA": local, b"LR": local + 1}.get(number)
            if n is not None:
                return frozenset((n,))
            ploidies = (1, 2) if ploidy == 0 else (2 if ploidy is None else ploidy,)
            if max(ploidies) > values.PLOIDY_MAX:
                return None
            return frozenset(values.genotypes(local, p) for p in ploidies)
        if ploidy == 0:
            one = values.counts(number, alleles, 1, sample=True)
            two = values.counts(number, alleles, 2, sample=True)
            return None if one is None or two is None else one | two
        return values.counts(number, alleles, ploidy, sample=True)

    def _check_phase(self, plan: Plan, parts: list[bytes], line: int, column: int) -> None:
        if self._version < (4, 4) or not {b"PS", b"PSL"} <= set(plan.keys):
            return
        given = dict(zip(plan.keys, parts, strict=False))
        psl = set((given.get(b"PSL") or b".").split(b","))
        if (given.get(b"PS") or b".") != b"." and psl != {b"."}:
            self._add("sample-phase", line, column, "Both PS and PSL have a value.")

    def _add(self, rule: str, line: int, column: int, what: str) -> None:
        self._report.add(rule, line, column, what)
