"""Who is right where engine and VEP differ: the verdicts of ``make concordance``, on rows worked out
by hand from ``vep/rare.fa`` (``test_rare_terms.py`` says what its models are)."""
# ruff: noqa: E501

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from bench.concordance import BARS, ROWS, compare
from bench.referee import Referee
from bench.verdicts import Case, Row, classify, classify_row

from gas.annotate.csq import COLUMNS
from gas.annotate.pack import Pack
from gas.reference.build import build

RARE = Path(__file__).parent / "vep"

#: Beside the models of R: a non-coding gene as Ensembl's files have it, a coding sequence that
#: begins before its model, and on MT, which has the same bases, a transcript like TA.
MORE = """\
R	hand	ncRNA_gene	381	400	.	+	.	ID=gene:GN;Name=NU;biotype=lncRNA;gene_id=GN
R	hand	lnc_RNA	381	400	.	+	.	ID=transcript:TL;Parent=gene:GN;biotype=lncRNA;transcript_id=TL
R	hand	exon	381	400	.	+	.	Parent=transcript:TL
R	hand	gene	61	100	.	+	.	ID=gene:GF;Name=PHI;biotype=protein_coding;gene_id=GF
R	hand	mRNA	61	100	.	+	.	ID=transcript:TF;Parent=gene:GF;biotype=protein_coding;transcript_id=TF;tag=cds_start_NF
R	hand	exon	61	100	.	+	.	Parent=transcript:TF
R	hand	CDS	61	71	.	+	2	ID=CDS:TFP;Parent=transcript:TF;protein_id=TFP
MT	hand	gene	11	100	.	+	.	ID=gene:GM;Name=MU;biotype=protein_coding;gene_id=GM
MT	hand	mRNA	11	100	.	+	.	ID=transcript:TM;Parent=gene:GM;biotype=protein_coding;transcript_id=TM
MT	hand	exon	11	40	.	+	.	Parent=transcript:TM
MT	hand	exon	61	100	.	+	.	Parent=transcript:TM
MT	hand	CDS	16	40	.	+	0	ID=CDS:TMP;Parent=transcript:TM;protein_id=TMP
MT	hand	CDS	61	71	.	+	2	ID=CDS:TMP;Parent=transcript:TM;protein_id=TMP
"""


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    folder = tmp_path_factory.mktemp("referee")
    fasta, gff = folder / "genome.fa", folder / "genes.gff3"
    bases = (RARE / "rare.fa").read_text()
    fasta.write_text(bases + bases.replace(">R", ">MT"))
    gff.write_text((RARE / "rare.gff3").read_text() + MORE)
    return build("referee", [fasta], [gff], folder / "packs").pack


@pytest.fixture(scope="module")
def referee(pack: Pack) -> Referee:
    return Referee(pack)


def verdict(
    referee: Referee, column: str, change: tuple[int, str, str], theirs: Row, ours: Row
) -> str:
    pos, ref, alt = change
    case = Case.of(referee, [b"", str(pos).encode(), b".", ref.encode(), alt.encode()])
    (label,) = case.alts
    common = {"Allele": label, "Consequence": "", "HGVSp": "", "FLAGS": ""}
    return classify(column, {**common, **ours, **theirs}, {**common, **ours}, case)


def kind(name: str) -> tuple[str, str]:
    """What a class is about, and its last words."""
    said = name.partition(":")[0]
    for words in ("GAS is right", "VEP is right", "counts as a fault of GAS"):
        if name.endswith(words):
            return said, words
    return said, ""


#: Change, transcript -> what follows ``p.``, by hand: the first residue that differs, and how far
#: behind it (HGVS: it counts as the first) the new stop is.
NAMES = {
    # ATG GCT AAT GGC AAG ATC TGA: M A N G K I *.
    ((22, "AA", "A"), "TA"): "Lys3AsnfsTer5",
    # The last codon CAA GCT GCT TAG: Q A A, and a stop third behind the old one.
    ((69, "T", "C"), "TA"): "Ter12GlnextTer3",
    # On the other strand ATG GTA AAC GTT AGC CTG AAC GTC CAA CCT TGG AAC C: no stop.
    ((283, "AA", "A"), "TD"): "Lys3AsnfsTer?",
}


@pytest.mark.parametrize("case", NAMES)
def test_a_distance_is_recomputed_and_either_may_be_wrong(
    referee: Referee, case: tuple[tuple[int, str, str], str]
) -> None:
    change, feature = case
    right = NAMES[case]
    wrong = f"{right[: right.rindex('Ter') + 3]}99"

    def judge(theirs: str, ours: str) -> tuple[str, str]:
        rows: list[Row] = [{"Feature": feature, "HGVSp": f"P.1:p.{n}"} for n in (theirs, ours)]
        return kind(verdict(referee, "HGVSp", change, *rows))

    assert judge(wrong, right) == ("distance to the new stop", "GAS is right")
    assert judge(right, wrong) == ("distance to the new stop", "VEP is right")
    assert judge(wrong, wrong.replace("99", "98")) == ("different", "counts as a fault of GAS")


def test_a_start_is_judged_by_the_sequence_and_by_its_terms_alone(referee: Referee) -> None:
    """A(TGA)TG keeps the coding sequence whole; one base less does not."""
    lost, kept = {"Consequence": "start_lost"}, {"Consequence": "start_lost&start_retained_variant"}
    ours: Row = {"Feature": "TA", **kept}
    inserted, deleted = (16, "A", "ATGA"), (16, "AT", "A")
    assert kind(verdict(referee, "Consequence", inserted, lost, ours)) == (
        "start kept or lost", "GAS is right",
    )  # fmt: skip
    assert kind(verdict(referee, "Consequence", deleted, lost, ours)) == (
        "start kept or lost", "VEP is right",
    )  # fmt: skip
    other = {"Consequence": "missense_variant"}
    assert kind(verdict(referee, "Consequence", inserted, other, ours))[0] == "different"
    codons = {"Codons": "atg/atT"}
    assert kind(verdict(referee, "Codons", inserted, codons, {**ours, "Codons": "atg/atA"})) == (
        "different", "counts as a fault of GAS",
    )  # fmt: skip


def test_another_genetic_code_is_named_where_the_sequence_bears_us_out(referee: Referee) -> None:
    """ATG GCT AAT GGC AAG ATC TGA AGG: by code 2 TGA is Trp and AGG a stop."""
    change, ours = (22, "AA", "A"), {"Feature": "TM", "HGVSp": "P.1:p.Lys3AsnfsTer6"}
    theirs = {"HGVSp": "P.1:p.Lys3AsnfsTer5"}
    assert kind(verdict(referee, "HGVSp", change, theirs, ours)) == (
        "another genetic code", "GAS is right",
    )  # fmt: skip
    assert kind(verdict(referee, "HGVSp", change, ours, {**ours, **theirs}))[1] == "VEP is right"


def test_without_a_start_none_is_lost(referee: Referee) -> None:
    """TF begins with CT of a codon; 63-65 is TTT, and ATT is Ile."""
    change = (63, "T", "A")
    ours: Row = {
        "Feature": "TF", "Consequence": "missense_variant", "FLAGS": "cds_start_NF",
        "HGVSp": "TFP.1:p.Phe2Ile",
    }  # fmt: skip
    theirs: Row = {"Consequence": "start_lost", "HGVSp": "TFP.1:p.Phe2?", "FLAGS": ""}

    def judge(column: str, theirs: Row, ours: Row) -> str:
        return kind(verdict(referee, column, change, theirs, ours))[1]

    for column in ("Consequence", "IMPACT", "FLAGS", "HGVSp"):
        assert judge(column, theirs, ours) == "GAS is right", column
    # Neither other terms, nor a wrong name, nor other columns, nor a transcript without the tag.
    gained = {**theirs, "Consequence": "start_lost&stop_gained"}
    fault = "counts as a fault of GAS"
    assert judge("Consequence", gained, ours) == fault
    assert judge("Consequence", theirs, {**ours, "Consequence": "inframe_insertion"}) == fault
    assert judge("HGVSp", theirs, {**ours, "HGVSp": "TFP.1:p.Phe2Leu"}) == fault
    assert judge("HGVSc", {**theirs, "HGVSc": "x"}, ours) == fault
    assert judge("Consequence", theirs, {**ours, "Feature": "TA"}) == fault


@pytest.mark.parametrize("exons", [("1/2", ""), ("", "1/2"), ("1/2", "2/2")])
def test_where_nobody_has_checked_the_engine_is_at_fault(
    referee: Referee, exons: tuple[str, str]
) -> None:
    theirs, ours = ({"Feature": "TA", "EXON": exon} for exon in exons)
    found = verdict(referee, "EXON", (22, "AA", "A"), theirs, ours)
    assert found.endswith("counts as a fault of GAS")


def _row(allele: str, consequence: str, feature: str) -> str:
    cells = dict.fromkeys(COLUMNS, "") | {
        "Allele": allele, "Consequence": consequence, "Feature": feature
    }  # fmt: skip
    return "|".join(cells.values())


def test_rows_of_either_side_are_counted_and_the_bar_is_on_veps(pack: Pack, tmp_path: Path) -> None:
    """At 390 VEP's --gff sees nothing of the non-coding gene's transcript, so TE alone is near; at
    210 it says something of a transcript that nobody has."""
    truth = tmp_path / "truth.vcf.gz"
    downstream = _row("C", "upstream_gene_variant", "TE")
    made_up = _row("C", "intron_variant", "TX")
    lines = [
        f'##INFO=<ID=CSQ,Number=.,Type=String,Description="x. Format: {"|".join(COLUMNS)}">',
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
        f"R\t210\t.\tT\tC\t.\t.\tCSQ={made_up}",
        f"R\t390\t.\tA\tC\t.\t.\tCSQ={downstream}",
    ]
    with gzip.open(truth, "wt") as out:
        out.write("\n".join(lines) + "\n")
    tally = compare(pack, truth)
    assert [tally.seen["all", name] for name in ROWS] == [2, 16]
    assert [tally.same["all", name] for name in ROWS] == [1, 1]
    unread = [name for column, name in tally.classes if name.startswith("transcripts that VEP")]
    assert [kind(name)[1] for name in unread] == ["GAS is right"]
    assert len(tally.classes["GAS's rows", unread[0]]) == 2
    (fault,) = [name for column, name in tally.classes if column == "VEP's rows"]
    assert fault == "only VEP has it: nobody has checked, so it counts as a fault of GAS"
    assert ("all", "VEP's rows") in BARS
    assert ("all", "GAS's rows") not in BARS


def test_intergenic_for_want_of_transcripts(referee: Referee) -> None:
    gap: Row = {"Feature": "", "Allele": "C"}
    near = {("C", "TL"): {"Feature": "TL", "Allele": "C"}}
    assert kind(classify_row(referee, "VEP", gap, near)) == (
        "intergenic for want of transcripts", "GAS is right",
    )  # fmt: skip
    near["C", "TE"] = {"Feature": "TE", "Allele": "C"}
    assert kind(classify_row(referee, "VEP", gap, near))[1] == "counts as a fault of GAS"
