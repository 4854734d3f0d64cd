"""A mail's row, which makes "sent at most once, and never lost without a trace" true."""

from __future__ import annotations

from django.db import models


class Mail(models.Model):
    """One mail about one job; unique, so a second one cannot even be written down."""

    class State(models.TextChoices):
        PENDING = "PENDING", "Waiting"  # -- claim --> SENDING; refused for good --> FAILED
        SENDING = "SENDING", "Being sent"  # -- sent, or known not to be --> SENT, PENDING
        SENT = "SENT", "Sent"
        FAILED = "FAILED", "Refused"  # the mail server said no, for good
        UNKNOWN = "UNKNOWN", "Unknown"  # we died while sending: never sent a second time

    id = models.BigAutoField(primary_key=True)
    job = models.OneToOneField("jobs.Job", on_delete=models.CASCADE, related_name="mail")
    message_id = models.CharField(max_length=200, unique=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    tries = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    sending_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "mail"
        indexes = [models.Index(fields=["state", "created_at"], name="mail_state")]

    def __str__(self) -> str:
        return self.message_id
