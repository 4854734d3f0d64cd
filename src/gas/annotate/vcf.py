"""Reading VCF as bytes, so that every byte can be given back.

    VcfFile       the file: its header, and its body as often as one likes
    Slice         about one MiB of whole lines, cut by the text alone
    Batch         a slice's records, each split at its first eight tabs, and their line ends
    Span, Order   the rule that contigs are contiguous and positions do not decrease

A line may end in LF or CRLF, the last one in nothing. VCF 3.3 to 4.5 read alike here: nothing of
the meta-information is interpreted. Columns: VCF 4.5 specification, section 1.6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from gas.annotate.engines import Record
from gas.annotate.stream import ByteStream, Limits
from gas.errors import InputError

__all__ = ["Batch", "Limits", "Order", "Slice", "Span", "VcfFile", "split"]

COLUMNS = (b"#CHROM", b"POS", b"ID", b"REF", b"ALT", b"QUAL", b"FILTER", b"INFO")
SLICE_BYTES = 1 << 20
_HEADER_READ_BYTES = 1 << 16
_MAX_POS = 2**31 - 1
_CONTIG, _POS = itemgetter(0), itemgetter(1)
_SORT_HINT = "Sort it, for example with `bcftools sort`, and try again."
#: First bytes of what people upload by mistake, and what to do instead.
_LOOKALIKES = (
    (b"BCF", "It looks like BCF: convert it with `bcftools view -Oz`."),
    (b"BAM\1", "It looks like BAM: call variants first."),
    (b"CRAM", "It looks like CRAM: call variants first."),
    (b"PK\3\4", "It looks like a zip archive: extract it first."),
    (b"\x1f\x8b", "It is compressed twice: decompress it once."),
    (b"\xff\xfe", "It is UTF-16 text: save it as UTF-8."),
    (b"\xfe\xff", "It is UTF-16 text: save it as UTF-8."),
    (b"\xef\xbb\xbf", "It starts with a byte order mark: save it as UTF-8 without one."),
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


@dataclass(frozen=True)
class Batch:
    """``ends[i]`` is what follows record ``i``; None: every record ends in LF."""

    first_line: int
    records: list[Record]
    ends: list[bytes] | None


@dataclass(frozen=True)
class Span:
    """Consecutive records of one contig whose 1-based positions do not decrease."""

    contig: bytes
    first_line: int
    first_pos: int
    last_pos: int


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
            #: Every header line with its end; the last one starts with ``#CHROM``.
            self.header: list[bytes] = _read_header(stream, self.limits)
        self._header_bytes = sum(map(len, self.header))

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
            batch = split(piece)
            order.add(spans(batch))
            yield from enumerate(batch.records, batch.first_line)


def split(piece: Slice) -> Batch:
    """The records of a slice. Raises InputError where a line has fewer than eight columns."""
    text = piece.text
    lines = text.split(b"\n")
    ends: list[bytes] | None = None
    if lines[-1]:
        ends = [b"\n"] * (len(lines) - 1) + [b""]
    else:
        lines.pop()
    if b"\r" in text:
        ends = ends or [b"\n"] * len(lines)
        for i, line in enumerate(lines):
            if line.endswith(b"\r"):
                lines[i] = line[:-1]
                ends[i] = b"\r" + ends[i]
    records = [line.split(b"\t", 8) for line in lines]
    if records and min(map(len, records)) < 8:
        _refuse_short(piece.first_line, records)
    return Batch(piece.first_line, records, ends)


def spans(batch: Batch) -> list[Span]:
    """The batch as spans. Raises InputError where positions decrease or are no positions."""
    return _one_span(batch) or _each_span(batch)


def _one_span(batch: Batch) -> list[Span]:
    """The usual batch: one contig, sorted, nothing to refuse. Empty: look at each record."""
    contigs = set(map(_CONTIG, batch.records))
    texts = list(map(_POS, batch.records))
    if len(contigs) != 1 or not all(texts) or not b"".join(texts).isdigit():
        return []
    contig = contigs.pop()
    positions = list(map(int, texts))
    if positions != sorted(positions) or positions[-1] > _MAX_POS or contig[:1] in (b"", b"#"):
        return []
    return [Span(contig, batch.first_line, positions[0], positions[-1])]


def _each_span(batch: Batch) -> list[Span]:
    found: list[Span] = []
    contig: bytes | None = None
    first_line = first_pos = last_pos = 0
    for line, record in enumerate(batch.records, batch.first_line):
        is_new = record[0] != contig
        if is_new:
            _refuse_no_contig(record[0], line)
        text = record[1]
        pos = int(text) if text.isdigit() and len(text) <= 10 else -1
        if not 0 <= pos <= _MAX_POS:
            raise InputError("POS is not a whole number from 0 to 2147483647.", line=line, column=2)
        if is_new:
            if contig is not None:
                found.append(Span(contig, first_line, first_pos, last_pos))
            contig, first_line, first_pos = record[0], line, pos
        elif pos < last_pos:
            raise InputError(
                "The records are not sorted by position.", hint=_SORT_HINT, line=line, column=2
            )
        last_pos = pos
    if contig is not None:
        found.append(Span(contig, first_line, first_pos, last_pos))
    return found


def _refuse_no_contig(name: bytes, line: int) -> None:
    if not name or name[:1] == b"#":
        raise InputError(
            f"Expected a record, but the line {'is a header line' if name else 'has no CHROM'}.",
            hint="A VCF has one header, at its top.",
            line=line,
            column=1,
        )


class Order:
    """Checks spans in file order. ``contigs``: those seen, in the file's order."""

    def __init__(self) -> None:
        self.contigs: dict[bytes, None] = {}
        self._last: Span | None = None

    def add(self, found: Iterable[Span]) -> None:
        """Raises InputError where positions decrease or a contig comes back."""
        for span in found:
            last = self._last
            if last is not None and last.contig == span.contig:
                if span.first_pos < last.last_pos:
                    raise InputError(
                        "The records are not sorted by position.",
                        hint=_SORT_HINT,
                        line=span.first_line,
                        column=2,
                    )
            elif span.contig in self.contigs:
                raise InputError(
                    "The records are not sorted: contig "
                    f"{show(span.contig)} comes back after another one.",
                    hint=_SORT_HINT,
                    line=span.first_line,
                    column=1,
                )
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
    rest = b""
    size = 0
    while True:
        piece = stream.read(_HEADER_READ_BYTES)
        size += len(piece)
        if not lines and not rest:
            _refuse_lookalike(piece)
        _refuse_nul(piece, len(lines) + 1 + rest.count(b"\n"))
        rest += piece
        at_end = len(piece) < _HEADER_READ_BYTES
        whole = _split_lf(rest)
        is_cut = not at_end and whole and not whole[-1].endswith(b"\n")
        rest = whole.pop() if is_cut else b""
        for line in whole:
            lines.append(line)
            if _is_last(line, len(lines)):
                return lines
            if len(lines) > limits.header_lines:
                raise InputError(f"The header has more than {limits.header_lines:,} lines.")
        if size > limits.header_bytes or len(rest) > limits.line_bytes:
            raise InputError(
                f"The header holds more than {min(limits.header_bytes, limits.line_bytes):,} "
                "bytes without a #CHROM line."
            )
        if at_end:
            raise _no_vcf("the file ends before a line that starts with #CHROM", len(lines))


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


def _refuse_lookalike(head: bytes) -> None:
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
    while True:
        piece = stream.read(SLICE_BYTES)
        if not piece:
            break
        _refuse_nul(piece, line)
        cut = piece.rfind(b"\n") + 1
        if cut == 0:
            held.append(piece)
            held_bytes += len(piece)
        else:
            text = b"".join([*held, piece[:cut]])
            held, held_bytes = [piece[cut:]], len(piece) - cut
            _refuse_long_line(text, limits, line)
            yield Slice(line, text)
            line += text.count(b"\n")
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


def _refuse_short(first_line: int, records: list[Record]) -> None:
    for line, record in enumerate(records, first_line):
        if record == [b""]:
            raise InputError("The line is empty.", hint="Remove it.", line=line)
        if record[0][:1] == b"#":
            raise InputError(
                "Expected a record, but the line is a header line.",
                hint="A VCF has one header, at its top.",
                line=line,
            )
        if len(record) < 8:
            raise InputError(
                f"The record has {len(record)} of the eight columns CHROM to INFO.",
                hint="Columns are separated by tabs, not by spaces.",
                line=line,
                column=len(record),
            )
