"""Does a router answer? Each is looked at on its own clock; a stretch without answers is one outage, however it flickers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import String, cast, func, or_, select, update

from core import outbox
from core.db import among
from core.findings import RouterHealth
from core.network.actions import address_of, router
from core.network.models import Outage, Router
from core.ports import RouterAddress
from core.radius_tables import radacct
from core.roles import Can, requires, system_only
from core.texts import one_line
from core.uow import UnitOfWork

UP_NOTED_EVERY = timedelta(seconds=5)
"""A busy router answers many times a second; its row is not written each time."""
SURE_AFTER = timedelta(seconds=5)
FAILURES_SURE = 2
"""One lost packet is no outage: it takes a second failure, and not of the same moment."""
AGAIN_AFTER = timedelta(seconds=10)
"""A router that has just failed is looked at again so soon, to be sure."""
STEADY = timedelta(minutes=5)
"""An outage is over when the router has answered for so long; what comes sooner belongs to it."""
HEARD_AFTER = timedelta(seconds=90)
"""Reports of usage that came in so long after the API fell silent prove that customers were online all the same."""


@system_only
def due_for_a_look(uow: UnitOfWork, every: timedelta, limit: int) -> list[tuple[int, RouterAddress]]:
    """Take up to so many routers whose time has come, longest overdue first, as (tenant id, how to reach it).

    They are due again after `every`: who takes them and dies costs one look. For visits of no tenant.
    """
    dialect = uow.session.get_bind().dialect.name
    chosen = (
        select(Router.id)
        .where(or_(Router.probe_at.is_(None), Router.probe_at <= uow.now))
        .order_by(Router.probe_at.is_not(None), Router.probe_at)
        .limit(limit)
    )
    if dialect == "postgresql":
        chosen = chosen.with_for_update(skip_locked=True)
    ids = uow.session.scalars(chosen).all()
    if not ids:
        return []
    here = among(Router.id, ids, dialect)
    uow.session.execute(
        update(Router).where(here).values(probe_at=uow.now + every).execution_options(synchronize_session=False)
    )
    return [(row.tenant_id, address_of(uow, row)) for row in uow.session.scalars(select(Router).where(here))]


@system_only
def somebody_waits_for_a_look(uow: UnitOfWork) -> bool:
    """Whether any router's time has come. For visits of no tenant."""
    waits = or_(Router.probe_at.is_(None), Router.probe_at <= uow.now)
    return uow.session.scalar(select(Router.id).where(waits).limit(1)) is not None


@system_only
def spread(uow: UnitOfWork, every: timedelta) -> None:
    """Give every router that was never looked at a moment of its own within the next `every`."""
    rows = uow.session.scalars(select(Router).where(Router.probe_at.is_(None)).order_by(Router.id)).all()
    for number, row in enumerate(rows):
        row.probe_at = uow.now + number * every / len(rows)


@requires(Can.MANAGE_ROUTERS)
def look_soon(uow: UnitOfWork, what: Router) -> None:
    """Let it be looked at next."""
    what.probe_at = uow.now


@system_only
def router_up(uow: UnitOfWork, router_id: int, health: RouterHealth | None = None) -> None:
    """It answered."""
    found = router(uow, router_id)
    if found.down_since is not None:
        outage = _open(uow, router_id)
        if outage is not None:
            outage.ended_at = uow.now
        outbox.hurry(uow.session, f"router:{router_id}", uow.now)
    if found.up_since is None:
        found.up_since = uow.now
    if found.up_at is None or found.down_since is not None or uow.now - found.up_at >= UP_NOTED_EVERY:
        found.up_at = uow.now
    found.down_since, found.failures = None, 0
    if health is None:
        return
    found.version, found.board = health.version or found.version, health.board or found.board
    found.serial = health.serial or found.serial
    found.uptime_seconds, found.cpu_percent = health.uptime_seconds, health.cpu_percent
    found.active_count = health.active_count
    if health.thorough:
        found.trouble = one_line("; ".join(health.problems), 200) or None


@system_only
def router_down(uow: UnitOfWork, router_id: int, error: str) -> None:
    """It did not answer."""
    found = router(uow, router_id)
    found.failures += 1
    found.trouble = one_line(error, 200)
    if found.down_since is None:
        found.down_since, found.up_since = uow.now, None
    sure = found.failures >= FAILURES_SURE and uow.now - found.down_since >= SURE_AFTER
    if not sure:
        found.probe_at = uow.now + AGAIN_AFTER
        return
    uow.session.refresh(found, ["id"], with_for_update=True)  # of several who find it out, one writes it down
    outage = _open(uow, router_id) or _begin(uow, found, error)
    if outage.customers is None and _reports_came(uow, found.nas_address, outage.began_at):
        outage.customers = outage.lost_seconds = 0


def _begin(uow: UnitOfWork, found: Router, error: str) -> Outage:
    """A new outage, or the last one goes on: it had not been over for long."""
    assert found.down_since is not None
    last = uow.session.scalar(
        select(Outage).where(Outage.router_id == found.id).order_by(Outage.began_at.desc()).limit(1)
    )
    if last is not None and last.ended_at and not last.credited_at and found.down_since - last.ended_at < STEADY:
        last.ended_at = None
        last.flaps += 1
        return last
    uow.record("router.down", found, error=one_line(error, 200))
    return uow.add(Outage(router_id=found.id, began_at=found.down_since))


def _open(uow: UnitOfWork, router_id: int) -> Outage | None:
    return uow.session.scalar(select(Outage).where(Outage.router_id == router_id, Outage.ended_at.is_(None)))


def _reports_came(uow: UnitOfWork, nas_address: str, began_at: datetime) -> bool:
    address = radacct.c.nasipaddress
    here = func.host(address) if uow.session.get_bind().dialect.name == "postgresql" else cast(address, String)
    heard = select(radacct.c.acctuniqueid).where(
        radacct.c.acctstoptime.is_(None), here == nas_address, radacct.c.acctupdatetime > began_at + HEARD_AFTER
    )
    return uow.session.execute(heard.limit(1)).first() is not None


@requires(Can.MANAGE_ROUTERS)
def outages_of(uow: UnitOfWork, what: Router, limit: int = 20) -> Sequence[Outage]:
    """The router's last outages, latest first."""
    return uow.session.scalars(
        select(Outage).where(Outage.router_id == what.id).order_by(Outage.began_at.desc()).limit(limit)
    ).all()
