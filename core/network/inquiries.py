"""What an operator may ask about logins: who was let in, who was not, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from core import customers, tenants
from core.network.desired import username
from core.radius_tables import radpostauth
from core.roles import Can, requires
from core.uow import UnitOfWork

LINES_MAX = 500
_REPLY = re.compile(r"Access-(Accept|Reject)(?: \((?:redirect )?([a-z_]{1,40})\))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to one login. `verdict`: let in · walled (led to where one can pay) · rejected · unknown (not our words).

    `reason` is that of docs/radius-policy.md; empty for who was let in. `id` is for asking for what was before it.
    """

    id: int
    at: datetime
    user: str
    device: str
    place: str
    verdict: str
    reason: str


@requires(Can.SEE_CUSTOMERS)
def answers_to(uow: UnitOfWork, users: Sequence[str], *, limit: int = 50, before_id: int | None = None) -> list[Answer]:
    """How RADIUS answered these MACs and logins of this ISP, newest first; `before_id` is the last one of the page before."""
    realm = tenants.current(uow).realm
    names = {username(user, realm): user for user in users}
    lines = select(radpostauth).where(radpostauth.c.username.in_(names)).order_by(radpostauth.c.id.desc())
    if before_id is not None:
        lines = lines.where(radpostauth.c.id < before_id)
    return [
        Answer(
            row.id, row.authdate, names[row.username], row.callingstationid or "", row.calledstationid or "",
            *_understood(row.reply or ""),
        )
        for row in uow.session.execute(lines.limit(min(limit, LINES_MAX)))
    ]  # fmt: skip


@requires(Can.SEE_CUSTOMERS)
def users_of(uow: UnitOfWork, customer_id: int) -> list[str]:
    """Under which names RADIUS knows this customer: MACs of devices and logins that are held."""
    return [
        *(device.user for device in customers.devices(uow, customer_id)),
        *(login.user for login in customers.logins(uow, customer_id)),
    ]


def _understood(reply: str) -> tuple[str, str]:
    found = _REPLY.fullmatch(reply)
    if found is None:
        return "unknown", ""
    kind, reason = found[1], found[2] or ""
    return ("rejected" if kind == "Reject" else "walled" if reason else "let in"), reason
