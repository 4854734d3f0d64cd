"""Findings, and the report that collects them within a cap."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from gas.annotate.validate.rules import RULES, Level

#: So many findings of one rule are kept; the rest are counted.
CAP_PER_RULE = 20
#: So many findings are kept altogether.
CAP = 1000
_SHOWN = 60

# Everything that could speak to a terminal or turn the reading direction: control characters,
# surrogates, bidirectional and invisible format characters, and line separators.
_INERT = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)


def show(value: bytes, limit: int = _SHOWN) -> str:
    """``value`` for people: decoded, short, and inert in a terminal, a page and a mail."""
    text = value[: 4 * limit].decode("utf-8", "backslashreplace")
    text = _INERT.sub(lambda m: m[0].encode("unicode_escape").decode("ascii"), text)
    return text if len(text) <= limit and len(value) <= 4 * limit else text[: limit - 1] + "…"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. ``line`` and ``column`` are 1-based; ``column`` counts tab-separated
    columns; 0 means the whole file or the whole line."""

    severity: str
    line: int
    column: int
    field: str
    rule: str
    message: str
    fix: str

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line else "file"
        if self.column:
            where += f", column {self.column} ({self.field})"
        return f"{where}: {self.severity}: {self.message} {self.fix} [{self.rule}]"


@dataclass
class Report:
    """What a file's validation found. ``counts`` holds every finding, ``findings`` those kept."""

    strict: bool
    version: str = ""
    records: int = 0
    rejected: int = 0
    complete: bool = True
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    #: Why the last record was rejected; the validator empties it before each record.
    reason: str = field(default="", repr=False)
    _kept: Counter[str] = field(default_factory=Counter, repr=False)

    def add(self, rule_id: str, line: int, column: int, what: str) -> None:
        """Note that ``rule_id`` is broken; ``what`` tells how, as a sentence."""
        self.counts[rule_id] += 1
        rule = RULES[rule_id]
        if rule.level is Level.REJECT and not self.reason:
            self.reason = what
        if self._kept[rule_id] >= CAP_PER_RULE or len(self.findings) >= CAP:
            return
        self._kept[rule_id] += 1
        self.findings.append(
            Finding(self.severity(rule.level), line, column, rule.field, rule_id, what, rule.fix)
        )

    def full(self, rule_id: str) -> bool:
        """True where a further finding of this rule is only counted."""
        return self._kept[rule_id] >= CAP_PER_RULE

    def severity(self, level: Level) -> str:
        """``error`` where the file is refused for it in this mode, else ``warning``."""
        refused = level is Level.FATAL or (self.strict and level is not Level.WARNING)
        return "error" if refused else "warning"

    @property
    def valid(self) -> bool:
        """True where the file is accepted in this mode."""
        return not self.errors

    @property
    def errors(self) -> int:
        return self._count("error")

    @property
    def warnings(self) -> int:
        return self._count("warning")

    def _count(self, severity: str) -> int:
        return sum(
            n for rule, n in self.counts.items() if self.severity(RULES[rule].level) == severity
        )

    @property
    def unlisted(self) -> dict[str, int]:
        """rule -> findings that were counted and not kept."""
        rest = {rule: n - self._kept[rule] for rule, n in sorted(self.counts.items())}
        return {rule: n for rule, n in rest.items() if n}

    def as_dict(self) -> dict[str, object]:
        """For machines; every number is there, findings up to the cap, in the file's order."""
        return {
            "valid": self.valid,
            "mode": "strict" if self.strict else "default",
            "version": self.version,
            "records": self.records,
            "rejected": self.rejected,
            "complete": self.complete,
            "errors": self.errors,
            "warnings": self.warnings,
            "counts": dict(sorted(self.counts.items())),
            "unlisted": self.unlisted,
            "findings": [asdict(f) for f in self.ordered()],
        }

    def ordered(self) -> list[Finding]:
        """The kept findings by line and column."""
        return sorted(self.findings, key=lambda f: (f.line, f.column))


def listed(names: Iterable[bytes]) -> str:
    """Some names for people."""
    some = [show(n, 30) for _, n in zip(range(5), names, strict=False)]
    return ", ".join(some)
