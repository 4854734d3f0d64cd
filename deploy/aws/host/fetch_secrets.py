"""Reads this host's secrets into files in memory: fetch_secrets.py SECRETS.json FOLDER

SECRETS.json maps a setting to the ARN of its secret in Secrets Manager. Each becomes a file
FOLDER/SETTING of mode 0400, and FOLDER/files.env tells GAS of it (``SETTING_FILE=...``). What RDS
keeps as JSON becomes a database address that insists on RDS's own certificate.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
from botocore.exceptions import BotoCoreError, ClientError

CA = "/etc/gas/rds-ca.pem"


def main(arns: Path, folder: Path) -> None:
    """Ends the process with one line where a secret cannot be read or is empty."""
    client = boto3.client("secretsmanager", region_name=os.environ["REGION"])
    lines = []
    for setting, arn in json.loads(arns.read_text()).items():
        try:
            value = client.get_secret_value(SecretId=arn)["SecretString"]
        except (BotoCoreError, ClientError) as error:
            sys.exit(f"{setting}: {arn} cannot be read, or was never filled: {error}")
        if setting == "DATABASE_URL":
            value = database_url(json.loads(value), os.environ["DATABASE_NAME"])
        path = folder / setting
        write(path, value)
        lines.append(f"{setting}_FILE={path}\n")
    write(folder / "files.env", "".join(lines))


def database_url(secret: dict[str, Any], name: str) -> str:
    """A libpq address of what RDS keeps: ``host``, ``port``, ``username``, ``password``."""
    user, password = quote(secret["username"], safe=""), quote(secret["password"], safe="")
    where = f"{secret['host']}:{secret['port']}/{name}"
    return f"postgresql://{user}:{password}@{where}?sslmode=verify-full&sslrootcert={CA}"


def write(path: Path, value: str) -> None:
    """Whole or not at all, and for this user alone."""
    part = path.with_name(f".{path.name}")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(handle, "w") as file:
        file.write(value)
    part.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
