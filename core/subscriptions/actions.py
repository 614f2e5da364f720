"""Granting, using up and stopping access."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Row, bindparam, select, update

from core import customers, messaging, tenants
from core.catalog import MAC, SERVICES, Profile
from core.customers import Customer
from core.errors import Refusal
from core.roles import Can, customers_may, requires, system_only
from core.subscriptions.models import Grant, Subscription, Suspension
from core.subscriptions.rules import Begin, Left, Offer, Term, first_reminder, remaining, stack
from core.tasks import SyncAccess
from core.uow import OWN_TENANT, UnitOfWork

RENEWED_BEFORE = timedelta(minutes=5)
"""Renewal from the wallet comes so early that nobody is off for a moment."""


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


def _term(row: Subscription | Row[Any], *, slow_counts: bool = True) -> Term:
    usable = _usable(row) and (slow_counts or row.slowed_at is None)
    return Term(
        row.id, row.package_id, row.starts_at, row.ends_at, row.quota_bytes, row.used_bytes, usable, row.over_at
    )  # fmt: skip


def _usable(row: Subscription | Row[Any]) -> bool:
    """Does it let anybody in? With fair use it does when its data is used up."""
    return row.suspended_at is None and (row.slows or row.quota_bytes is None or row.used_bytes < row.quota_bytes)


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
    rows = {row.id: row for row in live(uow, customer_id, lock=True) if row.service == package.service}
    offer = Offer(package.id, package.duration_seconds, package.quota_bytes)
    stackable = [_term(row, slow_counts=False) for row in rows.values() if row.suspended_reason != "operator"]
    place = stack(stackable, offer, uow.now)
    if isinstance(place, Begin):
        row = Subscription(
            customer_id=customer_id, package_id=package.id, starts_at=place.starts_at,
            begun_at=uow.now if place.starts_at <= uow.now else None, quota_bytes=package.quota_bytes,
            upload_kbps=package.upload_kbps, download_kbps=package.download_kbps, device_limit=package.device_limit,
            service=package.service, profile=package.profile, slows=package.profile.slow is not None,
        )  # fmt: skip
    else:
        row = rows[place.term_id]
        row.quota_bytes = place.quota_bytes
        if row.slowed_at is not None:
            row.slowed_at = None
            row.quota_bytes = package.quota_bytes and row.used_bytes + package.quota_bytes
        if row.suspended_reason == "data_limit":
            row.suspended_at = row.suspended_reason = None
        for behind in place.behind:
            rows[behind].shift(place.shift)
    _ends(uow, row, place.ends_at, timedelta(seconds=package.duration_seconds))
    uow.add(row)
    uow.add(
        Grant(
            subscription_id=row.id, purchase_id=purchase_id, added_seconds=package.duration_seconds,
            added_bytes=package.quota_bytes, at=uow.now,
        )
    )  # fmt: skip
    uow.record("subscription.granted", row, purchase=purchase_id)
    uow.later(SyncAccess(customer_id))
    return row


def _ends(uow: UnitOfWork, row: Subscription, ends_at: datetime, bought: timedelta) -> None:
    """Its end is new, and with it when its owner is reminded, and when it is renewed for those who wish so."""
    row.ends_at, row.over_at = ends_at, ends_at + timedelta(seconds=row.profile.grace_seconds)
    row.remind_at = first_reminder(bought, ends_at, row.over_at)
    row.renew_at = ends_at - RENEWED_BEFORE if customers.customer(uow, row.customer_id).auto_renews else None


@customers_may
def subscription(uow: UnitOfWork, subscription_id: int) -> Subscription:
    """A subscription by id."""
    return uow.session.get_one(Subscription, subscription_id)


_RUNNING = (
    select(Subscription)
    .where(
        Subscription.tenant_id == OWN_TENANT, Subscription.customer_id == bindparam("customer"),
        Subscription.closed_at.is_(None), Subscription.over_at > bindparam("now"),
    )
    .order_by(Subscription.starts_at, Subscription.id)
)  # fmt: skip
_RUNNING_LOCKED = _RUNNING.with_for_update().execution_options(populate_existing=True)


@customers_may
def live(uow: UnitOfWork, customer_id: int, *, lock: bool = False) -> Sequence[Subscription]:
    """Everything of this customer that is not over (time of grace included), in the order it runs."""
    return uow.find(_RUNNING_LOCKED if lock else _RUNNING, customer=customer_id, now=uow.now).all()


@customers_may
def running(uow: UnitOfWork, customer_id: int, service: str = MAC) -> Subscription | None:
    """What lets this customer onto the network now, if anything: their devices, or with `ppp` their login."""
    return _current([row for row in live(uow, customer_id) if row.service == service], uow.now)


def _current(rows: Sequence[Subscription], now: datetime) -> Subscription | None:
    """Of what has begun and is usable: what has time left before what is in grace, full speed before slow, older first."""
    begun = [row for row in rows if row.starts_at <= now and _usable(row)]
    return min(begun, key=lambda row: (row.ends_at <= now, row.slowed_at is not None, row.starts_at), default=None)


_LATEST = (
    select(Subscription)
    .where(
        Subscription.tenant_id == OWN_TENANT, Subscription.customer_id == bindparam("customer"),
        Subscription.service == bindparam("service"), Subscription.begun_at.is_not(None),
    )
    .order_by(Subscription.id.desc())
    .limit(1)
)  # fmt: skip


@system_only
def latest(uow: UnitOfWork, customer_id: int, service: str) -> Subscription | None:
    """What this customer had last of this service, ended or not: for saying why they are not let in."""
    return uow.find(_LATEST, customer=customer_id, service=service).one_or_none()


_LIVE = select(
    Subscription.id, Subscription.package_id, Subscription.starts_at, Subscription.ends_at, Subscription.quota_bytes,
    Subscription.used_bytes, Subscription.suspended_at, Subscription.slowed_at, Subscription.slows, Subscription.over_at,
    Subscription.service,
).where(
    Subscription.tenant_id == OWN_TENANT, Subscription.customer_id == bindparam("customer"),
    Subscription.closed_at.is_(None), Subscription.over_at > bindparam("now"),
)  # fmt: skip


@customers_may
def left(uow: UnitOfWork, customer_id: int, service: str | None = None) -> Left:
    """Time and data this customer still has: of one service, or without it of their devices, failing that of their login."""
    rows = uow.run(_LIVE, customer=customer_id, now=uow.now).all()
    for wanted in SERVICES if service is None else (service,):
        for slow_counts in (False, True):
            terms = [_term(row, slow_counts=slow_counts) for row in rows if row.service == wanted]
            if (has := remaining(terms, uow.now)).ends_at is not None:
                return has
    return remaining([], uow.now)


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
    """Its data is used up: suspended with `data_limit`, or slowed down with fair use, once; what waits behind it starts now.

    False if it was no news.
    """
    stopped = row.suspended_at is not None or row.slowed_at is not None
    if stopped or row.quota_bytes is None or row.used_bytes < row.quota_bytes:
        return False
    if row.slows:
        row.slowed_at = uow.now
        uow.record("subscription.slowed", row)
        uow.later(SyncAccess(row.customer_id))
    else:
        _cut(uow, row, "data_limit")
    goes_on = start_due(uow, row.customer_id, row.service)
    if goes_on is None or goes_on is row:
        who = customers.customer(uow, row.customer_id)
        messaging.notify(
            uow, ending_key(row.id, row.quota_bytes), who.phone, who.language,
            "slowed" if row.slows else "ended_data", dial=tenants.settings_of(uow).dial,
        )  # fmt: skip
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


class AnotherService(Refusal):
    """The package is for another kind of access than this subscription."""


@requires(Can.MANAGE_PACKAGES)
def change_package(uow: UnitOfWork, row: Subscription, package: Sold) -> None:
    """From now on what is left of its time runs on the terms of another package. No money moves.

    What was used counts against the new quota: a package that is smaller than that is used up at once. Whoever was cut off or
    slowed down for data goes on when the new quota has room. Raises `AnotherService`.
    """
    if row.service != package.service:
        raise AnotherService(has=row.service, wanted=package.service)
    before = row.package_id
    row.package_id, row.quota_bytes, row.device_limit = package.id, package.quota_bytes, package.device_limit
    row.upload_kbps, row.download_kbps = package.upload_kbps, package.download_kbps
    row.profile, row.slows = package.profile, package.profile.slow is not None
    row.over_at = row.ends_at + timedelta(seconds=package.profile.grace_seconds)
    row.slowed_at = None
    if row.suspended_reason == "data_limit":
        row.suspended_at = row.suspended_reason = None
    uow.record("subscription.changed", row, before=before, after=package.id)
    uow.later(SyncAccess(row.customer_id))
    exhaust(uow, row)


def _cut(uow: UnitOfWork, row: Subscription, reason: str) -> None:
    row.suspended_at, row.suspended_reason = uow.now, reason
    uow.add(Suspension(subscription_id=row.id, customer_id=row.customer_id, reason=reason, at=uow.now))
    uow.record("subscription.suspended", row, reason=reason)
    uow.later(SyncAccess(row.customer_id))


@system_only
def start_due(uow: UnitOfWork, customer_id: int, service: str = MAC) -> Subscription | None:
    """Begin what waits when nothing of its service runs at full speed: pulled forward, with all of its time. Returns what runs."""
    return all_due(uow, customer_id).get(service)


@system_only
def all_due(uow: UnitOfWork, customer_id: int) -> dict[str, Subscription]:
    """The same for every service this customer has: what runs now."""
    rows = live(uow, customer_id, lock=True)
    due = {name: _due(uow, [row for row in rows if row.service == name]) for name in SERVICES}
    return {name: row for name, row in due.items() if row is not None}


def _due(uow: UnitOfWork, rows: Sequence[Subscription]) -> Subscription | None:
    current = _current(rows, uow.now)
    waiting = [row for row in rows if row.starts_at > uow.now and _usable(row)]
    if waiting and (current is None or current.slowed_at is not None or current.ends_at <= uow.now):
        shift: timedelta = uow.now - waiting[0].starts_at
        for row in waiting:
            row.shift(shift)
        current = waiting[0]
    if current is not None and current.begun_at is None:
        current.begun_at = uow.now
        uow.record("subscription.begun", current)
        uow.later(SyncAccess(current.customer_id))
    return current


@customers_may
def renew_by_itself(uow: UnitOfWork, who: Customer, *, wanted: bool) -> None:
    """Buy what ends again from the wallet, from now on, or no longer. Only what the wallet covers is ever bought."""
    if who.auto_renews == wanted:
        return
    who.auto_renews = wanted
    for row in live(uow, who.id, lock=True):
        row.renew_at = row.ends_at - RENEWED_BEFORE if wanted and row.ends_at > uow.now else None
    uow.record("customer.auto_renews", who, wanted=wanted)


@requires(Can.SEE_CUSTOMERS)
def suspensions(uow: UnitOfWork, customer_id: int, limit: int = 20) -> Sequence[Suspension]:
    """When and why this customer was cut off, newest first."""
    return uow.session.scalars(
        select(Suspension)
        .where(Suspension.customer_id == customer_id)
        .order_by(Suspension.at.desc(), Suspension.id.desc())
        .limit(limit)
    ).all()
