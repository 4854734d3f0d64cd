"""A real browser, which is told on for whatever it complains of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str:
    """Its path. Without one: fails where CI is set (nobody would see the skip), else skips."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    if os.environ.get("CI") == "true":
        pytest.fail("No Chromium: the browser tests cannot run. Install the package `chromium`.")
    pytest.skip("NO CHROMIUM: THE PAGES ARE NOT TESTED IN A BROWSER. Install `chromium`.")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Gone when the tests of this folder are over: while Playwright is there, an event loop runs,
    and others could not start their own."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


@dataclass
class Watch:
    """What went wrong in a browser's pages. ``expected``: statuses that a test asks for;
    ``others``: origins beside ``origin`` that they may ask."""

    origin: str
    others: tuple[str, ...] = ()
    faults: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)

    def page(self, page: Page) -> None:
        page.on("console", lambda message: self._console(page, message))
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on("request", lambda request: self._request(page, request.url))
        page.on("response", lambda answer: self._response(answer.url, answer.status))

    def _console(self, page: Page, message: Any) -> None:
        # What failed to load is told, with its status, by _response.
        if message.type in ("error", "warning") and "Failed to load" not in message.text:
            self.faults.append(f"{page.url}: {message.text}")

    def _request(self, page: Page, url: str) -> None:
        if not url.startswith((self.origin, *self.others, "data:", "blob:")):
            self.faults.append(f"{page.url} asks for {url}")

    def _response(self, url: str, status: int) -> None:
        if status >= 400 and status not in self.expected:
            self.faults.append(f"{url}: {status}")


Open = Callable[..., BrowserContext]


@pytest.fixture
def watch(live_server: Any) -> Iterator[Watch]:
    """Fails the test in the end if anything went wrong that it did not expect."""
    watch = Watch(live_server.url)
    yield watch
    assert watch.faults == []


@pytest.fixture
def open_browser(chromium: Browser, live_server: Any, watch: Watch) -> Iterator[Open]:
    """Makes a fresh browser profile, by Playwright's options."""
    opened = []

    def open_one(**options: Any) -> BrowserContext:
        context = chromium.new_context(base_url=live_server.url, **options)
        context.set_default_timeout(15_000)
        context.on("page", watch.page)
        opened.append(context)
        return context

    yield open_one
    for context in opened:
        context.close()


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    from tests.conftest import VCF

    path = tmp_path / "sample.vcf"
    path.write_bytes(VCF)
    return path
