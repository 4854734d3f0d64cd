"""Closing an account, by its owner or by an operator."""

from __future__ import annotations

from django.db import transaction

from gas.accounts.models import User
from gas.errors import GasError
from gas.jobs import erase
from gas.wiring import Services


class LastOperator(GasError):
    """This account is the only one that can run this service."""

    code = "last-operator"


def close_account(svc: Services, user: User) -> None:
    """Sign ``user`` out everywhere and have all that is theirs removed (gas.jobs.erase).

    Raises LastOperator where nobody else could run the service then.
    """
    with transaction.atomic():
        # Locked in one order: of two operators who close their accounts at once, one stays.
        operators = User.objects.filter(is_superuser=True, is_active=True).order_by("pk")
        ids = [operator.pk for operator in operators.select_for_update()]
        if ids == [user.pk]:
            raise LastOperator(hint="Make another account a superuser first.")
        erase.ask_erase_account(svc, user)
