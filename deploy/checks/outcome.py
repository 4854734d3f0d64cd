"""What came of a check, and how tools are run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[1]
ROOT = DEPLOY.parent
BUILD = DEPLOY / "build"


class State(Enum):
    PASSED = "passed"
    FAILED = "failed"
    UNCHECKED = "unchecked"


@dataclass(frozen=True)
class Outcome:
    """``detail``: one line for the table, then, where it failed, what a person needs."""

    state: State
    detail: str


def passed(detail: str) -> Outcome:
    return Outcome(State.PASSED, detail)


def failed(detail: str) -> Outcome:
    return Outcome(State.FAILED, detail)


def unchecked(reason: str) -> Outcome:
    return Outcome(State.UNCHECKED, reason)


def without(reason: str) -> Outcome:
    """A tool that every machine may have is not here: unchecked, but a failure where CI is set, for
    nobody reads the table there."""
    return failed(reason) if os.environ.get("CI") else unchecked(reason)


def tool(name: str) -> str:
    """The command ``name`` of these checks' own environment."""
    return str(Path(sys.executable).parent / name)


def run(
    *command: str, text: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run to the end, in the project's folder, ``text`` as input, output and errors together."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )


def by_status(done: subprocess.CompletedProcess[str], good: str) -> Outcome:
    """Passed where the command ended with 0; else what it said."""
    if done.returncode == 0:
        return passed(good)
    return failed(f"exit status {done.returncode}\n{done.stdout}")


def pytest(file: str) -> Outcome:
    """Passed where all of ``file``'s tests did and there was at least one."""
    done = run(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
        "-c", str(DEPLOY / "checks" / "pytest.ini"), str(DEPLOY / "checks" / file),
        JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION="true",
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )  # fmt: skip
    last = done.stdout.strip().rpartition("\n")[2]
    return by_status(done, last)
