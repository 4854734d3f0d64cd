"""GAS on several hosts, each of them cut off in turn: nothing is lost, nothing is done twice.

proxy ──► web1, web2 ──► database ◄── annotator1, annotator2, utils
                 └─────► store ◄──────────┘
"""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from gas.client import Client
from gas.demo.run import INPUT
from gas.farm.postgres import EmbeddedPostgres, stop
from gas.reference.packs import SHIPPED
from tests import s3
from tests.e2e import hosts
from tests.e2e.service import service_folder, sign_up, wait_for

pytestmark = pytest.mark.long
HELD = "tests.engines:HeldEngine"
ANNOTATORS = ("annotator1", "annotator2")
WEB = ("web1", "web2")
#: Both ends of a connection give up after 20 s, and look at it every 5.
DEAD_PEER_S = 40.0


class Farm:
    """The service over hosts. ``url`` is the proxy's."""

    def __init__(self, folder: Path, open_: contextlib.ExitStack) -> None:
        self.folder = folder
        self.network = hosts.Network(folder)
        open_.callback(self.network.remove)
        names = ("database", "store", *WEB, *ANNOTATORS, "utils", "proxy")
        self.at = {name: self.network.add(name) for name in names}
        self.url = f"http://{self.at['proxy']}:8000"
        self.environment = {
            "GAS_SECRET_KEY": secrets.token_urlsafe(40),
            "GAS_BASE_URL": self.url,
            "GAS_ALLOWED_HOSTS": json.dumps([self.at[web] for web in WEB]),
            "GAS_EXTRA_ENGINES": json.dumps([HELD]),
            # Quick to notice a death: a test should not wait for half a minute.
            "GAS_LEASE_S": "3",
            "GAS_HEARTBEAT_S": "0.5",
            "GAS_RETRY_BACKOFF_S": "0.2",
            "GAS_STOP_GRACE_S": "2",
            **self._database(),
            **self._store(open_),
        }
        self._references()
        assert self.gas("utils", "migrate", "migrate").wait(60) == 0
        for web in WEB:
            self.start_web(web)
        for annotator in ANNOTATORS:
            self.gas(annotator, "annotate", "worker", "annotate")
        for queue in ("notify", "archive", "restore", "reap"):
            self.gas("utils", queue, "worker", queue)
        self._proxy()
        with self.network.inside("proxy"):
            wait_for(lambda: _answers(self.url), 60, "the web hosts do not get ready")

    def gas(self, host: str, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        return self.run(host, name, [sys.executable, "-m", "gas", *arguments])

    def run(self, host: str, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        data = {"GAS_DATA_DIR": str(self.folder / host / "data")}
        return self.network.start(host, name, command, **self.environment, **data)

    def start_web(self, host: str) -> None:
        self.gas(host, "web", "web", "--host", self.at[host], "--port", "8000")

    def _database(self) -> dict[str, str]:
        password = secrets.token_urlsafe(12)
        server = EmbeddedPostgres(
            self.folder / "database" / "pg", self.folder / "database" / "socket", password
        )
        stop(server.start())
        with (server.data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet scram-sha-256\n")
        address = self.at["database"]
        owner = server._owner
        as_owner = (
            ["setpriv", f"--reuid={owner.uid}", f"--regid={owner.gid}", "--clear-groups"]
            if owner.uid is not None
            else []
        )
        sockets = f"unix_socket_directories={server.socket_dir}"
        self.network.start("database", "postgres", [
            *as_owner, str(server._bin / "postgres"), "-D", str(server.data),
            "-c", f"listen_addresses={address}", "-c", sockets,
        ])  # fmt: skip
        url = f"postgresql://gas:{password}@{address}:5432/gas"
        with self.network.inside("database"):
            wait_for(lambda: _connects(url), 30, "PostgreSQL does not start")
        return {"DATABASE_URL": url}

    def _store(self, open_: contextlib.ExitStack) -> dict[str, str]:
        with self.network.inside("store"):
            url = open_.enter_context(s3.seaweedfs(self.folder / "store", self.at["store"]))
        return {
            "GAS_STORAGE": "s3",
            "GAS_S3_ENDPOINT": url,
            "GAS_S3_BUCKET": s3.BUCKET,
            "GAS_S3_REGION": "us-east-1",
            "GAS_S3_ACCESS_KEY_ID": s3.ACCESS,
            "GAS_S3_SECRET_ACCESS_KEY": s3.SECRET,
        }

    def _references(self) -> None:
        """On every host one beside which HeldEngine finds its signal to wait."""
        manifest = json.loads((SHIPPED / "demo" / "manifest.json").read_text())
        for host in (*WEB, *ANNOTATORS, "utils"):
            pack = self.held(host)
            pack.mkdir(parents=True)
            for path in (SHIPPED / "demo").iterdir():
                if path.name != "manifest.json":
                    (pack / path.name).symlink_to(path)
            (pack / "manifest.json").write_text(json.dumps({**manifest, "name": "held"}))

    def held(self, host: str) -> Path:
        return self.folder / host / "data" / "references" / "held"

    def engines(self, host: str) -> list[Path]:
        """A file for each job that HeldEngine began there."""
        return list(self.held(host).glob("held-*"))

    def hold(self, *on: str) -> None:
        for host in on:
            (self.held(host) / "hold").touch()

    def let_go(self, *on: str) -> None:
        for host in on:
            (self.held(host) / "hold").unlink()

    def _proxy(self) -> None:
        """It asks both for their health twice a second; what one did not take, the other does."""
        servers = "".join(f"    server {web} {self.at[web]}:8000 check\n" for web in WEB)
        path = self.folder / "proxy" / "haproxy.cfg"
        path.write_text(f"""
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 10s
    timeout check 1s
    retries 3
    option redispatch 1
    option http-server-close
    default-server inter 500ms fall 2 rise 1
frontend people
    bind {self.at["proxy"]}:8000
    default_backend web
backend web
    balance roundrobin
    option httpchk GET /healthz
    http-check send hdr Host {self.at["proxy"]}
{servers}""")
        self.network.start("proxy", "haproxy", ["haproxy", "-db", "-f", str(path)])

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with (
            self.network.inside("database"),
            psycopg.connect(self.environment["DATABASE_URL"]) as db,
        ):
            return db.execute(query, values).fetchall()


def _print_logs(folder: Path) -> None:
    """pytest shows them with the failure."""
    for path in sorted(folder.glob("*/*.log")):
        print(f"-- {path.relative_to(folder)}", path.read_text(errors="replace")[-1500:], sep="\n")


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _connects(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="module")
def farm() -> Iterator[Farm]:
    why_not = hosts.missing()
    if why_not:
        pytest.skip(why_not)
    with service_folder() as folder, contextlib.ExitStack() as open_:
        try:
            made = Farm(folder, open_)
        except BaseException:
            _print_logs(folder)
            raise
        yield made


@pytest.fixture
def client(farm: Farm) -> Iterator[Client]:
    with farm.network.inside("proxy"):
        yield Client(farm.url, sign_up(farm.url, f"ada-{secrets.token_hex(3)}@example.org"))


def _held(client: Client) -> str:
    return str(client.submit(client.upload(INPUT), reference="held", engine=HELD)["id"])


def _ended_once(farm: Farm, client: Client, job_ids: list[str]) -> None:
    """All are COMPLETED, once each, with one mail each, and their results are there."""
    for job_id in job_ids:
        job = client.wait(job_id)
        assert job["status"] == "COMPLETED", job["failure"]
        for file in job["files"]:
            client.download(file["url"], farm.folder / "got")
            assert (farm.folder / "got").stat().st_size == file["size_bytes"]
    wait_for(lambda: _mails(farm, job_ids) == [("SENT", len(job_ids))], 30, "mails are missing")
    ends = farm.rows(
        "SELECT job_id, count(*) FROM jobs_jobevent WHERE message LIKE 'Completed%%'"
        " AND job_id = ANY(%s::uuid[]) GROUP BY job_id", job_ids,
    )  # fmt: skip
    assert sorted(ends) == sorted((job_id, 1) for job_id, _ in ends)
    assert len(ends) == len(job_ids)


def _mails(farm: Farm, job_ids: list[str]) -> list[tuple[Any, ...]]:
    return farm.rows(
        "SELECT state, count(*) FROM notify_mail WHERE job_id = ANY(%s::uuid[]) GROUP BY state",
        job_ids,
    )


def test_an_annotator_that_is_cut_off(farm: Farm, client: Client) -> None:
    farm.hold(*ANNOTATORS)
    jobs = [_held(client), _held(client)]
    wait_for(lambda: all(farm.engines(host) for host in ANNOTATORS), 60, "both take one")
    farm.network.cut("annotator1")
    farm.let_go(*ANNOTATORS)  # the one that is cut off finishes too, and cannot say so
    _ended_once(farm, client, jobs)
    assert len(farm.engines("annotator2")) == 2, "it took over"
    files = [client.job(job)["files"] for job in jobs]
    farm.network.mend("annotator1")
    farm.hold(*ANNOTATORS)
    before = len(farm.engines("annotator1"))
    more = [_held(client), _held(client)]
    wait_for(lambda: len(farm.engines("annotator1")) > before, 60, "it works again")
    farm.let_go(*ANNOTATORS)
    _ended_once(farm, client, more)
    assert [client.job(job)["files"] for job in jobs] == files, "what came late changed nothing"


def test_a_web_host_that_is_cut_off(farm: Farm, client: Client) -> None:
    sent = client.upload(INPUT)
    wanted = {"upload_id": sent}
    farm.network.cut("web1")
    cut_at = time.monotonic()
    jobs, failures = set(), []
    for number in range(40):
        answer = _until_answered(client, wanted, f"key-{number // 4}", failures)
        jobs.add(answer["id"])
    assert len(jobs) == 1, "one upload is one job, however often it was asked for"
    assert all(at - cut_at < 15 for at in failures), "the other one alone serves everybody"
    farm.network.mend("web1")
    _ended_once(farm, client, list(jobs))
    for host in WEB:
        with farm.network.inside(host):
            wait_for(lambda at=farm.at[host]: _answers(f"http://{at}:8000"), 60)


def _until_answered(
    client: Client, wanted: dict[str, str], key: str, failures: list[float]
) -> dict[str, Any]:
    """As a careful client does: again, with the same Idempotency-Key, until there is an answer."""
    for _ in range(20):
        with contextlib.suppress(httpx.HTTPError):
            headers = {"Idempotency-Key": key}
            answer = client._http.post("/api/v1/jobs", json=wanted, headers=headers)
            if answer.is_success:
                return dict(answer.json())
            assert answer.status_code >= 500, answer.text
        failures.append(time.monotonic())
    raise AssertionError("nobody answers")


@pytest.mark.parametrize("host", ["database", "store"])
def test_what_all_need_is_cut_off_for_a_while(farm: Farm, client: Client, host: str) -> None:
    farm.hold(*ANNOTATORS)
    jobs = [_held(client), _held(client)]
    wait_for(lambda: farm.rows("SELECT count(*) FROM jobs_job WHERE status = 'RUNNING'")[0][0] == 2)
    farm.network.cut(host)
    farm.let_go(*ANNOTATORS)
    wait_for(lambda: not _answers(farm.url), 60, "the service says that it is not ready")
    farm.network.mend(host)
    wait_for(lambda: _answers(farm.url), 90, "the service comes back")
    _ended_once(farm, client, jobs)


def test_locks_of_a_host_that_is_cut_off_are_freed(farm: Farm, client: Client) -> None:
    job = _held(client)
    client.wait(job)
    hang = (
        "import sys, time; from gas.setup import setup_django; setup_django();"
        "from django.db import transaction; from gas.jobs.models import Job;"
        "a = transaction.atomic(); a.__enter__();"
        f"Job.objects.select_for_update().get(pk='{job}'); print('locked', flush=True);"
        "time.sleep(600)"
    )
    with farm.network.inside("annotator2"):
        farm.run("annotator2", "hang", [sys.executable, "-c", hang])
    log = farm.folder / "annotator2" / "hang.log"
    wait_for(lambda: "locked" in log.read_text(), 30, "it does not start")
    farm.network.cut("annotator2")
    try:
        with farm.network.inside("database"):
            db = psycopg.connect(farm.environment["DATABASE_URL"])
            db.execute(f"SET lock_timeout = '{DEAD_PEER_S:g}s'")
            db.execute("SELECT 1 FROM jobs_job WHERE id = %s FOR UPDATE", [job])
            db.close()
    finally:
        farm.network.mend("annotator2")
