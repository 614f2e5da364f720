"""From desired access to the network, in two steps: rows first (they suffice), then the router (it makes it instant)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, or_, select

from core import customers, subscriptions, tenants
from core.customers import Device
from core.network.accounting import CLASS_PREFIX, open_sessions, open_sessions_of
from core.network.actions import address_of, router_up
from core.network.desired import AccessPlan, desired, username
from core.network.models import Router, Sighting
from core.ports import ActiveRow, RouterAddress, SessionRef
from core.roles import customers_may, system_only
from core.tasks import LogIn, LogOut, SyncAccess
from core.uow import OWN_TENANT, UnitOfWork

SEEN_WINDOW = timedelta(minutes=15)
ROUTERS_TO_TRY_MAX = 5
RELEASED_WINDOW = timedelta(days=7)
"""Rows of devices released longer ago were removed long since."""


@system_only
def desired_access(uow: UnitOfWork, customer_id: int) -> AccessPlan:
    """Compute afresh what this customer's devices may do, where to let them in, and which sessions must end."""
    tenant, settings = tenants.current(uow), tenants.settings_of(uow)
    subscription = subscriptions.start_due(uow, customer_id)
    devices = _devices(uow, customer_id)
    accesses = desired(subscription, devices, realm=tenant.realm, interim_seconds=settings.interim_seconds)
    logins: list[tuple[int, int]] = []
    logouts: list[tuple[str, int]] = []
    sessions = open_sessions(uow, [name for d in devices for name in {d.mac, username(d.mac, tenant.realm)}])
    for device, access in zip(devices, accesses, strict=True):
        at = [router.id for router, row in sessions if str(row["username"]).startswith(device.mac)]
        if access.allowed:
            logins += [(device.id, router_id) for router_id in (at or _where_seen(uow, device.mac))]
        else:
            logouts += [(device.mac, router_id) for router_id in at]
    return AccessPlan(tuple(accesses), tuple(logins), tuple(logouts))


_RECENT = (
    select(Device)
    .where(
        Device.tenant_id == OWN_TENANT, Device.customer_id == bindparam("customer"),
        or_(Device.released_at.is_(None), Device.released_at > bindparam("since")),
    )
    .order_by(Device.id)
)  # fmt: skip
_SEEN = (
    select(Sighting.router_id)
    .where(Sighting.tenant_id == OWN_TENANT, Sighting.mac == bindparam("mac"), Sighting.seen_at > bindparam("since"))
    .order_by(Sighting.seen_at.desc())
    .limit(ROUTERS_TO_TRY_MAX)
)
_EVERY_ROUTER = (
    select(Router.id).where(Router.tenant_id == OWN_TENANT).order_by(Router.id).limit(ROUTERS_TO_TRY_MAX + 1)
)


def _devices(uow: UnitOfWork, customer_id: int) -> list[Device]:
    """Held devices, and released ones that nobody else holds now."""
    since = uow.now - RELEASED_WINDOW
    rows = uow.find(_RECENT, customer=customer_id, since=since).all()
    held = {row.mac for row in rows if row.released_at is None}
    latest = {row.mac: row for row in rows if row.released_at is not None and row.mac not in held}
    free = [row for mac, row in latest.items() if customers.owner_of(uow, mac) is None]
    return sorted([row for row in rows if row.released_at is None] + free, key=lambda row: row.id)


def _where_seen(uow: UnitOfWork, mac: str) -> list[int]:
    """Routers at which the device knocked lately; when nobody saw it, all of a small ISP's."""
    recent = uow.run(_SEEN, mac=mac, since=uow.now - SEEN_WINDOW).scalars().all()
    if recent:
        return list(recent)
    every = uow.run(_EVERY_ROUTER).scalars().all()
    return list(every) if len(every) <= ROUTERS_TO_TRY_MAX else []


@system_only
def synced(uow: UnitOfWork, customer_id: int, plan: AccessPlan) -> None:
    """The rows are written. Promise the routers' part; start over if the wish has changed meanwhile."""
    now = desired_access(uow, customer_id)
    if now.accesses != plan.accesses:
        uow.later(SyncAccess(customer_id))
    for device in _devices_taken_over(uow, customer_id, plan):
        uow.later(SyncAccess(device.customer_id))
    for device_id, router_id in now.logins:
        uow.later(LogIn(device_id, router_id))
    for mac, router_id in now.logouts:
        uow.later(LogOut(mac, router_id))


def _devices_taken_over(uow: UnitOfWork, customer_id: int, plan: AccessPlan) -> list[Device]:
    """Devices whose rows we may just have removed although somebody else holds them by now."""
    removed = [access.username.partition("@")[0] for access in plan.accesses if not access.allowed]
    owners = [customers.owner_of(uow, mac) for mac in removed]
    return [device for device in owners if device is not None and device.customer_id != customer_id]


@dataclass(frozen=True, slots=True)
class LoginPlan:
    """Let `mac` in at `router`; a running session must end up with these limits (None: unlimited)."""

    router: RouterAddress
    mac: str
    ends_at: datetime
    seconds_left: int
    bytes_left: int | None
    session: SessionRef | None
    session_is_current: bool


@system_only
def login_plan(uow: UnitOfWork, device_id: int, router_id: int) -> LoginPlan | None:
    """What letting this device in means now; None when it may not (any more) or the router is gone."""
    device = customers.device(uow, device_id)
    router = uow.by_id(Router, router_id)
    subscription = subscriptions.running(uow, device.customer_id) if device else None
    if device is None or router is None or subscription is None:
        return None
    tenant = tenants.current(uow)
    newest = sorted((held.id for held in customers.devices(uow, device.customer_id)), reverse=True)
    if device.id not in newest[: subscription.device_limit]:
        return None
    here = [
        row for at, row in open_sessions(uow, [device.mac, username(device.mac, tenant.realm)]) if at.id == router_id
    ]
    left = None if subscription.quota_bytes is None else max(subscription.quota_bytes - subscription.used_bytes, 0)
    return LoginPlan(
        router=address_of(uow, router), mac=device.mac, ends_at=subscription.ends_at,
        seconds_left=int((subscription.ends_at - uow.now).total_seconds()), bytes_left=left,
        session=_session_ref(dict(here[0])) if here else None,
        session_is_current=bool(here) and here[0]["class"] == f"{CLASS_PREFIX}{subscription.id}",
    )  # fmt: skip


def _session_ref(row: dict[str, object]) -> SessionRef:
    return SessionRef(str(row["username"]), str(row["acctsessionid"]), str(row["framedipaddress"] or ""))


@system_only
def let_in(uow: UnitOfWork, device_id: int, router_id: int, row: ActiveRow) -> None:
    """It is online: the router said so when read back."""
    router_up(uow, router_id)
    uow.record("device.let_in", customers.device(uow, device_id), router=router_id, address=row.address)


@system_only
def away(uow: UnitOfWork, device_id: int, router_id: int) -> None:
    """It is not there. MAC authentication lets it in when it comes back; nothing more is owed."""
    router_up(uow, router_id)


@system_only
def logout_plan(uow: UnitOfWork, mac: str, router_id: int) -> tuple[RouterAddress, SessionRef | None] | None:
    """Where to end a session, unless the device may be there again."""
    router = uow.by_id(Router, router_id)
    device = customers.owner_of(uow, mac)
    subscription = subscriptions.running(uow, device.customer_id) if device else None
    if router is None:
        return None
    if device is not None and subscription is not None:
        newest = sorted((held.id for held in customers.devices(uow, device.customer_id)), reverse=True)
        if device.id in newest[: subscription.device_limit]:
            return None
    names = [mac, username(mac, tenants.current(uow).realm)]
    here = [row for at, row in open_sessions(uow, names) if at.id == router_id]
    return address_of(uow, router), _session_ref(dict(here[0])) if here else None


@customers_may
def online_devices(uow: UnitOfWork, customer_id: int) -> set[str]:
    """MACs of this customer's devices that have an open session at one of our routers."""
    realm = tenants.current(uow).realm
    names = {
        name: device.mac
        for device in customers.devices(uow, customer_id)
        for name in (device.mac, username(device.mac, realm))
    }
    return {names[str(row["username"])] for _, row in open_sessions_of(uow, list(names))} if names else set()
