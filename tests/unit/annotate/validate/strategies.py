"""Hypothesis strategies: valid files, and files with one named fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

VERSIONS = ("4.1", "4.2", "4.3", "4.4", "4.5")
BASES = "ACGT"


@dataclass
class File:
    """A file as lists of text: meta lines, column names, and records as lists of fields."""

    version: str
    meta: list[str]
    columns: list[str]
    records: list[list[str]]

    def text(self) -> bytes:
        lines = [f"##fileformat=VCFv{self.version}", *self.meta, "\t".join(self.columns)]
        lines += ["\t".join(record) for record in self.records]
        return ("\n".join(lines) + "\n").encode()


META = [
    '##INFO=<ID=AC,Number=A,Type=Integer,Description="Allele count">',
    '##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency">',
    '##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">',
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="In dbSNP, \\"build\\" 138">',
    '##INFO=<ID=NOTE,Number=.,Type=String,Description="Any text">',
    '##FILTER=<ID=q10,Description="Quality below 10">',
    '##FILTER=<ID=s50,Description="Few samples">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">',
    '##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Likelihoods">',
    "##contig=<ID=1,length=1000>",
    "##contig=<ID=chr2,length=1000>",
    "##contig=<ID=MT,length=1000>",
]

numbers = st.integers(0, 10**6).map(str)
floats = st.one_of(st.floats(0, 1, allow_nan=False).map(repr), st.sampled_from(["0", "1", "1e-05"]))
words = st.text(alphabet="abcXYZ019_.-|/()[]*+&", min_size=1, max_size=8)


@st.composite
def alleles(draw: DrawFn) -> tuple[str, list[str]]:
    ref = draw(st.text(alphabet=BASES, min_size=1, max_size=4))
    plain = st.text(alphabet=BASES, min_size=1, max_size=4).filter(lambda alt: alt != ref)
    special = st.sampled_from(["*", "<DEL>", "<INS:ME>", "<*>", "G[1:17[", "]chr2:5]T", ".A"])
    return ref, draw(st.lists(plain | special, min_size=0, max_size=3, unique=True))


@st.composite
def infos(draw: DrawFn, alts: int) -> str:
    n = max(1, alts)
    entries = {
        "AC": st.lists(numbers, min_size=n, max_size=n).map(lambda v: "AC=" + ",".join(v)),
        "AF": st.lists(floats, min_size=n, max_size=n).map(lambda v: "AF=" + ",".join(v)),
        "DP": st.sampled_from(["DP=.", "DP=0", "DP=1234"]),
        "DB": st.just("DB"),
        "NOTE": st.lists(words, min_size=1, max_size=3).map(lambda v: "NOTE=" + ",".join(v)),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(entries)), unique=True))
    return ";".join(draw(entries[key]) for key in chosen) or "."


@st.composite
def samples(draw: DrawFn, alts: int) -> str:
    ploidy = draw(st.integers(1, 3))
    allele = st.sampled_from([".", *map(str, range(alts + 1))])
    gt = draw(st.sampled_from("/|")).join(draw(allele) for _ in range(ploidy))
    n = comb(alts + ploidy, ploidy)
    likelihoods = st.one_of(st.just("."), st.lists(numbers, min_size=n, max_size=n).map(",".join))
    parts = [gt, draw(st.just(".") | numbers), draw(likelihoods)]
    if gt == ".":
        parts[2] = "."
    return ":".join(parts[: draw(st.integers(1, 3))])


@st.composite
def records(draw: DrawFn, contig: str, pos: int, count: int) -> list[str]:
    ref, alts = draw(alleles())
    fields = [
        contig,
        str(pos),
        draw(st.sampled_from([".", f"rs{pos}", f"rs{pos};id{pos}"])),
        ref,
        ",".join(alts) or ".",
        draw(st.sampled_from([".", "0", "12.5", "1e+3", "99"])),
        draw(st.sampled_from([".", "PASS", "q10", "q10;s50"])),
        draw(infos(len(alts))),
    ]
    if count:
        fields += ["GT:DP:PL", *(draw(samples(len(alts))) for _ in range(count))]
    return fields


@st.composite
def files(draw: DrawFn) -> File:
    """A valid file: a header, up to three contigs, positions in order and far enough apart that no
    variant comes twice."""
    count = draw(st.integers(0, 3))
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    if count:
        columns += ["FORMAT", *(f"S{n}" for n in range(count))]
    body = []
    for contig in draw(st.permutations(["1", "chr2", "MT"]))[: draw(st.integers(1, 3))]:
        places = draw(st.lists(st.integers(0, 100), min_size=1, max_size=4, unique=True))
        body += [draw(records(contig, 1 + 5 * place, count)) for place in sorted(places)]
    return File(draw(st.sampled_from(VERSIONS)), draw(st.permutations(META)), columns, body)


Mutation = Callable[[DrawFn, File], None]
#: A fault -> the rule that tells it, and how to make it.
FAULTS: dict[str, tuple[str, Mutation]] = {}


def fault(rule: str) -> Callable[[Mutation], Mutation]:
    def keep(mutation: Mutation) -> Mutation:
        FAULTS[mutation.__name__] = (rule, mutation)
        return mutation

    return keep


def _any(draw: DrawFn, file: File) -> list[str]:
    return draw(st.sampled_from(file.records))


@fault("pos-number")
def pos_is_no_number(draw: DrawFn, file: File) -> None:
    _any(draw, file)[1] = draw(st.sampled_from(["", "x", "-1", "1.5", "1e3", "+5", "9999999999"]))


@fault("chrom-name")
def chrom_has_a_blank(draw: DrawFn, file: File) -> None:
    _any(draw, file)[0] += " x"


@fault("ref-bases")
def ref_is_no_sequence(draw: DrawFn, file: File) -> None:
    _any(draw, file)[3] = draw(st.sampled_from(["R", "A,C", ".", "<DEL>", "A C", "AU"]))


@fault("alt-syntax")
def alt_is_no_allele(draw: DrawFn, file: File) -> None:
    _any(draw, file)[4] = draw(st.sampled_from(["R", "A,,C", "A,", "?", "A-"]))


@fault("alt-symbol")
def alt_symbol_has_a_bracket(draw: DrawFn, file: File) -> None:
    _any(draw, file)[4] = "<DEL>x>"


@fault("alt-breakend")
def alt_is_half_a_breakend(draw: DrawFn, file: File) -> None:
    _any(draw, file)[4] = draw(st.sampled_from(["G[1:17]", "[1:17[", "G[1[", "]1:x]G"]))


@fault("alt-reference")
def alt_is_ref(draw: DrawFn, file: File) -> None:
    record = _any(draw, file)
    record[4] = record[3].lower()


@fault("qual-number")
def qual_is_no_number(draw: DrawFn, file: File) -> None:
    _any(draw, file)[5] = draw(st.sampled_from(["high", "-1", "1,5", "0x1"]))


@fault("filter-zero")
def filter_is_zero(draw: DrawFn, file: File) -> None:
    _any(draw, file)[6] = draw(st.sampled_from(["0", "q10;0"]))


@fault("filter-syntax")
def filter_has_an_empty_name(draw: DrawFn, file: File) -> None:
    _any(draw, file)[6] = draw(st.sampled_from(["q10;", ";q10", "q10;;s50", "q 10", "q10;."]))


@fault("id-syntax")
def id_has_an_empty_name(draw: DrawFn, file: File) -> None:
    _any(draw, file)[2] = draw(st.sampled_from(["rs1;", ";rs1", "rs 1"]))


@fault("info-type")
def info_depth_is_no_integer(draw: DrawFn, file: File) -> None:
    _any(draw, file)[7] = draw(st.sampled_from(["DP=x", "DP=1.5", "DB;DP=1e3"]))


@fault("info-count")
def info_depth_has_two_values(draw: DrawFn, file: File) -> None:
    _any(draw, file)[7] = draw(st.sampled_from(["DP=1,2", "DP", "DB;DP=1,2"]))


@fault("info-value")
def info_frequency_is_out_of_range(draw: DrawFn, file: File) -> None:
    record = _any(draw, file)
    record[7] = "AF=" + ",".join(["1.5"] * max(1, record[4].count(",") + 1))


@fault("info-flag")
def info_flag_has_a_value(draw: DrawFn, file: File) -> None:
    _any(draw, file)[7] = "DB=yes"


@fault("info-syntax")
def info_has_an_empty_entry(draw: DrawFn, file: File) -> None:
    record = _any(draw, file)
    record[7] = "DP=1;" if record[7] == "." else record[7] + ";"


@fault("record-columns")
def record_is_cut_off(draw: DrawFn, file: File) -> None:
    record = _any(draw, file)
    del record[draw(st.integers(1, 7)) :]


@fault("record-sample-columns")
def record_has_a_column_more(draw: DrawFn, file: File) -> None:
    _any(draw, file).append("0/0")


@fault("record-contiguous")
def contig_comes_back(draw: DrawFn, file: File) -> None:
    first = file.records[0]
    other = [*first]
    other[0], other[2], again = "other", ".", [*first]
    again[1] = "900"
    file.records += [other, again]


@fault("pos-range")
def pos_is_beyond_the_contig(draw: DrawFn, file: File) -> None:
    file.records[-1][1] = "5000"


@fault("sample-gt-allele")
def genotype_has_an_unknown_allele(draw: DrawFn, file: File) -> None:
    _with_samples(file)
    _any(draw, file)[9] = draw(st.sampled_from(["0/7", "7", "0|0|7"]))


@fault("sample-gt")
def genotype_is_broken(draw: DrawFn, file: File) -> None:
    _with_samples(file)
    _any(draw, file)[9] = draw(st.sampled_from(["0/", "a/b", "0//1", "0-1", "-1/0"]))


@fault("sample-fields")
def sample_has_a_value_more(draw: DrawFn, file: File) -> None:
    _with_samples(file)
    _any(draw, file)[9] = "0/0:1:.:5"


@fault("sample-type")
def sample_depth_is_no_integer(draw: DrawFn, file: File) -> None:
    _with_samples(file)
    _any(draw, file)[9] = "0/0:many"


@fault("sample-count")
def sample_has_too_few_likelihoods(draw: DrawFn, file: File) -> None:
    _with_samples(file)
    record = _any(draw, file)
    record[4] = "C,G" if record[3] not in "CG" else "A,T"
    record[7:] = [".", *record[8:9], *(["0/1:5:1,2"] * (len(record) - 9))]


@fault("format-gt-first")
def genotype_is_not_first(draw: DrawFn, file: File) -> None:
    _with_samples(file)
    record = _any(draw, file)
    record[8:] = ["DP:GT", *(["5:0/0"] * (len(record) - 9))]


@fault("meta-number")
def meta_number_is_unknown(draw: DrawFn, file: File) -> None:
    file.meta.append('##INFO=<ID=X,Number=Z,Type=Integer,Description="d">')


@fault("meta-type")
def meta_type_is_unknown(draw: DrawFn, file: File) -> None:
    file.meta.append('##FORMAT=<ID=X,Number=1,Type=Flag,Description="d">')


@fault("meta-reserved")
def meta_reserved_key_is_redefined(draw: DrawFn, file: File) -> None:
    file.meta.append('##INFO=<ID=AN,Number=A,Type=Integer,Description="d">')


@fault("meta-structure")
def meta_quote_is_left_open(draw: DrawFn, file: File) -> None:
    file.meta.append('##INFO=<ID=X,Number=1,Type=Integer,Description="d>')


@fault("meta-malformed")
def meta_is_no_pair(draw: DrawFn, file: File) -> None:
    file.meta.insert(draw(st.integers(0, len(file.meta))), "##no pair")


@fault("header-sample-repeated")
def sample_name_comes_twice(draw: DrawFn, file: File) -> None:
    _with_samples(file)
    file.columns.append(file.columns[9])
    for record in file.records:
        record.append(record[9])


def _with_samples(file: File) -> None:
    if len(file.columns) == 8:
        file.columns += ["FORMAT", "S0"]
        for record in file.records:
            record += ["GT:DP:PL", "0/0"]


@st.composite
def broken_files(draw: DrawFn, name: str) -> File:
    """A valid file with the fault ``name`` made in it."""
    file = draw(files())
    FAULTS[name][1](draw, file)
    return file
