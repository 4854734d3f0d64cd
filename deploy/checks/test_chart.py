"""What the chart makes, beyond that it is well formed."""

from __future__ import annotations

from typing import Any

import helm_python
import pytest
import yaml

import cluster

LEAST = yaml.safe_load((cluster.CASES / "least.yaml").read_text())


def made(**values: Any) -> list[dict[str, Any]]:
    return cluster.render_case({**LEAST, **values})


def one(kind: str, name: str, objects: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == f"one-{name}"]
    return found


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Name of what makes it -> pod."""
    makers = [o for o in objects if o["kind"] in ("Deployment", "Job")]
    return {o["metadata"]["name"]: o["spec"]["template"]["spec"] for o in makers}


@pytest.mark.parametrize("case", [path.stem for path in cluster.cases()])
def test_no_pod_has_a_right_that_it_does_not_need(case: str) -> None:
    for name, pod in pods(cluster.objects()[case]).items():
        security = pod["securityContext"]
        assert security["runAsNonRoot"], name
        assert security["runAsUser"] > 10_000, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            its = container["securityContext"]
            assert its["readOnlyRootFilesystem"], name
            assert its["allowPrivilegeEscalation"] is False
            assert its["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("case", [path.stem for path in cluster.cases()])
def test_no_secret_is_in_a_template_or_in_an_environment(case: str) -> None:
    for name, pod in pods(cluster.objects()[case]).items():
        (container,) = pod["containers"]
        env = {item["name"]: item.get("value") for item in container["env"]}
        assert "DATABASE_URL" not in env
        assert env["DATABASE_URL_FILE"] == "/run/secrets/gas/DATABASE_URL", name
        sources = [item["valueFrom"] for item in container["env"] if "valueFrom" in item]
        assert all(set(source) == {"fieldRef"} for source in sources)
        assert {m["mountPath"]: m.get("readOnly") for m in container["volumeMounts"]}[
            "/run/secrets/gas"
        ]
    assert not [o for o in cluster.objects()[case] if o["kind"] == "Secret"]


def test_an_annotator_is_given_longer_than_its_drain() -> None:
    for drain_s in (0, 20, 7200):
        pod = pods(made(annotator={"drainSeconds": drain_s}))["one-annotator"]
        env = {item["name"]: item.get("value") for item in pod["containers"][0]["env"]}
        assert env["GAS_STOP_GRACE_S"] == str(drain_s)
        assert pod["terminationGracePeriodSeconds"] >= drain_s + 30


def test_two_to_ten_and_out_at_once_and_in_late() -> None:
    objects = made()
    hpa, scaled = (
        one("HorizontalPodAutoscaler", "web", objects),
        one("ScaledObject", "annotator", objects),
    )
    assert (hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"]) == (2, 10)
    assert (scaled["spec"]["minReplicaCount"], scaled["spec"]["maxReplicaCount"]) == (2, 10)
    advanced = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert advanced == hpa["spec"]["behavior"]
    assert advanced["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert advanced["scaleDown"]["stabilizationWindowSeconds"] == 240
    for name in ("web", "annotator"):
        assert "replicas" not in one("Deployment", name, objects)["spec"], "the autoscaler's"


def test_keda_asks_the_queue_with_the_secret() -> None:
    objects = made()
    (trigger,) = one("ScaledObject", "annotator", objects)["spec"]["triggers"]
    query = (cluster.CHART / "files" / "backlog.sql").read_text().split()
    assert trigger["type"] == "postgresql"
    assert trigger["metadata"]["query"].split() == query
    assert trigger["metadata"]["targetQueryValue"] == "1"
    sign_in = one("TriggerAuthentication", "annotator", objects)
    assert trigger["authenticationRef"]["name"] == sign_in["metadata"]["name"]
    assert sign_in["spec"]["secretTargetRef"] == [
        {"parameter": "connection", "name": "gas", "key": "DATABASE_URL"}
    ]


def test_the_web_may_be_scaled_by_requests() -> None:
    by_requests = cluster.objects()["amazon"]
    (metric,) = one("HorizontalPodAutoscaler", "web", by_requests)["spec"]["metrics"]
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "14"}


def test_selectors_find_their_pods_and_no_others() -> None:
    objects = made()
    labels = {
        o["metadata"]["name"]: o["spec"]["template"]["metadata"]["labels"]
        for o in objects
        if o["kind"] == "Deployment"
    }
    for o in objects:
        if o["kind"] not in ("Deployment", "Service", "PodDisruptionBudget"):
            continue
        selector = o["spec"]["selector"]
        wanted = selector.get("matchLabels", selector).items()
        hit = [name for name, have in labels.items() if wanted <= have.items()]
        assert hit == [o["metadata"]["name"]], o["kind"]


def test_probes_reach_the_port_and_ask_by_a_name_that_gas_answers_to() -> None:
    (web,) = pods(made())["one-web"]["containers"]
    (port,) = web["ports"]
    assert (port["name"], port["containerPort"]) == ("http", 8000)
    paths = {k: web[f"{k}Probe"]["httpGet"]["path"] for k in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert web[probe]["httpGet"]["port"] == "http"
        assert web[probe]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "localhost"}]


def test_every_queue_has_its_worker() -> None:
    args = [pod["containers"][0]["args"] for pod in pods(made()).values()]
    for queue in ("annotate", "notify", "archive", "restore", "reap"):
        assert args.count(["worker", queue]) == 1
    assert ["web"] in args
    assert ["migrate"] in args


def test_network_policies_let_in_requests_alone_and_out_what_is_needed() -> None:
    objects = made()
    everyone = one("NetworkPolicy", "all", objects)["spec"]
    assert everyone["policyTypes"] == ["Ingress", "Egress"]
    assert everyone["ingress"] == []
    labels = one("Deployment", "reap", objects)["spec"]["template"]["metadata"]["labels"]
    assert everyone["podSelector"]["matchLabels"].items() <= labels.items()
    ports = {p["port"] for rule in everyone["egress"] for p in rule["ports"]}
    assert ports == {53, 5432, 443, 587}
    by_ses = one("NetworkPolicy", "all", cluster.objects()["amazon"])["spec"]["egress"]
    assert {p["port"] for rule in by_ses for p in rule["ports"]} == {53, 5432, 443, 4318}
    assert not [o for o in cluster.objects()["own-store"] if o["kind"] == "NetworkPolicy"]


def test_every_pod_is_told_where_its_traces_go() -> None:
    for name, pod in pods(cluster.objects()["amazon"]).items():
        env = {item["name"]: item.get("value") for item in pod["containers"][0]["env"]}
        assert env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector.tracing:4318", name
        assert env["OTEL_TRACES_SAMPLER_ARG"] == "0.1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "https://gas.example.org"},
        {"host": ""},
        {"secret": ""},
        {"secretKeys": ["DATABASE_URL"]},
        {"settings": {"HOME": "/x"}},
        {"settings": {"GAS_MAX_TRIES": 3}},
        {"billing": "test"},
        {"utils": {"queues": ["annotate"]}},
        {"storage": {"bucket": ""}},
        {"mail": {"from": "gas@example.org", "smtpHost": ""}},
        {"image": {"repository": "r", "digest": "latest"}},
    ],
)
def test_values_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(helm_python.HelmError):
        made(**wrong)
