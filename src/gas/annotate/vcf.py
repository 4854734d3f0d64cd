"""Reading VCF as bytes, so that every byte can be given back.

    VcfFile       the file: its header, and its body as often as one likes
    Slice         about one MiB of whole lines, cut by the text alone
    Batch         a slice's records, each split at its first eight tabs, and their line ends; and
                  its other lines, which are passed through as they are
    Span, Order   the rule that contigs are contiguous and positions do not decrease

A line may end in LF or CRLF, the last one in nothing. VCF 3.3 to 4.5 read alike here: nothing of
the meta-information is interpreted. Columns: VCF 4.5 specification, section 1.6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from gas.annotate.engines import Record
from gas.annotate.stream import ByteStream, Limits
from gas.errors import InputError

__all__ = ["BOM", "Batch", "Limits", "Order", "Slice", "Span", "Unsorted", "VcfFile", "split"]

COLUMNS = (b"#CHROM", b"POS", b"ID", b"REF", b"ALT", b"QUAL", b"FILTER", b"INFO")
#: Small, so that what is made of a slice stays in the processor's cache.
SLICE_BYTES = 1 << 18
#: Of a file with long lines a slice is so many times as large, so that it holds enough of them.
_WIDER = 8
_LONG_LINE_BYTES = 4_096
#: The byte order mark of UTF-8, which some editors put in front of a text.
BOM = b"\xef\xbb\xbf"
_HEADER_READ_BYTES = 1 << 16
_MAX_POS = 2**31 - 1
_CONTIG, _POS, _ALT = itemgetter(0), itemgetter(1), itemgetter(4)
#: First bytes of what people upload by mistake, and what to do instead.
_LOOKALIKES = (
    (b"BCF", "It looks like BCF: convert it with `bcftools view -Oz`."),
    (b"BAM\1", "It looks like BAM: call variants first."),
    (b"CRAM", "It looks like CRAM: call variants first."),
    (b"PK\3\4", "It looks like a zip archive: extract it first."),
    (b"\x1f\x8b", "It is compressed twice: decompress it once."),
    (b"\xff\xfe", "It is UTF-16 text: save it as UTF-8."),
    (b"\xfe\xff", "It is UTF-16 text: save it as UTF-8."),
    (b"%PDF", "It looks like PDF."),
    (b">", "It looks like FASTA."),
    (b"@", "It looks like FASTQ or SAM."),
    (b"<", "It looks like a web page."),
)


@dataclass(frozen=True)
class Slice:
    """Whole lines of the body, in order; ``first_line`` is the 1-based number of the first."""

    first_line: int
    text: bytes
    #: Records that must not be annotated, by their index among the slice's lines, and why.
    rejected: Mapping[int, str] = field(default_factory=dict)
    #: The lines' numbers in the input, where they do not follow one another.
    lines: Sequence[int] | None = None

    @cached_property
    def texts(self) -> list[bytes]:
        """The lines without their ends."""
        return _without_ends(self.text)

    @cached_property
    def cells(self) -> list[Record]:
        """See ``cells``. The gate and the engine look at the same; who changes them comes last."""
        if _is_wide(self.text, self.text.count(b"\n")) and b"\r" not in self.text:
            return list(_wide_cells(self.text))
        return [text.split(b"\t", 8) for text in self.texts]

    def line(self, at: int) -> int:
        """The 1-based number, in the input, of the slice's line ``at``."""
        return self.first_line + at if self.lines is None else self.lines[at]

    def __reduce__(self) -> tuple[type[Slice], tuple[object, ...]]:
        # Another process cuts the text faster than it reads the pieces.
        return Slice, (self.first_line, self.text, self.rejected, self.lines)


@dataclass(frozen=True)
class Batch:
    """``ends[i]`` is what follows record ``i``; None: every record ends in LF.

    ``odd``: lines that are no records, with their ends, by their index in the slice; ``places``:
    the records' own, None where there is nothing odd and record ``i`` is line ``i``."""

    first_line: int
    records: list[Record]
    ends: list[bytes] | None
    odd: Mapping[int, tuple[bytes, str]] = field(default_factory=dict)
    places: Sequence[int] | None = None

    @cached_property
    def positions(self) -> list[int]:
        """POS of each record, 1-based."""
        return list(map(int, map(_POS, self.records)))


@dataclass(frozen=True)
class Span:
    """Consecutive records of one contig whose 1-based positions do not decrease."""

    contig: bytes
    first_line: int
    first_pos: int
    last_pos: int


class Unsorted(InputError):
    """The records are not sorted."""


class VcfFile:
    """An input VCF; ``gas.annotate.engines.Source``."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        """Reads the header. Raises InputError where this is no VCF."""
        self.path = path
        self.limits = limits or Limits()
        #: Called with the number of the file's bytes used up, while its body is read.
        self.on_read: Callable[[int], None] = lambda read_bytes: None
        with ByteStream(path, self.limits) as stream:
            self.size_bytes = stream.size_bytes
            lines = _read_header(stream, self.limits)
        self._header_bytes = sum(map(len, lines))
        #: Every header line with its end; the last one starts with ``#CHROM``. Without a byte order
        #: mark: it is none of the text, and a result has none.
        self.header: list[bytes] = [lines[0].removeprefix(BOM), *lines[1:]]
        self.has_bom = lines[0].startswith(BOM)

    @property
    def header_texts(self) -> list[bytes]:
        """The header lines as they stand in the file, without their ends: for the validator."""
        texts = [line.removesuffix(b"\n").removesuffix(b"\r") for line in self.header]
        return [BOM + texts[0], *texts[1:]] if self.has_bom else texts

    def slices(self) -> Iterator[Slice]:
        """The body from its start. Raises InputError as the fault is met."""
        with ByteStream(self.path, self.limits) as stream:
            stream.read(self._header_bytes)
            line = len(self.header) + 1
            for piece in _whole_lines(stream, self.limits, line):
                self.on_read(stream.read_bytes)
                yield piece

    def records(self) -> Iterator[tuple[int, Record]]:
        """Every record and its 1-based line number. Each call starts anew; order is checked."""
        order = Order()
        for piece in self.slices():
            batch = split(piece, self.limits.alts)
            order.add(spans(batch))
            for at, record in zip(batch.places or range(len(batch.records)), batch.records,
                                  strict=True):  # fmt: skip
                yield piece.line(at), record


def split(piece: Slice, alts: int = Limits.alts) -> Batch:
    """The records of a slice, and its lines that are none: without a contig, a position and eight
    columns, or with more than ``alts`` ALT alleles."""
    records = piece.cells
    ends = _ends(piece.text)
    if records and not _are_plain(records, alts):
        return _sift(piece.first_line, records, ends, alts)
    return Batch(piece.first_line, records, ends)


def cells(text: bytes) -> list[Record]:
    """Whole lines without their ends, each split at its first eight tabs."""
    return [line.split(b"\t", 8) for line in _without_ends(text)]


def _is_wide(text: bytes, lines: int) -> bool:
    return len(text) > _LONG_LINE_BYTES * lines


def _wide_cells(text: bytes) -> Iterator[Record]:
    """``cells`` of a text of long lines that end in LF: each is copied once, not twice."""
    start, size = 0, len(text)
    while start < size:
        end = text.find(b"\n", start)
        end = size if end < 0 else end
        record = text[start : min(end, start + _LONG_LINE_BYTES)].split(b"\t", 8)
        if len(record) == 9:
            record[8] = text[start + sum(map(len, record[:8])) + 8 : end]
        else:
            record = text[start:end].split(b"\t", 8)
        yield record
        start = end + 1


def _without_ends(text: bytes) -> list[bytes]:
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    if b"\r" in text:
        lines = [line.removesuffix(b"\r") for line in lines]
    return lines


def _ends(text: bytes) -> list[bytes] | None:
    """The end of each line; None: all end in LF."""
    if b"\r" not in text and text.endswith(b"\n"):
        return None
    lines = text.split(b"\n")
    last = lines.pop()
    ends = [b"\r\n" if line.endswith(b"\r") else b"\n" for line in lines]
    if last:
        ends.append(b"\r" if last.endswith(b"\r") else b"")
    return ends


def _are_plain(records: list[Record], alts: int) -> bool:
    """Whether all are records at a glance; False: look at each."""
    if min(map(len, records)) < 8:
        return False
    texts = list(map(_POS, records))
    return (
        all(texts)
        and b"".join(texts).isdigit()
        and max(map(len, texts)) < 10
        and max(map(len, map(_ALT, records))) <= alts
        and not any(contig[:1] in (b"", b"#") for contig in set(map(_CONTIG, records)))
    )


def _sift(
    first_line: int,
    records: list[Record],
    ends: list[bytes] | None,
    alts: int,
) -> Batch:
    odd: dict[int, tuple[bytes, str]] = {}
    places = []
    for at, record in enumerate(records):
        why = _why_odd(record, alts)
        if why:
            odd[at] = (b"\t".join(record) + (b"\n" if ends is None else ends[at]), why)
        else:
            places.append(at)
    if not odd:
        return Batch(first_line, records, ends)
    return Batch(
        first_line,
        [records[at] for at in places],
        None if ends is None else [ends[at] for at in places],
        odd,
        places,
    )


def _why_odd(record: Record, alts: int) -> str:
    """Why a line cannot be taken for a record, as a sentence; empty: it can."""
    if record == [b""]:
        return "The line is empty."
    if record[0][:1] == b"#":
        return "The line is a header line; a VCF has one header, at its top."
    if len(record) < 8:
        return f"There are {len(record)} of the eight columns CHROM to INFO, separated by tabs."
    if not record[0]:
        return "CHROM is empty."
    text = record[1]
    if not text.isdigit() or len(text) > 10 or int(text) > _MAX_POS:
        return "POS is not a whole number from 0 to 2147483647."
    if len(record[4]) > alts and record[4].count(b",") >= alts:
        return f"ALT has more than {alts:,} alleles."
    return ""


def spans(batch: Batch) -> list[Span]:
    """The batch as spans; their lines are as if it had records alone. Raises Unsorted where
    positions decrease."""
    return _one_span(batch) or _each_span(batch)


def _one_span(batch: Batch) -> list[Span]:
    """The usual batch: one contig, sorted. Empty: look at each record."""
    if len(set(map(_CONTIG, batch.records))) != 1:
        return []
    positions = batch.positions
    if positions != sorted(positions):
        return []
    return [Span(batch.records[0][0], batch.first_line, positions[0], positions[-1])]


def _each_span(batch: Batch) -> list[Span]:
    found: list[Span] = []
    at = 0
    for contig, run in groupby(batch.records, _CONTIG):
        positions = batch.positions[at : at + len(list(run))]
        if positions != sorted(positions):
            raise Unsorted
        found.append(Span(contig, batch.first_line + at, positions[0], positions[-1]))
        at += len(positions)
    return found


class Order:
    """Checks spans in file order. ``contigs``: those seen, in the file's order."""

    def __init__(self) -> None:
        self.contigs: dict[bytes, None] = {}
        self._last: Span | None = None

    def add(self, found: Iterable[Span]) -> None:
        """Raises Unsorted where positions decrease or a contig comes back."""
        for span in found:
            last = self._last
            if last is not None and last.contig == span.contig:
                if span.first_pos < last.last_pos:
                    raise Unsorted
            elif span.contig in self.contigs:
                raise Unsorted
            self.contigs[span.contig] = None
            self._last = span


def show(name: bytes) -> str:
    """A name out of a stranger's file, safe to print and short."""
    text = name.decode("utf-8", "replace")
    clean = "".join(char if char.isprintable() else "?" for char in text)
    return clean if len(clean) <= 40 else clean[:37] + "..."


# -- header --------------------------------------------------------------------------------------


def _read_header(stream: ByteStream, limits: Limits) -> list[bytes]:
    lines: list[bytes] = []
    held: list[bytes] = []  # pieces of a line that has not ended yet
    held_bytes = size = 0
    while True:
        piece = stream.read(_HEADER_READ_BYTES)
        size += len(piece)
        if not size - len(piece):
            refuse_lookalike(piece)
        _refuse_nul(piece, len(lines) + 1)
        at_end = len(piece) < _HEADER_READ_BYTES
        if b"\n" in piece or at_end:
            whole = _split_lf(b"".join([*held, piece]))
            is_cut = not at_end and not whole[-1].endswith(b"\n")
            held = [whole.pop()] if is_cut else []
            held_bytes = sum(map(len, held))
            for line in whole:
                lines.append(line)
                if _is_last(line.removeprefix(BOM) if len(lines) == 1 else line, len(lines)):
                    refuse_samples(line, len(lines), limits)
                    return lines
                if len(lines) > limits.header_lines:
                    raise InputError(f"The header has more than {limits.header_lines:,} lines.")
        else:
            held.append(piece)
            held_bytes += len(piece)
        if size > limits.header_bytes or held_bytes > limits.line_bytes:
            raise InputError(
                f"The header holds more than {min(limits.header_bytes, limits.line_bytes):,} "
                "bytes without a #CHROM line."
            )
        if at_end:
            raise _no_vcf("the file ends before a line that starts with #CHROM", len(lines))


def refuse_samples(chrom_line: bytes, number: int, limits: Limits) -> None:
    """Raises InputError where the #CHROM line, line ``number``, names more than may be."""
    samples = chrom_line.count(b"\t") - 8
    if samples > limits.samples:
        raise InputError(
            f"The file has {samples:,} samples; up to {limits.samples:,} are taken here.",
            hint="Split it by samples: annotations do not depend on them.",
            line=number,
        )


def _split_lf(text: bytes) -> list[bytes]:
    """Lines with their LF (``splitlines`` would take a lone CR for an end too)."""
    lines = [line + b"\n" for line in text.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _is_last(line: bytes, number: int) -> bool:
    """Whether ``line`` is the #CHROM line. Raises InputError where it cannot be in a header."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(
            "The header is not UTF-8 text.", hint="Save the file as UTF-8.", line=number
        ) from None
    if line.startswith(b"##"):
        return False
    names = tuple(line.rstrip(b"\r\n").split(b"\t"))
    if names[0] != b"#CHROM":
        raise _no_vcf("expected a header line, which starts with ## or #CHROM", number)
    if names[:8] != COLUMNS:
        raise _no_vcf(
            "the #CHROM line does not name the eight columns CHROM POS ID REF ALT QUAL FILTER "
            "INFO, separated by tabs",
            number,
        )
    return True


def _no_vcf(why: str, line: int) -> InputError:
    return InputError(
        f"This is not a VCF file: {why}.",
        hint="Choose a file in the Variant Call Format (.vcf or .vcf.gz).",
        line=max(1, line),
    )


def refuse_lookalike(head: bytes) -> None:
    """``head``: the first bytes of a text, decompressed where it was compressed. Raises InputError
    where they are those of another format."""
    head = head.removeprefix(BOM)
    for magic, hint in _LOOKALIKES:
        if head.startswith(magic):
            raise InputError("This is not a VCF file.", hint=hint, line=1)


def _refuse_nul(text: bytes, first_line: int) -> None:
    if b"\0" in text:
        line = first_line + text.count(b"\n", 0, text.index(b"\0"))
        raise InputError(
            "The file holds a NUL byte, so it is not text.",
            hint="It may be damaged or binary; upload the VCF again.",
            line=line,
        )


# -- body ----------------------------------------------------------------------------------------


def _whole_lines(stream: ByteStream, limits: Limits, line: int) -> Iterator[Slice]:
    """The rest of the stream in pieces that end with a line; ``line`` numbers the first one."""
    held: list[bytes] = []
    held_bytes = 0
    size = SLICE_BYTES
    while True:
        piece = stream.read(size)
        if not piece:
            break
        _refuse_nul(piece, line)
        cut = piece.rfind(b"\n") + 1
        if cut == 0:
            held.append(piece)
            held_bytes += len(piece)
        else:
            text = b"".join([*held, memoryview(piece)[:cut]])
            held, held_bytes = [piece[cut:]], len(piece) - cut
            _refuse_long_line(text, limits, line)
            yield Slice(line, text)
            lines = text.count(b"\n")
            line += lines
            if _is_wide(text, lines):
                size = _WIDER * SLICE_BYTES
        if held_bytes > limits.line_bytes:
            raise _too_long(limits, line)
    rest = b"".join(held)
    if rest:
        _refuse_long_line(rest, limits, line)
        yield Slice(line, rest)


def _refuse_long_line(text: bytes, limits: Limits, first_line: int) -> None:
    if len(text) > limits.line_bytes:
        for i, line in enumerate(text.split(b"\n")):
            if len(line) > limits.line_bytes:
                raise _too_long(limits, first_line + i)


def _too_long(limits: Limits, line: int) -> InputError:
    return InputError(
        f"The line is longer than {limits.line_bytes:,} bytes.",
        hint="If it is real, split the file by samples.",
        line=line,
    )
