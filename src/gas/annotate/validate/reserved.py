"""The reserved INFO and FORMAT keys of 4.1 to 4.5, with their Number, Type and values.

Source: as ``spec``; tables 1 and 2 of section 1.6 and sections 3 and 4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gas.annotate.validate.spec import Version


@dataclass(frozen=True)
class Declared:
    """Number and Type of an INFO or FORMAT key."""

    number: bytes
    type: bytes


#: key -> (Number, Type). "?" in either place: the editions of the specification differ, or leave it
#: open, so nothing is asked. Several Numbers that are all right are separated by a blank.
Reserved = dict[bytes, tuple[str, str]]


def _table(text: str) -> Reserved:
    rows = (line.split(maxsplit=2) for line in text.strip().splitlines())
    return {key.encode(): (number.replace("|", " "), kind) for key, kind, number in rows}


_INFO_41 = _table("""
    AA String 1
    AC Integer A
    AF Float A
    AN Integer 1
    BQ Float 1
    CIGAR String A
    DB Flag 0
    DP Integer 1
    END Integer 1
    H2 Flag 0
    H3 Flag 0
    MQ ? 1
    MQ0 Integer 1
    NS Integer 1
    SOMATIC Flag 0
    VALIDATED Flag 0
    1000G Flag 0
    IMPRECISE Flag 0
    NOVEL Flag 0
    SVTYPE String 1
    SVLEN Integer ?
    CIPOS Integer 2
    CIEND Integer 2
    HOMLEN Integer ?
    HOMSEQ String ?
    BKPTID String ?
    MEINFO String 4
    METRANS String 4
    DGVID String 1
    DBVARID String 1
    DBRIPID String 1
    MATEID String ?
    PARID String 1
    EVENT String 1
    CILEN Integer 2
    DPADJ Integer ?
    CN Integer 1
    CNADJ Integer ?
    CICN Integer 2
    CICNADJ Integer ?
""")
_INFO_43 = _INFO_41 | _table("""
    AD Integer R
    ADF Integer R
    ADR Integer R
""")
# The structural keys of 4.4 became lists; the earlier Numbers are still met in files that were
# merged from earlier ones, and say the same of a record with one ALT.
_INFO_44 = {
    k: v for k, v in _INFO_43.items() if k not in (b"DPADJ", b"CNADJ", b"CICNADJ")
} | _table(
    """
    SVLEN Integer A|.|1
    CIPOS Integer .|2
    CIEND Integer .|2
    CILEN Integer .|2
    HOMLEN Integer A|.
    HOMSEQ String A|.
    BKPTID String A|.
    MEINFO String .|4
    METRANS String .|4
    DGVID String A|1
    DBVARID String A|1
    DBRIPID String A|1
    MATEID String A|.
    PARID String A|1
    EVENT String A|1
    EVENTTYPE String A
    CN Float A
    CICN Float .
    SVCLAIM String A
    RN Integer A
    RUS String .
    RUL Integer .
    RUC Float .
    RB Integer .
    CIRUC Float .
    CIRB Integer .
    RUB Integer .
"""
)

_FORMAT_41 = _table("""
    DP Integer 1
    EC Integer A
    FT String 1
    GL Float G
    GLE String G
    GP Float G
    GQ Integer 1
    GT String 1
    HQ Integer 2
    MQ Integer 1
    PL Integer G
    PQ Integer 1
    PS Integer 1
    CN Integer 1
    CNQ Float 1
    CNL Float ?
    NQ Integer 1
    HAP Integer 1
    AHAP Integer 1
""")
_FORMAT_43 = {k: v for k, v in _FORMAT_41.items() if k != b"GLE"} | _table("""
    AD Integer R
    ADF Integer R
    ADR Integer R
    PP Integer G
    CNP Float ?
""")
_FORMAT_44 = _FORMAT_43 | _table("""
    PSL String P
    PSO Integer P
    PSQ Integer P
    CN Float 1
    CICN Float 2
""")
# LGL and LGP: the table of 4.5 says Integer, its own GL and GP are Float.
_FORMAT_45 = _FORMAT_44 | _table("""
    LEN Integer 1
    LAA Integer .
    LAD Integer LR
    LADF Integer LR
    LADR Integer LR
    LEC Integer LA
    LGL ? LG
    LGP ? LG
    LPL Integer LG
    LPP Integer LG
""")

#: Base modifications, 4.5, section 1.6.2.
MODIFICATION = re.compile(
    rb"(?P<count>DPM|ADM)?(?(count)|M)"
    rb"(?:[0-9]+[ACGTUN]|5mC|5hmC|5fC|5caC|5hmU|5fU|5caU|6mA|8oxoG|[Xx]aoN)"
)
#: FORMAT keys whose value counts follow LAA.
LOCAL_KEYS = frozenset((b"LAD", b"LADF", b"LADR", b"LEC", b"LGL", b"LGP", b"LPL", b"LPP"))


def info_reserved(version: Version) -> Reserved:
    """Reserved INFO keys (tables 1 and section 3)."""
    if version <= (4, 2):
        return _INFO_41
    return _INFO_43 if version == (4, 3) else _INFO_44


def format_reserved(version: Version) -> Reserved:
    """Reserved FORMAT keys (table 2 and section 4)."""
    if version <= (4, 2):
        return _FORMAT_41
    if version == (4, 3):
        return _FORMAT_43
    return _FORMAT_44 if version == (4, 4) else _FORMAT_45


#: Values that count or measure something and so are never negative.
NOT_NEGATIVE_INFO = frozenset(
    b"AC AN AD ADF ADR DP END MQ0 NS BQ MQ RN RUL RUC RB RUB CN HOMLEN".split()
)
NOT_NEGATIVE_FORMAT = frozenset(b"AD ADF ADR DP EC GQ HQ MQ PL PQ PS PP LEN CN CNQ LAA".split())
#: Probabilities.
FRACTION_INFO = frozenset([b"AF"])
FRACTION_FORMAT_43 = frozenset([b"GP", b"CNP"])
SVCLAIMS = frozenset([b"D", b"J", b"DJ", b"."])


def declarations(table: Reserved) -> dict[bytes, Declared]:
    """What a file that does not declare its reserved keys means by them."""
    return {
        key: Declared(
            numbers.split()[0].replace("?", ".").encode(), kind.replace("?", "String").encode()
        )
        for key, (numbers, kind) in table.items()
    }
