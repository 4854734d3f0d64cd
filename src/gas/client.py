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
#: Between the tries of a part, and which refusals pass: an address that has expired, haste.
TRY_AGAIN = (403, 408, 429)
RETRY_WAITS_S = (1.0, 2.0, 4.0, 8.0)
COMPLETE_TIMEOUT_S = 600.0


class ServerError(GasError):
    """The server did not do what was asked."""

    code = "server"


class Client:
    """Talks to the GAS at ``server`` (``http://host:port``) with an API ``token``."""

    def __init__(self, server: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=server.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        #: For signed addresses, which carry their permission themselves.
        self._store = httpx.Client(timeout=httpx.Timeout(30, write=300))

    def close(self) -> None:
        """Let its connections go."""
        self._http.close()
        self._store.close()

    def upload(self, path: Path) -> str:
        """Send the file by parts; the upload's id. Raises ServerError."""
        size = path.stat().st_size
        made = self._call(
            "POST", "/api/v1/uploads", json={"filename": path.name, "size_bytes": size}
        )
        signed = {part["number"]: part for part in made["parts"]}
        for number in range(1, made["part_count"] + 1):
            start0 = (number - 1) * made["part_bytes"]
            self._send(made["id"], number, signed.get(number), path, start0)
        # The service reads all of it for its checksum.
        self._call("POST", f"/api/v1/uploads/{made['id']}/complete", timeout=COMPLETE_TIMEOUT_S)
        return str(made["id"])

    def _send(
        self, upload_id: str, number: int, part: dict[str, Any] | None, path: Path, start0: int
    ) -> None:
        """Part ``number``, the bytes of ``path`` from ``start0``: to the address in ``part``, or
        to a fresh one, which each further try takes."""
        for wait_s in (*RETRY_WAITS_S, None):
            part = part or self._sign(upload_id, number)
            why = self._put(part, path, start0)
            if why is None:
                return
            if wait_s is None:
                raise ServerError(f"Part {number} of {path.name} did not get through: {why}.")
            time.sleep(wait_s)
            part = None

    def _sign(self, upload_id: str, number: int) -> dict[str, Any]:
        url = f"/api/v1/uploads/{upload_id}/parts"
        answer = self._request("POST", url, json={"numbers": [number]})
        return dict(answer.json()[0])

    def _put(self, part: dict[str, Any], path: Path, start0: int) -> str | None:
        """None where the part got through; else why not yet, without its address, which is secret.
        Raises ServerError where another try is of no use."""
        try:
            answer = self._store.put(
                part["url"],
                content=_pieces(path, start0, part["size_bytes"]),
                headers={"Content-Length": str(part["size_bytes"])},
            )
        except httpx.TransportError as error:
            return str(error) or type(error).__name__
        if answer.is_success:
            return None
        if answer.is_client_error and answer.status_code not in TRY_AGAIN:
            self._check(answer)
        return f"the answer was {answer.status_code}"

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
        # Perhaps to an address of the object store, which is not told the token.
        with self._http.stream("GET", url, follow_redirects=True) as answer:
            self._check(answer)
            with part.open("wb") as file:
                for piece in answer.iter_bytes(PIECE):
                    file.write(piece)
        part.replace(path)

    def _call(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        answer = self._request(method, url, **options)
        return dict(answer.json()) if answer.content else {}

    def _request(self, method: str, url: str, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, url, **options)
        except httpx.HTTPError as error:
            raise ServerError(
                f"No answer from {self._http.base_url}: {error or type(error).__name__}.",
                hint="Is GAS running there? See --server.",
            ) from None
        self._check(answer)
        return answer

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        answer.read()
        try:
            said = answer.json()
            raise ServerError(str(said["detail"]), hint=str(said.get("hint") or ""))
        except (ValueError, KeyError, TypeError):
            where = answer.request.url.copy_with(query=None)  # which may be a permission
            raise ServerError(f"{where} answered {answer.status_code}.") from None


def _pieces(path: Path, start0: int, size_bytes: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start0)
        while size_bytes and (piece := file.read(min(PIECE, size_bytes))):
            yield piece
            size_bytes -= len(piece)
