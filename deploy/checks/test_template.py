"""What the two templates say. They are made here, without an account."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Match, Template

import settings_in_use
from app import build
from cloud import AWS
from gas_aws.options import Options

CONTEXT = json.loads((AWS / "cdk.json").read_text())["context"]


@cache
def stacks(**options: str) -> tuple[Template, Template]:
    base, service = build(cdk.App(context={**CONTEXT, **options}))
    return Template.from_stack(base), Template.from_stack(service)


def base() -> Template:
    return stacks()[0]


def gas() -> Template:
    return stacks()[1]


def all_of(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Logical id -> properties."""
    found = template.find_resources(kind)
    assert found, f"no {kind}"
    return {name: one.get("Properties", {}) for name, one in found.items()}


# -- what is kept ------------------------------------------------------------------------------


def test_every_bucket_is_closed_encrypted_versioned_and_tidied() -> None:
    for name, bucket in all_of(base(), "AWS::S3::Bucket").items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}, name
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        how = rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
        assert how == ("AES256" if name.startswith("Logs") else "aws:kms"), name
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        (rule,) = bucket["LifecycleConfiguration"]["Rules"]
        assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] in (1, 2)
        assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] <= 365


def test_buckets_talk_tls_alone() -> None:
    policies = all_of(base(), "AWS::S3::BucketPolicy").values()
    refusing = [
        statement
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    ]
    assert len(refusing) == len(all_of(base(), "AWS::S3::Bucket"))


def test_all_data_outlives_its_stack() -> None:
    for kind in ("AWS::S3::Bucket", "AWS::KMS::Key"):
        for one in base().find_resources(kind).values():
            assert one["DeletionPolicy"] == "Retain"
    (database,) = gas().find_resources("AWS::RDS::DBInstance").values()
    assert database["DeletionPolicy"] == "Snapshot"


def test_the_database_is_in_two_zones_closed_and_encrypted() -> None:
    gas().has_resource_properties(
        "AWS::RDS::DBInstance",
        {
            "MultiAZ": True,
            "StorageEncrypted": True,
            "PubliclyAccessible": False,
            "DeletionProtection": True,
            "BackupRetentionPeriod": 14,
            "Engine": "postgres",
        },
    )
    gas().has_resource_properties(
        "AWS::RDS::DBParameterGroup", {"Parameters": Match.object_like({"rds.force_ssl": "1"})}
    )


def test_s3_tells_of_thaws() -> None:
    told = [
        bucket["NotificationConfiguration"]["QueueConfigurations"]
        for bucket in all_of(base(), "AWS::S3::Bucket").values()
        if "NotificationConfiguration" in bucket
    ]
    assert [[one["Event"] for one in queues] for queues in told] == [["s3:ObjectRestore:Completed"]]


def test_only_our_own_pages_may_send_to_the_store() -> None:
    rules = {
        name: bucket["CorsConfiguration"]["CorsRules"]
        for name, bucket in all_of(base(), "AWS::S3::Bucket").items()
        if "CorsConfiguration" in bucket
    }
    ((name, (rule,)),) = rules.items()
    assert name.startswith("Objects")
    assert rule["AllowedOrigins"] == [{"Fn::Join": ["", ["https://", {"Ref": "Domain"}]]}]
    assert "ETag" in rule["ExposedHeaders"]


# -- who may do what ---------------------------------------------------------------------------


def statements(role: str) -> list[dict[str, Any]]:
    (policy,) = [
        policy
        for name, policy in all_of(gas(), "AWS::IAM::Policy").items()
        if name.startswith(f"{role}Role")
    ]
    return list(policy["PolicyDocument"]["Statement"])


def actions(role: str) -> set[str]:
    found = [statement["Action"] for statement in statements(role)]
    return {a for one in found for a in ([one] if isinstance(one, str) else one)}


@pytest.mark.parametrize("role", ["Web", "Annotator", "Utils"])
def test_no_role_may_do_everything(role: str) -> None:
    without_resource = {"autoscaling:DescribeAutoScalingInstances", "cloudwatch:PutMetricData"}
    for statement in statements(role):
        assert statement["Effect"] == "Allow"
        assert "*" not in json.dumps(statement["Action"]), statement
        if statement["Resource"] == "*":
            assert statement["Action"] in without_resource


def test_roles_are_as_wide_as_their_work() -> None:
    assert "autoscaling:SetInstanceProtection" in actions("Annotator")
    assert "autoscaling:SetInstanceProtection" not in actions("Web") | actions("Utils")
    assert "s3:RestoreObject" in actions("Utils")
    assert "s3:RestoreObject" not in actions("Web") | actions("Annotator")
    assert not {a for a in actions("Annotator") if a.startswith(("ses:", "sqs:"))}
    assert {"sqs:ReceiveMessage", "cloudwatch:PutMetricData"} <= actions("Utils")


def test_only_utils_tells_of_the_queue() -> None:
    def namespaces(role: str) -> set[str]:
        return {
            one["Condition"]["StringEquals"]["cloudwatch:namespace"]
            for one in statements(role)
            if one["Action"] == "cloudwatch:PutMetricData"
        }

    assert namespaces("Web") == namespaces("Annotator") == {"GAS/Hosts"}
    assert namespaces("Utils") == {"GAS/Hosts", "GAS"}


def test_an_annotator_reads_no_key_of_stripes() -> None:
    def readable(role: str) -> str:
        (one,) = [s for s in statements(role) if s["Sid"] == "Secrets"]
        return json.dumps(one["Resource"])

    assert "Stripe" not in readable("Annotator")
    assert "StripeKey" in readable("Web")


def test_mail_goes_out_under_one_name() -> None:
    for role in ("Web", "Utils"):
        (mail,) = [s for s in statements(role) if s["Sid"] == "Mail"]
        assert "ses:FromAddress" in mail["Condition"]["StringEquals"]


# -- hosts -------------------------------------------------------------------------------------


def templates_of_hosts(stack: Template | None = None) -> dict[str, dict[str, Any]]:
    return {
        name: one["LaunchTemplateData"]
        for name, one in all_of(stack or gas(), "AWS::EC2::LaunchTemplate").items()
    }


def test_hosts_insist_on_imdsv2_and_encrypt_their_disks() -> None:
    assert len(templates_of_hosts()) == 3
    for data in templates_of_hosts().values():
        assert data["MetadataOptions"]["HttpTokens"] == "required"
        assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        assert all(disk["Ebs"]["Encrypted"] for disk in data["BlockDeviceMappings"])
        assert "KeyName" not in data, "no SSH"


def user_data(role: str, stack: Template | None = None) -> str:
    (data,) = [d for name, d in templates_of_hosts(stack).items() if name.startswith(role)]
    return settings_in_use.flat(data["UserData"]["Fn::Base64"])


@pytest.mark.parametrize("role", ["Web", "Annotator", "Utils"])
def test_user_data_is_complete_and_holds_no_secret(role: str) -> None:
    text = user_data(role)
    assert "@" not in text.replace("some-name@example.org", "").replace("gas@", ""), "all is filled"
    assert "SecretString" not in text
    assert "{{resolve:" not in text
    assert f'install.sh "{role.lower()}"' in text
    assert "sha256sum --check" in text


def test_hosts_fit_into_user_data() -> None:
    for role in ("Web", "Annotator", "Utils"):
        assert len(user_data(role).encode()) < 12_000, "EC2 takes 16 KB"


def test_a_drain_is_within_every_time_that_waits_for_it() -> None:
    (hook,) = [
        hook
        for name, group in all_of(gas(), "AWS::AutoScaling::AutoScalingGroup").items()
        if name.startswith("AnnotatorFarm")
        for hook in group["LifecycleHookSpecificationList"]
        if hook["LifecycleTransition"].endswith("TERMINATING")
    ]
    grace_s = int(settings_in_use.host_settings(user_data("Annotator"))["GAS_STOP_GRACE_S"])
    unit = (AWS / "host" / "units" / "gas-worker@.service").read_text()
    stop_s = int(unit.partition("TimeoutStopSec=")[2].split()[0])
    assert grace_s == Options().drain_s
    assert grace_s < stop_s < hook["HeartbeatTimeout"]


# -- farms -------------------------------------------------------------------------------------


def groups() -> dict[str, dict[str, Any]]:
    found = all_of(gas(), "AWS::AutoScaling::AutoScalingGroup")
    return {one["AutoScalingGroupName"].partition("-")[2]: one for one in found.values()}


def test_farms_are_two_to_ten_and_utils_is_one() -> None:
    sizes = {role: (one["MinSize"], one["MaxSize"]) for role, one in groups().items()}
    assert sizes == {"web": ("2", "10"), "annotator": ("2", "10"), "utils": ("1", "1")}


def test_hooks_hold_from_the_first_instance_on() -> None:
    for one in groups().values():
        hooks = {h["LifecycleTransition"] for h in one["LifecycleHookSpecificationList"]}
        assert hooks == {
            "autoscaling:EC2_INSTANCE_LAUNCHING",
            "autoscaling:EC2_INSTANCE_TERMINATING",
        }
        assert one["MetricsCollection"] == [{"Granularity": "1Minute"}]


def test_only_the_two_farms_are_scaled_and_kept_warm() -> None:
    farms = {"WebFarm", "AnnotatorFarm"}

    def whose(kind: str) -> list[str]:
        names = [one["AutoScalingGroupName"]["Ref"] for one in all_of(gas(), kind).values()]
        return sorted(farm for farm in farms for name in names if name.startswith(farm))

    assert whose("AWS::AutoScaling::WarmPool") == sorted(farms)
    assert whose("AWS::AutoScaling::ScalingPolicy") == sorted([*farms] * 4)


def alarm(prefix: str) -> dict[str, Any]:
    (found,) = [o for n, o in all_of(gas(), "AWS::CloudWatch::Alarm").items() if prefix in n]
    return found


@pytest.mark.parametrize(("farm", "target"), [("Web", 15 * 60), ("Annotator", 1)])
def test_the_figures_are_those_of_the_simulation(farm: str, target: float) -> None:
    alarms = {name: alarm(f"{farm}Scaling{name}") for name in ("Surge", "Idle", "VeryIdle")}
    told = {name: (one["EvaluationPeriods"], one["Threshold"]) for name, one in alarms.items()}
    assert told == {
        "Surge": (1, target * 1.2),
        "Idle": (5, target * 0.5),
        "VeryIdle": (5, target * 0.2),
    }
    for one in alarms.values():
        periods = [m["MetricStat"]["Period"] for m in one.get("Metrics", []) if "MetricStat" in m]
        assert set(periods or [one["Period"]]) == {60}
    (tracking,) = [
        one["TargetTrackingConfiguration"]
        for name, one in all_of(gas(), "AWS::AutoScaling::ScalingPolicy").items()
        if name.startswith(f"{farm}ScalingTarget")
    ]
    assert tracking["TargetValue"] == target
    assert "DisableScaleIn" not in tracking


def policy(farm: str, name: str) -> dict[str, Any]:
    (found,) = [
        one
        for key, one in all_of(gas(), "AWS::AutoScaling::ScalingPolicy").items()
        if key.startswith(f"{farm}Scaling{name}Step")
    ]
    return found


@pytest.mark.parametrize(("farm", "target"), [("Web", 900.0), ("Annotator", 1.0)])
def test_steps_out_leave_no_gap_and_bring_the_load_to_its_target(farm: str, target: float) -> None:
    def multiple(step: dict[str, Any], bound: str) -> float | None:
        given = step.get(f"MetricInterval{bound}Bound")
        return None if given is None else round(1.2 + given / target, 3)

    steps = [
        (multiple(s, "Lower"), multiple(s, "Upper"), s["ScalingAdjustment"])
        for s in policy(farm, "Surge")["StepAdjustments"]
    ]
    assert (steps[0][0], steps[-1][1]) == (1.2, None)
    assert [a[1] for a in steps[:-1]] == [b[0] for b in steps[1:]]
    for _, high, change in steps[:-1]:
        assert high is not None
        assert 1 + change / 100 >= high, "the most loaded of the step is served"


@pytest.mark.parametrize("farm", ["Web", "Annotator"])
def test_a_step_in_is_taken_once_in_five_minutes_by_one_policy(farm: str) -> None:
    for name, change in (("Idle", -30), ("VeryIdle", -100)):
        one = policy(farm, name)
        assert (one["PolicyType"], one["ScalingAdjustment"], one["Cooldown"]) == (
            "SimpleScaling",
            change,
            "300",
        )
    (idle,) = [m["Expression"] for m in alarm(f"{farm}ScalingIdle")["Metrics"] if "Expression" in m]
    low, target = {"Web": ("180.0", "900.0"), "Annotator": ("0.2", "1.0")}[farm]
    load = {"Web": "FILL(requests, 0)", "Annotator": "(backlog / instances)"}[farm]
    assert idle == f"IF({load} < {low}, {target}, {load})"


def test_annotators_are_scaled_by_jobs_for_each_instance() -> None:
    (tracking,) = [
        one["TargetTrackingConfiguration"]["CustomizedMetricSpecification"]["Metrics"]
        for name, one in all_of(gas(), "AWS::AutoScaling::ScalingPolicy").items()
        if name.startswith("AnnotatorScalingTarget")
    ]
    by_id = {one["Id"]: one for one in tracking}
    assert by_id["each"]["Expression"] == "backlog / instances"
    assert [one["Id"] for one in tracking if one["ReturnData"]] == ["each"]
    told = by_id["backlog"]["MetricStat"]["Metric"]
    assert (told["Namespace"], told["MetricName"]) == ("GAS", "Backlog")
    assert told["Dimensions"] == [{"Name": "Queue", "Value": "annotate"}]


def test_a_silent_utils_host_is_noticed() -> None:
    assert alarm("NobodyCounts")["TreatMissingData"] == "breaching"
    for name, one in all_of(gas(), "AWS::CloudWatch::Alarm").items():
        assert one["AlarmActions"], name


def test_every_hosts_disk_is_watched_under_the_name_that_its_agent_gives() -> None:
    agent = (AWS / "host" / "cloudwatch-agent.json").read_text()
    install = (AWS / "host" / "install.sh").read_text()
    for place in set(re.findall(r"@\w+@", agent)):
        assert f"s|{place}|" in install
    for role in ("web", "annotator", "utils"):
        metrics = json.loads(agent.replace("@ROLE@", role))["metrics"]
        (disk,) = metrics["metrics_collected"].values()
        assert [list(disk["append_dimensions"])] == metrics["aggregation_dimensions"]
        watched = alarm(f"{role.title()}Disk")
        assert watched["Namespace"] in user_data(role.title())
        assert watched["MetricName"] == f"disk_{disk['measurement'][0]}"
        assert {d["Name"]: d["Value"] for d in watched["Dimensions"]} == disk["append_dimensions"]
        assert watched["Statistic"] == "Maximum", "of all hosts of the role"


def test_alarms_may_write_to_their_topic() -> None:
    """A topic's own policy takes the place of the usual one."""
    (topic,) = all_of(gas(), "AWS::SNS::TopicPolicy").values()
    allowed = [s for s in topic["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    assert [(s["Principal"], s["Action"]) for s in allowed] == [
        ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    ]


def test_s3_may_write_to_the_queue_of_thaws() -> None:
    allowed = [
        (statement["Principal"], statement["Action"])
        for policy in all_of(base(), "AWS::SQS::QueuePolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert allowed == [({"Service": "s3.amazonaws.com"}, "sqs:SendMessage")]


# -- the edge ----------------------------------------------------------------------------------


def test_http_is_only_sent_on_to_https() -> None:
    listeners = all_of(gas(), "AWS::ElasticLoadBalancingV2::Listener").values()
    by_port = {one["Port"]: one for one in listeners}
    assert by_port[80]["DefaultActions"][0]["RedirectConfig"]["Protocol"] == "HTTPS"
    assert by_port[443]["Certificates"] == [{"CertificateArn": {"Ref": "CertificateArn"}}]
    assert "TLS13" in by_port[443]["SslPolicy"]


def test_health_is_the_process_and_not_the_database() -> None:
    gas().has_resource_properties(
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        {"HealthCheckPath": "/healthz", "Port": 8000, "Protocol": "HTTP"},
    )
    assert {r: one["HealthCheckType"] for r, one in groups().items()} == {
        "web": "ELB",
        "annotator": "EC2",
        "utils": "EC2",
    }


def test_only_the_balancer_is_open_to_the_world() -> None:
    for name, group in all_of(gas(), "AWS::EC2::SecurityGroup").items():
        world = [r for r in group.get("SecurityGroupIngress", []) if r.get("CidrIp") == "0.0.0.0/0"]
        assert bool(world) == name.startswith("NetworkBalancer"), name


# -- options -----------------------------------------------------------------------------------


def test_without_payments_there_is_no_secret_of_stripes() -> None:
    bare, service = stacks(billing="none", maximum="4", references="grch38,grch37")
    assert "Stripe" not in json.dumps(bare.to_json()) + json.dumps(service.to_json())
    found = service.find_resources("AWS::AutoScaling::AutoScalingGroup").values()
    assert sorted(one["Properties"]["MaxSize"] for one in found) == ["1", "4", "4"]
    assert 'references="grch38 grch37"' in user_data("Annotator", service)


def test_hosts_reach_the_collector_of_traces_that_they_are_told_of() -> None:
    def ways_out(stack: Template) -> list[set[int]]:
        groups = all_of(stack, "AWS::EC2::SecurityGroup")
        return [
            {rule.get("FromPort", 0) for rule in group["SecurityGroupEgress"]}
            for name, group in groups.items()
            if name.startswith(("NetworkWeb", "NetworkWorkers"))
        ]

    _, told = stacks(otlp_endpoint="http://collector.internal:4318")
    for role in ("Web", "Annotator", "Utils"):
        line = "\nOTEL_EXPORTER_OTLP_ENDPOINT=http://collector.internal:4318\n"
        assert line in user_data(role, told)
        assert "OTEL_" not in user_data(role)
    assert [4318 in ports for ports in ways_out(told)] == [True, True]
    assert [4318 in ports for ports in ways_out(gas())] == [False, False]


@pytest.mark.parametrize(
    "options",
    [
        {"minimum": "5", "maximum": "4"},
        {"billing": "test"},
        {"minimum": "two"},
        {"otlp_endpoint": "collector:4318"},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Options.read(options.get)
