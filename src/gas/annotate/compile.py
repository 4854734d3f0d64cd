"""Compiling a pack into the file that ``model.py`` maps; its layout is described there."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pysam

from gas.annotate.genes import Fault, GeneModel, read_genes
from gas.annotate.model import MAGIC, REACH, SEPARATOR, content
from gas.annotate.pack import Pack
from gas.errors import PackError

_ALIGN = 64
_READ_BASES = 1 << 24

Ints = npt.NDArray[np.int64]


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
    # The genome's order, which need not be that of the names: 2 stands before 10, by name behind
    # it. Within a contig the order stays.
    models = sorted(models, key=lambda m: number[m.contig])
    exons = [e for m in models for e in m.exons]
    mature = [e for m in models for e in m.mature]
    labels = [SEPARATOR.join(m.labels).encode() for m in models]
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
        "pack": content(pack),
        "reach": reach,
        "faults": [[f.line, f.message, f.left_out] for f in faults],
        "contigs": [[name, pack.contigs[name], 0] for name in contigs],
        "arrays": {name: [a.dtype.char, a.size, 0] for name, a in arrays.items()},
    }
    # Places are given the width of the largest number, so that the head's length is known.
    at = _aligned(len(MAGIC) + 8 + len(json.dumps(head)) + 24 * (len(contigs) + len(arrays)))
    for name, array in arrays.items():
        head["arrays"][name][2] = at
        at = _aligned(at + array.nbytes)
    for contig in head["contigs"]:
        contig[2] = at
        at = _aligned(at + contig[1])
    text = json.dumps(head).encode()
    out.write(MAGIC + len(text).to_bytes(8, "little") + text)
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
