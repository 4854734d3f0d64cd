"""Are the settings of every host and pod such that GAS starts with them?

GAS itself is asked, in its own environment (`make setup`): a name that it does not know, a value
that it refuses, or a secret without a file is a failure.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import cluster
from cloud import no_node, templates
from outcome import ROOT, Outcome, failed, passed, run

ASK = Path(__file__).with_name("ask_gas.py")
SECRETS = {
    "DATABASE_URL": "postgresql://gas:secret@db.example.org:5432/gas?sslmode=verify-full",
    "GAS_SECRET_KEY": "x" * 50,
}


def accepted() -> Outcome:
    everyone = dict(_pods())
    if not no_node():
        everyone |= dict(_hosts())
    with tempfile.TemporaryDirectory() as folder:
        asked = {who: _with_files(env, Path(folder) / str(i))
                 for i, (who, env) in enumerate(everyone.items())}  # fmt: skip
        done = run(
            str(ROOT / ".venv/bin/python"), str(ASK),
            text=json.dumps(asked), PYTHONPATH=str(ROOT / "src"),
        )  # fmt: skip
    if done.returncode or done.stdout.strip():
        return failed(f"GAS refuses\n{done.stdout}")
    note = f" (hosts of AWS unchecked: {no_node()})" if no_node() else ""
    return passed(f"{len(everyone)} hosts and pods{note}")


def _with_files(variables: dict[str, str], folder: Path) -> dict[str, str]:
    """The same with secrets that are there, in ``folder``."""
    folder.mkdir()
    files = {}
    for name in [name for name in variables if name.endswith("_FILE")]:
        secret = name.removesuffix("_FILE")
        path = folder / secret
        path.write_text(SECRETS.get(secret, "any"))
        files[name] = str(path)
    return variables | files


def _pods() -> Any:
    for case, found in cluster.objects().items():
        for one in found:
            spec = one.get("spec", {}).get("template", {}).get("spec", {})
            for container in spec.get("containers", []):
                env = {item["name"]: item.get("value", "") for item in container["env"]}
                yield f"{case}/{one['metadata']['name']}", env


def _hosts() -> Any:
    """What user data writes to gas.env and, by way of Secrets Manager, to files."""
    for path in templates():
        for name, resource in json.loads(path.read_text())["Resources"].items():
            if resource["Type"] == "AWS::EC2::LaunchTemplate":
                data = resource["Properties"]["LaunchTemplateData"]["UserData"]
                yield name, host_settings(flat(data["Fn::Base64"]))


def host_settings(user_data: str) -> dict[str, str]:
    block = re.search(r"<<'END_OF_SETTINGS'\n(.*?)\nEND_OF_SETTINGS", user_data, re.DOTALL)
    secrets = re.search(r"<<'END_OF_SECRETS'\n(.*?)\nEND_OF_SECRETS", user_data, re.DOTALL)
    assert block
    assert secrets
    env = dict(line.split("=", 1) for line in block[1].splitlines())
    return env | {f"{name}_FILE": "/run/gas/x" for name in json.loads(secrets[1])}


def flat(value: Any) -> str:
    """A text of CloudFormation's, something plausible in place of what only AWS knows."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator.join(flat(part) for part in parts))
    known = {"RefDomain": "gas.example.org", "MailDomain": "example.org"}
    name = str(value.get("Ref") or value.get("Fn::ImportValue", ""))
    return next((text for end, text in known.items() if end in name), "some-name")
