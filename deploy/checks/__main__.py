"""`make check-deploy`: one line for each check of deploy/. Exit status 1 where one failed.

What a machine cannot check (no Node.js, no Docker, no AWS) is `unchecked` with the reason, which is
neither a pass nor a failure; but where CI is set, what `.ci/run` installs must be there.
`python deploy/checks aws` runs those whose names hold that word.
"""

from __future__ import annotations

import sys
import time

import cloud
import cluster
import image
import settings_in_use
from outcome import Outcome, State

CHECKS = {
    "aws: synthesis": cloud.synthesise,
    "aws: assertions": cloud.assertions,
    "aws: cfn-lint": cloud.cfn_lint,
    "aws: checkov": cloud.checkov,
    "aws: units of systemd": cloud.units,
    "aws: shell scripts": cloud.scripts,
    "kubernetes: rendering": cluster.render,
    "kubernetes: assertions": cluster.assertions,
    "kubernetes: schemas": cluster.schemas,
    "kubernetes: schemas of KEDA": cluster.keda_schemas,
    "kubernetes: checkov": cluster.checkov,
    "settings of all hosts and pods": settings_in_use.accepted,
    "docker: lint": image.lint,
    "docker: build": image.build,
    "aws: deployment": cloud.deployment,
    "kubernetes: deployment": cluster.deployment,
}


def main(words: list[str]) -> int:
    chosen = {n: c for n, c in CHECKS.items() if not words or any(word in n for word in words)}
    failed = []
    for name, check in chosen.items():
        begun = time.monotonic()
        try:
            outcome = check()
        except Exception as error:  # noqa: BLE001 - a check that breaks has not passed
            outcome = Outcome(State.FAILED, f"{type(error).__name__}: {error}")
        took = f"{time.monotonic() - begun:.0f} s"
        line, _, rest = outcome.detail.strip().partition("\n")
        print(f"{outcome.state.value:<10} {name:<31} {took:>5}  {line}", flush=True)
        if outcome.state is State.FAILED:
            failed.append(name)
            if rest:
                print(rest, flush=True)
    print(f"{len(failed)} of {len(chosen)} failed" + (f": {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
