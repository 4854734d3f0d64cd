"""Protection of a container in Amazon ECS, by the agent that runs it.

    PUT $ECS_AGENT_URI/task-protection/v1/state  {"ProtectionEnabled": true, "ExpiresInMinutes": n}

The service then neither scales the task in nor replaces it in a deployment. ECS ends a protection
by itself, after 48 hours at the latest: it is asked for again before each job (instance.py), so a
single job may run for 47 hours.
Source: "Amazon ECS task scale-in protection endpoint", Amazon ECS Developer Guide.
"""

from __future__ import annotations

from typing import Any

import httpx

from gas.farm.protection import ProtectionFailed

#: The longest that ECS allows.
EXPIRES_MINUTES = 2880
TIMEOUT_S = 10.0


class EcsProtection:
    """``agent_uri`` is what ECS puts into the container's variable ECS_AGENT_URI."""

    def __init__(self, agent_uri: str) -> None:
        self._url = agent_uri.rstrip("/") + "/task-protection/v1/state"

    def protect(self) -> None:
        self._set({"ProtectionEnabled": True, "ExpiresInMinutes": EXPIRES_MINUTES})

    def release(self) -> None:
        self._set({"ProtectionEnabled": False})

    def _set(self, wanted: dict[str, Any]) -> None:
        try:
            answer = httpx.put(self._url, json=wanted, timeout=TIMEOUT_S)
            said = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ProtectionFailed(f"The ECS agent does not answer: {error}") from None
        # The agent answers 200 to what ECS refused, too: only the state itself counts.
        if said.get("protection", {}).get("ProtectionEnabled") is not wanted["ProtectionEnabled"]:
            why = said.get("error") or said.get("failure") or said
            raise ProtectionFailed(f"ECS does not change this task's protection: {why}")
