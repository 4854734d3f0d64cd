"""Annotate a file: VCF in, BGZF with its index out.

1. Read the header; choose INFO keys that the input does not have.
2. Cut the body into slices of whole lines; let each through the gate (``gate``: validator and
   build check), then annotate, graft and compress it (``piece``), here or in several processes
   (``pool``).
3. Write everything into a private folder beside the target, index it, then rename: nothing
   half-written is ever seen under the target's name, and nothing is left after an error.

Where a record turns out to have one of our keys that the header did not declare, the run starts
anew with another name for ours; where the records turn out not to be in order, it starts anew over
a sorted copy (``sorting``), which passed the gate while it was sorted.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from gas import __version__
from gas.annotate import bgzf
from gas.annotate.engines import DEFAULT, Context, Engine, load
from gas.annotate.fit import WARN_KEY
from gas.annotate.gate import Gate
from gas.annotate.header import Keys, choose_keys, declared, extend, source_fields
from gas.annotate.index import TabixIndex
from gas.annotate.intake import REJECTED_HEADER, Result, rejected_line
from gas.annotate.pack import Pack
from gas.annotate.piece import Annotator, Piece
from gas.annotate.pool import Pool, Setup
from gas.annotate.sorting import SortedVcf, sort
from gas.annotate.stream import Limits
from gas.annotate.summary import Summary
from gas.annotate.vcf import Order, Slice, Unsorted, VcfFile
from gas.errors import EngineError, GasError, InputError, TransientError

#: records done, bytes read, bytes to read in all (the file's own, compressed bytes; an engine that
#: reads the file through before it answers counts for a file twice as long).
Progress = Callable[[int, int, int], None]

_PROGRESS_EVERY_S = 0.2
FINDINGS, REJECTED = "findings.json", "rejected.tsv"
_VCF_ENDING = re.compile(r"(\.vcf)?(\.b?gz)?$")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


@dataclass(frozen=True)
class Report:
    """What a run made. ``index`` is the .tbi, or the .csi where a position needs it; ``findings``
    what the gate had to say, for machines; ``rejected`` the list of the lines that were passed
    through for a fault of theirs, None where there are none."""

    output: Path
    index: Path
    summary: Summary
    notes: list[str]
    engine: str
    engine_version: str
    keys: Keys
    reference: Pack
    findings: Path
    rejected: Path | None
    intake: dict[str, object]

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
            "intake": self.intake,
            **self.summary.to_json(),
        }


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
    the same, byte for byte, for any number of ``workers``. ``offers``: references to name to who
    chose the wrong one; without ``check_build`` a file of another assembly is annotated all the
    same. What was found in the input is written beside the output as ``<beside>findings.json`` and,
    where lines had to be passed through, ``<beside>rejected.tsv``; ``beside`` is the output's name
    without its ending, and a dot, unless it is given.

    Raises InputError for a file that cannot be annotated, PackError or EngineError for the
    reference and the engine, TransientError where the disk is full, and Cancelled as
    ``check_cancelled`` raised it.
    """
    source = VcfFile(input, limits)
    if output.exists() and output.samefile(input):
        raise InputError("Input and output are the same file.", hint="Choose another output.")
    if beside is None:
        beside = _VCF_ENDING.sub("", output.name) + "."

    def gate() -> Gate:
        return Gate(source, pack, offers, check_build=check_build)

    run = _Run(
        source,
        output,
        pack,
        engine,
        options or {},
        workers,
        _paced(progress),
        check_cancelled,
        gate,
    )
    taken = declared(source.header)
    with _disk_errors(output), _private_folder(output) as folder:
        while True:
            try:
                return run.attempt(folder, run.keys(taken), beside)
            except _KeyTaken as found:
                taken |= found.keys
            except Unsorted:
                run.sort(folder)


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
        options: Mapping[str, str],
        workers: int,
        progress: Progress,
        check_cancelled: Callable[[], None],
        gate: Callable[[], Gate],
    ) -> None:
        self.engine: Engine = load(engine, options)
        self._options = options
        self._engine_name = engine
        self._source = source
        self._output = output
        self._pack = pack
        self._workers = max(1, workers)
        self._progress = progress
        self._check_cancelled = check_cancelled
        self._new_gate = gate
        #: What the gate said while the input was sorted; None: the input is in order.
        self._sorted: tuple[Result, int] | None = None

    def sort(self, folder: Path) -> None:
        """Go on with a sorted copy of the input."""
        if self._sorted is not None:
            raise EngineError("The sorted copy of the input is not in order.")
        self._count_bytes(Summary())
        with _Rejects(folder / REJECTED) as rejects, self._new_gate() as gate:
            copy: SortedVcf = sort(
                self._source,
                gate.slices(),
                folder / "sorting",
                tell_rejected=rejects.add,
                check_cancelled=self._check_cancelled,
            )
            self._sorted = gate.finish(), rejects.count
        self._source = copy

    def keys(self, taken: Collection[str]) -> Keys:
        """INFO keys for a run over an input that has ``taken``."""
        sources = [field.info for field in source_fields(self.engine, self._pack)]
        return choose_keys(self.engine.info().key, taken, sources)

    def attempt(self, folder: Path, keys: Keys, beside: str) -> Report:
        """One pass over the source. Raises _KeyTaken or Unsorted where another is needed."""
        if self._sorted is not None:
            summary, part, index = self._write(folder, keys, self._source.slices(), lambda *_: None)
            result, rejected = self._sorted
        else:
            with _Rejects(folder / REJECTED) as rejects, self._new_gate() as gate:
                summary, part, index = self._write(folder, keys, gate.slices(), rejects.add)
                result = gate.finish()
            rejected = rejects.count
        notes = _notes(summary, keys, is_sorted=self._sorted is not None, rejected=rejected)
        findings = result.as_dict() | {"rejected": rejected, "sorted": self._sorted is not None}
        (folder / FINDINGS).write_text(json.dumps({"notes": notes, **findings}, indent=1) + "\n")
        self._check_cancelled()
        self._progress(summary.records, self._total_bytes, self._total_bytes)
        made = _publish(folder, part, index, self._output, beside, rejected)
        return Report(
            output=self._output,
            index=made.index,
            summary=summary,
            notes=notes,
            engine=self.engine.name,
            engine_version=self.engine.version(),
            keys=keys,
            reference=self._pack,
            findings=made.findings,
            rejected=made.rejected,
            intake={key: value for key, value in findings.items() if key not in _LONG},
        )

    def _write(
        self,
        folder: Path,
        keys: Keys,
        slices: Iterator[Slice],
        tell_rejected: Callable[[int, str], None],
    ) -> tuple[Summary, Path, Path]:
        part = folder / "part.vcf.gz"
        summary = Summary()
        order = Order()
        tabix = TabixIndex()
        self._count_bytes(summary)
        with part.open("wb") as out:
            header = extend(self._source.header, keys, self.engine, self._pack, self._options)
            out.write(bgzf.compress(b"".join(header)))
            for piece in self._pieces(folder, keys, slices):
                self._check_cancelled()
                if piece.taken:
                    raise _KeyTaken(piece.taken)
                order.add(piece.spans)
                for place, indexed in piece.index:
                    tabix.add(indexed, out.tell() + place)
                for line, why in piece.rejected:
                    tell_rejected(line, why)
                out.write(piece.blocks)
                summary.merge(piece.summary)
            out.write(bgzf.EOF)
        return summary, part, self._index(part, tabix)

    def _pieces(self, folder: Path, keys: Keys, slices: Iterator[Slice]) -> Iterator[Piece]:
        # The gate may refuse the file on its first slice, before the engine does any work.
        first = next(slices, None)
        slices = chain([] if first is None else [first], slices)
        if self.engine.parallel and self._workers > 1:
            setup = Setup(
                input=self._source.path,
                pack=self._pack,
                engine=self._engine_name,
                options=self._options,
                keys=keys,
                limits=self._source.limits,
                scratch=folder,
                import_path=tuple(sys.path),
            )
            with Pool(setup, self._workers, self._check_cancelled) as pool:
                yield from pool.map(slices)
            return
        context = Context(
            scratch=folder, workers=self._workers, check_cancelled=self._check_cancelled
        )
        with self.engine.open(self._source, self._pack, context) as session:
            alts = self._source.limits.alts
            annotator = Annotator(self.engine, session, keys, self._pack, alts)
            self._already_read = 0 if self.engine.parallel else self._source.size_bytes
            for piece in slices:
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


#: What of the findings does not go into the summary.
_LONG = ("findings", "unlisted", "notes")


class _Rejects:
    """``rejected.tsv`` while it is written. A context manager."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._file.write(REJECTED_HEADER)
        self.count = 0

    def add(self, line: int, reason: str) -> None:
        self.count += 1
        self._file.write(rejected_line(line, reason))

    def __enter__(self) -> _Rejects:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@dataclass(frozen=True)
class _Made:
    index: Path
    findings: Path
    rejected: Path | None


def _publish(
    folder: Path, part: Path, index: Path, output: Path, beside: str, rejected: int
) -> _Made:
    """Rename into place: what belongs to the result first, so that it is never seen without."""
    final_index = output.with_name(output.name + index.suffix)
    findings, rejects = (output.with_name(beside + name) for name in (FINDINGS, REJECTED))
    made = [(index, final_index), (folder / FINDINGS, findings)]
    if rejected:
        made.append((folder / REJECTED, rejects))
    try:
        for source, target in [*made, (part, output)]:
            source.replace(target)
    except OSError:
        for _, target in made:
            with suppress(OSError):
                target.unlink()
        raise
    for stale in {".tbi", ".csi"} - {index.suffix}:
        output.with_name(output.name + stale).unlink(missing_ok=True)
    if not rejected:
        rejects.unlink(missing_ok=True)
    return _Made(final_index, findings, rejects if rejected else None)


def _notes(summary: Summary, keys: Keys, *, is_sorted: bool, rejected: int) -> list[str]:
    notes = []
    if is_sorted:
        notes.append("The input was not in order: GAS sorted it by contig and position.")
    if rejected:
        notes.append(
            f"{rejected:,} line{' is' if rejected == 1 else 's are'} in the result as "
            "they came, without annotation: they cannot be read as records."
        )
    if not summary.records:
        notes.append("The file holds a header and no records.")
    for ours, used in ((keys.engine, keys.engine_as), (WARN_KEY, keys.warn_as)):
        if ours != used:
            notes.append(f"The input has the INFO key {ours}; GAS wrote its own as {used}.")
    if keys.omitted:
        notes.append(
            f"The input has {', '.join(sorted(keys.omitted))} already: its own values stay."
        )
    return notes


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
