"""Recipes against a server on this machine that serves small files of the publishers' layout."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gas.annotate.pack import Pack
from gas.annotate.sources import specs_of
from gas.cli import app
from gas.config import Settings
from gas.errors import PackError, TransientError
from gas.reference import manifest
from gas.reference.fetch import Fetched, Remote, fetch
from gas.reference.recipes import RECIPES, install_genome, install_source
from tests.annotation import HEADER, gff_of, infos_of, synthetic_sequence


class Server(ThreadingHTTPServer):
    """Files by path; ``breaks``: the next answer for a path ends after so many bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.breaks: dict[str, int] = {}
        #: What is said of a file that is not there.
        self.refusal = 404
        self.asked: list[tuple[str, str]] = []
        self.hold = threading.Event()
        self.hold.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.hold.wait(10)
        asked = self.headers.get("Range", "")
        self.server.asked.append((self.path, asked))
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(self.server.refusal)
            return
        tag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if self.headers.get("If-Range", tag) != tag:
            start = 0
        if start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:][: self.server.breaks.pop(self.path, None)])


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield http
        http.hold.set()
        http.shutdown()
        thread.join()


BODY = bytes(range(256)) * 40


def test_an_interrupted_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.files = {"/f.gz": BODY, "/SUMS": f"{hashlib.md5(BODY).hexdigest()}  ./f.gz\n".encode()}
    remote = Remote(f"{server.url}/f.gz", f"{server.url}/SUMS")
    server.breaks = {"/f.gz": 5000}
    with pytest.raises(TransientError, match="could not be read") as broke:
        fetch(remote, tmp_path)
    assert "goes on from here" in broke.value.hint
    assert fetch(remote, tmp_path) == Fetched(tmp_path / "f.gz", checked=True)
    assert (tmp_path / "f.gz").read_bytes() == BODY
    assert [asked for path, asked in server.asked if path == "/f.gz"] == ["", "bytes=5000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["f.gz"]


def test_a_download_that_was_whole_but_not_named_yet_is_not_repeated(
    server: Server, tmp_path: Path
) -> None:
    server.files = {"/f.gz": BODY}
    remote = Remote(f"{server.url}/f.gz")
    fetch(remote, tmp_path).path.rename(tmp_path / "f.gz.part")
    tag = f'"{hashlib.sha256(BODY).hexdigest()[:8]}"'
    (tmp_path / "f.gz.version").write_text(tag)
    server.breaks = {"/f.gz": 0}  # whatever body comes now is empty
    assert fetch(remote, tmp_path).path.read_bytes() == BODY


def test_a_file_that_changed_meanwhile_is_started_over(server: Server, tmp_path: Path) -> None:
    server.files = {"/f.gz": BODY}
    server.breaks = {"/f.gz": 5000}
    with pytest.raises(TransientError):
        fetch(Remote(f"{server.url}/f.gz"), tmp_path)
    server.files = {"/f.gz": BODY[::-1]}
    found = fetch(Remote(f"{server.url}/f.gz"), tmp_path)
    assert (found.path.read_bytes(), found.checked) == (BODY[::-1], False)


def test_checksums_of_both_kinds_are_held_against_the_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(BODY)
    said = subprocess.run(["sum", str(tmp_path / "x")], capture_output=True, text=True, check=True)
    number, blocks = said.stdout.split()[:2]
    server.files = {"/f.gz": BODY, "/CHECKSUMS": f"{number} {blocks} f.gz\n".encode()}
    remote = Remote(f"{server.url}/f.gz", f"{server.url}/CHECKSUMS")
    assert fetch(remote, tmp_path).checked
    (tmp_path / "f.gz").unlink()
    for wrong in (b"00001 11 f.gz\n", b"0" * 32 + b"  f.gz\n"):
        server.files["/CHECKSUMS"] = wrong
        with pytest.raises(PackError, match="differs from the checksum"):
            fetch(remote, tmp_path)
        assert not (tmp_path / "f.gz").exists()
    server.files["/CHECKSUMS"] = b"what f.gz\n"
    with pytest.raises(PackError, match="no checksums that are known"):
        fetch(remote, tmp_path)


def test_a_list_of_one_file_alone_may_call_it_something_else(
    server: Server, tmp_path: Path
) -> None:
    md5 = hashlib.md5(BODY).hexdigest()
    server.files = {"/f.gz": BODY, "/f.gz.md5": f"{md5}  /home/of/f_20261123.gz\n".encode()}
    remote = Remote(f"{server.url}/f.gz", f"{server.url}/f.gz.md5")
    assert fetch(remote, tmp_path).checked
    (tmp_path / "f.gz").unlink()
    server.files["/SUMS"] = server.files["/f.gz.md5"]
    assert not fetch(replace(remote, sums=f"{server.url}/SUMS"), tmp_path).checked


def test_a_server_that_has_no_file_or_no_answer(server: Server, tmp_path: Path) -> None:
    with pytest.raises(PackError, match="answered 404"):
        fetch(Remote(f"{server.url}/f.gz"), tmp_path)
    server.refusal = 503
    with pytest.raises(TransientError, match="answered 503"):
        fetch(Remote(f"{server.url}/f.gz"), tmp_path)
    server.hold.clear()
    with pytest.raises(TransientError, match="could not be read"):
        fetch(Remote(f"{server.url}/f.gz"), tmp_path, timeout_s=0.05)


# -- recipes, by the command and from a mirror of the publishers' own layout -----------------------

NCBI = "/ftp.ncbi.nlm.nih.gov"
ENSEMBL = "/ftp.ensembl.org/pub/release-115"
GENCODE = "/ftp.ebi.ac.uk/pub/databases/gencode/Gencode_human/release_19"
GNOMAD = "/storage.googleapis.com/gcp-public-data--gnomad/release"


def run(*arguments: object) -> str:
    """What the command prints."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def genome_of(*names: str) -> bytes:
    return gzip.compress("".join(f">{n} x\n{synthetic_sequence()}\n" for n in names).encode())


def genes_of(contig: str) -> bytes:
    return gzip.compress(("##gff-version 3\n" + gff_of(contig)).encode())


def known_of(contig: str, info: str, kind: str = ".", id: str = ".") -> bytes:
    """A publisher's VCF of one allele, position 10."""
    base = synthetic_sequence()[9]
    alt = "A" if base != "A" else "C"
    key = info.partition("=")[0]
    return gzip.compress(
        f'##fileformat=VCFv4.2\n##INFO=<ID={key},Number={kind},Type=String,Description="x">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        f"{contig}\t10\t{id}\t{base}\t{alt}\t.\t.\t{info}\n".encode()
    )


def sums_of(folder: str, files: dict[str, bytes]) -> bytes:
    """As ``md5sum`` writes them, of the files below ``folder``."""
    return "".join(
        f"{hashlib.md5(body).hexdigest()}  ./{path.rpartition('/')[2]}\n"
        for path, body in files.items()
        if path.startswith(folder)
    ).encode()


def bsd_sums_of(files: dict[str, bytes]) -> bytes:
    """As ``sum`` writes them: sum, blocks, name."""
    lines = []
    for path, body in files.items():
        value = 0
        for byte in body:
            value = ((value >> 1) + ((value & 1) << 15) + byte) & 0xFFFF
        lines.append(f"{value:05} {-(-len(body) // 1024):5} {path.rpartition('/')[2]}\n")
    return "".join(lines).encode()


def published() -> dict[str, bytes]:
    """What the publishers have, small: every address that a recipe knows."""
    fasta = {
        f"{ENSEMBL}/fasta/homo_sapiens/dna/Homo_sapiens.GRCh38.dna.primary_assembly.fa.gz":
            genome_of("20", "MT"),
    }  # fmt: skip
    gff = {f"{ENSEMBL}/gff3/homo_sapiens/Homo_sapiens.GRCh38.115.gff3.gz": genes_of("20")}
    refseq = f"{NCBI}/genomes/all/GCF/000/001/405/GCF_000001405.40_GRCh38.p14"
    mane = f"{NCBI}/refseq/MANE/MANE_human/release_1.5"
    ncbi = {
        f"{refseq}/GCF_000001405.40_GRCh38.p14_genomic.fna.gz":
            genome_of("NC_000020.11", "NT_187361.1", "NC_012920.1"),
    }  # fmt: skip
    gencode = {
        f"{GENCODE}/GRCh37.p13.genome.fa.gz": genome_of("chr20", "chrM"),
        f"{GENCODE}/gencode.v19.annotation.gff3.gz": genes_of("chr20"),
    }
    files = {
        **fasta,
        f"{ENSEMBL}/fasta/homo_sapiens/dna/CHECKSUMS": bsd_sums_of(fasta),
        **gff,
        f"{ENSEMBL}/gff3/homo_sapiens/CHECKSUMS": bsd_sums_of(gff),
        **ncbi,
        f"{refseq}/md5checksums.txt": sums_of(refseq, ncbi),
        f"{mane}/MANE.GRCh38.v1.5.refseq_genomic.gff.gz": genes_of("NC_000020.11"),
        **gencode,
        f"{GENCODE}/MD5SUMS": sums_of(GENCODE, gencode),
        f"{GNOMAD}/2.1.1/vcf/exomes/gnomad.exomes.r2.1.1.sites.vcf.bgz":
            known_of("20", "AF=0.5", "A"),
    }  # fmt: skip
    for build, accession in (("GRCh37", "NC_000020.10"), ("GRCh38", "NC_000020.11")):
        clinvar = f"{NCBI}/pub/clinvar/vcf_{build}/clinvar.vcf.gz"
        files[clinvar] = known_of("20", "CLNSIG=Benign")
        md5 = hashlib.md5(files[clinvar]).hexdigest()
        files[f"{clinvar}.md5"] = f"{md5}  /ftp/clinvar_20261123.vcf.gz\n".encode()
        name = "GCF_000001405.25.gz" if build == "GRCh37" else "GCF_000001405.40.gz"
        dbsnp = f"{NCBI}/snp/latest_release/VCF/{name}"
        files[dbsnp] = known_of(accession, "RS=7", "1", id="rs7")
        files[f"{dbsnp}.md5"] = sums_of(dbsnp, {dbsnp: files[dbsnp]})
    for chromosome in (*range(1, 23), "X", "Y"):
        path = f"{GNOMAD}/4.1/vcf/exomes/gnomad.exomes.v4.1.sites.chr{chromosome}.vcf.bgz"
        files[path] = known_of(f"chr{chromosome}", "AF=0.5", "A")
    return files


@pytest.mark.parametrize(
    ("reference", "contigs", "unchecked"),
    [
        ("grch38-ensembl", ["20", "MT"], []),
        ("grch38-mane-refseq", ["chr20", "NT_187361.1", "chrM"], ["MANE.GRCh38.v1.5.refseq_ge"]),
        ("grch37-gencode19", ["chr20", "chrM"], []),
    ],
)
def test_recipes_are_installed_by_name_and_sources_added_to_them(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reference: str,
    contigs: list[str],
    unchecked: list[str],
) -> None:
    server.files = published()
    settings = Settings(data_dir=tmp_path)
    monkeypatch.setattr("gas.config.get_settings", lambda: settings)
    done = run("reference", "install", reference, "--mirror", server.url)
    assert (done.count("No checksum") == 1) == bool(unchecked)
    assert all(name in done for name in unchecked)
    pack = Pack.open(tmp_path / "references" / reference)
    assert list(pack.contigs) == contigs
    build = pack.assembly.lower()
    for source in ("clinvar", "dbsnp", "gnomad"):
        name = f"{source}-{build}"
        said = run("reference", "install", name, "-r", reference, "--mirror", server.url)
        assert f"{reference} knows 1 alleles or places of {source}." in said
        assert ("No checksum" in said) == (source == "gnomad")
    pack = Pack.open(pack.path)
    manifest.verify(pack)
    assert [spec.name for spec in specs_of(pack)] == ["clinvar", "dbsnp", "gnomad"]
    assert not list((tmp_path / "references" / ".downloads").iterdir())
    base = synthetic_sequence()[9]
    (tmp_path / "in.vcf").write_bytes(HEADER + b"20\t10\t.\t%s\tA,C,G,T\t.\t.\t.\n" % base.encode())
    run("annotate", tmp_path / "in.vcf", "-o", tmp_path / "out.vcf.gz", "-r", reference)
    (info,) = infos_of(tmp_path / "out.vcf.gz")
    for expected in (b"clinvar_CLNSIG=", b"Benign", b"gnomad_AF=", b"|rs7|"):
        assert expected in info


def test_every_address_of_every_recipe_is_served_above() -> None:
    known = published()
    asked = {
        f"/{url.partition('://')[2]}"
        for recipe in RECIPES.values()
        for remote in (*recipe.files, recipe.genes)
        if remote is not None
        for url in (remote.url, remote.sums)
        if url
    }
    assert asked == set(known)
    listed = run("reference", "recipes")
    assert all(name in listed for name in RECIPES)


def test_a_source_of_another_assembly_and_a_reference_that_is_there(
    server: Server, tmp_path: Path
) -> None:
    server.files = published()
    recipe = RECIPES["grch38-ensembl"].at(server.url)
    pack = install_genome(recipe, tmp_path).pack
    with pytest.raises(PackError, match="of the same assembly") as refused:
        install_source(RECIPES["clinvar-grch37"].at(server.url), pack, tmp_path)
    assert "GRCh38" in str(refused.value)
    with pytest.raises(PackError, match="already"):
        install_genome(recipe, tmp_path)
    before = len(server.asked)
    with pytest.raises(PackError, match="allele source"):
        install_genome(RECIPES["clinvar-grch38"], tmp_path)
    assert len(server.asked) == before
