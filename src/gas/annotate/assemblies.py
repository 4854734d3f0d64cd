"""The human assemblies that people's files are of: names, lengths of chromosomes, accessions.

Sources: lengths from the assembly reports of NCBI36 (hg18), GRCh37 (hg19), GRCh38 (hg38) and
T2T-CHM13v2.0 (hs1) at NCBI; RefSeq (NC_…) and GenBank (CM…, CP…) accessions from the same reports.
The mitochondrion is the revised Cambridge sequence, NC_012920.1 of 16,569 bases, in GRCh37 as NCBI
and Ensembl give it, GRCh38 and T2T; UCSC's hg18 and hg19 have another one, of 16,571 bases.
"""

from __future__ import annotations

import re
from functools import cache

CHROMOSOMES = (*(str(n) for n in range(1, 23)), "X", "Y")
MT = "MT"
RCRS_LENGTH = 16_569

_LENGTHS = {
    "NCBI36": """
        247249719 242951149 199501827 191273063 180857866 170899992 158821424 146274826 140273252
        135374737 134452384 132349534 114142980 106368585 100338915 88827254 78774742 76117153
        63811651 62435964 46944323 49691432 154913754 57772954""",
    "GRCh37": """
        249250621 243199373 198022430 191154276 180915260 171115067 159138663 146364022 141213431
        135534747 135006516 133851895 115169878 107349540 102531392 90354753 81195210 78077248
        59128983 63025520 48129895 51304566 155270560 59373566""",
    "GRCh38": """
        248956422 242193529 198295559 190214555 181538259 170805979 159345973 145138636 138394717
        133797422 135086622 133275309 114364328 107043718 101991189 90338345 83257441 80373285
        58617616 64444167 46709983 50818468 156040895 57227415""",
    "T2T-CHM13v2.0": """
        248387328 242696752 201105948 193574945 182045439 172126628 160567428 146259331 150617247
        134758134 135127769 133324548 113566686 101161492 99753195 96330374 84276897 80542538
        61707364 66210255 45090682 51324926 154259566 62460029""",
}
#: assembly -> chromosome (without the mitochondrion) -> its length in bases.
LENGTHS: dict[str, dict[str, int]] = {
    name: dict(zip(CHROMOSOMES, map(int, text.split()), strict=True))
    for name, text in _LENGTHS.items()
}

#: What files, references and tools call them; the first that matches counts.
_NAMES = (
    ("T2T-CHM13v2.0", r"chm13|t2t|hs1(?![0-9])|GC[AF]_009914755"),
    ("GRCh38", r"grch38|hg38|hs38|b38|build ?38|assembly38|GC[AF]_000001405\.(?:1[5-9]|[2-4]\d)"),
    (
        "GRCh37",
        r"grch37|hg19|hs37|b37|build ?37|human_g1k_v37|assembly19|GC[AF]_000001405\.(?:1|13)",
    ),
    ("NCBI36", r"ncbi ?_?36|hg18|b36|build ?36"),
)
_NAMED = [
    (name, re.compile(rf"(?:^|(?<![a-z0-9]))(?:{pattern})(?![0-9])", re.IGNORECASE))
    for name, pattern in _NAMES
]

#: RefSeq version of each chromosome in GRCh37; one less in NCBI36, one more in GRCh38.
_REFSEQ_37 = dict(
    zip(
        CHROMOSOMES,
        (10, 11, 11, 11, 9, 11, 13, 10, 11, 10, 9, 11, 10, 8, 9, 9, 10, 9, 9, 10, 8, 10, 10, 9),
        strict=True,
    )
)


def named(text: str) -> str | None:
    """The assembly that ``text`` (a file name, a header line) names, or None."""
    for name, pattern in _NAMED:
        if pattern.search(text, 0, 2_000):
            return name
    return None


def chromosome(contig: str) -> str | None:
    """1 to 22, X, Y or MT for a contig's common names (``chr20``, ``20``, ``M``) and accessions;
    None for any other."""
    bare = contig[3:] if contig[:3].lower() == "chr" else contig
    if bare in CHROMOSOMES:
        return bare
    if bare in ("M", "MT"):
        return MT
    found = accessions().get(contig)
    return found[1] if found else None


def accession_build(contig: str) -> str | None:
    """The one assembly that has the accession ``contig``; None where it is none, or of several."""
    found = accessions().get(contig)
    return found[0] if found else None


@cache
def accessions() -> dict[str, tuple[str | None, str]]:
    """accession -> assembly (None: of several) and chromosome."""
    table: dict[str, tuple[str | None, str]] = {"NC_012920.1": (None, MT), "J01415.2": (None, MT)}
    for number, name in enumerate(CHROMOSOMES, 1):
        version = _REFSEQ_37[name]
        for build, refseq in (
            ("NCBI36", version - 1),
            ("GRCh37", version),
            ("GRCh38", version + 1),
        ):
            table[f"NC_{number:06}.{refseq}"] = (build, name)
        table[f"CM{662 + number:06}.1"] = ("GRCh37", name)
        table[f"CM{662 + number:06}.2"] = ("GRCh38", name)
        table[f"NC_{60924 + number:06}.1"] = ("T2T-CHM13v2.0", name)
        t2t = "CP086569.2" if name == "Y" else f"CP{68278 - number:06}.2"
        table[t2t] = ("T2T-CHM13v2.0", name)
    table["CP068254.1"] = ("T2T-CHM13v2.0", MT)
    return table


def by_lengths(lengths: dict[str, int]) -> set[str]:
    """The assemblies that agree with every given chromosome -> length; of them at least one is an
    autosome, X or Y. Empty: none agrees, or there is nothing to compare."""
    known = {name: length for name, length in lengths.items() if name in CHROMOSOMES}
    if not known:
        return set()
    return {
        build
        for build, table in LENGTHS.items()
        if all(table[name] == length for name, length in known.items())
    }
