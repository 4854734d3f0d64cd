"""Worker protection: nobody takes away an instance that works.

A worker protects its instance BEFORE it asks for a job, and gives the protection up when it has
acknowledged the job and found no other. The other order is unsafe: between "received" and
"protected" whoever scales may terminate it. ``guard.py`` keeps the order; each kind of
protection is a file here, chosen in ``gas.wiring`` by GAS_PROTECTION.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Protocol

from gas.errors import TransientError


class ProtectionFailed(TransientError):
    """This worker cannot be protected, and takes no job until it can."""

    code = "protection"


class Protection(Protocol):
    """Both may be called at any time, from one thread at a time, and again without harm."""

    def protect(self) -> None:
        """When this returns, the instance is not taken away until ``release``.

        Raises ProtectionFailed: it is not protected, or nobody knows."""
        ...

    def release(self) -> None:
        """The instance may be taken away. Raises ProtectionFailed: perhaps it still is protected,
        which costs money but no job."""
        ...


class NoProtection:
    """Nobody scales this worker; or whoever does gives it time to finish on SIGTERM."""

    def protect(self) -> None:
        pass

    def release(self) -> None:
        pass


class Layers:
    """Several at once, the nearest first: all of them, or none."""

    def __init__(self, layers: Sequence[Protection]) -> None:
        self._layers = list(layers)

    def protect(self) -> None:
        held: list[Protection] = []
        try:
            for layer in self._layers:
                layer.protect()
                held.append(layer)
        except ProtectionFailed:
            for layer in reversed(held):
                with contextlib.suppress(ProtectionFailed):
                    layer.release()
            raise

    def release(self) -> None:
        # The nearest last: while it is held, nobody here counts this worker as idle.
        for layer in reversed(self._layers):
            layer.release()
