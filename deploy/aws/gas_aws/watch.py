"""Who is told when something is wrong, and one page that shows how it goes."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from gas_aws.edge import Edge
from gas_aws.farm import MINUTE, Group
from gas_aws.hosts import HOSTS_NAMESPACE, ROLES
from gas_aws.loads import backlog, oldest

GIB = 2**30
_more = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_less = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
_missing = cloudwatch.TreatMissingData


class Watch(Construct):
    """Alarms go to ``topic``."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        edge: Edge,
        farms: dict[str, Group],
        maximum: int,
        database: rds.DatabaseInstance,
        thaws_aside: sqs.IQueue,
        key: kms.IKey,
        mail: str,
    ) -> None:
        super().__init__(scope, name)
        self.topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        # A policy of one's own takes the place of the usual one, which lets alarms in.
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Alarms",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
            )
        )
        sns.Subscription(
            self,
            "Mail",
            topic=self.topic,
            protocol=sns.SubscriptionProtocol.EMAIL,
            endpoint=mail,
        )
        self._queue()
        self._web(edge)
        self._database(database)
        for role, farm in farms.items():
            self._farm(role, farm, maximum)
        for role in ROLES:
            self._disk(role)
        self._alarm(
            "ThawsAside",
            thaws_aside.metric_approximate_number_of_messages_visible(),
            0,
            _more,
            1,
            "An event of S3 could not be read ten times; thaws are still noticed by looking.",
        )
        self._alarm(
            "Bounces",
            _bounces(),
            0.05,
            _more,
            1,
            "More than 5 % of mails come back: at 10 % SES may stop sending.",
        )
        self._dashboard(edge, farms, database)

    def _queue(self) -> None:
        self._alarm(
            "JobsWait", oldest(), 900, _more, 5,
            "A job that waits was submitted 15 minutes ago: the farm is at its maximum, annotators "
            "fail, or one handed it back after a long try.",
        )  # fmt: skip
        self._alarm(
            "NobodyCounts", backlog(), 0, _less, 5,
            "The utils host does not report: mail, archive and restore stand still as well.",
            missing=_missing.BREACHING,
        )  # fmt: skip

    def _web(self, edge: Edge) -> None:
        targets = edge.targets.metrics
        self._alarm(
            "Errors",
            targets.http_code_target(elb.HttpCodeTarget.TARGET_5XX_COUNT, period=MINUTE),
            10, _more, 3,
            "More than 10 answers a minute are 5xx: the log group of the web hosts says why.",
        )  # fmt: skip
        self._alarm(
            "NoAnswer",
            edge.balancer.metrics.http_code_elb(elb.HttpCodeElb.ELB_5XX_COUNT, period=MINUTE),
            10, _more, 3,
            "The load balancer itself answers 5xx: no web instance does.",
        )  # fmt: skip
        self._alarm(
            "Unhealthy", targets.unhealthy_host_count(period=MINUTE), 0, _more, 10,
            "A web instance has been unhealthy for 10 minutes and was not replaced.",
        )  # fmt: skip
        self._alarm(
            "Slow", targets.target_response_time(period=MINUTE, statistic="p95"), 2, _more, 5,
            "5 of 100 requests take over 2 seconds.",
        )  # fmt: skip

    def _database(self, database: rds.DatabaseInstance) -> None:
        self._alarm(
            "DatabaseCpu", database.metric_cpu_utilization(period=MINUTE), 80, _more, 10,
            "The database is busy: see its Performance Insights.",
        )  # fmt: skip
        self._alarm(
            "DatabaseDisk", database.metric_free_storage_space(period=MINUTE), 5 * GIB, _less, 5,
            "Less than 5 GiB free, and growing by itself did not help.",
        )  # fmt: skip
        self._alarm(
            "DatabaseConnections", database.metric_database_connections(period=MINUTE), 150,
            _more, 5, "Many connections: docs/scaling.md says what then.",
        )  # fmt: skip

    def _farm(self, role: str, farm: Group, maximum: int) -> None:
        self._alarm(
            f"{role.title()}AtMaximum", farm.metric("GroupInServiceInstances"), maximum - 1,
            _more, 30, f"The {role} farm has been at its maximum for half an hour.",
        )  # fmt: skip

    def _disk(self, role: str) -> None:
        self._alarm(
            f"{role.title()}Disk", _fullest_disk(role), 85, _more, 5,
            f"A disk of a {role} host is over 85 % full: docs/operations.md, GasDiskFull.",
        )  # fmt: skip

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        operator: cloudwatch.ComparisonOperator,
        minutes: int,
        description: str,
        missing: cloudwatch.TreatMissingData = _missing.NOT_BREACHING,
    ) -> None:
        """``minutes``: so many periods in a row."""
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            comparison_operator=operator,
            evaluation_periods=minutes,
            treat_missing_data=missing,
            alarm_description=description,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))

    def _dashboard(
        self, edge: Edge, farms: dict[str, Group], database: rds.DatabaseInstance
    ) -> None:
        board = cloudwatch.Dashboard(self, "Board")
        counts = [
            farm.metric("GroupInServiceInstances").with_(label=role) for role, farm in farms.items()
        ]
        targets = edge.targets.metrics
        board.add_widgets(
            _graph("Instances in service", counts),
            _graph("Jobs waiting and running", [backlog()], [oldest()]),
        )
        board.add_widgets(
            _graph(
                "Requests",
                [targets.request_count(period=MINUTE)],
                [targets.http_code_target(elb.HttpCodeTarget.TARGET_5XX_COUNT, period=MINUTE)],
            ),
            _graph(
                "Seconds to answer",
                [
                    targets.target_response_time(period=MINUTE, statistic=one)
                    for one in ("p50", "p95", "p99")
                ],
            ),
        )
        board.add_widgets(
            _graph(
                "Database",
                [database.metric_cpu_utilization(period=MINUTE)],
                [database.metric_database_connections(period=MINUTE)],
            ),
            _graph("Free space", [database.metric_free_storage_space(period=MINUTE)]),
        )


def _fullest_disk(role: str) -> cloudwatch.Metric:
    """Of all hosts of this role (host/cloudwatch-agent.json)."""
    return cloudwatch.Metric(
        namespace=HOSTS_NAMESPACE,
        metric_name="disk_used_percent",
        dimensions_map={"Role": role},
        statistic="Maximum",
        period=MINUTE,
    )


def _bounces() -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/SES",
        metric_name="Reputation.BounceRate",
        statistic="Average",
        period=cdk.Duration.hours(1),
    )


def _graph(
    title: str, left: list[cloudwatch.IMetric], right: list[cloudwatch.IMetric] | None = None
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=left, right=right or [], width=12)
