"""Compiling a VCF or BED file into an allele source (``sources.py`` describes the file)."""

from __future__ import annotations

import gzip
import json
import os
import re
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
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
        *("AF_oth", "nhomalt"),
    ),
    "dbsnp": (),
    "mitomap": ("aachange", "Disease", "DiseaseStatus"),
}
#: Alleles put in order at a time.
_CHUNK = 1 << 18
_UNSAFE = re.compile(rb"[\s;=\x1f]")
#: Digits of the longest position.
_DIGITS = 9


@dataclass
class _Columns:
    """One contig while its file is read."""

    keys: array[int] = field(default_factory=lambda: array("Q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    text: bytearray = field(default_factory=bytearray)

    def add(self, key: int, values: bytes) -> None:
        self.keys.append(key)
        self.text += values
        self.ends.append(len(self.text))


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
    path: Path,
    target: Path,
    genome: Genome,
    contigs: Iterable[str],
    fields: Sequence[str] | None = None,
    ids: bool | None = None,
) -> Compiled:
    """Compile ``path`` (VCF or BED; plain, gzip or BGZF) into ``target``.

    ``fields``: INFO keys to take; by default those of ``WELL_KNOWN[name]``, else all. ``ids``:
    whether the ID column holds identifiers to keep; by default for dbSNP. Raises PackError with
    the line of a fault.
    """
    names = ContigNames(contigs)
    columns: dict[str, _Columns] = {}
    try:
        with _open(path) as lines:
            if path.name.removesuffix(".gz").endswith(".bed"):
                spec, passed = _read_bed(name, target.name, lines, names, columns)
            else:
                spec, passed = _read_vcf(
                    name, target.name, lines, names, columns, genome, fields, ids
                )
    except (OSError, EOFError) as error:
        raise PackError(f"The source {path.name} cannot be read ({error}).") from None
    if not columns:
        raise PackError(
            f"{path.name} has nothing on any contig of this reference.",
            hint="Is it of the same assembly?",
        )
    counted = _write(target, columns, spec.ids)
    return Compiled(spec, counted, passed)


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
    columns: dict[str, _Columns],
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
        into = columns.setdefault(contig, _Columns())
        for ref, alt, values in rows:
            form = normal_form(genome, contig, int(cells[1]), ref, alt)
            into.add(allele_key(*form), values)
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
    columns: dict[str, _Columns],
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
        _cut(found, columns.setdefault(contig, _Columns()))
    spec = SourceSpec(name, file, "bed", (SourceField("name", name),), False)
    return spec, passed


def _cut(found: list[tuple[int, int, bytes]], into: _Columns) -> None:
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


def _write(target: Path, columns: dict[str, _Columns], ids: bool) -> int:
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            count = _write_columns(out, {name: _sorted(c, ids) for name, c in columns.items()})
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return count


def _write_columns(out: IO[bytes], ready: dict[str, _Ready]) -> int:
    head: list[list[Any]] = [[name, 0, 0, 0, 0] for name in ready]
    room = len(json.dumps({"contigs": head})) + 80 * len(ready)
    at = _aligned(16 + room)
    for entry, (keys, offsets, text) in zip(head, ready.values(), strict=True):
        entry[1:] = [len(keys), at, _aligned(at + keys.nbytes), 0]
        entry[4] = _aligned(_aligned(at + keys.nbytes) + offsets.nbytes)
        at = _aligned(entry[4] + len(text))
    packed = json.dumps({"contigs": head}).encode().ljust(room)
    out.write(MAGIC + len(packed).to_bytes(8, "little") + packed)
    for keys, offsets, text in ready.values():
        for part in (keys.tobytes(), offsets.tobytes(), bytes(text)):
            out.write(b"\0" * (_aligned(out.tell()) - out.tell()))
            out.write(part)
    out.write(b"\0" * ALIGN)
    return sum(len(keys) for keys, _, _ in ready.values())


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
