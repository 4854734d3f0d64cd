"""What S3's errors mean to GAS: missing, try again, or something that an operator must mend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from gas.errors import GasError, NeedsOperator, TransientError
from gas.storage import ObjectMissing

_MISSING = {"NoSuchKey", "NotFound", "404"}
_DENIED = {
    "AccessDenied",
    "403",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AllAccessDisabled",
}
_KEYS = "Set GAS_S3_ACCESS_KEY_ID and GAS_S3_SECRET_ACCESS_KEY, or give this machine a role"


class StorageRefused(NeedsOperator):
    """The object store refuses what GAS asks of it."""

    code = "storage-refused"


class PastTheEnd(GasError):
    """The range begins behind the object's last byte."""

    code = "past-the-end"


def no_bucket(bucket: str) -> StorageRefused:
    return StorageRefused(f"There is no bucket {bucket}.", hint="Make it, or set GAS_S3_BUCKET.")


def code_of(error: ClientError) -> str:
    """S3's word for ``error``, such as ``NoSuchKey``."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextlib.contextmanager
def translated(bucket: str, key: str, *, missing_ok: bool = False) -> Iterator[None]:
    """Raises ObjectMissing (unless ``missing_ok``), PastTheEnd, StorageRefused or TransientError
    for what botocore raises within. Any other error of the server is worth another try: the
    queue bounds the tries, and an operator sees the sentence meanwhile."""
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code in _MISSING:
            if not missing_ok:
                raise ObjectMissing(f"There is no object {key}.") from None
        elif code in ("InvalidRange", "416"):
            raise PastTheEnd from None
        elif code == "NoSuchBucket":
            raise no_bucket(bucket) from error
        elif code in _DENIED:
            raise StorageRefused(
                f"The object store denies access to {key} in bucket {bucket} ({code}).",
                hint=f"{_KEYS} that may read, write, list and delete there.",
            ) from error
        else:
            raise TransientError(f"The object store answered {code} for {key}.") from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StorageRefused("GAS has no keys for the object store.", hint=f"{_KEYS}.") from error
    except BotoCoreError as error:
        raise TransientError(
            f"The object store does not answer: {type(error).__name__}."
        ) from error
