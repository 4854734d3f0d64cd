"""A large file over two real annotators, one of which is killed in the middle of its part."""

from __future__ import annotations

import gzip
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gas.annotate import summary_files
from gas.annotate.pack import Pack
from gas.annotate.run import annotate
from gas.client import Client
from gas.demo.run import INPUT
from gas.reference.packs import SHIPPED
from tests.e2e.held import HELD, Hold, make_held_reference, worker_of
from tests.e2e.service import Service, alive, running, wait_for

TIMES = 20


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running(
        GAS_EXTRA_ENGINES=json.dumps([HELD]),
        GAS_SHARD_BYTES="1000000",
        GAS_FREE_MAX_UPLOAD_BYTES="100000000",
    ) as up:
        make_held_reference(up)
        yield up


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every record of a real file, so many times, still sorted: some six MB."""
    path = tmp_path_factory.mktemp("large") / "large.vcf"
    with gzip.open(INPUT, "rb") as lines, path.open("wb") as out:
        for line in lines:
            out.write(line if line.startswith(b"#") else line * TIMES)
    return path


def _same_as_alone(
    client: Client, job_id: str, large: Path, folder: Path, pack: Path, engine: str
) -> None:
    """Whether the job's files are those of a run in one piece, byte for byte."""
    alone = folder / "alone"
    alone.mkdir()
    report = annotate(large, alone / "annotated.vcf.gz", Pack.open(pack), engine, beside="")
    summary_files.write(report.to_json(), alone, "", job_id)
    job = client.job(job_id)
    assert {file["name"] for file in job["files"]} == {path.name for path in alone.iterdir()}
    for file in job["files"]:
        client.download(file["url"], folder / file["name"])
        assert (folder / file["name"]).read_bytes() == (alone / file["name"]).read_bytes(), file


def test_a_large_file_is_annotated_in_parts_to_the_same_bytes(
    service: Service, large: Path, tmp_path: Path
) -> None:
    client = service.sign_up("large@example.org")
    job_id = client.submit(client.upload(large))["id"]
    job = client.wait(job_id)
    assert job["status"] == "COMPLETED", job["failure"]
    assert job["summary"]["records"] == 4591 * TIMES
    log = service.log(client, job_id)
    assert "Split into 6 parts" in log
    _same_as_alone(client, job_id, large, tmp_path, SHIPPED / "demo", "gas")


@pytest.mark.long
def test_a_killed_part_is_redone_alone(service: Service, large: Path, tmp_path: Path) -> None:
    client = service.sign_up("killed-part@example.org")
    with Hold(service) as hold:
        job_id = client.submit(client.upload(large), reference="held", engine=HELD)["id"]
        first, second = wait_for(lambda: hold.engines()[1:2] and hold.engines()[:2])
        victim, other = worker_of(service, first), worker_of(service, second)
        assert {victim, other} == {service.pid_of("annotator-1"), service.pid_of("annotator-2")}
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: not alive(first), why="the engine outlives its worker")
        wait_for(lambda: "stopped without a word" in service.log(client, job_id))
    job = client.wait(job_id)
    assert job["status"] == "COMPLETED", job["failure"]
    log = service.log(client, job_id)
    assert log.count("stopped without a word") == 1
    assert log.count("Part ") == 1, "no other part had any trouble"
    assert "Attempt 1 begins" in log
    assert "Attempt 2" not in log
    _same_as_alone(client, job_id, large, tmp_path, service.data / "references" / "held", HELD)
    left = list((service.data / "service" / "objects").rglob("shards"))
    assert not left, "what the parts left in the store is gone"
