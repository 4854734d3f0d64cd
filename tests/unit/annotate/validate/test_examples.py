"""Records that the specification gives as examples (VCF 4.1 to 4.5, sections 1.6.2, 3 and 5)."""

from __future__ import annotations

import pytest

from tests.unit.annotate.validate.help import broken, run, vcf

_OLD_STRUCTURAL = [
    "1 2827694 rs2376870 CGTGGATGCGGGGAC C . PASS "
    "SVTYPE=DEL;END=2827708;HOMLEN=1;HOMSEQ=G;SVLEN=-14 GT:GQ 1/1:14",
    "2 321682 . T <DEL> 6 PASS "
    "SVTYPE=DEL;END=321887;SVLEN=-205;CIPOS=-56,20;CIEND=-10,62 GT:GQ 0/1:12",
    "3 9425916 . C <INS:ME:L1> 23 PASS SVTYPE=INS;END=9425916;SVLEN=6027;CIPOS=-16,22 GT:GQ 1/1:15",
    "4 18665128 . T <DUP:TANDEM> 11 PASS "
    "SVTYPE=DUP;END=18665204;SVLEN=76;CIPOS=-10,10;CIEND=-10,10 GT:GQ:CN:CNQ ./.:0:5:8.3",
]
_STRUCTURAL = [
    "chrA 2 . TGC T . . EVENT=DEL_seq GT 0/1",
    "chrA 2 . T <DEL> . . SVLEN=2;SVCLAIM=DJ;EVENT=DEL_symbolic GT 0/1",
    "chrA 2 delbp1 T T[chrA:5[ . . MATEID=delbp2;EVENT=DEL_split_bp_cn GT 0/1",
    "chrA 2 delbp2 A ]chrA:2]A . . MATEID=delbp1;EVENT=DEL_split_bp_cn GT 0/1",
    "chrA 2 . T <DEL> . . SVLEN=2;SVCLAIM=D;EVENT=DEL_split_bp_cn GT 0/1",
    "chrA 5 . G GAAA . . EVENT=homology_seq GT 1/1",
    "chrA 5 . G <DUP> . . SVLEN=3;CIPOS=0,5;EVENT=homology_dup GT 0/1",
    "chrA 14 . T <INS> . . IMPRECISE;SVLEN=100;CILEN=-50,50;CIPOS=-10,10 GT 0/1",
    "chrA 14 . G .CCCCCCG . . EVENT=single_breakend GT 0/1",
]
_BREAKENDS = [
    "1 0 bnd_X N .[13:123457[ 6 PASS MATEID=bnd_V .",
    "2 321681 bnd_W G G]17:198982] 6 PASS CIPOS=0,6;EVENT=INV0;PARID=bnd_V .",
    "2 321682 bnd_V T ]13:123456]AGTNNNNNCAT 6 PASS MATEID=bnd_U .",
    "13 123456 bnd_U C C[2:321682[,C[17:198983[ 6 PASS MATEID=bnd_V,bnd_Z .",
    "13 123457 bnd_X A [<ctg1>:329[A 6 PASS . .",
    "13 123460 INS0 C <ctg1> 6 PASS . .",
    "<ctg1> 1 bnd_X A ]<ctg1>:329]A 6 PASS . .",
]
_BLOCKS = [
    "1 4370 . G <*> . . END=4383 GT:DP:GQ:PL 0/0:25:60:0,60,900",
    "1 4389 . T TC,<*> 213.73 . . GT:DP:GQ:PL 0/1:23:99:51,0,36,93,92,86",
    "1 4390 . C <NON_REF> . . END=4390 GT:DP:GQ:PL 0/0:26:0:0,0,315",
]
_PHASES = [
    "chr1 10 . T <DUP> . . SVCLAIM=DJ;SVLEN=3 GT:PSL:PSO /0/0|1:.,.,chr1*10*1:.,.,3",
    "chr1 20 . A G . . . GT:PSL:PSO /0/0|0|1:.,.,chr1*10*1,chr1*10*1:.,.,4,1",
    "chr19 5 . T G . PASS DP=100 GT:PSL |0/1:chr9*5*1,.",
]
_REPEATS = [
    "chr1 100 cnv T <CNV:TR>,<CNV:TR> . . "
    "SVLEN=30,30;CN=3,0.9666;RUS=CAG,CAG,CA,CAG;RN=1,3;RB=90,15,2,12 GT:PS:CN 1|2:100:3.9666",
    "chr1 117 alt2 AG A . . . GT:PS 0|1:100",
]
_METHYLATION = [
    "chr 20 . C CTAG . . . GT:M5mC 0/1:0,0.5,0.7",
    "chr 30 . C . . . . GT:M5mC:M5hmC 0|0:0.9,0:0,0.1",
    "chr 40 . C A,T,G,ACG . . . GT:M5mC /3|1/0|4|0/0/3/1:0.25,0.1,0.5,0.6,.",
]
_LOCAL = [
    "1 1 . G A,C,T,<*> . . . GT:LAA:LAD:LPL 2/4:2,4:20,30,10:90,80,0,100,110,120",
    "1 1 . G A,C,T,<*> . . . GT:AD:PL 2/2:20,.,30,.,10:90,.,.,80,.,0,.,.,.,.,100,.,110,.,120",
    "1 4 . G A,T,<*> . . . GT:LAA:LAD:LPL 0/0::30:0",
]


@pytest.mark.parametrize(
    ("records", "versions"),
    [
        (_OLD_STRUCTURAL, "4.1 4.2 4.3 4.4"),
        (_STRUCTURAL, "4.4 4.5"),
        (_BREAKENDS, "4.1 4.2 4.3 4.4 4.5"),
        (_BLOCKS, "4.1 4.2 4.3 4.4 4.5"),
        (_PHASES, "4.4 4.5"),
        (_REPEATS, "4.4 4.5"),
        (_METHYLATION, "4.5"),
        (_LOCAL, "4.5"),
    ],
)
def test_examples_of_the_specification(records: list[str], versions: str) -> None:
    for version in versions.split():
        if records is _BREAKENDS:
            text = vcf(*(record.removesuffix(" .") for record in records), version=version)
        else:
            text = vcf(*records, version=version, samples=1)
        assert broken(run(text)) == set(), version
