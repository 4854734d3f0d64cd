"""The operator's view of jobs: everything to read, nothing to change by hand."""

from __future__ import annotations

from django.contrib import admin

from gas.jobs.models import Job, JobEvent, Upload


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]
    def has_add_permission(self, request: object) -> bool:
        return False

    def has_change_permission(self, request: object, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: object, obj: object = None) -> bool:
        return False


class EventInline(admin.TabularInline):  # type: ignore[type-arg]
    model = JobEvent
    extra = 0
    can_delete = False
    fields = readonly_fields = ("at", "attempt", "message")

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        return False


@admin.register(Job)
class JobAdmin(ReadOnly):
    list_display = ("id", "owner", "filename", "status", "engine", "reference", "submitted_at",
                    "finished_at", "attempt", "tries", "worker")  # fmt: skip
    list_filter = ("status", "engine", "reference", "failure_code")
    search_fields = ("id", "owner__email", "filename")
    date_hierarchy = "submitted_at"
    inlines = (EventInline,)


@admin.register(Upload)
class UploadAdmin(ReadOnly):
    list_display = ("id", "owner", "filename", "declared_bytes", "state", "created_at")
    list_filter = ("state",)
    search_fields = ("id", "owner__email", "filename")
