"""Rules of the INFO column (sections 1.6.1.8 and 3).

INFO costs most of a validation, so it is looked at three times at most:
  1. as a whole, by one regex per sequence of keys and number of alleles, made at its second sight;
  2. entry by entry, by one regex per key and number of alleles;
  3. slowly, rule by rule, with findings.
The first two accept only what the third has nothing to say about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from gas.annotate.validate import reserved, spec, structural, values
from gas.annotate.validate.header import Header
from gas.annotate.validate.report import Report, show
from gas.annotate.validate.reserved import Declared

_SHAPES = 2_000
_SHAPE_LENGTH = 2_000
#: Of so many sequences of keys, a regex takes many records together.
_TOGETHER = 4
#: For so many numbers of alleles that is remembered.
_COUNTS = 64
#: A longer INFO is looked at slowly, once its parts have been counted.
_LONG = 100_000
_TEXT = Declared(b"1", b"String")
_Pattern = re.Pattern[bytes]
_Fullmatch = Callable[[bytes], re.Match[bytes] | None]


class Info:
    """The INFO rules of one file."""

    def __init__(self, header: Header, report: Report) -> None:
        self._report = report
        self._version = header.version
        self._named = set(header.info)
        self._told: set[bytes] = set()
        table = reserved.declarations(reserved.info_reserved(header.version))
        self._declared = table | header.info
        for key in (b"MQ",):
            if key not in self._named:
                self._declared.pop(key, None)
        #: alleles -> the regex that matched last; tried first.
        self._last: dict[int, _Pattern] = {}
        self._shapes: dict[tuple[int, bytes], _Pattern | None] = {}
        #: alleles -> the patterns in the regex for many records, and the regex.
        self._together: dict[int, tuple[list[bytes], _Pattern]] = {}
        self._learning = True
        self._entries: dict[int, dict[bytes, _Fullmatch]] = {}

    # -- quick ------------------------------------------------------------------------------

    def clean(self, info: bytes, alleles: int, pos: int) -> bool:
        """True where there is nothing to report of ``info``, with ``alleles`` ALT alleles."""
        last = self._last.get(alleles)
        match = last.fullmatch(info) if last is not None else None
        if match is None:
            if info == b".":
                return True
            if len(info) > _LONG:
                return False
            match = self._match(info, alleles)
            if match is None:
                return False
        end = match.lastindex
        return end is None or int(match[end]) >= pos

    def all_clean(self, infos: Sequence[bytes], alleles: int, positions: Sequence[int]) -> bool:
        """``clean`` for many: runs that are of a known sequence of keys by one regex, others one by
        one. ``positions``: POS of each."""
        text = b"\n".join(infos) + b"\n"
        at = start = 0
        while True:
            match = self._run(alleles).match(text, start)
            assert match is not None
            at += text.count(b"\n", start, match.end())
            if at == len(infos):
                return True
            if not self.clean(infos[at], alleles, positions[at]):
                return False
            start = match.end() + len(infos[at]) + 1
            at += 1
            if at == len(infos):
                return True

    def _run(self, alleles: int) -> _Pattern:
        """A regex for any number of INFO columns, each with a line end behind it, of the sequences
        of keys that were met; it may match none. END, which is held against POS, is in none."""
        known = self._together.get(alleles)
        patterns = [rb"\."] if known is None else known[0]
        last = self._last.get(alleles)
        new = last.pattern if last is not None and not last.groups else patterns[0]
        if new not in patterns and len(patterns) <= _TOGETHER:
            known, patterns = None, [new, *patterns]
        if known is None:
            if len(self._together) >= _COUNTS:
                self._together.clear()
            run = re.compile(b"(?>%b)*+" % b"|".join([rb"(?:%b)\n" % one for one in patterns]))
            known = self._together[alleles] = patterns, run
        return known[1]

    def _match(self, info: bytes, alleles: int) -> re.Match[bytes] | None:
        """By the sequence of keys where that comes back, else entry by entry."""
        table = self._entries.setdefault(alleles, {})
        entries = info.split(b";")
        keys = [entry.partition(b"=")[0] for entry in entries]
        signature = (alleles, b";".join(keys)) if self._learning else None
        shape = self._shapes.get(signature) if signature is not None else None
        if shape is not None:
            self._last[alleles] = shape
            match = shape.fullmatch(info)
            if match is not None:
                return match
        if len(set(keys)) < len(keys):
            return None
        found = None
        for entry, key in zip(entries, keys, strict=True):
            fullmatch = table.get(key) or self._entry(key, alleles)
            match = fullmatch(entry) if fullmatch is not None else None
            if match is None:
                return None
            if found is None or match.lastindex:
                found = match
        if signature is not None:
            self._learn(signature, keys)
        return found

    def _learn(self, signature: tuple[int, bytes], keys: list[bytes]) -> None:
        if len(signature[1]) > _SHAPE_LENGTH:
            return
        if signature not in self._shapes:
            self._shapes[signature] = None
            # Where nearly every record has its own sequence of keys there is nothing to learn.
            self._learning = len(self._shapes) < _SHAPES
            return
        parts = [self._entry_pattern(key, signature[0]) or b"(?!)" for key in keys]
        self._shapes[signature] = self._last[signature[0]] = re.compile(b";".join(parts))

    def _entry(self, key: bytes, alleles: int) -> _Fullmatch | None:
        pattern = self._entry_pattern(key, alleles)
        if pattern is None:
            return None
        fullmatch = re.compile(pattern).fullmatch
        if sum(map(len, self._entries.values())) > 10 * _SHAPES:
            self._entries.clear()
        self._entries.setdefault(alleles, {})[key] = fullmatch
        return fullmatch

    def _entry_pattern(self, key: bytes, alleles: int) -> bytes | None:
        if not self._key_allowed(key) or (key not in self._named and key not in self._told):
            return None
        if self._version >= (4, 4) and key in structural.KEYS:
            return None
        declared = self._declared.get(key)
        name = re.escape(key)
        if declared is None:
            return name + rb"(?:=[!-$&-:<>-~]++)?+"
        if declared.type == b"Flag":
            return name + rb"(?:=[01])?+"
        if key == b"END":
            if declared != Declared(b"1", b"Integer"):
                return None
            return rb"END=([0-9]{1,9}+)"
        pattern = values.quick_list(key, declared, alleles, None, sample=False)
        return None if pattern is None else name + b"=" + pattern

    def _key_allowed(self, key: bytes) -> bool:
        if self._version < (4, 3):
            return bool(key) and not spec.WHITESPACE.search(key)
        return key == b"1000G" or spec.KEY.fullmatch(key) is not None

    # -- thorough ---------------------------------------------------------------------------

    def check(self, info: bytes, alt: bytes, pos: int, line: int) -> None:
        """Report every fault of ``info``."""
        if info == b".":
            structural.check_absent(self._report, self._version, alt, {}, line)
            return
        found: dict[bytes, bytes | None] = {}
        for entry in info.split(b";"):
            key, equals, value = entry.partition(b"=")
            if not key:
                self._add("info-syntax", line, f'INFO has an empty entry or key: "{show(info)}".')
                continue
            if key in found:
                rule = "info-repeated" if self._version >= (4, 3) else "info-repeated-4.2"
                self._add(rule, line, f"{show(key)} is given twice.")
            elif not self._key_allowed(key):
                self._add("info-key", line, f'"{show(key)}" is no INFO key.')
            else:
                self._tell_undeclared(key, line)
            found[key] = value if equals else None
            self._check_entry(key, value if equals else None, alt, pos, line)
        structural.check(self._report, self._version, alt, found, line)

    def _tell_undeclared(self, key: bytes, line: int) -> None:
        if key in self._named or key in self._told or len(self._told) >= _SHAPES:
            return
        self._told.add(key)
        self._add(
            "info-undeclared", line, f"{show(key)} has no ##INFO line; it is used from here on."
        )

    def _check_entry(
        self, key: bytes, value: bytes | None, alt: bytes, pos: int, line: int
    ) -> None:
        declared = self._declared.get(key)
        if value is None:
            if declared is not None and declared.type != b"Flag":
                self._add(
                    "info-count",
                    line,
                    f"{show(key)} has no value; its Number is {show(declared.number)}.",
                )
            return
        self._check_text(key, value, line)
        if declared is None:
            return
        if declared.type == b"Flag":
            if value not in (b"0", b"1"):
                self._add("info-flag", line, f'{show(key)} has the value "{show(value)}".')
            return
        self._check_values(key, value, declared, alt, line)
        if key == b"END" and value.isdigit() and int(value[:12]) < pos:
            self._add("info-end", line, f"END is {show(value)}, POS is {pos}.")

    def _check_text(self, key: bytes, value: bytes, line: int) -> None:
        if self._version < (4, 3):
            if spec.WHITESPACE.search(value):
                self._add("info-whitespace", line, f'{show(key)} is "{show(value)}".')
        elif spec.PERCENT.search(value):
            self._add("info-percent", line, f'{show(key)} is "{show(value)}".')
        quoted = _is_text(value, self._declared.get(key, _TEXT))
        if b"=" in value and key != b"CIGAR" and not quoted:
            self._add(
                "info-syntax",
                line,
                f'{show(key)} has an equals sign in its value: "{show(value)}".',
            )

    def _check_values(
        self, key: bytes, value: bytes, declared: Declared, alt: bytes, line: int
    ) -> None:
        if value == b".":
            return
        items = [value] if _is_text(value, declared) else value.split(b",")
        alleles = 0 if alt == b"." else alt.count(b",") + 1
        allowed = values.counts(declared.number, alleles, None, sample=False)
        if allowed is not None and len(items) not in allowed:
            wanted = " or ".join(str(n) for n in sorted(allowed))
            self._add(
                "info-count",
                line,
                f"{show(key)} has {len(items)} values; its Number "
                f"{show(declared.number)} asks for {wanted} here.",
            )
        for item in items:
            if self._check_value(key, item, declared, line):
                return

    def _check_value(self, key: bytes, item: bytes, declared: Declared, line: int) -> bool:
        """True where a fault was reported."""
        if not item and (declared.type != b"String" or self._version < (4, 4)):
            self._add("info-type", line, f"{show(key)} has an empty value.")
            return True
        fault = values.type_fault(item, declared.type, self._version)
        if fault:
            rule = "info-range" if fault == "range" else "info-type"
            self._add(
                rule, line, f'{show(key)} is "{show(item)}"; its Type is {show(declared.type)}.'
            )
            return True
        why = values.reserved_fault(key, item, sample=False, version=self._version)
        if why:
            self._add("info-value", line, f'{show(key)} is "{show(item)}": {why}.')
        return bool(why)

    def _add(self, rule: str, line: int, what: str) -> None:
        self._report.add(rule, line, 8, what)


def _is_text(value: bytes, declared: Declared) -> bool:
    """True for a String in double quotes, which is one value whatever it contains."""
    quoted = len(value) > 1 and value[:1] == value[-1:] == b'"'
    return quoted and declared.type == b"String" and b'"' not in value[1:-1]
