"""What customers may do, written as the rows RADIUS servers read (radius.md §4, §6).

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

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Connection,
    Engine,
    bindparam,
    cast,
    delete,
    insert,
    literal,
    null,
    select,
    text,
    union_all,
)
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.errors import GatewayDown
from core.ports import Access
from core.radius_tables import radcheck, radius_user, radreply

EXPIRATION = "Expiration"
RATE_LIMIT = "Mikrotik-Rate-Limit"
INTERIM_INTERVAL = "Acct-Interim-Interval"
CLASS = "Class"
SET = ":="

CLASS_PREFIX = "duka:"
NEVER_EPOCH = 2_096_495_999
"""7 June 2036: stands for "no end". The farthest date both servers were seen to read well (radius.md §4.2)."""
OPEN_SIDE = "1000M"
"""A rate needs both sides; the one without a limit gets more than any hotspot can carry."""
INTERIM_SECONDS_MIN = 60
USERNAMES_PER_STATEMENT = 500

_USERNAME = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){5}(?:@[A-Za-z0-9][A-Za-z0-9._-]{0,62})?", re.ASCII)

_CLAIM = text(
    "INSERT INTO radius_user (username, subscription_id, metered) VALUES (:username, :subscription_id, :metered) "
    "ON CONFLICT (username) DO UPDATE SET subscription_id = excluded.subscription_id, metered = excluded.metered"
)
"""Both databases understand it; on PostgreSQL it also makes a second writer of the same user wait."""

_NAMES: BindParameter[list[str]] = bindparam("names", expanding=True)
_FIND = union_all(
    *(
        select(
            literal(kind), table.c.username, table.c.attribute, table.c.op, table.c.value, cast(null(), BigInteger),
            cast(null(), Boolean),
        ).where(table.c.username.in_(_NAMES))
        for kind, table in (("check", radcheck), ("reply", radreply))
    ),
    select(
        literal("quota"), radius_user.c.username, literal(""), literal(""), literal(""), radius_user.c.subscription_id,
        radius_user.c.metered,
    ).where(radius_user.c.username.in_(_NAMES)),
)  # fmt: skip

Item = tuple[str, str, str]  # attribute, op, value


@dataclass(frozen=True, slots=True)
class UserRows:
    """Everything the tables say about one user name. Counted, because stock tables allow the same row twice."""

    checks: Counter[Item]
    replies: Counter[Item]
    quota: tuple[int, bool] | None


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


def rate_limit(upload_kbps: int | None, download_kbps: int | None) -> str | None:
    """`5M/10M`: the customer's upload first, as the router receives it (radius.md §1). None without any limit."""
    if upload_kbps is None and download_kbps is None:
        return None
    return f"{_side(upload_kbps)}/{_side(download_kbps)}"


def _side(kbps: int | None) -> str:
    if kbps is None:
        return OPEN_SIDE
    if kbps <= 0:
        raise ValueError(f"a rate of {kbps} kbit/s is no rate")
    return f"{kbps // 1000}M" if kbps % 1000 == 0 else f"{kbps}k"


def _wanted(accesses: Sequence[Access]) -> dict[str, UserRows]:
    """User name → rows, in the order in which users are locked everywhere."""
    wanted: dict[str, UserRows] = {}
    for access in accesses:
        rows = _rows(access)
        if wanted.setdefault(access.username, rows) != rows:
            raise ValueError(f"two different wishes for {access.username!r} at once")
    return dict(sorted(wanted.items()))


def _rows(access: Access) -> UserRows:
    if not _USERNAME.fullmatch(access.username):
        raise ValueError(f"not a user name of ours: {access.username[:80]!r}")
    if not access.allowed:
        return NOTHING
    if access.metered and access.subscription_id is None:
        raise ValueError(f"{access.username!r} is metered, and nothing says on which subscription")
    if access.interim_seconds < INTERIM_SECONDS_MIN:
        raise ValueError(f"reports every {access.interim_seconds} s would drown the server")
    replies = [(INTERIM_INTERVAL, SET, str(access.interim_seconds))]
    rate = rate_limit(access.upload_kbps, access.download_kbps)
    if rate is not None:
        replies.append((RATE_LIMIT, SET, rate))
    quota = None
    if access.subscription_id is not None:
        replies.append((CLASS, SET, f"{CLASS_PREFIX}{access.subscription_id}"))
        quota = (access.subscription_id, access.metered)
    return UserRows(Counter([(EXPIRATION, SET, _epoch(access.expires_at))]), Counter(replies), quota)


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
    quotas: dict[str, tuple[int, bool]] = {}
    for part in _parts(usernames):
        for kind, name, attribute, op, value, subscription_id, metered in connection.execute(_FIND, {"names": part}):
            if kind == "quota":
                quotas[name] = (subscription_id, metered)
            else:
                (checks if kind == "check" else replies)[name][attribute, op, value] += 1
    return {
        name: UserRows(checks.get(name, Counter()), replies.get(name, Counter()), quotas.get(name))
        for name in usernames
    }


def _write(connection: Connection, wanted: dict[str, UserRows]) -> None:
    """Claim the users in order, then replace what is there. Readers see the old rows or the new ones, never a mixture."""
    claims = [
        {
            "username": name,
            "subscription_id": rows.quota[0] if rows.quota else 0,
            "metered": bool(rows.quota and rows.quota[1]),
        }
        for name, rows in wanted.items()
    ]
    connection.execute(_CLAIM, claims)
    without_quota = [name for name, rows in wanted.items() if rows.quota is None]
    for part in _parts(without_quota):
        connection.execute(delete(radius_user).where(radius_user.c.username.in_(part)))
    for table, kind in ((radcheck, "checks"), (radreply, "replies")):
        for part in _parts(list(wanted)):
            connection.execute(delete(table).where(table.c.username.in_(part)))
        new = [
            {"username": name, "attribute": attribute, "op": op, "value": value}
            for name, rows in wanted.items()
            for attribute, op, value in getattr(rows, kind)
        ]
        if new:
            connection.execute(insert(table), new)


def _parts(usernames: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(usernames), USERNAMES_PER_STATEMENT):
        yield usernames[start : start + USERNAMES_PER_STATEMENT]
