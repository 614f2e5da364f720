"""From desired access to the network, in two steps: rows first (they suffice), then the router (it makes it instant)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import bindparam, or_, select

from core import customers, subscriptions, tenants
from core.customers import Device, Login
from core.network import grace
from core.network.accounting import open_sessions_of
from core.network.desired import NOBODYS, AccessPlan, desired, username, with_grace
from core.network.health import router_up
from core.network.isp import isp_of
from core.network.models import Router, Sighting
from core.network.running import Terms
from core.network.steering import SessionPlan, bare, news_of, open_now, session_plan
from core.ports import Access, ActiveRow, RouterAddress
from core.roles import customers_may, system_only
from core.tasks import LogIn, LogOut, Settle, SyncAccess
from core.uow import OWN_TENANT, UnitOfWork

SEEN_WINDOW = timedelta(minutes=15)
ROUTERS_TO_TRY_MAX = 5
_SPENT = ("over", "used up", "nothing running", "released")
RELEASED_WINDOW = timedelta(days=7)
"""Rows of devices released longer ago were removed long since."""


@system_only
def desired_access(uow: UnitOfWork, customer_id: int) -> AccessPlan:
    """Compute afresh what this customer's devices and logins may do, where to let them in, and which sessions must end."""
    isp = isp_of(uow)
    running = subscriptions.all_due(uow, customer_id)
    held: list[Device | Login] = [*_devices(uow, customer_id), *_logins(uow, customer_id)]
    idle = {each.service for each in held if each.released_at is None} - running.keys()
    last = {service: subscriptions.latest(uow, customer_id, service) for service in sorted(idle)}
    before = {service: row for service, row in last.items() if row is not None}
    language = customers.customer(uow, customer_id).language
    devices = {username(each.mac, isp.realm): each for each in held if isinstance(each, Device)}
    lent = grace.running(uow, [each.mac for each in devices.values()])
    accesses = [
        with_grace(access, lent.get(bare(access.username)), isp, language=language)
        for access in desired(held, running, before, isp, language=language, now=uow.now)
    ]
    paid = {bare(each.username) for each in accesses if each.allowed and each.subscription_id != NOBODYS}
    return replace(_with_sessions(uow, accesses, devices), relieved=tuple(sorted(paid & lent.keys())))


def _with_sessions(uow: UnitOfWork, accesses: Sequence[Access], devices: Mapping[str, Device]) -> AccessPlan:
    """What the routers must do so that these accesses hold for sessions that run and devices that wait."""
    logins: list[tuple[int, int]] = []
    logouts: list[tuple[str, int]] = []
    settles: list[tuple[str, int, bool]] = []
    sessions = open_now(uow, [access.username for access in accesses])
    for access in accesses:
        here = [one for one in sessions if one.ref.username == bare(access.username)]
        device = devices.get(access.username)
        settles += [(access.username, one.router_id, one.is_lease) for one in here if one.is_lease or device is None]
        if device is None:
            continue
        at = list(dict.fromkeys(one.router_id for one in here if not one.is_lease))
        if access.allowed:
            logins += [(device.id, router_id) for router_id in (at or _where_seen(uow, device.mac))]
        else:
            logouts += [(device.mac, router_id) for router_id in at]
    said = news_of(uow, accesses, {one.ref.username for one in sessions})
    return AccessPlan(
        tuple(accesses), tuple(logins), tuple(logouts), tuple(dict.fromkeys(settles)), news=tuple(sorted(said.items()))
    )


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
    grace.give_way(uow, now.relieved)
    news, realm = dict(plan.news), tenants.current(uow).realm
    for device_id, router_id in now.logins:
        found = customers.device(uow, device_id)
        name = username(found.mac, realm) if found is not None else ""
        uow.later(LogIn(device_id, router_id, news.get(name, "")))
    _let_go(uow, customer_id, now)
    for mac, router_id in now.logouts:
        uow.later(LogOut(mac, router_id))
    for name, router_id, lease in now.settles:
        uow.later(Settle(name, router_id, lease, news.get(name, "")))


def _let_go(uow: UnitOfWork, customer_id: int, now: AccessPlan) -> None:
    """What a nameless customer had is used up: their device may be anybody's again, who buys it time under their own number."""
    who = customers.customer(uow, customer_id)
    if who.msisdn is None and all(not access.allowed and access.reason in _SPENT for access in now.accesses):
        for device in customers.devices(uow, customer_id):
            customers.release_device(uow, who, device)


def _devices_taken_over(uow: UnitOfWork, customer_id: int, plan: AccessPlan) -> list[Device]:
    """Devices whose rows we may just have removed although somebody else holds them by now."""
    removed = [access.username.partition("@")[0] for access in plan.accesses if not access.allowed and not access.kept]
    owners = [customers.owner_of(uow, mac) for mac in removed]
    return [device for device in owners if device is not None and device.customer_id != customer_id]


@dataclass(frozen=True, slots=True)
class LoginPlan:
    """Let `mac` in at a router; a session that runs already must end up with these terms."""

    mac: str
    terms: Terms
    sessions: SessionPlan

    @property
    def router(self) -> RouterAddress:
        return self.sessions.router


@system_only
def login_plan(uow: UnitOfWork, device_id: int, router_id: int, word: str = "") -> LoginPlan | None:
    """What letting this device in means now; None when it may not (any more) or the router is gone."""
    device = customers.device(uow, device_id)
    if device is None or device.released_at is not None:
        return None
    plan = session_plan(uow, username(device.mac, tenants.current(uow).realm), router_id, lease=False, word=word)
    return None if plan is None or plan.terms is None else LoginPlan(device.mac, plan.terms, plan)


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
def logout_plan(uow: UnitOfWork, mac: str, router_id: int) -> SessionPlan | None:
    """Where to end a session, unless the device may be there again."""
    plan = session_plan(uow, username(mac, tenants.current(uow).realm), router_id, lease=False, word="")
    return None if plan is None or plan.terms is not None else plan


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
