"""The operator's view of jobs: everything to read; to do only what the life of a job allows."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.jobs import keeping, lifecycle
from gas.jobs.models import Job, JobEvent, Shard, Upload
from gas.wiring import get_services


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


class ShardInline(admin.TabularInline):  # type: ignore[type-arg]
    """The parts of a large file, while it is worked on."""

    model = Shard
    extra = 0
    can_delete = False
    fields = readonly_fields = (
        "attempt", "number", "kind", "state", "tries", "worker", "lease_until", "progress",
    )  # fmt: skip

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        return False


@admin.register(Job)
class JobAdmin(ReadOnly):
    list_display = (
        "id",
        "owner",
        "filename",
        "status",
        "result_state",
        "keep_halted",
        "engine",
        "submitted_at",
        "finished_at",
        "tries",
        "worker",
    )
    list_filter = ("status", "result_state", "keep_halted", "erasing", "engine", "failure_code")
    search_fields = ("=id", "owner__email", "filename")
    date_hierarchy = "submitted_at"
    inlines = (EventInline, ShardInline)
    actions = ("cancel", "retry", "resume_keeping")

    @admin.action(description="Cancel", permissions=["view"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        done = sum(lifecycle.cancel(get_services(), job, by="the operator") for job in jobs)
        self.message_user(request, f"{done} cancelled; what is over stays as it is.")

    @admin.action(description="Try again (failed jobs)", permissions=["view"])
    def retry(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        done = sum(lifecycle.retry(get_services(), job) for job in jobs)
        self.message_user(request, f"{done} will be tried again; only failed jobs can be.")

    @admin.action(description="Go on after an alarm (archive, restore)", permissions=["view"])
    def resume_keeping(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        halted = [job for job in jobs if job.keep_halted]
        for job in halted:
            keeping.resume(get_services(), job)
        level = messages.SUCCESS if halted else messages.WARNING
        self.message_user(request, f"{len(halted)} go on.", level)


@admin.register(Upload)
class UploadAdmin(ReadOnly):
    list_display = ("id", "owner", "filename", "declared_bytes", "state", "created_at")
    list_filter = ("state",)
    search_fields = ("=id", "owner__email", "filename")


# procrastinate's own page of messages needs inline styles, which the pages' policy forbids.
admin.site.unregister(ProcrastinateJob)


@admin.register(ProcrastinateJob)
class MessageAdmin(ReadOnly):
    list_display = ("id", "queue_name", "task_name", "args", "status", "scheduled_at", "attempts")
    list_filter = ("queue_name", "task_name", "status")
    search_fields = ("queueing_lock",)
