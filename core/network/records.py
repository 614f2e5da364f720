"""Changing what we know of a router, with RADIUS kept in step."""

from __future__ import annotations

import ipaddress
from typing import Any, TypedDict, Unpack

from sqlalchemy import update

from core.network.actions import BadAddress, refuse_taken
from core.network.layout import Layout
from core.network.models import Router
from core.radius_tables import nas, radius_nas
from core.roles import Can, requires
from core.texts import one_line
from core.uow import UnitOfWork

HIDDEN_WHEN_TOLD = frozenset({"password"})


class Change(TypedDict, total=False):
    """What may be changed of a router; what is left out stays. Keys as in `Router`."""

    name: str
    host: str
    api_port: int
    api_tls: bool
    username: str
    password: str
    hotspot_server: str
    nas_address: str
    coa_port: int
    site_id: int | None
    layout: Layout


@requires(Can.MANAGE_ROUTERS)
def change_router(uow: UnitOfWork, what: Router, **change: Unpack[Change]) -> Router:
    """Change some of it. Another host or TLS means another conversation: the certificate is then learnt anew."""
    wanted: dict[str, Any] = {name: value for name, value in change.items() if getattr(what, name) != value}
    if "nas_address" in wanted:
        try:
            wanted["nas_address"] = str(ipaddress.ip_address(wanted["nas_address"]))
        except ValueError as error:
            raise BadAddress(address=str(wanted["nas_address"])[:60]) from error
    if "name" in wanted:
        wanted["name"] = one_line(wanted["name"], 40)
    if not wanted:
        return what
    after = {name: wanted.get(name, getattr(what, name)) for name in ("name", "nas_address", "host", "api_port")}
    refuse_taken(
        uow, name=after["name"], address=after["nas_address"], host=after["host"], api_port=after["api_port"], but=what
    )
    _tell_radius(uow, what, after["nas_address"], after["name"])
    if wanted.keys() & {"host", "api_tls"}:
        what.certificate_sha256 = None
    for name, value in wanted.items():
        setattr(what, name, value)
    what.probe_at = uow.now
    told = {name: str(value) for name, value in wanted.items() if name not in HIDDEN_WHEN_TOLD}
    uow.record("router.changed", what, changed=sorted(wanted), **told)
    return what


def _tell_radius(uow: UnitOfWork, what: Router, address: str, name: str) -> None:
    before = what.nas_address
    uow.session.execute(update(nas).where(nas.c.nasname == before).values(nasname=address, shortname=name[:32]))
    uow.session.execute(update(radius_nas).where(radius_nas.c.router_id == what.id).values(nasname=address))


@requires(Can.MANAGE_ROUTERS)
def pin_certificate(uow: UnitOfWork, what: Router, sha256: str) -> None:
    """From now on the router must show this certificate (hex); empty: it showed none, and any is taken."""
    pinned = sha256 or None
    if what.certificate_sha256 != pinned:
        uow.record("router.certificate_pinned", what, before=what.certificate_sha256 or "", now=sha256)
        what.certificate_sha256 = pinned
