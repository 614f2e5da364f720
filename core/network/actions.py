"""Keeping routers."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import (
    Integer,
    bindparam,
    delete,
    insert,
    select,
    union,
    update,
)

from core import outbox, tenants
from core.customers import Device, Login
from core.errors import Refusal
from core.network.models import Backup, GraceSession, Outage, Router, RouterInstall, Sighting, Tunnel
from core.network.tending import tend_all
from core.ports import RouterAddress
from core.radius_tables import nas, radius_nas
from core.roles import Can, customers_may, requires, system_only
from core.tasks import SyncAccess
from core.texts import one_line
from core.uow import OWN_TENANT, UnitOfWork

WAITING_WINDOW = timedelta(minutes=10)
SECRET_BYTES, PUBLIC_KEY_BYTES = 18, 16


class NoSuchRouter(Refusal):
    """There is no such router."""


class RouterExists(Refusal):
    """There is a router with this name or address already."""


class BadAddress(Refusal):
    """This is not an IP address."""


@requires(Can.MANAGE_ROUTERS)
def add_router(
    uow: UnitOfWork, *, name: str, host: str, username: str, password: str, nas_address: str, site_id: int | None = None,
    api_port: int = 8729, api_tls: bool = True, hotspot_server: str = "", coa_port: int = 3799,
    radius_secret: str | None = None, mac_auth_password: str | None = None,
) -> Router:  # fmt: skip
    """Register a router and make it a RADIUS client at once. Secrets are made here unless given."""
    try:
        address = str(ipaddress.ip_address(nas_address))
    except ValueError as error:
        raise BadAddress(address=nas_address[:60]) from error
    refuse_taken(uow, name=name, address=address, host=host, api_port=api_port)
    made = uow.add(
        Router(
            site_id=site_id, name=one_line(name, 40), host=host, api_port=api_port, api_tls=api_tls, username=username,
            password=password, hotspot_server=hotspot_server, nas_address=address, coa_port=coa_port, added_at=uow.now,
            radius_secret=radius_secret or secrets.token_urlsafe(SECRET_BYTES),
            mac_auth_password=mac_auth_password or secrets.token_urlsafe(SECRET_BYTES),
            public_key=secrets.token_hex(PUBLIC_KEY_BYTES),
        )
    )  # fmt: skip
    uow.session.execute(
        insert(nas).values(nasname=address, shortname=made.name[:32], secret=made.radius_secret, description="duka")
    )
    uow.session.execute(
        insert(radius_nas).values(
            nasname=address, tenant_id=uow.tenant, router_id=made.id, mac_auth_password=made.mac_auth_password,
            **_presence(uow),
        )
    )  # fmt: skip
    uow.record("router.added", made, name=made.name)
    return made


@system_only
def refuse_taken(
    uow: UnitOfWork, *, name: str, address: str, host: str, api_port: int, but: Router | None = None
) -> None:  # fmt: skip
    """Refuse a name of this ISP, and an address of anybody, that another router than `but` has."""
    other = Router.id != (but.id if but is not None else 0)
    if uow.session.scalar(select(Router.id).where(Router.name == name, other)):
        raise RouterExists(name=name)
    connection = uow.connection  # all ISPs': an address exists once
    if connection.execute(select(Router.id).where(Router.host == host, Router.api_port == api_port, other)).first():
        raise RouterExists(host=host, api_port=api_port)
    if but is not None and but.nas_address == address:
        return
    if connection.execute(select(nas.c.id).where(nas.c.nasname == address)).first():
        raise RouterExists(address=address)


def _presence(uow: UnitOfWork) -> dict[str, str]:
    """What RADIUS needs to know of the ISP behind a router."""
    tenant, account = tenants.current(uow), tenants.settings_of(uow).africastalking
    return {
        "realm": tenant.realm, "timezone": tenant.timezone, "language": tenant.language,
        "service_code": (account and account.service_code) or "",
    }  # fmt: skip


@requires(Can.MANAGE_STAFF)
def change_settings(uow: UnitOfWork, settings: tenants.TenantSettings) -> None:
    """Replace the ISP's settings, and let RADIUS know: at once what routers need, and in the rows of whoever it concerns."""
    before = tenants.settings_of(uow)
    tenants.change_settings(uow, settings)
    uow.session.execute(update(radius_nas).where(radius_nas.c.tenant_id == uow.tenant).values(**_presence(uow)))
    if (before.companies, before.garden_extra) != (settings.companies, settings.garden_extra):
        tend_all(uow)
    if (before.redirects, before.interim_seconds) != (settings.redirects, settings.interim_seconds):
        held = union(
            *(
                select(kind.tenant_id, kind.customer_id).where(kind.tenant_id == uow.tenant, kind.released_at.is_(None))
                for kind in (Device, Login)
            )
        )
        found = held.subquery()
        outbox.promise_each(uow.session, SyncAccess, select(found.c.tenant_id, found.c.customer_id), uow.now)
        uow.promised_now = True


@requires(Can.MANAGE_ROUTERS)
def remove_router(uow: UnitOfWork, what: Router) -> None:
    """Forget a router: its packets are no longer answered. Whoever notes a device there at this moment is waited for."""
    uow.session.execute(select(Router.id).where(Router.id == what.id).with_for_update())
    uow.session.execute(delete(nas).where(nas.c.nasname == what.nas_address))
    uow.session.execute(delete(radius_nas).where(radius_nas.c.router_id == what.id))
    for kind in (Sighting, GraceSession, Tunnel, RouterInstall, Outage, Backup):
        uow.session.execute(delete(kind).where(kind.router_id == what.id))
    uow.record("router.removed", what, name=what.name)
    uow.session.delete(what)


@customers_may
def routers(uow: UnitOfWork) -> Sequence[Router]:
    """This ISP's routers."""
    return uow.session.scalars(select(Router).order_by(Router.id)).all()


@system_only
def all_routers(uow: UnitOfWork) -> Sequence[tuple[int, int]]:
    """(tenant id, router id) of every router, for the clock."""
    return [(row.tenant_id, row.id) for row in uow.session.execute(select(Router.tenant_id, Router.id))]


@system_only
def router(uow: UnitOfWork, router_id: int) -> Router:
    """A router by id."""
    found = uow.by_id(Router, router_id)
    if found is None:
        raise NoSuchRouter(id=router_id)
    return found


@requires(Can.MANAGE_ROUTERS)
def find_router(uow: UnitOfWork, name: str) -> Router:
    """A router by name."""
    found = uow.session.scalar(select(Router).where(Router.name == name))
    if found is None:
        raise NoSuchRouter(name=name)
    return found


@system_only
def address_of(uow: UnitOfWork, what: Router) -> RouterAddress:
    """How the adapters reach it."""
    return RouterAddress(
        router_id=what.id, name=what.name, host=what.host, api_port=what.api_port, api_tls=what.api_tls,
        username=what.username, password=what.password, hotspot_server=what.hotspot_server,
        mac_auth_password=what.mac_auth_password, coa_port=what.coa_port, radius_secret=what.radius_secret,
        certificate_sha256=what.certificate_sha256 or "",
    )  # fmt: skip


_WAITING = (
    select(Sighting.mac, Router.name)
    .join(Router, Router.id == Sighting.router_id)
    .outerjoin(
        Device,
        (Device.tenant_id == OWN_TENANT) & (Device.mac == Sighting.mac) & Device.released_at.is_(None),
    )
    .where(
        Sighting.tenant_id == OWN_TENANT,
        Router.tenant_id == OWN_TENANT,
        Sighting.seen_at > bindparam("since"),
        Device.id.is_(None),
    )
    .order_by(Sighting.seen_at.desc(), Sighting.id.desc())
    .limit(bindparam("most", type_=Integer))
)


@customers_may
def waiting_devices(uow: UnitOfWork, limit: int = 20) -> list[tuple[str, str]]:
    """`(MAC, router name)` of devices that knocked within ten minutes and belong to nobody, latest first."""
    unique: dict[str, str] = {}
    for row in uow.run(_WAITING, since=uow.now - WAITING_WINDOW, most=limit):
        unique.setdefault(row.mac, row.name)
    return list(unique.items())
