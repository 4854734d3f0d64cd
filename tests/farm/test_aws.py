"""What AWS is told of the queue, and what it tells of thaws: over HTTP, with moto's server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.farm import cloudwatch, thaws
from gas.jobs import keeping, lifecycle, queue
from gas.jobs.models import Job
from gas.jobs.states import ResultState
from gas.wiring import Services
from tests.fakes import FakeClock
from tests.s3 import moto

CHART_QUERY = Path(__file__).parents[2] / "deploy/kubernetes/gas/files/backlog.sql"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto() as url:
        yield url


@pytest.fixture
def aws(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """AWS's tools find moto; its address."""
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
    }.items():
        monkeypatch.setenv(name, value)
    return server


def told(clock: FakeClock, namespace: str, name: str) -> float | None:
    """The last value of a metric, as the farm's alarms ask for it."""
    answer = boto3.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": "Queue", "Value": "annotate"}],
        StartTime=clock() - timedelta(minutes=1),
        EndTime=clock() + timedelta(minutes=1),
        Period=60,
        Statistics=["Average"],
    )
    return next((point["Average"] for point in answer["Datapoints"]), None)


def test_cloudwatch_is_told_of_waiting_and_running_jobs(
    aws: str, svc: Services, clock: FakeClock, user: object, make_job: Callable[..., Job]
) -> None:
    for _ in range(3):
        make_job(user)
    clock.advance(90)
    running = ProcrastinateJob.objects.filter(queue_name="annotate").first()
    assert running is not None
    set_doing(running.pk)
    client = cloudwatch.make_client()
    assert cloudwatch.publish(client, "one", svc.now()) == {
        "Backlog": 3.0,
        "OldestWaitSeconds": 90.0,
    }
    assert told(clock, "one", "Backlog") == 3
    assert told(clock, "one", "OldestWaitSeconds") == 90
    assert told(clock, "another", "Backlog") is None


def set_doing(message_id: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", [message_id])


def test_kubernetes_counts_as_we_do(
    svc: Services, clock: FakeClock, user: object, make_job: Callable[..., Job]
) -> None:
    """The chart's query, on the same queue: what is due and what runs, of annotations alone."""
    from django.db import connection

    jobs = [make_job(user) for _ in range(3)]
    set_doing(ProcrastinateJob.objects.get(queueing_lock=f"annotate:{jobs[0].pk}").pk)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 hour' "
            "WHERE queueing_lock = %s",
            [f"annotate:{jobs[1].pk}"],
        )
        queue.enqueue(queue.NOTIFY, 1)
        cursor.execute(CHART_QUERY.read_text())
        assert cursor.fetchone() == (2,)


def test_nobody_there_is_one_error(
    aws: str, monkeypatch: pytest.MonkeyPatch, svc: Services, db: None
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(cloudwatch.NotPublished, match=r"127\.0\.0\.1:1"):
        cloudwatch.publish(cloudwatch.make_client(), "one", svc.now())


# -- thaws -----------------------------------------------------------------------------------------


@pytest.fixture
def thawing(svc: Services, clock: FakeClock, job: Job, aws: str) -> Job:
    """A result that is thawing, its next look some time ahead."""
    lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    Job.objects.filter(pk=job.pk).update(result_state=ResultState.THAWING)
    queue.enqueue(queue.RESTORE, job.pk, at=clock() + timedelta(hours=1))
    job.refresh_from_db()
    return job


@pytest.fixture
def events(aws: str) -> Iterator[tuple[Any, str]]:
    client = boto3.client("sqs")
    url = client.create_queue(QueueName="thaws")["QueueUrl"]
    yield thaws.make_client(), url
    client.delete_queue(QueueUrl=url)


def event(key: str, name: str = "ObjectRestore:Completed") -> str:
    return json.dumps({"Records": [{"eventName": name, "s3": {"object": {"key": key}}}]})


def look_at(job: Job) -> Any:
    return ProcrastinateJob.objects.get(queueing_lock=f"restore:{job.pk}").scheduled_at


def test_a_thaw_that_is_over_is_looked_at_now(thawing: Job, events: tuple[Any, str]) -> None:
    client, url = events
    key = "cold/" + thawing.result_key("annotated vcf.gz").replace(" ", "+")
    client.send_message(QueueUrl=url, MessageBody=event(key))
    assert look_at(thawing) is not None
    assert thaws.listen_once(client, url, "cold/", wait_s=0) == 1
    assert look_at(thawing) is None, "due now"
    assert thaws.listen_once(client, url, "cold/", wait_s=0) == 0
    assert waiting(client, url) == 0, "the event is gone"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"Event": "s3:TestEvent"}),
        event("elsewhere/users/1/jobs/x/1/y"),
        event("cold/users/1/jobs/00000000-0000-0000-0000-000000000000/1/y"),
        event("cold/.thaws/note"),
    ],
)
def test_what_is_not_ours_is_taken_away_and_changes_nothing(
    thawing: Job, events: tuple[Any, str], body: str
) -> None:
    client, url = events
    client.send_message(QueueUrl=url, MessageBody=body)
    assert thaws.listen_once(client, url, "cold/", wait_s=0) == 0
    assert look_at(thawing) is not None
    assert waiting(client, url) == 0


def test_an_order_is_not_a_completion(thawing: Job, events: tuple[Any, str]) -> None:
    client, url = events
    key = "cold/" + thawing.result_key("x")
    client.send_message(QueueUrl=url, MessageBody=event(key, "ObjectRestore:Post"))
    assert thaws.listen_once(client, url, "cold/", wait_s=0) == 0
    assert look_at(thawing) is not None


@pytest.mark.parametrize(
    "body",
    ["no JSON", "[]", '{"Records": [{}]}', '{"Records": 1}', event(7), "[" * 200_000],  # type: ignore[arg-type]
    ids=range(6),
)
def test_what_cannot_be_read_stays_for_the_queue_to_put_aside(
    db: None, events: tuple[Any, str], body: str
) -> None:
    client, url = events
    client.send_message(QueueUrl=url, MessageBody=body)
    assert thaws.listen_once(client, url, "cold/", wait_s=0) == 0
    assert waiting(client, url) == 1


def waiting(client: Any, url: str) -> int:
    """Events in the queue, those that somebody took and did not delete included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def test_a_result_that_is_at_hand_is_not_looked_at(thawing: Job) -> None:
    Job.objects.update(result_state=ResultState.STORED)
    assert not keeping.thawed(thawing.result_key("x"))
    assert look_at(thawing) is not None


def test_a_queue_that_is_not_there_is_one_error(aws: str, db: None) -> None:
    with pytest.raises(thaws.NoEvents, match="sqs:ReceiveMessage"):
        thaws.listen_once(thaws.make_client(), f"{aws}/1/none", "cold/", wait_s=0)


@pytest.mark.parametrize("command", [["cloudwatch", "--once"], ["thaws", "http://127.0.0.1:1/q"]])
def test_without_a_region_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    done = subprocess.run(
        [sys.executable, "-m", "gas", *command], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.startswith("gas: ")
    assert "AWS_DEFAULT_REGION" in done.stderr
    assert done.stderr.count("\n") == 1
