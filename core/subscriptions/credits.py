"""Time given back: what somebody had paid for and could not use, for a reason that was not theirs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select

from core import customers, messaging
from core.roles import system_only
from core.subscriptions.actions import RENEWED_BEFORE, live
from core.subscriptions.models import Subscription
from core.tasks import SyncAccess
from core.texts import duration
from core.uow import UnitOfWork


@system_only
def ran_between(uow: UnitOfWork, customer_id: int, service: str, began_at: datetime, ended_at: datetime) -> int:
    """For how many seconds of that time this customer had something that lets them in, one subscription after the other."""
    rows = uow.session.scalars(
        select(Subscription).where(
            Subscription.customer_id == customer_id, Subscription.service == service, Subscription.begun_at < ended_at,
            Subscription.over_at > began_at, Subscription.suspended_at.is_(None),
        )
    )  # fmt: skip
    spans = [min(row.over_at, ended_at) - max(row.begun_at or row.starts_at, began_at) for row in rows]
    return int(min(sum(spans, timedelta()), ended_at - began_at).total_seconds())


@system_only
def give_back(uow: UnitOfWork, row: Subscription, seconds: int, **why: object) -> bool:
    """Let a subscription end so much later, and what waits behind it begin later. False for who was stopped by hand.

    When it is over already, what runs in its place ends later; when nothing does, its customer has a new stretch of that length,
    from now on, on its terms and with what was left of its data, and is told. `why` goes into the audit line. The caller sees
    to it that this happens once per reason.
    """
    rows = [one for one in live(uow, row.customer_id, lock=True) if one.service == row.service]
    if any(one.suspended_reason == "operator" for one in rows):
        return False
    begun = [one for one in rows if one.begun_at is not None and one.suspended_at is None]
    found = next((one for one in begun if one is row), begun[0] if begun else None)
    by = timedelta(seconds=seconds)
    _later([one for one in rows if one.begun_at is None], by)
    if found is None:
        found = _anew(uow, row, by, others=bool(rows))
    else:
        starts_at = found.starts_at
        found.shift(by)
        found.starts_at = starts_at
    uow.record("subscription.time_given_back", found, seconds=seconds, **why)
    uow.later(SyncAccess(found.customer_id))
    return True


def _later(waiting: Iterable[Subscription], by: timedelta) -> None:
    for one in waiting:
        one.shift(by)


def _anew(uow: UnitOfWork, past: Subscription, length: timedelta, *, others: bool) -> Subscription:
    """A stretch of its own after one that is over: no grace at its end, and renewed only when nothing else will be."""
    who, ends_at = customers.customer(uow, past.customer_id), uow.now + length
    quota_bytes = None if past.quota_bytes is None else max(past.quota_bytes - past.used_bytes, 0)
    made = uow.add(
        Subscription(
            customer_id=who.id, package_id=past.package_id, starts_at=uow.now, begun_at=uow.now, ends_at=ends_at,
            over_at=ends_at, renew_at=ends_at - RENEWED_BEFORE if who.auto_renews and not others else None,
            quota_bytes=quota_bytes, upload_kbps=past.upload_kbps, download_kbps=past.download_kbps,
            device_limit=past.device_limit, service=past.service, profile=past.profile, slows=past.slows,
        )
    )  # fmt: skip
    messaging.notify(
        uow, f"given_back:{made.id}", who.phone, who.language, "given_back",
        time=duration(int(length.total_seconds())),
    )  # fmt: skip
    return made
