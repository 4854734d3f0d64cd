"""The operator's view of the audit log."""

from __future__ import annotations

from django.contrib import admin

from gas.audit.models import AuditLine
from gas.jobs.admin import ReadOnly


@admin.register(AuditLine)
class AuditLineAdmin(ReadOnly):
    list_display = ("at", "action", "user_id", "job_id", "detail")
    list_filter = ("action",)
    search_fields = ("=user_id", "=job_id")
    date_hierarchy = "at"
