"""One slice of the input, from text to compressed output: the work that processes share.

``Annotator.work`` depends on its slice alone where the engine is ``parallel``; so whoever does it,
the text and its blocks are the same.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, pairwise

from gas.annotate import bgzf
from gas.annotate.contigs import ContigNames
from gas.annotate.engines import Engine, Record, Session
from gas.annotate.fit import REF_MISMATCH, why_not
from gas.annotate.header import Keys
from gas.annotate.index import Part, may_reach, parts_of
from gas.annotate.pack import Pack
from gas.annotate.stream import Limits
from gas.annotate.summary import Heads, Summary, Tally
from gas.annotate.vcf import Batch, Slice, Span, spans, split
from gas.errors import EngineError

#: A slice with more runs of odd lines than this is compressed in one go.
_MOST_RUNS = 256
#: Lines with their ends, and the bytes of each.
_Text = tuple[bytes, list[int]]


@dataclass(frozen=True)
class Piece:
    """``blocks``: the slice annotated, as BGZF blocks. ``index``: what it gives to the index, with
    the place in ``blocks`` from which each part counts. ``taken``: keys of ours that it has.
    ``rejected``: lines of the input that were passed through for a fault of theirs, and why."""

    blocks: bytes
    spans: list[Span]
    index: list[tuple[int, Part]]
    summary: Summary
    taken: frozenset[str]
    rejected: list[tuple[int, str]]


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cycles a hundred times more rarely: a slice makes tens of thousands of lists, which
    all live until it is done, and no cycle."""
    before = gc.get_threshold()
    gc.set_threshold(100 * before[0], *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Annotator:
    """An engine's session, and what is done to every slice before and after."""

    def __init__(
        self, engine: Engine, session: Session, keys: Keys, pack: Pack, alts: int = Limits.alts
    ) -> None:
        """``alts``: records with more ALT alleles are passed through."""
        self._session = session
        self._with_heads = getattr(session, "annotate_with_heads", None)
        self._keys = keys
        self._alts = alts
        self._names = ContigNames.of(pack)
        self._lengths = pack.contigs
        self._tally = Tally(engine.info(), pack.contigs, self._names)

    def work(self, piece: Slice) -> Piece:
        """Raises Unsorted, or EngineError where the engine fails."""
        batch = split(piece, self._alts)
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
        if piece.rejected:
            entries, heads = _without(batch, piece, entries, heads)
        known = getattr(self._session, "known", None)
        summary = self._tally.count(batch.first_line, batch.records, entries, heads, known)
        rejected: list[tuple[int, str]] = []
        if batch.odd or piece.rejected:
            rejected = self._rejected(batch, piece, summary)
        if batch.places is not None or piece.lines is not None:
            _number(batch, piece, summary)
        infos = b";" + b";".join([record[7] for record in batch.records])
        taken = self._taken(infos)
        is_reaching = may_reach(batch.records, infos)
        ids = getattr(self._session, "ids", {})
        text = None
        if not ids and not self._keys.renames and b";.;" not in infos + b";":
            text = _appended(piece, batch, entries)
        if text is None:
            graft(batch, entries, self._keys)
            _fill_ids(batch, entries, ids)
        blocks, parts = _compress(batch, found, is_reaching, text)
        return Piece(blocks, found, parts, summary, taken, rejected)

    def _taken(self, infos: bytes) -> frozenset[str]:
        keys = (self._keys.engine_as, self._keys.warn_as, *self._keys.sources)
        return frozenset(key for key in keys if b";" + key.encode() in infos)

    def _rejected(self, batch: Batch, piece: Slice, summary: Summary) -> list[tuple[int, str]]:
        """All that was passed through for a fault of its own; counted here where nobody else
        does."""
        reasons = {at: why for at, (_, why) in batch.odd.items()} | dict(piece.rejected)
        summary.records += len(batch.odd)
        uncounted = len(batch.odd)
        for at, record in zip(_places(batch), batch.records, strict=True):
            if at in piece.rejected and why_not(record, self._names, self._lengths) is None:
                uncounted += 1
        if uncounted:
            summary.skipped["rejected"] += uncounted
        return [(piece.line(at), reasons[at]) for at in sorted(reasons)]


def _places(batch: Batch) -> Sequence[int]:
    return range(len(batch.records)) if batch.places is None else batch.places


def _without(
    batch: Batch,
    piece: Slice,
    entries: Sequence[bytes],
    heads: Sequence[Heads | None] | None,
) -> tuple[list[bytes], list[Heads | None] | None]:
    """The engine's answers without those to rejected records."""
    keep = [at not in piece.rejected for at in _places(batch)]
    kept = [entry if kept else b"" for entry, kept in zip(entries, keep, strict=True)]
    if heads is None:
        return kept, None
    return kept, [head if kept else None for head, kept in zip(heads, keep, strict=True)]


def _number(batch: Batch, piece: Slice, summary: Summary) -> None:
    """Give the examples their lines in the input."""
    places = _places(batch)
    summary.examples = [
        example._replace(line=piece.line(places[example.line - batch.first_line]))
        for example in summary.examples
    ]


def _appended(piece: Slice, batch: Batch, entries: Sequence[bytes]) -> _Text | None:
    """The usual slice of a file without samples: each line with its entry behind it; None where
    a line is otherwise."""
    plain = not batch.odd and batch.ends is None and all(entries)
    if not plain or max(map(len, batch.records), default=9) > 8:
        return None
    return _joined(list(map(b";".join, zip(piece.texts, entries, strict=True))))


def _joined(lines: list[bytes]) -> _Text:
    sizes = [len(line) + 1 for line in lines]
    return b"\n".join([*lines, b""]), sizes


def _compress(
    batch: Batch, found: list[Span], is_reaching: bool, text: _Text | None
) -> tuple[bytes, list[tuple[int, Part]]]:
    """The batch as BGZF blocks and what it gives to the index; ``text``: its lines, where they are
    at hand.

    Lines that are no records stand in blocks of their own, which the index passes by: who reads a
    region never meets one.
    """
    if not batch.odd:
        whole, sizes = text or _text(batch)
        blocks = bgzf.blocks(whole)
        parts = parts_of(batch, found, sizes, blocks, is_reaching)
        return b"".join(blocks), [(0, part) for part in parts]
    runs = _runs(batch, _record_lines(batch))
    out: list[bytes] = []
    index: list[tuple[int, Part]] = []
    place = done = 0
    for records, sizes, whole in runs:
        blocks = bgzf.blocks(whole)
        if records:
            run = Batch(done, records, None)
            parts = parts_of(run, spans(run), sizes, blocks, is_reaching)
            index += [(place, part) for part in parts]
            done += len(records)
        out += blocks
        place += sum(map(len, blocks))
    return b"".join(out), index


def _text(batch: Batch) -> _Text:
    """All records; for a batch without odd lines."""
    if batch.ends is not None:
        lines = _record_lines(batch)
        return b"".join(lines), list(map(len, lines))
    if any(len(record) > 8 for record in batch.records):
        return _wide(batch.records)
    return _joined(list(map(b"\t".join, batch.records)))


def _wide(records: Sequence[Record]) -> _Text:
    """Records with samples, which are long: each is copied once."""
    parts: list[bytes] = []
    sizes = []
    for record in records:
        head, tail = b"\t".join(record[:8]), record[8:]
        line = [head, b"\t", *tail, b"\n"] if tail else [head, b"\n"]
        parts += line
        sizes.append(sum(map(len, line)))
    return b"".join(parts), sizes


def _runs(batch: Batch, lines: list[bytes]) -> Iterator[tuple[list[Record], list[int], bytes]]:
    """Consecutive records (with the sizes of their lines, and the text) and consecutive odd lines
    (the text alone) in turn; too many of them are taken together."""
    total = len(lines) + len(batch.odd)
    own = dict(zip(_places(batch), range(len(lines)), strict=True))
    turns = [(is_odd, list(run)) for is_odd, run in groupby(range(total), batch.odd.__contains__)]
    if len(turns) > _MOST_RUNS and lines:
        texts = [batch.odd[at][0] if at in batch.odd else lines[own[at]] for at in range(total)]
        bounds = [0, *list(_places(batch))[1:], total]
        sizes = [sum(map(len, texts[a:b])) for a, b in pairwise(bounds)]
        yield batch.records, sizes, b"".join(texts)
        return
    for is_odd, run in turns:
        if is_odd:
            yield [], [], b"".join(batch.odd[at][0] for at in run)
        else:
            first, last = own[run[0]], own[run[-1]] + 1
            part = lines[first:last]
            yield batch.records[first:last], list(map(len, part)), b"".join(part)


def graft(batch: Batch, entries: Sequence[bytes], keys: Keys) -> None:
    """Add each record's entry to its INFO; ``.``, which stands for none, is replaced."""
    renames = keys.renames
    for record, entry in zip(batch.records, entries, strict=True):
        if entry:
            added = keys.rename(entry) if renames else entry
            info = record[7]
            record[7] = added if info == b"." else info + b";" + added


def _fill_ids(batch: Batch, entries: Sequence[bytes], ids: Mapping[int, bytes]) -> None:
    """Give annotated records without an ID the one that a source has."""
    for i, found in ids.items():
        if found and batch.records[i][2] == b"." and entries[i] not in (b"", REF_MISMATCH):
            batch.records[i][2] = found


def to_lines(batch: Batch) -> list[bytes]:
    """All lines of the batch with their ends, those that are no records among them."""
    lines = _record_lines(batch)
    if batch.odd:
        own = iter(lines)
        total = len(lines) + len(batch.odd)
        return [batch.odd[at][0] if at in batch.odd else next(own) for at in range(total)]
    return lines


def _record_lines(batch: Batch) -> list[bytes]:
    if batch.ends is None:
        return [b"\t".join(record) + b"\n" for record in batch.records]
    return [b"\t".join(record) + end for record, end in zip(batch.records, batch.ends, strict=True)]
