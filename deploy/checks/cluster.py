"""Checks of deploy/kubernetes. What needs a cluster is said to be unchecked."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import yaml
from cloudcoil.models.keda import v1alpha1

from cloud import run_checkov
from outcome import BUILD, DEPLOY, Outcome, failed, passed, pytest, unchecked

CHART = DEPLOY / "kubernetes" / "gas"
CASES = DEPLOY / "kubernetes" / "cases"
RENDERED = BUILD / "kubernetes"
#: The oldest that the chart takes, and the newest whose schemas are known here.
VERSIONS = ("1.30", "1.37")


@cache
def objects() -> dict[str, list[dict[str, Any]]]:
    """Case -> the objects that the chart makes of it. Raises HelmError."""
    return {path.stem: render_case(yaml.safe_load(path.read_text())) for path in cases()}


def cases() -> list[Path]:
    return sorted(CASES.glob("*.yaml"))


def render_case(values: dict[str, Any]) -> list[dict[str, Any]]:
    """What Helm makes of ``values``, by its own engine, the schema of values applied."""
    chart = helm_python.Chart.load(CHART)
    chart.validate_schema(chart.merge_values(values))
    texts = chart.render(values, name="one", namespace="gas", is_install=True)
    documents = [
        one
        for name, text in sorted(texts.items())
        if name.endswith(".yaml")
        for one in yaml.safe_load_all(text)
    ]
    return [one for one in documents if one]


def render() -> Outcome:
    """Helm's lint and rendering of every case, written out for those who look at files."""
    for path in cases():
        report = helm_python.lint(CHART, yaml.safe_load(path.read_text()))
        errors = [one for one in report["messages"] if one["severity"] >= 3]
        if errors:
            return failed(f"{path.name}\n{errors}")
    written()
    count = sum(map(len, objects().values()))
    return passed(f"{len(cases())} cases, {count} objects, Helm {helm_python.helm_sdk_version()}")


def written() -> Path:
    """A folder with a file for each case."""
    shutil.rmtree(RENDERED, ignore_errors=True)
    RENDERED.mkdir(parents=True)
    for name, found in objects().items():
        (RENDERED / f"{name}.yaml").write_text(yaml.safe_dump_all(found))
    return RENDERED


def assertions() -> Outcome:
    return pytest("test_chart.py")


def schemas() -> Outcome:
    """Every object but KEDA's against Kubernetes' own schemas; no field that they do not know."""
    wrong, count = [], 0
    for version in VERSIONS:
        for case, found in objects().items():
            for one in found:
                if _is_kedas(one):
                    continue
                count += 1
                try:
                    kubernetes_validate.validate(one, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    wrong.append(f"  {case} {one['kind']} {version}: {error.message}")
    if wrong:
        return failed("\n".join(("against the schema", *wrong)))
    return passed(f"{count} objects, Kubernetes {' and '.join(VERSIONS)}, strict")


def keda_schemas() -> Outcome:
    """KEDA's objects against models made of its definitions; nothing may be lost on the way."""
    count = 0
    for case, found in objects().items():
        for one in filter(_is_kedas, found):
            count += 1
            model = getattr(v1alpha1, one["kind"]).model_validate(one)
            spec = model.model_dump(by_alias=True, exclude_unset=True, mode="json")["spec"]
            if spec != one["spec"]:
                return failed(f"{case}: {one['kind']} has fields that KEDA does not know\n{spec}")
    return passed(f"{count} objects") if count else failed("there are none")


def _is_kedas(one: dict[str, Any]) -> bool:
    return bool(one["apiVersion"].startswith("keda.sh/"))


def checkov() -> Outcome:
    return run_checkov("kubernetes", written())


def deployment() -> Outcome:
    return unchecked("needs a cluster: docs/deploy-kubernetes.md lists what only one can prove")
