"""Validating a whole file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gas.annotate.validate.header import Header
from gas.annotate.validate.report import Report
from gas.annotate.validate.stream import Record, Validator, split
from gas.annotate.vcf import Limits, VcfFile
from gas.errors import InputError

Watch = Callable[[Header], Callable[[Sequence[Record]], None]]


def validate_file(
    path: Path,
    *,
    strict: bool = False,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
    watch: Watch | None = None,
) -> Report:
    """Validate the VCF at ``path``: plain text, gzip or BGZF, of any size.

    Never raises for what is in the file: a file that cannot be read on has a finding
    ``file-unreadable`` and ``complete`` is False. ``progress`` is called with the bytes of the file
    read so far and its size. ``watch`` is called once with what the header declares; what it
    returns is called with every batch of records (``gas.annotate.builds.BuildCheck.add``). Raises
    OSError where the file cannot be opened, and whatever ``watch`` raises.
    """
    with path.open("rb"):
        pass
    validator = Validator(strict=strict)
    report = validator.report
    ended = True
    try:
        source = VcfFile(path, limits)
        if progress is not None:
            source.on_read = lambda read_bytes: progress(read_bytes, source.size_bytes)
        header = validator.header(source.header_texts)
        look = watch(header) if watch is not None else None
        ended = source.header[-1].endswith(b"\n")
        for piece in source.slices():
            validator.text(piece.text, piece.first_line)
            if validator.refusal() is not None:
                break
            records = split(piece.text)
            validator.records(records, piece.first_line)
            if look is not None:
                look(records)
            ended = piece.text.endswith(b"\n")
    except InputError as error:
        report.add("file-unreadable", error.line or 0, error.column or 0, _sentence(error))
    report.complete = validator.refusal() is None
    return validator.finish(last_line_ended=ended)


def _sentence(error: InputError) -> str:
    return f"{error.message} {error.hint}".strip()
