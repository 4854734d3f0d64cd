"""What a host is: its role's permissions, its settings, its launch template.

web         serves pages and API behind the load balancer
annotator   runs one worker of the queue `annotate`
utils       runs one worker for each of the other queues, tells CloudWatch how long the queue is,
            and hears from S3 what was thawed
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from gas_aws.base import Base
from gas_aws.database import NAME, Database
from gas_aws.network import WEB_PORT, Network
from gas_aws.options import Options
from gas_aws.parameters import Parameters

ROLES = ("web", "annotator", "utils")
NAMESPACE = "GAS"
#: Of how full disks are. Another than that of the queue, which only utils may speak of.
HOSTS_NAMESPACE = "GAS/Hosts"
USER_DATA = Path(__file__).parents[1] / "host" / "user-data.sh"

#: What is done with objects, by every role (src/gas/storage/s3.py says which call is which action).
READ = ("s3:GetObject",)
WRITE = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
OBJECT_ACTIONS = (*READ, *WRITE, "s3:DeleteObject")
BUCKET_ACTIONS = ("s3:ListBucket", "s3:ListBucketMultipartUploads")
COLD_ACTIONS = (*OBJECT_ACTIONS, "s3:RestoreObject")


@dataclass(frozen=True)
class Surroundings:
    """What every host is put into."""

    options: Options
    parameters: Parameters
    base: Base
    network: Network
    database: Database
    mail_identity_arn: str


def group_name(scope: Construct, role: str) -> str:
    """Fixed beforehand, so that a role can name its group before that exists."""
    return f"{cdk.Stack.of(scope).stack_name}-{role}"


class Host(Construct):
    """One role's launch template, ``template``; ``logs`` is where its logs go."""

    def __init__(self, scope: Construct, name: str, role: str, around: Surroundings) -> None:
        super().__init__(scope, name)
        self.role_name, self._around = role, around
        self.logs = logs.LogGroup(
            self,
            "Logs",
            encryption_key=around.base.key,
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            description=f"GAS: {role} hosts",
            # A shell through Session Manager: no SSH, no key, no open port.
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("AmazonSSMManagedInstanceCore")
            ],
        )
        for statement in self._statements():
            self.role.add_to_policy(statement)
        self.template = self._launch_template()

    # -- permissions ---------------------------------------------------------------------------

    def _statements(self) -> list[iam.PolicyStatement]:
        base = self._around.base
        found = [
            _allow("Key", ["kms:Decrypt", "kms:GenerateDataKey"], [base.key.key_arn]),
            _allow("Secrets", ["secretsmanager:GetSecretValue"], list(self._secrets().values())),
            _allow("Release", ["s3:GetObject"], [
                base.artefacts.arn_for_objects("releases/*"),
                base.artefacts.arn_for_objects("references/*"),
            ]),
            _allow("Objects", OBJECT_ACTIONS, [
                base.objects.arn_for_objects("objects/*")
            ]),
            _allow("ObjectNames", BUCKET_ACTIONS, [base.objects.bucket_arn]),
            _allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], [
                self.logs.log_group_arn
            ]),
            _allow("Lifecycle", ["autoscaling:CompleteLifecycleAction"], [self._group_arn()]),
            _publish("Disk", HOSTS_NAMESPACE),
        ]  # fmt: skip
        return found + getattr(self, f"_{self.role_name}_statements")()

    def _web_statements(self) -> list[iam.PolicyStatement]:
        return [self._mail()]

    def _annotator_statements(self) -> list[iam.PolicyStatement]:
        return [
            # A worker protects itself from scale-in before it claims a job.
            _allow("Protect", ["autoscaling:SetInstanceProtection"], [self._group_arn()]),
            # To learn its group; the action knows no resource.
            _allow("WhichGroup", ["autoscaling:DescribeAutoScalingInstances"], ["*"]),
        ]

    def _utils_statements(self) -> list[iam.PolicyStatement]:
        base = self._around.base
        return [
            self._mail(),
            _publish("Publish", NAMESPACE),
            _allow("Cold", COLD_ACTIONS, [base.cold.arn_for_objects("cold/*")]),
            _allow("ColdNames", BUCKET_ACTIONS, [base.cold.bucket_arn]),
            _allow("Thaws", ["sqs:ReceiveMessage", "sqs:DeleteMessage"], [base.thaws.queue_arn]),
        ]

    def _mail(self) -> iam.PolicyStatement:
        statement = _allow("Mail", ["ses:SendEmail", "ses:SendRawEmail"], [
            self._around.mail_identity_arn
        ])  # fmt: skip
        statement.add_condition("StringEquals", {"ses:FromAddress": self._around.parameters.sender})
        return statement

    def _group_arn(self) -> str:
        """The group's own part of an ARN is an id that nobody knows beforehand."""
        return cdk.Stack.of(self).format_arn(
            service="autoscaling",
            resource="autoScalingGroup",
            resource_name=f"*:autoScalingGroupName/{group_name(self, self.role_name)}",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )

    # -- settings ------------------------------------------------------------------------------

    def _secrets(self) -> dict[str, str]:
        """Setting -> ARN of the secret that it is read from when the host starts."""
        base, database = self._around.base, self._around.database.instance.secret
        assert database is not None
        found = {"DATABASE_URL": database.secret_arn, "GAS_SECRET_KEY": base.secret_key.secret_arn}
        if self.role_name != "annotator":
            found |= {name: secret.ref for name, secret in base.stripe.items()}
        return found

    def settings(self) -> dict[str, str]:
        """What is no secret. docs/settings.md says what each means."""
        base, options = self._around.base, self._around.options
        parameters = self._around.parameters
        # An annotator never calls Stripe, so it is not given its keys.
        billing = "none" if self.role_name == "annotator" else options.billing
        found = {
            "GAS_ENV": "production",
            "GAS_DATA_DIR": "/var/lib/gas",
            "GAS_BASE_URL": parameters.base_url,
            "GAS_STORAGE": "s3",
            "GAS_S3_BUCKET": base.objects.bucket_name,
            "GAS_S3_REGION": cdk.Aws.REGION,
            "AWS_DEFAULT_REGION": cdk.Aws.REGION,
            "GAS_COLD_TIER": "glacier",
            "GAS_GLACIER_BUCKET": base.cold.bucket_name,
            "GAS_MAIL": "ses",
            "GAS_MAIL_FROM": f"GAS <{parameters.sender}>",
            "GAS_BILLING": billing,
            "GAS_DEFAULT_REFERENCE": options.default_reference,
        }
        if options.otlp_endpoint:
            found["OTEL_EXPORTER_OTLP_ENDPOINT"] = options.otlp_endpoint
        if self.role_name == "web":
            found |= {"GAS_HOST": "0.0.0.0", "GAS_PORT": str(WEB_PORT), "GAS_TRUST_PROXY": "true"}
        if self.role_name == "annotator":
            found |= {
                "GAS_STOP_GRACE_S": str(options.drain_s),
                "GAS_ANNOTATE_PROCESSES": "2",
                "GAS_PROTECTION": "asg",
            }
        return found

    # -- the machine ---------------------------------------------------------------------------

    def _launch_template(self) -> ec2.LaunchTemplate:
        options, network = self._around.options, self._around.network
        return ec2.LaunchTemplate(
            self,
            "Template",
            machine_image=ec2.MachineImage.latest_amazon_linux2023(),
            instance_type=ec2.InstanceType(getattr(options, f"{self.role_name}_instance")),
            role=self.role,
            security_group=network.web if self.role_name == "web" else network.workers,
            user_data=ec2.UserData.custom(self._user_data()),
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            detailed_monitoring=True,
            block_devices=[
                ec2.BlockDevice(
                    device_name="/dev/xvda",
                    volume=ec2.BlockDeviceVolume.ebs(
                        50 if self.role_name != "utils" else 20,
                        encrypted=True,
                        volume_type=ec2.EbsDeviceVolumeType.GP3,
                    ),
                )
            ],
        )

    def _user_data(self) -> str:
        """``user-data.sh`` with this host's values in place. Not one of them is a secret."""
        around = self._around
        bucket = around.base.artefacts.bucket_name
        references = " ".join(around.options.reference_names)
        values = {
            "ROLE": self.role_name,
            "RELEASE": around.parameters.release,
            "RELEASE_SHA256": around.parameters.release_sha256,
            "ARTEFACTS": bucket,
            "REFERENCES": references,
            "SETTINGS": "\n".join(f"{name}={value}" for name, value in self.settings().items()),
            "HOST": "\n".join(f"{name}={value}" for name, value in self._about_host().items()),
            "SECRETS": json.dumps(self._secrets(), indent=1),
        }
        text = USER_DATA.read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        return text

    def _about_host(self) -> dict[str, str]:
        return {
            "ROLE": self.role_name,
            "GROUP": group_name(self, self.role_name),
            "REGION": cdk.Aws.REGION,
            "DATABASE_NAME": NAME,
            "LOG_GROUP": self.logs.log_group_name,
            "NAMESPACE": NAMESPACE,
            "HOSTS_NAMESPACE": HOSTS_NAMESPACE,
            "THAWS": self._around.base.thaws.queue_url,
            "DRAIN_S": str(self._around.options.drain_s),
        }


LAUNCHING, TERMINATING = "launching", "terminating"


def hooks(drain_s: int) -> list[autoscaling.CfnAutoScalingGroup.LifecycleHookSpecificationProperty]:
    """A host says itself when it is ready, and when it has handed back what it had."""
    kind = autoscaling.CfnAutoScalingGroup.LifecycleHookSpecificationProperty
    return [
        kind(
            lifecycle_hook_name=LAUNCHING,
            lifecycle_transition="autoscaling:EC2_INSTANCE_LAUNCHING",
            heartbeat_timeout=900,
            default_result="ABANDON",
        ),
        kind(
            lifecycle_hook_name=TERMINATING,
            lifecycle_transition="autoscaling:EC2_INSTANCE_TERMINATING",
            heartbeat_timeout=drain_s + 120,
            default_result="CONTINUE",
        ),
    ]


def _allow(
    sid: str, actions: list[str] | tuple[str, ...], resources: list[str]
) -> iam.PolicyStatement:
    return iam.PolicyStatement(sid=sid, actions=list(actions), resources=resources)


def _publish(sid: str, namespace: str) -> iam.PolicyStatement:
    """PutMetricData knows no resource; its namespace is the bound."""
    statement = _allow(sid, ["cloudwatch:PutMetricData"], ["*"])
    statement.add_condition("StringEquals", {"cloudwatch:namespace": namespace})
    return statement
