"""A large file in shards: planned by one, annotated by many, joined by one.

    plan   the whole input through the gate, once and in order; what passed is written out in
           shards as it goes, so that others begin while the plan is still being made
    work   one shard: its slices annotated, as BGZF blocks, and what the result needs to know of
           them. Any shard at any time, by anybody
    join   header, blocks in order, index, summary and findings

The bytes are those of one run: a shard is a number of the slices that a run would cut, a slice's
blocks depend on nothing else (``piece``), and all that looks along the file, the gate and the order
of the records, is done once, by the plan and the join. The plan reads, checks and writes anew the
text of the input, about a sixth of the whole work; it may be any VCF, plain, gzip or BGZF.

What a run can only do by starting anew (records not in order, an INFO key of ours that the header
does not declare) is not done in shards: ``InOnePiece``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import IO, Any, Self, cast

from isal import igzip

from gas.annotate.engines import DEFAULT
from gas.annotate.gate import Gate
from gas.annotate.header import declared
from gas.annotate.index import Part
from gas.annotate.pack import Pack
from gas.annotate.piece import Piece, rare_collections
from gas.annotate.result import (
    Body,
    Rejects,
    Report,
    disk_errors,
    private_folder,
    publish,
    stem,
)
from gas.annotate.run import Progress, paced
from gas.annotate.stream import ByteStream, Limits
from gas.annotate.summary import Summary
from gas.annotate.vcf import Slice, Span, Unsorted, VcfFile
from gas.annotate.work import Work
from gas.errors import GasError

#: Files of a plan that the join needs: the input's header, and what the gate found.
HEAD, FOUND = "head.vcf", "found.json"
#: After so many shards they are made twice as large, up to ``_GROWTHS`` times: the number of a very
#: long file's shards stays in the hundreds.
_GROW_AFTER = 64
_GROWTHS = 4


class InOnePiece(GasError):
    """This file is annotated in one piece."""

    code = "in-one-piece"


@dataclass(frozen=True)
class Shard:
    """A shard as planned: its header and slices as a VCF in ``text``, and where the slices begin
    and what must not be annotated in ``cuts``. ``size_bytes``: of its records' text;
    ``read``: share of the input that was read by then."""

    number: int
    text: Path
    cuts: Path
    size_bytes: int
    read: float


@dataclass(frozen=True)
class Done:
    """A shard as annotated: ``blocks`` of BGZF, ``about`` them."""

    blocks: Path
    about: Path


# -- plan ----------------------------------------------------------------------------------------


def plan(
    input: Path,
    folder: Path,
    pack: Pack,
    engine: str = DEFAULT,
    options: Mapping[str, str] | None = None,
    *,
    shard_bytes: int,
    tell: Callable[[Shard], None],
    progress: Progress | None = None,
    check_cancelled: Callable[[], None] = lambda: None,
    limits: Limits | None = None,
    offers: Sequence[str] = (),
    check_build: bool = True,
) -> None:
    """Write the shards of ``input``, each of about ``shard_bytes`` of text and of whole slices,
    into ``folder``; ``tell`` hears of each when it is whole. HEAD and FOUND are written at the end.

    Raises what ``gas.annotate.run.annotate`` raises for the input, and InOnePiece at the first sign
    of disorder; the shards and the join look closely.
    """
    source = VcfFile(input, limits)
    work = Work(engine, options or {}, pack, check_cancelled=check_cancelled)
    if not work.engine.parallel:
        raise InOnePiece(f"The engine {engine} reads a file as a whole.")
    on_read = paced(progress)
    read = 0

    def count(read_bytes: int) -> None:
        nonlocal read
        read = read_bytes
        on_read(0, read_bytes, source.size_bytes)

    source.on_read = count
    with (
        disk_errors(folder),
        rare_collections(),
        Gate(source, pack, offers, check_build=check_build) as gate,
    ):
        for number, slices in enumerate(_shards(gate.slices(), shard_bytes)):
            with _ShardWriter(folder, number, source.header) as writer:
                for piece in slices:
                    check_cancelled()
                    if not gate.in_order:
                        raise _unsorted()
                    writer.add(piece)
            tell(writer.shard(read / source.size_bytes))
        found = gate.finish().as_dict()
        (folder / HEAD).write_bytes(b"".join(source.header))
        (folder / FOUND).write_text(json.dumps(found))


def _shards(slices: Iterator[Slice], shard_bytes: int) -> Iterator[Iterator[Slice]]:
    """The slices in groups. A group is to be used up before the next is asked for."""
    for number, first in enumerate(slices):
        yield _group(first, slices, shard_bytes << min(number // _GROW_AFTER, _GROWTHS))


def _group(first: Slice, rest: Iterator[Slice], size_bytes: int) -> Iterator[Slice]:
    yield first
    size = len(first.text)
    while size < size_bytes:
        piece = next(rest, None)
        if piece is None:
            return
        size += len(piece.text)
        yield piece


def _unsorted() -> InOnePiece:
    return InOnePiece("Its records are not in order.")


class _ShardWriter:
    """Writes one shard. A context manager."""

    def __init__(self, folder: Path, number: int, header: Sequence[bytes]) -> None:
        self._number = number
        self._text, self._cuts = folder / f"{number}.vcf.gz", folder / f"{number}.cuts"
        self._size = 0
        self._out = _compressed(self._text, "wb")
        self._list = self._cuts.open("wb")
        self._out.write(b"".join(header))

    def add(self, piece: Slice) -> None:
        self._out.write(piece.text)
        self._size += len(piece.text)
        cut = [piece.first_line, len(piece.text), list(piece.rejected.items())]
        self._list.write(_line(cut))

    def shard(self, read: float) -> Shard:
        return Shard(self._number, self._text, self._cuts, self._size, read)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()
        self._list.close()


# -- work ----------------------------------------------------------------------------------------


class ShardVcf(VcfFile):
    """A shard: its slices are those of the input, with their line numbers there."""

    def __init__(self, text: Path, cuts: Path, limits: Limits) -> None:
        # The caps were held when the input was read; the copy is ours.
        super().__init__(text, replace(limits, ratio=1 << 20, uncompressed_bytes=1 << 60))
        self._cuts = cuts

    def slices(self) -> Iterator[Slice]:
        with ByteStream(self.path, self.limits) as stream, self._cuts.open() as cuts:
            stream.read(self._header_bytes)
            for line in cuts:
                first_line, size, rejected = json.loads(line)
                text = stream.read(size)
                self.on_read(stream.read_bytes)
                yield Slice(first_line, text, dict(rejected))


def work(
    text: Path,
    cuts: Path,
    folder: Path,
    pack: Pack,
    engine: str = DEFAULT,
    options: Mapping[str, str] | None = None,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    check_cancelled: Callable[[], None] = lambda: None,
    limits: Limits | None = None,
) -> Done:
    """Annotate the shard of ``text`` and ``cuts``; what comes of it is written into ``folder``.
    Raises EngineError, PackError, TransientError, Cancelled and InOnePiece."""
    source = ShardVcf(text, cuts, limits or Limits())
    shard = Work(engine, options or {}, pack, workers, check_cancelled)
    keys = shard.keys(declared(source.header))
    summary, on_read = Summary(), paced(progress)
    source.on_read = lambda read: on_read(summary.records, read, source.size_bytes)
    done = Done(folder / "blocks", folder / "about.gz")
    with (
        disk_errors(folder),
        rare_collections(),
        done.blocks.open("wb") as blocks,
        _compressed(done.about, "wb") as about,
    ):
        try:
            for piece in shard.pieces(source, source.slices(), keys, folder):
                check_cancelled()
                if piece.taken:
                    taken = ", ".join(sorted(piece.taken))
                    raise InOnePiece(f"Its records have the INFO key {taken}, not declared.")
                blocks.write(piece.blocks)
                about.write(_line(_plain(piece)))
                summary.merge(piece.summary)
        except Unsorted:
            raise _unsorted() from None
        about.write(_line(summary.to_plain()))
    return done


def _plain(piece: Piece) -> list[Any]:
    """All of a piece but its blocks and its summary."""
    spans = [vars(span) | {"contig": span.contig.decode("latin-1")} for span in piece.spans]
    index = [
        (place, vars(part) | {"contig": part.contig.decode("latin-1")})
        for place, part in piece.index
    ]
    return [len(piece.blocks), spans, index, piece.rejected]


# -- join ----------------------------------------------------------------------------------------


def join(
    head: Path,
    found: Path,
    shards: Iterable[Done],
    output: Path,
    pack: Pack,
    engine: str = DEFAULT,
    options: Mapping[str, str] | None = None,
    *,
    check_cancelled: Callable[[], None] = lambda: None,
    limits: Limits | None = None,
    beside: str | None = None,
) -> Report:
    """Make of the shards, in order, the result that ``gas.annotate.run.annotate`` would have made
    of the input. ``head``, ``found``: the plan's HEAD and FOUND. Raises InOnePiece as well."""
    source = VcfFile(head, limits)
    all_of_it = Work(engine, options or {}, pack, check_cancelled=check_cancelled)
    keys = all_of_it.keys(declared(source.header))
    with disk_errors(output), private_folder(output) as folder:
        body = Body(folder)
        with Rejects(folder) as rejects:
            header = all_of_it.header(source, keys)
            try:
                body.write(header, _pieces(shards), rejects.add, check_cancelled)
            except Unsorted:
                raise _unsorted() from None
        return publish(
            body,
            output,
            stem(output) if beside is None else beside,
            json.loads(found.read_text()),
            engine=all_of_it.engine,
            keys=keys,
            pack=pack,
            rejected=rejects.count,
        )


def _pieces(shards: Iterable[Done]) -> Iterator[Piece]:
    """The pieces of all shards; the last of each, which is empty, has its summary."""
    for shard in shards:
        with shard.blocks.open("rb") as blocks, _compressed(shard.about, "rb") as about:
            for line in about:
                values = json.loads(line)
                if isinstance(values, dict):
                    yield Piece(b"", [], [], Summary.from_plain(values), frozenset(), [])
                else:
                    yield _piece(values, blocks)


def _piece(values: list[Any], blocks: IO[bytes]) -> Piece:
    size, spans, index, rejected = values
    for value in chain(spans, (part for _, part in index)):
        value["contig"] = value["contig"].encode("latin-1")
    return Piece(
        blocks.read(size),
        [Span(**span) for span in spans],
        [(place, Part(**part)) for place, part in index],
        Summary(),
        frozenset(),
        [(line, why) for line, why in rejected],
    )


def _line(values: object) -> bytes:
    return json.dumps(values).encode() + b"\n"


def _compressed(path: Path, mode: str) -> IO[bytes]:
    return cast(IO[bytes], igzip.open(path, mode, compresslevel=1))  # type: ignore[no-untyped-call]
