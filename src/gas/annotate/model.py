"""The compiled model: a genome and its transcripts in one file that is mapped, not read.

    8 bytes    magic, format version
    8 bytes    length of the head
    head       JSON: pack digest, contigs (name, length, place of the sequence), arrays (type,
               shape, place)
    arrays     aligned to 64 bytes; places count from the file's start
    sequences  one upper-case byte per base

Opening it costs a few milliseconds, however large; pages are shared by all processes that map it
and given back under pressure. Transcripts are made from the arrays when a sweep comes to them.

The index of a contig cuts it wherever a transcript comes within reach or leaves it; each stretch
lists its transcripts in the order of rows: by start, then end, then line of the GFF3.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import re
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gas.annotate.genes import Fault
from gas.annotate.mapped import MappedFile
from gas.annotate.pack import Pack
from gas.annotate.transcript import Labels, Transcript
from gas.errors import PackError

MAGIC = b"GASMDL\x00\x04"
SEPARATOR = "\x1f"
MODEL_PREFIX = "model-"
#: How far the index reaches; a longer ``--distance`` is looked up record by record.
REACH = 5000
#: Bytes that Linux maps around one that is touched.
_FAULT_BYTES = 1 << 16
_NAME = re.compile(rf"{MODEL_PREFIX}(\d+)-[0-9a-f]{{16}}\.bin")


def model_path(pack: Pack, folder: Path) -> Path:
    """Where the compiled model of exactly these files lies in ``folder``."""
    return folder / f"{MODEL_PREFIX}{MAGIC[-1]}-{content(pack)[:16]}.bin"


def content(pack: Pack) -> str:
    """One name for a pack's genome and gene models, whatever else it holds."""
    files = pack.manifest.get("files")
    if not isinstance(files, dict):
        return pack.digest
    parts = [str(files.get(path.name)) for path in (pack.fasta, pack.gff)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def open_model(pack: Pack, scratch: Path) -> Model:
    """The compiled model of ``pack``: the one in its folder or in its cache, else compiled now into
    the first of them, and of ``scratch``, that can be written to. Raises PackError."""
    folders = [*_folders(pack), scratch]
    path = _existing(pack, folders)
    if path is not None:
        return Model(path, pack)
    for folder in folders:
        try:
            return Model(_compiled(pack, folder), pack)
        except OSError as error:
            if folder == scratch:
                raise PackError(
                    f"The model of {pack.name} cannot be written ({error.strerror})."
                ) from error
    raise AssertionError


def ready_model(pack: Pack) -> Model | None:
    """The compiled model of ``pack``, None where there is none yet that can be used."""
    path = _existing(pack, _folders(pack))
    try:
        return Model(path, pack) if path is not None else None
    except PackError:
        return None


def _folders(pack: Pack) -> list[Path]:
    """Where its model is kept: beside the pack, or in its cache where that cannot be written to."""
    return [pack.path] if pack.cache is None else [pack.path, pack.cache]


def _existing(pack: Pack, folders: Sequence[Path]) -> Path | None:
    paths = (model_path(pack, folder) for folder in folders)
    return next((path for path in paths if path.exists()), None)


def _compiled(pack: Pack, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = model_path(pack, folder)
    with _locked(folder):
        if not path.exists():
            # Only here: what compiles needs far more than what reads.
            from gas.annotate.compile import compile_model

            compile_model(pack, path)
            _remove_older(path)
    return path


def _remove_older(path: Path) -> None:
    """Remove from the folder of ``path`` what earlier versions, or earlier files of this pack, were
    compiled into. A newer version's stays: its software may be at work beside us."""
    for other in path.parent.glob(f"{MODEL_PREFIX}*.bin"):
        found = _NAME.fullmatch(other.name)
        if other != path and (found is None or int(found[1]) <= MAGIC[-1]):
            other.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process compiles, the others wait for it."""
    with (folder / ".model.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Model:
    """An opened model. ``Genome`` of the transcripts it makes."""

    def __init__(self, path: Path, pack: Pack) -> None:
        """Raises PackError where ``path`` is damaged or of another pack."""
        try:
            self._file = MappedFile(path, MAGIC)
            self._map, head = self._file.map, self._file.head
            self._view = memoryview(self._map)
            if len(self._map) < max(place + size for _, size, place in head["contigs"]):
                raise ValueError("it was cut short")
            self._arrays = {n: self._array(*spec) for n, spec in head["arrays"].items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PackError(
                f"The compiled model {path} cannot be used ({error}).",
                hint="Delete it; it is made again by itself.",
            ) from None
        if head["pack"] != content(pack):
            raise PackError(f"{path} was compiled from another reference.", hint="Delete it.")
        self.reach = int(head["reach"])
        self.faults = [Fault(*fault) for fault in head["faults"]]
        self.lengths = {name: size for name, size, _ in head["contigs"]}
        self._places = {name: place for name, _, place in head["contigs"]}
        self._numbers = {name: i for i, (name, _, _) in enumerate(head["contigs"])}
        self._names = list(self._numbers)

    def _array(self, kind: str, count: int, place: int) -> memoryview:
        """A flat array of a ``struct`` type."""
        size = struct.calcsize(kind)
        flat: memoryview = self._view[place : place + count * size].cast(kind)  # type: ignore[call-overload]
        return flat

    # -- sequence --

    @property
    def bytes(self) -> mmap.mmap:
        """The mapped file; ``offset(contig) + pos`` is the place of a 1-based position."""
        return self._map

    def offset(self, contig: str) -> int:
        """See ``bytes``."""
        place: int = self._places[contig]
        return place - 1

    def fetch(self, contig: str, start: int, end: int) -> str:
        """Bases ``start`` to ``end``, 1-based inclusive, cut at the contig's ends."""
        start, end = max(start, 1), min(end, self.lengths[contig])
        if end < start:
            return ""
        at = self._places[contig] - 1
        return self._map[at + start : at + end + 1].decode("ascii")

    def release(self, places: int, span_bytes: int) -> None:
        """Tell that ``places`` places within ``span_bytes`` were touched; now and then their pages
        are given back, so that a long run does not hold the whole genome resident."""
        self._file.touched(min(places * _FAULT_BYTES, span_bytes + _FAULT_BYTES))

    # -- transcripts --

    def index(self, contig: str) -> ContigIndex:
        """Which transcripts are within reach of which positions."""
        a, i = self._arrays, self._numbers[contig]
        cuts = a["cut"][a["cut_at"][i] : a["cut_at"][i + 1]]
        # Each contig's starts are one more than its cuts.
        first = a["cut_at"][i] + i
        starts = a["list_at"][first : first + len(cuts) + 1]
        lists = a["list"][a["list_from"][i] : a["list_from"][i + 1]]
        return ContigIndex(cuts.tolist(), starts.tolist(), lists, a["first"][i])

    def transcript(self, number: int) -> Transcript:
        """Transcript ``number`` of the whole model."""
        a = self._arrays
        first, last = a["exon_at"][number : number + 2].tolist()
        cds_start, cds_end = a["cds"][2 * number : 2 * number + 2].tolist()
        phase, first_phase, table = a["frame"][3 * number : 3 * number + 3].tolist()
        from_, to = a["label_at"][number : number + 2].tolist()
        return Transcript(
            contig=self._names[a["contig"][number]],
            strand=a["strand"][number],
            exons=_pairs(a["exon"], first, last),
            cds=(cds_start, cds_end) if cds_start else None,
            phase=phase,
            first_exon_phase=first_phase,
            table=table,
            labels=Labels._make(str(a["label"][from_:to], "utf-8").split(SEPARATOR)),
            genome=self,
            mature=_pairs(a["mature"], a["mature_at"][number], a["mature_at"][number + 1]),
        )

    def close(self) -> None:
        """Unmap. Nothing made by this model may be used afterwards."""
        self._arrays = {}
        try:
            self._view.release()
            self._map.close()
        except BufferError:
            # An array is still held somewhere; the mapping goes with it.
            return


def _pairs(flat: memoryview, first: int, last: int) -> tuple[tuple[int, int], ...]:
    values = flat[2 * first : 2 * last].tolist()
    return tuple(zip(values[::2], values[1::2], strict=True))


class ContigIndex:
    """Transcripts within reach, by position."""

    def __init__(self, cuts: list[int], starts: list[int], lists: memoryview, first: int) -> None:
        self._cuts, self._starts, self._lists, self._first = cuts, starts, lists, first

    def at(self, position: int) -> tuple[int, int, list[int]]:
        """The stretch around ``position`` (1-based): its first and last position and the numbers
        of its transcripts, in the order of rows."""
        cuts = self._cuts
        i = bisect_right(cuts, position) - 1
        high = cuts[i + 1] - 1 if i + 1 < len(cuts) else 1 << 60
        if i < 0:
            return -(1 << 60), high, []
        first = self._first
        found = self._lists[self._starts[i] : self._starts[i + 1]]
        return cuts[i], high, [first + number for number in found]

    def between(self, start: int, end: int) -> list[int]:
        """Numbers of all transcripts within reach of ``start`` to ``end``, in the order of rows."""
        first = max(0, bisect_right(self._cuts, start) - 1)
        last = bisect_right(self._cuts, end)
        if last <= 0:
            return []
        found = set(self._lists[self._starts[first] : self._starts[last]])
        return [self._first + number for number in sorted(found)]
