"""Sessions in `radacct`, read and written for a whole batch at a time: a handful of statements, however many packets.

On PostgreSQL a batch travels as one JSON parameter per statement; on SQLite, which has one writer, as an executemany.
Open sessions are found by their id alone; ended ones only among the lately ended, so that no month is opened in vain
(decision 0013).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Integer,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    cast,
    column,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import INET, TIMESTAMP

from core.db import Instant
from core.network.sessions import REBOOT, STALE, AccountingEvent, Session
from core.radius_tables import radacct, radius_nas, radius_user
from core.uow import UnitOfWork

LATE = timedelta(days=35)
"""How long after its end a session is still recognised by a packet that was on its way; a delay is believed up to 30 days."""
LOCK_CLASS, LOCK_BUCKETS = 1_685_419_873, 1024
"""PostgreSQL's advisory locks, one for each thousandth of all sessions: no unique constraint sees that one server begins
what another has just ended in another partition, and a row that moves to another partition under a reader's hands is an error.
`duka_account` takes the same."""

_at = radacct.c
_NEW = bindparam("rows", type_=JSON)


def _columns(dialect: str) -> tuple[Any, ...]:
    """What is known of a session; the address as text, which costs less than an address."""
    address = func.host(_at.framedipaddress) if dialect == "postgresql" else _at.framedipaddress
    return (
        _at.acctuniqueid, _at.acctstarttime, _at.acctupdatetime, _at.acctstoptime, _at.acctsessiontime,
        _at.acctinputoctets, _at.acctoutputoctets, _at.acctterminatecause, _at["class"], address,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reporter:
    """The router behind an address: whose it is and in which zone its ISP's days end."""

    tenant_id: int
    realm: str
    timezone: str


def dialect_of(uow: UnitOfWork) -> str:
    return uow.connection.dialect.name


def listed(dialect: str, name: str) -> Select[Any]:
    """The elements of a JSON list that is sent as one parameter, as text."""
    unfold = func.json_array_elements_text if dialect == "postgresql" else func.json_each
    values = unfold(bindparam(name, type_=JSON)).table_valued("value")
    return select(literal_column("value")).select_from(values)


def _records(**types: Any) -> Any:
    """PostgreSQL: the objects of the JSON list `rows` as a table."""
    columns = [column(name, kind) for name, kind in types.items()]
    return func.json_to_recordset(_NEW).table_valued(*columns, name="v").render_derived(name="v", with_types=True)


def by_index(uow: UnitOfWork) -> None:
    """PostgreSQL takes a JSON list for a hundred rows and would rather read a whole table of a small ISP: for this
    transaction it is told not to."""
    if dialect_of(uow) == "postgresql":
        uow.connection.exec_driver_sql(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;"
            " SET LOCAL jit = off"
        )


@cache
def _find_reporters(dialect: str) -> Select[Any]:
    return select(radius_nas.c.nasname, radius_nas.c.tenant_id, radius_nas.c.realm, radius_nas.c.timezone).where(
        radius_nas.c.nasname.in_(listed(dialect, "addresses"))
    )


def reporters(uow: UnitOfWork, addresses: Collection[str]) -> dict[str, Reporter]:
    """Address → router, for those that are registered."""
    found = uow.connection.execute(_find_reporters(dialect_of(uow)), {"addresses": list(addresses)})
    return {name: Reporter(tenant_id, realm, timezone) for name, tenant_id, realm, timezone in found}


@cache
def _find_owners(dialect: str) -> Select[Any]:
    return select(radius_user.c.username, radius_user.c.subscription_id).where(
        radius_user.c.username.in_(listed(dialect, "names"))
    )


def owners(uow: UnitOfWork, names: Collection[str]) -> dict[str, int]:
    """User name as the tables key it → the subscription it uses now."""
    if not names:
        return {}
    found = uow.connection.execute(_find_owners(dialect_of(uow)), {"names": list(names)})
    return {row.username: row.subscription_id for row in found}


@cache
def _find_open(dialect: str) -> Select[Any]:
    named = _at.acctuniqueid.in_(listed(dialect, "ids"))
    return (
        select(*_columns(dialect)).where(named, _at.acctstoptime.is_(None)).order_by(_at.acctuniqueid).with_for_update()
    )


@cache
def _find_any(dialect: str) -> Select[Any]:
    lately = or_(_at.acctstoptime.is_(None), _at.acctstoptime >= bindparam("since", type_=Instant()))
    named = _at.acctuniqueid.in_(listed(dialect, "ids"))
    return (
        select(*_columns(dialect)).where(named, lately).order_by(_at.acctuniqueid, _at.acctstoptime).with_for_update()
    )


def known_sessions(uow: UnitOfWork, ids: Collection[str]) -> dict[str, Session]:
    """What is known of these sessions, locked. Who is not there is locked too: nobody else can begin it meanwhile."""
    dialect = dialect_of(uow)
    known: dict[str, Session] = {}
    missing = list(ids)
    if dialect == "postgresql":
        _lock(uow, missing)
        known = _sessions(uow, uow.connection.execute(_find_open(dialect), {"ids": missing}))
        missing = [name for name in ids if name not in known]
    if missing:
        known |= _sessions(uow, uow.connection.execute(_find_any(dialect), {"ids": missing, "since": uow.now - LATE}))
    return known


_WANTED = func.json_array_elements_text(bindparam("buckets", type_=JSON)).table_valued("value")
_LOCK = select(func.count(func.pg_advisory_xact_lock(LOCK_CLASS, cast(_WANTED.c.value, Integer))))


def _lock(uow: UnitOfWork, ids: Iterable[str]) -> None:
    """In one order for everybody, so that two servers wait for each other and never both."""
    buckets = sorted({int(name[:7], 16) % LOCK_BUCKETS for name in ids})
    uow.connection.execute(_LOCK, {"buckets": buckets})


def _sessions(uow: UnitOfWork, rows: Iterable[Any]) -> dict[str, Session]:
    """By id; an open one goes before an ended one, a later end before an earlier."""
    found: dict[str, Session] = {}
    for name, started, heard, stopped, seconds, received, sent, cause, klass, address in rows:
        before = found.get(name)
        if before is not None and (before.stopped_at is None or (stopped is not None and stopped < before.stopped_at)):
            continue
        heard = heard or started or uow.now
        found[name] = Session(
            name, None, started or heard, heard, stopped, seconds or 0, received or 0, sent or 0, cause or "",
            klass or "", address, in_table=True, written=stopped,
        )  # fmt: skip
    return found


# ---- writing -----------------------------------------------------------------------------------------------------------

_MOMENT = TIMESTAMP(timezone=True)
_V = _records(
    uid=Text, written=_MOMENT, heard=_MOMENT, stopped=_MOMENT, seconds=BigInteger, received=BigInteger,
    sent=BigInteger, cause=Text, klass=Text, address=Text,
)  # fmt: skip
_GROWN = {
    "acctupdatetime": _V.c.heard, "acctsessiontime": _V.c.seconds, "acctinputoctets": _V.c.received,
    "acctoutputoctets": _V.c.sent, "class": _V.c.klass, "framedipaddress": cast(_V.c.address, INET),
}  # fmt: skip
_ENDED = {"acctstoptime": _V.c.stopped, "acctterminatecause": _V.c.cause}
_WHERE_OPEN = and_(_at.acctuniqueid == _V.c.uid, _at.acctstoptime.is_(None))
_WHERE_ENDED = and_(_at.acctuniqueid == _V.c.uid, _at.acctstoptime == _V.c.written)
_GO_ON = update(radacct).where(_WHERE_OPEN).values(_GROWN)
"""Stays in its partition and touches no index: what nine of ten packets do."""
_END = update(radacct).where(_WHERE_OPEN).values(_GROWN | _ENDED)
_CORRECT = update(radacct).where(_WHERE_ENDED).values(_GROWN | _ENDED)


def _by_row(known: Any) -> Update:
    """The same for SQLite."""
    fields = {
        "acctupdatetime": "heard", "acctstoptime": "stopped", "acctsessiontime": "seconds",
        "acctinputoctets": "received", "acctoutputoctets": "sent", "acctterminatecause": "cause", "class": "klass",
        "framedipaddress": "address",
    }  # fmt: skip
    return (
        update(radacct)
        .where(_at.acctuniqueid == bindparam("uid"), known)
        .values({name: bindparam(key) for name, key in fields.items()})
    )


_OPEN_ROW = _by_row(_at.acctstoptime.is_(None))
_ENDED_ROW = _by_row(_at.acctstoptime == bindparam("written", type_=Instant()))


def update_sessions(uow: UnitOfWork, sessions: Sequence[Session]) -> None:
    """Write what has changed about sessions that are in the table."""
    go_on = [s for s in sessions if s.written is None and s.stopped_at is None]
    correct = [s for s in sessions if s.written is not None]
    end = [s for s in sessions if s.written is None and s.stopped_at is not None]
    if dialect_of(uow) == "postgresql":
        for statement, rows in ((_CORRECT, correct), (_END, end), (_GO_ON, go_on)):
            _send(uow, statement, [_in_json(_progressed(session)) for session in rows])
        return
    for statement, rows in ((_ENDED_ROW, correct), (_OPEN_ROW, end + go_on)):
        if rows:
            uow.connection.execute(statement, [_progressed(session) for session in rows])


def _progressed(session: Session) -> dict[str, Any]:
    return {
        "uid": session.unique_id, "written": session.written,
        "heard": session.heard_at, "stopped": session.stopped_at, "seconds": session.seconds,
        "received": session.input_bytes, "sent": session.output_bytes, "cause": session.cause,
        "klass": session.klass, "address": session.framed_ip,
    }  # fmt: skip


_BEGUN: dict[str, Any] = {
    "acctuniqueid": Text, "acctsessionid": Text, "username": Text, "nasipaddress": INET, "nasportid": Text,
    "nasporttype": Text, "acctstarttime": _MOMENT, "acctupdatetime": _MOMENT, "acctstoptime": _MOMENT,
    "acctsessiontime": BigInteger, "acctinputoctets": BigInteger, "acctoutputoctets": BigInteger,
    "calledstationid": Text, "callingstationid": Text, "acctterminatecause": Text, "framedipaddress": INET,
    "class": Text,
}  # fmt: skip
_B = _records(**_BEGUN)
_INSERT_MANY = insert(radacct).from_select(list(_BEGUN), select(*(_B.c[name] for name in _BEGUN)))
_INSERT_ROW = insert(radacct)


def insert_sessions(uow: UnitOfWork, sessions: Sequence[Session]) -> None:
    """Write sessions that nobody knew. Raises IntegrityError when somebody who takes no locks was faster."""
    rows = [_begun(session, session.first) for session in sessions if session.first is not None]
    if dialect_of(uow) == "postgresql":
        _send(uow, _INSERT_MANY, [_in_json(row) for row in rows])
    elif rows:
        uow.connection.execute(_INSERT_ROW, rows)


def _begun(session: Session, first: AccountingEvent) -> dict[str, Any]:
    return {
        "acctuniqueid": session.unique_id, "acctsessionid": first.session_id, "username": first.username,
        "nasipaddress": first.nas_address, "nasportid": first.nas_port_id[:64],
        "nasporttype": first.nas_port_type[:32], "acctstarttime": session.started_at,
        "acctupdatetime": session.heard_at, "acctstoptime": session.stopped_at, "acctsessiontime": session.seconds,
        "acctinputoctets": session.input_bytes, "acctoutputoctets": session.output_bytes,
        "calledstationid": first.called_station[:64], "callingstationid": first.mac,
        "acctterminatecause": session.cause, "framedipaddress": session.framed_ip, "class": session.klass,
    }  # fmt: skip


def _send(uow: UnitOfWork, statement: Any, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        uow.connection.execute(statement, {"rows": rows})


def _in_json(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


# ---- ends that are inferred --------------------------------------------------------------------------------------------


def end_all(uow: UnitOfWork, nas_address: str, at: datetime) -> None:
    """The router came up or goes down: whatever ran on it before that moment is over."""
    uow.connection.execute(
        update(radacct)
        .where(_at.nasipaddress == nas_address, _at.acctstoptime.is_(None), _at.acctstarttime < at)
        .values(acctstoptime=at, acctterminatecause=REBOOT)
    )


_S = _records(username=Text, mac=Text, nas=Text, uid=Text, at=_MOMENT)
_STALE = {"acctstoptime": _at.acctupdatetime, "acctterminatecause": STALE}


def _same_place(address: Any, username: Any, mac: Any, nas: Any, uid: Any, at: Any) -> Update:
    return (
        update(radacct)
        .where(
            _at.username == username, _at.callingstationid == mac, address == nas, _at.acctuniqueid != uid,
            _at.acctstoptime.is_(None), _at.acctstarttime < at, _at.acctupdatetime <= at,
        )
        .values(_STALE)
    )  # fmt: skip


_END_OLDER = _same_place(func.host(_at.nasipaddress), _S.c.username, _S.c.mac, _S.c.nas, _S.c.uid, _S.c.at)
"""`host()`, so that they are looked for among the sessions of the device and never among those of the router."""
_END_OLDER_ROW = _same_place(
    _at.nasipaddress,
    bindparam("b_username"),
    bindparam("mac"),
    bindparam("nas"),
    bindparam("uid"),
    bindparam("at", type_=Instant()),
)


def end_older(uow: UnitOfWork, starts: Sequence[AccountingEvent]) -> None:
    """A device that begins anew at a router has ended what it had there before: its Stop was lost (radius.md §4.4)."""
    rows = [
        {"username": e.username, "mac": e.mac, "nas": e.nas_address, "uid": e.unique_id, "at": e.at}
        for e in starts
        if e.mac
    ]
    if dialect_of(uow) == "postgresql":
        _send(uow, _END_OLDER, [_in_json(row) for row in rows])
    elif rows:
        uow.connection.execute(_END_OLDER_ROW, [row | {"b_username": row["username"]} for row in rows])
