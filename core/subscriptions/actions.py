"""Granting, using up and stopping access."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy import Row, bindparam, select, update

from core import customers, messaging, tenants
from core.catalog import Profile
from core.phone import Msisdn
from core.roles import Can, customers_may, requires, system_only
from core.subscriptions.models import Grant, Subscription, Suspension
from core.subscriptions.rules import Begin, Left, Offer, Term, remaining, stack
from core.tasks import SyncAccess
from core.uow import OWN_TENANT, UnitOfWork


class Sold(Protocol):
    """The package behind a purchase."""

    id: int
    duration_seconds: int
    quota_bytes: int | None
    upload_kbps: int | None
    download_kbps: int | None
    device_limit: int
    service: str
    profile: Profile


def _term(row: Subscription | Row[Any]) -> Term:
    return Term(
        row.id, row.package_id, row.starts_at, row.ends_at, row.quota_bytes, row.used_bytes, usable=_usable(row)
    )  # fmt: skip


def _usable(row: Subscription | Row[Any]) -> bool:
    return row.suspended_at is None and not (row.quota_bytes is not None and row.used_bytes >= row.quota_bytes)


_GRANTED = (
    select(Subscription)
    .join(Grant, Grant.subscription_id == Subscription.id)
    .where(Subscription.tenant_id == OWN_TENANT, Grant.purchase_id == bindparam("purchase"))
)


@system_only
def grant(uow: UnitOfWork, *, customer_id: int, package: Sold, purchase_id: int) -> Subscription:
    """Give what was bought, stacked onto what is left. Once per purchase; a repeat returns the first. Promises SyncAccess."""
    known = uow.find(_GRANTED, purchase=purchase_id).one_or_none()
    if known is not None:
        return known
    rows = {row.id: row for row in live(uow, customer_id, lock=True)}
    offer = Offer(package.id, package.duration_seconds, package.quota_bytes)
    stackable = [_term(row) for row in rows.values() if row.suspended_reason != "operator"]
    place = stack(stackable, offer, uow.now)
    grace = timedelta(seconds=package.profile.grace_seconds)
    if isinstance(place, Begin):
        row = uow.add(
            Subscription(
                customer_id=customer_id, package_id=package.id, starts_at=place.starts_at, ends_at=place.ends_at,
                begun_at=uow.now if place.starts_at <= uow.now else None, quota_bytes=package.quota_bytes,
                upload_kbps=package.upload_kbps, download_kbps=package.download_kbps, device_limit=package.device_limit,
                service=package.service, profile=package.profile, slows=package.profile.slow is not None,
                over_at=place.ends_at + grace,
            )
        )  # fmt: skip
    else:
        row = rows[place.term_id]
        row.ends_at, row.over_at, row.quota_bytes = place.ends_at, place.ends_at + grace, place.quota_bytes
        if row.suspended_reason == "data_limit":
            row.suspended_at = row.suspended_reason = None
        for behind in place.behind:
            rows[behind].shift(place.shift)
    uow.add(
        Grant(
            subscription_id=row.id, purchase_id=purchase_id, added_seconds=package.duration_seconds,
            added_bytes=package.quota_bytes, at=uow.now,
        )
    )  # fmt: skip
    uow.record("subscription.granted", row, purchase=purchase_id)
    uow.later(SyncAccess(customer_id))
    return row


@customers_may
def subscription(uow: UnitOfWork, subscription_id: int) -> Subscription:
    """A subscription by id."""
    return uow.session.get_one(Subscription, subscription_id)


_RUNNING = (
    select(Subscription)
    .where(
        Subscription.tenant_id == OWN_TENANT, Subscription.customer_id == bindparam("customer"),
        Subscription.closed_at.is_(None), Subscription.ends_at > bindparam("now"),
    )
    .order_by(Subscription.starts_at, Subscription.id)
)  # fmt: skip
_RUNNING_LOCKED = _RUNNING.with_for_update().execution_options(populate_existing=True)


@customers_may
def live(uow: UnitOfWork, customer_id: int, *, lock: bool = False) -> Sequence[Subscription]:
    """Everything of this customer whose time is not over, in the order it runs."""
    return uow.find(_RUNNING_LOCKED if lock else _RUNNING, customer=customer_id, now=uow.now).all()


@customers_may
def running(uow: UnitOfWork, customer_id: int) -> Subscription | None:
    """What lets this customer onto the network now, if anything."""
    return next((row for row in live(uow, customer_id) if row.starts_at <= uow.now and _usable(row)), None)


_LIVE = select(
    Subscription.id, Subscription.package_id, Subscription.starts_at, Subscription.ends_at, Subscription.quota_bytes,
    Subscription.used_bytes, Subscription.suspended_at,
).where(
    Subscription.tenant_id == OWN_TENANT, Subscription.customer_id == bindparam("customer"),
    Subscription.closed_at.is_(None), Subscription.ends_at > bindparam("now"),
)  # fmt: skip


@customers_may
def left(uow: UnitOfWork, customer_id: int) -> Left:
    """Time and data this customer still has."""
    return remaining([_term(row) for row in uow.run(_LIVE, customer=customer_id, now=uow.now)], uow.now)


@system_only
def use(uow: UnitOfWork, subscription_id: int, used_bytes: int) -> None:
    """Count traffic. Atomic: many devices may share one quota."""
    uow.session.execute(
        update(Subscription)
        .where(Subscription.id == subscription_id)
        .values(used_bytes=Subscription.used_bytes + used_bytes)
        .execution_options(synchronize_session=False)
    )


@system_only
def exhaust(uow: UnitOfWork, row: Subscription) -> bool:
    """Its data is used up: suspended with `data_limit`, once; what waits behind it starts now. False if it was no news."""
    if row.suspended_at is not None or row.quota_bytes is None or row.used_bytes < row.quota_bytes:
        return False
    _cut(uow, row, "data_limit")
    if start_due(uow, row.customer_id) is None:
        who = customers.customer(uow, row.customer_id)
        dial = tenants.settings_of(uow).dial
        messaging.notify(
            uow, ending_key(row.id, row.quota_bytes), Msisdn(who.msisdn), who.language, "ended_data", dial=dial
        )
    return True


def ending_key(subscription_id: int, quota_bytes: int) -> str:
    """Names the message about used-up data: topped up and used up again is another ending."""
    return f"exhausted:{subscription_id}:{quota_bytes}"


@requires(Can.SUSPEND)
def suspend(uow: UnitOfWork, row: Subscription) -> None:
    """Stop it by hand. Its time goes on running."""
    if row.suspended_at is None:
        _cut(uow, row, "operator")


@requires(Can.SUSPEND)
def resume(uow: UnitOfWork, row: Subscription) -> None:
    """Undo `suspend`."""
    if row.suspended_reason == "operator":
        row.suspended_at = row.suspended_reason = None
        uow.record("subscription.resumed", row)
        uow.later(SyncAccess(row.customer_id))


def _cut(uow: UnitOfWork, row: Subscription, reason: str) -> None:
    row.suspended_at, row.suspended_reason = uow.now, reason
    uow.add(Suspension(subscription_id=row.id, customer_id=row.customer_id, reason=reason, at=uow.now))
    uow.record("subscription.suspended", row, reason=reason)
    uow.later(SyncAccess(row.customer_id))


@system_only
def start_due(uow: UnitOfWork, customer_id: int) -> Subscription | None:
    """Begin what waits when nothing usable runs: pulled forward, with all of its time. Returns what runs now."""
    rows = live(uow, customer_id, lock=True)
    current = next((row for row in rows if row.starts_at <= uow.now and _usable(row)), None)
    if current is None:
        waiting = [row for row in rows if row.starts_at > uow.now and _usable(row)]
        if not waiting:
            return None
        shift: timedelta = uow.now - waiting[0].starts_at
        for row in waiting:
            row.shift(shift)
        current = waiting[0]
    if current.begun_at is None:
        current.begun_at = uow.now
        uow.record("subscription.begun", current)
        uow.later(SyncAccess(customer_id))
    return current
