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

from gas.annotate.pack import Pack
from gas.errors import PackError, TransientError
from gas.reference.fetch import Remote, fetch
from gas.reference.recipes import RECIPES, install_genome, install_source
from tests.annotation import gff_of, synthetic_sequence


class Server(ThreadingHTTPServer):
    """Files by path; ``breaks``: the next answer ends after so many bytes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.breaks: int | None = None
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
            self.send_error(404)
            return
        tag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if self.headers.get("If-Range", tag) != tag:
            start = 0
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:][: self.server.breaks])
        self.server.breaks = None


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield http
        http.hold.set()
        http.shutdown()
        thread.join()


BODY = bytes(range(256)) * 40


def test_an_interrupted_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.files = {"/f.gz": BODY, "/SUMS": f"{hashlib.md5(BODY).hexdigest()}  ./f.gz\n".encode()}
    remote = Remote(f"{server.url}/f.gz", f"{server.url}/SUMS")
    server.breaks = 5000
    with pytest.raises(TransientError, match="goes on from here"):
        fetch(remote, tmp_path)
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.asked[1] == ("/f.gz", "bytes=5000-")
    assert [path.name for path in tmp_path.iterdir()] == ["f.gz"]


def test_a_file_that_changed_meanwhile_is_started_over(server: Server, tmp_path: Path) -> None:
    server.files = {"/f.gz": BODY}
    server.breaks = 5000
    with pytest.raises(TransientError):
        fetch(Remote(f"{server.url}/f.gz"), tmp_path)
    server.files = {"/f.gz": BODY[::-1]}
    assert fetch(Remote(f"{server.url}/f.gz"), tmp_path).read_bytes() == BODY[::-1]


def test_checksums_of_both_kinds_are_held_against_the_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(BODY)
    said = subprocess.run(["sum", str(tmp_path / "x")], capture_output=True, text=True, check=True)
    number, blocks = said.stdout.split()[:2]
    server.files = {"/f.gz": BODY, "/CHECKSUMS": f"{number} {blocks} f.gz\n".encode()}
    remote = Remote(f"{server.url}/f.gz", f"{server.url}/CHECKSUMS")
    assert fetch(remote, tmp_path).read_bytes() == BODY
    (tmp_path / "f.gz").unlink()
    for wrong in (b"00001 11 f.gz\n", b"0" * 32 + b"  f.gz\n"):
        server.files["/CHECKSUMS"] = wrong
        with pytest.raises(PackError, match="differs from the checksum"):
            fetch(remote, tmp_path)
        assert not (tmp_path / "f.gz").exists()
    server.files["/CHECKSUMS"] = b"1 1 other\n"
    with pytest.raises(PackError, match="does not name"):
        fetch(remote, tmp_path)


def test_a_server_that_has_no_file_or_no_answer(server: Server, tmp_path: Path) -> None:
    with pytest.raises(PackError, match="answered 404"):
        fetch(Remote(f"{server.url}/f.gz"), tmp_path)
    server.hold.clear()
    with pytest.raises(TransientError, match="could not be read"):
        fetch(Remote(f"{server.url}/f.gz"), tmp_path, timeout_s=0.05)


def test_a_recipe_becomes_a_reference_and_a_source_part_of_it(
    server: Server, tmp_path: Path
) -> None:
    accession = "NC_000020.11"
    genome = gzip.compress(f">{accession} Homo sapiens\n{synthetic_sequence()}\n".encode())
    known = (
        '##fileformat=VCFv4.1\n##INFO=<ID=CLNSIG,Number=.,Type=String,Description="x">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        f"20\t1\t1\t{synthetic_sequence()[0]}\tN\t.\t.\tCLNSIG=Benign\n"
    )
    server.files = {
        "/g.fna.gz": genome,
        "/genes.gff.gz": gzip.compress(gff_of(accession).encode()),
        "/clinvar.vcf.gz": gzip.compress(known.encode()),
    }
    recipe = replace(
        RECIPES["grch38-mane-refseq"],
        files=(Remote(f"{server.url}/g.fna.gz"),),
        genes=Remote(f"{server.url}/genes.gff.gz"),
    )
    pack = install_genome(recipe, tmp_path).pack
    assert dict(pack.contigs) == {"chr20": 3000}
    clinvar = replace(RECIPES["clinvar-grch38"], files=(Remote(f"{server.url}/clinvar.vcf.gz"),))
    assert install_source(clinvar, pack, tmp_path) == 1
    assert "sources" in Pack.open(pack.path).manifest
    assert not list((tmp_path / ".downloads").iterdir())
    with pytest.raises(PackError, match="of the same assembly"):
        install_source(RECIPES["clinvar-grch37"], pack, tmp_path)
