"""A few slow minutes for a device whose owner pays on a page that no list of hosts can hold (payments.md §10; decision 21).

They are rows for RADIUS with an end: the router itself puts the device out, whoever of us has died meanwhile. Not to be taken
for the grace of a package (decision 11), which follows what was paid for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from core import customers, subscriptions, tenants
from core.catalog import MAC
from core.db import among
from core.errors import Refusal
from core.network.actions import WAITING_WINDOW
from core.network.desired import Lent, username, with_grace
from core.network.isp import isp_of
from core.network.models import GraceSession, Router, Sighting
from core.network.openings import UNLISTABLE
from core.network.steering import open_now
from core.ports import Access
from core.roles import customers_may, system_only
from core.subscriptions import Subscription
from core.tasks import LendGrace, LogOut, SyncAccess
from core.tenants import Site, TenantSettings
from core.uow import OWN_TENANT, UnitOfWork

AT_ONCE_MAX = 20
"""So many devices of one router at once: whoever makes up a new address every time does not get the whole line."""
PAGE, STAFF = "page", "staff"


class GraceOff(Refusal):
    """Nobody is lent minutes to pay in here: `duka settings general --grace-minutes 8` changes that."""


class GraceUsed(Refusal):
    """This device has had its minutes for today."""


class GraceNotHere(Refusal):
    """No such device waits at the Wi-Fi: it knocks within half a minute of joining."""


class GraceNotNeeded(Refusal):
    """Something is paid for this device already, or its owner was cut off by hand."""


class GraceCrowded(Refusal):
    """As many devices as allowed are being let in to pay just now."""


@customers_may
def grace_is_offered(settings: TenantSettings) -> bool:
    """Whether phones may take these minutes themselves: a company needs it, or the ISP wants it so."""
    return settings.grace_minutes is not None and (settings.grace_page or not UNLISTABLE.isdisjoint(settings.companies))


@customers_may
def lend_grace(uow: UnitOfWork, mac: str, *, slug: str = "", entrance: str = STAFF) -> GraceSession:
    """Let a device that waits (at the place with this slug, if one is named) onto the network for a few minutes.

    Once per device and local day. Raises `BadMac` and the refusals above.
    """
    settings, mac = tenants.settings_of(uow), customers.normalise_mac(mac)
    if settings.grace_minutes is None or (entrance == PAGE and not grace_is_offered(settings)):
        raise GraceOff()
    day = uow.now.astimezone(tenants.zone(tenants.current(uow))).date()
    again = GraceSession.day == day
    if uow.session.scalar(select(GraceSession.id).where(GraceSession.mac == mac, again)) or running(uow, [mac]):
        raise GraceUsed()
    router_id = _waits_at(uow, mac, slug)
    if router_id is None:
        raise GraceNotHere()
    if _needs_none(uow, mac):
        raise GraceNotNeeded()
    uow.session.execute(select(Router.id).where(Router.id == router_id).with_for_update())
    if _at_once(uow, router_id) >= AT_ONCE_MAX:
        raise GraceCrowded()
    try:
        with uow.session.begin_nested():
            made = uow.add(
                GraceSession(
                    router_id=router_id, mac=mac, day=day, kbps=settings.grace_kbps, entrance=entrance, began_at=uow.now,
                    ends_at=uow.now + timedelta(minutes=settings.grace_minutes),
                )
            )  # fmt: skip
    except IntegrityError as error:  # the same wish was faster
        raise GraceUsed() from error
    uow.session.execute(
        update(Sighting).where(Sighting.router_id == router_id, Sighting.mac == mac).values(seen_at=uow.now)
    )  # it stands in the lists of those that wait until its minutes are over, so it can be paid for
    uow.record("grace.lent", made, mac=mac, router=router_id, minutes=settings.grace_minutes, entrance=entrance)
    for at in (None, made.ends_at):
        uow.later(LendGrace(made.id), at)
    return made


def _waits_at(uow: UnitOfWork, mac: str, slug: str) -> int | None:
    """Where it was refused within ten minutes, latest first. A MAC in an address proves nothing; this a router has said."""
    asked = (
        select(Sighting.router_id)
        .join(Router, Router.id == Sighting.router_id)
        .where(Sighting.mac == mac, Sighting.seen_at > uow.now - WAITING_WINDOW)
        .order_by(Sighting.seen_at.desc())
        .limit(1)
    )
    if slug:
        asked = asked.outerjoin(Site, Site.id == Router.site_id).where((Site.slug == slug) | Router.site_id.is_(None))
    return uow.session.scalar(asked)


def _needs_none(uow: UnitOfWork, mac: str) -> bool:
    device = customers.owner_of(uow, mac)
    if device is None:
        return False
    if subscriptions.running(uow, device.customer_id, MAC) is not None:
        return True
    stopped = select(Subscription.id).where(
        Subscription.customer_id == device.customer_id, Subscription.service == MAC,
        Subscription.closed_at.is_(None), Subscription.suspended_reason == "operator",
    )  # fmt: skip
    return uow.session.scalar(stopped.limit(1)) is not None


def _at_once(uow: UnitOfWork, router_id: int) -> int:
    here = (GraceSession.router_id == router_id, GraceSession.ends_at > uow.now, GraceSession.ended_at.is_(None))
    return uow.session.scalar(select(func.count()).select_from(GraceSession).where(*here)) or 0


_RUNNING = select(GraceSession.mac, GraceSession.ends_at, GraceSession.kbps).where(
    GraceSession.tenant_id == OWN_TENANT, GraceSession.mac.in_(bindparam("macs", expanding=True)),
    GraceSession.ended_at.is_(None), GraceSession.ends_at > bindparam("now"),
)  # fmt: skip


@system_only
def give_way(uow: UnitOfWork, macs: Sequence[str]) -> None:
    """These devices have been paid for: what they were lent is over, and is not given again today."""
    if not macs:
        return
    lent = (GraceSession.mac.in_(macs), GraceSession.ended_at.is_(None), GraceSession.ends_at > uow.now)
    for row in uow.session.scalars(select(GraceSession).where(*lent)):
        row.ended_at = uow.now
        uow.record("grace.paid", row, mac=row.mac)


def running(uow: UnitOfWork, macs: Sequence[str]) -> dict[str, Lent]:
    """MAC → what it is lent now."""
    rows = uow.run(_RUNNING, macs=macs, now=uow.now) if macs else ()
    return {row.mac: Lent(row.ends_at, row.kbps) for row in rows}


@system_only
def grace_access(uow: UnitOfWork, grace_id: int) -> Access | None:
    """What the device may do now; None when its owner's rows say it: their writing is promised then."""
    row = uow.by_id(GraceSession, grace_id)
    if row is None:
        return None
    if row.ended_at is None and row.ends_at <= uow.now:
        row.ended_at = uow.now
        uow.record("grace.over", row, mac=row.mac)
    return None if _left_to_owner(uow, row.mac) else _access(uow, row.mac)


def _access(uow: UnitOfWork, mac: str) -> Access:
    isp = isp_of(uow)
    refused = Access(username(mac, isp.realm), allowed=False, reason="not paid")
    return with_grace(refused, running(uow, [mac]).get(mac), isp, language=tenants.current(uow).language)


def _left_to_owner(uow: UnitOfWork, mac: str) -> bool:
    owner = customers.owner_of(uow, mac)
    if owner is not None:
        uow.later(SyncAccess(owner.customer_id))
    return owner is not None


@system_only
def grace_written(uow: UnitOfWork, grace_id: int, written: Access) -> None:
    """The rows say it. Whoever holds the device by now has the last word, and so has the present wish.

    A session that outlived its end (a router whose clock stood still) is put out.
    """
    row = uow.by_id(GraceSession, grace_id)
    if row is None or _left_to_owner(uow, row.mac):
        return
    if _access(uow, row.mac) != written:
        uow.later(LendGrace(row.id))
    elif not written.allowed:
        for router_id in {one.router_id for one in open_now(uow, [row.mac])}:
            uow.later(LogOut(row.mac, router_id))


@system_only
def forget_graces(uow: UnitOfWork, before: datetime, limit: int = 5000) -> int:
    """Minutes that were lent long ago."""
    old = uow.session.scalars(select(GraceSession.id).where(GraceSession.ends_at < before).limit(limit)).all()
    if old:
        which = among(GraceSession.id, old, uow.session.get_bind().dialect.name)
        uow.session.execute(delete(GraceSession).where(which).execution_options(synchronize_session=False))
    return len(old)
