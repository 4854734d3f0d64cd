"""Annotate a file: VCF in, BGZF with its index out.

1. Read the header; choose INFO keys that the input does not have.
2. Cut the body into slices of whole lines; annotate, graft and compress each (``piece``), in this
   process or in several (``pool``).
3. Write everything into a private folder beside the target, index it, then rename: nothing
   half-written is ever seen under the target's name, and nothing is left after an error.

Where a record turns out to have one of our keys that the header did not declare, the run starts
anew with another name for ours.
"""

from __future__ import annotations

import errno
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gas import __version__
from gas.annotate import bgzf
from gas.annotate.contigs import ContigNames
from gas.annotate.engines import DEFAULT, Context, Engine, load
from gas.annotate.fit import WARN_KEY
from gas.annotate.header import Keys, choose_keys, declared, extend
from gas.annotate.index import TabixIndex
from gas.annotate.pack import Pack
from gas.annotate.piece import Annotator, Piece
from gas.annotate.pool import Pool, Setup
from gas.annotate.stream import Limits
from gas.annotate.summary import Summary
from gas.annotate.vcf import Order, VcfFile, show
from gas.errors import EngineError, GasError, InputError, TransientError

#: records done, bytes read, bytes to read in all (the file's own, compressed bytes; an engine that
#: reads the file through before it answers counts for a file twice as long).
Progress = Callable[[int, int, int], None]

_PROGRESS_EVERY_S = 0.2
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


@dataclass(frozen=True)
class Report:
    """What a run made. ``index`` is the .tbi, or the .csi where a position needs it."""

    output: Path
    index: Path
    summary: Summary
    notes: list[str]
    engine: str
    engine_version: str
    keys: Keys
    reference: Pack

    def to_json(self) -> dict[str, object]:
        """Plain values in a stable order; the counts are those of ``Summary.to_json``."""
        return {
            "gas_version": __version__,
            "engine": {"name": self.engine, "version": self.engine_version},
            "reference": {
                "name": self.reference.name,
                "assembly": self.reference.assembly,
                "version": self.reference.version,
                "digest": f"sha256:{self.reference.digest}",
            },
            "info_key": self.keys.engine_as,
            "notes": self.notes,
            **self.summary.to_json(),
        }


def annotate(
    input: Path,
    output: Path,
    pack: Pack,
    engine: str = DEFAULT,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    check_cancelled: Callable[[], None] = lambda: None,
    limits: Limits | None = None,
) -> Report:
    """Annotate ``input`` (VCF, plain or gzip or BGZF) into ``output`` (BGZF, with its index beside
    it). An existing output is replaced at the end, or stays as it is.

    ``engine``: a name out of ``gas.annotate.engines.ENGINES`` or ``module:Class``. The output is
    the same, byte for byte, for any number of ``workers``.

    Raises InputError for a file that cannot be annotated, PackError or EngineError for the
    reference and the engine, TransientError where the disk is full, and Cancelled as
    ``check_cancelled`` raised it.
    """
    source = VcfFile(input, limits)
    if output.exists() and output.samefile(input):
        raise InputError("Input and output are the same file.", hint="Choose another output.")
    run = _Run(source, output, pack, engine, workers, _paced(progress), check_cancelled)
    taken = declared(source.header)
    with _disk_errors(output), _private_folder(output) as folder:
        while True:
            try:
                return run.attempt(folder, choose_keys(run.engine.info().key, taken))
            except _KeyTaken as found:
                taken |= found.keys


class _KeyTaken(Exception):
    def __init__(self, keys: frozenset[str]) -> None:
        self.keys = keys


class _Run:
    def __init__(
        self,
        source: VcfFile,
        output: Path,
        pack: Pack,
        engine: str,
        workers: int,
        progress: Progress,
        check_cancelled: Callable[[], None],
    ) -> None:
        self.engine: Engine = load(engine)
        self._engine_name = engine
        self._source = source
        self._output = output
        self._pack = pack
        self._workers = max(1, workers)
        self._progress = progress
        self._check_cancelled = check_cancelled

    def attempt(self, folder: Path, keys: Keys) -> Report:
        part = folder / "part.vcf.gz"
        summary = Summary()
        order = Order()
        tabix = TabixIndex()
        self._count_bytes(summary)
        with part.open("wb") as out:
            header = extend(self._source.header, keys, self.engine, self._pack)
            out.write(bgzf.compress(b"".join(header)))
            for piece in self._pieces(folder, keys):
                self._check_cancelled()
                if piece.taken:
                    raise _KeyTaken(piece.taken)
                order.add(piece.spans)
                for indexed in piece.index:
                    tabix.add(indexed, out.tell())
                out.write(piece.blocks)
                summary.merge(piece.summary)
            out.write(bgzf.EOF)
        self._check_contigs(order)
        index = self._index(part, tabix)
        self._check_cancelled()
        total = self._total_bytes
        self._progress(summary.records, total, total)
        final_index = _publish(part, index, self._output)
        return Report(
            output=self._output,
            index=final_index,
            summary=summary,
            notes=_notes(summary, keys),
            engine=self.engine.name,
            engine_version=self.engine.version(),
            keys=keys,
            reference=self._pack,
        )

    def _pieces(self, folder: Path, keys: Keys) -> Iterator[Piece]:
        if self.engine.parallel and self._workers > 1:
            setup = Setup(
                input=self._source.path,
                pack=self._pack.path,
                engine=self._engine_name,
                keys=keys,
                limits=self._source.limits,
                scratch=folder,
                import_path=tuple(sys.path),
            )
            with Pool(setup, self._workers, self._check_cancelled) as pool:
                yield from pool.map(self._source.slices())
            return
        context = Context(
            scratch=folder, workers=self._workers, check_cancelled=self._check_cancelled
        )
        with self.engine.open(self._source, self._pack, context) as session:
            annotator = Annotator(self.engine, session, keys, self._pack.contigs)
            self._already_read = 0 if self.engine.parallel else self._source.size_bytes
            for piece in self._source.slices():
                yield annotator.work(piece)

    # -- progress ----------------------------------------------------------------------------

    @property
    def _total_bytes(self) -> int:
        return self._source.size_bytes * (1 if self.engine.parallel else 2)

    def _count_bytes(self, summary: Summary) -> None:
        self._already_read = 0

        def on_read(read_bytes: int) -> None:
            self._progress(summary.records, self._already_read + read_bytes, self._total_bytes)

        self._source.on_read = on_read

    # -- the end -----------------------------------------------------------------------------

    def _check_contigs(self, order: Order) -> None:
        names = ContigNames(self._pack.contigs)
        if not order.contigs or any(names.get(contig) for contig in order.contigs):
            return
        there = _some([show(contig) for contig in order.contigs])
        here = _some(list(self._pack.contigs))
        raise InputError(
            f"No contig in common: the file has {there}; the reference {self._pack.name} "
            f"({self._pack.assembly}) has {here}.",
            hint="Choose the reference that the file was called against.",
        )

    def _index(self, part: Path, tabix: TabixIndex) -> Path:
        if not tabix.is_for_htslib:
            index = part.with_name(part.name + ".tbi")
            index.write_bytes(tabix.to_bytes())
            return index
        import pysam

        index = part.with_name(part.name + ".csi")
        try:
            pysam.tabix_index(str(part), preset="vcf", force=True, csi=True, index=str(index))
        except OSError as error:
            if error.errno in _NO_SPACE:
                raise
            raise EngineError(f"The result could not be indexed ({error}).") from None
        return index


def _publish(part: Path, index: Path, output: Path) -> Path:
    """Rename into place: the index first, so that a result is never seen without one."""
    final_index = output.with_name(output.name + index.suffix)
    index.replace(final_index)
    try:
        part.replace(output)
    except OSError:
        final_index.unlink(missing_ok=True)
        raise
    for stale in {".tbi", ".csi"} - {index.suffix}:
        output.with_name(output.name + stale).unlink(missing_ok=True)
    return final_index


def _notes(summary: Summary, keys: Keys) -> list[str]:
    notes = []
    if not summary.records:
        notes.append("The file holds a header and no records.")
    for ours, used in ((keys.engine, keys.engine_as), (WARN_KEY, keys.warn_as)):
        if ours != used:
            notes.append(f"The input has the INFO key {ours}; GAS wrote its own as {used}.")
    return notes


def _some(names: list[str], most: int = 10) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _paced(progress: Progress | None) -> Progress:
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


@contextmanager
def _private_folder(output: Path) -> Iterator[Path]:
    """A folder beside the output, on the same disk, so that renaming is atomic."""
    folder = Path(tempfile.mkdtemp(prefix=f".{output.name[:100]}.", dir=output.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _disk_errors(output: Path) -> Iterator[None]:
    try:
        yield
    except GasError:
        raise
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise TransientError(
                f"The disk has no room for the result ({error.strerror}).",
                hint="Free some space and try again.",
            ) from error
        raise GasError(
            f"{output} could not be written ({error.strerror or error}).",
            hint="Check that its folder exists and may be written to.",
        ) from error
