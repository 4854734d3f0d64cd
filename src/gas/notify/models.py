"""A mail's row, which makes "sent at most once, and never lost without a trace" true."""

from __future__ import annotations

from django.db import models


class Mail(models.Model):
    """One mail about one event of a job; unique, so a second one cannot even be written down."""

    class Kind(models.TextChoices):
        JOB_OVER = "job-over", "The job is over"
        ARCHIVE_SOON = "archive-soon", "The result leaves for cold storage soon"
        RESTORED = "restored", "Results are at hand again"

    class State(models.TextChoices):
        PENDING = "PENDING", "Waiting"  # -- claim --> SENDING; refused for good --> FAILED
        SENDING = "SENDING", "Being sent"  # -- sent, or known not to be --> SENT, PENDING
        SENT = "SENT", "Sent"
        FAILED = "FAILED", "Refused"  # the mail server said no, for good
        UNKNOWN = "UNKNOWN", "Unknown"  # we died while sending: never sent a second time
        NEEDLESS = "NEEDLESS", "Needless"  # what it was to tell is no longer so

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="mails")
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.JOB_OVER)
    #: Tells apart what can happen to a job more than once.
    round = models.PositiveIntegerField(default=0)
    message_id = models.CharField(max_length=200, unique=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    tries = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    not_before = models.DateTimeField(null=True, blank=True)
    sending_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "mail"
        constraints = [
            models.UniqueConstraint(fields=["job", "kind", "round"], name="mail_once_per_event")
        ]
        indexes = [models.Index(fields=["state", "created_at"], name="mail_state")]

    def __str__(self) -> str:
        return self.message_id
