"""Allele sources: one allele found however it was written, and what comes of it in a record."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from gas.annotate.compile import compile_model
from gas.annotate.contigs import ContigNames
from gas.annotate.csq import COLUMNS, Options
from gas.annotate.engines.gas import GasSession
from gas.annotate.model import Model
from gas.annotate.sources import Sources, SourceSpec, allele_key, normal_form
from gas.annotate.sources_compile import compile_source
from gas.errors import PackError
from tests.unit.annotate.engine.worlds import World, random_world, write_pack

WORLD = random_world(5)
HEAD = (
    "##fileformat=VCFv4.2\n"
    '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">\n'
    '##INFO=<ID=NOTE,Number=1,Type=String,Description="Note">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
)


class _Row(World):
    def with_change(self, pos: int, ref: bytes, alt: bytes) -> str:
        at = pos - 1
        return self.sequence[:at] + alt.decode() + self.sequence[at + len(ref) :]


def _session(folder: Path, name: str, text: str, file: str = "s.vcf") -> GasSession:
    """A session on WORLD with one source."""
    pack = write_pack(WORLD, folder)
    compile_model(pack, folder / "model.bin", models=WORLD.models)
    model = Model(folder / "model.bin", pack)
    (folder / file).write_text(text)
    target = pack.path / f"source-{name}.bin"
    spec = compile_source(name, [folder / file], target, model, ContigNames.of(pack)).spec
    pack = replace(pack, manifest={**pack.manifest, "sources": [spec.to_json()]})
    return GasSession(model, pack, Options(), sources=Sources(pack, model))


def _base(pos: int) -> str:
    return WORLD.sequence[pos - 1]


def _other(pos: int, skip: int = 0) -> str:
    return [b for b in "ACGT" if b != _base(pos)][skip]


def _record(pos: int, ref: str, alt: str) -> list[bytes]:
    return [f.encode() for f in ("1", str(pos), ".", ref, alt, ".", ".", ".")]


def _ids(entry: bytes) -> set[tuple[str, str]]:
    """Allele and Existing_variation of each row."""
    rows = entry.split(b";")[0].decode()[len("CSQ=") :].split(",")
    at = COLUMNS.index("Existing_variation")
    return {(row.split("|")[0], row.split("|")[at]) for row in rows}


@pytest.mark.parametrize("seed", range(200))
def test_an_allele_has_one_form_however_it_is_written(seed: int) -> None:
    rng = random.Random(seed)
    unit = "".join(rng.choices("ACGT", k=rng.randint(1, 3)))
    flank = "".join(rng.choices("ACGT", k=30))
    world = _Row(flank + unit * rng.randint(2, 6) + flank[::-1], ())
    at, size = rng.randint(10, 50), rng.randint(0, 4)
    ref = world.sequence[at - 1 : at - 1 + size].encode()
    alt = "".join(rng.choices("ACGT", k=rng.randint(0, 4))).encode()
    if ref == alt:
        alt += b"A"
    changed = world.with_change(at, ref, alt)
    form = normal_form(world, "1", at, ref, alt)
    assert _Row.with_change(world, *form) == changed
    before, after = rng.randint(0, 8), rng.randint(0, 8)
    left = world.sequence[at - 1 - before : at - 1].encode()
    right = world.sequence[at - 1 + size : at - 1 + size + after].encode()
    assert normal_form(world, "1", at - before, left + ref + right, left + alt + right) == form


def test_every_place_of_a_repeat_is_one_deletion() -> None:
    world = World("GT" + "CA" * 6 + "TTG", ())
    forms = {
        normal_form(world, "1", at, world.sequence[at - 1 : at + 1].encode(), b"")
        for at in range(3, 14)
    }
    assert forms == {(3, b"CA", b"")}


def test_keys_order_by_position() -> None:
    assert allele_key(7, b"A", b"C") < allele_key(7, b"AT", b"") < allele_key(8, b"A", b"C")


def test_ids_stand_with_their_own_allele(tmp_path: Path) -> None:
    a, b, c = _other(900), _other(900, 1), _other(900, 2)
    text = f"{HEAD}chr1\t900\trs1\t{_base(900)}\t{a}\t.\t.\t.\n"
    text += f"chr1\t900\trs2;rs3\t{_base(900)}\t{b}\t.\t.\t.\n"
    session = _session(tmp_path, "dbSNP", text)
    ref = _base(900)
    both, one, none = session.annotate(
        [_record(900, ref, f"{a},{b},{c}"), _record(900, ref, b), _record(900, ref, c)]
    )
    assert _ids(both) == {(a, "rs1"), (b, "rs2&rs3"), (c, "")}
    assert _ids(one) == {(b, "rs2&rs3")}
    assert _ids(none) == {(c, "")}
    assert b"\0" not in both + one + none


def test_values_go_to_info_one_for_each_allele(tmp_path: Path) -> None:
    a, b = _other(900), _other(900, 1)
    text = f"{HEAD}1\t900\t.\t{_base(900)}\t{a},<DEL>,{b}\t.\t.\tAF=0.1,0.2,0.3;NOTE=x, y\n"
    session = _session(tmp_path, "own", text)
    ref = _base(900)
    found = session.annotate(
        [
            _record(900, ref, b),
            _record(900, ref, f"{_other(900, 2)},{a}"),
            _record(901, _base(901), _other(901)),
        ]
    )
    assert found[0].split(b";")[1:] == [b"own_AF=0.3", b"own_NOTE=x&_y"]
    assert found[1].split(b";")[1:] == [b"own_AF=.,0.1", b"own_NOTE=.,x&_y"]
    assert b";" not in found[2]


def test_an_allele_given_twice_joins_its_ids_and_fills_its_values(tmp_path: Path) -> None:
    a = _other(900)
    lines = [f"1\t900\trs{i}\t{_base(900)}\t{a}\t.\t.\t.\n" for i in (1, 2, 1)]
    session = _session(tmp_path, "dbsnp", HEAD + "".join(lines))
    (entry,) = session.annotate([_record(900, _base(900), a)])
    assert _ids(entry) == {(a, "rs1&rs2")}


def test_bed_stretches_name_what_lies_in_them(tmp_path: Path) -> None:
    text = "track x\nchr1\t899\t901\tfirst\n1\t900\t902\tsecond\n1\t950\t940\twrong way\n"
    session = _session(tmp_path, "places", text, "s.bed")
    records = [_record(pos, _base(pos), _other(pos)) for pos in range(899, 904)]
    found = [entry.partition(b";")[2] for entry in session.annotate(records)]
    assert found == [b"", b"places=first", b"places=first&second", b"places=second", b""]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1\t5\t.\tA\tC\t.\t.\t.\n", "before a #CHROM line"),
        (HEAD + "1\tx\t.\tA\tC\t.\t.\t.\n", "line 5"),
        (HEAD + "1\t99999999999\t.\tA\tC\t.\t.\t.\n", "line 5"),
        (HEAD + "17\t5\t.\tA\tC\t.\t.\t.\n", "nothing on any contig"),
        ("", "no #CHROM line"),
    ],
)
def test_a_bad_file_is_refused_by_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(PackError, match=says):
        _session(tmp_path, "own", text)
    assert not list(tmp_path.rglob("source-*"))


@pytest.mark.parametrize("damage", [b"", b"GASSRC", b"GASSRC\x00\x01\xff\xff\xff\x7f\0\0\0\0{}"])
def test_a_damaged_source_is_named(tmp_path: Path, damage: bytes) -> None:
    session = _session(tmp_path, "own", HEAD + f"1\t9\t.\t{_base(9)}\t{_other(9)}\t.\t.\tAF=1\n")
    assert session.annotate([_record(9, _base(9), _other(9))])
    (file,) = tmp_path.rglob("source-own.bin")
    file.unlink()
    file.write_bytes(damage)
    spec = SourceSpec("own", file.name, "vcf", (), False)
    pack = write_pack(WORLD, tmp_path)
    pack = replace(pack, path=file.parent, manifest={**pack.manifest, "sources": [spec.to_json()]})
    with pytest.raises(PackError, match="source own"):
        Sources(pack, WORLD)
