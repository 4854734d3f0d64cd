"""A small Stripe on loopback: what GAS asks of the real one, by HTTP, and nothing else.

It checks keys, wants idempotency keys on what creates and honours them, and can be told to be
down. ``pay``, ``set_status`` and ``delete_customer`` are what people and time do to it.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import stripe

from gas.billing import Webhook

KEY = "sk_live_stub-not-a-secret"
WEBHOOK_SECRET = "whsec_stub-not-a-secret"


Failure = tuple[int, dict[str, Any]]
#: The line breaks before the request is done, or after.
BROKEN: Failure = (-1, {})
UNHEARD: Failure = (-2, {})


class StripeStub:
    def __init__(self) -> None:
        self.customers: dict[str, dict[str, Any]] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, Any]] = {}
        self.portals: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, dict[str, str], str]] = []
        #: The next requests are answered with these, or the line breaks.
        self.failures: list[Failure] = []
        self._answers: dict[str, tuple[dict[str, str], tuple[int, Any]]] = {}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self.base = ""

    # -- what happens at Stripe --------------------------------------------------------------------

    def pay(self, url: str, status: str = "active") -> dict[str, Any]:
        """A person fills in the checkout at ``url``: it can be done once."""
        session = next(s for s in self.sessions.values() if s["url"] == url)
        assert session["status"] == "open", "this checkout was paid already"
        assert not self.customers[session["customer"]].get("deleted")
        session["status"] = "complete"
        return self.subscribe(session["customer"], status)

    def subscribe(self, customer: str, status: str = "active") -> dict[str, Any]:
        now = int(time.time())
        made = {
            "id": f"sub_{next(self._ids)}", "object": "subscription", "customer": customer,
            "status": status, "created": now, "cancel_at": None, "cancel_at_period_end": False,
            "items": {"object": "list", "data": [{"current_period_end": now + 2_592_000}]},
        }  # fmt: skip
        self.subscriptions[made["id"]] = made
        return made

    def set_status(self, customer: str, status: str) -> None:
        for one in self.subscriptions.values():
            if one["customer"] == customer and one["status"] != "canceled":
                one["status"] = status

    def event(self, kind: str, about: dict[str, Any], *, at: float | None = None) -> Webhook:
        body = {
            "id": f"evt_{next(self._ids)}", "object": "event", "type": kind,
            "created": int(time.time()), "data": {"object": dict(about)},
        }  # fmt: skip
        return self.signed(json.dumps(body), at=at)

    @staticmethod
    def signed(text: str, *, at: float | None = None) -> Webhook:
        header = stripe.WebhookSignature.generate_signature_header(
            text, WEBHOOK_SECRET, int(at or time.time())
        )
        return Webhook(text.encode(), {"stripe-signature": header})

    # -- its API -----------------------------------------------------------------------------------

    def answer(self, method: str, path: str, params: dict[str, str], key: str) -> tuple[int, Any]:
        with self._lock:
            if method != "POST":
                return self._do(method, path, params)
            if not key:
                return _error(400, "no-idempotency-key")
            if key in self._answers:
                before, said = self._answers[key]
                return said if before == params else _error(400, "idempotency_error")
            self._answers[key] = (params, self._do(method, path, params))
            return self._answers[key][1]

    def _do(self, method: str, path: str, params: dict[str, str]) -> tuple[int, Any]:
        new = f"{next(self._ids)}"
        customer = self.customers.get(params.get("customer", path.rpartition("/")[2]))
        if (method, path) == ("POST", "/v1/customers"):
            made = {"id": f"cus_{new}", "object": "customer", **params}
            self.customers[made["id"]] = made
            return 200, made
        if customer is None or (customer.get("deleted") and method != "GET"):
            return _error(404, "resource_missing")
        if (method, path) == ("POST", "/v1/checkout/sessions"):
            url = f"{self.base}/pay/cs_{new}"
            made = {**params, "id": f"cs_{new}", "object": "checkout.session", "url": url,
                    "status": "open", "expires_at": int(time.time()) + 86_400}  # fmt: skip
            self.sessions[made["id"]] = made
            return 200, made
        if (method, path) == ("POST", "/v1/billing_portal/sessions"):
            self.portals.append(params)
            return 200, {"id": f"bps_{new}", "url": f"{self.base}/portal/{new}"}
        if (method, path) == ("GET", "/v1/subscriptions"):
            if customer.get("deleted"):
                return _error(404, "resource_missing")
            mine = [s for s in self.subscriptions.values() if s["customer"] == customer["id"]]
            return 200, {"object": "list", "data": mine, "has_more": False, "url": path}
        if method == "DELETE":
            self.set_status(customer["id"], "canceled")
            customer["deleted"] = True
        return 200, customer


def _error(status: int, code: str) -> tuple[int, Any]:
    kind = "idempotency_error" if code == "idempotency_error" else "invalid_request_error"
    return status, {"error": {"type": kind, "code": code, "message": f"{code}: {KEY}"}}


def _handler(stub: StripeStub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            params = {k: v[0] for k, v in parse_qs(body or address.query).items()}
            key = self.headers.get("Idempotency-Key", "")
            stub.requests.append((self.command, address.path, params, key))
            failure = stub.failures.pop(0) if stub.failures else None
            if failure == UNHEARD:
                stub.answer(self.command, address.path, params, key)
            if failure in (BROKEN, UNHEARD):
                self.close_connection = True
                return
            if failure is not None:
                status, said = failure
            elif self.headers["Authorization"] != f"Bearer {KEY}":
                status, said = _error(401, "api_key")
            else:
                status, said = stub.answer(self.command, address.path, params, key)
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _any

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def running() -> Iterator[StripeStub]:
    stub = StripeStub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(stub))
    server.daemon_threads = True
    stub.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
