"""What the world sees: one load balancer that speaks HTTPS."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from gas_aws.farm import Group
from gas_aws.network import HTTP, HTTPS, WEB_PORT, Network


class Edge(Construct):
    """``balancer`` in front of the web group; ``targets`` are its instances."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        network: Network,
        web: Group,
        certificate_arn: str,
        logs: s3.IBucket,
    ) -> None:
        super().__init__(scope, name)
        self.balancer = elb.ApplicationLoadBalancer(
            self,
            "Balancer",
            vpc=network.vpc,
            internet_facing=True,
            security_group=network.balancer,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
            deletion_protection=True,
            drop_invalid_header_fields=True,
            desync_mitigation_mode=elb.DesyncMitigationMode.STRICTEST,
            # Long enough for the end of a large upload, which is read once; less than the web part
            # keeps idle connections (gas/farm/serve.py): who closes first must be the one that
            # would send the next request.
            idle_timeout=cdk.Duration.minutes(5),
        )
        for key, value in (("enabled", "true"), ("bucket", logs.bucket_name), ("prefix", "alb")):
            self.balancer.set_attribute(f"access_logs.s3.{key}", value)
        self.targets = elb.ApplicationTargetGroup(
            self,
            "Targets",
            vpc=network.vpc,
            port=WEB_PORT,
            protocol=elb.ApplicationProtocol.HTTP,
            targets=[web.group],
            deregistration_delay=cdk.Duration.seconds(30),
            # Not /readyz: a database that is away would make every instance unhealthy, and the
            # group would replace them all, which helps nobody.
            health_check=elb.HealthCheck(
                path="/healthz",
                interval=cdk.Duration.seconds(10),
                timeout=cdk.Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=3,
            ),
        )
        self.balancer.add_listener(
            "Secure",
            port=HTTPS,
            open=False,
            certificates=[elb.ListenerCertificate.from_arn(certificate_arn)],
            ssl_policy=elb.SslPolicy.RECOMMENDED_TLS,
            default_target_groups=[self.targets],
        )
        self.balancer.add_listener(
            "Plain",
            port=HTTP,
            open=False,
            default_action=elb.ListenerAction.redirect(
                protocol="HTTPS", port=str(HTTPS), permanent=True
            ),
        )
