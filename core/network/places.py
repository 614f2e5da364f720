"""Finding ISP, place and router again by what stands in a phone's address. All of it is public, and proves nothing."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import String, cast, func, select

from core.network.models import Router
from core.radius_tables import radacct
from core.roles import system_only
from core.tenants.models import Site
from core.uow import UnitOfWork

KEY_LENGTH, SLUG_LENGTH_MAX = 32, 40


class Place(NamedTuple):
    """A site of an ISP."""

    tenant_id: int
    name: str


@system_only
def router_with_key(uow: UnitOfWork, key: str) -> tuple[int, int] | None:
    """`(tenant id, router id)` of the router with this public key. For visits of no tenant."""
    if len(key) != KEY_LENGTH or not key.isascii():
        return None
    row = uow.session.execute(select(Router.tenant_id, Router.id).where(Router.public_key == key)).first()
    return None if row is None else (row.tenant_id, row.id)


@system_only
def place_called(uow: UnitOfWork, slug: str, router_key: str = "") -> Place | None:
    """The place with this slug. Two ISPs may have one each: then the router's key tells them apart, and without it, None."""
    if not 1 <= len(slug) <= SLUG_LENGTH_MAX or "\0" in slug:
        return None
    rows = uow.session.execute(select(Site.tenant_id, Site.name).where(Site.slug == slug).limit(100)).all()
    found = [Place(row.tenant_id, row.name) for row in rows]
    if len(found) > 1 and (router := router_with_key(uow, router_key)) is not None:
        found = [place for place in found if place.tenant_id == router[0]]
    return found[0] if len(found) == 1 else None


@system_only
def nobody_is_on(uow: UnitOfWork, slug: str, router_key: str = "") -> bool:
    """Whether no session runs at the place, or at the router of it that has this key, as far as routers have told."""
    here = select(Router.nas_address).join(Site, Site.id == Router.site_id).where(Site.slug == slug)
    addresses = uow.session.scalars(here.where(Router.public_key == router_key)).all()
    addresses = addresses or uow.session.scalars(here).all()
    address = radacct.c.nasipaddress
    spelled = func.host(address) if uow.session.get_bind().dialect.name == "postgresql" else cast(address, String)
    running = select(radacct.c.acctuniqueid).where(radacct.c.acctstoptime.is_(None), spelled.in_(addresses))
    return uow.session.execute(running.limit(1)).first() is None
