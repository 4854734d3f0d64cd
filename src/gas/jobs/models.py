"""The rows that are the truth: uploads, jobs, and what happened to a job."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from gas.jobs.fields import OrderedJSON
from gas.jobs.states import NAMES, ResultState, ShardState, Status, Transition
from gas.telemetry.counting import count
from gas.telemetry.families import JOB_EVENTS, RESULT_EVENTS, SHARD_EVENTS, Family


class Upload(models.Model):
    """A file on its way in. It becomes the input of one job when that job is submitted."""

    class State(models.TextChoices):
        OPEN = "OPEN", "Open"  # -- complete --> COMPLETE
        COMPLETE = "COMPLETE", "Complete"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads"
    )
    #: As the user named it, made harmless; only ever shown, never part of a path or key.
    filename = models.CharField(max_length=200)
    #: What the client said would come.
    declared_bytes = models.BigIntegerField()
    #: The store's own name of an upload by parts, and the size of all parts but the last; empty
    #: and 0 where the bytes come in one piece, with a form.
    parts_id = models.TextField(blank=True)
    part_bytes = models.BigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    #: What came; set by ``complete``.
    size_bytes = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["state", "expires_at"], name="upload_expiry")]

    def __str__(self) -> str:
        return f"{self.filename} ({self.id})"

    @property
    def key(self) -> str:
        """Where its bytes lie in the store."""
        return f"users/{self.owner_id}/uploads/{self.id}/input"

    @property
    def part_count(self) -> int:
        return -(-self.declared_bytes // self.part_bytes) if self.part_bytes else 0

    def part_size(self, number: int) -> int:
        """Bytes of part ``number`` (1-based, at most ``part_count``)."""
        return min(self.part_bytes, self.declared_bytes - (number - 1) * self.part_bytes)


class JobQuerySet(models.QuerySet["Job"]):
    def of(self, owner: Any) -> JobQuerySet:
        """What ``owner`` may see: their own, without what is being erased."""
        return self.filter(owner=owner, erasing=False)


#: What fills its owner's lane: not the jobs that were cancelled before anybody began.
IN_LANE = ~Q(status=Status.CANCELLED, attempt=0)


class Job(models.Model):
    """One annotation of one file.

    ``attempt`` is the fencing token: it grows with every claim, and whoever holds an older one can
    neither renew the lease nor publish. ``tries`` counts the attempts that failed or vanished.
    ``result_prefix`` is the pointer by which a result is published.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jobs"
    )
    upload = models.OneToOneField(Upload, on_delete=models.PROTECT, related_name="job")
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - unique where given

    filename = models.CharField(max_length=200)
    input_key = models.CharField(max_length=300)
    input_bytes = models.BigIntegerField()
    input_sha256 = models.CharField(max_length=64)
    reference = models.CharField(max_length=100)
    engine = models.CharField(max_length=200)

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    submitted_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    attempt = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    #: How often an operator had it tried afresh.
    reruns = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    #: Its place among the waiting, in virtual time (gas.jobs.fairness), given when it is submitted.
    fair_start = models.BigIntegerField(default=0)
    fair_finish = models.BigIntegerField(default=0)
    #: Share of the input that is read, 0 to 1.
    progress = models.FloatField(default=0)
    #: Not in shards, however large: that was tried, and this file is none for it.
    in_one_piece = models.BooleanField(default=False)

    result_prefix = models.CharField(max_length=300, blank=True)
    #: [{"name", "size_bytes", "sha256"}], the files below ``result_prefix``.
    result_files = models.JSONField(default=list, blank=True)
    summary = OrderedJSON(default=dict, blank=True)
    # Where the result lies (gas.jobs.keeping). ``keep_version`` grows with every transition of
    # ``result_state``: whoever acts on an older one is too late.
    result_state = models.CharField(
        max_length=10, choices=ResultState.choices, default=ResultState.NONE, blank=True
    )
    keep_version = models.PositiveIntegerField(default=0)
    #: When a free user's result leaves for the cold tier; None: it stays.
    archive_due_at = models.DateTimeField(null=True, blank=True)
    #: Whether copies may lie in the hot store, in the cold tier: true until they surely do not.
    in_hot = models.BooleanField(default=False)
    in_cold = models.BooleanField(default=False)
    thaw_tier = models.CharField(max_length=20, blank=True)
    thaw_ready_at = models.DateTimeField(null=True, blank=True)
    #: Failed steps in a row, and why; ``keep_halted``: a checksum did not match, a person decides.
    keep_tries = models.PositiveIntegerField(default=0)
    keep_error = models.TextField(blank=True)
    keep_halted = models.BooleanField(default=False)
    #: Its owner deleted it: nobody sees it any more, and all of it is being removed.
    erasing = models.BooleanField(default=False)
    erase_passed_at = models.DateTimeField(null=True, blank=True)

    failure_code = models.CharField(max_length=40, blank=True)
    failure = models.TextField(blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ("-submitted_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "idempotency_key"], name="job_once_per_idempotency_key"
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.COMPLETED) | ~Q(result_prefix=""),
                name="job_completed_has_result",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.COMPLETED) ^ Q(result_state=ResultState.NONE),
                name="job_result_state_if_completed",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.FAILED) | ~Q(failure=""), name="job_failed_has_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-submitted_at"], name="job_list"),
            models.Index(
                fields=["submitted_at"], name="job_waiting", condition=Q(status=Status.PENDING)
            ),
            # How many arrive and how long they run: the farm is scaled by it, every second.
            models.Index(fields=["submitted_at"], name="job_arrivals"),
            models.Index(
                fields=["finished_at"], name="job_ended", condition=Q(status=Status.COMPLETED)
            ),
            models.Index(
                fields=["fair_start", "submitted_at"],
                name="job_next",
                condition=Q(status=Status.PENDING),
            ),
            models.Index(fields=["owner", "fair_finish"], name="job_lane", condition=IN_LANE),
            models.Index(
                fields=["lease_until"], name="job_lease", condition=Q(status=Status.RUNNING)
            ),
            models.Index(
                fields=["archive_due_at"],
                name="job_archive_due",
                condition=Q(result_state=ResultState.STORED),
            ),
            models.Index(
                fields=["owner", "result_state"],
                name="job_cold",
                condition=~Q(result_state__in=[ResultState.NONE, ResultState.STORED]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.filename} ({self.id})"

    @property
    def is_over(self) -> bool:
        return Status(self.status).is_over

    def result_key(self, name: str) -> str:
        """Where the result file ``name`` lies, in the hot store and in the cold tier alike."""
        return f"{self.result_prefix}/{name}"

    @property
    def at_hand(self) -> bool:
        """Whether its result can be downloaded now."""
        return ResultState(self.result_state).at_hand

    def attempt_prefix(self, attempt: int) -> str:
        """Where attempt number ``attempt`` writes: its own place, never another's."""
        return f"users/{self.owner_id}/jobs/{self.id}/{attempt}"


def advance(job_id: uuid.UUID, way: Transition, *guards: Q, **changes: Any) -> bool:
    """Take the job along ``way`` if it still stands at its start and ``guards`` hold.

    One UPDATE; returns whether this caller was the one. ``changes`` are set in the same stroke,
    and the step is counted.
    """
    here = Job.objects.filter(*guards, pk=job_id, status__in=way.sources)
    return _counted(here.update(status=way.target, **changes), JOB_EVENTS, way)


def move_result(job: Job, way: Transition, *guards: Q, **changes: Any) -> bool:
    """Take the job's result along ``way``, if nobody moved it since ``job`` was read."""
    here = Job.objects.filter(
        *guards,
        pk=job.pk,
        keep_version=job.keep_version,
        result_state__in=way.sources,
        erasing=False,
    )
    moved = here.update(result_state=way.target, keep_version=F("keep_version") + 1, **changes)
    return _counted(moved, RESULT_EVENTS, way)


def _counted(updated: int, family: Family, way: Transition) -> bool:
    if updated:
        count(family, NAMES[way])
    return updated == 1


def holds(attempt: int) -> Q:
    """The guard of a worker: it still is the one that claimed attempt number ``attempt``."""
    return Q(attempt=attempt)


NEXT_ATTEMPT = F("attempt") + 1


def is_due(now: datetime) -> Q:
    """Rows whose time to be taken up has come by ``now``."""
    return Q(not_before__isnull=True) | Q(not_before__lte=now)


class Shard(models.Model):
    """A part of the work on one large file: one of its shards, or the join of them all.

    ``attempt`` is the job's own when it was split: rows of another attempt are leftovers.
    ``token`` grows with every claim, as ``Job.attempt`` does, and whoever holds an older one can
    neither renew the lease nor finish.
    """

    class Kind(models.TextChoices):
        PART = "PART", "Part"
        JOIN = "JOIN", "Join"

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="shards")
    attempt = models.PositiveIntegerField()
    #: Its place in the file, from 0; the join's is the number of parts.
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=4, choices=Kind.choices, default=Kind.PART)
    state = models.CharField(max_length=7, choices=ShardState.choices, default=ShardState.PENDING)
    created_at = models.DateTimeField()
    fair_start = models.BigIntegerField()
    #: Bytes of text; 0 for the join.
    size_bytes = models.BigIntegerField(default=0)

    token = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    progress = models.FloatField(default=0)
    #: [{"key", "size_bytes", "sha256"}] in the store: what it is made of, what came of it.
    inputs = models.JSONField(default=list)
    outputs = models.JSONField(default=list, blank=True)
    #: When what it left was first cleared away.
    dropped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("job", "attempt", "number")
        constraints = [
            models.UniqueConstraint(fields=["job", "attempt", "number"], name="shard_once"),
        ]
        indexes = [
            models.Index(
                fields=["lease_until"],
                name="shard_lease",
                condition=Q(state=ShardState.RUNNING),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} of {self.job_id}"

    @property
    def title(self) -> str:
        """For people."""
        return "The join" if self.kind == self.Kind.JOIN else f"Part {self.number + 1}"

    @property
    def prefix(self) -> str:
        """Where the holder of the current token writes: its own place, never another's."""
        whole = self.job.attempt_prefix(self.attempt)
        if self.kind == self.Kind.JOIN:
            return f"{whole}/joined-{self.token}"
        return f"{whole}/shards/{self.number}/{self.token}"


def advance_shard(shard_id: int, way: Transition, *guards: Q, **changes: Any) -> bool:
    """``advance`` for a shard."""
    here = Shard.objects.filter(*guards, pk=shard_id, state__in=way.sources)
    return _counted(here.update(state=way.target, **changes), SHARD_EVENTS, way)


class VirtualClock(models.Model):
    """The clock of fair shares (gas.jobs.fairness), in one row or none yet: ``now`` never goes
    back."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    now = models.BigIntegerField(default=0)
    base = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.now:,} from {self.base:,}"


class JobEvent(models.Model):
    """A line of a job's log, written in the same transaction as what it tells of."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    attempt = models.PositiveIntegerField()
    message = models.TextField()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.message}"
