"""Protection of an instance in an EC2 Auto Scaling group.

The instance learns who it is from its metadata service (IMDSv2: a token first), which group it is
in from that group's API, and sets its own protection from scale-in there. It needs the rights
autoscaling:DescribeAutoScalingInstances and autoscaling:SetInstanceProtection. A group refuses an
instance that is not in service, and so one that it has begun to terminate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from gas.farm.protection import ProtectionFailed

METADATA_TIMEOUT_S = 5.0
#: A token is asked for at each question, so it need not live long.
_LIFETIME_S = "60"


class AsgProtection:
    """``metadata`` is the address of the metadata service, ``make_client`` makes a client of the
    group's API for a region."""

    def __init__(self, metadata: str, make_client: Callable[[str], Any]) -> None:
        self._metadata, self._make_client = metadata.rstrip("/"), make_client
        self._place: tuple[Any, str, str] | None = None

    def protect(self) -> None:
        self._set(protected=True)

    def release(self) -> None:
        self._set(protected=False)

    def _set(self, *, protected: bool) -> None:
        try:
            client, instance, group = self._where()
            client.set_instance_protection(
                InstanceIds=[instance],
                AutoScalingGroupName=group,
                ProtectedFromScaleIn=protected,
            )
        except httpx.HTTPError as error:
            raise ProtectionFailed(f"The metadata service does not answer: {error}") from None
        except (BotoCoreError, ClientError) as error:
            raise ProtectionFailed(f"The scaling group refuses: {error}") from None

    def _where(self) -> tuple[Any, str, str]:
        """The client, this instance and its group; they do not change, so asked for once."""
        if self._place is None:
            instance = self._ask("instance-id")
            client = self._make_client(self._ask("placement/region"))
            found = client.describe_auto_scaling_instances(InstanceIds=[instance])
            groups = [one["AutoScalingGroupName"] for one in found["AutoScalingInstances"]]
            if not groups:
                raise ProtectionFailed(f"{instance} is in no scaling group.")
            self._place = client, instance, groups[0]
        return self._place

    def _ask(self, what: str) -> str:
        with httpx.Client(base_url=self._metadata, timeout=METADATA_TIMEOUT_S) as client:
            lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": _LIFETIME_S}
            token = client.put("/latest/api/token", headers=lifetime).raise_for_status().text
            answer = client.get(
                f"/latest/meta-data/{what}", headers={"X-aws-ec2-metadata-token": token}
            )
            return answer.raise_for_status().text


def make_client(region: str) -> Any:
    """A client of the group's API with the machine's own role. Soon gives up: it is asked again."""
    import boto3  # takes its time: only where it is used
    from botocore.config import Config

    config = Config(
        connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2}
    )
    return boto3.client("autoscaling", region_name=region, config=config)
