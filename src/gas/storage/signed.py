"""Addresses of our own that carry their permission with them, as S3's presigned ones do."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

from gas.errors import GasError


class AddressRefused(GasError):
    """This address is not valid (any more). Ask for a new one."""

    code = "address-refused"


class UrlSigner:
    """Signs addresses below ``base_url`` by HMAC-SHA-256 under ``secret``."""

    def __init__(self, base_url: str, secret: bytes, clock: Callable[[], datetime]) -> None:
        self._base_url = base_url
        self._secret = secret
        self._clock = clock

    def sign(self, method: str, seconds: int, **claims: str) -> str:
        """An address for ``method``, good for ``seconds``, that says ``claims``."""
        expires = int(self._clock().timestamp()) + seconds
        said = {**claims, "expires": str(expires)}
        said["signature"] = self._signature(method, said)
        return f"{self._base_url}?{urlencode(said)}"

    def sign_part(
        self, key: str, upload_id: str, number: int, size_bytes: int, seconds: int
    ) -> str:
        """The address of a part, as ``gas.storage.parts.PartUploads.sign_part`` has it."""
        return self.sign(
            "PUT", seconds, key=key, upload=upload_id, part=str(number), size=str(size_bytes)
        )

    def verify(self, method: str, url: str) -> dict[str, str]:
        """The claims of ``url``, which came with ``method``. Raises AddressRefused."""
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        said = dict(pairs)
        signature = said.pop("signature", "")
        expected = self._signature(method, said)
        genuine = hmac.compare_digest(signature.encode(), expected.encode())
        if not genuine or len(pairs) != len(said) + 1:
            raise AddressRefused
        if int(said.pop("expires")) < self._clock().timestamp():
            raise AddressRefused("This address has expired.", hint="Ask for a new one.")
        return said

    def _signature(self, method: str, claims: dict[str, str]) -> str:
        text = f"{method}\n{urlencode(sorted(claims.items()))}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()
