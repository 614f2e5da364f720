"""Sessions that run while their terms change: which there are, what they ought to be, and what became of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from core.network.actions import address_of
from core.network.desired import NOBODYS
from core.network.entitlements import entitlement, entitlements
from core.network.health import router_up
from core.network.models import Router
from core.network.running import ANEW, NOTHING_NEW, Terms, news, terms_of
from core.network.sessions import subscription_id
from core.ports import Access, RouterAddress, SessionRef
from core.radius_tables import radacct
from core.roles import system_only
from core.uow import UnitOfWork

HOTSPOT, PPP, DHCP = "hotspot", "ppp", "dhcp"
SERVICES_OF = {"mac": HOTSPOT, "code": HOTSPOT, "ppp": PPP}
CAN_BE_WALLED = (PPP, DHCP)

_MAC = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){5}", re.ASCII)
_CLIENT_ID = re.compile(r"1(?::[0-9A-Fa-f]{1,2}){6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Open:
    """A session that accounting knows and has not seen the end of. `subscription_id` is the one its Class names."""

    ref: SessionRef
    router_id: int
    is_lease: bool
    subscription_id: int | None
    reported_bytes: int


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """Bring the sessions of one name at one router to their terms; None: it must not be online there.

    `user` is the name as the router knows it. `may_be_walled`: those of nobody's subscription may stay without terms.
    """

    router: RouterAddress
    user: str
    services: tuple[str, ...]
    terms: Terms | None
    sessions: tuple[Open, ...]
    news: str = NOTHING_NEW
    may_be_walled: bool = False

    def known(self, address: str, session_id: str) -> Open | None:
        """The session of accounting that a router's row is about: by its id, or by its address where none is shown."""
        if session_id:
            return next((one for one in self.sessions if one.ref.session_id.lower() == session_id), None)
        return next((one for one in self.sessions if one.ref.framed_ip == address), None)

    def must_begin_anew(self, session: Open | None) -> bool:
        """Whether only a new login brings it to its terms: another subscription pays, or what no order changes is new."""
        assert self.terms is not None
        paid_by = None if session is None else session.subscription_id or NOBODYS
        return self.news == ANEW or paid_by not in (None, self.terms.subscription_id)

    def may_stay(self, session: Open | None) -> bool:
        """Without terms: whether this one is in the walled network already."""
        return self.may_be_walled and session is not None and session.subscription_id == NOBODYS


def bare(name: str) -> str:
    """A name as routers know it: without the realm under which our tables keep it."""
    return name.partition("@")[0]


_OPEN = select(
    radacct.c.username, radacct.c.nasipaddress, radacct.c.acctsessionid, radacct.c.framedipaddress,
    radacct.c.callingstationid, radacct.c["class"], radacct.c.acctinputoctets, radacct.c.acctoutputoctets,
).where(radacct.c.username.in_(bindparam("names", expanding=True)), radacct.c.acctstoptime.is_(None))  # fmt: skip


def open_now(uow: UnitOfWork, names: Sequence[str]) -> list[Open]:
    """Sessions under these names (with or without realm) at this ISP's routers that have not ended."""
    if not names:
        return []
    wanted = sorted({*names, *(bare(name) for name in names)})
    rows: Sequence[Any] = uow.connection.execute(_OPEN, {"names": wanted}).all()
    routers = {row.nas_address: row.id for row in uow.session.scalars(select(Router))} if rows else {}
    return [
        Open(
            SessionRef(bare(row.username), row.acctsessionid, str(row.framedipaddress or "")),
            routers[str(row.nasipaddress)],
            _CLIENT_ID.fullmatch(row.callingstationid or "") is not None,
            subscription_id(row[5] or ""),
            (row.acctinputoctets or 0) + (row.acctoutputoctets or 0),
        )
        for row in rows
        if str(row.nasipaddress) in routers
    ]


def news_of(uow: UnitOfWork, accesses: Sequence[Access], names: set[str]) -> dict[str, str]:
    """For those of these names whose sessions run: what the rows that are about to be written mean for them."""
    running = [access for access in accesses if bare(access.username) in names]
    stored = entitlements(uow, {access.username: uow.tenant for access in running}) if running else {}
    found = {access.username: news(stored.get(access.username), access) for access in running}
    return {name: word for name, word in found.items() if word != NOTHING_NEW}


@system_only
def session_plan(uow: UnitOfWork, username: str, router_id: int, lease: bool, word: str) -> SessionPlan | None:
    """What is to be done about the sessions of this name at this router; None when the router is gone."""
    router = uow.by_id(Router, router_id)
    if router is None:
        return None
    rows = entitlement(uow, username)
    services = _services(username, rows.user.service if rows is not None and rows.user is not None else "", lease=lease)
    here = [one for one in open_now(uow, [username]) if one.router_id == router_id and one.is_lease == lease]
    walled = rows is not None and rows.user is not None and rows.user.redirects and services[0] in CAN_BE_WALLED
    return SessionPlan(
        address_of(uow, router), bare(username), services, terms_of(rows, uow.now), tuple(here), word, walled
    )


def _services(username: str, kind: str, *, lease: bool) -> tuple[str, ...]:
    """Where to look for sessions of a name; when no rows say it, a login may have been either."""
    if lease:
        return (DHCP,)
    if _MAC.fullmatch(bare(username)):
        return (HOTSPOT,)
    return (SERVICES_OF[kind],) if kind in SERVICES_OF else (PPP, HOTSPOT)


@system_only
def settled(uow: UnitOfWork, username: str, router_id: int, how: dict[str, str]) -> None:
    """The sessions are what they ought to be: the router said so when read back. `how`: session id → what it took."""
    router_up(uow, router_id)
    for session_id, what in how.items():
        uow.record("session.settled", name=username, router=router_id, session=session_id, how=what)
