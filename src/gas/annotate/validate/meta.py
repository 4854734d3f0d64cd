"""Reading one ``##key=value`` line (section 1.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: ``key=`` and what follows: a quoted string with escapes, a list in brackets (##META's Values),
#: or bare text up to the next comma.
_PAIR = re.compile(
    rb"""(?P<key>[^=,<>"\s]+)=
    (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<list>\[[^\[\]"]*\])|(?P<bare>(?:[^,<>"][^,<>]*)?))
    (?P<end>,|\Z)""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Pair:
    """One ``key=value`` of a structured line; ``quoted`` where the value was in double quotes."""

    key: bytes
    value: bytes
    quoted: bool = False


@dataclass(frozen=True)
class Meta:
    """A ``##`` line. ``pairs`` is None for an unstructured one; ``broken`` names what does not
    parse (the pairs before it are kept)."""

    line: int
    key: bytes
    value: bytes
    pairs: tuple[Pair, ...] | None = None
    broken: str = ""

    def get(self, key: bytes) -> bytes | None:
        """The value of ``key`` in a structured line, or None."""
        for pair in self.pairs or ():
            if pair.key == key:
                return pair.value
        return None

    @property
    def id(self) -> bytes | None:
        return self.get(b"ID")


def parse(line: int, text: bytes) -> Meta | None:
    """Take ``text``, a line that starts with ``##``, apart; None where it is no ``##key=value``."""
    key, equals, value = text[2:].partition(b"=")
    if not equals or not key or not value or re.search(rb"[\s<>]", key):
        return None
    if not value.startswith(b"<"):
        return Meta(line, key, value)
    pairs, broken = _pairs(value)
    return Meta(line, key, value, pairs, broken)


def _pairs(value: bytes) -> tuple[tuple[Pair, ...], str]:
    if not value.endswith(b">"):
        return tuple(_some_pairs(value[1:])[0]), "it does not end with >"
    pairs, rest = _some_pairs(value[1:-1])
    if rest is not None:
        shown = rest[:30].decode("utf-8", "backslashreplace")
        return tuple(pairs), f"no key=value can be read at {shown!r}"
    if not pairs:
        return (), "it is empty"
    return tuple(pairs), ""


def _some_pairs(body: bytes) -> tuple[list[Pair], bytes | None]:
    """The pairs up to the first fault, and what is left from there (None: no fault)."""
    pairs: list[Pair] = []
    at = 0
    while at < len(body):
        match = _PAIR.match(body, at)
        if match is None:
            return pairs, body[at:]
        quoted = match["quoted"]
        if quoted is not None:
            pairs.append(Pair(match["key"], quoted, True))
        else:
            pairs.append(Pair(match["key"], match["list"] or match["bare"]))
        at = match.end()
        if match["end"] == b"," and at == len(body):
            return pairs, b","
    return pairs, None


def old_declaration(value: bytes) -> Meta | None:
    """VCF 3.3 declares ``ID,Number,Type,"Description"``; the same as a structured line."""
    parts = value.split(b",", 3)
    if len(parts) < 3:
        return None
    keys = (b"ID", b"Number", b"Type", b"Description")
    pairs = zip(keys, parts, strict=False)
    return Meta(0, b"", value, tuple(Pair(key, part.strip(b'"')) for key, part in pairs))
