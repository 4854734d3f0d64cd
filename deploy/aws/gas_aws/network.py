"""Where hosts live: who may reach whom, and nobody else anybody."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from gas_aws.options import Options

WEB_PORT = 8000
HTTP, HTTPS, POSTGRESQL = 80, 443, 5432


class Network(Construct):
    """A VPC over two zones: load balancer and NAT in public subnets, hosts in private ones, the
    database in subnets without a way out."""

    def __init__(self, scope: Construct, name: str, options: Options, key: kms.IKey) -> None:
        super().__init__(scope, name)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=options.nat_gateways,
            subnet_configuration=[
                _subnets("public", ec2.SubnetType.PUBLIC, 24),
                _subnets("hosts", ec2.SubnetType.PRIVATE_WITH_EGRESS, 22),
                _subnets("data", ec2.SubnetType.PRIVATE_ISOLATED, 26),
            ],
            # Objects and packages come through the gateway: it costs nothing, NAT costs by byte.
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)
            },
        )
        refused = logs.LogGroup(
            self, "Refused", encryption_key=key, retention=logs.RetentionDays.THREE_MONTHS
        )
        self.vpc.add_flow_log(
            "Flow",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(refused),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
        self.balancer = self._group("Balancer", "people to the load balancer")
        self.web = self._group("Web", "load balancer to web hosts")
        self.workers = self._group("Workers", "annotators and utils: nobody connects to them")
        self.database = self._group("Database", "hosts to PostgreSQL")
        self._rules(options.otlp_port)

    def _group(self, name: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self, name, vpc=self.vpc, description=description, allow_all_outbound=False
        )

    def _rules(self, otlp_port: int | None) -> None:
        anyone = ec2.Peer.any_ipv4()
        self.balancer.add_ingress_rule(anyone, ec2.Port.tcp(HTTPS), "people")
        self.balancer.add_ingress_rule(anyone, ec2.Port.tcp(HTTP), "people, sent on to HTTPS")
        self.balancer.add_egress_rule(self.web, ec2.Port.tcp(WEB_PORT), "requests")
        self.web.add_ingress_rule(self.balancer, ec2.Port.tcp(WEB_PORT), "requests")
        for host, who in ((self.web, "web"), (self.workers, "workers")):
            host.add_egress_rule(anyone, ec2.Port.tcp(HTTPS), "AWS, payments")
            host.add_egress_rule(self.database, ec2.Port.tcp(POSTGRESQL), "database")
            self.database.add_ingress_rule(host, ec2.Port.tcp(POSTGRESQL), who)
            if otlp_port not in (None, HTTPS):
                host.add_egress_rule(anyone, ec2.Port.tcp(otlp_port), "traces")


def _subnets(name: str, kind: ec2.SubnetType, mask: int) -> ec2.SubnetConfiguration:
    return ec2.SubnetConfiguration(
        name=name, subnet_type=kind, cidr_mask=mask, map_public_ip_on_launch=None
    )
