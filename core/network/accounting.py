"""What routers report about sessions: written to the stock `radacct` row, charged to the subscription by the difference."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, insert, select, update

from core import subscriptions
from core.network.models import Router
from core.radius_tables import radacct
from core.roles import system_only
from core.uow import UnitOfWork

CLASS_PREFIX = "duka:"
SILENT_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class Traffic:
    """Totals since the session began, in bytes, Gigawords already added."""

    input_bytes: int = 0
    output_bytes: int = 0
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class AccountingEvent:
    """One accounting packet, understood. `kind`: start · interim · stop · on · off. `at` is now minus Acct-Delay-Time."""

    kind: str
    router_id: int
    nas_address: str
    at: datetime
    session_id: str = ""
    username: str = ""
    mac: str = ""
    framed_ip: str | None = None
    called_station: str = ""
    nas_port_id: str = ""
    nas_port_type: str = ""
    traffic: Traffic = Traffic()
    cause: str = ""
    klass: str = ""

    @property
    def unique_id(self) -> str:
        """Names the session in `radacct`. Without the router's name: renaming it must not open a second row (radius.md §4.5)."""
        name = f"{self.username}|{self.session_id}|{self.nas_address}"
        return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


@system_only
def account(uow: UnitOfWork, event: AccountingEvent) -> None:
    """Take note of a packet. Doubled, late and reordered ones change nothing that a later one has said better."""
    if event.kind in ("on", "off"):
        _close_all(uow, event.nas_address, "NAS-Reboot", event.at)
        return
    row = _row(uow, event.unique_id)
    if row is None:
        _open(uow, event)
        _charge(uow, event, event.traffic.input_bytes + event.traffic.output_bytes)
        return
    before = (row["acctinputoctets"] or 0) + (row["acctoutputoctets"] or 0)
    values = _progress(row, event)
    if values:
        uow.session.execute(update(radacct).where(radacct.c.radacctid == row["radacctid"]).values(**values))
    after = values.get("acctinputoctets", row["acctinputoctets"] or 0) + values.get(
        "acctoutputoctets", row["acctoutputoctets"] or 0
    )
    _charge(uow, event, after - before, klass=row["class"])


def _row(uow: UnitOfWork, unique_id: str) -> RowMapping | None:
    find = select(radacct).where(radacct.c.acctuniqueid == unique_id).with_for_update()
    return uow.session.execute(find).mappings().first()


def _open(uow: UnitOfWork, event: AccountingEvent) -> None:
    """The first news of a session; an interim or stop without a start tells by its seconds when it began."""
    stopped = event.kind == "stop"
    uow.session.execute(
        insert(radacct).values(
            acctsessionid=event.session_id, acctuniqueid=event.unique_id, username=event.username,
            nasipaddress=event.nas_address, nasportid=event.nas_port_id[:64], nasporttype=event.nas_port_type[:32],
            acctstarttime=event.at - timedelta(seconds=event.traffic.seconds), acctupdatetime=event.at,
            acctstoptime=event.at if stopped else None, acctsessiontime=event.traffic.seconds,
            acctinputoctets=event.traffic.input_bytes, acctoutputoctets=event.traffic.output_bytes,
            calledstationid=event.called_station[:64], callingstationid=event.mac,
            acctterminatecause=event.cause if stopped else "", framedipaddress=event.framed_ip, **{"class": event.klass},
        )
    )  # fmt: skip


def _progress(row: RowMapping, event: AccountingEvent) -> dict[str, Any]:
    """What this packet adds to what is known: totals only grow, a stop stays a stop, its time is the first one told."""
    values: dict[str, Any] = {}
    for column, value in (
        ("acctinputoctets", event.traffic.input_bytes),
        ("acctoutputoctets", event.traffic.output_bytes),
        ("acctsessiontime", event.traffic.seconds),
    ):
        if value > (row[column] or 0):
            values[column] = value
    if row["acctupdatetime"] is None or event.at > row["acctupdatetime"]:
        values["acctupdatetime"] = event.at
    if event.framed_ip and not row["framedipaddress"]:
        values["framedipaddress"] = event.framed_ip
    if event.klass and not row["class"]:
        values["class"] = event.klass
    if event.kind == "stop" and (row["acctstoptime"] is None or row["acctterminatecause"] == "Stale"):
        values |= {"acctstoptime": event.at, "acctterminatecause": event.cause}
    if event.kind == "interim" and row["acctterminatecause"] == "Stale":
        values |= {"acctstoptime": None, "acctterminatecause": ""}  # it was only silent, not gone
    return values


def _charge(uow: UnitOfWork, event: AccountingEvent, used_bytes: int, klass: str | None = None) -> None:
    subscription_id = _subscription_id(klass or event.klass)
    if used_bytes <= 0 or subscription_id is None:
        return
    subscriptions.use(uow, subscription_id, used_bytes)
    row = uow.session.get(subscriptions.Subscription, subscription_id, populate_existing=True)
    if row is not None:
        subscriptions.exhaust(uow, row)


def _subscription_id(klass: str) -> int | None:
    """`duka:17` → 17. Anything else a router echoes is not ours."""
    number = klass.removeprefix(CLASS_PREFIX)
    return (
        int(number)
        if klass.startswith(CLASS_PREFIX) and number.isascii() and number.isdigit() and len(number) < 18
        else None
    )


def _close_all(uow: UnitOfWork, nas_address: str, cause: str, at: datetime) -> None:
    uow.session.execute(
        update(radacct)
        .where(radacct.c.nasipaddress == nas_address, radacct.c.acctstoptime.is_(None), radacct.c.acctstarttime <= at)
        .values(acctstoptime=at, acctterminatecause=cause)
    )


@system_only
def open_sessions(uow: UnitOfWork, usernames: Sequence[str]) -> list[tuple[Router, RowMapping]]:
    """Sessions under these names that have not ended, at this ISP's routers."""
    return open_sessions_of(uow, usernames)


def open_sessions_of(uow: UnitOfWork, usernames: Sequence[str]) -> list[tuple[Router, RowMapping]]:
    """The same, for verbs of this capability that customers may call."""
    rows = uow.session.execute(
        select(radacct).where(radacct.c.username.in_(usernames), radacct.c.acctstoptime.is_(None))
    ).mappings().all()  # fmt: skip
    by_address = {r.nas_address: r for r in uow.session.scalars(select(Router))} if rows else {}
    return [(by_address[str(row["nasipaddress"])], row) for row in rows if str(row["nasipaddress"]) in by_address]


@system_only
def close_silent(uow: UnitOfWork, interval_seconds: int) -> int:
    """Close sessions that have been silent for three intervals: a lost Stop must not look like somebody online for ever."""
    silent_since = uow.now - timedelta(seconds=SILENT_INTERVALS * interval_seconds)
    closed = uow.session.execute(
        update(radacct)
        .where(radacct.c.acctstoptime.is_(None), radacct.c.acctupdatetime < silent_since)
        .values(acctstoptime=radacct.c.acctupdatetime, acctterminatecause="Stale")
    )
    return int(closed.rowcount)  # type: ignore[attr-defined]
