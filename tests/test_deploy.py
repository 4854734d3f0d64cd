"""deploy/ names no setting that does not exist, no command, and no file that is not there.

What needs the cloud's own tools is checked by `make check-deploy`.
"""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest
import yaml

from gas.config import Settings, variable_of

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
MADE_HERE = {".venv", "build", "cdk.out"}
PAGES = [ROOT / "docs" / "deploy-aws.md", ROOT / "docs" / "deploy-kubernetes.md"]


def sources() -> list[Path]:
    """What a person wrote below deploy/."""
    return [
        path
        for path in sorted(DEPLOY.rglob("*"))
        if path.is_file()
        and not MADE_HERE & set(path.relative_to(DEPLOY).parts)
        and path.suffix not in (".lock", ".pyc")
    ]


def test_there_is_something_to_look_at() -> None:
    names = {path.name for path in sources()}
    assert {"Dockerfile", "user-data.sh", "hosts.py", "values.yaml", "web.yaml"} <= names


@pytest.mark.parametrize("path", [*sources(), *PAGES], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_setting_exists(path: Path) -> None:
    known = {variable_of(name) for name in Settings.model_fields}
    # Not the patterns of the chart's schema, nor what only looks like one in another's name.
    named = re.findall(r"(?<![A-Za-z_])(?:GAS_[A-Z0-9_]*[A-Z0-9]|DATABASE_URL)\b", path.read_text())
    unknown = {name for name in named if name.removesuffix("_FILE") not in known}
    assert not unknown


def commands() -> list[tuple[str, list[str]]]:
    """(where, arguments) of each `gas` that a host or a pod runs."""
    found = []
    for unit in sorted((DEPLOY / "aws" / "host" / "units").iterdir()):
        for line in re.findall(
            r"^ExecStart(?:Pre)?=/opt/gas/venv/bin/gas (.+)$", unit.read_text(), re.M
        ):
            found.append((unit.name, shlex.split(line)))
    for template in sorted((DEPLOY / "kubernetes" / "gas" / "templates").glob("*.yaml")):
        for words in re.findall(r'"args" \(list ([^)]+)\)', template.read_text()):
            found.append((template.name, words.replace('"', "").split()))
        for words in re.findall(r"args: \[([^]]+)\]", template.read_text()):
            found.append((template.name, [word.strip() for word in words.split(",")]))
    return found


def test_every_command_exists() -> None:
    import typer

    from gas.cli import app
    from gas.jobs.queue import QUEUES

    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert {words[0] for _, words in commands()} == {
        "web", "worker", "migrate", "cloudwatch", "thaws",
    }  # fmt: skip
    for where, (name, *rest) in commands():
        assert name in known, where
        options = {o for parameter in known[name].params for o in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, where
        if name == "worker":
            assert rest[0] in {*QUEUES, "%i", "."}, where


def test_every_queue_has_its_worker_on_a_host() -> None:
    from gas.jobs.queue import QUEUES

    roles = DEPLOY / "aws" / "host" / "roles"
    units = [unit for role in sorted(roles.iterdir()) for unit in role.read_text().split()]
    served = re.findall(r"gas-worker@(\w+)\.service", "\n".join(units))
    assert sorted(served) == sorted(QUEUES)
    for unit in units:
        file = re.sub(r"@\w+", "@", unit)
        assert (DEPLOY / "aws" / "host" / "units" / file).exists(), unit


def test_user_data_names_what_a_release_holds() -> None:
    """The paths that the first boot and the installation use are those that release.sh packs."""
    install = (DEPLOY / "aws" / "host" / "install.sh").read_text()
    for name in re.findall(r"host/([\w./-]+\w)", install):
        if name not in ("rds-ca.pem", "roles"):
            assert (DEPLOY / "aws" / "host" / name).exists(), name
    release = (DEPLOY / "aws" / "release.sh").read_text()
    assert "wheels requirements-otel.lock host" in release
    assert "rds-ca.pem" in release


def test_the_image_is_given_what_it_copies() -> None:
    allowed = re.findall(r"^!(.+)$", (DEPLOY / "docker/Dockerfile.dockerignore").read_text(), re.M)
    copied = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "docker/Dockerfile").read_text(), re.M
    )
    assert sorted(name for line in copied for name in line.split()) == sorted(allowed)
    for name in allowed:
        assert (ROOT / name).exists(), name


def test_ci_does_not_pass_what_it_could_not_check(monkeypatch: pytest.MonkeyPatch) -> None:
    of_checks = runpy.run_path(str(DEPLOY / "checks" / "outcome.py"))
    without, state = of_checks["without"], of_checks["State"]
    monkeypatch.delenv("CI", raising=False)
    assert without("no node").state is state.UNCHECKED
    monkeypatch.setenv("CI", "true")
    assert without("no node").state is state.FAILED


def test_ci_installs_what_the_checks_look_for() -> None:
    installed = set(re.findall(r"^command -v (\w+) ", (ROOT / ".ci/run").read_text(), re.M))
    assert {"node", "shellcheck", "ip", "haproxy", "promtool", "chromium"} <= installed


def test_the_page_counts_the_connections_that_the_charts_pods_hold() -> None:
    values = yaml.safe_load((DEPLOY / "kubernetes/gas/values.yaml").read_text())
    web, annotator = values["web"], values["annotator"]
    of_web = web["processes"] * web["threads"]  # each thread keeps its own
    each = 1 + 3  # Django's, and those of the worker's pool (gas.farm.worker)
    most = of_web * web["autoscaling"]["maximum"] + each * (
        annotator["autoscaling"]["maximum"] + len(values["utils"]["queues"])
    )
    page = (ROOT / "docs" / "deploy-kubernetes.md").read_text()
    assert f"up to {of_web} connections" in page
    assert f"any other {each}: {most} for" in page


def test_the_adapters_rule_makes_the_charts_metric_of_ours() -> None:
    from gas.telemetry.families import REQUESTS

    page = (ROOT / "docs" / "deploy-kubernetes.md").read_text()
    block = re.search(r"^    - seriesQuery:.*\n(?:      .*\n)+", page, re.M)
    assert block is not None
    (rule,) = yaml.safe_load(block[0])
    values = yaml.safe_load((DEPLOY / "kubernetes/gas/values.yaml").read_text())
    assert rule["name"]["as"] == values["web"]["autoscaling"]["requestsMetric"]
    series = rule["seriesQuery"].partition("{")[0]
    assert series == f"{REQUESTS.name}_count"
    assert re.fullmatch(rule["name"]["matches"], series)


def pins(lock: str) -> set[str]:
    """Each `name==version` of a lock file."""
    return set(re.findall(r"^[a-z0-9._-]+==[^ ;\\]+", (ROOT / lock).read_text(), re.M))


def test_what_is_distributed_can_send_traces() -> None:
    for path in ("docker/Dockerfile", "aws/release.sh", "aws/host/install-venv.sh"):
        assert set(re.findall(r"requirements[\w-]*\.lock", (DEPLOY / path).read_text())) == {
            "requirements-otel.lock"
        }, path
    ours, with_traces = pins("requirements.lock"), pins("requirements-otel.lock")
    assert len(ours) > 20
    assert ours < with_traces, "and nothing else is of another version"
    assert "opentelemetry-exporter-otlp-proto-http" in {p.partition("==")[0] for p in with_traces}


def test_a_load_balancer_lets_go_of_a_connection_before_we_do() -> None:
    from gas.config import get_settings
    from gas.farm.serve import gunicorn_command

    edge = (DEPLOY / "aws" / "gas_aws" / "edge.py").read_text()
    idle = re.search(r"idle_timeout=cdk.Duration.minutes\((\d+)\)", edge)
    assert idle is not None
    proxied = get_settings().model_copy(update={"trust_proxy": True})
    command = gunicorn_command(proxied, "127.0.0.1:8000", 3)
    kept_s = int(command[command.index("--keep-alive") + 1])
    assert kept_s > 60 * int(idle[1])
    assert command[command.index("--workers") + 1] == "3"


def test_the_roles_reach_the_keys_that_gas_writes() -> None:
    hosts = (DEPLOY / "aws" / "gas_aws" / "hosts.py").read_text()
    for field in ("s3_prefix", "glacier_prefix"):
        assert f'arn_for_objects("{Settings.model_fields[field].default}*")' in hosts
