"""Validating the start of a file, so that a person hears at once."""

from __future__ import annotations

from isal import isal_zlib

from gas.annotate.validate.report import Report
from gas.annotate.validate.stream import Validator, refusal_of
from gas.annotate.vcf import Limits, cells, refuse_lookalike, refuse_samples
from gas.errors import InputError

#: So much text of the start is looked at.
TEXT_BYTES = 4 << 20
_GZIP = b"\x1f\x8b"
_GZIP_BITS = 31


def refusal_of_head(head: bytes, limits: Limits) -> InputError | None:
    """Why a file that starts with ``head`` will surely be refused; None: nothing says so yet."""
    try:
        text = _text(head)
        refuse_lookalike(text)
        for number, line in enumerate(text.split(b"\n")[:-1], 1):
            if not line.startswith(b"##"):
                if line.startswith(b"#CHROM"):
                    refuse_samples(line, number, limits)
                break
    except InputError as refusal:
        return refusal
    except isal_zlib.error:  # type: ignore[misc]
        pass
    return refusal_of(validate_head(head))


def validate_head(head: bytes, *, strict: bool = False) -> Report:
    """Validate ``head``, the first bytes of a VCF as it was uploaded: plain text, gzip or BGZF.

    The last line counts only where a line break ends it, and a cut compressed stream is no fault:
    what is said here is true of the whole file as well. ``complete`` is False.
    """
    validator = Validator(strict=strict)
    report = validator.report
    report.complete = False
    try:
        text = _text(head)
    except isal_zlib.error as error:  # type: ignore[misc]
        report.add("file-unreadable", 0, 0, f"The compressed data are damaged ({error}).")
        return report
    lines = text[: text.rfind(b"\n") + 1].split(b"\n")[:-1]
    lines = [line.removesuffix(b"\r") for line in lines]
    end = next((at for at, line in enumerate(lines) if not line.startswith(b"##")), len(lines))
    if not text and head.startswith(_GZIP):
        return report  # cut before the first of its text
    if not text.startswith(b"##") and not text.startswith((b"#CHROM", b"\xef\xbb\xbf##")):
        report.add("header-missing", 1, 0, "This is not a VCF file: it starts with no header.")
    elif end < len(lines):
        validator.header(lines[: end + 1])
        if validator.refusal() is None:
            body = text[: text.rfind(b"\n") + 1].split(b"\n", end + 1)[-1]
            validator.text(body, end + 2)
            validator.records(cells(body), end + 2)
    return report


def _text(head: bytes) -> bytes:
    """The text of ``head``, member by member where it is compressed; at most TEXT_BYTES."""
    if not head.startswith(_GZIP):
        return head[:TEXT_BYTES]
    pieces, size = [], 0
    while head.startswith(_GZIP) and size < TEXT_BYTES:
        member = isal_zlib.decompressobj(wbits=_GZIP_BITS)
        piece = member.decompress(head, TEXT_BYTES - size)
        pieces.append(piece)
        size += len(piece)
        if not member.eof:
            break
        head = member.unused_data
    return b"".join(pieces)
