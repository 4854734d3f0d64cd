"""What the validator's tests share."""

from __future__ import annotations

from collections.abc import Iterable

from gas.annotate.validate import RULES, Level, Report, Validator
from gas.annotate.vcf import cells

COLUMNS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


def run(text: bytes, *, strict: bool = True, thorough: bool = False) -> Report:
    """Validate ``text``, a whole file with a header; ``thorough``: never the quick way."""
    validator = Validator(strict=strict, quick=not thorough)
    lines = text.split(b"\n")
    end = next(at for at, line in enumerate(lines) if line.startswith(b"#CHROM")) + 1
    validator.header([line.removesuffix(b"\r") for line in lines[:end]])
    body = b"\n".join(lines[end:])
    if body:
        validator.text(body, end + 1)
        validator.records(cells(body), end + 1)
    return validator.finish(last_line_ended=text.endswith(b"\n"))


def vcf(*records: str, header: Iterable[str] = (), version: str = "4.3", samples: int = 0) -> bytes:
    """A small file; fields of ``records`` are separated by blanks, ``~`` stands for one."""
    columns = COLUMNS
    if samples:
        columns += b"\tFORMAT" + b"".join(b"\tS%d" % n for n in range(samples))
    lines = [f"##fileformat=VCFv{version}".encode()]
    lines += [line.encode() for line in header]
    lines.append(columns)
    lines += [record.replace(" ", "\t").replace("~", " ").encode() for record in records]
    return b"\n".join(lines) + b"\n"


def broken(report: Report) -> set[str]:
    """The rules that ``report`` counts, without plain advice."""
    return {rule for rule in report.counts if RULES[rule].level is not Level.WARNING}


def advised(report: Report) -> set[str]:
    """The rules of advice that ``report`` counts."""
    return {rule for rule in report.counts if RULES[rule].level is Level.WARNING}
