"""The embedded PostgreSQL, where it is harder than usual."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gas.farm import postgres
from gas.farm.postgres import EmbeddedPostgres, PostgresError, stop

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's server has another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="gas-pg-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def server(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder / "pg", folder / "pg", "a secret", durable=False)


def test_it_asks_for_the_password_and_keeps_data(folder: Path) -> None:
    running = server(folder).start()
    try:
        with server(folder).connect("gas") as db:
            db.execute("CREATE TABLE kept (x int)")
        wrong = EmbeddedPostgres(folder / "pg", folder / "pg", "a guess")
        with pytest.raises(psycopg.OperationalError, match="password"):
            wrong.connect("gas")
    finally:
        stop(running)
    assert running.returncode == 0
    again = server(folder).start()
    try:
        with server(folder).connect("gas") as db:
            assert db.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    finally:
        stop(again)


def test_it_takes_as_many_connections_as_it_is_to(folder: Path) -> None:
    many = EmbeddedPostgres(folder / "pg", folder / "pg", "a secret", connections=1_200,
                            durable=False)  # fmt: skip
    running = many.start()
    try:
        with many.connect() as db:
            assert db.execute("SHOW max_connections").fetchone() == ("1200",)
    finally:
        stop(running)


@as_root
def test_programs_that_its_user_cannot_reach_are_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when GAS is installed below /root."""
    real = postgres._others_can_enter
    monkeypatch.setattr(
        postgres,
        "_others_can_enter",
        lambda path: "site-packages" not in str(path) and real(path),
    )
    running = server(folder).start()
    try:
        assert server(folder).connect("gas").execute("SELECT 1").fetchone() == (1,)
        assert str(folder).encode() in Path(f"/proc/{running.pid}/cmdline").read_bytes()
    finally:
        stop(running)


@as_root
def test_a_folder_that_its_user_cannot_reach_is_refused(folder: Path) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(PostgresError, match="cannot reach"):
        server(private).start()
    assert private.stat().st_mode & 0o777 == 0o700, "and not opened to everyone"


def test_data_of_another_version_is_refused(folder: Path) -> None:
    stop(server(folder).start())
    (folder / "pg" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresError, match="was made by PostgreSQL 9"):
        server(folder).start()


def test_a_start_that_was_cut_off_leaves_nothing_in_the_way(folder: Path) -> None:
    half = folder / "pg" / "data-half"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (folder / "pg" / "password-half").touch()
    stop(server(folder).start())
    assert (folder / "pg" / "data" / "PG_VERSION").exists()
    assert [path.name for path in (folder / "pg").iterdir()] == ["data"]


def test_a_deep_data_folder_has_its_socket_elsewhere(folder: Path) -> None:
    elsewhere = folder / "socket"
    for _ in range(2):
        stop(EmbeddedPostgres(folder / "pg", elsewhere, "a secret", durable=False).start())
    assert elsewhere.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("trap", ["link", "open", "file"])
def test_a_socket_folder_that_another_made_is_refused(folder: Path, trap: str) -> None:
    """Whoever owns it could stand in for the server; a link could have us give away a folder."""
    (folder / "precious").mkdir()
    socket_dir = folder / "socket"
    if trap == "link":
        socket_dir.symlink_to(folder / "precious")
    elif trap == "open":
        socket_dir.mkdir()
        socket_dir.chmod(0o777)
    else:
        socket_dir.touch()
    before = (folder / "precious").stat().st_uid
    with pytest.raises(PostgresError, match="is not PostgreSQL's own folder"):
        EmbeddedPostgres(folder / "pg", socket_dir, "a secret", durable=False).start()
    assert (folder / "precious").stat().st_uid == before
