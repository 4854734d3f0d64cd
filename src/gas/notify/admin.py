"""The operator's view of mail."""

from __future__ import annotations

from django.contrib import admin

from gas.jobs.admin import ReadOnly
from gas.notify.models import Mail


@admin.register(Mail)
class MailAdmin(ReadOnly):
    list_display = ("job", "kind", "state", "tries", "created_at", "sent_at", "error")
    list_filter = ("kind", "state")
    search_fields = ("message_id", "job__owner__email")
    date_hierarchy = "created_at"
