"""Take an annotation by GAS away again: the input's text, byte for byte (a byte order mark, and IDs
that were filled, aside).

The way to see that nothing else was touched, and to annotate a file anew. Undoes the last run only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gas.annotate.piece import to_lines
from gas.annotate.vcf import VcfFile, split
from gas.errors import InputError

_ADDED_LINES = 3
_KEYS = re.compile(
    rb'##GAS=<ID=annotation.*,Key=([^,>]+),WarnKey=([^,>]+),(?:SourceKeys="([^"]*)",)?'
)


def strip(path: Path) -> Iterator[bytes]:
    """The text of the VCF at ``path`` as it was before GAS annotated it, in pieces.

    Raises InputError where the file was not annotated by GAS.
    """
    source = VcfFile(path)
    found = _KEYS.match(source.header[-2]) if len(source.header) > _ADDED_LINES else None
    if found is None:
        raise InputError("The file was not annotated by GAS: it has no ##GAS header line.")
    sources = [key for key in (found[3] or b"").split(b"|") if key]
    ours = tuple(key + b"=" for key in (found[1], found[2], *sources))
    added = _ADDED_LINES + len(sources)
    yield b"".join([*source.header[: -1 - added], source.header[-1]])
    for piece in source.slices():
        batch = split(piece)
        for record in batch.records:
            record[7] = _without(record[7], ours)
        yield b"".join(to_lines(batch))


def _without(info: bytes, ours: tuple[bytes, ...]) -> bytes:
    parts = info.split(b";")
    while parts and parts[-1].startswith(ours):
        parts.pop()
    return b";".join(parts) if parts else b"."
