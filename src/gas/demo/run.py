"""`gas demo`: a real genome through the real service, the way a new user would go.

The service runs as `gas up` in a process of its own, on a free port and in a temporary folder. All
else is done from outside, over HTTP: the sign-up page's own form, the profile page's form for a
token, the API for the rest.
"""

from __future__ import annotations

import contextlib
import functools
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx

from gas import procs
from gas.cli.show import progress_line, summary_lines
from gas.client import Client
from gas.config import child_environment
from gas.errors import GasError

INPUT = Path(__file__).parent / "NA12878_NIST_complex_indels_chr20_GRCh37.vcf.gz"
EMAIL = "ada@example.org"
MAIL_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 45.0
Say = Callable[[str], None]


class DemoFailed(GasError):
    """The demo did not work."""


def run_demo(say: Say, *, keep: bool) -> None:
    """The whole demo. Raises GasError where something did not work."""
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="gas-demo-"))
    folder.chmod(0o711)  # root's PostgreSQL runs as another user, who must get to its own folder
    data = folder / "data"
    try:
        with _service(data, say) as (url, service):
            password = secrets.token_urlsafe(12)
            client = Client(url, _sign_up(url, password))
            say(f"Signed up {EMAIL}; made an API token.")
            job = _annotate(client, say)
            paths = _save(client, job, data, folder)
            _show(job, paths, time.monotonic() - begun, say)
            if keep:
                _stay(service, url, password, say)
    except GasError:
        say(f"The logs say more: {data / 'service' / 'logs'}")
        raise
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(data, ignore_errors=True)


@contextlib.contextmanager
def _service(data: Path, say: Say) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The embedded service while it runs; its address and its process."""
    command = [sys.executable, "-m", "gas", "up", "--port", "0", "--data", str(data)]
    service = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=child_environment(GAS_RETRY_BACKOFF_S="1"),
        start_new_session=True,  # Ctrl-C is ours; we stop it in order
        preexec_fn=functools.partial(procs.die_with_parent, signal.SIGTERM),
    )
    try:
        yield _wait_until_up(service, say), service
    finally:
        say("Stopping the service ...")
        service.terminate()
        try:
            service.communicate(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            procs.kill_group(service.pid)
            raise DemoFailed("The service did not stop.") from None
    if service.returncode != 0:
        raise DemoFailed(f"The service ended with exit status {service.returncode}.")


def _wait_until_up(service: subprocess.Popen[str], say: Say) -> str:
    assert service.stdout is not None
    lines = []
    for line in service.stdout:
        lines.append(line.rstrip())
        say(line.rstrip())
        if found := re.search(r"GAS is up: (\S+)", line):
            return found[1]
    raise DemoFailed("The service does not start: " + " ".join(lines[-3:]))


def _sign_up(url: str, password: str) -> str:
    """Fill in the sign-up page, then the profile page's form for a token; returns the token."""
    with httpx.Client(base_url=url, follow_redirects=True, timeout=30) as browser:
        answer = _submit(
            browser,
            "/accounts/signup/",
            name="Ada Lovelace",
            email=EMAIL,
            institution="Analytical Engine Institute",
            password1=password,
            password2=password,
        )
        if "/accounts/" in answer.url.path:
            raise DemoFailed("Signing up did not work.")
        answer = _submit(browser, "/profile/", "/profile/tokens/", name="demo")
        token = re.search(r"gas_[A-Za-z0-9_-]{43}", answer.text)
        if token is None:
            raise DemoFailed("The profile page shows no token.")
        return token[0]


def _submit(
    browser: httpx.Client, page: str, action: str | None = None, **fields: str
) -> httpx.Response:
    """Fill in and send the form of ``page`` that goes to ``action`` (default: the page itself)."""
    forms = _Forms()
    forms.feed(browser.get(page).raise_for_status().text)
    target = action or page
    hidden = next((f for to, f in forms.found if (to or page).split("?")[0] == target), None)
    if hidden is None:
        raise DemoFailed(f"The page {page} has no form for {target}.")
    headers = {"Referer": str(browser.base_url.join(page))}
    return browser.post(target, data={**hidden, **fields}, headers=headers).raise_for_status()


class _Forms(HTMLParser):
    """The POST forms of a page: where each goes, and its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and values.get("method", "").lower() == "post":
            self.found.append((values.get("action", ""), {}))
        elif tag == "input" and values.get("type") == "hidden" and self.found:
            self.found[-1][1][values.get("name", "")] = values.get("value", "")


def _annotate(client: Client, say: Say) -> dict[str, Any]:
    job = client.submit(client.upload(INPUT))
    say(f"Submitted {INPUT.name} ({INPUT.stat().st_size:,} bytes): job {job['id']}.")
    with progress_line("Annotating") as look:
        job = client.wait(job["id"], look)
    if job["status"] != "COMPLETED":
        raise DemoFailed(f"The job is {job['status']}: {job['failure']}")
    return job


def _save(client: Client, job: dict[str, Any], data: Path, folder: Path) -> list[Path]:
    """The result and the mail, copied to where they stay."""
    stem = INPUT.name.removesuffix(".vcf.gz")
    paths = []
    for file in job["files"]:
        paths.append(folder / f"{stem}.{file['name']}")
        client.download(file["url"], paths[-1])
    mail = _wait_for_mail(data, job["id"])
    paths.append(folder / mail.name)
    shutil.copy(mail, paths[-1])
    return paths


def _wait_for_mail(data: Path, job_id: str) -> Path:
    mail = data / "service" / "mail" / f"job-{job_id}.eml"
    end = time.monotonic() + MAIL_TIMEOUT_S
    while not mail.exists():
        if time.monotonic() > end:
            raise DemoFailed("No mail came.")
        time.sleep(0.1)
    return mail


def _show(job: dict[str, Any], paths: list[Path], seconds: float, say: Say) -> None:
    say("")
    for line in summary_lines(job["summary"]):
        say(line)
    say("")
    say(f"Variants annotated: {job['summary']['annotated']:,} of {job['summary']['records']:,}")
    say(f"Seconds in all:     {seconds:.1f}")
    say("Look at:")
    for path in paths:
        say(f"  {path}")


def _stay(service: subprocess.Popen[str], url: str, password: str, say: Say) -> None:
    say("")
    say(f"GAS stays up at {url}   (Ctrl-C stops it)")
    say(f"Sign in as {EMAIL} with the password {password}")
    with contextlib.suppress(KeyboardInterrupt):
        service.wait()
