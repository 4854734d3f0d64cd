"""Options, the compiled model, and the engine as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gas.annotate.compile import compile_model
from gas.annotate.csq import COLUMNS, Options, Row, pick_rows, row
from gas.annotate.effects import Effect
from gas.annotate.engines.gas import GasEngine, GasSession
from gas.annotate.model import Model, model_path, open_model
from gas.annotate.transcript import Labels, Transcript
from gas.errors import EngineError, PackError
from gas.reference.build import build
from tests.annotation import gff_of, ref_at, synthetic_sequence
from tests.unit.annotate.engine.worlds import World, random_world, session, write_pack

WORLD = random_world(11)
SNV = [b"1", b"", b".", b"", b"", b".", b".", b"."]


def _record(pos: int) -> list[bytes]:
    ref = WORLD.sequence[pos - 1]
    alt = "A" if ref != "A" else "C"
    return [b"1", str(pos).encode(), b".", ref.encode(), alt.encode(), b".", b".", b"."]


def _rows(entry: bytes) -> list[list[str]]:
    return [text.split("|") for text in entry.decode()[4:].split(",")]


def test_fields_choose_columns_and_their_order(tmp_path: Path) -> None:
    whole = _rows(session(WORLD, tmp_path).annotate([_record(900)])[0])
    fields = ("Feature", "Consequence", "Allele")
    chosen = session(WORLD, tmp_path, Options(fields=fields)).annotate([_record(900)])[0]
    at = [COLUMNS.index(name) for name in fields]
    assert _rows(chosen) == [[cells[i] for i in at] for cells in whole]


def test_pick_keeps_one_row_and_flag_pick_marks_it(tmp_path: Path) -> None:
    whole = _rows(session(WORLD, tmp_path).annotate([_record(900)])[0])
    picked = _rows(session(WORLD, tmp_path, Options(pick="pick")).annotate([_record(900)])[0])
    assert len(picked) == 1
    assert picked[0] in whole
    options = Options(pick="flag-pick")
    assert options.columns[options.columns.index("PICK") - 1] == "FLAGS"
    flagged = _rows(session(WORLD, tmp_path, options).annotate([_record(900)])[0])
    at = options.columns.index("PICK")
    assert [cells[at] for cells in flagged].count("1") == 1
    (best,) = [cells[:at] + cells[at + 1 :] for cells in flagged if cells[at]]
    assert best == picked[0]


def test_per_gene_keeps_one_row_of_each_gene(tmp_path: Path) -> None:
    whole = _rows(session(WORLD, tmp_path).annotate([_record(900)])[0])
    kept = _rows(session(WORLD, tmp_path, Options(pick="per-gene")).annotate([_record(900)])[0])
    gene = COLUMNS.index("Gene")
    assert sorted(cells[gene] for cells in kept) == sorted({cells[gene] for cells in whole})


def _candidate(terms: str, world: World = WORLD, **labels: str) -> Row:
    tx = Transcript("1", 1, ((10, 99),), None, 0, -1, 1, Labels(**labels), world)
    return Row("A", row(tx, Effect(frozenset({terms}))), tx)


#: VEP's default order of --pick: each row beats the next.
ORDER = [
    _candidate("intron_variant", mane_select="NM_1.1", gene="a"),
    _candidate("stop_gained", mane_plus_clinical="NM_2.1", gene="b"),
    _candidate("intron_variant", canonical="YES", gene="c"),
    _candidate("intron_variant", appris="P1", gene="d"),
    _candidate("intron_variant", appris="A1", gene="e"),
    _candidate("intron_variant", tsl="1", gene="f"),
    _candidate("intron_variant", tsl="5", gene="g"),
    _candidate("intron_variant", biotype="protein_coding", gene="h"),
    _candidate("intron_variant", ccds="CCDS1", gene="i"),
    _candidate("stop_gained", gene="j"),
    _candidate("intron_variant", gene="k"),
]


def test_rows_are_picked_in_the_order_of_vep() -> None:
    for i in range(len(ORDER)):
        assert pick_rows(ORDER[i:][::-1], per_gene=False) == [ORDER[i]]
    assert pick_rows(ORDER, per_gene=True) == ORDER


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fields": ("Nonsense",)}, "no column Nonsense"),
        ({"pick": "best"}, 'no way "best"'),
        ({"distance": -1}, "negative"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        Options(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("distance", [0, 50, 5000, 7000])
def test_the_distance_is_kept(tmp_path: Path, distance: int) -> None:
    entries = session(WORLD, tmp_path, Options(distance=distance)).annotate(
        [_record(pos) for pos in range(10, 2900, 37)]
    )
    at = COLUMNS.index("DISTANCE")
    found = [int(r[at]) for entry in entries for r in _rows(entry) if r[at]]
    assert max(found, default=0) <= distance
    assert bool(found) == bool(distance)


def test_a_damaged_or_foreign_model_is_refused(tmp_path: Path) -> None:
    pack = write_pack(WORLD, tmp_path)
    path = tmp_path / "model.bin"
    compile_model(pack, path, models=WORLD.models)
    whole = path.read_bytes()
    path.write_bytes(b"x" + whole[1:])
    with pytest.raises(PackError, match="another version"):
        Model(path, pack)
    path.write_bytes(whole[: len(whole) // 8])
    with pytest.raises(PackError, match="cannot be used"):
        Model(path, pack)
    path.write_bytes(whole.replace(b'"' + b"0" * 64, b'"' + b"1" * 64))
    with pytest.raises(PackError, match="another reference"):
        Model(path, pack)


def test_a_pack_that_cannot_be_written_is_compiled_elsewhere(tmp_path: Path) -> None:
    source, scratch = tmp_path / "pack", tmp_path / "scratch"
    source.mkdir()
    scratch.mkdir()
    pack = write_pack(WORLD, source)
    lines = ("mRNA\t100\t500\t.\t+\t.\tID=t;biotype=lncRNA", "exon\t100\t500\t.\t+\t.\tParent=t")
    gff = "".join(f"1\tx\t{line}\n" for line in lines)
    (source / "genes.gff3.gz").write_text(gff)
    # A file where the lock would be stands for a folder without the right to write (root has it).
    (source / ".model.lock").mkdir()
    assert open_model(pack, scratch).transcript(0).labels.feature == "t"
    assert len(list(scratch.glob("model-*"))) == 1
    (source / ".model.lock").rmdir()
    open_model(pack, tmp_path / "nowhere").close()


def test_a_pack_that_cannot_be_written_is_compiled_once(tmp_path: Path) -> None:
    """Its cache keeps what was compiled from it, for every later run."""
    source, scratch = tmp_path / "pack", tmp_path / "scratch"
    source.mkdir()
    scratch.mkdir()
    pack = replace(write_pack(WORLD, source), cache=tmp_path / "cache" / "world")
    gff = "1\tx\tlnc_RNA\t100\t500\t.\t+\t.\tID=t\n1\tx\texon\t100\t500\t.\t+\t.\tParent=t\n"
    (source / "genes.gff3.gz").write_text(gff)
    (source / ".model.lock").mkdir()
    open_model(pack, scratch).close()
    (kept,) = (tmp_path / "cache" / "world").glob("model-*")
    first = kept.stat()
    (source / "genes.gff3.gz").unlink()  # compiling again would need it
    open_model(pack, scratch).close()
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    assert not list(scratch.iterdir())


def test_what_earlier_versions_compiled_is_removed(tmp_path: Path) -> None:
    pack = write_pack(WORLD, tmp_path)
    (tmp_path / "genes.gff3.gz").write_text(
        "1\tx\tlnc_RNA\t100\t500\t.\t+\t.\tID=t\n1\tx\texon\t100\t500\t.\t+\t.\tParent=t\n"
    )
    ours = model_path(pack, tmp_path).name
    version = int(ours.split("-")[1])
    old = [f"model-{'f' * 16}.bin", f"model-{version - 1}-{'f' * 16}.bin"]
    gone = [*old, f"model-{version}-{'f' * 16}.bin"]
    newer = f"model-{version + 1}-{'f' * 16}.bin"
    for name in [*gone, newer]:
        (tmp_path / name).touch()
    open_model(pack, tmp_path).close()
    assert {path.name for path in tmp_path.glob("model-*")} == {ours, newer}


def test_each_contig_has_its_own_transcripts_whatever_the_order_of_contigs(tmp_path: Path) -> None:
    """By name 10 would come before 2, and MT before X."""
    contigs = ["2", "10", "X", "MT"]
    fasta, gff = tmp_path / "genome.fa", tmp_path / "genes.gff3"
    fasta.write_text("".join(f">{name}\n{synthetic_sequence()}\n" for name in contigs))
    gff.write_text("".join(gff_of(name) for name in contigs if name != "X"))
    pack = build("tiny", [fasta], [gff], tmp_path / "packs").pack
    model = open_model(pack, tmp_path)
    found = GasSession(model, pack, Options()).annotate(
        [[name.encode(), b"200", b".", ref_at(200).encode(), b"<DEL>", b".", b".", b"END=201"]
         for name in contigs]
    )  # fmt: skip
    model.close()
    features = [{cells[COLUMNS.index("Feature")] for cells in _rows(entry)} for entry in found]
    assert features == [{"T2"}, {"T10"}, {""}, {"TMT"}]


@pytest.mark.parametrize(
    ("contig", "given", "term"),
    [
        ("1", "", "missense_variant"),
        ("MT", "", "stop_gained"),
        ("MT", ";transl_table=1", "missense_variant"),
        ("1", ";transl_table=2", "stop_gained"),
    ],
)
def test_rows_follow_the_genetic_code_that_the_file_names(
    tmp_path: Path, contig: str, given: str, term: str
) -> None:
    """AGA is Arg by code 1 and a stop by code 2 (NCBI)."""
    fasta, gff = tmp_path / "genome.fa", tmp_path / "genes.gff3"
    fasta.write_text(f">{contig}\n{synthetic_sequence()}\n")
    gff.write_text(gff_of(contig, given))
    pack = build("tiny", [fasta], [gff], tmp_path / "packs").pack
    model = open_model(pack, tmp_path)
    (entry,) = GasSession(model, pack, Options()).annotate(
        [[contig.encode(), b"110", b".", b"GCT", b"AGA", b".", b".", b"."]]
    )
    model.close()
    assert [cells[COLUMNS.index("Consequence")] for cells in _rows(entry)] == [term]


def test_an_unknown_contig_and_odd_records_are_passed_over(tmp_path: Path) -> None:
    records = [_record(900), [b"7", *_record(901)[1:]], [b"1", b"99999", *_record(902)[2:]]]
    entries = session(WORLD, tmp_path).annotate(records)
    assert entries[0].startswith(b"CSQ=")
    assert entries[1:] == [b"", b""]


def test_case_of_bases_and_prefix_of_contigs_do_not_matter(tmp_path: Path) -> None:
    record = _record(900)
    lower = [b"chr1", *record[1:3], record[3].lower(), record[4].lower(), *record[5:]]
    one, two = session(WORLD, tmp_path).annotate([record, lower])
    assert one == two


def test_the_engine_says_what_it_is() -> None:
    engine = GasEngine()
    assert engine.parallel
    assert engine.info().columns == COLUMNS
    assert "VEP 115" in engine.version()
