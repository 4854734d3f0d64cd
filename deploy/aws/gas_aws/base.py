"""The stack `GasBase`: the key, the buckets, the secrets. All of it survives the other stack."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from gas_aws.options import Options
from gas_aws.parameters import HOST_NAME, ask

DAY = cdk.Duration.days(1)


class Base(cdk.Stack):
    """``key`` encrypts objects, secrets, queues and the database; ``logs`` takes access logs;
    ``artefacts`` holds releases and reference packs; ``objects`` uploads and results; ``cold``
    what free users left."""

    def __init__(self, scope: Construct, name: str, options: Options) -> None:
        super().__init__(scope, name, description="GAS: key, buckets and secrets")
        self.key = kms.Key(
            self,
            "Key",
            alias=f"{name}/data",
            description="Encrypts all that GAS keeps",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        self._let_services_use_the_key()
        self.domain = ask(
            self, "Domain", "Host name that people use, as gas.example.org", HOST_NAME
        )
        self.logs = self._log_bucket()
        self.artefacts = self._bucket("Artefacts", keep_old=cdk.Duration.days(365))
        # People's data that was deleted must be gone: older versions are for accidents only.
        self.objects = self._bucket("Objects", keep_old=cdk.Duration.days(7))
        # Browsers send parts of an upload here, and genome browsers read results by pieces.
        self.objects.add_cors_rule(
            allowed_origins=[f"https://{self.domain}"],
            allowed_methods=[s3.HttpMethods.PUT, s3.HttpMethods.GET, s3.HttpMethods.HEAD],
            allowed_headers=["*"],
            exposed_headers=["ETag", "Content-Range", "Content-Length"],
            max_age=3600,
        )
        self.cold = self._bucket("Cold", keep_old=cdk.Duration.days(7))
        self.thaws = self._thaw_queue()
        self.secret_key = secretsmanager.Secret(
            self,
            "SecretKey",
            description="Signs sessions and links (GAS_SECRET_KEY)",
            encryption_key=self.key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=64, exclude_punctuation=True
            ),
        )
        self.stripe = (
            {
                "GAS_STRIPE_SECRET_KEY": self._empty_secret("StripeKey", "Stripe's secret key"),
                "GAS_STRIPE_WEBHOOK_SECRET": self._empty_secret(
                    "StripeWebhook", "Signing secret of Stripe's webhook"
                ),
            }
            if options.billing == "stripe"
            else {}
        )
        cdk.CfnOutput(self, "ArtefactBucket", value=self.artefacts.bucket_name)
        for variable, secret in self.stripe.items():
            cdk.CfnOutput(self, f"Fill{secret.node.id}", value=secret.ref, description=variable)

    def _let_services_use_the_key(self) -> None:
        """CloudWatch hands alarms to an encrypted topic, S3 its events to an encrypted queue, and
        log groups are encrypted."""
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[
                    iam.ServicePrincipal("cloudwatch.amazonaws.com"),
                    iam.ServicePrincipal("s3.amazonaws.com"),
                ],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],  # in a key's own policy: this key
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        groups = self.format_arn(
            service="logs", resource="log-group", resource_name="*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )  # fmt: skip
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(f"logs.{self.region}.amazonaws.com")],
                actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*",
                         "kms:DescribeKey"],
                resources=["*"],  # this key
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
            )
        )  # fmt: skip

    def _log_bucket(self) -> s3.Bucket:
        """Encrypted by S3's own keys: load balancers cannot write with another."""
        bucket = s3.Bucket(
            self,
            "Logs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=cdk.Duration.days(90),
                    noncurrent_version_expiration=DAY,
                    abort_incomplete_multipart_upload_after=DAY,
                )
            ],
        )
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("logdelivery.elasticloadbalancing.amazonaws.com")],
                actions=["s3:PutObject"],
                resources=[bucket.arn_for_objects(f"alb/AWSLogs/{self.account}/*")],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        return bucket

    def _bucket(self, name: str, keep_old: cdk.Duration) -> s3.Bucket:
        return s3.Bucket(
            self,
            name,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            server_access_logs_bucket=self.logs,
            server_access_logs_prefix=f"s3/{name.lower()}/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="leftovers",
                    # Longer than an upload may wait to be submitted (GAS_UPLOAD_EXPIRY_S).
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(2),
                    noncurrent_version_expiration=keep_old,
                    expired_object_delete_marker=True,
                )
            ],
        )

    def _thaw_queue(self) -> sqs.Queue:
        """S3 tells here that an object was thawed. What nobody could read ten times waits aside."""
        aside = sqs.Queue(
            self, "ThawsAside", **self._encrypted(), retention_period=cdk.Duration.days(14)
        )
        queue = sqs.Queue(
            self,
            "Thaws",
            **self._encrypted(),
            visibility_timeout=cdk.Duration.minutes(2),
            dead_letter_queue=sqs.DeadLetterQueue(queue=aside, max_receive_count=10),
        )
        queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        # S3 tries the queue when the bucket is told of it: its policy must be there by then.
        bucket = self.cold.node.default_child
        assert isinstance(bucket, s3.CfnBucket)
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            queue_configurations=[
                s3.CfnBucket.QueueConfigurationProperty(
                    event="s3:ObjectRestore:Completed", queue=queue.queue_arn
                )
            ]
        )
        for child in queue.node.children:
            if isinstance(child, sqs.QueuePolicy):
                bucket.node.add_dependency(child)
        return queue

    def _encrypted(self) -> dict[str, Any]:
        return {
            "encryption": sqs.QueueEncryption.KMS,
            "encryption_master_key": self.key,
            "enforce_ssl": True,
        }

    def _empty_secret(self, name: str, description: str) -> secretsmanager.CfnSecret:
        """Filled by the operator. Until then hosts say that it has no value, and wait."""
        secret = secretsmanager.CfnSecret(
            self, name, description=description, kms_key_id=self.key.key_arn
        )
        secret.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        return secret
