"""The validator as a filter over a stream: header lines once, then records in batches.

    validator = Validator(strict=False)
    validator.header(lines)                       # every line up to #CHROM, without line ends
    for blob, records, line in …:                 # in the order of the file
        validator.text(blob, line)                # the raw bytes of whole lines
        rejected = validator.records(records, line)
    report = validator.finish()

Its memory does not grow with the file. In the default mode, groups of records that break nothing
are taken together (``glance.py``). Otherwise a record that breaks nothing costs a handful of
dictionary look-ups and two or three regexes; all others take ``_thorough``.
"""

from __future__ import annotations

from collections.abc import Sequence

from gas.annotate.validate import glance, spec
from gas.annotate.validate.fixed import POS_MAX, Fixed, too_large
from gas.annotate.validate.glance import Glance, clean_pair
from gas.annotate.validate.header import Header, check
from gas.annotate.validate.info import Info
from gas.annotate.validate.order import Order
from gas.annotate.validate.report import Report
from gas.annotate.validate.rules import RULES, Level
from gas.annotate.validate.samples import Samples
from gas.errors import InputError

#: One record: the line without its end, split at its first eight tabs.
Record = list[bytes]
#: The default mode looks into the sample columns of so many records, fewer where they have many
#: samples, and counts the columns of all; annotation never reads them.
LOOK_INSIDE = 1_000
LOOK_INSIDE_SAMPLES = 250_000
#: For a shorter text numpy is not worth its import.
_LONG_TEXT_BYTES = 1 << 17
#: ``_NEXT`` is the first behind LF.
_TAB, _NEXT, _SPACE, _TILDE = b"\t\x0b ~"

_BASE = frozenset(b"A C G T N".split())


class Validator:
    """Validates one file. ``strict``: the specification's every rule; else what uploads get.

    ``quick``: accept at a glance what has nothing to report. Without it the report is the same.
    """

    def __init__(self, *, strict: bool = False, quick: bool = True) -> None:
        self.strict = strict
        self._quick = quick
        self.report = Report(strict)
        self.parsed = Header()
        self._line = 0
        #: CHROM of the last record, where it may be taken up the quick way.
        self._contig: bytes | None = None

    def header(self, lines: Sequence[bytes]) -> Header:
        """Check the header, ``lines`` without their ends; returns what it declares."""
        self.text(b"\n".join(lines), 1)
        header = self.parsed = check(lines, self.report)
        self._fixed = Fixed(header, self.report)
        self._info = Info(header, self.report)
        self._samples = Samples(header, self.report)
        self._order = Order(header, self.report)
        self._width = 9 if len(header.columns) > 8 else 8
        self._inside_records = min(
            LOOK_INSIDE, LOOK_INSIDE_SAMPLES // max(1, len(header.samples)) + 1
        )
        # Structural variants have rules of their own from 4.4 on, which need the slow way.
        self._symbols_slow = header.version >= (4, 4)
        self._glance = Glance(self._fixed, self._info, symbols_slow=self._symbols_slow)
        return header

    def text(self, blob: bytes, line: int) -> None:
        """Check the characters of ``blob``, whole lines of which the first is number ``line``."""
        if _is_plain(blob):
            return
        if b"\r\n" in blob and not self.report.counts["file-crlf"]:
            self.report.add(
                "file-crlf",
                line + blob.count(b"\n", 0, blob.index(b"\r\n")),
                0,
                "Lines end with CR and LF from here on.",
            )
        self._text_faults(blob, line)

    def _text_faults(self, blob: bytes, line: int) -> None:
        nul = blob.find(b"\0")
        if nul >= 0:
            at = line + blob.count(b"\n", 0, nul)
            self.report.add("file-nul", at, 0, "The line contains a NUL byte.")
            return
        try:
            blob.decode("utf-8")
        except UnicodeDecodeError as error:
            at = line + blob.count(b"\n", 0, error.start)
            self.report.add("file-encoding", at, 0, "The line is not UTF-8.")
            return
        for number, text in enumerate(blob.split(b"\n"), line):
            text = text.removesuffix(b"\r")
            if b"\r" in text or len(text.translate(None, spec.CONTROL)) < len(text):
                self.report.add(
                    "file-control-character", number, 0, "The line contains a control character."
                )

    def records(self, batch: Sequence[Record], line: int) -> dict[int, str]:
        """Check consecutive records, of which the first is in line ``line``.

        Returns the records of ``batch`` that cannot be annotated: index -> the reason.
        """
        rejected: dict[int, str] = {}
        for at in range(0, len(batch), glance.RECORDS):
            some = batch[at : at + glance.RECORDS]
            if not self._at_a_glance(some):
                self._each(some, at, line, rejected)
        self._line = line + len(batch) - 1
        self.report.rejected += len(rejected)
        return rejected

    def _at_a_glance(self, records: Sequence[Record]) -> bool:
        """True where there is nothing to report of ``records``, which are counted then."""
        if self.strict or self._contig is None:
            return False
        if self._width == 9 and self.report.records < self._inside_records:
            return False
        order = self._order
        pos = self._glance.last_pos(records, self._width, self._contig, order.pos, self._high())
        if pos < 0:
            return False
        if self._width == 9:
            columns_clean = self._samples.formats.columns_clean
            if not all(columns_clean(record[8]) for record in records):
                return False
        order.pos = pos
        self.report.records += len(records)
        return True

    def _each(
        self, batch: Sequence[Record], first: int, line: int, rejected: dict[int, str]
    ) -> None:
        """``batch`` one by one; ``first``: index of its first record, whose line would be ``line``
        if the index were 0."""
        report, order, width = self.report, self._order, self._width
        alleles_of, filter_clean, info_clean = (
            self._fixed.alleles,
            self._fixed.filter_clean,
            self._info.clean,
        )
        id_clean, qual_clean = self._fixed.id_clean, self._fixed.qual_clean
        strict, symbols_slow = self.strict, self._symbols_slow
        contig, low, high = self._contig, order.pos, self._high()
        for at, record in enumerate(batch, first):
            if len(record) == width and record[0] == contig:
                pos_text, name, ref, alt = record[1:5]
                alleles = alleles_of(alt)
                if (
                    alleles >= 0
                    and pos_text.isdigit()
                    and len(pos_text) < 11
                    and low <= (pos := int(pos_text)) <= high
                    and (name == b"." or id_clean(name))
                    and clean_pair(ref, alt)
                    and qual_clean(record[5])
                    and filter_clean(record[6])
                    and not (symbols_slow and b"<" in alt)
                    and info_clean(record[7], alleles, pos)
                    and (width == 8 or self._tail_clean(record[8], alleles, self._inside()))
                ):
                    if strict:
                        if ref in _BASE and alt in _BASE:
                            order.substitution(pos, ref, alt, line + at)
                        else:
                            order.duplicates(pos, ref, alt, line + at)
                    low = order.pos = pos
                    report.records += 1
                    continue
            reason = self._thorough(record, line + at)
            if reason:
                rejected[at] = reason
            contig, low, high = self._contig, order.pos, self._high()

    def _high(self) -> int:
        return POS_MAX if self._order.length is None else min(POS_MAX, self._order.length + 1)

    def _inside(self) -> bool:
        """Whether the next record's samples are looked into."""
        return self.strict or self.report.records < self._inside_records

    def _tail_clean(self, tail: bytes, alleles: int, inside: bool) -> bool:
        if inside:
            return self._samples.formats.clean(tail, alleles)
        return self._samples.formats.columns_clean(tail)

    def _thorough(self, record: Record, line: int) -> str:
        """Report every fault of ``record``. Returns why it cannot be annotated, or ""."""
        report = self.report
        report.reason = ""
        if record == [b""]:
            report.add("file-empty-line", line, 0, "The line is empty.")
            return "The line is empty."
        inside = self._inside()
        report.records += 1
        if len(record) < 8:
            report.add("record-columns", line, 0, f"There are {len(record)} columns.")
            return report.reason
        large = too_large(record)
        if large:
            report.add("record-too-large", line, large, "The column has too many parts.")
            return report.reason
        chrom, pos_text, name, ref, alt, qual, filters, info = record[:8]
        for column, value in enumerate(record[:8], 1):
            if not value:
                report.add("record-field-empty", line, column, "The column is empty.")
        fixed, order = self._fixed, self._order
        named = fixed.check_chrom(chrom, line)
        usual = named and not chrom.startswith(b"<")
        self._contig = chrom if usual and self._quick else None
        order.enter(chrom, line)
        pos = fixed.check_pos(pos_text, line)
        if pos >= 0:
            order.move(pos, line)
        fixed.check_id(name, line)
        fixed.check_ref(ref, line)
        fixed.check_alt(ref, alt, line)
        fixed.check_qual(qual, line)
        fixed.check_filter(filters, line)
        alleles = 0 if alt == b"." else alt.count(b",") + 1
        special = self._symbols_slow and b"<" in alt
        if not self._quick or special or not self._info.clean(info, alleles, pos):
            self._info.check(info, alt, pos, line)
        self._check_tail(record, alleles, line, inside=inside)
        if self.strict and pos >= 0 and spec.BASES.fullmatch(ref):
            order.duplicates(pos, ref, alt, line)
        return report.reason

    def _check_tail(self, record: Record, alleles: int, line: int, *, inside: bool) -> None:
        if len(record) < 9:
            if self._width == 9:
                self.report.add("record-sample-columns", line, 0, "There is no FORMAT column.")
        elif self._width == 8:
            self.report.add(
                "record-sample-columns",
                line,
                0,
                "There are columns after INFO; the header line names none.",
            )
        elif not self._quick or not self._tail_clean(record[8], alleles, inside):
            self._samples.check(record[8], alleles, line, inside=inside)

    def finish(self, *, last_line_ended: bool = True) -> Report:
        """The end of the file: the report. ``last_line_ended``: it ended with a line break."""
        if not last_line_ended:
            must = self.parsed.version in ((4, 3), (4, 4))
            rule = "file-last-line" if must else "file-last-line-other"
            self.report.add(rule, self._line, 0, "The last line has no line break.")
        if not self.report.records and self.parsed.columns:
            self.report.add("file-no-records", self.parsed.lines, 0, "There are no records.")
        return self.report

    def refusal(self) -> InputError | None:
        """Why the file cannot be read safely (a FATAL rule is broken), or None. Both modes."""
        return refusal_of(self.report)


def _is_plain(blob: bytes) -> bool:
    """Whether all is ASCII, without control characters but TAB and LF."""
    if len(blob) < _LONG_TEXT_BYTES:
        plain = blob.isascii() and len(blob.translate(None, spec.CONTROL)) == len(blob)
        return plain and b"\r" not in blob
    import numpy as np

    for start in range(0, len(blob), _LONG_TEXT_BYTES):
        codes = np.frombuffer(blob, np.uint8, min(_LONG_TEXT_BYTES, len(blob) - start), start)
        # Bytes wrap: first TAB is the least and what lies before it the greatest; then TAB and LF
        # are the greatest.
        if (codes - _TAB).max() > _TILDE - _TAB or (codes - _NEXT).min() < _SPACE - _NEXT:
            return False
    return True


def refusal_of(report: Report) -> InputError | None:
    """The error that the first broken FATAL rule makes, or None."""
    for finding in report.findings:
        if RULES[finding.rule].level is Level.FATAL:
            return InputError(
                finding.message,
                hint=finding.fix,
                line=finding.line or None,
                column=finding.column or None,
            )
    return None
