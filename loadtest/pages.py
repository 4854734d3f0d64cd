"""What a person reads off GAS's pages. Imported by Locust, which knows nothing of GAS."""

from __future__ import annotations

import re

#: A page that asks again more rarely shows a job that is over (or has run for long).
LONGEST_POLL_S = 10

_JOB = re.compile(r"/jobs/([0-9a-f-]{36})/")
_FILE = re.compile(r'href="(/jobs/[0-9a-f-]{36}/files/annotated\.vcf\.gz)"')
_POLL = re.compile(
    r'hx-get="(/jobs/[^"]+/status/\?seen=[^"]*)" hx-trigger="every (?P<seconds>\d+)s"'
)
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_ONCE = re.compile(r'name="once" value="([^"]+)"')


def jobs(text: str) -> list[str]:
    """Ids of the jobs that a page or an address leads to, each once."""
    return list(dict.fromkeys(_JOB.findall(text)))


def result(page: str) -> str | None:
    """Where a job's page offers its result."""
    found = _FILE.search(page)
    return found[1] if found else None


def asks_again(page: str) -> tuple[str, int] | None:
    """Where and after how many seconds a job's page asks for news; None where the job is over."""
    found = _POLL.search(page)
    if found is None or int(found["seconds"]) > LONGEST_POLL_S:
        return None
    return found[1].replace("&amp;", "&"), int(found["seconds"])


def fault(page: str) -> str:
    """What is wrong with a job, by the last that its page showed; "" where it has a result."""
    if asks_again(page):
        return "still not over"
    return "" if result(page) else "over without a result"


def token(form: str) -> str:
    """The form's token against forged requests."""
    found = _TOKEN.search(form)
    return found[1] if found else ""


def once(form: str) -> str:
    """The upload form's own mark, which makes one job of it."""
    found = _ONCE.search(form)
    return found[1] if found else ""
