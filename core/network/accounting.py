"""What routers report about sessions: written to the stock `radacct` row, charged to the subscription by the difference."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from core import subscriptions, tenants
from core.network.desired import username
from core.network.models import Router
from core.radius_tables import radacct, radius_user
from core.roles import system_only
from core.uow import UnitOfWork

CLASS_PREFIX = "duka:"
SILENT_INTERVALS = 3
STALE, REBOOT = "Stale", "NAS-Reboot"
INFERRED_ENDS = (STALE, REBOOT)
"""Ends that nobody told us of this session itself."""
RESTART_TOLERANCE = timedelta(seconds=60)
"""How far a repeated Start may seem to be later than it was."""


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
        _close_all(uow, event.nas_address, event.at)
        return
    row = _row(uow, event.unique_id)
    if row is not None and _is_another_session(row, event):
        _set_aside(uow, row)
        row = None
    if row is None:
        klass = _class(uow, event)
        if _open(uow, event, klass):
            if event.kind == "start":
                _close_older(uow, event)
            _charge(uow, klass, event.traffic.input_bytes + event.traffic.output_bytes)
            return
        row = _row(uow, event.unique_id)  # another server was faster and has committed
        assert row is not None
    values = _progress(uow, row, event)
    if values:
        uow.session.execute(update(radacct).where(radacct.c.radacctid == row["radacctid"]).values(**values))
    after = {**row, **values}
    _charge(uow, str(after["class"] or ""), _total(after) - _total(row))


def _row(uow: UnitOfWork, unique_id: str) -> RowMapping | None:
    find = select(radacct).where(radacct.c.acctuniqueid == unique_id).with_for_update()
    return uow.session.execute(find).mappings().first()


def _total(row: Mapping[str, Any] | RowMapping) -> int:
    return int(row["acctinputoctets"] or 0) + int(row["acctoutputoctets"] or 0)


def _is_another_session(row: RowMapping, event: AccountingEvent) -> bool:
    """A Start after the last that was heard of this session: the router uses the session's number again (radius.md §2).

    A doubled or late Start tells of the time when the known session began.
    """
    heard: datetime = row["acctstoptime"] or row["acctupdatetime"]
    return event.kind == "start" and event.at > heard + RESTART_TOLERANCE


def _set_aside(uow: UnitOfWork, row: RowMapping) -> None:
    """The number belongs to a new session now; the old one keeps its totals under another name, and has ended."""
    name = hashlib.md5(f"{row['acctuniqueid']}|{row['radacctid']}".encode(), usedforsecurity=False).hexdigest()
    values: dict[str, Any] = {"acctuniqueid": name}
    if row["acctstoptime"] is None:
        values |= {"acctstoptime": row["acctupdatetime"], "acctterminatecause": STALE}
    uow.session.execute(update(radacct).where(radacct.c.radacctid == row["radacctid"]).values(**values))


def _open(uow: UnitOfWork, event: AccountingEvent, klass: str) -> bool:
    """The first news of a session; an interim or stop without a start tells by its seconds when it began.

    False when somebody else wrote it in this very moment.
    """
    stopped = event.kind == "stop"
    dialect = uow.session.get_bind().dialect.name
    opened = uow.session.execute(
        (postgres_insert if dialect == "postgresql" else sqlite_insert)(radacct)
        .values(
            acctsessionid=event.session_id, acctuniqueid=event.unique_id, username=event.username,
            nasipaddress=event.nas_address, nasportid=event.nas_port_id[:64], nasporttype=event.nas_port_type[:32],
            acctstarttime=event.at - timedelta(seconds=event.traffic.seconds), acctupdatetime=event.at,
            acctstoptime=event.at if stopped else None, acctsessiontime=event.traffic.seconds,
            acctinputoctets=event.traffic.input_bytes, acctoutputoctets=event.traffic.output_bytes,
            calledstationid=event.called_station[:64], callingstationid=event.mac,
            acctterminatecause=event.cause if stopped else "", framedipaddress=event.framed_ip, **{"class": klass},
        )
        .on_conflict_do_nothing(index_elements=["acctuniqueid"])
        .returning(radacct.c.radacctid)
    )  # fmt: skip
    return opened.first() is not None


def _progress(uow: UnitOfWork, row: RowMapping, event: AccountingEvent) -> dict[str, Any]:
    """What this packet adds to what is known: totals only grow, what the router called ended stays ended.

    An end that was only inferred (from silence, from a reboot) gives way to what the router says later.
    """
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
    if not row["class"] and (klass := _class(uow, event)):
        values["class"] = klass
    inferred = row["acctterminatecause"] in INFERRED_ENDS
    if event.kind == "stop" and (row["acctstoptime"] is None or inferred):
        values |= {"acctstoptime": event.at, "acctterminatecause": event.cause}
    if event.kind == "interim" and inferred and event.at > row["acctstoptime"]:
        values |= {"acctstoptime": None, "acctterminatecause": ""}  # it was only silent, not gone
    return values


def _class(uow: UnitOfWork, event: AccountingEvent) -> str:
    """Which subscription this session lives on: what the router echoes, else the one the user's rows name now."""
    if _subscription_id(event.klass) is not None:
        return event.klass
    name = username(event.username, tenants.current(uow).realm)
    found = uow.session.scalar(select(radius_user.c.subscription_id).where(radius_user.c.username == name))
    return event.klass if found is None else f"{CLASS_PREFIX}{found}"


def _charge(uow: UnitOfWork, klass: str, used_bytes: int) -> None:
    subscription_id = _subscription_id(klass)
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


def _close_all(uow: UnitOfWork, nas_address: str, at: datetime) -> None:
    """The router came up or goes down: whatever ran on it before that moment is over."""
    uow.session.execute(
        update(radacct)
        .where(radacct.c.nasipaddress == nas_address, radacct.c.acctstoptime.is_(None), radacct.c.acctstarttime < at)
        .values(acctstoptime=at, acctterminatecause=REBOOT)
    )


def _close_older(uow: UnitOfWork, event: AccountingEvent) -> None:
    """A device that begins anew at this router has ended what it had there: its Stop was lost (radius.md §4.4)."""
    if not event.mac:
        return
    uow.session.execute(
        update(radacct)
        .where(
            radacct.c.username == event.username, radacct.c.callingstationid == event.mac,
            radacct.c.nasipaddress == event.nas_address, radacct.c.acctuniqueid != event.unique_id,
            radacct.c.acctstoptime.is_(None), radacct.c.acctstarttime < event.at,
        )
        .values(acctstoptime=radacct.c.acctupdatetime, acctterminatecause=STALE)
    )  # fmt: skip


_OPEN = select(
    radacct.c.username, radacct.c.nasipaddress, radacct.c.acctsessionid, radacct.c.framedipaddress, radacct.c["class"]
).where(radacct.c.username.in_(bindparam("names", expanding=True)), radacct.c.acctstoptime.is_(None))


@system_only
def open_sessions(uow: UnitOfWork, usernames: Sequence[str]) -> list[tuple[Router, RowMapping]]:
    """Sessions under these names that have not ended, at this ISP's routers."""
    return open_sessions_of(uow, usernames)


def open_sessions_of(uow: UnitOfWork, usernames: Sequence[str]) -> list[tuple[Router, RowMapping]]:
    """The same, for verbs of this capability that customers may call."""
    rows = uow.connection.execute(_OPEN, {"names": usernames}).mappings().all()
    by_address = {r.nas_address: r for r in uow.session.scalars(select(Router))} if rows else {}
    return [(by_address[str(row["nasipaddress"])], row) for row in rows if str(row["nasipaddress"]) in by_address]


@system_only
def close_silent(uow: UnitOfWork, interval_seconds: int) -> int:
    """Close sessions that have been silent for three intervals: a lost Stop must not look like somebody online for ever."""
    silent_since = uow.now - timedelta(seconds=SILENT_INTERVALS * interval_seconds)
    closed = uow.session.execute(
        update(radacct)
        .where(radacct.c.acctstoptime.is_(None), radacct.c.acctupdatetime < silent_since)
        .values(acctstoptime=radacct.c.acctupdatetime, acctterminatecause=STALE)
    )
    return int(closed.rowcount)  # type: ignore[attr-defined]
