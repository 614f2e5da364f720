"""What routers report about sessions: kept in `radacct`, charged to the subscription and to the day by the difference.

A batch of packets is one transaction of a few statements, whichever routers and ISPs it comes from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import RowMapping, bindparam, select
from sqlalchemy.orm import Session as Visit

from core import subscriptions
from core.network import accounting_rows as rows
from core.network import usage
from core.network.desired import username
from core.network.models import Router
from core.network.sessions import (
    CLASS_PREFIX,
    AccountingEvent,
    Growth,
    Session,
    begin,
    is_another_session,
    progress,
    set_aside,
    subscription_id,
)
from core.radius_tables import radacct
from core.roles import system_only
from core.uow import UnitOfWork, bind_tenant

__all__ = ["CLASS_PREFIX", "account", "account_many", "open_sessions", "open_sessions_of"]


@system_only
def account(uow: UnitOfWork, event: AccountingEvent) -> None:
    """Take note of one packet."""
    account_many(uow, [event])


@system_only
def account_many(uow: UnitOfWork, events: Sequence[AccountingEvent]) -> None:
    """Take note of packets in the order in which they came. They may come from any router of any ISP: the visit needs no tenant.

    Doubled, late and reordered ones change nothing that a later one has said better. Packets from addresses that are no
    router (any more) are passed over. Whoever has used up the data is suspended at once. Raises SQLAlchemy's errors, and
    then nothing of the batch is kept: IntegrityError or OperationalError (40001, 40P01) when another server was faster.
    """
    rows.by_index(uow)
    reporters = rows.reporters(uow, {event.nas_address for event in events})
    growths: list[Growth] = []
    for turn in _turns([event for event in events if event.nas_address in reporters]):
        for event in turn.ends:
            rows.end_all(uow, event.nas_address, event.at)
        if turn.news:
            growths += _take_note(uow, reporters, turn.news)
    if growths:
        _charge(uow, reporters, growths)


@dataclass(slots=True)
class _Turn:
    """First these routers' boots, then this news: what stands behind a boot of the same router comes after it."""

    ends: list[AccountingEvent] = field(default_factory=list)
    news: list[AccountingEvent] = field(default_factory=list)


def _turns(events: Sequence[AccountingEvent]) -> list[_Turn]:
    turns = [_Turn()]
    number: dict[str, int] = defaultdict(int)
    for event in events:
        if event.ends_everything:
            number[event.nas_address] += 1
            if number[event.nas_address] == len(turns):
                turns.append(_Turn())
            turns[number[event.nas_address]].ends.append(event)
        else:
            turns[number[event.nas_address]].news.append(event)
    return turns


def _take_note(
    uow: UnitOfWork, reporters: Mapping[str, rows.Reporter], events: Sequence[AccountingEvent]
) -> list[Growth]:
    """Packets of one session are put together before anything is written."""
    named = [(event, event.unique_id) for event in events]
    sessions = rows.known_sessions(uow, dict.fromkeys(name for _, name in named))
    owners = rows.owners(uow, _names_to_ask(reporters, named, sessions))
    aside: list[Session] = []
    starts: list[AccountingEvent] = []
    growths: list[Growth] = []
    for event, name in named:
        known = sessions.get(name)
        klass = event.klass
        if subscription_id(klass) is None:
            owner = owners.get(_key(reporters, event))
            klass = klass if owner is None else f"{CLASS_PREFIX}{owner}"
        if known is not None and is_another_session(known, event):
            set_aside(known)
            aside.append(known)
            known = None
        if known is not None:
            grown = progress(known, event, klass)
            if any(grown):
                growths.append(Growth(event, subscription_id(known.klass) or 0, *grown))
            continue
        sessions[name] = begun = begin(event, klass)
        if event.kind == "start":
            starts.append(event)
        growths.append(
            Growth(event, subscription_id(klass) or 0, begun.input_bytes, begun.output_bytes, begun.seconds, sessions=1)
        )
    _write(uow, [*aside, *sessions.values()], starts)
    return growths


def _write(uow: UnitOfWork, sessions: Sequence[Session], starts: Sequence[AccountingEvent]) -> None:
    rows.update_sessions(uow, [session for session in sessions if session.in_table and session.changed])
    rows.insert_sessions(uow, [session for session in sessions if not session.in_table])
    rows.end_older(uow, starts)


def _key(reporters: Mapping[str, rows.Reporter], event: AccountingEvent) -> str:
    return username(event.username, reporters[event.nas_address].realm)


def _names_to_ask(
    reporters: Mapping[str, rows.Reporter],
    named: Sequence[tuple[AccountingEvent, str]],
    sessions: Mapping[str, Session],
) -> set[str]:
    """Who reports without our Class, in a session of which we do not know it either."""
    return {
        _key(reporters, event)
        for event, name in named
        if subscription_id(event.klass) is None
        and (name not in sessions or not sessions[name].klass or event.kind == "start")
    }


# ---- who pays ----------------------------------------------------------------------------------------------------------


def _charge(uow: UnitOfWork, reporters: Mapping[str, rows.Reporter], growths: Sequence[Growth]) -> None:
    """Once per subscription and day, subscriptions first, each in the order of its key: two servers do not wait for each other.

    A subscription of another ISP than the router's is nobody's: there the day alone counts.
    """
    used: dict[subscriptions.Payer, int] = defaultdict(int)
    for growth in growths:
        if growth.subscription_id:
            payer = subscriptions.Payer(growth.subscription_id, reporters[growth.event.nas_address].tenant_id)
            used[payer] += growth.input_bytes + growth.output_bytes
    meters = subscriptions.use_many(uow, used)
    days: dict[usage.DayKey, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for growth in growths:
        event = growth.event
        reporter = reporters[event.nas_address]
        charged = growth.subscription_id if (growth.subscription_id, reporter.tenant_id) in meters else 0
        day = days[reporter.tenant_id, usage.day_of(event.at, reporter.timezone), event.username, charged]
        day[0] += growth.input_bytes
        day[1] += growth.output_bytes
        day[2] += growth.seconds
        day[3] += growth.sessions
    usage.add(uow, days)
    for payer, meter in meters.items():
        if meter.runs_out_with(used[payer]):
            with _as_tenant(uow, payer.tenant_id) as visit:
                subscriptions.exhaust(visit, subscriptions.subscription(visit, payer.subscription_id))


@contextmanager
def _as_tenant(uow: UnitOfWork, tenant_id: int) -> Iterator[UnitOfWork]:
    """The same transaction, seen as a visit of one ISP."""
    with Visit(bind=uow.connection, expire_on_commit=False) as session:
        bind_tenant(session, tenant_id)
        visit = UnitOfWork(session, tenant_id, uow.actor, uow.now)
        yield visit
        session.flush()
        visit.write_lines()
    uow.promised_now = uow.promised_now or visit.promised_now


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
