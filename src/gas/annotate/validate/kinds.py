"""Rules of one ``##`` line, by its kind (section 1.4)."""

from __future__ import annotations

import re
from collections.abc import Callable

from gas.annotate.validate import reserved, spec
from gas.annotate.validate.meta import Meta
from gas.annotate.validate.report import Report, show

#: Kinds of line that are always structured and have rules of their own.
KINDS = (b"INFO", b"FORMAT", b"FILTER", b"ALT", b"contig", b"META", b"SAMPLE", b"PEDIGREE")
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:[^/?#@\s]*@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#@:\s\[\]]*)(?::[0-9]{1,5})?(?P<path>[/?#]\S*)?"
)
_LABEL = re.compile(r"[0-9A-Za-z_](?:[0-9A-Za-z_-]*[0-9A-Za-z_])?")
_IPV4 = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")
_NAME = re.compile(rb"[^\x00-\x20\x7f,:;<>\"=*\[\]]+")
_SAMPLE_ID = re.compile(rb"[^\x00-\x20\x7f,;<>\"=*\[\]()]+")


def check_line(found: Meta, version: spec.Version, report: Report) -> None:
    """The rules of one line, by its kind."""
    special = found.key in KINDS
    if found.pairs is None:
        if special:
            report.add(
                "meta-structure",
                found.line,
                0,
                f"##{show(found.key)} is not of the form <key=value,…>.",
            )
        elif found.key in (b"assembly", b"pedigreeDB"):
            _url(found, found.value, report)
        return
    if found.key == b"pedigreeDB":
        _url(found, found.value.removeprefix(b"<").removesuffix(b">"), report)
        return
    # Up to 4.2 an unknown kind of line may hold anything between angle brackets.
    if not special and version < (4, 3):
        return
    if found.broken:
        report.add(
            "meta-structure",
            found.line,
            0,
            f"##{show(found.key)}=<…>: {show(found.broken.encode())}.",
        )
        return
    _common(found, version, report)
    rule = _BY_KIND.get(found.key)
    if rule is not None:
        rule(found, version, report)


def _common(found: Meta, version: spec.Version, report: Report) -> None:
    assert found.pairs is not None
    keys = [pair.key for pair in found.pairs]
    if len(set(keys)) < len(keys):
        report.add("meta-key-repeated", found.line, 0, f"##{show(found.key)} gives a key twice.")
    if b"ID" not in keys and not (found.key == b"PEDIGREE" and version < (4, 3)):
        report.add("meta-key-missing", found.line, 0, f"##{show(found.key)} has no ID.")
    for pair in found.pairs:
        if not pair.value and not pair.quoted:
            report.add("meta-structure", found.line, 0, f"{show(pair.key)} has no value.")


def _order(found: Meta, first: tuple[bytes, ...], version: spec.Version, report: Report) -> bool:
    """The keys ``first`` must be there, and up to 4.3 come first and in this order."""
    assert found.pairs is not None
    keys = [pair.key for pair in found.pairs]
    missing = [key for key in first if key not in keys]
    for key in missing:
        if key != b"ID":
            report.add(
                "meta-key-missing", found.line, 0, f"##{show(found.key)} has no {key.decode()}."
            )
    if not missing and version < (4, 4) and tuple(keys[: len(first)]) != first:
        wanted = ", ".join(key.decode() for key in first)
        report.add("meta-key-order", found.line, 0, f"The keys must come in the order {wanted}.")
    return not missing


def _quotes(found: Meta, bare: tuple[bytes, ...], report: Report) -> None:
    for pair in found.pairs or ():
        if pair.quoted == (pair.key in bare):
            must = "must not" if pair.quoted else "must"
            report.add(
                "meta-quotes",
                found.line,
                0,
                f"The value of {show(pair.key)} {must} be in double quotes.",
            )


def _id(found: Meta, grammar: re.Pattern[bytes], report: Report) -> None:
    if found.id and not grammar.fullmatch(found.id):
        report.add(
            "meta-id", found.line, 0, f'"{show(found.id)}" cannot be the ID of ##{show(found.key)}.'
        )


def _field(found: Meta, version: spec.Version, report: Report) -> None:
    """##INFO and ##FORMAT (1.4.2, 1.4.4)."""
    sample = found.key == b"FORMAT"
    if version >= (4, 3):
        if found.id != b"1000G" or sample:
            _id(found, spec.KEY, report)
    else:
        _id(found, re.compile(rb"[^\s;,=]+"), report)
    complete = _order(found, (b"ID", b"Number", b"Type", b"Description"), version, report)
    _quotes(found, (b"ID", b"Number", b"Type", b"IDX"), report)
    if complete:
        _number_and_type(found, version, report, sample)


def _number_and_type(found: Meta, version: spec.Version, report: Report, sample: bool) -> None:
    number, kind = found.get(b"Number") or b"", found.get(b"Type") or b""
    letters = spec.numbers(version, sample=sample)
    if not (number.isdigit() or number == b"." or number in letters):
        report.add("meta-number", found.line, 0, f'Number is "{show(number)}".')
        return
    types = (b"Integer", b"Float", b"Character", b"String") + (() if sample else (b"Flag",))
    if kind not in types:
        report.add("meta-type", found.line, 0, f'Type is "{show(kind)}".')
        return
    if not _reserved(found, number, kind, version, report, sample):
        return
    if (kind == b"Flag") != (number == b"0"):
        report.add(
            "meta-flag-number",
            found.line,
            0,
            f"{show(found.id or b'')} is of Number {show(number)} and Type {show(kind)}.",
        )


def _reserved(
    found: Meta, number: bytes, kind: bytes, version: spec.Version, report: Report, sample: bool
) -> bool:
    table = reserved.format_reserved if sample else reserved.info_reserved
    numbers, wanted = table(version).get(found.id or b"", ("?", "?"))
    modification = reserved.MODIFICATION.fullmatch(found.id or b"")
    if sample and version >= (4, 5) and modification:
        numbers, wanted = "M", "Integer" if modification["count"] else "Float"
    right = numbers == "?" or number.decode("ascii", "replace") in numbers.split()
    if right and wanted in ("?", kind.decode("ascii", "replace")):
        return True
    if kind == b"Float" and wanted == "?":
        return True
    report.add(
        "meta-reserved",
        found.line,
        0,
        f"{show(found.id or b'')} is reserved with Number={numbers.split()[0]}, "
        f"Type={wanted}; here it has Number={show(number)}, Type={show(kind)}.",
    )
    return False


def _filter(found: Meta, version: spec.Version, report: Report) -> None:
    _id(found, re.compile(rb"(?!0\Z)[^\s;,]+"), report)
    _order(found, (b"ID", b"Description"), version, report)
    _quotes(found, (b"ID", b"IDX"), report)


def _alt(found: Meta, version: spec.Version, report: Report) -> None:
    """##ALT (1.4.5). Up to 4.2 the first level is always a type of structural variant, save for
    the unspecified allele that gVCF writers declare."""
    name = found.id or b""
    grammar = spec.symbol_grammar()
    if version < (4, 3):
        types = b"|".join((*spec.SV_TYPES, b"BND"))
        grammar = re.compile(rb"(?:%b)(?::[!-+\--;=?-~]+)?|\*|NON_REF" % types)
    elif version >= (4, 4) and name.split(b":")[0] == b"BND":
        report.add("alt-bnd", found.line, 0, "BND is no symbolic allele in this version.")
    _id(found, grammar, report)
    _order(found, (b"ID", b"Description"), version, report)
    _quotes(found, (b"ID",), report)


def _contig(found: Meta, version: spec.Version, report: Report) -> None:
    """##contig (1.4.7)."""
    _id(found, re.compile(spec.contig_pattern(version)), report)
    if version >= (4, 3) and found.id in (*spec.SV_TYPES, b"BND"):
        report.add("meta-id", found.line, 0, "A contig has the name of a symbolic allele.")
    length = found.get(b"length")
    if length is not None and not length.isdigit():
        report.add("meta-contig-length", found.line, 0, f'The length is "{show(length)}".')


def _meta(found: Meta, version: spec.Version, report: Report) -> None:
    """##META (1.4.8, from 4.3)."""
    if version < (4, 3):
        return
    number, kind = found.get(b"Number"), found.get(b"Type")
    if number is not None and not (number.isdigit() or number in (b".", b"A", b"R", b"G")):
        report.add("meta-number", found.line, 0, f'Number is "{show(number)}".')
    if kind is not None and kind not in (b"Integer", b"Float", b"Character", b"String", b"Flag"):
        report.add("meta-type", found.line, 0, f'Type is "{show(kind)}".')
    values = found.get(b"Values")
    if values is not None and not values.startswith(b"["):
        report.add("meta-values", found.line, 0, f'Values is "{show(values)}".')
    if found.pairs and found.pairs[0].key != b"ID" and version < (4, 4):
        report.add("meta-key-order", found.line, 0, "ID must come first.")


def _sample(found: Meta, version: spec.Version, report: Report) -> None:
    """##SAMPLE (1.4.8)."""
    _id(found, _SAMPLE_ID, report)
    if version >= (4, 3):
        return
    for key in (b"Genomes", b"Mixture"):
        if found.get(key) is None:
            report.add("meta-sample", found.line, 0, f"There is no {key.decode()}.")
    for pair in found.pairs or ():
        if pair.quoted and pair.key != b"Description":
            report.add(
                "meta-quotes",
                found.line,
                0,
                f"The value of {show(pair.key)} must not be in double quotes.",
            )


def _pedigree(found: Meta, version: spec.Version, report: Report) -> None:
    """##PEDIGREE (1.4.9)."""
    for pair in found.pairs or ():
        if not pair.quoted and pair.value and not _NAME.fullmatch(pair.value):
            report.add("meta-pedigree", found.line, 0, f'{show(pair.key)} is "{show(pair.value)}".')


_BY_KIND: dict[bytes, Callable[[Meta, spec.Version, Report], None]] = {
    b"INFO": _field,
    b"FORMAT": _field,
    b"FILTER": _filter,
    b"ALT": _alt,
    b"contig": _contig,
    b"META": _meta,
    b"SAMPLE": _sample,
    b"PEDIGREE": _pedigree,
}


def _url(found: Meta, value: bytes, report: Report) -> None:
    if not _is_url(value.decode("utf-8", "replace")):
        report.add("meta-url", found.line, 0, f'"{show(value)}" is no URL.')


def _is_url(text: str) -> bool:
    """scheme://[user@]host[:port][/path]; a host's last label is no number, unless the host is an
    IP address (RFC 1123, 2.1); ``file:`` needs no host."""
    parts = _URL.fullmatch(text)
    if parts is None:
        return False
    host = parts["host"]
    if parts["scheme"].lower() == "file":
        return bool(parts["path"])
    if host.startswith("[") or _IPV4.fullmatch(host):
        return True
    labels = host.rstrip(".").split(".")
    return all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
