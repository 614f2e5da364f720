"""People who are online at a router without having bought, and what was made there by hand to let them (D12)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from core import customers, subscriptions
from core.catalog import MAC, PPP
from core.customers import BadLogin, BadMac
from core.network import grace
from core.network.desired import username
from core.network.models import Router
from core.radius_tables import radius_user
from core.roles import Can, requires
from core.strays import BINDING, LINE, SECRET, SESSION, USER, Loose
from core.tenants import current
from core.uow import UnitOfWork

PATIENCE = timedelta(minutes=3)
"""Whoever's time has just ended is put out by itself within this."""


@dataclass(frozen=True, slots=True)
class Stray:
    """One of them: what is on the router, why that is nobody we sold to, and what ending it means."""

    what: Loose
    evidence: str
    ending: str


@requires(Can.MANAGE_ROUTERS)
def strays(uow: UnitOfWork, found: Sequence[Loose]) -> list[Stray]:
    """Of what gets people online at a router, that which nobody bought."""
    return [stray for one in found for stray in _judged(uow, one)]


@requires(Can.MANAGE_ROUTERS)
def stray_ended(uow: UnitOfWork, router: Router, what: Loose) -> None:
    """It was ended; on record with what it was."""
    uow.record("router.stray_ended", router, kind=what.kind, user=what.name, mac=what.mac, address=what.address)


def _judged(uow: UnitOfWork, one: Loose) -> Iterator[Stray]:
    if one.kind == USER:
        yield Stray(
            one, f"a local user made by hand: whoever knows {one.name!r} gets in without us", "the user is removed"
        )
    elif one.kind == SECRET:
        yield Stray(one, f"a local PPP secret made by hand: {one.name!r} wins over RADIUS", "the secret is removed")
    elif one.kind == BINDING:
        who = one.mac or one.address or "every device"
        yield Stray(one, f"a binding made by hand: {who} needs no package", "the binding is removed")
    elif (why := _unsold(uow, one)) is not None:
        yield Stray(one, why, "the session is ended")


def _unsold(uow: UnitOfWork, one: Loose) -> str | None:
    """Why a session is nobody's who bought; None when it is somebody's."""
    if not one.by_radius:
        return f"the router let {one.name or one.mac!r} in by itself, RADIUS did not"
    if one.kind == SESSION and grace.running(uow, [one.name]):
        return None
    service = MAC if one.kind == SESSION else PPP
    owner = _owner(uow, one)
    if owner is None:
        return None if _is_a_code(uow, one) else f"{one.name!r} belongs to nobody"
    if subscriptions.running(uow, owner, service) is not None:
        return None
    last = max((row.over_at for row in _terms(uow, owner, service)), default=None)
    if last is None:
        return f"{one.name!r} belongs to somebody who never bought anything"
    if last > uow.now - PATIENCE:
        return None
    return f"the time of {one.name!r} was over {int((uow.now - last).total_seconds() // 60)} minutes ago"


def _owner(uow: UnitOfWork, one: Loose) -> int | None:
    """Which customer holds the name this session runs under."""
    try:
        if one.kind == LINE:
            login = customers.login_named(uow, customers.normalise_login(one.name))
            return None if login is None else login.customer_id
        device = customers.owner_of(uow, customers.normalise_mac(one.name))
    except (BadMac, BadLogin):
        return None
    return None if device is None else device.customer_id


def _is_a_code(uow: UnitOfWork, one: Loose) -> bool:
    """Somebody came in with a code: its rows are its proof."""
    name = username(one.name, current(uow).realm)
    asked = select(radius_user.c.service).where(radius_user.c.username == name, radius_user.c.tenant_id == uow.tenant)
    return one.kind == SESSION and uow.session.scalar(asked) == "code"


def _terms(uow: UnitOfWork, customer_id: int, service: str) -> list[subscriptions.Subscription]:
    kind = subscriptions.Subscription
    return list(uow.session.scalars(select(kind).where(kind.customer_id == customer_id, kind.service == service)))
