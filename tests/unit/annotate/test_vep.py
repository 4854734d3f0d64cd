"""The engine ``vep`` beyond the contract: what it is asked, and what is said where parts lack."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gas.annotate import engines
from gas.annotate.engines import load
from gas.annotate.pack import Pack
from gas.annotate.run import annotate
from gas.annotate.vcf import VcfFile
from gas.annotate.vep_cache import VepCache
from gas.cli import app
from gas.config import Settings
from gas.errors import EngineError, PackError
from gas.reference import manifest
from gas.reference.add_vep_cache import add_vep_cache
from tests.annotation import HEADER, demo_pack, records_of, synthetic_pack
from tests.vep import INPUTS, needs_vepyr, plain_pack, raw_cache, vep_pack

#: The transcripts that the GFF3 of the pack has too.
SHARED = {"ENST00000359963", "ENST00000331428", "ENST00000684488"}
#: A stop that is inserted between two codons of the middle: vepyr calls it retained.
DIFFERS = {("16783771", "TTA")}
COMPARED = (
    *("IMPACT", "SYMBOL", "Gene", "BIOTYPE", "EXON", "INTRON", "HGVSc", "HGVSp", "cDNA_position"),
    *("CDS_position", "Protein_position", "Amino_acids", "Codons", "STRAND", "HGNC_ID", "FLAGS"),
    *("SYMBOL_SOURCE", "CANONICAL", "DISTANCE", "HGVS_OFFSET"),
)

Rows = dict[tuple[str, str, str], dict[str, str]]


def rows_of(path: Path, engine: str) -> Rows:
    """The rows of each position, allele and transcript."""
    columns = load(engine).info().columns
    out: Rows = {}
    for record in records_of(path):
        entry = next((p for p in record[7].decode().split(";") if p.startswith("CSQ=")), "CSQ=")
        for row in filter(None, entry[4:].split(",")):
            values = dict(zip(columns, row.split("|"), strict=True))
            out[record[1].decode(), values["Allele"], values["Feature"]] = values
    return out


def comparable(row: dict[str, str]) -> dict[str, str]:
    """HGVS without the version of its sequence, which the GFF3 does not have of proteins."""
    values = {name: row[name] for name in COMPARED}
    values |= {name: values[name].rpartition(":")[2] for name in ("HGVSc", "HGVSp")}
    return values | {"Consequence": "&".join(sorted(row["Consequence"].split("&")))}


@needs_vepyr
def test_it_and_our_own_engine_say_the_same(tmp_path: Path) -> None:
    """Two programs, two sources of gene models: a cache and a GFF3 of the same transcripts."""
    compared = 0
    for path in INPUTS:
        found = {}
        for engine in ("gas", "vep"):
            annotate(path, tmp_path / "out.vcf.gz", vep_pack(), engine)
            rows = rows_of(tmp_path / "out.vcf.gz", engine)
            found[engine] = {
                key: comparable(row)
                for key, row in rows.items()
                if key[2] in SHARED and key[1] != "N" and key[:2] not in DIFFERS
            }
        assert found["gas"] == found["vep"]
        compared += len(found["vep"])
    assert compared > 450


@needs_vepyr
def test_known_variants_and_what_only_the_cache_knows(tmp_path: Path) -> None:
    annotate(INPUTS[1], tmp_path / "out.vcf.gz", vep_pack(), "vep")
    rows = rows_of(tmp_path / "out.vcf.gz", "vep")
    assert len(rows) > 150
    assert all(row["Existing_variation"].startswith("rs") for row in rows.values())
    assert all(row["Consequence"] == "intergenic_variant" for row in rows.values())
    annotate(INPUTS[0], tmp_path / "out.vcf.gz", vep_pack(), "vep")
    missense = [
        row
        for row in rows_of(tmp_path / "out.vcf.gz", "vep").values()
        if row["Consequence"] == "missense_variant"
    ]
    assert len(missense) > 50
    assert any(row["SIFT"] and row["PolyPhen"] for row in missense)


@needs_vepyr
def test_what_vepyr_takes_for_something_else_is_kept_from_it(tmp_path: Path) -> None:
    sequence = {int(r[1]): r[3].decode() for r in records_of(INPUTS[0])}
    pos = next(p for p, ref in sequence.items() if p > 16_591_100 and ref in "ACGT")
    ref = sequence[pos]
    other = [b for b in "ACGT" if b != ref]
    lines = [
        f"{ref}\t{other[0]},{other[1]}",  # two alleles: a row for each
        f"{ref}\t{other[0]},{ref}T",  # the first base is shared by none: names stay whole
        f"{ref}\t{ref}A,{ref}T",  # shared by all: taken off
        f"{ref}\t*,{other[0]}",
        f"{ref}\t<DEL>",
        f"{other[0]}\t{other[1]}",  # REF is not the genome's
    ]
    body = "".join(f"chr22\t{pos}\t.\t{line}\t.\t.\t.\n" for line in lines)
    (tmp_path / "in.vcf").write_bytes(HEADER + body.encode() + b"chrX\t1\t.\tN\tA\t.\t.\t.\n")
    report = annotate(tmp_path / "in.vcf", tmp_path / "out.vcf.gz", vep_pack(), "vep")
    infos = [record[7].decode() for record in records_of(tmp_path / "out.vcf.gz")]
    alleles = [
        list(dict.fromkeys(row.split("|")[0] for row in info[4:].split(","))) for info in infos[:4]
    ]
    assert alleles == [other[:2], [other[0], f"{ref}T"], ["A", "T"], [other[0]]]
    assert infos[4:] == [".", "GAS_WARN=REF_MISMATCH", "."]
    assert report.summary.skipped == {"alt-not-bases": 1, "ref-mismatch": 1, "contig-unknown": 1}


@needs_vepyr
def test_the_header_tells_of_the_cache(tmp_path: Path) -> None:
    annotate(INPUTS[1], tmp_path / "out.vcf.gz", vep_pack(), "vep")
    made_by = VcfFile(tmp_path / "out.vcf.gz").header[-2].decode()
    assert (
        'EngineData="Ensembl VEP cache 115, ensembl; gencode 49; dbSNP 156; ClinVar 202502; '
        'gnomADe v4.1; gnomADg v4.1; 1000genomes phase3"' in made_by
    )


@needs_vepyr
def test_a_damaged_cache_is_told_with_the_reason(tmp_path: Path) -> None:
    pack = plain_pack(tmp_path)
    cache = add_vep_cache(pack, raw_cache(tmp_path))
    (cache.path / "transcript" / "chr22.parquet").write_bytes(b"no parquet")
    with pytest.raises(EngineError, match=r"vepyr failed \(exit code 1\): \w+"):
        annotate(INPUTS[0], tmp_path / "out.vcf.gz", Pack.open(pack.path), "vep")
    assert not list(tmp_path.glob("*out*"))


@needs_vepyr
def test_a_cache_is_replaced_whole_and_a_converted_one_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = plain_pack(tmp_path / "")
    settings = Settings(data_dir=tmp_path)
    monkeypatch.setattr("gas.config.get_settings", lambda: settings)
    (tmp_path / "packs").rename(tmp_path / "references")
    pack = Pack.open(tmp_path / "references" / pack.name)
    done = CliRunner().invoke(
        app, ["reference", "add-vep-cache", pack.name, str(raw_cache(tmp_path))]
    )
    assert "Ensembl VEP cache 115, ensembl; gencode 49" in done.output
    first = VepCache.of(Pack.open(pack.path))
    kept = first.path.rename(tmp_path / "115_GRCh38_ensembl")
    with pytest.raises(PackError, match="not where it was"):
        VepCache.of(Pack.open(pack.path))
    second = add_vep_cache(Pack.open(pack.path), kept)
    assert second.path.is_symlink()
    assert (second.contigs, second.type) == (("chr22",), "ensembl")
    third = add_vep_cache(Pack.open(pack.path), kept)
    assert [path.name for path in pack.path.glob("*vep-*")] == [third.path.name]
    assert kept.is_dir()
    manifest.verify(Pack.open(pack.path))


def test_without_the_package_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "vepyr" else find(name)
    )
    assert engines.offered() == ["csq", "gas"]
    with pytest.raises(EngineError, match=r"pip install -r requirements-vep\.lock"):
        annotate(INPUTS[0], tmp_path / "out.vcf.gz", demo_pack(), "vep")
    pack = synthetic_pack(tmp_path)
    (tmp_path / "115_Test1").mkdir()
    (tmp_path / "115_Test1" / "info.txt").write_text("species\tx\n")
    with pytest.raises(EngineError, match=r"pip install -r requirements-vep\.lock"):
        add_vep_cache(pack, tmp_path / "115_Test1")
    assert not list(pack.path.glob("*vep*"))


def test_a_reference_without_a_cache_says_how_to_give_it_one() -> None:
    with pytest.raises(PackError, match="gas reference add-vep-cache demo FOLDER"):
        VepCache.of(demo_pack())


@pytest.mark.parametrize(
    ("folder", "info", "said"),
    [
        ("115_GRCh38", False, "no VEP cache"),
        ("homo_sapiens", True, "no VEP cache"),
        ("115_GRCh38_ensembl", False, "no VEP cache"),
        ("115_GRCh38", True, "of the same assembly"),
    ],
)
def test_what_is_no_cache_of_this_reference(
    tmp_path: Path, folder: str, info: bool, said: str
) -> None:
    pack = synthetic_pack(tmp_path)
    (tmp_path / folder).mkdir()
    if info:
        (tmp_path / folder / "info.txt").touch()
    with pytest.raises(PackError, match=said):
        add_vep_cache(pack, tmp_path / folder)
    assert Pack.open(pack.path).digest == pack.digest
