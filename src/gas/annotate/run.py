"""Annotate a file: VCF in, BGZF with its index out.

1. Read the header; choose INFO keys that the input does not have.
2. Cut the body into slices of whole lines; let each through the gate (``gate``: validator and
   build check), then annotate, graft and compress it (``piece``), here or in several processes
   (``work``, ``pool``).
3. Write everything into a private folder beside the target, index it, then rename (``result``).

Where a record turns out to have one of our keys that the header did not declare, the run starts
anew with another name for ours; where the records turn out not to be in order, it starts anew over
a sorted copy (``sorting``), which passed the gate while it was sorted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from gas.annotate.engines import DEFAULT
from gas.annotate.gate import Gate
from gas.annotate.header import Keys, declared
from gas.annotate.intake import Result
from gas.annotate.pack import Pack
from gas.annotate.piece import rare_collections
from gas.annotate.result import (
    Body,
    KeyTaken,
    Rejects,
    Report,
    disk_errors,
    private_folder,
    publish,
    stem,
)
from gas.annotate.sorting import SortedVcf, sort
from gas.annotate.stream import Limits
from gas.annotate.summary import Summary
from gas.annotate.vcf import Slice, Unsorted, VcfFile
from gas.annotate.work import Work
from gas.errors import EngineError, InputError

__all__ = ["Progress", "Report", "annotate", "paced"]

#: records done, bytes read, bytes to read in all (the file's own, compressed bytes; an engine that
#: reads the file through before it answers counts for a file twice as long).
Progress = Callable[[int, int, int], None]

_PROGRESS_EVERY_S = 0.2


def annotate(
    input: Path,
    output: Path,
    pack: Pack,
    engine: str = DEFAULT,
    options: Mapping[str, str] | None = None,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    check_cancelled: Callable[[], None] = lambda: None,
    limits: Limits | None = None,
    offers: Sequence[str] = (),
    check_build: bool = True,
    beside: str | None = None,
) -> Report:
    """Annotate ``input`` (VCF, plain or gzip or BGZF) into ``output`` (BGZF, with its index beside
    it). An existing output is replaced at the end, or stays as it is.

    ``options``: what the engine takes (``gas.annotate.engines.load``); named in the header.
    ``engine``: a name out of ``gas.annotate.engines.ENGINES`` or ``module:Class``. The output is
    the same, cut into the same blocks, for any number of ``workers``. ``offers``: references to
    name to who chose the wrong one; without ``check_build`` a file of another assembly is annotated
    all the same. What was found in the input is written beside the output as
    ``<beside>findings.json`` and, where lines had to be passed through, ``<beside>rejected.tsv``;
    ``beside`` is the output's name without its ending, and a dot, unless it is given.

    Raises InputError for a file that cannot be annotated, PackError or EngineError for the
    reference and the engine, TransientError where the disk is full, and Cancelled as
    ``check_cancelled`` raised it.
    """
    source = VcfFile(input, limits)
    if output.exists() and output.samefile(input):
        raise InputError("Input and output are the same file.", hint="Choose another output.")
    if beside is None:
        beside = stem(output)

    def gate() -> Gate:
        return Gate(source, pack, offers, check_build=check_build)

    work = Work(engine, options or {}, pack, workers, check_cancelled)
    run = _Run(source, output, work, paced(progress), gate)
    taken = declared(source.header)
    with disk_errors(output), private_folder(output) as folder, rare_collections():
        while True:
            try:
                return run.attempt(folder, work.keys(taken), beside)
            except KeyTaken as found:
                taken |= found.keys
            except Unsorted:
                run.sort(folder)


class _Run:
    def __init__(
        self,
        source: VcfFile,
        output: Path,
        work: Work,
        progress: Progress,
        gate: Callable[[], Gate],
    ) -> None:
        self._source = source
        self._output = output
        self._work = work
        self._progress = progress
        self._new_gate = gate
        #: What the gate said while the input was sorted; None: the input is in order.
        self._sorted: tuple[Result, int] | None = None

    def sort(self, folder: Path) -> None:
        """Go on with a sorted copy of the input."""
        if self._sorted is not None:
            raise EngineError("The sorted copy of the input is not in order.")
        self._count_bytes(Summary())
        with Rejects(folder) as rejects, self._new_gate() as gate:
            copy: SortedVcf = sort(
                self._source,
                gate.slices(),
                folder / "sorting",
                tell_rejected=rejects.add,
                check_cancelled=self._work.check_cancelled,
            )
            self._sorted = gate.finish(), rejects.count
        self._source = copy

    def attempt(self, folder: Path, keys: Keys, beside: str) -> Report:
        """One pass over the source. Raises KeyTaken or Unsorted where another is needed."""
        body = Body(folder)
        if self._sorted is not None:
            self._write(body, keys, self._source.slices(), lambda *_: None)
            result, rejected = self._sorted
        else:
            with Rejects(folder) as rejects, self._new_gate() as gate:
                self._write(body, keys, gate.slices(), rejects.add)
                result = gate.finish()
            rejected = rejects.count
        self._work.check_cancelled()
        self._progress(body.summary.records, self._total_bytes, self._total_bytes)
        return publish(
            body,
            self._output,
            beside,
            result.as_dict(),
            engine=self._work.engine,
            keys=keys,
            pack=self._work.pack,
            rejected=rejected,
            is_sorted=self._sorted is not None,
        )

    def _write(
        self,
        body: Body,
        keys: Keys,
        slices: Iterator[Slice],
        tell_rejected: Callable[[int, str], None],
    ) -> None:
        self._count_bytes(body.summary)
        work = self._work
        pieces = work.pieces(self._source, slices, keys, body.folder, self._has_read)
        body.write(work.header(self._source, keys), pieces, tell_rejected, work.check_cancelled)

    # -- progress ----------------------------------------------------------------------------

    @property
    def _total_bytes(self) -> int:
        return self._source.size_bytes * (1 if self._work.engine.parallel else 2)

    def _count_bytes(self, summary: Summary) -> None:
        self._already_read = 0

        def on_read(read_bytes: int) -> None:
            self._progress(summary.records, self._already_read + read_bytes, self._total_bytes)

        self._source.on_read = on_read

    def _has_read(self) -> None:
        self._already_read = 0 if self._work.engine.parallel else self._source.size_bytes


def paced(progress: Progress | None) -> Progress:
    """``progress``, called a few times a second at most, and always at the end."""
    if progress is None:
        return lambda records, read, total: None
    last = 0.0

    def paced(records: int, read: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PROGRESS_EVERY_S or read >= total:
            last = now
            progress(records, read, total)

    return paced
