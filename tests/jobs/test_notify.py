"""One mail per job: sent at most once, never lost without a trace."""

from __future__ import annotations

from datetime import timedelta

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.errors import InputError
from gas.jobs import lifecycle, queue
from gas.jobs.models import Job
from gas.notify import notify
from gas.notify.mailer import NotSent, Refused, Unknown
from gas.notify.models import Mail
from gas.wiring import Services
from tests.fakes import FakeClock, FakeMailer, FakeRunner, raising

pytestmark = pytest.mark.django_db


@pytest.fixture
def mail(svc: Services, job: Job) -> Mail:
    lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    job.refresh_from_db()
    return job.mails.get()


def state(mail: Mail) -> str:
    mail.refresh_from_db()
    return mail.state


def due_at(mail: Mail) -> object:
    row = ProcrastinateJob.objects.filter(task_name=queue.NOTIFY, status="todo").last()
    assert row is not None
    assert row.args == {"row_id": str(mail.pk)}
    return row.scheduled_at


def test_the_mail_has_the_link_and_a_stable_id(
    svc: Services, mail: Mail, mailer: FakeMailer
) -> None:
    notify.send(svc, mail.pk)
    assert state(mail) == Mail.State.SENT
    (letter,) = mailer.sent
    assert letter.to == "ada@example.org"
    assert letter.subject == "sample.vcf is annotated"
    assert f"{svc.settings.public_url}/jobs/{mail.job_id}" in letter.body
    assert "Dear Ada Lovelace" in letter.body
    assert "3 records" in letter.body
    assert letter.message_id == f"<job-{mail.job_id}@localhost>"


def test_the_mail_of_a_failure_says_why(
    svc: Services, job: Job, runner: FakeRunner, mailer: FakeMailer
) -> None:
    runner.steps = [raising(InputError("A <b>bad</b> file.", line=3))]
    lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    notify.send(svc, Mail.objects.get().pk)
    (letter,) = mailer.sent
    assert letter.subject == "sample.vcf could not be annotated"
    assert "line 3: A <b>bad</b> file." in letter.body, "plain text is not escaped"


def test_a_message_handled_twice_sends_once(svc: Services, mail: Mail, mailer: FakeMailer) -> None:
    notify.send(svc, mail.pk)
    notify.send(svc, mail.pk)
    assert len(mailer.sent) == 1


def test_a_job_has_one_mail_at_most(svc: Services, mail: Mail) -> None:
    with pytest.raises(lifecycle.IntegrityError), lifecycle.transaction.atomic():
        notify.ask(svc, mail.job_id, Mail.Kind.JOB_OVER)


def test_a_server_that_is_away_is_tried_again(
    svc: Services, mail: Mail, mailer: FakeMailer, clock: FakeClock
) -> None:
    queue._finish(ProcrastinateJob.objects.get(task_name=queue.NOTIFY).pk)
    mailer.errors = [NotSent("away")]
    notify.send(svc, mail.pk)
    assert (state(mail), mail.tries) == (Mail.State.PENDING, 1)
    assert (due_at(mail) - clock()).total_seconds() == notify.FIRST_WAIT_S  # type: ignore[operator]
    notify.send(svc, mail.pk)
    assert state(mail) == Mail.State.SENT


def test_a_server_that_stays_away_is_given_up_visibly(
    svc: Services, mail: Mail, mailer: FakeMailer, clock: FakeClock
) -> None:
    mailer.errors = [NotSent("away")] * notify.MAX_TRIES
    begun = clock()
    for _ in range(notify.MAX_TRIES):
        message = ProcrastinateJob.objects.get(task_name=queue.NOTIFY)
        clock.advance(max(0, ((message.scheduled_at or clock()) - clock()).total_seconds()))
        queue._finish(message.pk)
        notify.send(svc, mail.pk)
    assert timedelta(hours=40) < clock() - begun < timedelta(hours=56), "a night, a weekend day"
    assert (state(mail), mail.error) == (Mail.State.FAILED, "away")


def test_a_refusal_is_final(svc: Services, mail: Mail, mailer: FakeMailer) -> None:
    mailer.errors = [Refused("no such mailbox")]
    notify.send(svc, mail.pk)
    assert (state(mail), mail.error) == (Mail.State.FAILED, "no such mailbox")


def test_an_unknown_fate_is_not_sent_again(svc: Services, mail: Mail, mailer: FakeMailer) -> None:
    mailer.errors = [Unknown("the line broke")]
    notify.send(svc, mail.pk)
    notify.send(svc, mail.pk)
    assert state(mail) == Mail.State.UNKNOWN
    assert mailer.sent == []


def test_a_notifier_that_died_while_sending_leaves_a_trace(
    svc: Services, mail: Mail, mailer: FakeMailer, clock: FakeClock
) -> None:
    mailer.errors = [KeyboardInterrupt()]  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt):
        notify.send(svc, mail.pk)
    assert state(mail) == Mail.State.SENDING
    assert notify.reap(svc)["unknown_mail"] == 0
    clock.advance(notify.STUCK_AFTER.total_seconds() + 1)
    assert notify.reap(svc)["unknown_mail"] == 1
    assert state(mail) == Mail.State.UNKNOWN
    notify.send(svc, mail.pk)
    assert mailer.sent == [], "at most once"


def test_a_lost_message_is_written_again(svc: Services, mail: Mail, clock: FakeClock) -> None:
    queue._finish(ProcrastinateJob.objects.get(task_name=queue.NOTIFY).pk)
    assert notify.reap(svc)["lost_mail"] == 0
    clock.advance(notify.STUCK_AFTER.total_seconds() + 1)
    assert notify.reap(svc)["lost_mail"] == 1
    assert notify.reap(svc)["lost_mail"] == 0
