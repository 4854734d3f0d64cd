"""A job as people see it: its log and its files. Used by the pages and the API alike."""

from __future__ import annotations

from dataclasses import dataclass

from gas.jobs.models import Job

_TYPES = {".json": "application/json", ".tsv": "text/tab-separated-values; charset=utf-8"}
_VCF_ENDINGS = (".vcf.gz", ".vcf.bgz", ".vcf", ".gz")


@dataclass(frozen=True)
class DownloadFile:
    """A stored object as it is offered for download. ``sha256`` in hexadecimal."""

    key: str
    filename: str
    content_type: str
    size_bytes: int
    sha256: str


def log_text(job: Job) -> str:
    """One line per event: time (UTC), attempt, what happened."""
    lines = [
        f"{event.at:%Y-%m-%d %H:%M:%S} UTC  attempt {event.attempt}  {event.message}\n"
        for event in job.events.all()
    ]
    return "".join(lines)


def input_file(job: Job) -> DownloadFile:
    """What was uploaded, byte for byte, under its own name."""
    return DownloadFile(
        key=job.input_key,
        filename=job.filename,
        content_type="application/octet-stream",
        size_bytes=job.input_bytes,
        sha256=job.input_sha256,
    )


def result_file(job: Job, name: str) -> DownloadFile | None:
    """The published file called ``name``; None where there is none."""
    for file in job.result_files:
        if file["name"] == name:
            suffix = name[name.rfind(".") :]
            return DownloadFile(
                key=f"{job.result_prefix}/{name}",
                filename=download_name(job.filename, name),
                content_type=_TYPES.get(suffix, "application/octet-stream"),
                size_bytes=file["size_bytes"],
                sha256=file["sha256"],
            )
    return None


def download_name(uploaded: str, name: str) -> str:
    """``sample.vcf.gz`` and ``annotated.vcf.gz`` → ``sample.annotated.vcf.gz``."""
    lower = uploaded.lower()
    ending = next((e for e in _VCF_ENDINGS if lower.endswith(e)), "")
    stem = uploaded[: len(uploaded) - len(ending)] or "result"
    return f"{stem}.{name}"
