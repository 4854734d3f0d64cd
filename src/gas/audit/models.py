"""The audit log. The database itself refuses to change or remove a line (a trigger)."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import models


class Action(models.TextChoices):
    PLAN = "plan", "Plan changed"
    PAYMENT = "payment", "Payment"
    ARCHIVE = "archive", "Result archived"
    THAW = "thaw", "Thaw asked for"
    RESTORE = "restore", "Result restored"
    ERASE = "erase", "Erased"
    EXPORT = "export", "Exported"
    ALARM = "alarm", "Alarm"


class AuditLine(models.Model):
    """One deed. It knows people and jobs by id alone, so that it can outlive their erasure."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    action = models.CharField(max_length=20, choices=Action.choices)
    user_id = models.UUIDField(null=True)
    job_id = models.UUIDField(null=True)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)
        indexes = [
            models.Index(fields=["user_id", "-id"], name="audit_user"),
            models.Index(fields=["job_id", "-id"], name="audit_job"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.action}"


def record(
    action: Action,
    at: datetime,
    *,
    user_id: uuid.UUID | None = None,
    job_id: uuid.UUID | None = None,
    **detail: Any,
) -> None:
    """Add a line, as part of the caller's transaction."""
    AuditLine.objects.create(at=at, action=action, user_id=user_id, job_id=job_id, detail=detail)
