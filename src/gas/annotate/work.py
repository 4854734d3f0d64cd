"""What annotates slices: an engine with its options over a reference, here or in several processes.

A whole run (``run``) and one shard of a large file (``shards``) are the same work over other
slices.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain
from pathlib import Path

from gas.annotate.engines import Context, Engine, load
from gas.annotate.header import Keys, choose_keys, extend, source_fields
from gas.annotate.pack import Pack
from gas.annotate.piece import Annotator, Piece
from gas.annotate.pool import Pool, Setup
from gas.annotate.vcf import Slice, VcfFile


class Work:
    """``workers``: processes, for engines that are ``parallel``."""

    def __init__(
        self,
        engine: str,
        options: Mapping[str, str],
        pack: Pack,
        workers: int = 1,
        check_cancelled: Callable[[], None] = lambda: None,
    ) -> None:
        """Raises EngineError where there is no such engine."""
        self.engine: Engine = load(engine, options)
        self.pack = pack
        self.check_cancelled = check_cancelled
        self._name = engine
        self._options = options
        self._workers = max(1, workers)

    def keys(self, taken: Collection[str]) -> Keys:
        """INFO keys for an input that has ``taken``."""
        sources = [field.info for field in source_fields(self.engine, self.pack)]
        return choose_keys(self.engine.info().key, taken, sources)

    def header(self, source: VcfFile, keys: Keys) -> bytes:
        """The header of the result."""
        return b"".join(extend(source.header, keys, self.engine, self.pack, self._options))

    def pieces(
        self,
        source: VcfFile,
        slices: Iterator[Slice],
        keys: Keys,
        scratch: Path,
        opened: Callable[[], None] = lambda: None,
    ) -> Iterator[Piece]:
        """Each of ``slices`` of ``source`` annotated, in order. ``opened`` is called when an engine
        that works alone has read what it wants to."""
        # The gate may refuse the file on its first slice, before the engine does any work.
        first = next(slices, None)
        slices = chain([] if first is None else [first], slices)
        if self.engine.parallel and self._workers > 1:
            setup = Setup(
                input=source.path,
                pack=self.pack,
                engine=self._name,
                options=self._options,
                keys=keys,
                limits=source.limits,
                scratch=scratch,
                import_path=tuple(sys.path),
            )
            with Pool(setup, self._workers, self.check_cancelled) as pool:
                yield from pool.map(slices)
            return
        context = Context(
            scratch=scratch, workers=self._workers, check_cancelled=self.check_cancelled
        )
        with self.engine.open(source, self.pack, context) as session:
            annotator = Annotator(self.engine, session, keys, self.pack, source.limits.alts)
            opened()
            for piece in slices:
                yield annotator.work(piece)
