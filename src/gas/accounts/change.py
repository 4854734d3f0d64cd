"""Changing a user's plan: the one way in which it happens."""

from __future__ import annotations

from django.db import transaction

from gas.accounts.models import User
from gas.accounts.plans import get_plan
from gas.audit.models import Action, record
from gas.jobs import keeping
from gas.wiring import Services


def change_plan(svc: Services, user: User, plan: str, *, why: str) -> bool:
    """Put ``user`` on ``plan`` with all that follows: results are kept or given their retention,
    archived ones fetched back, and the audit log has a line. One transaction.

    ``why`` names who or what decided, for the audit log. Returns False where the user has that
    plan already. Raises KeyError for a plan that does not exist.
    """
    get_plan(plan, svc.settings)
    with transaction.atomic():
        locked = User.objects.select_for_update().get(pk=user.pk)
        before = locked.plan
        if before == plan:
            return False
        locked.plan = plan
        locked.save(update_fields=["plan"])
        keeping.plan_changed(svc, locked)
        record(Action.PLAN, svc.now(), user_id=user.pk, before=before, after=plan, why=why)
    user.plan = plan
    return True
