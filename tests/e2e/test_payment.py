"""Paying for premium, over real processes: what was archived comes back."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import httpx
import pytest

from gas.client import Client
from gas.demo.run import _submit
from tests import stripe_stub
from tests.e2e.service import running, wait_for
from tests.e2e.test_story import INPUT
from tests.stripe_stub import StripeStub

PASSWORD = "an unusual sentence"


def settings(stub: StripeStub, folder: Path) -> dict[str, str]:
    """Stripe at ``stub``, its secrets in files."""
    secrets = {
        "GAS_STRIPE_SECRET_KEY": stripe_stub.KEY,
        "GAS_STRIPE_WEBHOOK_SECRET": stripe_stub.WEBHOOK_SECRET,
    }
    for name, secret in secrets.items():
        (folder / name).write_text(secret + "\n")
    files = {f"{name}_FILE": str(folder / name) for name in secrets}
    return {"GAS_BILLING": "stripe", "GAS_STRIPE_API_BASE": stub.base, **files}


def sign_up(browser: httpx.Client) -> Client:
    """A new user in ``browser``, and a client with that user's token."""
    fields = {"password1": PASSWORD, "password2": PASSWORD, "institution": ""}
    _submit(browser, "/accounts/signup/", name="Ada", email="ada@example.org", **fields)
    page = _submit(browser, "/profile/", "/profile/tokens/", name="e2e").text
    token = re.search(r"gas_[A-Za-z0-9_-]{43}", page)
    assert token is not None
    return Client(str(browser.base_url), token[0])


def subscribe(browser: httpx.Client) -> str:
    """The address that a click on Subscribe leads to."""
    page = browser.get("/subscribe/").text
    token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    request = browser.build_request(
        "POST",
        "/subscribe/start",
        data={"csrfmiddlewaretoken": token},
        headers={"Referer": str(browser.base_url.join("/subscribe/"))},
    )
    return browser.send(request, follow_redirects=False).headers["Location"]


def at_once(url: str, body: bytes, headers: dict[str, str], times: int) -> list[int]:
    answers: list[int] = []

    def deliver() -> None:
        answers.append(httpx.post(url, content=body, headers=headers, timeout=30).status_code)

    threads = [threading.Thread(target=deliver) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.long
def test_an_archived_result_comes_back_when_it_is_paid_for(tmp_path: Path) -> None:
    with (
        stripe_stub.running() as stub,
        running(
            GAS_FREE_RETENTION_S="2", GAS_COLD_THAW_S="1", **settings(stub, tmp_path)
        ) as service,
        httpx.Client(base_url=service.url, follow_redirects=True, timeout=30) as browser,
    ):
        client = sign_up(browser)
        job = client.wait(client.submit(client.upload(INPUT))["id"])

        def state() -> str:
            return str(client.job(job["id"])["result_state"])

        wait_for(lambda: state() == "ARCHIVED", 40, "it stays at hand")
        url = subscribe(browser)
        assert url.startswith(stub.base)
        hook = stub.event("customer.subscription.created", stub.pay(url))
        headers = dict(hook.headers)
        webhook = f"{service.url}/billing/webhook"
        assert at_once(webhook, hook.body + b" ", headers, 1) == [400]
        assert at_once(webhook, hook.body, headers, 4) == [200] * 4
        assert "You are premium" in browser.get("/subscribe/done/").text
        wait_for(lambda: state() == "STORED", 40, "it does not come back")
        wait_for(lambda: [m for m in service.mails() if m.name.startswith("restored-")])
        assert client.job(job["id"])["archive_due_at"] is None
        logs = "".join(p.read_text() for p in (service.data / "service/logs").glob("*.log*"))
        assert stripe_stub.KEY not in logs
        assert stripe_stub.WEBHOOK_SECRET not in logs
