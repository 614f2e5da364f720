"""What customers may do, written as the rows RADIUS servers read (docs/radius-policy.md; radius.md §4, §6).

The embedded server and FreeRADIUS look at the same rows at every login. A user with no rows is rejected, so taking rows
away is how access ends. Only attribute names written here ever reach the tables: a server skips a name it does not know
and lets the user in without it, so a typo in a rate would mean unlimited (radius.md §4.1).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Connection,
    Engine,
    Text,
    bindparam,
    cast,
    delete,
    insert,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.adapters.radius_values import SEVERAL, acceptable
from core.errors import GatewayDown
from core.ports import Access
from core.radius_tables import radcheck, radius_user, radreply
from core.rates import OPEN_SIDE, rate_limit

__all__ = ["NEVER_EPOCH", "OPEN_SIDE", "USERNAMES_PER_STATEMENT", "RadiusRows", "rate_limit"]

EXPIRATION = "Expiration"
PASSWORD = "Cleartext-Password"
SIMULTANEOUS_USE = "Simultaneous-Use"
RATE_LIMIT = "Mikrotik-Rate-Limit"
INTERIM_INTERVAL = "Acct-Interim-Interval"
CLASS = "Class"
SET, ADD = ":=", "+="

CLASS_PREFIX = "duka:"
NEVER_EPOCH = 2_096_495_999
"""7 June 2036: stands for "no end". The farthest date both servers were seen to read well (radius.md §4.2)."""
INTERIM_SECONDS_MIN = 60
USERNAMES_PER_STATEMENT = 500
SESSIONS_MAX = 999
PASSWORD_OCTETS_MAX = 128
WEEK_MINUTES = 7 * 24 * 60
NOBODYS = 0
"""The subscription of sessions that nobody is charged for."""

_REALM = r"(?:@[A-Za-z0-9][A-Za-z0-9._-]{0,62})?"
_DEVICE = re.compile(rf"[0-9A-F]{{2}}(?::[0-9A-F]{{2}}){{5}}{_REALM}", re.ASCII)
_LOGIN = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,62}}{_REALM}", re.ASCII)
_LIKE_A_DEVICE = re.compile(r"(?:[0-9a-f]{2}[.:_-]?){6}(?:@.*)?", re.ASCII)
_NAMES_OF_SERVICE = {"mac": _DEVICE, "ppp": _LOGIN, "code": _LOGIN}
_HOURS = re.compile(r"(?:\d{1,5}-\d{1,5}(?:,\d{1,5}-\d{1,5})*)?", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}", re.ASCII)

User = tuple[int, str, int, bool, str, str, str, bool, str]
"""tenant, service, subscription, metered, language, hours, zone, redirects, blocked: the columns of `radius_user`."""
_USER_COLUMNS = (
    "tenant_id", "service", "subscription_id", "metered", "language", "hours", "timezone", "redirects", "blocked"
)  # fmt: skip


def _claim(upsert: Any) -> Any:
    statement = upsert(radius_user)
    changed = {name: statement.excluded[name] for name in _USER_COLUMNS}
    return statement.on_conflict_do_update(index_elements=["username"], set_=changed).returning(radius_user.c.username)


_CLAIM = {"postgresql": _claim(postgres_insert), "sqlite": _claim(sqlite_insert)}
"""On PostgreSQL it also makes a second writer of the same user wait. RETURNING makes it one statement for many users."""

_NAMES: BindParameter[list[str]] = bindparam("names", expanding=True)
_NO_USER = (
    cast(null(), BigInteger), cast(null(), Text), cast(null(), BigInteger), cast(null(), Boolean), cast(null(), Text),
    cast(null(), Text), cast(null(), Text), cast(null(), Boolean), cast(null(), Text),
)  # fmt: skip
_FIND = union_all(
    *(
        select(
            literal(kind), table.c.username, table.c.attribute, table.c.op, table.c.value, *_NO_USER
        ).where(table.c.username.in_(_NAMES))
        for kind, table in (("check", radcheck), ("reply", radreply))
    ),
    select(
        literal("user"), radius_user.c.username, literal(""), literal(""), literal(""),
        *(radius_user.c[name] for name in _USER_COLUMNS),
    ).where(radius_user.c.username.in_(_NAMES)),
)  # fmt: skip

Item = tuple[str, str, str]  # attribute, op, value


@dataclass(frozen=True, slots=True)
class UserRows:
    """Everything the tables say about one user name. Counted, because stock tables allow the same row twice."""

    checks: Counter[Item]
    replies: Counter[Item]
    user: User | None


NOTHING = UserRows(Counter(), Counter(), None)


class RadiusRows:
    """The `AccessBackend` over the stock FreeRADIUS tables. One transaction per call; shares nothing with a unit of work."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._postgresql = engine.dialect.name == "postgresql"

    def apply(self, accesses: Sequence[Access]) -> None:
        """Make the rows say exactly this, all or nothing; users who already have it so are not written at all.

        Raises ValueError for a user name, rate or date that no server would understand (our bug, nothing is written),
        and `GatewayDown` when the database does not take it.
        """
        wanted = _wanted(accesses)
        if not wanted:
            return
        try:
            options = {"isolation_level": "AUTOCOMMIT"} if self._postgresql else {"only_reads": True}
            with self._engine.connect().execution_options(**options) as connection, connection.begin():
                differing = _differing(connection, wanted)
            if differing:
                with self._engine.begin() as connection:
                    if (
                        self._postgresql
                    ):  # what a power cut undoes here, it undoes in the promise as well: it is done again
                        connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
                    _write(connection, {name: wanted[name] for name in differing})
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise GatewayDown("the RADIUS tables could not be written") from error


def _wanted(accesses: Sequence[Access]) -> dict[str, UserRows]:
    """User name → rows, in the order in which users are locked everywhere."""
    wanted: dict[str, UserRows] = {}
    for access in accesses:
        rows = _rows(access)
        if wanted.setdefault(access.username, rows) != rows:
            raise ValueError(f"two different wishes for {access.username!r} at once")
    return dict(sorted(wanted.items()))


def _rows(access: Access) -> UserRows:
    if len(access.username) > 128 or not _is_name(access):
        raise ValueError(f"not a user name of ours: {access.username[:80]!r}")
    if not access.allowed and not access.kept:
        return NOTHING
    return UserRows(Counter(_checks(access)), Counter(_replies(access)), _user(access))


def _is_name(access: Access) -> bool:
    """Devices and logins are two name spaces that cannot be taken for each other (radius.md §6)."""
    form = _NAMES_OF_SERVICE.get(access.service)
    if form is None:
        raise ValueError(f"no service of ours: {access.service[:20]!r}")
    like_a_device = form is _LOGIN and _LIKE_A_DEVICE.fullmatch(access.username)
    return form.fullmatch(access.username) is not None and not like_a_device


def _checks(access: Access) -> list[Item]:
    checks = [(EXPIRATION, SET, _epoch(access.expires_at))]
    if (access.password is None) != (access.service == "mac"):
        raise ValueError(f"{access.username!r}: a login has a password, a device has its router's")
    if access.password is not None:
        if not access.password.isprintable() or not 0 < len(access.password.encode()) <= PASSWORD_OCTETS_MAX:
            raise ValueError(f"not a password for {access.username!r}")
        checks.append((PASSWORD, SET, access.password))
    if access.sessions is not None:
        if not 1 <= access.sessions <= SESSIONS_MAX:
            raise ValueError(f"{access.sessions} sessions at once for {access.username!r}")
        checks.append((SIMULTANEOUS_USE, SET, str(access.sessions)))
    return checks


def _replies(access: Access) -> list[Item]:
    if access.interim_seconds < INTERIM_SECONDS_MIN:
        raise ValueError(f"reports every {access.interim_seconds} s would drown the server")
    replies = [(INTERIM_INTERVAL, SET, str(access.interim_seconds))]
    if (rate := access.rate) is not None:
        replies.append((RATE_LIMIT, SET, rate))
    if access.subscription_id is not None:
        replies.append((CLASS, SET, f"{CLASS_PREFIX}{access.subscription_id}"))
    for attribute, value in access.replies:
        if not acceptable(attribute, value):
            raise ValueError(f"not a reply for a router: {attribute[:40]} = {value[:80]!r}")
        replies.append((attribute, ADD if attribute in SEVERAL else SET, value))
    single = [attribute for attribute, op, _ in replies if op == SET]
    if len(set(single)) < len(single) or len(set(replies)) < len(replies):
        raise ValueError(f"{access.username!r} is told the same thing twice")
    return replies


def _user(access: Access) -> User:
    if access.metered and access.subscription_id is None:
        raise ValueError(f"{access.username!r} is metered, and nothing says on which subscription")
    if access.blocked not in ("", "suspended"):
        raise ValueError(f"no way to be blocked: {access.blocked[:20]!r}")
    if not _LANGUAGE.fullmatch(access.language):
        raise ValueError(f"no language: {access.language[:20]!r}")
    if not _are_hours(access.hours):
        raise ValueError(f"no access hours: {access.hours[:80]!r}")
    try:
        ZoneInfo(access.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"no time zone: {access.timezone[:40]!r}") from error
    return (
        access.tenant_id, access.service, access.subscription_id or NOBODYS, access.metered, access.language,
        access.hours, access.timezone, access.redirects, access.blocked,
    )  # fmt: skip


def _are_hours(said: str) -> bool:
    """Windows of the week: sorted, not touching, none of them empty."""
    if not _HOURS.fullmatch(said):
        return False
    edges = [int(edge) for window in said.split(",") if said for edge in window.split("-")]
    return all(one < two for one, two in pairwise(edges)) and (not edges or edges[-1] <= WEEK_MINUTES)


def _epoch(moment: datetime | None) -> str:
    """Digits since 1970: the only form that no server's time zone moves (radius.md §4.2)."""
    if moment is None:
        return str(NEVER_EPOCH)
    if moment.tzinfo is None:
        raise ValueError("a naive datetime may not reach the RADIUS tables")
    epoch = int(moment.astimezone(UTC).timestamp())
    if epoch <= 0:
        raise ValueError(f"not a moment access can end: {moment}")
    return str(min(epoch, NEVER_EPOCH))


def _differing(connection: Connection, wanted: dict[str, UserRows]) -> list[str]:
    found = _found(connection, list(wanted))
    return [name for name, rows in wanted.items() if found.get(name, NOTHING) != rows]


def _found(connection: Connection, usernames: list[str]) -> dict[str, UserRows]:
    checks: dict[str, Counter[Item]] = defaultdict(Counter)
    replies: dict[str, Counter[Item]] = defaultdict(Counter)
    users: dict[str, User] = {}
    for part in _parts(usernames):
        for kind, name, attribute, op, value, *user in connection.execute(_FIND, {"names": part}):
            if kind == "user":
                users[name] = tuple(user)
            else:
                (checks if kind == "check" else replies)[name][attribute, op, value] += 1
    return {
        name: UserRows(checks.get(name, Counter()), replies.get(name, Counter()), users.get(name)) for name in usernames
    }


def _write(connection: Connection, wanted: dict[str, UserRows]) -> None:
    """Claim the users in order, then replace what is there. Readers see the old rows or the new ones, never a mixture."""
    nobody = _user(Access("", allowed=False))
    claims = [
        {"username": name, **dict(zip(_USER_COLUMNS, rows.user or nobody, strict=True))}
        for name, rows in wanted.items()
    ]
    connection.execute(_CLAIM[connection.dialect.name], claims)
    gone = [name for name, rows in wanted.items() if rows.user is None]
    for part in _parts(gone):
        connection.execute(delete(radius_user).where(radius_user.c.username.in_(part)))
    for table, kind in ((radcheck, "checks"), (radreply, "replies")):
        for part in _parts(list(wanted)):
            connection.execute(delete(table).where(table.c.username.in_(part)))
            new = [
                {"username": name, "attribute": attribute, "op": op, "value": value}
                for name in part
                for attribute, op, value in getattr(wanted[name], kind)
            ]
            if new:  # RETURNING makes it one statement: after each, the database looks at all rows of its names (decision 0015)
                connection.execute(insert(table).returning(table.c.id), new)


def _parts(usernames: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(usernames), USERNAMES_PER_STATEMENT):
        yield usernames[start : start + USERNAMES_PER_STATEMENT]
