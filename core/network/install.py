"""An address from which one box fetches its first scripts, until it has called home.

The token in the address is kept as SHA-256 only. The first script says nothing that is secret; it asks the box what it is. The
second one, with our passwords in it, goes to the first box that asked: who comes later with another serial number gets nothing.
After the box has called home the address works for a little longer, for the line may be pasted twice.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from core.errors import Refusal
from core.network.actions import router
from core.network.models import Router, RouterInstall
from core.network.tunnels import L2TP, WIREGUARD, tunnel_as
from core.roles import Can, requires, system_only
from core.tasks import Probe
from core.texts import one_line
from core.uow import UnitOfWork

TOKEN_BYTES = 20
HOURS, HOURS_MAX = 24, 7 * 24
AGAIN = timedelta(minutes=30)
"""So long after the box has called home its scripts are still given to it."""


class BadLifetime(Refusal):
    """A link for a new router works between an hour and a week."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whose router an address is for."""

    tenant_id: int
    router_id: int


@dataclass(frozen=True, slots=True)
class Box:
    """What a box says of itself, as it is shown: bounded, and without control characters. `serial` is what tells it from others."""

    version: str
    board: str
    serial: str

    @classmethod
    def said(cls, version: str, board: str, serial: str) -> Box:
        return cls(one_line(version, 40), one_line(board, 60), one_line(serial, 40))


@requires(Can.MANAGE_ROUTERS)
def invite(uow: UnitOfWork, what: Router, *, hours: int = HOURS) -> tuple[str, datetime]:
    """A new token for this router's scripts, shown once, and until when it works. One that was given out before is void."""
    if not 1 <= hours <= HOURS_MAX:
        raise BadLifetime(hours=hours)
    token = secrets.token_hex(TOKEN_BYTES)
    expires_at = uow.now + timedelta(hours=hours)
    uow.session.execute(delete(RouterInstall).where(RouterInstall.router_id == what.id))
    uow.add(RouterInstall(router_id=what.id, token_hash=_digest(token), made_at=uow.now, expires_at=expires_at))
    uow.record("router.invited", what, hours=hours)
    return token, expires_at


@system_only
def invitation(uow: UnitOfWork, token: str) -> Invitation | None:
    """Whose token this is, while it works. For visits of no tenant; what is wrong with a token takes no time to tell."""
    row = _valid(uow, token)
    return None if row is None else Invitation(row.tenant_id, row.router_id)


@system_only
def claim(uow: UnitOfWork, token: str, box: Box) -> Router | None:
    """The router this box shall become. None when another box has asked before, or the token works no more."""
    row = _valid(uow, token, lock=True)
    if row is None or not box.serial or row.claimed_by not in (None, box.serial):
        return None
    what = router(uow, row.router_id)
    tunnel_as(uow, what, L2TP if box.version.startswith("6.") else WIREGUARD)
    if row.claimed_by is None:
        uow.record("router.claimed", what, serial=box.serial, board=box.board, version=box.version)
    row.claimed_by, row.fetched_at = box.serial, uow.now
    what.version, what.board, what.serial = box.version, box.board, box.serial
    return what


@system_only
def came_home(uow: UnitOfWork, token: str, box: Box) -> bool:
    """The box has run its script to the end: look at it now. False when this token never was that box's."""
    row = _valid(uow, token, lock=True)
    if row is None or row.claimed_by is None or row.claimed_by != box.serial:
        return False
    what = router(uow, row.router_id)
    if row.home_at is None:
        row.home_at = uow.now
        uow.record("router.came_home", what, serial=box.serial)
    what.version, what.board = box.version, box.board
    uow.later(Probe(what.id))
    return True


def _valid(uow: UnitOfWork, token: str, *, lock: bool = False) -> RouterInstall | None:
    asked = select(RouterInstall).where(RouterInstall.token_hash == _digest(token))
    row = uow.session.scalar(asked.with_for_update() if lock else asked)
    if row is None or row.expires_at <= uow.now or (row.home_at is not None and row.home_at + AGAIN <= uow.now):
        return None
    return row


def _digest(token: str) -> str:
    return hashlib.sha256(token[:200].encode(errors="replace")).hexdigest()
