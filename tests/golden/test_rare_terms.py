"""Terms that the golden sample of Ensembl VEP has few of, worked out by hand.

The genome is ``vep/rare.fa``; its models, with what they code, 1-based:

    TA  +  11-40, 61-100   5 bases of 5' UTR, ATG GCT AAA TGG CAA GAT CTG AAG G|CT TTT GAA TAA
                           (16-40, 61-71), then GCTGCTTAG...: M A K W Q D L K A F E *
    TN  +  as TA, biotype nonsense_mediated_decay
    TB  +  151-170         ATG GCT AAA TGG CAA GAT CT: the last codon is incomplete
    TC  +  201-230         a miRNA precursor; 206-215 is mature
    TD  -  251-290         CC, then ATG GTT AAA CGT TAG (288 down to 274): M V K R *
    TE  -  339-365, 311-318  GGA, then ATG GCT AAA TGG CAA GAT CTG AAG | GAC TTT GA: M A K W Q D L K
                           D F (362 down to 339, 318 down to 311); the last codon is incomplete

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
    # SO:0001567: TAG becomes TAA on the other strand.
    "stop_retained, reverse strand": (
        (274, "C", "T"), "TD",
        {"Consequence": "stop_retained_variant", "HGVSp": "TDP.1:p.Ter5%3D", "Codons": "taG/taA"},
    ),
    # SO:0001567: without A of TAA and GCT behind it, TA and the next G are TAG. VEP: where no
    # residues can be told, the codon at the stop's place decides, and there is no frameshift.
    "stop_retained, deletion": (
        (70, "AAGCT", "A"), "TA",
        {
            "Consequence": "stop_retained_variant&3_prime_UTR_variant",
            "HGVSc": "TA.3:c.36_*3del", "HGVSp": "", "cDNA_position": "41-44",
            "CDS_position": "36-?", "Protein_position": "12-?",
        },
    ),
    # The same: TA(GCCT)G. HGVS: moved 3' by one base, behind the stop.
    "stop_retained, deletion, reverse strand": (
        (270, "CAGGC", "C"), "TD",
        {
            "Consequence": "stop_retained_variant&3_prime_UTR_variant",
            "HGVSc": "TD.3:c.*1_*4del", "HGVS_OFFSET": "-1", "CDS_position": "15-?",
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
    # The same on the other strand; HGVS: TGA is moved 3' by two bases, to ATG.
    "start_retained, reverse strand": (
        (287, "A", "ATCA"), "TD",
        {
            "Consequence": "start_retained_variant",
            "HGVSc": "TD.3:c.1_3dup", "HGVSp": "TDP.1:p.Met1dup", "HGVS_OFFSET": "-2",
            "Amino_acids": "M/MM", "Codons": "atg/aTGAtg", "CDS_position": "1-2",
        },
    ),
    # SO:0002019: without one A, GGA ATG is GG ATG, and the coding sequence stands whole. VEP 115.2:
    # but not where it stood, so that it has all three terms, as for the deletion of c.1 in
    # ENST00000486278 (21:36265245 AT>A, GRCh37), which lies behind an A as well.
    "start_retained, deletion, reverse strand": (
        (361, "AT", "A"), "TE",
        {
            "Consequence": "frameshift_variant&start_lost&start_retained_variant",
            "cDNA_position": "4", "CDS_position": "1", "Protein_position": "1",
            "Amino_acids": "M/X", "Codons": "Atg/tg", "HGVSc": "TE.3:c.1del",
            "HGVSp": "TEP.1:p.Met1?",
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
    # The same on the other strand: c.31 is the first base of GA.
    "incomplete_terminal_codon, reverse strand": (
        (312, "C", "T"), "TE",
        {
            "Consequence": "incomplete_terminal_codon_variant&coding_sequence_variant",
            "HGVSc": "TE.3:c.31G>A", "Codons": "Ga/Aa", "Amino_acids": "X",
            "Protein_position": "11", "FLAGS": "cds_end_NF",
        },
    ),
    # SO:0001626; VEP: in such a codon nothing is a frameshift.
    "incomplete_terminal_codon, deletion": (
        (168, "TC", "T"), "TB",
        {
            "Consequence": "incomplete_terminal_codon_variant&coding_sequence_variant",
            "HGVSc": "TB.3:c.19del", "CDS_position": "19", "Protein_position": "7",
        },
    ),
    # The same: G(C)A.
    "incomplete_terminal_codon, insertion, reverse strand": (
        (311, "T", "TG"), "TE",
        {
            "Consequence": "incomplete_terminal_codon_variant&coding_sequence_variant",
            "HGVSc": "TE.3:c.31_32insC", "CDS_position": "31-32", "Protein_position": "11",
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


#: Alleles without sequence: POS, ALT, INFO, the transcript, its columns. VEP: what follows from the
#: overlap of range and transcript, by ``structural.py``'s rules; each case names its own.
SYMBOLIC = {
    # SO:0001893: "the deleted region includes a transcript feature".
    "DEL of all": (
        (10, "<DEL>", "SVTYPE=DEL;END=101"), "TA",
        {"Consequence": "transcript_ablation", "IMPACT": "HIGH", "Allele": "deletion",
         "cDNA_position": "", "EXON": ""},
    ),
    # SO:0001889: amplification of a region that contains a transcript.
    "DUP of all": ((10, "<DUP>", "END=101"), "TA", {"Consequence": "transcript_amplification"}),
    # VCF 4.3, 1.4.5: what follows the colon is a subtype.
    "DUP:TANDEM of all": (
        (10, "<DUP:TANDEM>", "END=101"), "TA", {"Consequence": "transcript_amplification"},
    ),
    # VCF 4.3, section 3: a deletion's SVLEN is negative and counts the bases behind POS.
    "DEL by length": ((10, "<DEL>", "SVLEN=-91"), "TA", {"Consequence": "transcript_ablation"}),
    # SO:0001968: a variant of a protein coding transcript; VEP: nothing finer for a whole one.
    "INV of all": ((10, "<INV>", "END=101"), "TA", {"Consequence": "coding_transcript_variant"}),
    # SO:0001621 beside it: the transcript is a target of NMD.
    "CNV of all": (
        (10, "<CNV>", "END=101"), "TN",
        {"Consequence": "NMD_transcript_variant&coding_transcript_variant"},
    ),
    # SO:0001620; VEP: no other term stands beside it, whether all of the precursor is in it or not.
    "INV of a miRNA": ((200, "<INV>", "END=230"), "TC", {"Consequence": "mature_miRNA_variant"}),
    "DEL in a mature miRNA": (
        (209, "<DEL>", "END=212"), "TC", {"Consequence": "mature_miRNA_variant"},
    ),
    # SO:0001792, and SO:0001906: 217-220 is not mature.
    "DEL in a precursor": (
        (216, "<DEL>", "END=220"), "TC",
        {"Consequence": "feature_truncation&non_coding_transcript_exon_variant",
         "cDNA_position": "17-20", "CDS_position": ""},
    ),
    # SO:0001906 truncation; VEP: ``?`` for the end that lies in the intron, 61-62 is CDS 26-27.
    "DEL of a piece": (
        (44, "<DEL>", "END=62"), "TA",
        {"Consequence": "feature_truncation&coding_sequence_variant&intron_variant",
         "cDNA_position": "?-32", "CDS_position": "?-27", "Protein_position": "?-9",
         "EXON": "2/2", "INTRON": "1/1"},
    ),
    # VEP: truncation only where the range touches an exon; SO:0001627.
    "DEL in an intron": (
        (45, "<DEL>", "END=50"), "TA",
        {"Consequence": "intron_variant", "cDNA_position": "", "INTRON": "1/1"},
    ),
    "DUP in an intron": ((45, "<DUP>", "END=50"), "TA", {"Consequence": "intron_variant"}),
    # SO:0001822: 31-33 is one codon, CDS 16-18.
    "DEL of a codon": (
        (30, "<DEL>", "END=33"), "TA",
        {"Consequence": "feature_truncation&inframe_deletion", "cDNA_position": "21-23",
         "CDS_position": "16-18", "Protein_position": "6"},
    ),
    # SO:0001621: its transcript is a target of NMD.
    "DEL of a codon, NMD": (
        (30, "<DEL>", "END=33"), "TN",
        {"Consequence": "feature_truncation&inframe_deletion&NMD_transcript_variant"},
    ),
    # SO:0001589: two bases.
    "DEL of two bases": (
        (30, "<DEL>", "END=32"), "TA",
        {"Consequence": "frameshift_variant&feature_truncation", "CDS_position": "16-17"},
    ),
    # SO:0001578: 69-71 is the stop.
    "DEL of the stop": (
        (68, "<DEL>", "END=71"), "TA",
        {"Consequence": "stop_lost&feature_truncation&inframe_deletion",
         "Protein_position": "12"},
    ),
    # SO:0002012, SO:0001589 and, VEP, SO:0002019: 14-20 lies in one exon and is seven bases long,
    # two of the 5' UTR, the start codon and two more. VEP 115.2 has the same terms, and CDS and
    # protein from ``?``, for 21:26965974 <DEL> of gnomAD-SV (673 bases) on ENST00000284987.
    "DEL across the start": (
        (13, "<DEL>", "END=20"), "TA",
        {"Consequence": "frameshift_variant&start_lost&feature_truncation&start_retained_variant"
         "&5_prime_UTR_variant", "IMPACT": "HIGH",
         "cDNA_position": "4-10", "CDS_position": "?-5", "Protein_position": "?-2"},
    ),
    # SO:0001822 wants coding bases alone: of these six, three are not, so SO:0001580.
    "DEL across the start, six bases": (
        (12, "<DEL>", "END=18"), "TA",
        {"Consequence": "start_lost&feature_truncation&start_retained_variant"
         "&coding_sequence_variant&5_prime_UTR_variant",
         "cDNA_position": "3-8", "CDS_position": "?-3", "Protein_position": "?-1"},
    ),
    # VEP: no start term where an end of the range lies outside of the transcript.
    "DEL from beside over the start": (
        (5, "<DEL>", "END=20"), "TA",
        {"Consequence": "feature_truncation&coding_sequence_variant&5_prime_UTR_variant",
         "cDNA_position": "?-10", "CDS_position": "?-5"},
    ),
    # SO:0001578, SO:0001580: 70-75, six bases, four of them behind the coding sequence.
    "DEL across the coding end, six bases": (
        (69, "<DEL>", "END=75"), "TA",
        {"Consequence": "stop_lost&feature_truncation&coding_sequence_variant"
         "&3_prime_UTR_variant",
         "cDNA_position": "40-45", "CDS_position": "35-?", "Protein_position": "12-?"},
    ),
    # SO:0001589: 70-73, four bases.
    "DEL across the coding end": (
        (69, "<DEL>", "END=73"), "TA",
        {"Consequence": "frameshift_variant&stop_lost&feature_truncation&3_prime_UTR_variant"},
    ),
    # Reverse strand. SO:0002012, SO:0001589: 286-289 is C ATG on the transcript, so cDNA 2-5.
    "DEL across the start, reverse strand": (
        (285, "<DEL>", "END=289"), "TD",
        {"Consequence": "frameshift_variant&start_lost&feature_truncation&start_retained_variant"
         "&5_prime_UTR_variant", "STRAND": "-1",
         "cDNA_position": "2-5", "CDS_position": "?-3", "Protein_position": "?-1"},
    ),
    # SO:0001580: three bases, one of the 5' UTR.
    "DEL across the start, reverse strand, three bases": (
        (286, "<DEL>", "END=289"), "TD",
        {"Consequence": "start_lost&feature_truncation&start_retained_variant"
         "&coding_sequence_variant&5_prime_UTR_variant", "CDS_position": "?-2"},
    ),
    # SO:0001578: 273-275 is AG of TAG and C behind it.
    "DEL across the coding end, reverse strand": (
        (272, "<DEL>", "END=275"), "TD",
        {"Consequence": "stop_lost&feature_truncation&coding_sequence_variant"
         "&3_prime_UTR_variant",
         "cDNA_position": "16-18", "CDS_position": "14-?", "Protein_position": "5-?"},
    ),
    # SO:0001822: 280-282 is AAA, the third codon.
    "DEL of a codon, reverse strand": (
        (279, "<DEL>", "END=282"), "TD",
        {"Consequence": "feature_truncation&inframe_deletion", "cDNA_position": "9-11",
         "CDS_position": "7-9", "Protein_position": "3"},
    ),
    # SO:0001627, SO:0001580: 339-342 is AAG and the G before it, CDS 21-24; then the intron.
    "DEL of a piece, reverse strand": (
        (329, "<DEL>", "END=342"), "TE",
        {"Consequence": "feature_truncation&coding_sequence_variant&intron_variant",
         "cDNA_position": "24-?", "CDS_position": "21-?", "Protein_position": "7-?",
         "EXON": "1/2", "INTRON": "1/1"},
    ),
    # SO:0001906 wants a loss; VEP asks for no kind of change where the start is lost.
    "INV": (
        (44, "<INV>", "END=62"), "TA", {"Consequence": "coding_sequence_variant&intron_variant"},
    ),
    "INV across the start": (
        (13, "<INV>", "END=20"), "TA",
        {"Consequence": "start_lost&coding_sequence_variant&5_prime_UTR_variant",
         "CDS_position": "?-5"},
    ),
    # SO:0001907 elongation; VEP: start_retained stands beside start_lost for gains as well.
    "DUP across the start": (
        (13, "<DUP>", "END=20"), "TA",
        {"Consequence": "start_lost&feature_elongation&start_retained_variant"
         "&coding_sequence_variant&5_prime_UTR_variant"},
    ),
    # SO:0001907; VEP: an insertion lies between two positions.
    "INS": (
        (30, "<INS>", "."), "TA",
        {"Consequence": "feature_elongation&coding_sequence_variant", "cDNA_position": "20-21",
         "CDS_position": "15-16", "Protein_position": "5-6"},
    ),
    # SO:0002012, SO:0002019: between A and T of the start codon.
    "INS into the start": (
        (16, "<INS>", "."), "TA",
        {"Consequence": "start_lost&feature_elongation&start_retained_variant"
         "&coding_sequence_variant", "CDS_position": "1-2"},
    ),
    # VEP: an insertion just before the coding sequence is in the 5' UTR, not in the start codon.
    "INS before the start": (
        (15, "<INS>", "."), "TA",
        {"Consequence": "feature_elongation&5_prime_UTR_variant", "cDNA_position": "5-6"},
    ),
    # SO:0001631: 2-6 lies 5 bases before 11.
    "beside": (
        (1, "<DEL>", "END=6"), "TA", {"Consequence": "upstream_gene_variant", "DISTANCE": "5"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SYMBOLIC)
def test_a_symbolic_allele_by_overlap(session: GasSession, name: str) -> None:
    (pos, alt, info), feature, expected = SYMBOLIC[name]
    found = row(annotate(session, pos, bases(pos, pos), alt, info), feature)
    assert {column: found[column] for column in expected} == expected


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

#: Terms of regulatory features, which gene models have none of, and one that only sums up others.
NOT_OURS = {
    *("TFBS_ablation", "TFBS_amplification", "TF_binding_site_variant", "sequence_variant"),
    *("regulatory_region_ablation", "regulatory_region_amplification"),
    "regulatory_region_variant",
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
    by_hand += [case[2]["Consequence"] for case in SYMBOLIC.values()]
    here = {term for terms in by_hand for term in terms.split("&")}
    thin = {term for term in set(TERMS) - NOT_OURS if rows[term] < 30}
    assert {"NMD_transcript_variant", "start_retained_variant", "stop_lost"} < thin
    assert thin <= here


#: Strand and change of each term that has its rules from both ends of the coding sequence. No
#: substitution of one base leaves ATG an ATG, and TA has no A before it that a deletion could use.
BOTH_WAYS = {
    "incomplete_terminal_codon_variant": {"+ SNV", "- SNV", "+ deletion", "- insertion"},
    "start_retained_variant": {"+ insertion", "- insertion", "- deletion"},
    "stop_retained_variant": {"+ SNV", "- SNV", "+ insertion", "+ deletion", "- deletion"},
}


@pytest.mark.parametrize("term", BOTH_WAYS)
def test_a_term_has_cases_on_both_strands_and_of_each_change(term: str) -> None:
    found = set()
    for (_, ref, alt), feature, expected in CASES.values():
        if term in expected["Consequence"].split("&"):
            kinds = {0: "SNV", 1: "insertion", -1: "deletion"}
            change = (len(alt) > len(ref)) - (len(alt) < len(ref))
            found.add(f"{'-' if feature in ('TD', 'TE') else '+'} {kinds[change]}")
    assert found == BOTH_WAYS[term]
