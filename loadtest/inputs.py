"""What the load needs before it begins: people, a token, a file."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

from gas.demo.run import INPUT
from gas.setup import setup_django

RECORDS = 40


def make_people(number: int, password: str) -> str:
    """Accounts load-0 ... with one password; the API token of the first. Straight into the
    database: hundreds of people did not sign up in one minute."""
    setup_django()
    from django.contrib.auth.hashers import make_password

    from gas.accounts import tokens
    from gas.accounts.models import User

    shared = make_password(password)
    User.objects.bulk_create(
        User(email=f"load-{n}@example.org", name=f"Person {n}", password=shared)
        for n in range(number)
    )
    first = User.objects.get(email="load-0@example.org")
    return tokens.create_token(first, "loadtest", datetime.now(UTC))


def make_file(path: Path) -> Path:
    """A small VCF: the header and the first records of the demo's."""
    lines, records = [], 0
    with gzip.open(INPUT, "rt") as file:
        for line in file:
            records += not line.startswith("#")
            if records > RECORDS:
                break
            lines.append(line)
    path.write_text("".join(lines))
    return path
