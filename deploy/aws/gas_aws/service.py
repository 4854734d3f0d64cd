"""The stack `Gas`: network, database, hosts, load balancer, alarms."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ses as ses
from constructs import Construct

from gas_aws.base import Base
from gas_aws.database import Database
from gas_aws.edge import Edge
from gas_aws.farm import Elastic, Group
from gas_aws.hosts import ROLES, Host, Surroundings
from gas_aws.loads import annotator_load, web_load
from gas_aws.network import Network
from gas_aws.options import Options
from gas_aws.parameters import Parameters
from gas_aws.watch import Watch


class Service(cdk.Stack):
    """Two farms between ``options.minimum`` and ``maximum``, and the utils: a group of exactly
    one, which is replaced where it fails and never scaled."""

    def __init__(self, scope: Construct, name: str, options: Options, base: Base) -> None:
        super().__init__(scope, name, description="GAS, the Genomics Annotation Service")
        self.parameters = Parameters(self, base.domain)
        network = Network(self, "Network", options, base.key)
        database = Database(self, "Database", options, base, network)
        around = Surroundings(
            options, self.parameters, base, network, database, self._mail_identity()
        )
        self.hosts = {role: Host(self, role.title(), role, around) for role in ROLES}
        self.groups = {role: self._group(role, network, options) for role in ROLES}
        web, annotators = self.groups["web"], self.groups["annotator"]
        edge = Edge(self, "Edge", network, web, self.parameters.certificate_arn, base.logs)
        # Whoever does not answer the load balancer is replaced; the others have none to answer.
        web.cfn.health_check_type = "ELB"
        Elastic(self, "WebScaling", web, web_load(edge.targets, options), options)
        Elastic(self, "AnnotatorScaling", annotators, annotator_load(annotators, options), options)
        Watch(
            self,
            "Watch",
            edge=edge,
            farms={"web": web, "annotator": annotators},
            maximum=options.maximum,
            database=database.instance,
            thaws_aside=base.thaws.dead_letter_queue.queue,
            key=base.key,
            mail=self.parameters.alarm_mail,
        )
        cdk.CfnOutput(self, "PointTheDomainTo", value=edge.balancer.load_balancer_dns_name)

    def _mail_identity(self) -> str:
        """The domain that mail comes from. Its DKIM records are this stack's outputs."""
        identity = ses.EmailIdentity(
            self, "MailIdentity", identity=ses.Identity.domain(self.parameters.mail_domain)
        )
        for number, record in enumerate(identity.dkim_records, 1):
            cdk.CfnOutput(self, f"Dkim{number}", value=f"{record.name} CNAME {record.value}")
        return identity.email_identity_arn

    def _group(self, role: str, network: Network, options: Options) -> Group:
        least, most = (1, 1) if role == "utils" else (options.minimum, options.maximum)
        host = self.hosts[role]
        return Group(self, f"{role.title()}Farm", host, network, least, most, options.drain_s)
