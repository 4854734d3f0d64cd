from __future__ import annotations

import gzip
import json
from pathlib import Path

import pysam
import pytest

from gas.annotate import bgzf
from gas.annotate.model import model_path, open_model
from gas.annotate.pack import Pack
from gas.annotate.run import annotate
from gas.errors import PackError
from gas.reference import manifest, packs
from gas.reference.build import build
from tests.annotation import HEADER, gff_of, infos_of, record, synthetic_pack, synthetic_sequence

FASTA = f">1 the first\n{synthetic_sequence()}\n".encode()
GFF = ("##gff-version 3\n#note\n" + gff_of("1")).encode()


def made(folder: Path, fasta: bytes = FASTA, gff: bytes = GFF, **more: object) -> Pack:
    (folder / "g.fa").write_bytes(fasta)
    (folder / "g.gff3").write_bytes(gff)
    built = build("mine", [folder / "g.fa"], [folder / "g.gff3"], folder / "packs", **more)  # type: ignore[arg-type]
    return built.pack


def test_a_pack_holds_the_genome_and_its_genes(tmp_path: Path) -> None:
    pack = synthetic_pack(tmp_path)
    assert dict(pack.contigs) == {"1": 3000, "MT": 1000}
    with pysam.FastaFile(str(pack.fasta)) as genome:
        assert genome.fetch("1") == synthetic_sequence()
        assert genome.fetch("MT", 100, 110) == synthetic_sequence()[100:110]
    assert gzip.decompress(pack.gff.read_bytes()).count(b"\n") == 1 + 2 * 6
    assert (pack.genetic_code("1"), pack.genetic_code("MT")) == (1, 2)
    manifest.verify(pack)


@pytest.mark.parametrize("compress", [gzip.compress, lambda b: bgzf.compress(b) + bgzf.EOF])
def test_the_same_content_gives_the_same_files(tmp_path: Path, compress: object) -> None:
    assert callable(compress)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = made(tmp_path / "a")
    two = made(tmp_path / "b", compress(FASTA), compress(GFF))
    assert one.manifest["files"] == two.manifest["files"]
    again = made(tmp_path / "a", replace_existing=True)
    assert again.digest == one.digest


def test_case_and_line_length_do_not_matter(tmp_path: Path) -> None:
    sequence = synthetic_sequence().lower()
    wrapped = "\r\n".join(sequence[i : i + 71] for i in range(0, len(sequence), 71))
    pack = made(tmp_path, f">1\r\n{wrapped}".encode())
    with pysam.FastaFile(str(pack.fasta)) as genome:
        assert genome.fetch("1") == synthetic_sequence()


def test_ambiguous_bases_are_kept_and_agree_with_what_they_stand_for(tmp_path: Path) -> None:
    """IUPAC, lower case: R at 104 stands for A or G, so REF G is no mismatch, and with it the codon
    is GCT; beside it, where no REF says which, the codon cannot be told."""
    sequence = synthetic_sequence()
    pack = made(tmp_path, f">1\n{sequence[:103].lower()}r{sequence[104:].lower()}\n".encode())
    with pysam.FastaFile(str(pack.fasta)) as genome:
        assert genome.fetch("1", 101, 106) == f"{sequence[101:103]}R{sequence[104:106]}"
    body = record(104, "G", "A") + record(104, "R", "A") + record(106, sequence[105], "A")
    (tmp_path / "in.vcf").write_bytes(HEADER + body)
    annotate(tmp_path / "in.vcf", tmp_path / "out.vcf.gz", pack)
    terms = [info.split(b"|")[1:2] for info in infos_of(tmp_path / "out.vcf.gz")]
    assert terms == [[b"missense_variant"], [], [b"coding_sequence_variant"]]


@pytest.mark.parametrize(
    ("fasta", "gff", "says", "line"),
    [
        (b"", GFF, "empty", None),
        (b"ACGT\n", GFF, "does not start with >", 1),
        (b">1\nACGT\n>2\n>3\nA\n", GFF, "contig 2 has no sequence", 3),
        (b">1\nAC-GT\n", GFF, "something else than bases", 2),
        (b">\nACGT\n", GFF, "cannot be used", 1),
        (b">1,2\nACGT\n", GFF, "cannot be used", 1),
        (FASTA + FASTA, GFF, "there twice", None),
        (FASTA, b"", "empty", None),
        (FASTA, b"1\tx\tgene\t5\n", "4 of nine columns", 1),
        (FASTA, b"##x\n1\tx\tgene\t9\t5\t.\t+\t.\tID=a\n", "after its end", 2),
        (FASTA, b"1\tx\tgene\t0\t5\t.\t+\t.\tID=a\n", "whole numbers", 1),
        (FASTA, b"1\tx\tgene\t1\t5000\t.\t+\t.\tID=a\n", "ends at 5,000", 1),
        (FASTA, b"1\tx\tgene\t1\t5\t.\tx\t.\tID=a\n", "strand", 1),
        (FASTA, b"1\tx\tCDS\t1\t5\t.\t+\t7\tID=a\n", "phase", 1),
        (FASTA, b"1\tx\tgene\t1\t5\t.\t+\t.\tID=a\n", "No gene of these", None),
        (FASTA, b"chr1\tx\tgene\t1\t5\t.\t+\t.\tID=a\n", "no contig of the genome", None),
    ],
)
def test_faults_are_named_with_their_line(
    tmp_path: Path, fasta: bytes, gff: bytes, says: str, line: int | None
) -> None:
    with pytest.raises(PackError, match=says) as caught:
        made(tmp_path, fasta, gff)
    assert caught.value.line == line
    assert not list((tmp_path / "packs").iterdir())


def test_genes_of_other_contigs_are_left_out_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_bytes(FASTA)
    (tmp_path / "g.gff3").write_bytes(GFF + gff_of("7").encode())
    built = build("mine", [tmp_path / "g.fa"], [tmp_path / "g.gff3"], tmp_path / "packs")
    assert built.notes == [
        "g.gff3: contig 7 is not in the FASTA; 6 lines left out, the first is line 9."
    ]


def test_a_gff_without_coding_genes_is_noted(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_bytes(FASTA)
    (tmp_path / "g.gff3").write_bytes(
        b"1\tx\tgene\t1\t5\t.\t+\t.\tID=a\n1\tx\texon\t1\t5\t.\t+\t.\tParent=a\n"
    )
    notes = build("mine", [tmp_path / "g.fa"], [tmp_path / "g.gff3"], tmp_path / "p").notes
    assert len(notes) == 2


def test_faults_of_genes_are_noted_with_the_lines_of_the_input(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_bytes(FASTA)
    bad = (
        "1\tx\tmRNA\t1000\t1100\t.\t+\t.\tID=bad{0};Parent=gene:G1\n"
        "1\tx\tCDS\t1000\t1100\t.\t+\t0\tParent=bad{0}\n"
        "1\tx\texon\t1001\t1100\t.\t+\t.\tParent=bad{0}\n"
    )
    (tmp_path / "g.gff3").write_bytes(GFF + b"# a note\n" + bad.format("").encode())
    built = build("mine", [tmp_path / "g.fa"], [tmp_path / "g.gff3"], tmp_path / "p")
    # The CDS is line 11: six lines of the good gene behind two of comments, and a comment.
    assert built.notes == [
        "g.gff3 line 11: bad left out: its CDS 1000-1100 is not within an exon",
        "1 transcripts were left out, as told above or like them.",
    ]
    many = "".join(bad.format(number) for number in range(30))
    (tmp_path / "g.gff3").write_bytes(GFF + many.encode())
    notes = build("many", [tmp_path / "g.fa"], [tmp_path / "g.gff3"], tmp_path / "p").notes
    assert notes[-2:] == [
        "... and 10 more faults of the gene models.",
        "30 transcripts were left out, as told above or like them.",
    ]


def test_the_compiled_model_is_part_of_the_pack(tmp_path: Path) -> None:
    pack = made(tmp_path)
    model = model_path(pack, pack.path)
    assert model.name in pack.manifest["files"]  # type: ignore[operator]
    open_model(pack, tmp_path / "unused").close()
    manifest.verify(pack)
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    with pytest.raises(PackError, match=r"model-.* differs from its sha256"):
        manifest.verify(pack)
    # A later version of GAS removes it and makes its own.
    model.unlink()
    manifest.verify(pack)


def test_a_pack_of_that_name_is_not_replaced_unasked(tmp_path: Path) -> None:
    first = made(tmp_path)
    with pytest.raises(PackError, match="already"):
        made(tmp_path)
    manifest.verify(first)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "a b"])
def test_names_that_are_paths_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PackError, match="cannot name"):
        build(name, [], [], tmp_path)
    with pytest.raises(PackError, match="no reference"):
        packs.find(name, [tmp_path])


def test_packs_are_found_by_name_and_listed(tmp_path: Path) -> None:
    synthetic_pack(tmp_path)
    folders = packs.roots(tmp_path / "packs")
    assert [pack.name for pack in packs.available(folders)] == ["demo", "tiny"]
    assert packs.find("tiny", folders).assembly == "Test1"
    with pytest.raises(PackError, match=r"no reference 'other'.* demo, tiny"):
        packs.find("other", folders)


def test_verify_names_what_differs(tmp_path: Path) -> None:
    pack = synthetic_pack(tmp_path)
    broken = bytearray(pack.fasta.read_bytes())
    broken[50] ^= 1
    pack.fasta.write_bytes(broken)
    pack.gff.write_bytes(b"")
    (pack.path / "genome.fa.gz.fai").unlink()
    with pytest.raises(PackError) as caught:
        manifest.verify(pack)
    assert "genome.fa.gz differs from its sha256" in caught.value.message
    assert "genome.fa.gz.fai is missing" in caught.value.message
    assert "genes.gff3.gz has 0 bytes" in caught.value.message


def test_a_broken_manifest_is_a_pack_error(tmp_path: Path) -> None:
    pack = synthetic_pack(tmp_path)
    (pack.path / "manifest.json").write_text(json.dumps({"name": "x"}))
    with pytest.raises(PackError, match="cannot be read"):
        Pack.open(pack.path)


def test_the_shipped_pack_is_whole() -> None:
    manifest.verify(packs.find("demo", [packs.SHIPPED]))
