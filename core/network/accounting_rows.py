"""Sessions in `radacct`, read and written for a whole batch at a time: a handful of statements, however many packets.

They are written for the driver (`core/many.py`) and run inside `unawaited`. Open sessions are found by their id alone; ended ones only among the lately
ended, so that no month is opened in vain (decision 0013).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy.exc import DBAPIError

from core.many import Many, Outcome, ask, moment_of, numbers, text_of, texts
from core.network.sessions import REBOOT, STALE, AccountingEvent, Session
from core.uow import UnitOfWork

LATE = timedelta(days=35)
"""How long after its end a session is still recognised by a packet that was on its way; a delay is believed up to 30 days."""
LOCK_CLASS, LOCK_BUCKETS = 1_685_419_873, 1024
"""PostgreSQL's advisory locks, one for each thousandth of all sessions: no unique constraint sees that one server begins
what another has just ended in another partition, and a row that moves to another partition under a reader's hands is an error."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """The router behind an address: whose it is and in which zone its ISP's days end."""

    tenant_id: int
    realm: str
    timezone: str


class Overtaken(Exception):
    """Somebody who takes no locks ended a session after it was read."""

    sqlstate = "40001"
    """As PostgreSQL says it of a row that was moved: whoever hears it tries again."""


_BY_INDEX = "SELECT " + ", ".join(
    f"set_config('{way}', 'off', true)" for way in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")
)


def by_index(uow: UnitOfWork) -> None:
    """PostgreSQL cannot know how long a list will be and would rather read a whole table of a small ISP: for this
    transaction it is told not to."""
    if _on_postgresql(uow):
        ask(uow.connection, _BY_INDEX, {})


def _on_postgresql(uow: UnitOfWork) -> bool:
    return uow.connection.dialect.name == "postgresql"


# ---- reading -----------------------------------------------------------------------------------------------------------

_REPORTERS = "SELECT nasname, tenant_id, realm, timezone FROM radius_nas WHERE nasname {among}"
_OWNERS = "SELECT username, subscription_id FROM radius_user WHERE username {among}"
_SESSIONS = """
SELECT acctuniqueid, coalesce(acctupdatetime, acctstarttime), acctstoptime, acctsessiontime, acctinputoctets, acctoutputoctets,
    acctterminatecause, class, {address}
FROM radacct WHERE acctuniqueid {among} AND """
_OPEN, _LATELY = _SESSIONS + "acctstoptime IS NULL", _SESSIONS + "{lately}"
_WORDS = {
    "postgresql": {
        "among": "= ANY(%(names)t::text[])", "address": "host(framedipaddress)",
        "lately": "(acctstoptime IS NULL OR acctstoptime >= %(since)s)",  # which months to look into
    },
    "sqlite": {
        "among": "IN (SELECT value FROM json_each(:names))", "address": "framedipaddress",
        "lately": "coalesce(acctstoptime, :since) >= :since",  # by the id alone: an OR would make it read the whole table
    },
}  # fmt: skip


def _find(uow: UnitOfWork, statement: str, names: Iterable[str], **values: Any) -> Outcome:
    """The rows of these names, which are sent as one parameter."""
    dialect = uow.connection.dialect.name
    values["names"] = texts(names) if dialect == "postgresql" else json.dumps(list(names))
    return ask(uow.connection, statement.format_map(_WORDS[dialect]), values)


def reporters(uow: UnitOfWork, addresses: Collection[str]) -> dict[str, Reporter]:
    """Address → router, for those that are registered."""
    return {name: Reporter(*facts) for name, *facts in _find(uow, _REPORTERS, addresses).fetchall()}


def owners(uow: UnitOfWork, names: Collection[str]) -> dict[str, int]:
    """User name as the tables key it → the subscription it uses now."""
    return dict(map(tuple, _find(uow, _OWNERS, names).fetchall())) if names else {}


def known_sessions(uow: UnitOfWork, ids: Collection[str]) -> dict[str, Session]:
    """What is known of these sessions. Until the end of the transaction nobody else begins one of them or adds to it."""
    if not _on_postgresql(uow):
        return _sessions(uow, _find(uow, _LATELY, ids, since=text_of(uow.now - LATE)))
    _lock(uow, ids)
    known = _sessions(uow, _find(uow, _OPEN, ids))
    missing = [name for name in ids if name not in known]
    if missing:
        known |= _sessions(uow, _find(uow, _LATELY, missing, since=uow.now - LATE))
    return known


_LOCK = "SELECT count(pg_advisory_xact_lock(%(class)s, bucket)) FROM unnest(%(buckets)t::integer[]) AS bucket"


def _lock(uow: UnitOfWork, ids: Iterable[str]) -> None:
    """In one order for everybody, so that two servers wait for each other and never both."""
    buckets = sorted({int(name[:7], 16) % LOCK_BUCKETS for name in ids})
    ask(uow.connection, _LOCK, {"class": LOCK_CLASS, "buckets": numbers(buckets)})


def _sessions(uow: UnitOfWork, rows: Outcome) -> dict[str, Session]:
    """By id; an open one goes before an ended one, a later end before an earlier."""
    found: dict[str, Session] = {}
    for name, heard_at, stopped_at, seconds, received, sent, cause, klass, address in rows.fetchall():
        stopped = moment_of(stopped_at)
        before = found.get(name)
        if before is not None and (before.stopped_at is None or (stopped is not None and stopped < before.stopped_at)):
            continue
        heard = moment_of(heard_at) or uow.now
        found[name] = Session(
            name, None, heard, heard, stopped, seconds or 0, received or 0, sent or 0, cause or "", klass or "", address,
            in_table=True, written=stopped,
        )  # fmt: skip
    return found


# ---- writing -----------------------------------------------------------------------------------------------------------

_GROW = """
UPDATE radacct SET acctupdatetime = :heard, acctsessiontime = :seconds, acctinputoctets = :received, acctoutputoctets = :sent,
    class = :klass, framedipaddress = :address"""
_STOP = ", acctstoptime = :stopped, acctterminatecause = :cause"
_STILL_OPEN = " {rows} WHERE acctuniqueid = :uid AND acctstoptime IS NULL"
_ENDED_THEN = " {rows} WHERE acctuniqueid = :uid AND acctstoptime = :written"
_GROWN = {
    "uid": "text", "heard": "timestamptz", "seconds": "bigint", "received": "bigint", "sent": "bigint", "klass": "text",
    "address": "inet",
}  # fmt: skip
_STOPPED = {"stopped": "timestamptz", "cause": "text"}
_GO_ON = Many(_GROW + _STILL_OPEN, **_GROWN)
"""Stays in its partition and touches no index: what nine of ten packets do."""
_END = Many(_GROW + _STOP + _STILL_OPEN, **_GROWN, **_STOPPED)
_CORRECT = Many(_GROW + _STOP + _ENDED_THEN, **_GROWN, **_STOPPED, written="timestamptz")


class Update(NamedTuple):
    """Of sessions that were in the table: how many rows were to change, and what became of it."""

    wanted: int
    outcome: Outcome


def overtaken(updates: Iterable[Update]) -> None:
    """Raises DBAPIError (40001) when a session has been ended since it was read; to be asked once all has been waited for."""
    if any(outcome.rowcount != wanted for wanted, outcome in updates):
        raise DBAPIError("a batch of sessions", None, Overtaken())


def update_sessions(uow: UnitOfWork, sessions: Sequence[Session]) -> list[Update]:
    """Write what has changed about sessions that are in the table; `overtaken` tells whether they were still there as read."""
    corrected, ended, grown = [], [], []
    for s in sessions:
        row = (s.unique_id, s.heard_at, s.seconds, s.input_bytes, s.output_bytes, s.klass, s.framed_ip)
        if s.written is not None:
            corrected.append((*row, s.stopped_at, s.cause, s.written))
        elif s.stopped_at is not None:
            ended.append((*row, s.stopped_at, s.cause))
        else:
            grown.append(row)
    return [
        Update(len(rows), statement.run(uow.connection, rows))
        for statement, rows in ((_CORRECT, corrected), (_END, ended), (_GO_ON, grown))
    ]


_BEGUN = {
    "acctuniqueid": "text", "acctsessionid": "text", "username": "text", "nasipaddress": "inet", "nasportid": "text",
    "nasporttype": "text", "acctstarttime": "timestamptz", "acctupdatetime": "timestamptz", "acctstoptime": "timestamptz",
    "acctsessiontime": "bigint", "acctinputoctets": "bigint", "acctoutputoctets": "bigint", "calledstationid": "text",
    "callingstationid": "text", "acctterminatecause": "text", "framedipaddress": "inet", "class": "text",
}  # fmt: skip
_BEGIN = Many(
    f"INSERT INTO radacct ({', '.join(_BEGUN)}) SELECT {', '.join(f':{name}' for name in _BEGUN)} {{rows}}", **_BEGUN
)


def insert_sessions(uow: UnitOfWork, sessions: Sequence[Session]) -> None:
    """Write sessions that nobody knew. It is an IntegrityError when somebody who takes no locks was faster."""
    _BEGIN.run(uow.connection, [_begun(session, session.first) for session in sessions if session.first is not None])


def _begun(session: Session, first: AccountingEvent) -> tuple[Any, ...]:
    """In the order of `_BEGUN`."""
    return (
        session.unique_id, first.session_id, first.username, first.nas_address, first.nas_port_id[:64],
        first.nas_port_type[:32], session.started_at, session.heard_at, session.stopped_at,
        session.seconds, session.input_bytes, session.output_bytes, first.called_station[:64],
        first.mac, session.cause, session.framed_ip, session.klass,
    )  # fmt: skip


# ---- ends that are inferred --------------------------------------------------------------------------------------------


_END_ALL = Many(
    """
UPDATE radacct SET acctstoptime = :at, acctterminatecause = :cause {rows}
WHERE nasipaddress = :nas AND acctstoptime IS NULL AND acctstarttime < :at""",
    cause="text", nas="inet", at="timestamptz",
)  # fmt: skip


def end_all(uow: UnitOfWork, boots: Sequence[AccountingEvent]) -> None:
    """These routers came up or go down: whatever ran on them before that moment is over."""
    _END_ALL.run(uow.connection, [(REBOOT, boot.nas_address, boot.at) for boot in boots])


_END_OLDER = Many(
    """
UPDATE radacct SET acctstoptime = acctupdatetime, acctterminatecause = :cause {rows}
WHERE radacct.username = :name AND callingstationid = :mac AND coalesce(nasipaddress, :nas) = :nas AND acctuniqueid <> :uid
    AND acctstoptime IS NULL AND acctstarttime < :at AND acctupdatetime <= :at""",
    cause="text", name="text", mac="text", nas="inet", uid="text", at="timestamptz",
)  # fmt: skip
"""`coalesce`, so that they are looked for among the sessions of the device and never among those of the router."""


def end_older(uow: UnitOfWork, starts: Sequence[AccountingEvent]) -> None:
    """A device that begins anew at a router has ended what it had there before: its Stop was lost (radius.md §4.4)."""
    _END_OLDER.run(
        uow.connection, [(STALE, e.username, e.mac, e.nas_address, e.unique_id, e.at) for e in starts if e.mac]
    )
