"""FASTA files into one genome: upper case, 60 bases a line, BGZF with its two indexes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pysam

from gas.annotate.stream import ByteStream, Limits
from gas.errors import InputError, PackError
from gas.reference.manifest import Contig

_READ_BYTES = 1 << 20
_LINE_BASES = 60
#: A run of N compresses beyond what a VCF may.
LIMITS = Limits(ratio=2000)
#: VCF 4.3 specification, section 1.4.7, without the characters that ``##contig`` quotes.
_is_contig = re.compile(rb"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*").fullmatch
#: IUPAC nucleotide codes.
_is_sequence = re.compile(rb"[ACGTRYSWKMBDHVN]*").fullmatch


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a plain or compressed text file, without their ends, numbered from 1.

    Raises PackError where it cannot be read or is damaged.
    """
    number = 0
    held: list[bytes] = []
    try:
        with ByteStream(path, LIMITS) as stream:
            while piece := stream.read(_READ_BYTES):
                first, *rest = piece.split(b"\n")
                held.append(first)
                for line in rest:
                    number += 1
                    yield number, b"".join(held).rstrip(b"\r")
                    held = [line]
    except InputError as error:
        raise PackError(f"{path.name}: {error.message}", hint=error.hint) from None
    last = b"".join(held).rstrip(b"\r")
    if last:
        yield number + 1, last


def write_genome(
    fastas: Sequence[Path], folder: Path, rename: Callable[[str], str] | None = None
) -> list[Contig]:
    """Write genome.fa.gz, .fai and .gzi into ``folder``; the contigs in the order of the files.

    Raises PackError, naming file and line, for what is no FASTA.
    """
    plain = folder / "genome.fa"
    contigs: dict[str, Contig] = {}
    with plain.open("wb") as out:
        for path in fastas:
            for contig in _copy(path, out, rename):
                if contig.name in contigs:
                    raise PackError(f"{path.name}: the contig {contig.name} is there twice.")
                contigs[contig.name] = contig
    packed = folder / "genome.fa.gz"
    pysam.tabix_compress(str(plain), str(packed), force=True)
    plain.unlink()
    pysam.faidx(str(packed))
    return list(contigs.values())


def _copy(path: Path, out: BinaryIO, rename: Callable[[str], str] | None) -> Iterator[Contig]:
    name, first_line = "", 0
    bases = _Bases(out)
    for number, line in lines(path):
        if line.startswith(b">"):
            if name:
                yield bases.finish(path, name, first_line)
            words = line[1:].split()
            if not words or not _is_contig(words[0]):
                raise PackError(
                    f"{path.name}: the name of this contig cannot be used.", line=number
                )
            name, first_line = words[0].decode(), number
            name = rename(name) if rename is not None else name
            out.write(b">" + name.encode() + b"\n")
            bases = _Bases(out)
        elif line and not name:
            raise PackError(f"{path.name} is not FASTA: it does not start with >.", line=number)
        else:
            sequence = line.strip().upper()
            if not _is_sequence(sequence):
                raise PackError(
                    f"{path.name}: the sequence of {name} holds something else than bases.",
                    line=number,
                )
            bases.add(sequence)
    if not name:
        raise PackError(f"{path.name} holds no sequence.")
    yield bases.finish(path, name, first_line)


class _Bases:
    """One contig's sequence on its way out, in lines of equal length."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._length = 0
        self._rest = b""

    def add(self, sequence: bytes) -> None:
        self._md5.update(sequence)
        self._length += len(sequence)
        text = self._rest + sequence
        whole = len(text) - len(text) % _LINE_BASES
        for start in range(0, whole, _LINE_BASES):
            self._out.write(text[start : start + _LINE_BASES] + b"\n")
        self._rest = text[whole:]

    def finish(self, path: Path, name: str, line: int) -> Contig:
        if not self._length:
            raise PackError(f"{path.name}: the contig {name} has no sequence.", line=line)
        if self._rest:
            self._out.write(self._rest + b"\n")
        return Contig(name, self._length, self._md5.hexdigest())
