"""Terms that the golden sample of Ensembl VEP has few of, worked out by hand.

The genome is ``vep/rare.fa``; its models, with what they code, 1-based:

    TA  +  11-40, 61-100   5 bases of 5' UTR, ATG GCT AAA TGG CAA GAT CTG AAG G|CT TTT GAA TAA
                           (16-40, 61-71), then GCTGCTTAG...: M A K W Q D L K A F E *
    TN  +  as TA, biotype nonsense_mediated_decay
    TB  +  151-170         ATG GCT AAA TGG CAA GAT CT: the last codon is incomplete
    TC  +  201-230         a miRNA precursor; 206-215 is mature
    TD  -  251-290         CC, then ATG GTT AAA CGT TAG (288 down to 274): M V K R *

Each case names the rule it follows from: SO is the Sequence Ontology's definition, HGVS the
nomenclature 21.0, VEP the documentation or behaviour of Ensembl VEP 115.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from pathlib import Path

import pysam
import pytest

from gas.annotate.compile import compile_model
from gas.annotate.csq import COLUMNS, Options
from gas.annotate.engines.gas import GasEngine, GasSession
from gas.annotate.model import Model
from gas.annotate.pack import Pack
from gas.annotate.terms import TERMS
from tests.annotation import DATA, demo_pack, records_of

FOLDER = Path(__file__).parent / "vep"
TRUTH = Path(__file__).parents[2] / "bench" / "data" / "sim30k.vep115.chr20.vcf.gz"
SEQUENCE = "".join((FOLDER / "rare.fa").read_text().split("\n")[1:])


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> GasSession:
    folder = tmp_path_factory.mktemp("rare")
    (folder / "genes.gff3.gz").write_bytes((FOLDER / "rare.gff3").read_bytes())
    pysam.tabix_compress(str(FOLDER / "rare.fa"), str(folder / "genome.fa.gz"))
    pysam.faidx(str(folder / "genome.fa.gz"))
    pack = Pack("rare", folder, "hand", "1", {"R": len(SEQUENCE)}, "0" * 64, {})
    assert compile_model(pack, folder / "model.bin") == []
    return GasSession(Model(folder / "model.bin", pack), pack, Options())


def annotate(
    session: GasSession, pos: int, ref: str, alts: str, info: str = ".", contig: str = "R"
) -> bytes:
    fields = [contig, str(pos), ".", ref, alts, ".", ".", info]
    (entry,) = session.annotate([[text.encode() for text in fields]])
    return entry


def rows_of(entry: bytes) -> list[dict[str, str]]:
    return [dict(zip(COLUMNS, r.split("|"), strict=True)) for r in entry.decode()[4:].split(",")]


def row(entry: bytes, feature: str) -> dict[str, str]:
    (found,) = [r for r in rows_of(entry) if r["Feature"] == feature]
    return found


def bases(start: int, end: int) -> str:
    return SEQUENCE[start - 1 : end]


CASES = {
    # SO:0001893: "A feature ablation whereby the deleted region includes a transcript feature".
    "transcript_ablation": (
        (9, bases(9, 101), bases(9, 9)), "TA",
        {"Consequence": "transcript_ablation", "IMPACT": "HIGH", "HGVSc": "", "Allele": "-"},
    ),
    # SO:0001621: every variant in a transcript that is a target of NMD, beside its other terms.
    "NMD, missense": (
        (20, "C", "T"), "TN",
        {"Consequence": "missense_variant&NMD_transcript_variant", "HGVSp": "TNP.1:p.Ala2Val"},
    ),
    # SO:0002169: 50 is base -11 of an intron of 20; a pyrimidine tract is bases -3 to -17.
    "NMD, intron": (
        (50, "T", "A"), "TN",
        {
            "Consequence": "splice_polypyrimidine_tract_variant&intron_variant"
            "&NMD_transcript_variant",
            "HGVSc": "TN.3:c.25+10T>A", "INTRON": "1/1",
        },
    ),
    # SO:0001578; HGVS "extension": Q, A, A, and a stop third behind the old one.
    "stop_lost": (
        (69, "T", "C"), "TA",
        {
            "Consequence": "stop_lost", "HGVSc": "TA.3:c.34T>C",
            "HGVSp": "TAP.1:p.Ter12GlnextTer3", "Amino_acids": "*/Q", "Codons": "Taa/Caa",
            "cDNA_position": "39", "CDS_position": "34", "Protein_position": "12",
        },
    ),
    # SO:0001567: TAA and TAG are both stops.
    "stop_retained": (
        (71, "A", "G"), "TA",
        {"Consequence": "stop_retained_variant", "IMPACT": "LOW", "HGVSp": "TAP.1:p.Ter12%3D"},
    ),
    # VEP: one residue more before the stop retains it, and is an insertion in frame. HGVS: moved 3'
    # by two bases, TAT before TAA is TTA within it.
    "stop_retained, insertion": (
        (68, "A", "ATAT"), "TA",
        {
            "Consequence": "inframe_insertion&stop_retained_variant",
            "HGVSc": "TA.3:c.35_36insTTA", "HGVSp": "TAP.1:p.Glu11_Ter12insTyr",
            "HGVS_OFFSET": "2", "Amino_acids": "-/Y",
        },
    ),
    # SO:0002012; HGVS: nobody knows what a lost start does.
    "start_lost": (
        (17, "T", "C"), "TA",
        {"Consequence": "start_lost", "HGVSc": "TA.3:c.2T>C", "HGVSp": "TAP.1:p.Met1?"},
    ),
    # SO:0002019: A(TGA)TG leaves ATG before the coding sequence as it was; HGVS: a dup of ATG.
    "start_retained": (
        (16, "A", "ATGA"), "TA",
        {
            "Consequence": "start_retained_variant", "IMPACT": "LOW",
            "HGVSc": "TA.3:c.1_3dup", "HGVSp": "TAP.1:p.Met1dup",
            "Amino_acids": "M/MM", "Codons": "atg/aTGAtg",
        },
    ),
    # SO:0001626: the last codon has two bases; what it codes cannot be told.
    "incomplete_terminal_codon": (
        (169, "C", "A"), "TB",
        {
            "Consequence": "incomplete_terminal_codon_variant&coding_sequence_variant",
            "IMPACT": "LOW", "Codons": "Ct/At", "Amino_acids": "X", "Protein_position": "7",
            "FLAGS": "cds_end_NF",
        },
    ),
    # SO:0001580: in the coding region, but N codes nothing that can be told.
    "coding_sequence": (
        (20, "C", "N"), "TA",
        {"Consequence": "coding_sequence_variant", "IMPACT": "MODIFIER", "Protein_position": "2"},
    ),
    # SO:0001620; VEP: no other term stands beside it.
    "mature_miRNA": (
        (210, "T", "C"), "TC",
        {"Consequence": "mature_miRNA_variant", "HGVSc": "TC.3:n.10T>C", "IMPACT": "MODIFIER"},
    ),
    "miRNA, precursor": (
        (220, "C", "A"), "TC", {"Consequence": "non_coding_transcript_exon_variant"},
    ),
    # SO:0001818: AA(CCC)A reads N P, which neither begins nor ends with K.
    "protein_altering": (
        (23, "A", "ACCC"), "TA",
        {
            "Consequence": "protein_altering_variant", "HGVSc": "TA.3:c.8_9insCCC",
            "HGVSp": "TAP.1:p.Lys3delinsAsnPro", "Codons": "aaa/aaCCCa", "Amino_acids": "K/NP",
        },
    ),
    # SO:0001787: the fifth base of the intron; in one of 20 it is base -16 as well.
    "splice_donor_5th_base": (
        (45, "G", "A"), "TA",
        {
            "Consequence": "splice_donor_5th_base_variant&splice_polypyrimidine_tract_variant"
            "&intron_variant",
            "HGVSc": "TA.3:c.25+5G>A", "IMPACT": "LOW",
        },
    ),
    # VEP: splice terms look at the runs of bases that differ, 63 and 65 here; the last run, base 5
    # of its exon, decides on splice_region.
    "splice_region, two runs": (
        (63, "TTT", "ATA"), "TA", {"Consequence": "missense_variant", "HGVSp": "TAP.1:p.Phe10Ile"},
    ),
    # VEP: the shorter allele is filled up, so that the run is 37-41 and reaches the intron.
    "splice_donor, a longer allele": (
        (37, "AA", "CCCCC"), "TA",
        {
            "Consequence": "splice_donor_variant&protein_altering_variant",
            "cDNA_position": "27-28", "HGVSc": "TA.3:c.22_23delinsCCCCC",
        },
    ),
    # VEP: an insertion before the first base of the tract (44, base -17), and one behind the last.
    "tract, insertion at its start": (
        (43, "A", "AG"), "TA",
        {
            "Consequence": "splice_donor_region_variant&splice_polypyrimidine_tract_variant"
            "&intron_variant",
        },
    ),
    "tract, insertion at its end": (
        (58, "T", "TG"), "TA",
        {
            "Consequence": "splice_region_variant&splice_polypyrimidine_tract_variant"
            "&intron_variant",
            "HGVSc": "TA.3:c.26-3_26-2insG",
        },
    ),
    # VEP: ``*`` counts as an allele of one base, so the base that REF and AG share is taken off.
    "beside a star": (
        (22, "AA", "AG,*"), "TA",
        {
            "Allele": "G", "cDNA_position": "13", "Codons": "aAa/aGa",
            "Consequence": "missense_variant",
        },
    ),
    # VEP: a record with ``*`` is neither a deletion nor an insertion, so HGVS does not move it.
    "deletion beside a star": (
        (49, "CTC", "C,*"), "TA",
        {
            "Consequence": "splice_polypyrimidine_tract_variant&intron_variant",
            "Allele": "-", "HGVSc": "TA.3:c.25+10_26-10del", "HGVS_OFFSET": "",
        },
    ),
    # HGVS: GTT minus a T is moved 3' on the transcript, so -1 on the genome; M V N V S ... no stop.
    "frameshift, reverse strand": (
        (283, "AA", "A"), "TD",
        {
            "Consequence": "frameshift_variant", "HGVSc": "TD.3:c.6del",
            "HGVSp": "TDP.1:p.Lys3AsnfsTer?", "HGVS_OFFSET": "-1", "Codons": "gTt/gt",
        },
    ),
    # A deletion of exon and intron bases: donor and donor region, and coding bases without a frame.
    "across the exon's end": (
        (38, "AGGGTA", "A"), "TA",
        {
            "Consequence": "splice_donor_variant&splice_donor_region_variant"
            "&coding_sequence_variant&intron_variant",
            "HGVSc": "TA.3:c.24_25+3del", "CDS_position": "24-?", "EXON": "1/2", "INTRON": "1/1",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_term_by_hand(session: GasSession, name: str) -> None:
    (pos, ref, alts), feature, expected = CASES[name]
    assert bases(pos, pos + len(ref) - 1) == ref
    found = row(annotate(session, pos, ref, alts), feature)
    assert {column: found[column] for column in expected} == expected


def test_of_several_alts_each_has_the_splice_terms_of_its_own_runs(session: GasSession) -> None:
    """VEP: REF CTCT beside CTC differs in its last base alone, the tenth of the intron."""
    found = [r for r in rows_of(annotate(session, 46, "TCTCT", "TCTC,T")) if r["Feature"] == "TA"]
    tract = "splice_polypyrimidine_tract_variant&intron_variant"
    assert {r["Allele"]: r["Consequence"] for r in found} == {
        "CTC": tract,
        "-": f"splice_region_variant&{tract}",
    }


#: POS, ALT, INFO -> terms of TA. SO: SO:0001906 truncation, SO:0001907 elongation, SO:0001889
#: amplification. VEP: a range without sequence has the terms that follow from overlap.
SYMBOLIC = {
    "DEL of all": (10, "<DEL>", "SVTYPE=DEL;END=101", "transcript_ablation"),
    "DUP of all": (10, "<DUP>", "END=101", "transcript_amplification"),
    "DUP:TANDEM of all": (10, "<DUP:TANDEM>", "END=101", "transcript_amplification"),
    "DEL by length": (10, "<DEL>", "SVLEN=-91", "transcript_ablation"),
    "DEL of a piece": (
        44, "<DEL>", "END=62", "feature_truncation&coding_sequence_variant&intron_variant"
    ),
    "DEL of a codon": (30, "<DEL>", "END=33", "feature_truncation&inframe_deletion"),
    "DEL of two bases": (30, "<DEL>", "END=32", "frameshift_variant&feature_truncation"),
    "DEL of the stop": (68, "<DEL>", "END=71", "stop_lost&feature_truncation&inframe_deletion"),
    "INV": (44, "<INV>", "END=62", "coding_sequence_variant&intron_variant"),
    "INS": (30, "<INS>", ".", "feature_elongation&coding_sequence_variant"),
    "beside": (1, "<DEL>", "END=6", "upstream_gene_variant"),
}  # fmt: skip


@pytest.mark.parametrize("name", SYMBOLIC)
def test_a_symbolic_allele_by_overlap(session: GasSession, name: str) -> None:
    pos, alt, info, terms = SYMBOLIC[name]
    found = row(annotate(session, pos, bases(pos, pos), alt, info), "TA")
    assert found["Consequence"] == terms


def test_a_star_is_passed_over_and_its_neighbour_is_not(session: GasSession) -> None:
    entry = annotate(session, 20, "C", "*,T")
    assert row(entry, "TA")["Allele"] == "T"
    assert b"*" not in entry
    assert annotate(session, 20, "C", "*") == b""


@pytest.mark.parametrize("alt", ["C[R:200[", "]R:200]C", "C.", "<DEL>", "<STR27>", ".", "<*>"])
def test_what_has_no_sequence_and_no_range_gets_no_rows(session: GasSession, alt: str) -> None:
    assert annotate(session, 20, "C", alt) == b""


def test_a_wrong_ref_is_flagged_and_not_annotated(session: GasSession) -> None:
    assert annotate(session, 20, "G", "T") == b"GAS_WARN=REF_MISMATCH"
    assert annotate(session, 20, "CTT", "C") == b"GAS_WARN=REF_MISMATCH"


def test_names_of_the_model_reach_their_columns(session: GasSession) -> None:
    found = row(annotate(session, 20, "C", "T"), "TA")
    expected = {
        "SYMBOL": "ALPHA", "Gene": "GA", "Feature_type": "Transcript", "BIOTYPE": "protein_coding",
        "CANONICAL": "YES", "MANE_SELECT": "TA.3", "TSL": "1", "CCDS": "CCDS1", "STRAND": "1",
    }  # fmt: skip
    assert {column: found[column] for column in expected} == expected


# -- the mitochondrion ----------------------------------------------------------------------------

#: Changes of MITOMAP's list of confirmed disease mutations and of the genetic code 2 (NCBI):
#: ATA is Met, TGA is Trp, AGA is a stop.
MITOCHONDRIAL = {
    (3460, "G", "A"): ("ENST00000361390", "missense_variant", "p.Ala52Thr"),
    (11778, "G", "A"): ("ENST00000361381", "missense_variant", "p.Arg340His"),
    (14484, "T", "C"): ("ENST00000361681", "missense_variant", "p.Met64Val"),
    (8993, "T", "G"): ("ENST00000361899", "missense_variant", "p.Leu156Arg"),
    (6930, "G", "A"): ("ENST00000361624", "stop_gained", "p.Gly343Ter"),
    (7444, "G", "A"): ("ENST00000361624", "stop_lost", "p.Ter514Lys"),
    (3308, "T", "C"): ("ENST00000361390", "start_lost", "p.Met1?"),
    (9952, "G", "A"): ("ENST00000362079", "stop_gained", "p.Trp249Ter"),
}


@pytest.fixture(scope="module")
def mitochondrial(tmp_path_factory: pytest.TempPathFactory) -> GasSession:
    folder = tmp_path_factory.mktemp("demo")
    pack = demo_pack()
    path = folder / "model.bin"
    compile_model(pack, path)
    return GasSession(Model(path, pack), pack, GasEngine().options)


@pytest.mark.parametrize("change", MITOCHONDRIAL)
def test_the_mitochondrion_has_its_own_code(
    mitochondrial: GasSession, change: tuple[int, str, str]
) -> None:
    feature, term, protein = MITOCHONDRIAL[change]
    found = row(annotate(mitochondrial, *change, contig="chrM"), feature)
    assert found["Consequence"].split("&")[0] == term
    assert found["HGVSp"].split(":")[1].startswith(protein)


#: MITOMAP's aachange: residue before, position, residue after, perhaps behind its gene.
_MITOMAP = re.compile(r"(?:(\w+):)?(Term|[A-Z])(\d+)(Term|[A-Z])")


#: ATG to GTG, which starts a protein with Met as well by code 2. We say M/V and start_lost, as VEP
#: does.
OTHER_WAYS = [(8527, "G", "ATP6:M1M")]


def test_all_protein_changes_of_mitomap_are_ours(mitochondrial: GasSession) -> None:
    """MITOMAP's disease-associated mutations, whose protein changes people worked out one by one,
    by code 2: of substitutions every residue and its position is what we say, but for one."""
    compared, differ = 0, []
    for fields in records_of(DATA / "real" / "mitomap_disease.vcf.gz"):
        info = dict(part.partition("=")[::2] for part in fields[7].decode().split(";"))
        alts, changes = fields[4].split(b","), info.get("aachange", "").split(",")
        if len(changes) != len(alts):
            continue
        for alt, change in zip(alts, changes, strict=True):
            told = _MITOMAP.findall(change)
            if not told or _MITOMAP.sub("", change).strip() or len(alt) != len(fields[3]):
                continue
            (entry,) = mitochondrial.annotate([[*fields[:4], alt, b".", b".", b"."]])
            ours = {
                (r["SYMBOL"].removeprefix("MT-"), r["Protein_position"], r["Amino_acids"])
                for r in rows_of(entry)
                if r["Amino_acids"]
            }
            for gene, before, position, after in told:
                before, after = before.replace("Term", "*"), after.replace("Term", "*")
                acids = before if before == after else f"{before}/{after}"
                compared += 1
                if not any((position, acids) == o[1:] and gene in ("", o[0]) for o in ours):
                    differ.append(
                        (int(fields[1]), alt.decode(), f"{gene}:{before}{position}{after}")
                    )
    assert compared > 500
    assert differ == OTHER_WAYS


# -- all terms ------------------------------------------------------------------------------------

#: Terms of regulatory features, which gene models have none of, and two that only sum up others.
NOT_OURS = {
    *("TFBS_ablation", "TFBS_amplification", "TF_binding_site_variant", "sequence_variant"),
    *("regulatory_region_ablation", "regulatory_region_amplification"),
    *("regulatory_region_variant", "coding_transcript_variant"),
}


def test_every_term_has_thirty_rows_of_truth_or_a_case_here() -> None:
    """The truth: 30,000 simulated variants of chromosome 20, by Ensembl VEP 115.2."""
    rows: Counter[str] = Counter()
    with gzip.open(TRUTH, "rt") as lines:
        for line in lines:
            entry = line.partition("CSQ=")[2]
            for row_ in entry.split(",") if entry and line[0] != "#" else ():
                rows.update(row_.split("|", 2)[1].split("&"))
    by_hand = [case[2]["Consequence"] for case in CASES.values()]
    by_hand += [terms for *_, terms in SYMBOLIC.values()]
    here = {term for terms in by_hand for term in terms.split("&")}
    thin = {term for term in set(TERMS) - NOT_OURS if rows[term] < 30}
    assert {"NMD_transcript_variant", "start_retained_variant", "stop_lost"} < thin
    assert thin <= here
