"""The one source of truth: PostgreSQL in two zones."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from constructs import Construct

from gas_aws.base import Base
from gas_aws.network import Network
from gas_aws.options import Options

NAME = "gas"


class Database(Construct):
    """``instance.secret`` is JSON with host, port, username and password."""

    def __init__(
        self, scope: Construct, name: str, options: Options, base: Base, network: Network
    ) -> None:
        super().__init__(scope, name)
        engine = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_17_9)
        self.instance = rds.DatabaseInstance(
            self,
            "Postgres",
            engine=engine,
            parameter_group=rds.ParameterGroup(
                self,
                "Parameters",
                engine=engine,
                parameters={
                    "rds.force_ssl": "1",
                    # What takes a second is worth a line; the values in it are not logged.
                    "log_min_duration_statement": "1000",
                    "log_parameter_max_length": "0",
                },
            ),
            instance_type=ec2.InstanceType(options.database_instance),
            database_name=NAME,
            credentials=rds.Credentials.from_generated_secret(
                NAME, encryption_key=base.key, exclude_characters=" %+~`#$&*()|[]{}:;<>?!'/@\"\\^="
            ),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[network.database],
            multi_az=True,
            allocated_storage=options.database_gib,
            max_allocated_storage=options.database_gib * 10,
            storage_type=rds.StorageType.GP3,
            storage_encrypted=True,
            storage_encryption_key=base.key,
            backup_retention=cdk.Duration.days(14),
            copy_tags_to_snapshot=True,
            deletion_protection=True,
            removal_policy=cdk.RemovalPolicy.SNAPSHOT,
            auto_minor_version_upgrade=True,
            cloudwatch_logs_exports=["postgresql", "upgrade"],
            enable_performance_insights=True,
            performance_insight_encryption_key=base.key,
            monitoring_interval=cdk.Duration.minutes(1),
        )
