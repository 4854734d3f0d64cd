"""One slice of the input, from text to compressed output: the work that processes share.

``Annotator.work`` depends on its slice alone where the engine is ``parallel``; so whoever does it,
the bytes are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gas.annotate import bgzf
from gas.annotate.engines import Engine, Session
from gas.annotate.header import Keys
from gas.annotate.index import Part, may_reach, parts_of
from gas.annotate.summary import Summary, Tally
from gas.annotate.vcf import Batch, Slice, Span, spans, split
from gas.errors import EngineError


@dataclass(frozen=True)
class Piece:
    """``blocks``: the slice annotated, as BGZF blocks. ``taken``: keys of ours that it has."""

    blocks: bytes
    spans: list[Span]
    index: list[Part]
    summary: Summary
    taken: frozenset[str]


class Annotator:
    """An engine's session, and what is done to every slice before and after."""

    def __init__(
        self, engine: Engine, session: Session, keys: Keys, lengths: Mapping[str, int]
    ) -> None:
        self._session = session
        self._with_heads = getattr(session, "annotate_with_heads", None)
        self._keys = keys
        self._tally = Tally(engine.info(), lengths)

    def work(self, piece: Slice) -> Piece:
        """Raises InputError for a fault in the slice, EngineError where the engine fails."""
        batch = split(piece)
        found = spans(batch)
        heads = None
        if self._with_heads is not None:
            entries, heads = self._with_heads(batch.records)
        else:
            entries = self._session.annotate(batch.records)
        if len(entries) != len(batch.records):
            raise EngineError(
                f"The engine answered {len(entries)} of {len(batch.records)} records."
            )
        summary = self._tally.count(batch.first_line, batch.records, entries, heads)
        infos = b";" + b";".join([record[7] for record in batch.records])
        taken = self._taken(infos)
        is_reaching = may_reach(batch.records, infos)
        graft(batch, entries, self._keys)
        lines = to_lines(batch)
        blocks = bgzf.blocks(b"".join(lines))
        sizes = list(map(len, lines))
        parts = parts_of(batch.records, found, batch.first_line, sizes, blocks, is_reaching)
        return Piece(b"".join(blocks), found, parts, summary, taken)

    def _taken(self, infos: bytes) -> frozenset[str]:
        keys = (self._keys.engine_as, self._keys.warn_as)
        return frozenset(key for key in keys if b";" + key.encode() in infos)


def graft(batch: Batch, entries: Sequence[bytes], keys: Keys) -> None:
    """Add each record's entry to its INFO; ``.``, which stands for none, is replaced."""
    renames = keys.renames
    for record, entry in zip(batch.records, entries, strict=True):
        if entry:
            added = keys.rename(entry) if renames else entry
            info = record[7]
            record[7] = added if info == b"." else info + b";" + added


def to_lines(batch: Batch) -> list[bytes]:
    """The batch's lines with their ends."""
    if batch.ends is None:
        return [b"\t".join(record) + b"\n" for record in batch.records]
    return [b"\t".join(record) + end for record, end in zip(batch.records, batch.ends, strict=True)]
