"""Putting an unsorted input in order, within a memory cap.

1. Read the input once, through the gate; gather lines until the cap, sort them, write them out as a
   run.
2. Merge runs until few are left, then those into one text, with a second file that holds what is
   known of each line: its number in the input, and whether it must not be annotated.

Order: contigs as they first appear, then POS; what is equal keeps the input's order (the sort is
stable). Lines without a contig and a position come last.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, NamedTuple

from isal import igzip

from gas.annotate.piece import to_lines
from gas.annotate.stream import Limits
from gas.annotate.vcf import Slice, VcfFile, split

MEMORY_BYTES = 64 << 20
#: What a line costs in memory besides its text.
_LINE_COST = 250
_MOST_RUNS = 16
_NO_PLACE = 2**32 - 1
#: Contig by its rank, POS, line in the input, whether rejected, bytes of the text that follows.
_ENTRY = struct.Struct("<IIQBI")
_ABOUT = struct.Struct("<QB")


class Entry(NamedTuple):
    """One line and where it belongs; entries compare as the lines are to be ordered."""

    rank: int
    pos: int
    line: int
    is_rejected: bool
    text: bytes


class SortedVcf(VcfFile):
    """The sorted copy of an input; its slices know the lines' numbers in the input."""

    def __init__(self, text: Path, about: Path, limits: Limits) -> None:
        # The caps were held when the input was read; the copy is ours.
        super().__init__(text, replace(limits, ratio=1 << 20, uncompressed_bytes=1 << 60))
        self._about = about

    def slices(self) -> Iterator[Slice]:
        with self._about.open("rb") as about:
            for piece in super().slices():
                count = piece.text.count(b"\n")
                known = list(_ABOUT.iter_unpack(about.read(count * _ABOUT.size)))
                yield Slice(
                    piece.first_line,
                    piece.text,
                    {at: "" for at, (_, is_rejected) in enumerate(known) if is_rejected},
                    [line for line, _ in known],
                )


def sort(
    source: VcfFile,
    slices: Iterable[Slice],
    folder: Path,
    *,
    tell_rejected: Callable[[int, str], None],
    check_cancelled: Callable[[], None] = lambda: None,
    memory_bytes: int = MEMORY_BYTES,
) -> SortedVcf:
    """``source`` in order, in files of ``folder``. ``slices``: its slices, as the gate gives them;
    ``tell_rejected`` hears of each line that is to be passed through, in the input's order."""
    folder.mkdir(exist_ok=True)
    entries = _entries(slices, source.limits.alts, tell_rejected)
    runs, longest = _write_runs(entries, folder, memory_bytes, check_cancelled)
    fan_in = max(2, min(_MOST_RUNS, memory_bytes // max(1, longest)))
    number = len(runs)
    while len(runs) > fan_in:
        some, runs = runs[:fan_in], runs[fan_in:]
        runs.append(_write(folder / f"run-{number}.gz", _merge(some), check_cancelled))
        number += 1
        for path in some:
            path.unlink()
    text, about = folder / "sorted.vcf.gz", folder / "sorted.lines"
    with _create(text) as out, about.open("wb") as known:
        out.write(b"".join(source.header))
        if not source.header[-1].endswith(b"\n"):
            out.write(b"\n")
        for count, entry in enumerate(_merge(runs)):
            if count % 1024 == 0:
                check_cancelled()
            out.write(entry.text)
            known.write(_ABOUT.pack(entry.line, entry.is_rejected))
    for path in runs:
        path.unlink()
    return SortedVcf(text, about, source.limits)


def _entries(
    slices: Iterable[Slice], alts: int, tell_rejected: Callable[[int, str], None]
) -> Iterator[Entry]:
    ranks: dict[bytes, int] = {}
    for piece in slices:
        batch = split(piece, alts)
        reasons = {at: why for at, (_, why) in batch.odd.items()} | dict(piece.rejected)
        for at in sorted(reasons):
            tell_rejected(piece.line(at), reasons[at])
        records = iter(batch.records)
        for at, text in enumerate(to_lines(batch)):
            if not text.endswith(b"\n"):
                text += b"\n"
            rank, pos = _NO_PLACE, 0
            if at not in batch.odd:
                record = next(records)
                rank, pos = ranks.setdefault(record[0], len(ranks)), int(record[1])
            yield Entry(rank, pos, piece.line(at), at in piece.rejected, text)


def _write_runs(
    entries: Iterator[Entry], folder: Path, memory_bytes: int, check_cancelled: Callable[[], None]
) -> tuple[list[Path], int]:
    """The runs, and the bytes of the longest line."""
    runs: list[Path] = []
    longest = 0
    held: list[Entry] = []
    held_bytes = 0

    def flush() -> None:
        path = folder / f"run-{len(runs)}.gz"
        runs.append(_write(path, sorted(held), check_cancelled))
        held.clear()

    for entry in entries:
        held.append(entry)
        held_bytes += len(entry.text) + _LINE_COST
        longest = max(longest, len(entry.text))
        if held_bytes > memory_bytes:
            flush()
            held_bytes = 0
    if held:
        flush()
    return runs, longest


def _write(path: Path, entries: Iterable[Entry], check_cancelled: Callable[[], None]) -> Path:
    with _create(path) as out:
        for count, (rank, pos, line, is_rejected, text) in enumerate(entries):
            if count % 1024 == 0:
                check_cancelled()
            out.write(_ENTRY.pack(rank, pos, line, is_rejected, len(text)) + text)
    return path


def _merge(runs: Iterable[Path]) -> Iterator[Entry]:
    return heapq.merge(*map(_read, runs))


def _read(path: Path) -> Iterator[Entry]:
    with igzip.open(path, "rb") as file:  # type: ignore[no-untyped-call]
        while head := file.read(_ENTRY.size):
            rank, pos, line, is_rejected, size = _ENTRY.unpack(head)
            yield Entry(rank, pos, line, bool(is_rejected), file.read(size))


def _create(path: Path) -> IO[bytes]:
    file: IO[bytes] = igzip.open(path, "wb", compresslevel=1)  # type: ignore[no-untyped-call]
    return file
