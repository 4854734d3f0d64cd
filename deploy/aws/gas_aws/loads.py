"""What the two farms are scaled by."""

from __future__ import annotations

from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_elasticloadbalancingv2 as elb

from gas_aws.farm import MINUTE, Group, Load
from gas_aws.hosts import NAMESPACE
from gas_aws.options import Options

_policy = autoscaling.CfnScalingPolicy
EACH = "backlog / instances"


def backlog() -> cloudwatch.Metric:
    """Jobs waiting and running, as the utils host counts them (`gas cloudwatch`)."""
    return _published("Backlog")


def oldest() -> cloudwatch.Metric:
    """Seconds since the oldest of the jobs that wait was submitted."""
    return _published("OldestWaitSeconds")


def _published(name: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={"Queue": "annotate"},
        statistic="Average",
        period=MINUTE,
    )


def annotator_load(group: Group, options: Options) -> Load:
    """Jobs for each annotator in service. CloudWatch divides: who counts jobs need not know of
    instances. Should nobody count any more, the farm stays as it is."""
    instances = group.metric("GroupInServiceInstances")
    parts = {"backlog": backlog(), "instances": instances}
    each = cloudwatch.MathExpression(
        expression=EACH, using_metrics=parts, label="jobs for each annotator", period=MINUTE
    )
    tracking = _policy.TargetTrackingConfigurationProperty(
        target_value=options.jobs_per_annotator,
        customized_metric_specification=_policy.CustomizedMetricSpecificationProperty(
            metrics=[
                _query("backlog", backlog()),
                _query("instances", instances),
                _policy.TargetTrackingMetricDataQueryProperty(
                    id="each",
                    expression=EACH,
                    label="jobs for each annotator",
                    return_data=True,
                ),
            ]
        ),
    )
    return Load(each, options.jobs_per_annotator, tracking, f"({EACH})", parts)


def web_load(targets: elb.ApplicationTargetGroup, options: Options) -> Load:
    """Requests a minute for each web instance."""
    per_minute = options.web_requests_per_s * 60
    each = targets.metrics.request_count_per_target(period=MINUTE, statistic="Sum")
    tracking = _policy.TargetTrackingConfigurationProperty(
        target_value=per_minute,
        predefined_metric_specification=_policy.PredefinedMetricSpecificationProperty(
            predefined_metric_type="ALBRequestCountPerTarget",
            resource_label=f"{targets.first_load_balancer_full_name}/{targets.target_group_full_name}",
        ),
    )
    # An idle farm answers nobody and so has no metric, which once kept a farm from going in.
    return Load(each, per_minute, tracking, "FILL(requests, 0)", {"requests": each})


def _query(
    name: str, metric: cloudwatch.Metric
) -> autoscaling.CfnScalingPolicy.TargetTrackingMetricDataQueryProperty:
    return _policy.TargetTrackingMetricDataQueryProperty(
        id=name,
        return_data=False,
        metric_stat=_policy.TargetTrackingMetricStatProperty(
            stat=metric.statistic,
            metric=_policy.MetricProperty(
                namespace=metric.namespace,
                metric_name=metric.metric_name,
                dimensions=[
                    _policy.MetricDimensionProperty(name=key, value=value)
                    for key, value in (metric.dimensions or {}).items()
                ],
            ),
        ),
    )
