"""Rules of the header: ``##`` lines and the ``#CHROM`` line (sections 1.4 and 1.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gas.annotate.validate import kinds, meta, spec
from gas.annotate.validate.meta import Meta
from gas.annotate.validate.report import Report, show
from gas.annotate.validate.reserved import Declared
from gas.annotate.vcf import BOM

#: A longer structured line is not taken apart.
_LONG = 1 << 20
_KEPT = (b"reference", b"assembly", b"contig", b"source")
_KEPT_LINES = 10_000


@dataclass
class Header:
    """What the header declares."""

    version: spec.Version = spec.ASSUMED
    version_text: str = ""
    #: The lines that may tell the assembly.
    metas: list[Meta] = field(default_factory=list)
    info: dict[bytes, Declared] = field(default_factory=dict)
    format: dict[bytes, Declared] = field(default_factory=dict)
    filters: set[bytes] = field(default_factory=set)
    #: contig -> length in bases, None where the line gives none.
    contigs: dict[bytes, int | None] = field(default_factory=dict)
    columns: tuple[bytes, ...] = ()
    lines: int = 0

    @property
    def samples(self) -> tuple[bytes, ...]:
        return self.columns[9:]


def check(lines: Sequence[bytes], report: Report) -> Header:
    """Check the header's ``lines`` (without their ends, ``#CHROM`` last) and say what they declare.

    A header that cannot be used breaks a FATAL rule in ``report``.
    """
    header = Header(lines=len(lines))
    if lines and lines[0].startswith(BOM):
        report.add("file-bom", 1, 0, "The file starts with a byte order mark.")
        lines = [lines[0].removeprefix(BOM), *lines[1:]]
    _version(lines, header, report)
    report.version = header.version_text
    seen: set[tuple[bytes, bytes]] = set()
    for number, text in enumerate(lines, 1):
        if text.startswith(b"##"):
            _meta_line(number, text, header, report, seen)
        elif text.startswith(b"#") and number == len(lines):
            _column_line(number, text, header, report)
        else:
            report.add(
                "meta-malformed",
                number,
                0,
                f'This header line does not start with ##: "{show(text)}".',
            )
    if not header.columns:
        report.add("header-missing", len(lines), 0, "No line #CHROM, POS, ID, … was found.")
    return header


def _version(lines: Sequence[bytes], header: Header, report: Report) -> None:
    first = lines[0] if lines else b""
    if not first.startswith(b"##fileformat="):
        report.add(
            "version-missing", 1, 0, "The first line does not say which version of VCF this is."
        )
        return
    text = first.partition(b"=")[2]
    header.version_text = show(text)
    version = spec.KNOWN.get(text)
    if version is None:
        report.add("version-unknown", 1, 0, f'"{show(text)}" is no version of VCF known here.')
        return
    header.version = version
    if version < (4, 0):
        report.add("version-unknown", 1, 0, f"{show(text)} is older than VCFv4.1.")
    elif version == (4, 0):
        report.add("version-old", 1, 0, "VCFv4.0 is read by the rules of VCFv4.1.")


def _meta_line(
    number: int, text: bytes, header: Header, report: Report, seen: set[tuple[bytes, bytes]]
) -> None:
    if len(text) > _LONG and b"=<" in text[:100]:
        report.add("meta-too-large", number, 0, f"The line has {len(text):,} bytes.")
        return
    found = meta.parse(number, text)
    if found is None:
        report.add("meta-malformed", number, 0, f'"{show(text)}" is not ##key=value.')
        return
    if found.key in _KEPT and len(header.metas) < _KEPT_LINES:
        header.metas.append(found)
    if found.key == b"fileformat":
        if number > 1:
            report.add("version-repeated", number, 0, "A second ##fileformat line.")
        return
    if found.key in kinds.KINDS and found.pairs is None and header.version < (4, 0):
        old = meta.old_declaration(found.value)
        if old is not None:
            _declare(old, found.key, header)
        return
    kinds.check_line(found, header.version, report)
    identity = (found.key, found.id or b"")
    if found.id and identity in seen:
        rule = "meta-id-repeated"
        if header.version >= (4, 3):
            report.add(
                rule, number, 0, f"A second ##{show(found.key)} line with ID {show(found.id)}."
            )
        return
    seen.add(identity)
    _declare(found, found.key, header)


def _declare(found: Meta, kind: bytes, header: Header) -> None:
    name = found.id
    if not name:
        return
    if kind in (b"INFO", b"FORMAT"):
        target = header.info if kind == b"INFO" else header.format
        target[name] = Declared(found.get(b"Number") or b".", found.get(b"Type") or b"String")
    elif kind == b"FILTER":
        header.filters.add(name)
    elif kind == b"contig":
        length = found.get(b"length") or b""
        header.contigs[name] = int(length) if length.isdigit() and len(length) < 12 else None


def _column_line(number: int, text: bytes, header: Header, report: Report) -> None:
    """The line ``#CHROM …`` (1.5)."""
    columns = tuple(text.split(b"\t"))
    if columns[:8] != spec.FIXED:
        report.add(
            "header-missing",
            number,
            0,
            f'"{show(text)}" does not name the eight fixed columns, separated by tabs.',
        )
        return
    header.columns = columns
    if len(columns) > 8 and columns[8] != b"FORMAT":
        report.add(
            "header-columns",
            number,
            9,
            f'The ninth column is "{show(columns[8])}", it must be FORMAT.',
        )
    if len(columns) == 9:
        report.add("header-no-samples", number, 9, "FORMAT is not followed by any sample.")
    samples = columns[9:]
    if b"" in samples:
        report.add(
            "header-sample-empty",
            number,
            10 + samples.index(b""),
            "There is a sample without a name.",
        )
    if len(set(samples)) < len(samples):
        seen: set[bytes] = set()
        for at, name in enumerate(samples, 10):
            if name in seen and name:
                report.add(
                    "header-sample-repeated", number, at, f'"{show(name)}" names a second sample.'
                )
            seen.add(name)
