"""What was used: per session, device, subscription and day. Read from the totals that accounting keeps, never summed from
`radacct`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import func, select, tuple_

from core import customers
from core.many import Many
from core.network.models import Router
from core.network.sessions import subscription_id as subscription_of
from core.radius_tables import radacct, usage_day
from core.roles import Can, customers_may, requires
from core.subscriptions import Subscription
from core.uow import UnitOfWork

PAGE = 50
DAYS_MAX = 400
DayKey: TypeAlias = tuple[int, date, str, int]
"""Tenant id, day in the ISP's zone, user name as the router writes it, subscription id (0: nobody's)."""


@dataclass(frozen=True, slots=True)
class Used:
    """What was used on one day, or on several together: bytes from and to the customer, seconds online, sessions begun."""

    day: date
    input_bytes: int
    output_bytes: int
    seconds: int
    sessions: int

    @property
    def total_bytes(self) -> int:
        return self.input_bytes + self.output_bytes


@dataclass(frozen=True, slots=True)
class SessionUsed:
    """One session, for a screen. `stopped_at` None: it goes on. `subscription_id` 0: nobody is charged."""

    id: int
    username: str
    router: str
    address: str
    started_at: datetime
    heard_at: datetime
    stopped_at: datetime | None
    cause: str
    seconds: int
    input_bytes: int
    output_bytes: int
    subscription_id: int


# ---- adding ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


QUARTER_SECONDS = 900
"""Everywhere in the world a day begins at a quarter of an hour."""


def day_of(at: datetime, timezone: str) -> date:
    """The day on which something happened, as the ISP counts days."""
    return _day(int(at.timestamp()) // QUARTER_SECONDS, timezone)


@lru_cache(maxsize=4096)
def _day(quarter: int, timezone: str) -> date:
    return datetime.fromtimestamp(quarter * QUARTER_SECONDS, _zone(timezone)).date()


_COUNTED = ("input_bytes", "output_bytes", "seconds", "sessions")
_TYPES = {
    "tenant_id": "bigint", "day": "date", "username": "text", "subscription_id": "bigint", "input_bytes": "bigint",
    "output_bytes": "bigint", "seconds": "bigint", "sessions": "integer",
}  # fmt: skip
_ADD = Many(
    f"""
INSERT INTO usage_day ({", ".join(_TYPES)}) SELECT {", ".join(f":{name}" for name in _TYPES)} {{rows}} WHERE true
ON CONFLICT (tenant_id, day, username, subscription_id)
DO UPDATE SET {", ".join(f"{name} = usage_day.{name} + excluded.{name}" for name in _COUNTED)}""",
    **_TYPES,
)


def add(uow: UnitOfWork, days: Mapping[DayKey, Sequence[int]]) -> None:
    """Add to the totals of these days, in the order of their keys so that two servers never wait for each other; inside
    `core.many.unawaited`."""
    _ADD.run(uow.connection, [(*key, *more) for key, more in sorted(days.items()) if any(more)])


# ---- looking -----------------------------------------------------------------------------------------------------------


def _days(uow: UnitOfWork, since: date, until: date, *which: Any) -> list[Used]:
    """Totals per day, oldest first; at most `DAYS_MAX` days."""
    totals = [func.sum(usage_day.c[name]) for name in _COUNTED]
    found = uow.connection.execute(
        select(usage_day.c.day, *totals)
        .where(usage_day.c.tenant_id == uow.tenant, usage_day.c.day >= since, usage_day.c.day <= until, *which)
        .group_by(usage_day.c.day)
        .order_by(usage_day.c.day)
        .limit(DAYS_MAX)
    )
    return [
        Used(day, int(received), int(sent), int(seconds), int(count)) for day, received, sent, seconds, count in found
    ]


@requires(Can.SEE_CUSTOMERS)
def usage_of_name(uow: UnitOfWork, name: str, since: date, until: date) -> list[Used]:
    """Days on which this device (its MAC) or login used something."""
    return _days(uow, since, until, usage_day.c.username == name)


@customers_may
def usage_of_subscription(uow: UnitOfWork, subscription: Subscription, since: date, until: date) -> list[Used]:
    """Days on which this subscription was used, by all of its devices together."""
    return _days(uow, since, until, usage_day.c.subscription_id == subscription.id)


@customers_may
def usage_of_devices(uow: UnitOfWork, customer_id: int, since: date, until: date) -> dict[str, list[Used]]:
    """MAC of each device this customer holds → its days, counting only what this customer's subscriptions were charged."""
    owned = select(Subscription.id).where(Subscription.customer_id == customer_id, Subscription.tenant_id == uow.tenant)
    return {
        device.mac: _days(uow, since, until, usage_day.c.username == device.mac, usage_day.c.subscription_id.in_(owned))
        for device in customers.devices(uow, customer_id)
    }


@requires(Can.SEE_CUSTOMERS)
def usage_by_day(uow: UnitOfWork, since: date, until: date) -> list[Used]:
    """What this ISP's customers used together."""
    return _days(uow, since, until)


@requires(Can.SEE_CUSTOMERS)
def sessions_of(
    uow: UnitOfWork, name: str, *, before: SessionUsed | None = None, limit: int = PAGE
) -> list[SessionUsed]:
    """Sessions of one device (its MAC) or login at this ISP's routers, latest first; those that began before `before` for
    the next page."""
    table = radacct.c
    routers = {router.nas_address: router.name for router in uow.session.scalars(select(Router))}
    wanted = [table.username == name, table.nasipaddress.in_(list(routers)), table.acctstarttime.is_not(None)]
    if before is not None:
        wanted.append(tuple_(table.acctstarttime, table.radacctid) < (before.started_at, before.id))
    found = uow.connection.execute(
        select(radacct)
        .where(*wanted)
        .order_by(table.acctstarttime.desc(), table.radacctid.desc())
        .limit(min(limit, PAGE))
    )
    return [_session(row, routers[str(row["nasipaddress"])]) for row in found.mappings()]


def _session(row: Any, router: str) -> SessionUsed:
    return SessionUsed(
        row["radacctid"], row["username"], router, str(row["framedipaddress"] or ""), row["acctstarttime"],
        row["acctupdatetime"] or row["acctstarttime"], row["acctstoptime"], row["acctterminatecause"] or "",
        row["acctsessiontime"] or 0, row["acctinputoctets"] or 0, row["acctoutputoctets"] or 0,
        subscription_of(row["class"] or "") or 0,
    )  # fmt: skip
