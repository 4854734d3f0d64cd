"""Compiling VCF or BED files into an allele source (``sources.py`` describes the file).

The input is read once. What belongs to a contig is held up to ``_HELD`` alleles and then put into a
file of its own; at the end one contig after the other is put in order and written. So memory is
that of the largest contig's columns (16 bytes an allele and its values), in whatever order the
input is.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import tempfile
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from gas.annotate.contigs import ContigNames
from gas.annotate.sources import (
    ALIGN,
    MAGIC,
    SEPARATOR,
    SourceField,
    SourceSpec,
    allele_key,
    normal_form,
)
from gas.annotate.transcript import Genome
from gas.errors import PackError

_INFO_LINE = re.compile(
    r"##INFO=<ID=(?P<id>[^,]+),Number=(?P<number>[^,]+),Type=(?P<type>[^,]+),"
    r'Description="(?P<text>(?:[^"\\]|\\.)*)"'
)
#: Fields taken of well-known sources where none are named, of those that the file has.
WELL_KNOWN = {
    "clinvar": ("CLNSIG", "CLNDN", "CLNREVSTAT", "MC"),
    "gnomad": (
        *("AF", "AF_afr", "AF_amr", "AF_asj", "AF_eas", "AF_fin", "AF_mid", "AF_nfe", "AF_sas"),
        *("AF_oth", "AF_remaining", "nhomalt"),
    ),
    "dbsnp": (),
    "mitomap": ("aachange", "Disease", "DiseaseStatus"),
}
#: Alleles put in order at a time.
_CHUNK = 1 << 18
_UNSAFE = re.compile(rb"[\s;=\x1f]")
#: Digits of the longest position.
_DIGITS = 9
#: Alleles of one contig that are held in memory while the input is read.
_HELD = 1 << 20
_READ_BYTES = 1 << 24


@dataclass
class _Columns:
    """One contig while the input is read. ``ends``: where each allele's values end in the text."""

    keys: array[int] = field(default_factory=lambda: array("Q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    text: bytearray = field(default_factory=bytearray)

    def add(self, key: int, values: bytes) -> None:
        self.keys.append(key)
        self.text += values
        self.ends.append(len(self.text))


class _Contig:
    """The alleles of one contig: those held, and those put into files in ``folder`` before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held = _Columns()
        self._files: list[IO[bytes]] = []
        self._spilt = 0

    def add(self, key: int, values: bytes) -> None:
        self._held.add(key, values)
        if len(self._held.keys) >= _HELD:
            self._spill()

    def _spill(self) -> None:
        if not self._files:
            # Closed, and so removed, as they are read back; all at the latest with this object.
            self._files = [TemporaryFile(dir=self._folder) for _ in range(3)]  # noqa: SIM115
        keys, ends, text = self._files
        held, self._held = self._held, _Columns()
        keys.write(held.keys.tobytes())
        ends.write((np.frombuffer(held.ends, np.int64) + self._spilt).tobytes())
        text.write(held.text)
        self._spilt += len(held.text)

    def take(self) -> _Columns:
        """All of them; nothing is left here."""
        if not self._files:
            held, self._held = self._held, _Columns()
            return held
        self._spill()
        out = _Columns()
        keys, ends, text = self._files
        for piece in _pieces(keys):
            out.keys.frombytes(piece)
        for piece in _pieces(ends):
            out.ends.frombytes(piece)
        for piece in _pieces(text):
            out.text += piece
        self._files = []
        return out


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Everything in a file, which is closed (and so removed) behind it."""
    with file:
        file.seek(0)
        while piece := file.read(_READ_BYTES):
            yield piece


class _Contigs(dict[str, _Contig]):
    """Contigs by name, made when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, name: str) -> _Contig:
        self[name] = _Contig(self._folder)
        return self[name]


#: Keys, offsets and text of a contig, in order.
_Ready = tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], bytes | bytearray]


@dataclass(frozen=True)
class Compiled:
    """What came of a file."""

    spec: SourceSpec
    alleles: int
    #: Records that lie on no contig of the reference or have no alleles in bases.
    passed_over: int


def compile_source(
    name: str,
    paths: Sequence[Path],
    target: Path,
    genome: Genome,
    names: ContigNames,
    fields: Sequence[str] | None = None,
    ids: bool | None = None,
) -> Compiled:
    """Compile ``paths`` (VCF or BED, all of one kind; plain, gzip or BGZF) into ``target``.

    ``names``: the reference's contigs. ``fields``: INFO keys to take; by default those of
    ``WELL_KNOWN[name]``, else all. ``ids``: whether the ID column holds identifiers to keep; by
    default for dbSNP. Several VCF files must declare the fields alike. Raises PackError with the
    line of a fault.
    """
    if len(paths) > 1 and any(_is_bed(path) for path in paths):
        raise PackError("A BED source is one file.", hint="Join the files, in any order.")
    passed = 0
    spec: SourceSpec | None = None
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
        contigs = _Contigs(Path(scratch))
        for path in paths:
            found, more = _read(name, path, target.name, names, contigs, genome, fields, ids)
            passed += more
            if spec is not None and found != spec:
                raise PackError(f"{path.name} has other fields than {paths[0].name}.")
            spec = found
        if spec is None or not contigs:
            raise PackError(
                f"{', '.join(path.name for path in paths)} has nothing on any contig of this "
                "reference.",
                hint="Is it of the same assembly?",
            )
        return Compiled(spec, _write(target, contigs, spec.ids), passed)


def _read(
    name: str,
    path: Path,
    file: str,
    names: ContigNames,
    contigs: _Contigs,
    genome: Genome,
    fields: Sequence[str] | None,
    ids: bool | None,
) -> tuple[SourceSpec, int]:
    """Read one file into ``contigs``: its spec, and the number of records passed over."""
    with ExitStack() as stack:
        try:
            lines = stack.enter_context(_open(path))
            if _is_bed(path):
                return _read_bed(name, file, lines, names, contigs)
            return _read_vcf(name, file, lines, names, contigs, genome, fields, ids)
        except (OSError, EOFError, zlib.error) as error:
            raise PackError(f"The source {path.name} cannot be read ({error}).") from None


def _is_bed(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith(".bed")


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    if packed:
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def _is_position(cell: bytes) -> bool:
    return cell.isdigit() and len(cell) <= _DIGITS


# -- VCF ------------------------------------------------------------------------------------------


def _read_vcf(
    name: str,
    file: str,
    lines: Iterable[bytes],
    names: ContigNames,
    contigs: _Contigs,
    genome: Genome,
    fields: Sequence[str] | None,
    ids: bool | None,
) -> tuple[SourceSpec, int]:
    declared: dict[str, tuple[str, str, str]] = {}
    spec: SourceSpec | None = None
    numbers: list[str] = []
    passed = 0
    for number, line in enumerate(lines, 1):
        if line.startswith(b"##"):
            found = _INFO_LINE.match(line.decode("utf-8", "replace"))
            if found:
                declared[found["id"]] = (found["number"], found["type"], found["text"])
            continue
        if line.startswith(b"#"):
            spec = _spec(name, file, declared, fields, ids)
            numbers = [declared[f.key][0] for f in spec.fields]
            continue
        if spec is None:
            raise PackError(f"{name}: line {number} comes before a #CHROM line.")
        cells = line.rstrip(b"\r\n").split(b"\t", 8)
        contig = names.get(cells[0])
        if contig is None:
            passed += 1
            continue
        if len(cells) < 8 or not _is_position(cells[1]):
            raise PackError(f"{name}: line {number} is no VCF record.")
        rows = list(_alleles(cells, spec, numbers))
        passed += not rows
        for ref, alt, values in rows:
            form = normal_form(genome, contig, int(cells[1]), ref, alt)
            contigs[contig].add(allele_key(*form), values)
    if spec is None:
        raise PackError(f"{name} is no VCF: it has no #CHROM line.")
    return spec, passed


def _spec(
    name: str,
    file: str,
    declared: dict[str, tuple[str, str, str]],
    fields: Sequence[str] | None,
    ids: bool | None,
) -> SourceSpec:
    if ids is None:
        ids = name.lower().startswith("dbsnp")
    if fields is None:
        known = WELL_KNOWN.get(name.lower())
        fields = list(declared) if known is None else [key for key in known if key in declared]
    unknown = [key for key in fields if key not in declared]
    if unknown:
        raise PackError(
            f"{name} has no INFO key {', '.join(unknown)}.", hint=f"It has: {', '.join(declared)}."
        )
    taken = [
        SourceField(
            key,
            f"{name}_{key}",
            "String" if declared[key][0] not in ("A", "R", "0", "1") else _type(declared[key]),
            declared[key][2],
        )
        for key in fields
    ]
    return SourceSpec(name, file, "vcf", tuple(taken), ids)


def _type(declared: tuple[str, str, str]) -> str:
    return declared[1] if declared[1] in ("Integer", "Float") else "String"


def _alleles(
    cells: list[bytes], spec: SourceSpec, numbers: list[str]
) -> Iterator[tuple[bytes, bytes, bytes]]:
    """REF, ALT and values of each ALT in bases."""
    ref, alts = cells[3].upper(), cells[4].upper().split(b",")
    if not ref.isalpha():
        return
    info = dict(part.partition(b"=")[::2] for part in cells[7].split(b";"))
    rs = b"&".join(p for p in cells[2].split(b";") if p != b".") if spec.ids else b""
    for k, alt in enumerate(alts):
        if not alt.isalpha():
            continue
        values = [
            _value(info, wanted.key.encode(), number, k, len(alts))
            for wanted, number in zip(spec.fields, numbers, strict=True)
        ]
        if spec.ids:
            values.append(rs)
        yield ref, alt, SEPARATOR.join(values)


def _value(info: dict[bytes, bytes], key: bytes, number: str, alt: int, alts: int) -> bytes:
    """The value of one ALT, safe within an INFO entry."""
    if key not in info:
        return b""
    value = info[key]
    if number == "0":
        return b"1"
    if number in ("A", "R"):
        parts = value.split(b",")
        at = alt + (number == "R")
        value = parts[at] if at < len(parts) else b""
    if value == b".":
        return b""
    return _UNSAFE.sub(b"_", value.replace(b",", b"&"))


# -- BED ------------------------------------------------------------------------------------------


def _read_bed(
    name: str,
    file: str,
    lines: Iterable[bytes],
    names: ContigNames,
    contigs: _Contigs,
) -> tuple[SourceSpec, int]:
    stretches: dict[str, list[tuple[int, int, bytes]]] = {}
    passed = 0
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith((b"#", b"track", b"browser")):
            continue
        cells = line.rstrip(b"\r\n").split(b"\t")
        if len(cells) < 3 or not _is_position(cells[1]) or not _is_position(cells[2]):
            raise PackError(f"{name}: line {number} is no BED record.")
        contig = names.get(cells[0])
        if contig is None:
            passed += 1
            continue
        label = cells[3] if len(cells) > 3 else b"1"
        label = _UNSAFE.sub(b"_", label.replace(b",", b"&"))
        start, end = int(cells[1]) + 1, int(cells[2])
        if start <= end:
            stretches.setdefault(contig, []).append((start, end, label))
    for contig, found in stretches.items():
        _cut(found, contigs[contig])
    spec = SourceSpec(name, file, "bed", (SourceField("name", name),), False)
    return spec, passed


def _cut(found: list[tuple[int, int, bytes]], into: _Contig) -> None:
    """Cut overlapping stretches where any begins or ends; each piece has the names of all."""
    events: dict[int, tuple[list[bytes], list[bytes]]] = {}
    for start, end, label in found:
        events.setdefault(start, ([], []))[0].append(label)
        events.setdefault(end + 1, ([], []))[1].append(label)
    current: list[bytes] = []
    for position in sorted(events):
        begins, ends = events[position]
        current += begins
        for label in ends:
            current.remove(label)
        into.add(position << 32, b"&".join(dict.fromkeys(current)))


# -- writing --------------------------------------------------------------------------------------


def _write(target: Path, contigs: _Contigs, ids: bool) -> int:
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            count = _write_columns(out, contigs, ids)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return count


def _write_columns(out: IO[bytes], contigs: _Contigs, ids: bool) -> int:
    """Write the columns of one contig after the other, and then the head into the room before."""
    head: list[list[Any]] = [[name, 0, 0, 0, 0] for name in contigs]
    # Four numbers of each contig are yet to come.
    room = len(json.dumps({"contigs": head})) + 80 * len(head)
    start = len(MAGIC) + 8
    out.write(b"\0" * (start + room))
    for entry in head:
        keys, offsets, text = _sorted(contigs[entry[0]].take(), ids)
        entry[1:] = [len(keys), *(_put(out, part) for part in (keys.data, offsets.data, text))]
    out.write(b"\0" * ALIGN)
    packed = json.dumps({"contigs": head}).encode().ljust(room)
    out.seek(0)
    out.write(MAGIC + len(packed).to_bytes(8, "little") + packed)
    return sum(entry[1] for entry in head)


def _put(out: IO[bytes], part: memoryview | bytes | bytearray) -> int:
    """Write ``part`` at the next aligned place, which is given back."""
    place = _aligned(out.tell())
    out.write(b"\0" * (place - out.tell()))
    out.write(part)
    return place


def _aligned(at: int) -> int:
    return -(-at // ALIGN) * ALIGN


def _sorted(found: _Columns, ids: bool) -> _Ready:
    """Ascending keys, each once; of an allele given twice the ids are joined, and of its other
    values the first is kept."""
    keys = np.frombuffer(found.keys, np.uint64)
    offsets = np.concatenate([[0], np.frombuffer(found.ends, np.int64)]).astype(np.int64)
    if len(keys) < 2 or bool(np.all(keys[1:] > keys[:-1])):
        return keys, offsets, found.text
    order = np.argsort(keys, kind="stable")
    out = _Columns()
    last, value = -1, b""
    for at in range(0, len(order), _CHUNK):
        part = order[at : at + _CHUNK]
        starts, ends = offsets[part].tolist(), offsets[part + 1].tolist()
        for key, start, end in zip(keys[part].tolist(), starts, ends, strict=True):
            if key == last:
                value = _merged(value, bytes(found.text[start:end]), ids)
                continue
            if last >= 0:
                out.add(last, value)
            last, value = key, bytes(found.text[start:end])
    out.add(last, value)
    ends_ = np.frombuffer(out.ends, np.int64)
    return np.frombuffer(out.keys, np.uint64), np.concatenate([[0], ends_]), out.text


def _merged(first: bytes, second: bytes, ids: bool) -> bytes:
    old, new = first.split(SEPARATOR), second.split(SEPARATOR)
    kept = [a or b for a, b in zip(old, new, strict=True)]
    if ids:
        kept[-1] = b"&".join(dict.fromkeys([*old[-1].split(b"&"), *new[-1].split(b"&")]))
    return SEPARATOR.join(kept)
