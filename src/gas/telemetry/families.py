"""Every metric of GAS, declared once.

Names and units follow Prometheus' rules: base units in the name, ``_total`` for what only grows.
Labels have few values, all of them ours: no label holds what a person typed.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

from gas.jobs.states import GAVE_UP, RESULT_TRANSITIONS, SHARD_TRANSITIONS, TRANSITIONS

INFINITY = float("inf")
#: From a small file's tenth of a second to a whole genome's hours.
JOB_BOUNDS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14_400)
REQUEST_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass(frozen=True)
class Family:
    """A metric: its name, kind, meaning, its one label ("": none), a histogram's bounds, and the
    label's values that are told before anything was counted (a rate needs a zero to begin at)."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    label: str = ""
    bounds: tuple[float, ...] = ()
    known: tuple[str, ...] = ()

    def bucket_of(self, value: float) -> int:
        """The first bucket whose bound is not below ``value``; the last one has none."""
        return bisect_left(self.bounds, value)


# -- counted as it happens (gas.telemetry.counting) ------------------------------------------------

JOB_EVENTS = Family(
    "gas_job_events_total",
    "counter",
    "Steps that jobs took",
    "event",
    known=("submit", *TRANSITIONS),
)
SHARD_EVENTS = Family(
    "gas_shard_events_total",
    "counter",
    "Steps that parts of large files took, and the joins of parts",
    "event",
    known=tuple(SHARD_TRANSITIONS),
)
JOB_FAILURES = Family(
    "gas_job_failures_total",
    "counter",
    "Jobs that failed for good, by the code of why",
    "code",
    known=(GAVE_UP,),
)
JOB_WAIT = Family(
    "gas_job_wait_seconds",
    "histogram",
    "From a job's submission to its first claim",
    bounds=JOB_BOUNDS_S,
)
JOB_RUN = Family(
    "gas_job_run_seconds",
    "histogram",
    "From a job's last claim to its result",
    bounds=JOB_BOUNDS_S,
)
RECORDS = Family("gas_records_total", "counter", "VCF records of completed jobs")
RESULT_EVENTS = Family(
    "gas_result_events_total",
    "counter",
    "Steps that results took",
    "event",
    known=tuple(RESULT_TRANSITIONS),
)
MAIL_EVENTS = Family(
    "gas_mail_events_total",
    "counter",
    "What came of mails; pending: not sent so far, to be tried again",
    "event",
    known=("sent", "failed", "unknown", "needless", "pending"),
)

COUNTED = (
    JOB_EVENTS,
    SHARD_EVENTS,
    JOB_FAILURES,
    JOB_WAIT,
    JOB_RUN,
    RECORDS,
    RESULT_EVENTS,
    MAIL_EVENTS,
)

# -- read from the rows at each scrape (gas.telemetry.service) -------------------------------------

MESSAGES_DUE = Family("gas_queue_due_messages", "gauge", "Messages that wait for a worker", "queue")
MESSAGES_LATER = Family(
    "gas_queue_later_messages", "gauge", "Messages whose time has not come", "queue"
)
MESSAGES_DOING = Family("gas_queue_doing_messages", "gauge", "Messages that a worker has", "queue")
MESSAGES_FAILED = Family(
    "gas_queue_failed_messages", "gauge", "Messages that ended in a failure of GAS itself", "queue"
)
QUEUE_AGE = Family(
    "gas_queue_oldest_seconds",
    "gauge",
    "Wait of the oldest message that is due",
    "queue",
)
JOB_AGE = Family(
    "gas_jobs_oldest_seconds",
    "gauge",
    "Wait of the oldest job that is due; parts of large files are of jobs that run",
)
WORKERS = Family("gas_workers", "gauge", "Workers that have said lately that they are alive")
LEASES_OVERDUE = Family(
    "gas_leases_overdue",
    "gauge",
    "Running jobs, and shards of jobs, whose annotator has fallen silent",
)
ARCHIVE_LAG = Family(
    "gas_archive_lag_seconds",
    "gauge",
    "How overdue the most overdue archiving is",
)
MAILS = Family("gas_mails", "gauge", "Mails that are waiting or went wrong, by state", "state")
MAILS_RETRYING = Family("gas_mails_retrying", "gauge", "Mails that could not be sent so far")
REAPED = Family(
    "gas_reaped_timestamp_seconds", "gauge", "When the reaper last came round (UNIX time; 0: never)"
)

# -- surveyed by the reaper, now and then: these look at every row ---------------------------------

JOBS = Family("gas_jobs", "gauge", "Jobs by state", "status")
RESULTS = Family("gas_results", "gauge", "Results by where they lie", "state")
RESULTS_HALTED = Family(
    "gas_results_halted", "gauge", "Results whose copies do not agree: a person must decide"
)
RESULTS_FAILING = Family(
    "gas_results_failing", "gauge", "Results whose archiving or restoring fails for now"
)
STORED_BYTES = Family(
    "gas_stored_bytes", "gauge", "Bytes of inputs, results and cold results", "place"
)
USERS = Family("gas_users", "gauge", "Accounts by plan", "plan")
SURVEY = Family("gas_survey_seconds", "gauge", "How long the last look at every row took")

SURVEYED = (JOBS, RESULTS, RESULTS_HALTED, RESULTS_FAILING, STORED_BYTES, USERS, SURVEY)
#: Kept as readings too, but new at every round of the reaper.
READINGS = (*SURVEYED, REAPED)

# -- of the host that answers ----------------------------------------------------------------------

DISK_FREE = Family("gas_disk_free_bytes", "gauge", "Room left where the data folder lies")
DISK_SIZE = Family("gas_disk_size_bytes", "gauge", "Size of the disk where the data folder lies")
BUILD = Family("gas_build_info", "gauge", "1, with the version as label", "version")
REQUESTS = Family(
    "gas_http_request_seconds",
    "histogram",
    "Time from a request to the head of its answer, on this host, by method, route and status",
    bounds=REQUEST_BOUNDS_S,
)

FAMILIES = (
    *COUNTED,
    MESSAGES_DUE,
    MESSAGES_LATER,
    MESSAGES_DOING,
    MESSAGES_FAILED,
    QUEUE_AGE,
    JOB_AGE,
    WORKERS,
    LEASES_OVERDUE,
    ARCHIVE_LAG,
    MAILS,
    MAILS_RETRYING,
    *READINGS,
    DISK_FREE,
    DISK_SIZE,
    BUILD,
    REQUESTS,
)
