"""From desired access to the network, in two steps: rows first (they suffice), then the router (it makes it instant)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, or_, select

from core import customers, subscriptions, tenants
from core.customers import Device, Login
from core.network.accounting import CLASS_PREFIX, open_sessions, open_sessions_of
from core.network.actions import address_of, router_up
from core.network.desired import AccessPlan, Isp, desired, username
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
    """Compute afresh what this customer's devices and logins may do, where to let them in, and which sessions must end."""
    tenant, settings = tenants.current(uow), tenants.settings_of(uow)
    running = subscriptions.all_due(uow, customer_id)
    held: list[Device | Login] = [*_devices(uow, customer_id), *_logins(uow, customer_id)]
    idle = {each.service for each in held if each.released_at is None} - running.keys()
    last = {service: subscriptions.latest(uow, customer_id, service) for service in sorted(idle)}
    before = {service: row for service, row in last.items() if row is not None}
    isp = Isp(tenant.id, tenant.realm, tenant.timezone, settings.interim_seconds, settings.redirects)
    language = customers.customer(uow, customer_id).language
    accesses = desired(held, running, before, isp, language=language, now=uow.now)
    logins: list[tuple[int, int]] = []
    logouts: list[tuple[str, int]] = []
    at = _routers_of(uow, [name for each in held for name in (each.user, username(each.user, tenant.realm))])
    for each, access in zip(held, accesses, strict=True):
        here = [*at[each.user], *(at[access.username] if tenant.realm else ())]
        if not access.allowed:
            logouts += [(each.user, router_id) for router_id in here]
        elif isinstance(each, Device):
            logins += [(each.id, router_id) for router_id in (here or _where_seen(uow, each.mac))]
    return AccessPlan(tuple(accesses), tuple(logins), tuple(logouts))


def _routers_of(uow: UnitOfWork, names: list[str]) -> Mapping[str, list[int]]:
    """Name as routers know it → the routers with an open session under it."""
    found: dict[str, list[int]] = defaultdict(list)
    for router, row in open_sessions(uow, names) if names else ():
        found[str(row["username"])].append(router.id)
    return found


_LOGINS = (
    select(Login)
    .where(
        Login.tenant_id == OWN_TENANT, Login.customer_id == bindparam("customer"),
        or_(Login.released_at.is_(None), Login.released_at > bindparam("since")),
    )
    .order_by(Login.id)
)  # fmt: skip


def _logins(uow: UnitOfWork, customer_id: int) -> Sequence[Login]:
    """Held logins, and released ones: their names become nobody else's."""
    return uow.find(_LOGINS, customer=customer_id, since=uow.now - RELEASED_WINDOW).all()


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
    removed = [access.username.partition("@")[0] for access in plan.accesses if not access.allowed and not access.kept]
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
    subscription = _lets_in(uow, device)
    if device is None or router is None or subscription is None:
        return None
    tenant = tenants.current(uow)
    here = [
        row for at, row in open_sessions(uow, [device.mac, username(device.mac, tenant.realm)]) if at.id == router_id
    ]
    metered = subscription.quota_bytes is not None and not subscription.slows
    left = max((subscription.quota_bytes or 0) - subscription.used_bytes, 0) if metered else None
    return LoginPlan(
        router=address_of(uow, router), mac=device.mac, ends_at=subscription.over_at,
        seconds_left=int((subscription.over_at - uow.now).total_seconds()), bytes_left=left,
        session=_session_ref(dict(here[0])) if here else None,
        session_is_current=bool(here) and here[0]["class"] == f"{CLASS_PREFIX}{subscription.id}",
    )  # fmt: skip


def _lets_in(uow: UnitOfWork, held: Device | Login | None) -> subscriptions.Subscription | None:
    """The subscription on which this device or login may be on the network now: one of the newest, as in `desired`."""
    row = subscriptions.running(uow, held.customer_id, held.service) if held is not None else None
    if held is None or row is None:
        return None
    all_held = (customers.devices if isinstance(held, Device) else customers.logins)(uow, held.customer_id)
    newest = sorted((each.id for each in all_held), reverse=True)
    return row if held.id in newest[: row.device_limit] else None


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
def logout_plan(uow: UnitOfWork, user: str, router_id: int) -> tuple[RouterAddress, SessionRef | None] | None:
    """Where to end a session of a device (by MAC) or a login, unless it may be there again."""
    router = uow.by_id(Router, router_id)
    held = customers.owner_of(uow, user) or customers.login_named(uow, user)
    if router is None or _lets_in(uow, held) is not None:
        return None
    names = [user, username(user, tenants.current(uow).realm)]
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
