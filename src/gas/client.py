"""A client of the REST API: what `gas submit` and `gas demo` use, and a model for yours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from gas.errors import GasError

PIECE = 1 << 20
OVER = ("COMPLETED", "FAILED", "CANCELLED")
POLL_S = 0.5


class ServerError(GasError):
    """The server did not do what was asked."""

    code = "server"


class Client:
    """Talks to the GAS at ``server`` (``http://host:port``) with an API ``token``."""

    def __init__(self, server: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=server.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(30, write=300),
        )

    def upload(self, path: Path, on_bytes: Callable[[int], None] = lambda _n: None) -> str:
        """Send the file; the upload's id. ``on_bytes`` is told how many bytes were sent so far.
        Raises ServerError."""
        size = path.stat().st_size
        made = self._call(
            "POST", "/api/v1/uploads", json={"filename": path.name, "size_bytes": size}
        )
        for part in made["parts"]:
            self._call(
                part["method"],
                part["url"],
                content=_pieces(path, on_bytes),
                headers={"Content-Length": str(part["size_bytes"])},
            )
        self._call("POST", f"/api/v1/uploads/{made['id']}/complete")
        return str(made["id"])

    def submit(
        self, upload_id: str, *, reference: str | None = None, engine: str | None = None
    ) -> dict[str, Any]:
        """Make the upload a job. Raises ServerError."""
        wanted = {"upload_id": upload_id, "reference": reference, "engine": engine}
        return self._call("POST", "/api/v1/jobs", json=wanted)

    def job(self, job_id: str) -> dict[str, Any]:
        return self._call("GET", f"/api/v1/jobs/{job_id}")

    def wait(
        self, job_id: str, on_look: Callable[[dict[str, Any]], None] = lambda _job: None
    ) -> dict[str, Any]:
        """Look at the job until it is over; ``on_look`` sees it each time. Raises ServerError."""
        while True:
            job = self.job(job_id)
            on_look(job)
            if job["status"] in OVER:
                return job
            time.sleep(POLL_S)

    def download(self, url: str, path: Path) -> None:
        """Save what ``url`` holds at ``path``, which appears only when it is whole."""
        part = path.with_name(path.name + ".part")
        with self._http.stream("GET", url) as answer:
            self._check(answer)
            with part.open("wb") as file:
                for piece in answer.iter_bytes(PIECE):
                    file.write(piece)
        part.replace(path)

    def _call(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, url, **options)
        except httpx.HTTPError as error:
            raise ServerError(
                f"No answer from {self._http.base_url}: {error or type(error).__name__}.",
                hint="Is GAS running there? See --server.",
            ) from None
        self._check(answer)
        return dict(answer.json()) if answer.content else {}

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        answer.read()
        try:
            said = answer.json()
            raise ServerError(str(said["detail"]), hint=str(said.get("hint") or ""))
        except (ValueError, KeyError, TypeError):
            raise ServerError(f"{answer.request.url} answered {answer.status_code}.") from None


def _pieces(path: Path, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    sent = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
            sent += len(piece)
            on_bytes(sent)
