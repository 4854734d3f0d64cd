"""Tells CloudWatch how long the queue of annotations is, so that AWS can scale the annotators.

    Backlog             jobs, and parts of large files, waiting and running
    OldestWaitSeconds   since the oldest of the jobs that wait was submitted: of one that was handed
                        back, what it has run already counts too; parts do not count

both with the dimension Queue=annotate. One process of this in the whole service is enough. AWS
divides by its own count of instances, so nothing here knows of any. Region, role and endpoint are
found as by every AWS tool.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.db import Error

from gas.errors import GasError
from gas.farm import forever
from gas.farm.sample import queue_state
from gas.jobs.queue import ANNOTATE, QUEUE_OF
from gas.logs import get_logger

log = get_logger(__name__)


class NotPublished(GasError):
    """CloudWatch cannot be told."""

    code = "not-published"


def make_client() -> Any:
    """A client of CloudWatch. Raises NotPublished where no region is known."""
    config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
    try:
        return boto3.client("cloudwatch", config=config)
    except BotoCoreError as error:
        raise NotPublished(str(error), hint="Set AWS_DEFAULT_REGION.") from None


def publish(client: Any, namespace: str, now: datetime) -> dict[str, float]:
    """Count, tell CloudWatch, return what was told. Raises NotPublished, Django's database
    errors."""
    state = queue_state(now)
    values = {
        "Backlog": float(state.backlog + state.in_flight),
        "OldestWaitSeconds": state.oldest_age_s,
    }
    dimensions = [{"Name": "Queue", "Value": QUEUE_OF[ANNOTATE]}]
    data = [
        {"MetricName": name, "Value": value, "Timestamp": now, "Dimensions": dimensions}
        for name, value in values.items()
    ]
    try:
        client.put_metric_data(Namespace=namespace, MetricData=data)
    except (BotoCoreError, ClientError) as error:
        raise NotPublished(
            str(error), hint="The role needs cloudwatch:PutMetricData for this namespace."
        ) from None
    return values


def run(client: Any, namespace: str, period_s: float, clock: Callable[[], datetime]) -> None:
    """Publish every ``period_s`` until told to stop. What fails is logged and tried again: an
    alarm on the missing metric is how anybody hears of it."""

    def step() -> float:
        try:
            publish(client, namespace, clock())
        except (NotPublished, Error) as error:
            log.warning("not published", error=str(error))
        return period_s

    forever.repeat(step)
