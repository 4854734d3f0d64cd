from __future__ import annotations

import pytest

from tests.unit.annotate.validate.help import advised, broken, run, vcf

INFO = '##INFO=<ID=X,Number=1,Type=Integer,Description="d">'


def _broken(line: str, version: str = "4.3") -> set[str]:
    return broken(run(vcf("1 5 . A C . . .", header=[line], version=version)))


@pytest.mark.parametrize(
    ("version", "rule"),
    [("4.9", "version-unknown"), ("3.3", "version-unknown"), (" 4.2", "version-unknown")],
)
def test_version_unknown(version: str, rule: str) -> None:
    assert broken(run(vcf(version=version))) == {rule}


def test_version_missing_repeated_old() -> None:
    text = vcf("1 5 . A C . . .")
    assert broken(run(text.partition(b"\n")[2])) == {"version-missing"}
    assert _broken("##fileformat=VCFv4.3") == {"version-repeated"}
    assert advised(run(vcf("1 5 . A C . . .", version="4.0"))) == {"version-old"}


def test_byte_order_mark() -> None:
    assert broken(run(b"\xef\xbb\xbf" + vcf("1 5 . A C . . ."))) == {"file-bom"}


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("##novalue", "meta-malformed"),
        ("##source=", "meta-malformed"),
        ("no header line", "meta-malformed"),
        ('##INFO=<ID=X,Number=1,Type=Integer,Description="d>', "meta-structure"),
        ('##INFO=<ID=X,Number=1,Type=Integer,Description="a "b" c">', "meta-structure"),
        ('##INFO=<ID=X,Number=1,Type=Integer,Description="d",>', "meta-structure"),
        ("##INFO=X", "meta-structure"),
        ("##anything=<no pairs>", "meta-structure"),
        ('##anything=<Description="d">', "meta-key-missing"),
        ("##INFO=<ID=X,Number=1,Type=Integer>", "meta-key-missing"),
        ("##FILTER=<ID=q10>", "meta-key-missing"),
        ('##INFO=<ID=X,Type=Integer,Number=1,Description="d">', "meta-key-order"),
        ('##INFO=<ID=X,ID=X,Number=1,Type=Integer,Description="d">', "meta-key-repeated"),
        ("##INFO=<ID=X,Number=1,Type=Integer,Description=d>", "meta-quotes"),
        ('##INFO=<ID=X,Number=1,Type=Integer,Description="d",Source=dbsnp>', "meta-quotes"),
        ('##INFO=<ID=X,Number="1",Type=Integer,Description="d">', "meta-quotes"),
        ('##INFO=<ID=X-Y,Number=1,Type=Integer,Description="d">', "meta-id"),
        ('##FILTER=<ID=0,Description="d">', "meta-id"),
        ('##FILTER=<ID=a;b,Description="d">', "meta-id"),
        ('##INFO=<ID=X,Number=B,Type=Integer,Description="d">', "meta-number"),
        ('##INFO=<ID=X,Number=-1,Type=Integer,Description="d">', "meta-number"),
        ('##INFO=<ID=X,Number=1,Type=integer,Description="d">', "meta-type"),
        ('##FORMAT=<ID=X,Number=0,Type=Flag,Description="d">', "meta-type"),
        ('##INFO=<ID=AC,Number=1,Type=Integer,Description="d">', "meta-reserved"),
        ('##FORMAT=<ID=GT,Number=1,Type=Integer,Description="d">', "meta-reserved"),
        ("##contig=<ID=1,length=1e6>", "meta-contig-length"),
        ("##contig=<ID=1:2>", "meta-id"),
        ("##contig=<ID=DEL>", "meta-id"),
        ('##ALT=<ID=FOO:BAR,Description="d">', "meta-id"),
        ("##assembly=not a url", "meta-url"),
        ("##assembly=ftp://12:12/x", "meta-url"),
        ("##pedigreeDB=<>", "meta-url"),
        ("##pedigreeDB=http:///x", "meta-url"),
        ("##pedigreeDB=http://a.b:port/x", "meta-url"),
        ("##pedigreeDB=http://-a.b/x", "meta-url"),
        ("##pedigreeDB=GRCh37", "meta-url"),
        ("##META=<ID=T,Type=String,Number=.,Values=Blood>", "meta-values"),
        ("##PEDIGREE=<ID=A,Mother=B C>", "meta-pedigree"),
    ],
)
def test_a_broken_line_breaks_its_rule(line: str, rule: str) -> None:
    assert rule in _broken(line)


@pytest.mark.parametrize("version", ["4.1", "4.2", "4.3", "4.4", "4.5"])
@pytest.mark.parametrize(
    "line",
    [
        INFO,
        '##INFO=<ID=X,Number=A,Type=Float,Description="\\"b\\", <c>; \\\\",Source="s",Version="1">',
        '##INFO=<ID=X,Number=.,Type=String,Description="">',
        '##FORMAT=<ID=X,Number=G,Type=Character,Description="d">',
        '##FILTER=<ID=q10,Description="d">',
        '##ALT=<ID=DEL:ME:ALU,Description="d">',
        '##contig=<ID=1,length=249250621,assembly=b37,species="Homo sapiens">',
        "##assembly=http://user@host.org:80/a/b.fa?x=1",
        "##pedigreeDB=file:///a/b",
        "##assembly=https://[::1]:80/x",
        "##assembly=ftp://10.0.0.1/x",
        "##source=a tool v1 <x>",
        "##reference=file:///x y.fa",
    ],
)
def test_a_right_line_breaks_nothing(line: str, version: str) -> None:
    assert _broken(line, version) == set()


def test_what_versions_differ_in() -> None:
    swapped = '##INFO=<ID=X,Type=Integer,Number=1,Description="d">'
    assert _broken(swapped, "4.2") == {"meta-key-order"}
    assert _broken(swapped, "4.4") == set()
    per_allele = '##INFO=<ID=X,Number=R,Type=Integer,Description="d">'
    assert _broken(per_allele, "4.1") == {"meta-number"}
    assert _broken(per_allele, "4.2") == set()
    local = '##FORMAT=<ID=LAD,Number=LR,Type=Integer,Description="d">'
    assert _broken(local, "4.4") == {"meta-number"}
    assert _broken(local, "4.5") == set()
    genomes = "##SAMPLE=<ID=S>"
    assert _broken(genomes, "4.2") == {"meta-sample"}
    assert _broken(genomes, "4.3") == set()
    colon = "##contig=<ID=HLA-A*01:01>"
    assert _broken(colon, "4.3") == {"meta-id"}
    assert _broken(colon, "4.4") == set()
    breakend = '##ALT=<ID=BND,Description="d">'
    assert _broken(breakend, "4.3") == set()
    assert _broken(breakend, "4.4") == {"alt-bnd"}
    methyl = '##FORMAT=<ID=M5mC,Number=1,Type=Float,Description="d">'
    assert _broken(methyl, "4.4") == set()
    assert _broken(methyl, "4.5") == {"meta-reserved"}


def test_ids_are_unique_within_their_kind_from_4_3_on() -> None:
    twice = vcf("1 5 . A C . . .", header=[INFO, INFO])
    assert broken(run(twice)) == {"meta-id-repeated"}
    assert broken(run(twice.replace(b"VCFv4.3", b"VCFv4.2"))) == set()


def test_the_column_line() -> None:
    text = vcf("1 5 . A C . . .", samples=0)
    assert broken(run(text.replace(b"INFO\n", b"INFO\tFORMAT\n"))) >= {"header-no-samples"}
    assert broken(run(text.replace(b"INFO\n", b"INFO\tS1\n"))) >= {"header-columns"}
    assert broken(run(text.replace(b"\tPOS", b" POS"))) >= {"header-missing"}
    many = text.replace(b"INFO\n", b"INFO\tFORMAT\tA\tB\tA\t\n")
    assert broken(run(many)) >= {"header-sample-repeated", "header-sample-empty"}


def test_declarations_of_3_3_are_understood() -> None:
    text = vcf("1 5 . A C . . DP=x", header=['##INFO=DP,1,Integer,"Depth"'], version="3.3")
    report = run(text, strict=False)
    assert report.valid
    assert {"info-type"} == set(report.counts) - {"version-unknown"}
