"""The database's schema, brought up to this version of GAS."""

from __future__ import annotations

from gas.errors import GasError
from gas.setup import setup_django


class NoDatabase(GasError):
    """The database does not answer."""

    code = "no-database"


def migrate(*, operator: bool) -> str | None:
    """Make what tables are missing, change those that are older. Several hosts may call this at
    once: they take turns. With ``operator``, make the operator's account where there is none and
    return its password, to be shown this one time. Raises NoDatabase."""
    setup_django()
    from django.core.management import call_command
    from django.db import OperationalError, connection, connections

    from gas.farm import first_start

    password = None
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [int.from_bytes(b"gas mig")])
            call_command("migrate", interactive=False, verbosity=0)
            call_command("createcachetable", verbosity=0)
            if operator:
                password = first_start.ensure_operator()
    except OperationalError as error:
        raise NoDatabase(
            f"The database does not answer: {' '.join(str(error).split())}",
            hint="Is DATABASE_URL right, and is that server up?",
        ) from None
    finally:
        connections.close_all()
    return password
