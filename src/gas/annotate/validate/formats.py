"""FORMAT (section 1.6.2), and one regex per FORMAT, number of alleles and ploidy that accepts the
samples of which there is nothing to report.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gas.annotate.validate import reserved, spec, values
from gas.annotate.validate.header import Header
from gas.annotate.validate.report import Report, show
from gas.annotate.validate.reserved import Declared

_PLANS = 1_000
#: A longer FORMAT is not remembered.
_TEXT = 2_000
#: numpy counts faster in a longer one.
_LONG_TAIL_BYTES = 4_096
#: Numbers that follow LAA.
LOCAL = frozenset([b"LA", b"LR", b"LG"])
_ANY = Declared(b".", b"String")


@dataclass(frozen=True)
class Plan:
    """What one FORMAT asks of its samples."""

    keys: tuple[bytes, ...]
    declared: tuple[Declared, ...]


def _tabs(tail: bytes) -> int:
    if len(tail) < _LONG_TAIL_BYTES:
        return tail.count(b"\t")
    import numpy as np

    return int(np.count_nonzero(np.frombuffer(tail, np.uint8) == ord("\t")))


class Formats:
    """The FORMATs of one file."""

    def __init__(self, header: Header, report: Report) -> None:
        self._report = report
        self._version = header.version
        self._count = len(header.samples)
        self._named = header.format
        self._told: set[bytes] = set()
        self._reserved = reserved.declarations(reserved.format_reserved(header.version))
        self._plans: dict[bytes, Plan] = {}
        self._blocks: dict[tuple[bytes, int], re.Pattern[bytes] | None] = {}
        self._ones: dict[tuple[bytes, int, int], re.Pattern[bytes] | None] = {}

    # -- quick ------------------------------------------------------------------------------

    def columns_clean(self, tail: bytes) -> bool:
        """True where ``tail``, FORMAT and the sample columns, has the right number of columns and
        a FORMAT that was met before. Samples are not looked into."""
        return tail.partition(b"\t")[0] in self._plans and _tabs(tail) == self._count

    def clean(self, tail: bytes, alleles: int) -> bool:
        """True where there is nothing to report of ``tail``."""
        if not self.columns_clean(tail):
            return False
        text, _, body = tail.partition(b"\t")
        if self._count == 0:
            return True
        block = self._block(text, alleles)
        if block is not None and block.fullmatch(tail, len(text)):
            return True
        # Without GT a sample is diploid.
        ploidies = (2, 1) if self._plans[text].keys[0] == b"GT" else (2,)
        every = [self._one(text, alleles, ploidy) for ploidy in ploidies]
        patterns = [pattern for pattern in every if pattern is not None]
        if not patterns:
            return False
        return all(
            any(pattern.fullmatch(sample) for pattern in patterns) for sample in body.split(b"\t")
        )

    def _block(self, text: bytes, alleles: int) -> re.Pattern[bytes] | None:
        key = (text, alleles)
        if key not in self._blocks:
            if len(self._blocks) >= _PLANS:
                self._blocks.clear()
            one = self._pattern(text, alleles, 2)
            # Possessive, so that the memory does not grow with the samples.
            self._blocks[key] = None if one is None else re.compile(rb"(?>\t%b)*+" % one)
        return self._blocks[key]

    def _one(self, text: bytes, alleles: int, ploidy: int) -> re.Pattern[bytes] | None:
        key = (text, alleles, ploidy)
        if key not in self._ones:
            if len(self._ones) >= _PLANS:
                self._ones.clear()
            pattern = self._pattern(text, alleles, ploidy)
            self._ones[key] = None if pattern is None else re.compile(pattern)
        return self._ones[key]

    def _pattern(self, text: bytes, alleles: int, ploidy: int) -> bytes | None:
        """A pattern for one sample of this ploidy, trailing values dropped or not."""
        plan = self._plans[text]
        if any(d.number in LOCAL or d.number in (b"P", b"M") for d in plan.declared):
            return None
        if {b"LAA", b"PSL"} & set(plan.keys):
            return None
        pattern = b""
        for at in range(len(plan.keys) - 1, -1, -1):
            key, declared = plan.keys[at], plan.declared[at]
            one: bytes | None
            if key == b"GT" and at == 0:
                one = _genotype_pattern(alleles, ploidy)
            else:
                one = values.quick_list(key, declared, alleles, ploidy, sample=True)
            if one is None:
                return None
            rest = b"(?::%b)?+" % pattern if pattern else b""
            pattern = b"(?>%b)%b" % (one, rest)
        return pattern

    # -- thorough ---------------------------------------------------------------------------

    def plan(self, text: bytes, line: int) -> Plan:
        """What the FORMAT ``text`` asks for; its faults are reported where it is first met."""
        known = self._plans.get(text)
        if known is not None:
            return known
        keys = tuple(text.split(b":"))
        self._check_format(text, keys, line)
        plan = Plan(keys, tuple(self._declaration(key) for key in keys))
        if len(self._plans) >= _PLANS:
            for memory in (self._plans, self._blocks, self._ones):
                memory.clear()
        if len(text) <= _TEXT:
            self._plans[text] = plan
        return plan

    def _declaration(self, key: bytes) -> Declared:
        if key in self._named:
            return self._named[key]
        if key in self._reserved:
            return self._reserved[key]
        modification = reserved.MODIFICATION.fullmatch(key) if self._version >= (4, 5) else None
        if modification:
            return Declared(b"M", b"Integer" if modification["count"] else b"Float")
        return _ANY

    def _check_format(self, text: bytes, keys: Sequence[bytes], line: int) -> None:
        grammar = spec.KEY if self._version >= (4, 3) else spec.OLD_FORMAT_KEY
        if not all(grammar.fullmatch(key) for key in keys):
            self._report.add("format-syntax", line, 9, f'FORMAT is "{show(text)}".')
        if b"GT" in keys[1:]:
            self._report.add("format-gt-first", line, 9, f'FORMAT is "{show(text)}".')
        if len(set(keys)) < len(keys) and self._version >= (4, 3):
            self._report.add("format-repeated", line, 9, f'FORMAT is "{show(text)}".')
        local = [at for at, key in enumerate(keys) if key in reserved.LOCAL_KEYS]
        if self._version >= (4, 5) and local and b"LAA" not in keys[: local[0]]:
            self._report.add("format-laa", line, 9, f'FORMAT is "{show(text)}".')
        for key in keys:
            known = key in self._named or key in self._told or not grammar.fullmatch(key)
            if not known and len(self._told) < _PLANS:
                self._told.add(key)
                self._report.add(
                    "format-undeclared",
                    line,
                    9,
                    f"{show(key)} has no ##FORMAT line; it is used from here on.",
                )


def _genotype_pattern(alleles: int, ploidy: int) -> bytes | None:
    """GT of this ploidy, or a lone dot."""
    if alleles > 50:
        return None
    names = b"|".join([b"%d" % n for n in range(alleles, -1, -1)])
    one = rb"(?:%b|\.)" % names
    return one if ploidy == 1 else rb"%b[/|]%b|\." % (one, one)
