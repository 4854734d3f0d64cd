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
import json
import mmap
import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pysam

from gas.annotate.genes import Fault, GeneModel, read_genes
from gas.annotate.pack import Pack
from gas.annotate.transcript import Labels, Transcript
from gas.errors import PackError

_MAGIC = b"GASMDL\x00\x02"
_ALIGN = 64
_SEPARATOR = "\x1f"
#: How far the index reaches at most; ``--distance`` beyond it is refused.
REACH = 5000
_READ_BASES = 1 << 24
#: Bytes of mapped pages that a process touches before it gives them back.
_RELEASE_BYTES = 128 << 20

Ints = npt.NDArray[np.int64]


# -- compiling ------------------------------------------------------------------------------------


def compile_model(
    pack: Pack, target: Path, reach: int = REACH, models: Sequence[GeneModel] | None = None
) -> list[Fault]:
    """Compile ``pack`` into the file ``target`` (written beside it, then renamed) and give back
    the faults of its gene models. ``models``: in place of those of the pack. Raises PackError."""
    faults: list[Fault] = []
    if models is None:
        models, faults = read_genes(pack.gff, pack.contigs)
    contigs = list(pack.contigs)
    arrays = _arrays(models, contigs, reach)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            _write(out, pack, contigs, arrays, faults, reach)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return faults


def _arrays(
    models: Sequence[GeneModel], contigs: list[str], reach: int
) -> dict[str, npt.NDArray[Any]]:
    number = {name: i for i, name in enumerate(contigs)}
    exons = [e for m in models for e in m.exons]
    mature = [e for m in models for e in m.mature]
    labels = [_SEPARATOR.join(m.labels).encode() for m in models]
    cut = [_index([m for m in models if m.contig == name], reach) for name in contigs]
    return {
        "contig": _ints([number[m.contig] for m in models], np.int32),
        "strand": _ints([m.strand for m in models], np.int8),
        "cds": _ints([m.cds or (0, 0) for m in models], np.int32).reshape(-1, 2),
        "frame": _ints([(m.phase, m.first_exon_phase, m.table) for m in models], np.int8),
        "exon_at": _offsets([len(m.exons) for m in models]),
        "exon": _ints(exons, np.int32).reshape(-1, 2),
        "mature_at": _offsets([len(m.mature) for m in models]),
        "mature": _ints(mature, np.int32).reshape(-1, 2),
        "label_at": _offsets([len(text) for text in labels]),
        "label": np.frombuffer(b"".join(labels) or b"\0", np.uint8),
        "first": _offsets([sum(1 for m in models if m.contig == name) for name in contigs]),
        "cut_at": _offsets([len(cuts) for cuts, _, _ in cut]),
        "cut": _joined([cuts for cuts, _, _ in cut], np.int32),
        "list_at": _joined([at for _, at, _ in cut], np.int64),
        "list_from": _offsets([len(found) for _, _, found in cut]),
        "list": _joined([found for _, _, found in cut], np.int32),
    }


def _ints(values: Sequence[Any], kind: type[np.signedinteger[Any]]) -> npt.NDArray[Any]:
    return np.array(values, dtype=kind)


def _offsets(lengths: Sequence[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(np.array(lengths, dtype=np.int64))]).astype(np.int64)


def _joined(parts: Sequence[Ints], kind: type[np.signedinteger[Any]]) -> npt.NDArray[Any]:
    return np.concatenate([np.zeros(0, kind), *parts]).astype(kind)


def _index(models: Sequence[GeneModel], reach: int) -> tuple[Ints, Ints, Ints]:
    """Cuts (first position of each stretch), where each stretch's list starts, and the lists:
    numbers of transcripts within the contig. One more start than cuts closes the last list."""
    if not models:
        return np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64)
    starts = np.array([m.exons[0][0] - reach for m in models], dtype=np.int64)
    stops = np.array([m.exons[-1][1] + reach + 1 for m in models], dtype=np.int64)
    cuts = np.unique(np.concatenate([starts, stops]))
    first = np.searchsorted(cuts, starts)
    last = np.searchsorted(cuts, stops)
    spans = last - first
    rows = np.repeat(np.arange(len(models)), spans)
    within = np.arange(spans.sum()) - np.repeat(np.cumsum(spans) - spans, spans)
    stretch = np.repeat(first, spans) + within
    order = np.lexsort((rows, stretch))
    counts = np.bincount(stretch, minlength=len(cuts))
    return cuts, _offsets(counts.tolist()), rows[order]


def _write(
    out: Any,
    pack: Pack,
    contigs: list[str],
    arrays: dict[str, npt.NDArray[Any]],
    faults: list[Fault],
    reach: int,
) -> None:
    head: dict[str, Any] = {
        "pack": pack.digest,
        "reach": reach,
        "faults": [[f.line, f.message, f.left_out] for f in faults],
        "contigs": [[name, pack.contigs[name], 0] for name in contigs],
        "arrays": {name: [a.dtype.str, list(a.shape), 0] for name, a in arrays.items()},
    }
    # Places are given the width of the largest number, so that the head's length is known.
    at = _aligned(len(_MAGIC) + 8 + len(json.dumps(head)) + 24 * (len(contigs) + len(arrays)))
    for name, array in arrays.items():
        head["arrays"][name][2] = at
        at = _aligned(at + array.nbytes)
    for contig in head["contigs"]:
        contig[2] = at
        at = _aligned(at + contig[1])
    text = json.dumps(head).encode()
    out.write(_MAGIC + len(text).to_bytes(8, "little") + text)
    for name, array in arrays.items():
        _pad(out, head["arrays"][name][2])
        out.write(array.tobytes())
    with _fasta(pack) as fasta:
        for name, length, place in head["contigs"]:
            _pad(out, place)
            _write_sequence(out, fasta, name, length)


def _aligned(at: int) -> int:
    return -(-at // _ALIGN) * _ALIGN


def _pad(out: Any, place: int) -> None:
    out.write(b"\0" * (place - out.tell()))


@contextmanager
def _fasta(pack: Pack) -> Iterator[pysam.FastaFile]:
    try:
        with pysam.FastaFile(str(pack.fasta)) as fasta:
            yield fasta
    except (OSError, ValueError) as error:
        raise PackError(
            f"The genome of {pack.name} cannot be read ({error}).",
            hint="Check the reference with `gas reference verify`.",
        ) from None


def _write_sequence(out: Any, fasta: pysam.FastaFile, name: str, length: int) -> None:
    if name not in fasta.references or fasta.get_reference_length(name) != length:
        raise PackError(f'The genome has no contig "{name}" of {length:,} bases.')
    for start in range(0, length, _READ_BASES):
        out.write(fasta.fetch(name, start, min(length, start + _READ_BASES)).upper().encode())


# -- opening --------------------------------------------------------------------------------------


def model_path(pack: Pack, folder: Path) -> Path:
    """Where the compiled model of exactly these files lies in ``folder``."""
    return folder / f"model-{_MAGIC[-1]}-{pack.digest[:16]}.bin"


def open_model(pack: Pack, scratch: Path) -> Model:
    """The compiled model of ``pack``: the one beside it, compiled now where there is none; in
    ``scratch`` where the pack's folder cannot be written. Raises PackError."""
    for folder in (pack.path, scratch):
        path = model_path(pack, folder)
        if path.exists():
            return Model(path, pack)
    for folder in (pack.path, scratch):
        try:
            with _locked(folder):
                path = model_path(pack, folder)
                if not path.exists():
                    compile_model(pack, path)
                return Model(path, pack)
        except OSError as error:
            if folder == scratch:
                raise PackError(
                    f"The model of {pack.name} cannot be written ({error.strerror})."
                ) from error
    raise AssertionError


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
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if self._map[:8] != _MAGIC:
                raise ValueError("it is of another version")
            length = int.from_bytes(self._map[8:16], "little")
            head = json.loads(self._map[16 : 16 + length])
            self._arrays = {n: self._array(*spec) for n, spec in head["arrays"].items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PackError(
                f"The compiled model {path} cannot be used ({error}).",
                hint="Delete it; it is made again by itself.",
            ) from None
        if head["pack"] != pack.digest:
            raise PackError(f"{path} was compiled from another reference.", hint="Delete it.")
        self.reach = int(head["reach"])
        self.faults = [Fault(*fault) for fault in head["faults"]]
        self.lengths = {name: size for name, size, _ in head["contigs"]}
        self._places = {name: place for name, _, place in head["contigs"]}
        self._numbers = {name: i for i, (name, _, _) in enumerate(head["contigs"])}
        self._names = list(self._numbers)
        self._touched = 0

    def _array(self, kind: str, shape: list[int], place: int) -> npt.NDArray[Any]:
        count = int(np.prod(shape))
        return np.frombuffer(self._map, np.dtype(kind), count, place).reshape(shape)

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

    def release(self, size_bytes: int) -> None:
        """Tell that about ``size_bytes`` of pages were touched; now and then they are given back,
        so that a long run does not hold the whole genome resident."""
        self._touched += size_bytes
        if self._touched > _RELEASE_BYTES:
            self._touched = 0
            self._map.madvise(mmap.MADV_DONTNEED)

    # -- transcripts --

    def index(self, contig: str) -> ContigIndex:
        """Which transcripts are within reach of which positions."""
        a, i = self._arrays, self._numbers[contig]
        cuts = a["cut"][a["cut_at"][i] : a["cut_at"][i + 1]]
        # Each contig's starts are one more than its cuts.
        first = int(a["cut_at"][i]) + i
        starts = a["list_at"][first : first + len(cuts) + 1]
        lists = a["list"][a["list_from"][i] : a["list_from"][i + 1]]
        return ContigIndex(cuts, starts, lists, int(a["first"][i]))

    def transcript(self, number: int) -> Transcript:
        """Transcript ``number`` of the whole model."""
        a = self._arrays
        first, last = a["exon_at"][number : number + 2].tolist()
        cds_start, cds_end = a["cds"][number].tolist()
        phase, first_phase, table = a["frame"][number].tolist()
        from_, to = a["label_at"][number : number + 2].tolist()
        m_from, m_to = a["mature_at"][number : number + 2].tolist()
        text = a["label"][from_:to].tobytes().decode()
        return Transcript(
            contig=self._names[int(a["contig"][number])],
            strand=int(a["strand"][number]),
            exons=tuple(map(tuple, a["exon"][first:last].tolist())),
            cds=(cds_start, cds_end) if cds_start else None,
            phase=phase,
            first_exon_phase=first_phase,
            table=table,
            labels=Labels._make(text.split(_SEPARATOR)),
            genome=self,
            mature=tuple((s, e) for s, e in a["mature"][m_from:m_to].tolist()),
        )

    def close(self) -> None:
        """Unmap. Nothing made by this model may be used afterwards."""
        self._arrays = {}
        try:
            self._map.close()
        except BufferError:
            # An array is still held somewhere; the mapping goes with it.
            return


class ContigIndex:
    """Transcripts within reach, by position."""

    def __init__(self, cuts: Any, starts: Any, lists: Any, first: int) -> None:
        self._cuts: list[int] = cuts.tolist()
        self._starts: list[int] = starts.tolist()
        self._lists, self._first = lists, first

    def at(self, position: int) -> tuple[int, int, list[int]]:
        """The stretch around ``position`` (1-based): its first and last position and the numbers
        of its transcripts, in the order of rows."""
        cuts = self._cuts
        i = bisect_right(cuts, position) - 1
        high = cuts[i + 1] - 1 if i + 1 < len(cuts) else 1 << 60
        if i < 0:
            return -(1 << 60), high, []
        found = self._lists[self._starts[i] : self._starts[i + 1]] + self._first
        return cuts[i], high, found.tolist()

    def between(self, start: int, end: int) -> list[int]:
        """Numbers of all transcripts within reach of ``start`` to ``end``, in the order of rows."""
        first = max(0, bisect_right(self._cuts, start) - 1)
        last = bisect_right(self._cuts, end)
        if last <= 0:
            return []
        found = np.unique(self._lists[self._starts[first] : self._starts[last]])
        return (found + self._first).tolist()  # type: ignore[no-any-return]
