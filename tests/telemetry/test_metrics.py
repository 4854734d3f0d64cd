"""The metrics of the service: what the rows say, and what was counted."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from gas import wiring
from gas.accounts.models import User
from gas.errors import EngineError
from gas.jobs import keeping, lifecycle, queue, shards
from gas.jobs.models import Job, Shard
from gas.notify import notify
from gas.notify.mailer import NotSent
from gas.notify.models import Mail
from gas.telemetry import counting, families, page, survey
from gas.telemetry.families import FAMILIES
from gas.telemetry.models import Reading, Sample, Total
from gas.wiring import Services
from tests.fakes import FakeClock, FakeMailer, FakeRunner, FakeShardRunner

pytestmark = pytest.mark.django_db
TOKEN = "a-token-of-enough-length"


def read(svc: Services) -> dict[tuple[str, str], float]:
    """Every sample of the page as {(name, value of the first label): value}."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(page.text(svc).decode())
        for sample in family.samples
    }


def work(svc: Services, job: Job) -> None:
    lifecycle.annotate(svc, job.pk, worker="w:1", stopping=lambda: False)


def test_a_jobs_way_is_counted(svc: Services, clock: FakeClock, job: Job) -> None:
    clock.advance(7)
    work(svc, job)
    notify.send(svc, Mail.objects.get().pk)
    found = read(svc)
    for event in ("submit", "claim", "complete"):
        assert found["gas_job_events_total", event] == 1
    assert found["gas_job_wait_seconds_bucket", "5.0"] == 0
    assert found["gas_job_wait_seconds_bucket", "10.0"] == 1
    assert found["gas_job_wait_seconds_bucket", "+Inf"] == 1
    assert found["gas_job_wait_seconds_sum", ""] == 7
    assert found["gas_job_run_seconds_count", ""] == 1
    assert found["gas_records_total", ""] == 3
    assert found["gas_mail_events_total", "sent"] == 1


def test_the_way_of_a_part_is_counted_and_its_tries(
    svc: Services, clock: FakeClock, job: Job, shard_runner: FakeShardRunner
) -> None:
    large = replace(svc, settings=svc.settings.model_copy(update={"shard_bytes": 1}))
    work(large, job)
    assert read(svc)["gas_shard_events_total", "release"] == 0
    first = Shard.objects.get(job=job, number=0)

    def dies(*_: object) -> None:
        raise SystemExit

    shard_runner.before = dies
    with pytest.raises(SystemExit):
        shards.work(large, first.pk, worker="w:1", stopping=lambda: False)
    clock.advance(svc.settings.lease_s + 1)
    assert shards.reap(large)["expired_shards"] == 1
    shard_runner.before = lambda what, keep: None
    clock.advance(3600)
    for number in range(4):  # three parts and the join
        at = Shard.objects.get(job=job, number=number).pk
        shards.work(large, at, worker="w:2", stopping=lambda: False)
    found = read(svc)
    steps = {"claim": 5, "release": 1, "done": 3, "ready": 1}
    assert {name: found["gas_shard_events_total", name] for name in steps} == steps
    assert found["gas_job_events_total", "release"] == 0
    assert found["gas_job_events_total", "complete"] == 1


def test_a_bound_is_in_its_bucket(svc: Services) -> None:
    counting.count(families.JOB_RUN, value=0.25)
    counting.count(families.JOB_RUN, value=99_999)
    found = read(svc)
    assert found["gas_job_run_seconds_bucket", "0.1"] == 0
    assert found["gas_job_run_seconds_bucket", "0.25"] == 1
    assert found["gas_job_run_seconds_bucket", "14400.0"] == 1
    assert found["gas_job_run_seconds_bucket", "+Inf"] == 2


def test_failures_are_counted_by_their_code(
    svc: Services, runner: FakeRunner, user: User, make_job: Callable[..., Job]
) -> None:
    def broken(*_: object) -> None:
        raise EngineError("no")

    runner.steps.append(broken)
    work(svc, make_job(user))
    found = read(svc)
    assert found["gas_job_failures_total", EngineError.code] == 1
    assert found["gas_job_events_total", "fail"] == 1


def test_nothing_is_counted_of_what_is_rolled_back(svc: Services, job: Job) -> None:
    before = read(svc)
    with transaction.atomic():
        assert lifecycle.cancel(svc, job)
        transaction.set_rollback(True)
    assert read(svc) == before
    lifecycle.cancel(svc, job)
    lifecycle.cancel(svc, job)  # too late: not a step
    assert read(svc)["gas_job_events_total", "cancel"] == 1


def test_folding_changes_no_count(svc: Services, job: Job) -> None:
    work(svc, job)
    before = counting.counted()
    counting.fold()
    assert not Sample.objects.exists()
    assert counting.counted() == before
    counting.count(families.RECORDS, value=4)
    counting.fold()
    counting.fold()
    assert counting.counted()["gas_records_total"][""][0] == (2, 7.0)
    assert Total.objects.filter(name="gas_records_total").count() == 1


@pytest.mark.django_db(transaction=True)
def test_folds_and_counts_at_once_lose_nothing() -> None:
    each, workers = 40, 4

    def act(number: int) -> None:
        try:
            for _ in range(each):
                counting.count(families.RECORDS, value=1)
                if number % 2:
                    counting.fold()
        finally:
            connection.close()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(act, range(workers)))  # raises what one of them raised
    assert counting.counted()["gas_records_total"][""][0] == (each * workers, each * workers)


def test_counts_outlive_the_job(svc: Services, job: Job) -> None:
    work(svc, job)
    before = counting.counted()
    Mail.objects.all().delete()
    Job.objects.all().delete()
    assert counting.counted() == before


# -- gauges ------------------------------------------------------------------------------------


def test_the_queue_by_depth_and_age(
    svc: Services, clock: FakeClock, user: User, make_job: Callable[..., Job]
) -> None:
    first, _, third = (make_job(user) for _ in range(3))
    write_event_times(clock.time)
    clock.advance(50)
    lock = f"annotate:{first.pk}"
    with connection.cursor() as cursor:  # the first is due since 20 s, the last in 10
        for job, at in ((first, -20), (third, 10)):
            cursor.execute(
                "UPDATE procrastinate_jobs SET scheduled_at = %s WHERE queueing_lock = %s",
                [clock.time + timedelta(seconds=at), f"annotate:{job.pk}"],
            )
    found = read(svc)
    assert found["gas_queue_due_messages", "annotate"] == 2
    assert found["gas_queue_later_messages", "annotate"] == 1
    assert found["gas_queue_oldest_seconds", "annotate"] == 50  # the second, written then
    assert found["gas_queue_oldest_seconds", "notify"] == 0
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE scheduled_at IS NULL")
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = 'failed' WHERE queueing_lock = %s", [lock]
        )
    found = read(svc)
    assert found["gas_queue_due_messages", "annotate"] == 0
    assert found["gas_queue_doing_messages", "annotate"] == 1
    assert found["gas_queue_failed_messages", "annotate"] == 1
    assert found["gas_queue_oldest_seconds", "annotate"] == 0


def test_parts_of_a_large_file_are_no_jobs_that_wait(
    svc: Services, clock: FakeClock, user: User, make_job: Callable[..., Job]
) -> None:
    job = make_job(user)
    queue.enqueue(queue.SHARD, 1)
    write_event_times(clock.time)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = %s WHERE queueing_lock = %s",
            [clock.time + timedelta(seconds=10), f"annotate:{job.pk}"],
        )
    clock.advance(9)
    found = read(svc)
    assert found["gas_queue_oldest_seconds", "annotate"] == 9
    assert found["gas_jobs_oldest_seconds", ""] == 0, "its time has not come"
    clock.advance(21)
    found = read(svc)
    assert found["gas_queue_oldest_seconds", "annotate"] == 30
    assert found["gas_jobs_oldest_seconds", ""] == 20


def test_a_reaper_that_never_came_is_told_as_well(svc: Services) -> None:
    assert not Reading.objects.exists()
    assert read(svc)["gas_reaped_timestamp_seconds", ""] == 0


def write_event_times(at: object) -> None:
    """The queue's own clock is the database's."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = %s", [at])


def test_a_silent_annotator_and_a_late_archive(
    svc: Services, clock: FakeClock, user: User, make_job: Callable[..., Job]
) -> None:
    done, silent = make_job(user), make_job(user)
    work(svc, done)
    lifecycle._claim(svc, silent.pk, "w:2")
    found = read(svc)
    assert found["gas_jobs", "RUNNING"] == 1
    assert (found["gas_leases_overdue", ""], found["gas_archive_lag_seconds", ""]) == (0, 0)
    clock.advance(svc.settings.free_retention_s + 90)
    found = read(svc)
    assert (found["gas_leases_overdue", ""], found["gas_archive_lag_seconds", ""]) == (1, 90)
    Job.objects.filter(pk=silent.pk).update(lease_until=None)
    past, lease = clock() - timedelta(seconds=1), {"state": "RUNNING", "created_at": clock()}
    for number, until in enumerate([past, past, clock()]):
        Shard.objects.create(
            job=silent, attempt=1, number=number, lease_until=until, fair_start=0, **lease
        )
    assert read(svc)["gas_leases_overdue", ""] == 2, "of a job in shards, its shards"
    keeping.archive(svc, done.pk)
    found = read(svc)
    assert found["gas_archive_lag_seconds", ""] == 0
    assert found["gas_result_events_total", "archived"] == 1


def test_mails_that_wait_or_went_wrong(svc: Services, mailer: FakeMailer, job: Job) -> None:
    work(svc, job)
    mailer.errors.append(NotSent("away"))
    notify.send(svc, Mail.objects.get().pk)
    found = read(svc)
    assert found["gas_mails", "PENDING"] == found["gas_mails_retrying", ""] == 1
    assert found["gas_mail_events_total", "pending"] == 1
    Mail.objects.update(state=Mail.State.UNKNOWN)
    found = read(svc)
    assert (found["gas_mails", "UNKNOWN"], found["gas_mails_retrying", ""]) == (1, 0)


def test_workers_that_say_they_live(svc: Services) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()),"
            " (now() - interval '1 hour')"
        )
    assert read(svc)["gas_workers", ""] == 1


def test_the_survey_tells_what_lies_where(
    svc: Services, clock: FakeClock, user: User, make_job: Callable[..., Job]
) -> None:
    cold, hot, failing = (make_job(user) for _ in range(3))
    for job in (cold, hot):
        work(svc, job)
    clock.advance(svc.settings.free_retention_s)
    keeping.archive(svc, cold.pk)
    Job.objects.filter(pk=hot.pk).update(keep_halted=True)
    Job.objects.filter(pk=failing.pk).update(keep_tries=2)
    assert survey.refresh(svc)
    found = read(svc)
    assert (found["gas_jobs", "COMPLETED"], found["gas_jobs", "PENDING"]) == (2, 1)
    assert (found["gas_results", "ARCHIVED"], found["gas_results", "STORED"]) == (1, 1)
    sizes = {j.pk: sum(file["size_bytes"] for file in j.result_files) for j in Job.objects.all()}
    assert sizes[hot.pk] > 0
    assert found["gas_stored_bytes", "result"] == sizes[hot.pk]
    assert found["gas_stored_bytes", "cold"] == sizes[cold.pk]
    assert found["gas_stored_bytes", "input"] == 3 * cold.input_bytes
    assert (found["gas_results_halted", ""], found["gas_results_failing", ""]) == (1, 1)
    assert found["gas_users", "free"] == 1
    assert found["gas_reaped_timestamp_seconds", ""] == clock.time.timestamp()


def test_a_survey_holds_for_a_while_and_for_longer_where_it_took_long(
    svc: Services, clock: FakeClock, user: User, make_job: Callable[..., Job]
) -> None:
    assert survey.refresh(svc)
    clock.advance(survey.HOLDS_S - 1)
    assert not survey.refresh(svc)
    assert read(svc)["gas_reaped_timestamp_seconds", ""] == clock.time.timestamp()
    clock.advance(1)
    assert survey.refresh(svc)
    Reading.objects.filter(name="gas_survey_seconds").update(value=3)
    clock.advance(survey.HOLDS_S * 4)
    assert not survey.refresh(svc)
    clock.advance(survey.HOLDS_S)
    assert survey.refresh(svc)
    assert read(svc)["gas_survey_seconds", ""] < 3


@pytest.mark.django_db(transaction=True)
def test_surveys_of_several_reapers_at_once_do_not_collide(svc: Services) -> None:
    def act(_: int) -> None:
        try:
            for _round in range(10):
                survey._write(list(survey._look()), svc.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(act, range(3)))  # raises what one of them raised
    assert Reading.objects.filter(name="gas_stored_bytes").count() == 3


def test_what_is_gone_leaves_the_survey(svc: Services, clock: FakeClock, job: Job) -> None:
    work(svc, job)
    survey.refresh(svc)
    assert read(svc)["gas_results", "STORED"] == 1
    Mail.objects.all().delete()
    Job.objects.all().delete()
    clock.advance(survey.HOLDS_S)
    survey.refresh(svc)
    assert read(svc)["gas_results", "STORED"] == read(svc)["gas_jobs", "COMPLETED"] == 0


# -- the page ----------------------------------------------------------------------------------


@pytest.fixture
def open_svc(svc: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Services:
    """Services whose settings name a token."""
    changed = {"metrics_token": SecretStr(TOKEN), "data_dir": tmp_path}
    settings = svc.settings.model_copy(update=changed)
    services = replace(svc, settings=settings)
    monkeypatch.setattr(wiring, "_services", services)
    monkeypatch.setattr("gas.web.middleware.get_settings", lambda: settings)
    return services


def test_without_a_token_in_the_settings_there_is_no_such_page(svc: Services) -> None:
    answer = Client().get("/metrics", headers={"Authorization": "Bearer "})
    assert answer.status_code == 404


@pytest.mark.parametrize("given", ["", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "é"])
def test_nobody_reads_them_without_the_token(open_svc: Services, given: str) -> None:
    answer = Client().get("/metrics", headers={"Authorization": given} if given else {})
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert b"gas_" not in answer.content


def test_the_page_holds_every_metric_that_is_declared_and_no_other(
    open_svc: Services, job: Job
) -> None:
    client = Client()
    client.get("/", {"address": "with-a-secret"})
    client.generic("BREW", "/nowhere/with-a-secret")
    survey.refresh(open_svc)
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    text = answer.content.decode()
    shown = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE"))
    assert shown == {family.name: family.kind for family in FAMILIES}
    assert 'gas_http_request_seconds_count{method="GET",route="/",status="200"} 1.0' in text
    assert 'gas_http_request_seconds_count{method="other",route="none",status="404"}' in text
    assert "with-a-secret" not in text


def test_every_family_has_a_name_by_prometheus_rules() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert bool(family.bounds) == (family.kind == "histogram")
        assert list(family.bounds) == sorted(set(family.bounds))


def test_where_the_database_is_away_the_page_says_so(
    open_svc: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gas.telemetry.counting._ALL", "SELECT 1 FROM a_table_that_is_not_there")
    with transaction.atomic():
        answer = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        transaction.set_rollback(True)
    assert answer.status_code == 503
    assert b"a_table" not in answer.content
