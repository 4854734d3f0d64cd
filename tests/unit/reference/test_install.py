from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gas.annotate.pack import Pack
from gas.errors import PackError, TransientError
from gas.reference import manifest, packs
from gas.reference.install import install
from tests.annotation import synthetic_pack


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    pack = synthetic_pack(tmp_path / "made")
    path = tmp_path / "served" / "tiny.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as tar:
        tar.add(pack.path, arcname="tiny")
    return path


@pytest.fixture
def server(archive: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(archive.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_a_file_is_installed_whole(archive: Path, tmp_path: Path) -> None:
    pack = install(str(archive), tmp_path / "references")
    assert packs.find("tiny", [tmp_path / "references"]) == pack
    manifest.verify(pack)
    assert [path.name for path in (tmp_path / "references").iterdir()] == ["tiny"]
    with pytest.raises(PackError, match="already"):
        install(str(archive), tmp_path / "references")
    install(archive.as_uri(), tmp_path / "references", replace_existing=True)


def test_an_address_is_installed_with_progress(server: str, archive: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    pack = install(
        f"{server}/tiny.tar.gz",
        tmp_path / "references",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert pack.name == "tiny"
    size = archive.stat().st_size
    assert seen[-1] == (size, size)


def test_addresses_that_do_not_answer(server: str, tmp_path: Path) -> None:
    with pytest.raises(PackError, match="answered 404"):
        install(f"{server}/other.tar", tmp_path / "references")
    with pytest.raises(TransientError, match="could not be read"):
        install("http://127.0.0.1:9/x.tar", tmp_path / "references")
    assert not list((tmp_path / "references").iterdir())


def tar_of(path: Path, members: dict[str, bytes], link: str = "") -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo("tiny/link")
            info.type = tarfile.SYMTYPE
            info.linkname = link
            tar.addfile(info)
    return path


@pytest.mark.parametrize(
    "members",
    [
        {"../evil": b"x"},
        {"/etc/evil": b"x", "a/b": b"x"},
        {"a/b/c": b"x"},
        {"a/x": b"x", "b/x": b"x"},
        {"a/x": b"x", "a/../../y": b"x"},
        {"a/readme": b"x"},
        {},
    ],
)
def test_hostile_archives_write_nothing(tmp_path: Path, members: dict[str, bytes]) -> None:
    before = set(tmp_path.parent.iterdir())
    with pytest.raises(PackError):
        install(str(tar_of(tmp_path / "x.tar", members)), tmp_path / "references")
    assert not list((tmp_path / "references").iterdir())
    assert set(tmp_path.parent.iterdir()) == before
    assert not Path("/etc/evil").exists()


def test_links_are_refused(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "x.tar", {"tiny/manifest.json": b"{}"}, link="/etc/passwd")
    with pytest.raises(PackError, match="no pack has"):
        install(str(path), tmp_path / "references")


def test_damage_is_found_before_anything_is_installed(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar if m.isreg()}  # type: ignore[union-attr]
    members["tiny/genes.gff3.gz"] = members["tiny/genes.gff3.gz"][:-1] + b"x"
    with pytest.raises(PackError, match="differs from its sha256"):
        install(str(tar_of(tmp_path / "x.tar", members)), tmp_path / "references")
    assert not list((tmp_path / "references").iterdir())


def test_caps_and_what_is_no_archive(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(PackError, match="more than one pack"):
        install(str(archive), tmp_path / "references", max_bytes=1000)
    (tmp_path / "x.tar").write_bytes(b"hello")
    with pytest.raises(PackError, match="no tar archive"):
        install(str(tmp_path / "x.tar"), tmp_path / "references")
    with pytest.raises(PackError, match="no file"):
        install(str(tmp_path / "nope.tar"), tmp_path / "references")


def test_opening_what_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="holds no reference pack"):
        Pack.open(tmp_path)
