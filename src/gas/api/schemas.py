"""What goes over the wire. Sizes in bytes, times in ISO 8601 with their zone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from ninja import Field, Schema

from gas.jobs import uploads
from gas.jobs.models import Job, Upload
from gas.web import downloads


class NewUpload(Schema):
    filename: str = Field(max_length=1000, description="Shown to people; never a path.")
    size_bytes: int = Field(le=1 << 42, description="Exactly as many bytes as will be sent.")


class PartNumbers(Schema):
    numbers: list[int] = Field(min_length=1, max_length=uploads.MAX_SIGNED, description="1-based.")


class SignedPart(Schema):
    number: int = Field(description="1-based.")
    method: str = "PUT"
    url: str = Field(description="Good for this part alone. Send no token to it.")
    size_bytes: int = Field(description="Exactly so many bytes; no more and no fewer are taken.")
    expires_at: datetime


class Part(Schema):
    number: int = Field(description="1-based.")
    size_bytes: int


class UploadOut(Schema):
    id: UUID
    filename: str
    state: str
    size_bytes: int
    sha256: str = Field(description="Hexadecimal; empty until the upload is complete.")
    expires_at: datetime
    part_bytes: int = Field(description="Size of each part but the last, which has the rest.")
    part_count: int
    parts: list[SignedPart] = Field(
        description="Where the first parts go, as a new upload tells; else empty."
    )


class NewJob(Schema):
    upload_id: UUID
    reference: str | None = Field(None, description="Name of a reference; default: the server's.")
    engine: str | None = Field(None, description="Name of an engine; default: the server's.")


class File(Schema):
    name: str
    size_bytes: int
    sha256: str
    url: str


class JobOut(Schema):
    id: UUID
    filename: str
    input_bytes: int
    reference: str
    engine: str
    status: str = Field(description="PENDING, RUNNING, COMPLETED, FAILED or CANCELLED.")
    result_state: str = Field(
        description="Where the result lies: STORED or ARCHIVING (at hand), ARCHIVED (in cold "
        "storage), THAWING (being restored); empty before COMPLETED."
    )
    archive_due_at: datetime | None = Field(
        description="When the result moves to cold storage; null: it stays."
    )
    thaw_ready_at: datetime | None = Field(description="Estimate while THAWING.")
    progress: float = Field(description="Share of the input that is read, 0 to 1.")
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    failure_code: str
    failure: str = Field(description="For a person: what went wrong and what to do.")
    summary: dict[str, Any] = Field(description="Counts of the result; empty before COMPLETED.")
    files: list[File] = Field(description="The result; empty unless at hand.")
    url: str = Field(description="The job's page.")


class Finding(Schema):
    severity: str = Field(description="`error` or `warning`.")
    line: int = Field(description="1-based; 0: the whole file.")
    column: int = Field(description="1-based, of the tab-separated columns; 0: the whole line.")
    field: str
    rule: str = Field(description="A stable id; docs/validation.md tells each.")
    message: str
    fix: str = Field(description="What to do.")


class FindingsOut(Schema):
    version: str = Field(description="The VCF version that the file says it has.")
    records: int
    rejected: int = Field(description="Lines passed through unannotated: those of rejected.tsv.")
    sorted: bool = Field(description="The input was not in order and was sorted.")
    notes: list[str]
    counts: dict[str, int] = Field(description="Rule -> how often it was broken.")
    unlisted: dict[str, int] = Field(description="Rule -> findings that are only counted.")
    findings: list[Finding]
    reference: dict[str, Any] = Field(description="What the build check saw.")


class JobPage(Schema):
    items: list[JobOut]
    next: str | None = Field(description="Address of the next page; null on the last.")


def upload_out(upload: Upload, parts: Sequence[SignedPart] = ()) -> UploadOut:
    size = upload.declared_bytes if upload.size_bytes is None else upload.size_bytes
    return UploadOut(
        id=upload.pk,
        filename=upload.filename,
        state=upload.state,
        size_bytes=size,
        sha256=upload.sha256,
        expires_at=upload.expires_at,
        part_bytes=upload.part_bytes,
        part_count=upload.part_count,
        parts=list(parts),
    )


def signed_out(request: HttpRequest, part: uploads.SignedPart) -> SignedPart:
    url = request.build_absolute_uri(part.url)
    return SignedPart(
        number=part.number, url=url, size_bytes=part.size_bytes, expires_at=part.expires_at
    )


def job_out(request: HttpRequest, job: Job) -> JobOut:
    files = [
        File(
            **file,
            url=request.build_absolute_uri(reverse("api:job_file", args=[job.pk, file["name"]])),
        )
        for file in downloads.result_files(job)
    ]
    fields = {name: getattr(job, name) for name in JobOut.model_fields if hasattr(job, name)}
    page = request.build_absolute_uri(reverse("job-detail", args=[job.pk]))
    return JobOut(**{**fields, "files": files, "url": page})
