from __future__ import annotations

import random

from gas.annotate.engines import InfoField, Record
from gas.annotate.engines.csq import CsqEngine
from gas.annotate.summary import Summary, Tally

VEP = InfoField("CSQ", "VEP", ("Allele", "Consequence", "IMPACT", "SYMBOL", "Feature", "HGVSp"))
LENGTHS = {"1": 1000}


def rec(pos: int, ref: bytes, alt: bytes, contig: bytes = b"1") -> Record:
    return [contig, b"%d" % pos, b".", ref, alt, b".", b".", b"."]


RECORDS = [
    rec(10, b"A", b"G"),
    rec(11, b"A", b"C,AT"),
    rec(12, b"A", b"<DEL>"),
    rec(13, b"A", b"T"),
    rec(14, b"A", b"T"),
    rec(15, b"A", b"T", b"7"),
]
ENTRIES = [
    b"CSQ=G|missense_variant&splice_region_variant|MODERATE|BRCA2|T1|p.A1,"
    b"G|intron_variant|MODIFIER|BRCA2|T2|",
    b"CSQ=C|stop_gained|HIGH|TP53|T3|p.B2;GAS_WARN=SOMETHING",
    b"",
    b"GAS_WARN=REF_MISMATCH",
    b"",
    b"",
]


def test_every_number_says_what_it_counts() -> None:
    summary = Tally(VEP, LENGTHS).count(100, RECORDS, ENTRIES).to_json()
    assert summary == {
        "records": 6,
        "alleles": 7,
        "annotated": 2,
        "unaffected": 1,
        "skipped": {"alt-not-bases": 1, "contig-unknown": 1, "ref-mismatch": 1},
        "consequences": {
            "most_severe": {"stop_gained": 1, "missense_variant": 1},
            "all": {
                "stop_gained": 1,
                "missense_variant": 1,
                "splice_region_variant": 1,
                "intron_variant": 1,
            },
        },
        "impact": {"HIGH": 1, "MODERATE": 1, "LOW": 0, "MODIFIER": 0},
        "biotypes": {},
        "known": None,
        "novel": None,
        "classes": {"SNV": 5, "insertion": 1, "symbolic": 1},
        "chromosomes": {"1": 5, "7": 1},
        "titv": {"transitions": 1, "transversions": 4, "ratio": 0.25},
        "genes": [
            {"gene": "TP53", "high": 1, "moderate": 0},
            {"gene": "BRCA2", "high": 0, "moderate": 1},
        ],
        "examples": [
            {
                "line": 101,
                "variant": "1:11 A>C,AT",
                "gene": "TP53",
                "consequence": "stop_gained",
                "impact": "HIGH",
                "transcript": "T3",
                "change": "p.B2",
            },
            {
                "line": 100,
                "variant": "1:10 A>G",
                "gene": "BRCA2",
                "consequence": "missense_variant",
                "impact": "MODERATE",
                "transcript": "T1",
                "change": "p.A1",
            },
        ],
    }


def test_bcftools_layout_is_read_alike() -> None:
    entries = [b"BCSQ=*missense|BRCA2|T1|protein_coding|+|1A>1B|10A>G", b"BCSQ=@10"]
    summary = Tally(CsqEngine().info(), LENGTHS).count(1, RECORDS[:2], entries)
    assert summary.annotated == 2
    assert dict(summary.most_severe) == {"missense_variant": 1}
    example = summary.to_json()["examples"][0]  # type: ignore[index]
    assert (example["gene"], example["change"]) == ("BRCA2", "1A>1B")


def test_biotypes_count_a_record_once_each_and_known_ones_only_where_annotated() -> None:
    info = InfoField("CSQ", "VEP", ("Consequence", "IMPACT", "SYMBOL", "Gene", "BIOTYPE", "X"))
    entries = [
        b"CSQ=intron_variant|x|A|g|lncRNA|,intron_variant|x|B|g|lncRNA|,stop_gained|x|A|g|coding|7",
        b"CSQ=intron_variant|x|A|g|lncRNA|;OTHER=1",
        b"CSQ=intergenic_variant|x||||",
        b"",
        b"GAS_WARN=REF_MISMATCH",
    ]
    summary = Tally(info, LENGTHS).count(1, RECORDS[:5], entries, known={0, 3, 4})
    assert dict(summary.biotypes) == {"lncRNA": 2, "coding": 1}
    values = summary.to_json()
    assert list(values["biotypes"].items()) == [("lncRNA", 2), ("coding", 1)]  # type: ignore[attr-defined]
    assert (values["annotated"], values["known"], values["novel"]) == (3, 1, 2)
    none = Tally(info, LENGTHS).count(1, RECORDS[2:3], [b""], known=())
    assert (none.to_json()["known"], none.to_json()["novel"]) == (0, 0)
    none.merge(summary)
    assert none.seen == summary.seen


def test_parts_merge_to_the_whole_in_any_order() -> None:
    rng = random.Random(3)
    terms = ["missense_variant", "stop_gained", "intron_variant", "frameshift_variant"]
    records = [rec(i, b"A", rng.choice([b"C", b"G", b"AC"])) for i in range(1, 500)]
    entries = [
        b"CSQ=C|%s|x|G%d|T%d|" % (rng.choice(terms).encode(), rng.randrange(9), i)
        for i, _ in enumerate(records)
    ]
    whole = Tally(VEP, LENGTHS).count(1, records, entries)
    cuts = list(range(0, 500, 37))
    parts = [
        Tally(VEP, LENGTHS).count(1 + i, records[i : i + 37], entries[i : i + 37]) for i in cuts
    ]
    rng.shuffle(parts)
    merged = Summary()
    for part in parts:
        merged.merge(part)
    assert merged.to_json() == whole.to_json()


def test_an_engine_without_the_usual_columns_is_counted_too() -> None:
    tally = Tally(InfoField("X", "x", ("Score",)), LENGTHS)
    summary = tally.count(1, RECORDS[:2], [b"X=7", b""])
    assert (summary.annotated, summary.most_severe.total()) == (1, 0)
