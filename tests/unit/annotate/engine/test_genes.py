"""GFF3 in its dialects, and its faults."""
# ruff: noqa: E501

from __future__ import annotations

from pathlib import Path

import pytest

from gas.annotate.genes import GeneModel, parse_genes, read_genes
from gas.errors import PackError
from tests.annotation import demo_pack

ENSEMBL = """\
20	ensembl	ncRNA_gene	5	90	.	-	.	ID=gene:ENSG1;Name=ABC1;biotype=lncRNA;gene_id=ENSG1;version=7
20	ensembl	lnc_RNA	5	90	.	-	.	ID=transcript:ENST1;Parent=gene:ENSG1;biotype=lncRNA;tag=basic;transcript_id=ENST1;version=4
20	ensembl	exon	5	90	.	-	.	Parent=transcript:ENST1;rank=1
20	ensembl	gene	100	500	.	+	.	ID=gene:ENSG2;Name=DEF2;biotype=protein_coding;description=a gene [Source:HGNC Symbol%3BAcc:HGNC:77];gene_id=ENSG2;version=1
20	ensembl	mRNA	100	500	.	+	.	ID=transcript:ENST2;Parent=gene:ENSG2;biotype=protein_coding;ccdsid=CCDS9.1;tag=basic,Ensembl_canonical,MANE_Select,appris_principal_1;transcript_id=ENST2;transcript_support_level=1 (assigned to previous version 3);version=2
20	ensembl	exon	100	200	.	+	.	Parent=transcript:ENST2;rank=1
20	ensembl	exon	300	500	.	+	.	Parent=transcript:ENST2;rank=2
20	ensembl	five_prime_UTR	100	120	.	+	.	Parent=transcript:ENST2
20	ensembl	CDS	121	200	.	+	0	ID=CDS:ENSP2;Parent=transcript:ENST2;protein_id=ENSP2
20	ensembl	CDS	300	399	.	+	1	ID=CDS:ENSP2;Parent=transcript:ENST2;protein_id=ENSP2
"""

GENCODE = """\
chr20	HAVANA	gene	100	500	.	+	.	ID=ENSG2.5;gene_id=ENSG2.5;gene_type=protein_coding;gene_name=DEF2;level=2;hgnc_id=HGNC:77
chr20	HAVANA	transcript	100	500	.	+	.	ID=ENST2.8;Parent=ENSG2.5;gene_id=ENSG2.5;transcript_id=ENST2.8;gene_type=protein_coding;gene_name=DEF2;transcript_type=nonsense_mediated_decay;transcript_name=DEF2-201;transcript_support_level=NA;tag=mRNA_start_NF,cds_start_NF;ccdsid=CCDS9.1;protein_id=ENSP2.3
chr20	HAVANA	exon	100	500	.	+	.	ID=exon:ENST2.8:1;Parent=ENST2.8;transcript_id=ENST2.8
chr20	HAVANA	CDS	100	399	.	+	2	ID=CDS:ENST2.8;Parent=ENST2.8;transcript_id=ENST2.8;protein_id=ENSP2.3
chr20	HAVANA	stop_codon	397	399	.	+	0	ID=stop_codon:ENST2.8;Parent=ENST2.8
"""

REFSEQ = """\
NC_000020.11	RefSeq	region	1	999	.	+	.	ID=NC_000020.11:1..999;Dbxref=taxon:9606;Name=20
NC_000020.11	BestRefSeq	gene	100	500	.	-	.	ID=gene-DEF2;Dbxref=GeneID:55,HGNC:HGNC:77;Name=DEF2;gbkey=Gene;gene=DEF2;gene_biotype=protein_coding
NC_000020.11	BestRefSeq	mRNA	100	500	.	-	.	ID=rna-NM_1.4;Parent=gene-DEF2;Dbxref=Ensembl:ENST2.8,GeneID:55,GenBank:NM_1.4,HGNC:HGNC:77;Name=NM_1.4;gbkey=mRNA;gene=DEF2;tag=MANE Select;transcript_id=NM_1.4
NC_000020.11	BestRefSeq	exon	300	500	.	-	.	ID=exon-NM_1.4-1;Parent=rna-NM_1.4;gbkey=mRNA
NC_000020.11	BestRefSeq	exon	100	200	.	-	.	ID=exon-NM_1.4-2;Parent=rna-NM_1.4;gbkey=mRNA
NC_000020.11	BestRefSeq	CDS	300	399	.	-	0	ID=cds-NP_1.2;Parent=rna-NM_1.4;protein_id=NP_1.2
NC_000020.11	BestRefSeq	CDS	180	200	.	-	2	ID=cds-NP_1.2;Parent=rna-NM_1.4;protein_id=NP_1.2
NC_000020.11	BestRefSeq	gene	600	690	.	+	.	ID=gene-MIR1;Dbxref=GeneID:56;Name=MIR1;description=microRNA 1;gbkey=Gene
NC_000020.11	BestRefSeq	primary_transcript	600	690	.	+	.	ID=rna-NR_1.1;Parent=gene-MIR1;Dbxref=GeneID:56;gbkey=precursor_RNA;gene=MIR1;transcript_id=NR_1.1
NC_000020.11	BestRefSeq	exon	600	690	.	+	.	ID=exon-NR_1.1-1;Parent=rna-NR_1.1;gbkey=precursor_RNA
NC_000020.11	BestRefSeq	miRNA	610	631	.	+	.	ID=rna-MIR1;Parent=rna-NR_1.1;gbkey=ncRNA;gene=MIR1
NC_012920.1	RefSeq	gene	10	99	.	+	.	ID=gene-ND1;Dbxref=GeneID:57;Name=ND1;gbkey=Gene;gene=ND1;gene_biotype=protein_coding
NC_012920.1	RefSeq	CDS	10	99	.	+	0	ID=cds-YP_1.1;Parent=gene-ND1;gene=ND1;protein_id=YP_1.1;transl_table=2
"""


def models_of(text: str, *contigs: str) -> dict[str, GeneModel]:
    models, _ = parse_genes(text.splitlines(), contigs)
    return {m.labels.feature: m for m in models}


def faults_of(text: str, *contigs: str) -> list[str]:
    _, faults = parse_genes(text.splitlines(), contigs or ("20",))
    return [str(fault) for fault in faults]


def test_ensembl() -> None:
    models = models_of(ENSEMBL, "20")
    assert set(models) == {"ENST1", "ENST2"}
    assert models["ENST1"].cds is None
    assert models["ENST1"].strand == -1
    coding = models["ENST2"]
    assert coding.exons == ((100, 200), (300, 500))
    assert (coding.cds, coding.phase, coding.table) == ((121, 399), 0, 1)
    labels = coding.labels
    assert labels.hgvs_transcript == "ENST2.2"
    assert labels.hgvs_protein == "ENSP2.1"
    assert (labels.symbol, labels.gene, labels.biotype) == ("DEF2", "ENSG2", "protein_coding")
    assert (labels.symbol_source, labels.hgnc_id) == ("HGNC", "HGNC:77")
    assert (labels.canonical, labels.mane_select, labels.tsl) == ("YES", "ENST2.2", "1")
    assert (labels.appris, labels.ccds) == ("P1", "CCDS9.1")


def test_gencode() -> None:
    model = models_of(GENCODE, "chr20")["ENST2.8"]
    assert (model.cds, model.phase, model.first_exon_phase) == ((100, 399), 1, 1)
    labels = model.labels
    assert labels.hgvs_transcript == "ENST2.8"
    assert labels.hgvs_protein == "ENSP2.3"
    assert (labels.symbol, labels.gene) == ("DEF2", "ENSG2.5")
    assert labels.biotype == "nonsense_mediated_decay"
    assert (labels.flags, labels.tsl, labels.hgnc_id) == ("cds_start_NF", "", "HGNC:77")


def test_refseq() -> None:
    models = models_of(REFSEQ, "NC_000020.11", "NC_012920.1")
    coding = models["NM_1.4"]
    assert (coding.strand, coding.cds) == (-1, (180, 399))
    labels = coding.labels
    assert (labels.symbol, labels.gene, labels.biotype) == ("DEF2", "55", "protein_coding")
    assert (labels.hgvs_transcript, labels.hgvs_protein) == ("NM_1.4", "NP_1.2")
    assert (labels.mane_select, labels.hgnc_id) == ("ENST2.8", "HGNC:77")
    assert models["NR_1.1"].mature == ((610, 631),)
    assert models["NR_1.1"].labels.biotype == "miRNA"
    mitochondrial = models["ND1"]
    assert (mitochondrial.table, mitochondrial.exons) == (2, ((10, 99),))
    assert mitochondrial.labels.biotype == "protein_coding"


def test_any_order_of_lines_gives_the_same_models() -> None:
    lines = ENSEMBL.splitlines()
    there, _ = parse_genes(lines, ["20"])
    back, _ = parse_genes(lines[::-1], ["20"])
    assert [m.labels for m in there] == [m.labels for m in back]
    assert [m.exons for m in there] == [m.exons for m in back]


def test_the_reference_of_the_demo_has_no_faults() -> None:
    pack = demo_pack()
    models, faults = read_genes(pack.gff, pack.contigs)
    assert len(models) == 4040 + 37
    assert faults == []
    assert {m.table for m in models if m.contig == "MT" and m.cds} == {2}


GENE = "20\tx\tgene\t100\t500\t.\t+\t.\tID=g"
MRNA = "20\tx\tmRNA\t100\t500\t.\t+\t.\tID=t;Parent=g;biotype=protein_coding"
EXON = "20\tx\texon\t100\t500\t.\t+\t.\tParent=t"
CDS = "20\tx\tCDS\t100\t399\t.\t+\t0\tParent=t"


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([GENE, MRNA, EXON, CDS.replace("399", "501")], "line 4: t left out: its CDS 100-501"),
        ([GENE, MRNA, EXON, EXON.replace("100", "300"), CDS], "line 4: t left out: its exons over"),
        ([GENE, MRNA, EXON, CDS.replace("\t0\t", "\t.\t")], "line 4: this CDS has no phase"),
        ([GENE, MRNA, EXON, CDS, EXON], "line 5: this exon was given before"),
        ([GENE, MRNA, EXON.replace("Parent=t", "Name=e"), CDS], "line 3: this exon has no Parent"),
        ([GENE, MRNA, EXON, CDS, EXON.replace("=t", "=u")], 'line 5: Parent "u" is not in the'),
        ([MRNA, EXON, CDS], 'line 1: Parent "g" is not in the file'),
        ([GENE, MRNA.replace("+", "."), EXON, CDS], 'line 2: t left out: its strand is "."'),
        ([GENE, MRNA, EXON.replace("+", "-"), CDS], "line 3: t left out: its exon lies on another"),
        ([GENE, MRNA, EXON, CDS + ";transl_table=99"], "line 4: t left out: no genetic code is"),
        ([GENE, MRNA, EXON, CDS, "20 x exon 1 2"], "line 5: 1 columns where GFF3 has nine"),
        ([GENE, MRNA, EXON, CDS, EXON.replace("500", "x")], "line 5: no coordinates: '100', 'x'"),
        ([GENE, MRNA, EXON, CDS, EXON.replace("500", "9")], "line 5: start 100 and end 9 are no"),
        ([GENE, MRNA, CDS], "line 2: t has no exons: its CDS are taken"),
        ([line.replace("20\t", "21\t", 1) for line in (GENE, MRNA, EXON, CDS)], "line 1: the geno"),
    ],
)
def test_each_fault_is_named_with_its_line(lines: list[str], fault: str) -> None:
    assert any(found.startswith(fault) for found in faults_of("\n".join(lines)))


@pytest.mark.parametrize(
    ("contig", "given", "table"),
    [("20", "", 1), ("MT", "", 2), ("MT", ";transl_table=1", 1), ("20", ";transl_table=2", 2)],
)
def test_the_genetic_code_of_the_file_wins_over_that_of_the_contig(
    contig: str, given: str, table: int
) -> None:
    lines = [line.replace("20", contig, 1) for line in (GENE, MRNA, EXON, CDS + given)]
    assert models_of("\n".join(lines), contig)["t"].table == table


def test_a_transcript_that_would_be_wrong_is_left_out_and_others_stay() -> None:
    bad = [MRNA, EXON, CDS.replace("399", "501")]
    good = [line.replace("=t", "=ok") for line in (MRNA, EXON, CDS)]
    assert set(models_of("\n".join([GENE, *bad, *good]), "20")) == {"ok"}


def test_a_second_transcript_of_the_same_name_is_left_out() -> None:
    again = [line.replace("=t", "=u") for line in (EXON, CDS)]
    second = MRNA.replace("ID=t", "ID=u;transcript_id=t")
    lines = [GENE, MRNA, EXON, CDS, second, *again]
    assert faults_of("\n".join(lines)) == ["line 5: t left out: line 2 has this id"]


@pytest.mark.parametrize("swapped", [False, True])
def test_two_transcripts_of_one_id_are_never_taken_for_one(swapped: bool) -> None:
    """Whose exon is whose cannot be told; the gene's other transcript stays."""
    far = [
        MRNA.replace("100\t500", "1000\t1500"),
        EXON.replace("100\t500", "1000\t1500"),
        CDS.replace("100\t399", "1000\t1299"),
    ]
    near = [MRNA, EXON, CDS]
    good = [line.replace("=t", "=ok") for line in near]
    lines = [GENE, *(far + near if swapped else near + far), *good]
    assert set(models_of("\n".join(lines), "20")) == {"ok"}
    assert faults_of("\n".join(lines)) == [
        "line 2: t left out: line 5 has its ID at another place",
        'line 5: line 2 has the ID "t" as well',
    ]


def test_lines_that_are_there_twice_are_told_and_harmless() -> None:
    once = [GENE, MRNA, EXON, CDS]
    models, faults = parse_genes([*once, *once], ["20"])
    assert models == parse_genes(once, ["20"])[0]
    assert [fault.line for fault in faults] == [5, 6, 7, 8]
    assert not any(fault.left_out for fault in faults)


def test_a_missing_phase_follows_from_the_next_part() -> None:
    exons = [EXON.replace("500", "200"), EXON.replace("100", "300")]
    parts = [
        CDS.replace("399", "200").replace("\t0\t", "\t.\t"),
        CDS.replace("100", "300").replace("\t0\t", "\t2\t"),
    ]
    # 101 bases before, and two to skip: the first codon lacks one base.
    models, _ = parse_genes([GENE, MRNA, *exons, *parts], ["20"])
    assert models[0].phase == (-2 - 101) % 3


def test_no_models_at_all_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "genes.gff3"
    path.write_text("##gff-version 3\n")
    with pytest.raises(PackError, match="holds no gene models"):
        read_genes(path, ["20"])
    path.write_bytes(b"\x1f\x8bdamaged")
    with pytest.raises(PackError, match="cannot be read"):
        read_genes(path, ["20"])
