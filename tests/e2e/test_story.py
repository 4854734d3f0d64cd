"""The whole story over real processes: upload → annotate → mail → download, and what may happen
to an annotator in the middle."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gas.client import ServerError
from gas.demo.run import INPUT
from tests import s3
from tests.e2e.held import HELD, Hold, make_held_reference, worker_of
from tests.e2e.service import Service, alive, running, wait_for


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    engines = json.dumps([HELD, "tests.engines:CrashEngine"])
    with running(GAS_EXTRA_ENGINES=engines) as up:
        make_held_reference(up)
        yield up


def test_upload_annotate_mail_download(service: Service, tmp_path: Path) -> None:
    client = service.sign_up("story@example.org")
    before = len(service.mails())
    job = client.wait(client.submit(client.upload(INPUT))["id"])
    assert job["status"] == "COMPLETED", job["failure"]
    assert job["summary"]["records"] == 4591
    assert {file["name"] for file in job["files"]} == {
        "annotated.vcf.gz",
        "annotated.vcf.gz.tbi",
        "findings.json",
        "summary.json",
        "summary_mqc.json",
    }
    for file in job["files"]:
        client.download(file["url"], tmp_path / file["name"])
        assert (tmp_path / file["name"]).stat().st_size == file["size_bytes"]
    text = gzip.decompress((tmp_path / "annotated.vcf.gz").read_bytes())
    assert sum(not line.startswith(b"#") for line in text.splitlines()) == 4591
    assert b"CSQ=" in text
    assert b"|missense_variant|MODERATE|" in text
    mail = wait_for(lambda: service.mails()[before:], why="no mail")[0]
    assert mail.name == f"job-{job['id']}.eml"
    letter = mail.read_text()
    assert "To: story@example.org" in letter
    assert f"/jobs/{job['id']}/" in letter


def test_an_annotator_killed_in_the_middle(service: Service) -> None:
    client = service.sign_up("killed@example.org")
    with Hold(service) as hold:
        job_id = client.submit(client.upload(INPUT), reference="held", engine=HELD)["id"]
        first = wait_for(hold.engines)[0]
        victim = worker_of(service, first)
        assert victim in (service.pid_of("annotator-1"), service.pid_of("annotator-2"))
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: not alive(first), why="the engine outlives its worker")
        second = wait_for(lambda: hold.engines()[1:], why="nobody takes over")[0]
        assert worker_of(service, second) != victim
    job = client.wait(job_id)
    assert job["status"] == "COMPLETED", job["failure"]
    log = service.log(client, job_id)
    assert "Attempt 1 begins" in log
    assert "stopped without a word" in log
    assert "Attempt 2 begins" in log
    wait_for(lambda: [m for m in service.mails() if job_id in m.name], why="no mail")
    wait_for(
        lambda: all(map(alive, (service.pid_of("annotator-1"), service.pid_of("annotator-2"))))
    )


@pytest.mark.long
def test_an_annotator_asleep_past_its_lease_cannot_publish(service: Service) -> None:
    client = service.sign_up("asleep@example.org")
    with Hold(service) as hold:
        job_id = client.submit(client.upload(INPUT), reference="held", engine=HELD)["id"]
        first = wait_for(hold.engines)[0]
        sleeper = worker_of(service, first)
        os.kill(sleeper, signal.SIGSTOP)
        try:
            wait_for(lambda: hold.engines()[1:], why="nobody takes over")
            hold.__exit__()  # both engines finish now; the sleeper's worker knows nothing of it
            job = client.wait(job_id)
            assert job["status"] == "COMPLETED", job["failure"]
        finally:
            os.kill(sleeper, signal.SIGCONT)
    published = client.job(job_id)
    assert [file["sha256"] for file in published["files"]] == [
        file["sha256"] for file in job["files"]
    ]
    # The sleeper awakes, is refused, and goes on with other work (or is started again).
    for _ in range(4):
        again = client.wait(client.submit(client.upload(INPUT))["id"])
        assert again["status"] == "COMPLETED", again["failure"]
    final = client.job(job_id)
    assert final["files"] == published["files"]
    assert final["finished_at"] == published["finished_at"]
    assert service.log(client, job_id).count("Completed:") == 1
    assert len([m for m in service.mails() if job_id in m.name]) == 1


def test_an_engine_that_crashes_is_a_failed_job(service: Service) -> None:
    client = service.sign_up("crash@example.org")
    job = client.submit(client.upload(INPUT), reference="held", engine="tests.engines:CrashEngine")
    job = client.wait(job["id"])
    assert job["status"] == "FAILED"
    assert "SIGSEGV" in job["failure"]
    assert job["files"] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (INPUT.read_bytes()[:40_000], "cut short"),
        (
            b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
            b"77\t5\t.\tA\tC\t.\t.\t.\n",
            "No contig in common",
        ),
    ],
    ids=["truncated", "no-contig"],
)
def test_bad_input_is_a_clear_sentence(
    service: Service, tmp_path: Path, content: bytes, said: str
) -> None:
    client = service.sign_up(f"{said.replace(' ', '')}@example.org")
    (tmp_path / "bad.vcf.gz").write_bytes(content)
    job = client.wait(client.submit(client.upload(tmp_path / "bad.vcf.gz"))["id"])
    assert job["status"] == "FAILED"
    assert said.lower() in job["failure"].lower()
    assert "Traceback" not in job["failure"]
    assert job["files"] == []
    wait_for(lambda: [m for m in service.mails() if job["id"] in m.name], why="no mail")


def test_what_is_no_vcf_is_refused_before_a_job_is_made(service: Service, tmp_path: Path) -> None:
    client = service.sign_up("poet@example.org")
    (tmp_path / "poem.vcf").write_bytes(b"hello, I am a poem\n")
    with pytest.raises(ServerError, match="not a VCF file"):
        client.upload(tmp_path / "poem.vcf")


def test_gas_submit_waits_and_saves(service: Service, tmp_path: Path) -> None:
    service.sign_up("cli@example.org")
    done = subprocess.run(
        service.gas("submit", str(INPUT), "--server", service.url, "--wait",
                    "-o", str(tmp_path / "out.vcf.gz")),
        env={**service.environment, "GAS_TOKEN": service.token},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert gzip.decompress((tmp_path / "out.vcf.gz").read_bytes()).startswith(b"##fileformat")
    assert (tmp_path / "out.vcf.gz.tbi").exists()
    refused = subprocess.run(
        service.gas("submit", str(INPUT), "--server", service.url, "--token", "gas_wrong"),
        env=service.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "token" in refused.stderr
    assert "Traceback" not in refused.stderr


@contextlib.contextmanager
def objects_on(kind: str, folder: Path) -> Iterator[dict[str, str]]:
    """The settings of a store of this kind, with its server up."""
    if kind == "local":
        yield {}
        return
    with s3.seaweedfs(folder / "seaweedfs") as url:
        yield {
            "GAS_STORAGE": "s3",
            "GAS_S3_BUCKET": s3.BUCKET,
            "GAS_S3_ENDPOINT": url,
            "GAS_S3_REGION": "us-east-1",
            "GAS_S3_ACCESS_KEY_ID": s3.ACCESS,
            "GAS_S3_SECRET_ACCESS_KEY": s3.SECRET,
        }


@pytest.mark.parametrize("kind", ["local", pytest.param("s3", marks=pytest.mark.long)])
def test_to_cold_storage_and_back_on_upgrade(tmp_path: Path, kind: str) -> None:
    with (
        objects_on(kind, tmp_path) as objects,
        running(GAS_FREE_RETENTION_S="3", GAS_COLD_THAW_S="2", **objects) as service,
    ):
        client = service.sign_up("cold@example.org")
        job = client.wait(client.submit(client.upload(INPUT))["id"])
        (result,) = [f for f in job["files"] if f["name"] == "annotated.vcf.gz"]
        client.download(result["url"], tmp_path / "before")

        def state() -> str:
            return str(client.job(job["id"])["result_state"])

        wait_for(lambda: state() == "ARCHIVED", 40, "it stays at hand")
        assert client.job(job["id"])["files"] == []
        with pytest.raises(ServerError):
            client.download(result["url"], tmp_path / "archived")
        upgrade = (
            "from gas.accounts.change import change_plan; from gas.accounts.models import User; "
            "from gas.wiring import get_services; "
            "change_plan(get_services(), User.objects.get(email='cold@example.org'), 'premium', "
            "why='e2e')"
        )
        subprocess.run(
            service.gas("manage", "shell", "-c", upgrade),
            env={**service.environment, "GAS_DATA_DIR": str(service.data)},
            check=True,
            capture_output=True,
        )
        wait_for(lambda: state() == "STORED", 40, "it does not come back")
        client.download(result["url"], tmp_path / "after")
        assert (tmp_path / "after").read_bytes() == (tmp_path / "before").read_bytes()
        wait_for(lambda: [m for m in service.mails() if m.name.startswith("restored-")])
        assert client.job(job["id"])["archive_due_at"] is None
        on_disk = list((service.data / "service" / "objects").rglob("*"))
        assert bool(on_disk) == (kind == "local")
