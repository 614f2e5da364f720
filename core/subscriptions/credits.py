"""Time given back: what somebody had paid for and could not use, for a reason that was not theirs."""

from __future__ import annotations

from datetime import timedelta

from core.roles import system_only
from core.subscriptions.actions import live
from core.subscriptions.models import Subscription
from core.tasks import SyncAccess
from core.uow import UnitOfWork


@system_only
def give_back(uow: UnitOfWork, row: Subscription, seconds: int, **why: object) -> bool:
    """Let a running subscription end so much later, and what waits behind it begin later. False when it is over already.

    `why` goes into the audit line. The caller sees to it that this happens once per reason.
    """
    rows = {one.id: one for one in live(uow, row.customer_id, lock=True) if one.service == row.service}
    found = rows.get(row.id)
    if found is None or found.begun_at is None:
        return False
    by = timedelta(seconds=seconds)
    starts_at = found.starts_at
    for one in rows.values():
        if one is found or one.begun_at is None:
            one.shift(by)
    found.starts_at = starts_at
    found.renew_at = found.renew_at and found.renew_at + by
    uow.record("subscription.time_given_back", found, seconds=seconds, **why)
    uow.later(SyncAccess(found.customer_id))
    return True
