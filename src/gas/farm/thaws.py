"""Hears from S3, through a queue of SQS, which frozen objects are ready, so that a restore need not
wait for the next look.

Nothing depends on it: an event that is lost, doubled or late changes only when a restore begins,
since it asks S3 itself whether all is ready. Event names and fields: "Event message structure" in
the Amazon S3 User Guide.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.db import Error

from gas.errors import GasError
from gas.farm import forever
from gas.jobs import keeping
from gas.logs import get_logger

log = get_logger(__name__)
#: SQS answers at once where there is something, and after this time where there is not.
WAIT_S = 20
#: After an error, before the next try.
PAUSE_S = 10.0


class NoEvents(GasError):
    """The queue of events cannot be read."""

    code = "no-events"


def make_client() -> Any:
    """A client of SQS. Raises NoEvents where no region is known."""
    try:
        return boto3.client("sqs", config=Config(connect_timeout=5, read_timeout=WAIT_S + 10))
    except BotoCoreError as error:
        raise NoEvents(str(error), hint="Set AWS_DEFAULT_REGION.") from None


def listen_once(client: Any, queue_url: str, prefix: str, wait_s: int = WAIT_S) -> int:
    """Take up to ten events; ``prefix`` is what cold objects' names start with. Returns how many
    restores were brought forward. An event that cannot be read stays, and SQS puts it aside after
    some times. Raises NoEvents, Django's database errors."""
    try:
        answer = client.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s
        )
        count = 0
        for message in answer.get("Messages", []):
            try:
                keys = list(_thawed_keys(message["Body"]))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                log.warning("an event cannot be read", message_id=message["MessageId"])
                continue
            mine = [key.removeprefix(prefix) for key in keys if key.startswith(prefix)]
            count += sum(keeping.thawed(key) for key in mine)
            client.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    except (BotoCoreError, ClientError) as error:
        raise NoEvents(
            str(error), hint="The role needs sqs:ReceiveMessage and sqs:DeleteMessage."
        ) from None
    return count


def run(client: Any, queue_url: str, prefix: str) -> None:
    """Listen until told to stop."""

    def step() -> float:
        try:
            listen_once(client, queue_url, prefix)
        except (NoEvents, Error) as error:
            log.warning("not heard", error=str(error))
            return PAUSE_S
        return 0.0

    forever.repeat(step)


def _thawed_keys(body: str) -> Iterator[str]:
    """Names of objects that became ready. A test event of S3 has no records."""
    for record in json.loads(body).get("Records", []):
        if record["eventName"].endswith("ObjectRestore:Completed"):
            yield unquote_plus(record["s3"]["object"]["key"])
