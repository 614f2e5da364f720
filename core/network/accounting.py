"""What routers report about sessions: kept in `radacct`, charged to the subscription and to the day by the difference.

A batch of packets is one transaction of a few statements, whichever routers and ISPs it comes from. The database is asked who
reports, what is known of the sessions, and whether those who shall pay exist; what follows from that is sent without waiting
for any of it, and looked at when all of it is done.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import RowMapping, bindparam, select
from sqlalchemy.orm import Session as Visit

from core import subscriptions
from core.many import Outcome, unawaited
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

__all__ = ["CLASS_PREFIX", "account", "account_many", "booking", "open_sessions", "open_sessions_of"]


@system_only
def account(uow: UnitOfWork, event: AccountingEvent) -> None:
    """Take note of one packet."""
    account_many(uow, [event])


@system_only
def account_many(uow: UnitOfWork, events: Sequence[AccountingEvent]) -> None:
    """Take note of packets in the order in which they came. They may come from any router of any ISP: the visit needs no tenant.

    Raises as `booking` does.
    """
    with booking(uow, events):
        pass


@system_only
@contextmanager
def booking(uow: UnitOfWork, events: Sequence[AccountingEvent]) -> Iterator[None]:
    """The same, for who has something else to do meanwhile, without the database: the block runs while PostgreSQL still
    writes, and all is written when it ends.

    Doubled, late and reordered ones change nothing that a later one has said better. Packets from addresses that are no
    router (any more) are passed over. Whoever has used up the data is suspended at once. Raises SQLAlchemy's errors, and
    then nothing of the batch is kept: IntegrityError or OperationalError (40001, 40P01) when another server was faster.
    """
    charges = _Charges()
    updates: list[rows.Update] = []
    with unawaited(uow.connection):
        rows.by_index(uow)
        reporters = rows.reporters(uow, {event.nas_address for event in events})
        for turn in _turns([event for event in events if event.nas_address in reporters]):
            rows.end_all(uow, turn.ends)
            if turn.news:
                news = _take_note(uow, reporters, turn.news)
                strangers = _strangers(uow, reporters, news.growths)
                updates += _write(uow, news)
                _add_up(charges, reporters, news.growths, strangers)
        used_up = _charge(uow, charges)
        yield
    rows.overtaken(updates)
    for number, tenant_id in used_up.fetchall():
        with _as_tenant(uow, tenant_id) as visit:
            subscriptions.exhaust(visit, subscriptions.subscription(visit, number))


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


class _News(NamedTuple):
    """What a turn has told, not written yet: sessions as they are now, packets that began one, and what each packet added."""

    sessions: list[Session]
    starts: list[AccountingEvent]
    growths: list[Growth]


def _take_note(uow: UnitOfWork, reporters: Mapping[str, rows.Reporter], events: Sequence[AccountingEvent]) -> _News:
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
    return _News([*aside, *sessions.values()], starts, growths)


def _write(uow: UnitOfWork, news: _News) -> list[rows.Update]:
    updates = rows.update_sessions(uow, [each for each in news.sessions if each.in_table and each.changed])
    rows.insert_sessions(uow, [each for each in news.sessions if not each.in_table])
    rows.end_older(uow, news.starts)
    return updates


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


@dataclass(slots=True)
class _Charges:
    """What is to be counted, once per subscription and once per day."""

    used: dict[subscriptions.Payer, int] = field(default_factory=lambda: defaultdict(int))
    days: dict[usage.DayKey, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0, 0]))


def _payer(reporters: Mapping[str, rows.Reporter], growth: Growth) -> subscriptions.Payer:
    return subscriptions.Payer(growth.subscription_id, reporters[growth.event.nas_address].tenant_id)


def _strangers(
    uow: UnitOfWork, reporters: Mapping[str, rows.Reporter], growths: Sequence[Growth]
) -> set[tuple[int, int]]:
    """A subscription of another ISP than the router's is nobody's: there the day alone counts."""
    payers = {_payer(reporters, growth) for growth in growths if growth.subscription_id}
    return set(map(tuple, subscriptions.strangers(uow, payers).fetchall()))


def _add_up(
    charges: _Charges,
    reporters: Mapping[str, rows.Reporter],
    growths: Sequence[Growth],
    strangers: Collection[tuple[int, int]],
) -> None:
    for growth in growths:
        event = growth.event
        reporter = reporters[event.nas_address]
        payer = _payer(reporters, growth)
        known = growth.subscription_id != 0 and payer not in strangers
        if known:
            charges.used[payer] += growth.input_bytes + growth.output_bytes
        today = usage.day_of(event.at, reporter.timezone)
        day = charges.days[reporter.tenant_id, today, event.username, payer.subscription_id if known else 0]
        day[0] += growth.input_bytes
        day[1] += growth.output_bytes
        day[2] += growth.seconds
        day[3] += growth.sessions


def _charge(uow: UnitOfWork, charges: _Charges) -> Outcome:
    """Subscriptions first, each in the order of its key: two servers do not wait for each other. Its rows are the subscriptions
    whose data is used up by it, and their tenants."""
    used_up = subscriptions.use_many(uow, charges.used)
    usage.add(uow, charges.days)
    return used_up


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
