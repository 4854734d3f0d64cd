"""A farm that grows and shrinks: an auto scaling group and its policies.

docs/scaling.md justifies every figure here by simulation:

* out   target tracking, which waits for three minutes above the target, and beside it the surge
        alarm: one minute more than a fifth above. The group takes the larger answer.
* in    five minutes below half of the target: by 30 %, and to the minimum below a fifth. (Target
        tracking alone waits for fifteen minutes below 90 %.) These are simple policies with a
        cooldown: an alarm acts every minute while it lasts, and what a step in has changed is only
        known minutes later.
"""

from __future__ import annotations

from dataclasses import dataclass

import aws_cdk as cdk
import jsii
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from gas_aws.hosts import Host, group_name, hooks
from gas_aws.network import Network
from gas_aws.options import Options

MINUTE = cdk.Duration.minutes(1)
#: (from, to, change in per cent): multiples of the target, and what brings the load of the most
#: loaded of them back to it.
SURGE_STEPS = ((None, 1.5, 50), (1.5, 2.0, 100), (2.0, 3.0, 200), (3.0, None, 400))
IDLE, VERY_IDLE = 0.5, 0.2
IDLE_MINUTES = 5


class Group(Construct):
    """Hosts of one kind. Private subnets, lifecycle hooks, no policy yet."""

    def __init__(
        self, scope: Construct, name: str, host: Host, network: Network, minimum: int, maximum: int,
        drain_s: int,
    ) -> None:  # fmt: skip
        super().__init__(scope, name)
        self.group = autoscaling.AutoScalingGroup(
            self,
            "Group",
            auto_scaling_group_name=group_name(self, host.role_name),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            launch_template=host.template,
            min_capacity=minimum,
            max_capacity=maximum,
            group_metrics=[autoscaling.GroupMetrics.all()],
            default_instance_warmup=cdk.Duration.seconds(60),
            health_checks=autoscaling.HealthChecks.ec2(grace_period=cdk.Duration.minutes(10)),
            max_instance_lifetime=cdk.Duration.days(30),
        )
        self.cfn = self.group.node.default_child
        assert isinstance(self.cfn, autoscaling.CfnAutoScalingGroup)
        # As a part of the group: they hold from its first instance on.
        self.cfn.lifecycle_hook_specification_list = hooks(drain_s)
        # A permission that comes after the instance is one that it does not have.
        self.cfn.node.add_dependency(host.role)

    @property
    def name(self) -> str:
        return self.group.auto_scaling_group_name

    def metric(self, name: str) -> cloudwatch.Metric:
        """One of the group's own metrics, as `GroupInServiceInstances`."""
        return cloudwatch.Metric(
            namespace="AWS/AutoScaling",
            metric_name=name,
            dimensions_map={"AutoScalingGroupName": self.name},
            statistic="Average",
            period=MINUTE,
        )


@dataclass(frozen=True)
class Load:
    """A farm's load for each instance, and how much of it one should have."""

    metric: cloudwatch.IMetric
    target: float
    tracking: autoscaling.CfnScalingPolicy.TargetTrackingConfigurationProperty
    #: The same as arithmetic, for the alarms that go in: an absent minute may mean an idle one.
    idle_expression: str
    idle_metrics: dict[str, cloudwatch.IMetric]


class Elastic(Construct):
    """The policies of one group."""

    def __init__(
        self, scope: Construct, name: str, group: Group, load: Load, options: Options
    ) -> None:
        super().__init__(scope, name)
        self._group, self._load = group, load
        group.group.add_warm_pool(
            pool_state=autoscaling.PoolState.STOPPED,
            min_size=options.warm_instances,
            max_group_prepared_capacity=options.maximum,
            reuse_on_scale_in=False,
        )
        autoscaling.CfnScalingPolicy(
            self,
            "Target",
            auto_scaling_group_name=group.name,
            policy_type="TargetTrackingScaling",
            target_tracking_configuration=load.tracking,
        )
        self._go_out(options.surge)
        # Below a fifth the second speaks alone.
        self._go_in(
            "Idle", f"IF(load < {self._times(VERY_IDLE)}, {self._times(1)}, load)", IDLE, -30
        )
        self._go_in("VeryIdle", "load", VERY_IDLE, -100)

    def _times(self, multiple: float) -> float:
        """That multiple of the target."""
        return round(multiple * self._load.target, 6)

    def _go_out(self, surge: float) -> None:
        policy = autoscaling.CfnScalingPolicy(
            self,
            "SurgeStep",
            auto_scaling_group_name=self._group.name,
            policy_type="StepScaling",
            adjustment_type="PercentChangeInCapacity",
            min_adjustment_magnitude=1,
            metric_aggregation_type="Average",
            step_adjustments=[
                # Bounds count from the alarm's threshold, ours from zero.
                autoscaling.CfnScalingPolicy.StepAdjustmentProperty(
                    metric_interval_lower_bound=self._times((low or surge) - surge),
                    metric_interval_upper_bound=None if high is None else self._times(high - surge),
                    scaling_adjustment=change,
                )
                for low, high, change in SURGE_STEPS
            ],
        )
        self._alarm("Surge", self._load.metric, self._times(surge), policy)

    def _go_in(self, name: str, expression: str, below: float, change: int) -> None:
        policy = autoscaling.CfnScalingPolicy(
            self,
            f"{name}Step",
            auto_scaling_group_name=self._group.name,
            policy_type="SimpleScaling",
            adjustment_type="PercentChangeInCapacity",
            min_adjustment_magnitude=1,
            scaling_adjustment=change,
            cooldown=str(60 * IDLE_MINUTES),
        )
        metric = cloudwatch.MathExpression(
            expression=expression.replace("load", self._load.idle_expression),
            using_metrics=self._load.idle_metrics,
            label="load of each instance",
            period=MINUTE,
        )
        self._alarm(name, metric, self._times(below), policy)

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        threshold: float,
        policy: autoscaling.CfnScalingPolicy,
    ) -> None:
        out = name == "Surge"
        kind = cloudwatch.ComparisonOperator
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            comparison_operator=kind.GREATER_THAN_THRESHOLD if out else kind.LESS_THAN_THRESHOLD,
            evaluation_periods=1 if out else IDLE_MINUTES,
            datapoints_to_alarm=1 if out else IDLE_MINUTES,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"{self._group.node.id}: moves the farm, calls nobody",
        )
        alarm.add_alarm_action(_Scale(policy.ref))


@jsii.implements(cloudwatch.IAlarmAction)
class _Scale:
    """An alarm's way to a policy."""

    def __init__(self, policy_arn: str) -> None:
        self._policy_arn = policy_arn

    def bind(self, _scope: Construct, _alarm: cloudwatch.IAlarm) -> cloudwatch.AlarmActionConfig:
        return cloudwatch.AlarmActionConfig(alarm_action_arn=self._policy_arn)
