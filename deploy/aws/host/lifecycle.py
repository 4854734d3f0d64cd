"""Starts and stops this host's part as its auto scaling group goes.

    target state   what is done
    InService      start, wait until it runs, then tell the group: ready
    Warmed:*       nothing is started, since an instance in the warm pool must not take work; tell
    Terminated     stop (annotators hand back what they cannot finish), then tell: go on

The group is told by completing its lifecycle hook. Where no hook waits there is nothing to tell.
"""

from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

IMDS = os.environ.get("IMDS", "http://169.254.169.254")
TARGET = "gas.target"
WANTS = Path("/etc/systemd/system/gas.target.wants")
READY = os.environ.get("READY", "http://127.0.0.1:8000/readyz")
LOOK_S = 5.0
READY_S = 840.0
#: Nobody says: outside of a group, and while an instance is moved.
UNKNOWN = ""


def main() -> None:
    """Until the host is gone."""
    seen = UNKNOWN
    while True:
        state = look()
        if state not in (UNKNOWN, seen) and act(state):
            seen = state
        time.sleep(LOOK_S)


def look() -> str:
    """What the group wants this instance to be; UNKNOWN where nobody says."""
    try:
        return _metadata("autoscaling/target-lifecycle-state")
    except OSError:  # urllib's errors are OSErrors
        return UNKNOWN


def act(state: str) -> bool:
    """Do what ``state`` asks for. Whether it is done, or is to be tried again."""
    if state == "InService":
        return start() and tell("launching")
    if state.startswith("Warmed:"):
        return tell("terminating" if state == "Warmed:Terminated" else "launching")
    if state == "Terminated":
        systemctl("stop", TARGET)  # waits for each unit's own time to stop
        return tell("terminating")
    return True  # Standby, Detached: as it is


def start() -> bool:
    """Whether every unit of the target came to be active in time, and the web part, where it runs
    here, ready. Asked for again and again: a unit whose secrets were not there yet has failed, and
    nobody else would start it."""
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        systemctl("start", "--no-block", TARGET, *_units())
        if systemctl("is-active", "--quiet", *_units()) == 0 and _is_ready():
            return True
        time.sleep(LOOK_S)
    return False


def tell(hook: str) -> bool:
    """Complete ``hook``. True as well where it does not wait (any more)."""
    try:
        boto3.client("autoscaling", region_name=os.environ["REGION"]).complete_lifecycle_action(
            LifecycleHookName=hook,
            AutoScalingGroupName=os.environ["GROUP"],
            LifecycleActionResult="CONTINUE",
            InstanceId=_metadata("instance-id"),
        )
    except ClientError as error:
        return error.response["Error"]["Code"] == "ValidationError"
    except (BotoCoreError, OSError):
        return False
    return True


def systemctl(*arguments: str) -> int:
    return subprocess.run(["systemctl", *arguments], check=False).returncode


def _units() -> list[str]:
    return sorted(unit.name for unit in WANTS.iterdir())


def _is_ready() -> bool:
    if os.environ["ROLE"] != "web":
        return True
    request = urllib.request.Request(READY, headers={"Host": "localhost"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _metadata(path: str) -> str:
    token = _ask("api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, method="PUT")
    return _ask(f"meta-data/{path}", {"X-aws-ec2-metadata-token": token})


def _ask(path: str, headers: dict[str, str], method: str = "GET") -> str:
    request = urllib.request.Request(f"{IMDS}/latest/{path}", headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return str(answer.read().decode().strip())


if __name__ == "__main__":
    main()
