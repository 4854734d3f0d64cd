"""Allele sources: found however an allele is written, a value for each ALT, nothing lost."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gas.annotate.pack import Pack
from gas.annotate.run import annotate
from gas.annotate.sources import normal_form, specs_of
from gas.annotate.strip import strip
from gas.errors import EngineError, PackError
from gas.reference import manifest
from gas.reference.add_source import add_source
from tests.annotation import COURSE, NA12878, demo_pack, records_of, text_of

FREE_1 = next(path for path in COURSE if path.name == "free_1.vcf.gz")
HEADER = "##fileformat=VCFv4.2\n"
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


class Text:
    """A genome of one contig."""

    def __init__(self, text: str) -> None:
        self.text = text

    def fetch(self, contig: str, start: int, end: int) -> str:
        return self.text[max(0, start - 1) : max(0, end)]


@given(
    st.text("AC", min_size=6, max_size=30),
    st.integers(1, 25),
    st.integers(0, 5),
    st.text("AC", max_size=4),
)
def test_all_ways_to_write_a_change_have_one_form(
    genome: str, pos: int, length: int, alt: str
) -> None:
    """The same change written with more bases around it, or elsewhere in a repeat."""
    pos = min(pos, len(genome))
    ref = genome[pos - 1 : pos - 1 + length]
    changed = genome[: pos - 1] + alt + genome[pos - 1 + len(ref) :]
    if changed == genome:
        return
    world = Text(genome)
    form = normal_form(world, "1", pos, ref.encode(), alt.encode())
    for start in range(1, len(genome) + 1):
        for end in range(start, len(genome) + 1):
            tail = len(genome) - end
            other = changed[start - 1 : len(changed) - tail]
            same = genome[: start - 1] + other + genome[end:] == changed
            if same and start - 1 + tail <= len(changed):
                written = genome[start - 1 : end]
                assert normal_form(world, "1", start, written.encode(), other.encode()) == form


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """A demo pack of one's own, without sources."""
    folder = tmp_path / "packs" / "demo"
    shutil.copytree(demo_pack().path, folder, ignore=shutil.ignore_patterns("source-*", "genome*"))
    for file in demo_pack().path.glob("genome*"):
        (folder / file.name).symlink_to(file)
    import json

    values = json.loads((folder / "manifest.json").read_text())
    values["sources"] = []
    values["files"] = {k: v for k, v in values["files"].items() if not k.startswith("source-")}
    (folder / "manifest.json").write_text(json.dumps(values))
    return Pack.open(folder)


def run(tmp_path: Path, pack: Pack, body: str, header: str = "") -> list[list[bytes]]:
    """The INFO entries of each record of the result."""
    source, out = tmp_path / "in.vcf", tmp_path / "out.vcf.gz"
    source.write_text(HEADER + header + COLUMNS + body)
    annotate(source, out, Pack.open(pack.path), "gas")
    assert b"".join(strip(out)) == source.read_bytes()
    lines = gzip.decompress(out.read_bytes()).splitlines()
    return [line.split(b"\t")[7].split(b";") for line in lines if not line.startswith(b"#")]


def vcf(tmp_path: Path, body: str) -> Path:
    path = tmp_path / "source.vcf"
    info = '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">\n'
    flag = '##INFO=<ID=NOTE,Number=1,Type=String,Description="A note">\n'
    path.write_text(HEADER + info + flag + COLUMNS + body)
    return path


def test_each_alt_gets_its_own_and_chr_is_no_matter(tmp_path: Path, pack: Pack) -> None:
    done = add_source(
        pack,
        "mine",
        [vcf(tmp_path, "chr20\t100000\trs1\tA\tC,G\t.\t.\tAF=0.1,0.2;NOTE=a b\n")],
        ids=True,
    )
    assert done.alleles == 2
    (entries,) = run(tmp_path, pack, "20\t100000\t.\tA\tT,G,C\t.\t.\tX=1\n")
    assert b"mine_AF=.,0.2,0.1" in entries
    assert b"mine_NOTE=.,a_b,a_b" in entries
    rows = next(entry for entry in entries if entry.startswith(b"CSQ="))[4:].split(b",")
    assert {row.split(b"|")[0]: b"|rs1|" in row for row in rows} == {
        b"T": False,
        b"G": True,
        b"C": True,
    }


def test_an_indel_is_found_however_it_is_written(tmp_path: Path, pack: Pack) -> None:
    """MT 303 to 309 is a run of C: one more of them can be written in many places."""
    add_source(pack, "mine", [vcf(tmp_path, "MT\t309\t.\tC\tCC\t.\t.\tAF=0.5\n")])
    body = (
        "MT\t302\t.\tA\tAC\t.\t.\t.\nMT\t303\t.\tC\tCC\t.\t.\t.\nMT\t307\t.\tCCC\tCCCC\t.\t.\t.\n"
    )
    for entries in run(tmp_path, pack, body):
        assert b"mine_AF=0.5" in entries


def test_a_bed_names_places(tmp_path: Path, pack: Pack) -> None:
    bed = tmp_path / "places.bed"
    bed.write_text("20\t99999\t100001\tone\n20\t100000\t100002\ttwo; or =\n")
    add_source(pack, "places", [bed])
    body = "".join(f"20\t{pos}\t.\tN\tC\t.\t.\t.\n" for pos in range(99_999, 100_004))
    found = [
        [e for e in entries if e.startswith(b"places")] for entries in run(tmp_path, pack, body)
    ]
    assert found == [
        [],
        [b"places=one"],
        [b"places=one&two__or__"],
        [b"places=two__or__"],
        [],
    ]


def test_the_inputs_own_values_stay(tmp_path: Path, pack: Pack) -> None:
    add_source(pack, "mine", [vcf(tmp_path, "20\t100000\t.\tA\tC\t.\t.\tAF=0.1;NOTE=ours\n")])
    theirs = '##INFO=<ID=mine_AF,Number=A,Type=Float,Description="Theirs">\n'
    body = "20\t100000\t.\tA\tC\t.\t.\tmine_AF=0.9\n20\t100000\t.\tA\tC\t.\t.\t.\n"
    for header in (theirs, ""):  # declared, or only in a record
        first, second = run(tmp_path, pack, body, header)
        assert [e for e in first if e.startswith(b"mine_AF")] == [b"mine_AF=0.9"]
        assert not [e for e in second if e.startswith(b"mine_AF")]
        assert b"mine_NOTE=ours" in second


def test_a_source_is_replaced_whole_and_the_manifest_tells(tmp_path: Path, pack: Pack) -> None:
    add_source(pack, "mine", [vcf(tmp_path, "20\t100000\t.\tA\tC\t.\t.\tAF=0.1\n")])
    first = Pack.open(pack.path)
    add_source(first, "mine", [vcf(tmp_path, "20\t100000\t.\tA\tC\t.\t.\tAF=0.2\n")])
    second = Pack.open(pack.path)
    assert first.digest != second.digest
    assert [spec.name for spec in specs_of(second)] == ["mine"]
    assert len(list(pack.path.glob("source-*"))) == 1
    manifest.verify(second)
    (entries,) = run(tmp_path, pack, "20\t100000\t.\tA\tC\t.\t.\t.\n")
    assert b"mine_AF=0.2" in entries


def test_several_files_make_the_source_that_one_file_would(
    tmp_path: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any order, and whether or not what is read is held in memory."""
    rows = [
        f"{contig}\t{pos}\t.\tA\tC,T\t.\t.\tAF=0.{pos % 90 + 10},0.5\n"
        for contig in ("20", "MT")
        for pos in range(2_000, 2_100)
    ]
    add_source(pack, "mine", [vcf(tmp_path, "".join(rows))])
    (whole,) = pack.path.glob("source-*")
    expected = whole.read_bytes()
    halves = []
    for number, part in enumerate((rows[1::2], rows[::2])):
        halves.append(vcf(tmp_path, "".join(part)).rename(tmp_path / f"part{number}.vcf"))
    monkeypatch.setattr("gas.annotate.sources_compile._HELD", 7)
    assert add_source(pack, "mine", halves).alleles == 400
    (joined,) = pack.path.glob("source-*")
    assert joined.read_bytes() == expected
    other = tmp_path / "other.vcf"
    other.write_text(HEADER + COLUMNS + "20\t5\t.\tA\tC\t.\t.\t.\n")
    with pytest.raises(PackError, match=r"other\.vcf has other fields than part0\.vcf"):
        add_source(pack, "mine", [halves[0], other])
    with pytest.raises(PackError, match="one file"):
        add_source(pack, "mine", [tmp_path / "a.bed", tmp_path / "b.bed"])
    assert not list(pack.path.glob(".source*"))


def test_accessions_of_another_assembly_are_no_contigs_of_this_one(
    tmp_path: Path, pack: Pack
) -> None:
    """dbSNP's contigs are accessions: NC_000020.10 is GRCh37's, NC_000020.11 is GRCh38's."""
    there = "NC_000020.10\t100000\t.\tA\tC\t.\t.\tAF=0.1\n"
    done = add_source(pack, "mine", [vcf(tmp_path, there + there.replace(".10", ".11"))])
    assert (done.alleles, done.passed_over) == (1, 1)
    with pytest.raises(PackError, match="nothing on any contig"):
        add_source(pack, "mine", [vcf(tmp_path, there.replace(".10", ".11"))])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("bad name", HEADER + COLUMNS, "cannot name a source"),
        ("mine", "no vcf\n", "no VCF|comes before"),
        ("mine", HEADER + COLUMNS + "20\tx\t.\tA\tC\t.\t.\t.\n", "line 3"),
        ("mine", HEADER + COLUMNS + "77\t5\t.\tA\tC\t.\t.\t.\n", "nothing on any contig"),
    ],
)
def test_a_bad_source_leaves_the_pack_as_it_was(
    tmp_path: Path, pack: Pack, name: str, text: str, said: str
) -> None:
    path = tmp_path / "bad.vcf"
    path.write_text(text)
    before = {file.name for file in pack.path.iterdir()}
    with pytest.raises(PackError, match=said):
        add_source(pack, name, [path])
    new = {file.name for file in pack.path.iterdir()} - before
    assert not [name for name in new if "source" in name or "manifest" in name]
    assert Pack.open(pack.path).digest == pack.digest


def test_known_and_novel_records_are_counted_alike_in_any_processes(tmp_path: Path) -> None:
    """Known: the 7,273 common variants of the demo's dbSNP, and MITOMAP's; 20:63426 is one."""
    body = (
        "20\t63426\t.\tG\tA\t.\t.\t.\n"  # listed
        "20\t63426\t.\tG\tC\t.\t.\t.\n"  # another allele there
        "20\t63426\t.\tG\tC,A\t.\t.\t.\n"  # one of two is listed
        "20\t63426\t.\tC\tA\t.\t.\t.\n"  # not annotated: REF differs
        "20\t63427\t.\tN\tA\t.\t.\t.\n"
    )
    (tmp_path / "in.vcf").write_text(HEADER + COLUMNS + body)
    for workers in (1, 2):
        report = annotate(
            tmp_path / "in.vcf", tmp_path / "o.vcf.gz", demo_pack(), "gas", workers=workers
        )
        values = report.to_json()
        assert (values["annotated"], values["known"], values["novel"]) == (4, 2, 2)


def test_ids_are_filled_where_asked_and_where_there_is_none(tmp_path: Path, pack: Pack) -> None:
    ids = (
        "20\t100000\trs1\tA\tC\t.\t.\tAF=0.1\n"
        "20\t100000\trs1;rs2\tA\tG\t.\t.\tAF=0.1\n"
        "20\t100001\trs9\tC\tT\t.\t.\tAF=0.1\n"
    )
    add_source(pack, "dbsnp", [vcf(tmp_path, ids)])
    add_source(Pack.open(pack.path), "mine", [vcf(tmp_path, ids.replace("\trs", "\tother"))])
    body = (
        "20\t100000\t.\tA\tC,G\t.\t.\t.\n"
        "20\t100000\tmine\tA\tC\t.\t.\t.\n"
        "20\t100000\t.\tA\tT\t.\t.\t.\n"
        "20\t100001\t.\tG\tT\t.\t.\t.\n"  # REF differs
        "20\t100001\t.\tC\tT\t.\t.\t.\n"
    )
    source, out = tmp_path / "in.vcf", tmp_path / "o.vcf.gz"
    source.write_text(HEADER + COLUMNS + body)
    wanted = {"no": [b".", b"mine", *[b"."] * 3], "yes": [b"rs1;rs2", b"mine", b".", b".", b"rs9"]}
    for fill, expected in wanted.items():
        annotate(source, out, Pack.open(pack.path), "gas", {"fill-id": fill})
        assert [record[2] for record in records_of(out)] == expected
    first = records_of(out)[0][7]
    assert b"|rs1|" in first
    assert b"|rs1&rs2|" in first
    assert b'EngineOptions="fill-id=yes"' in text_of(out)
    with pytest.raises(EngineError, match="Give yes or no"):
        annotate(source, out, Pack.open(pack.path), "gas", {"fill-id": "maybe"})


def test_places_alone_make_nothing_known(tmp_path: Path, pack: Pack) -> None:
    bed = tmp_path / "places.bed"
    bed.write_text("20\t0\t60000000\tall\n")
    add_source(pack, "places", [bed])
    (tmp_path / "in.vcf").write_text(HEADER + COLUMNS + "20\t100000\t.\tA\tC\t.\t.\t.\n")
    values = annotate(tmp_path / "in.vcf", tmp_path / "o.vcf.gz", Pack.open(pack.path)).to_json()
    assert (values["known"], values["novel"]) == (None, None)


def test_the_demo_is_whole() -> None:
    manifest.verify(demo_pack())


def test_the_demo_knows_dbsnp_and_mitomap(tmp_path: Path) -> None:
    out = tmp_path / "out.vcf.gz"
    annotate(NA12878, out, demo_pack())
    assert b"|rs13038781|" in gzip.decompress(out.read_bytes())
    annotate(FREE_1, out, demo_pack())
    assert b"".join(strip(out)) == gzip.decompress(FREE_1.read_bytes())
    text = gzip.decompress(out.read_bytes())
    assert text.count(b"mitomap_Disease=") > 50
    assert b"##INFO=<ID=mitomap_Disease," in text
