"""Checks of deploy/aws. What needs AWS itself is said to be unchecked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import yaml

from outcome import (
    BUILD,
    DEPLOY,
    Outcome,
    by_status,
    failed,
    passed,
    pytest,
    run,
    tool,
    unchecked,
    without,
)

AWS = DEPLOY / "aws"
TEMPLATES = BUILD / "cdk"
SKIPS = DEPLOY / "checks" / "checkov-skips.yaml"


@cache
def no_node() -> str | None:
    """Why templates cannot be made here, if they cannot."""
    return None if shutil.which("node") else "Node.js is not installed, and the CDK needs it"


def synthesise() -> Outcome:
    """Make both templates, without an account and without a network."""
    if reason := no_node():
        return without(reason)
    count = sum(len(json.loads(path.read_text())["Resources"]) for path in templates())
    return by_status(_made(), f"{len(templates())} templates, {count} resources")


@cache
def _made() -> subprocess.CompletedProcess[str]:
    shutil.rmtree(TEMPLATES, ignore_errors=True)
    return run(
        sys.executable, str(AWS / "app.py"),
        CDK_OUTDIR=str(TEMPLATES),
        CDK_CONTEXT_JSON=json.dumps(json.loads((AWS / "cdk.json").read_text())["context"]),
        JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION="true",
    )  # fmt: skip


def templates() -> list[Path]:
    """Of this run. Raises RuntimeError where they cannot be made."""
    if _made().returncode:
        raise RuntimeError(_made().stdout)
    return sorted(TEMPLATES.glob("*.template.json"))


def assertions() -> Outcome:
    return without(reason) if (reason := no_node()) else pytest("test_template.py")


def cfn_lint() -> Outcome:
    if reason := no_node():
        return without(reason)
    return by_status(run(tool("cfn-lint"), *map(str, templates())), "no finding")


def checkov() -> Outcome:
    if reason := no_node():
        return without(reason)
    return run_checkov("cloudformation", templates()[0].parent)


def run_checkov(framework: str, folder: Path) -> Outcome:
    """Each skip is for one check on resources whose names are listed, with its reason; one that is
    not needed (any more) is a failure too."""
    skips = yaml.safe_load(SKIPS.read_text())[framework]
    done = run(
        tool("checkov"), "--directory", str(folder), "--framework", framework,
        "--skip-download", "--quiet", "--output", "json", "--soft-fail",
    )  # fmt: skip
    start = done.stdout.index("{")
    report, _ = json.JSONDecoder().raw_decode(done.stdout[start:])
    if "results" not in report:
        return failed("it has looked at nothing")
    found = {(one["check_id"], one["resource"]) for one in report["results"]["failed_checks"]}
    allowed = {(check, name) for check, skip in skips.items() for name in skip["resources"]}
    # Names end in a hash of the CDK's, which a skip does not repeat.
    unneeded = {a for a in allowed if not any(_covers(a, f) for f in found)}
    bad = sorted(f for f in found if not any(_covers(a, f) for a in allowed))
    if bad or unneeded:
        lines = [f"  {check} {resource}" for check, resource in bad]
        lines += [f"  a skip that nothing needs: {check} {name}" for check, name in unneeded]
        return failed("findings without a reason\n" + "\n".join(lines))
    count = report["summary"]["passed"]
    return passed(f"{count} passed; {len(found)} findings, each with its reason in {SKIPS.name}")


def _covers(skip: tuple[str, str], finding: tuple[str, str]) -> bool:
    return skip[0] == finding[0] and finding[1].startswith(skip[1])


def units() -> Outcome:
    """systemd's own opinion of the units, with commands that exist here in place of the hosts'."""
    if not shutil.which("systemd-analyze"):
        return unchecked("systemd-analyze is not installed")
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for unit in sorted((AWS / "host" / "units").iterdir()):
            text = unit.read_text()
            for command in ("/opt/gas/venv/bin/python", "/opt/gas/venv/bin/gas"):
                text = text.replace(command, "/bin/true")
            name = unit.name.replace("@.", "@annotate.")
            (Path(folder) / unit.name).write_text(text)
            paths.append(str(Path(folder) / name))
        done = run("systemd-analyze", "verify", "--recursive-errors=no", *paths)
    if done.returncode or done.stdout.strip():
        return failed(f"exit status {done.returncode}\n{done.stdout}")
    return passed(f"{len(paths)} units")


def scripts() -> Outcome:
    """Their grammar by bash; shellcheck where it is installed."""
    paths = [str(path) for path in sorted(AWS.rglob("*.sh")) if "cdk.out" not in path.parts]
    for path in paths:
        done = run("bash", "-n", path)
        if done.returncode:
            return failed(f"{path}\n{done.stdout}")
    if not shutil.which("shellcheck"):
        return without(f"the grammar of {len(paths)} scripts is right; no shellcheck here")
    return by_status(run("shellcheck", *paths), f"{len(paths)} scripts")


def deployment() -> Outcome:
    return unchecked("needs an account: docs/deploy-aws.md lists what only AWS can prove")
