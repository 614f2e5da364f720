# ruff: noqa: S608 (statements are put together from words that stand in this file)
"""What time and traffic alone change (expiry, used-up data, fair use), beside bare SQL that does the same; and whether the cost
of a sweep follows what changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, text

from bench.figures import Figure
from bench.measure import timed_ms
from bench.shop import SERVICE_CODE, Shop, open_shop
from core import subscriptions
from core.messaging import MESSAGES
from core.texts import parts, plain
from core.uow import UnitOfWork
from tests import services

MANY, FEW, ENDED = 1_000_000, 10_000, 1_000
ROUNDS = 11
RATIO_MAX, NOTHING_MS_MAX, GROWTH_MAX = 2.0, 5.0, 1.5
QUOTA_BYTES = 10**10
CUSTOMERS_EACH = 4
"""Subscriptions per customer: most are over, as in life."""


@dataclass(frozen=True)
class Sweep:
    """One sweep of ours, and the same in SQL: what makes a row due, what is changed, and what is told."""

    name: str
    verb: Callable[[UnitOfWork], int]
    due: str
    """Columns of a row that has just become due."""
    found: str
    by: str
    change: str
    reason: str | None
    """Of the suspension; None: nobody is suspended."""
    template: str
    key: str


_EXHAUSTED = "closed_at IS NULL AND suspended_at IS NULL AND slowed_at IS NULL AND spent"
SWEEPS = (
    Sweep(
        "expiry", subscriptions.close_ended, "ends_at = :over, over_at = :over", "closed_at IS NULL AND over_at <= :now",
        "over_at", "closed_at = :now", "time_limit", "ended_time", "'ended:' || s.id",
    ),
    Sweep(
        "quota", subscriptions.suspend_exhausted, f"used_bytes = {QUOTA_BYTES}", f"{_EXHAUSTED} AND NOT slows", "id",
        "suspended_at = :now, suspended_reason = 'data_limit'", "data_limit", "ended_data",
        "'exhausted:' || s.id || ':' || s.quota_bytes",
    ),
    Sweep(
        "slow-down", subscriptions.slow_down, f"used_bytes = {QUOTA_BYTES}, slows = :yes", f"{_EXHAUSTED} AND slows", "id",
        "slowed_at = :now", None, "slowed", "'exhausted:' || s.id || ':' || s.quota_bytes",
    ),
)  # fmt: skip


class Table:
    """One database with `count` subscriptions, of which ENDED can be made to have just ended, again and again."""

    def __init__(self, shop: Shop, count: int) -> None:
        self.shop, self.count = shop, count
        self.dialect = shop.app.engine.dialect.name
        self.of = SWEEPS[0]

    def fill(self) -> None:
        """Customers and subscriptions: a quarter still runs, the rest was closed long ago."""
        numbers = (
            "SELECT generate_series(1, :count) AS n"
            if self.dialect == "postgresql"
            else "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :count) SELECT n FROM s"
        )
        running = self.count // CUSTOMERS_EACH
        padded = "lpad(n::text, 9, '0')" if self.dialect == "postgresql" else "printf('%09d', n)"
        with self.shop.app.engine.begin() as connection:
            moments = {
                "tenant": self.shop.tenant_id, "now": self._moment(0), "past": self._moment(-30), "later": self._moment(5)
            }  # fmt: skip
            connection.execute(
                text(
                    "INSERT INTO customer (id, tenant_id, msisdn, msisdn_hash, account_code, language, created_at)"
                    f" SELECT n, :tenant, '+254' || {padded}, {padded}, {padded}, 'en', :past FROM ({numbers}) AS numbers"
                ),
                moments | {"count": running},
            )
            connection.execute(
                text(
                    "INSERT INTO subscription (id, tenant_id, customer_id, package_id, starts_at, ends_at, over_at, begun_at, used_bytes,"
                    f" quota_bytes, device_limit, closed_at) SELECT n, :tenant, 1 + n % {running}, 1, :past,"
                    f" CASE WHEN n <= {running} THEN :later ELSE :past END, CASE WHEN n <= {running} THEN :later ELSE :past END,"
                    f" :past, 0, {QUOTA_BYTES}, 1, CASE WHEN n <= {running} THEN NULL ELSE :past END FROM ({numbers}) AS numbers"
                ),
                moments | {"count": self.count},
            )
        self._autocommit("ANALYZE")

    def arm(self) -> None:
        """As before the sweep, with ENDED of those that run just due; what earlier rounds wrote is gone."""
        self.rest()
        with self.shop.app.engine.begin() as connection:
            moments = {"over": self._moment(-0.001), "ended": ENDED, "yes": True}
            known = {name: value for name, value in moments.items() if name == "ended" or f":{name}" in self.of.due}
            connection.execute(text(f"UPDATE subscription SET {self.of.due} WHERE id <= :ended"), known)
        self._settle()

    def rest(self) -> None:
        """Nothing is due, and nothing is left of earlier rounds."""
        with self.shop.app.engine.begin() as connection:
            for table in ("promise", "suspension", "message"):
                connection.execute(text(f"DELETE FROM {table}"))
            connection.execute(
                text(
                    "UPDATE subscription SET closed_at = NULL, suspended_at = NULL, suspended_reason = NULL, slowed_at = NULL,"
                    " slows = :no, used_bytes = 0, ends_at = :later, over_at = :later WHERE id <= :ended"
                ),
                {"later": self._moment(5), "ended": ENDED, "no": False},
            )

    def _settle(self) -> None:
        if self.dialect == "postgresql":
            for table in ("promise", "suspension", "message", "subscription"):
                self._autocommit(f"VACUUM {table}")
            self._autocommit("CHECKPOINT")
        else:
            self._autocommit("PRAGMA wal_checkpoint(TRUNCATE)")

    def sweep(self) -> None:
        """Our sweep."""
        with self.shop.app.work(None) as uow:
            found = self.of.verb(uow)
        if found != ENDED:
            raise RuntimeError(f"the sweep found {found}")

    def look(self) -> None:
        """Our sweep when nothing is due."""
        with self.shop.app.work(None) as uow:
            if self.of.verb(uow):
                raise RuntimeError("nothing should have been due")

    def bare(self) -> None:
        """The same rows by hand."""
        with self.shop.app.engine.begin() as connection:
            self._bare(connection)

    def check(self) -> None:
        """Whoever went last has written what belongs to ENDED endings."""
        with self.shop.app.engine.begin() as connection:
            for table, wanted in (
                ("promise", 2 * ENDED),
                ("suspension", ENDED if self.of.reason else 0),
                ("message", ENDED),
            ):
                found = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
                if found != wanted:
                    raise RuntimeError(f"{found} rows in {table} instead of {wanted}")

    def _bare(self, connection: Connection) -> None:
        now = self._moment(0)
        words = plain(MESSAGES.say("en", self.of.template, dial=SERVICE_CODE))
        skip = " FOR UPDATE SKIP LOCKED" if self.dialect == "postgresql" else ""
        found = self.of.found if self.dialect == "postgresql" else self.of.found.replace("spent", "spent = 1")
        ids = list(
            connection.execute(
                text(
                    f"UPDATE subscription SET {self.of.change} WHERE id IN (SELECT id FROM subscription WHERE {found}"
                    f" ORDER BY {self.of.by} LIMIT 1000{skip}) RETURNING id"
                ),
                {"now": now},
            ).scalars()
        )
        chosen: object = ids
        these, build = "= ANY(:ids)", "json_build_object"
        if self.dialect != "postgresql":
            these, chosen, build = "IN (SELECT value FROM json_each(:ids))", json.dumps(ids), "json_object"
        facts = {"ids": chosen, "now": now, "words": words, "parts": parts(words)}
        if self.of.reason is not None:
            connection.execute(
                text(
                    "INSERT INTO suspension (tenant_id, subscription_id, customer_id, reason, at)"
                    f" SELECT tenant_id, id, customer_id, '{self.of.reason}', :now FROM subscription WHERE id {these}"
                ),
                facts,
            )
        connection.execute(
            text(
                "INSERT INTO promise (tenant_id, queue, kind, payload, created_at, due_at, attempts)"
                f" SELECT tenant_id, 'network', 'SyncAccess', {build}('customer_id', customer_id), :now, :now, 0"
                f" FROM subscription WHERE id {these}"
            ),
            facts,
        )
        written = list(
            connection.execute(
                text(
                    "INSERT INTO message (tenant_id, key, msisdn, template, text, parts, state, created_at)"
                    f" SELECT s.tenant_id, {self.of.key}, c.msisdn, '{self.of.template}', :words, :parts, 'queued', :now"
                    f" FROM subscription s JOIN customer c ON c.id = s.customer_id WHERE s.id {these}"
                    " ON CONFLICT (tenant_id, key) DO NOTHING RETURNING id"
                ),
                facts,
            ).scalars()
        )
        facts |= {"ids": written if self.dialect == "postgresql" else json.dumps(written)}
        connection.execute(
            text(
                "INSERT INTO promise (tenant_id, queue, kind, payload, created_at, due_at, attempts)"
                f" SELECT tenant_id, 'messages', 'SendMessage', {build}('message_id', id), :now, :now, 0"
                f" FROM message WHERE id {these}"
            ),
            facts,
        )

    def _moment(self, days: float) -> object:
        moment = self.shop.app.clock.now() + timedelta(days=days)
        return moment if self.dialect == "postgresql" else moment.strftime("%Y-%m-%d %H:%M:%S.%f")

    def _autocommit(self, statement: str) -> None:
        if self.dialect == "postgresql":
            with self.shop.app.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql(statement)
        else:
            raw = self.shop.app.engine.raw_connection()
            raw.cursor().execute(statement)
            raw.close()


@contextmanager
def table(kind: str, server: str, folder: Path, count: int) -> Iterator[Table]:
    """A database of `kind` with so many subscriptions; its key, and on SQLite its file, lie in `folder`."""
    if kind == "sqlite":
        url = f"sqlite:///{folder}/duka-{count}.db"
        services.create_tables(url)
        with _filled(url, folder, count) as filled:
            yield filled
    else:
        with services.postgres_database(server) as url:
            services.create_tables(url)
            with _filled(url, folder, count) as filled:
                yield filled


@contextmanager
def _filled(url: str, folder: Path, count: int) -> Iterator[Table]:
    shop = open_shop(url, "redis://127.0.0.1:9/0", folder)
    filled = Table(shop, count)
    filled.fill()
    try:
        yield filled
    finally:
        shop.app.close()


@dataclass
class Measured:
    """Milliseconds of every round of one sweep on one table: ours, by hand, and ours when nothing is due."""

    ours: list[float] = field(default_factory=list)
    hand: list[float] = field(default_factory=list)
    nothing: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Ours beside the bare SQL of the same round."""
        return median(ours / hand for ours, hand in zip(self.ours, self.hand, strict=True))


def rounds(tables: Sequence[Table], sweep: Sweep) -> list[Measured]:
    """The same rounds on each table in turns, so that whatever else the machine does strikes all of them."""
    measured = [Measured() for _ in tables]

    def one(filled: Table, action: Callable[[], None]) -> float:
        filled.arm()
        took = timed_ms(action)
        filled.check()
        return took

    for number in range(ROUNDS + 1):
        for filled, known in zip(tables, measured, strict=True):
            filled.of = sweep
            ours = one(filled, filled.sweep)
            nothing = [timed_ms(filled.look) for _ in range(5)]
            hand = one(filled, filled.bare)
            if number:  # the first warms up
                known.ours.append(ours)
                known.hand.append(hand)
                known.nothing += nothing
    for filled in tables:
        filled.rest()
    return measured


def run() -> list[Figure]:
    """Both databases, a million subscriptions and ten thousand, every sweep."""
    figures = []
    with services.postgres_server() as server, TemporaryDirectory(prefix="duka-bench-") as made:
        folder = Path(made)
        for kind, name in (("postgresql", "PostgreSQL"), ("sqlite", "SQLite")):
            with table(kind, server, folder, MANY) as many, table(kind, server, folder, FEW) as few:
                for sweep in SWEEPS:
                    figures += _figures(sweep, name, *rounds((many, few), sweep))
    return figures


def _figures(sweep: Sweep, name: str, many: Measured, few: Measured) -> list[Figure]:
    growth = median(large / small for large, small in zip(many.ours, few.ours, strict=True))
    nothing = median(many.nothing)
    return [
        Figure(
            f"{sweep.name} of {ENDED:,} of {MANY:,}, {name}", f"{median(many.ours):.1f} ms",
            f"bare SQL: {median(many.hand):.1f} ms", f"{many.ratio:.2f}", f"≤ {RATIO_MAX}", many.ratio <= RATIO_MAX,
        ),
        Figure(
            f"  … of {FEW:,}", f"{median(few.ours):.1f} ms", f"bare SQL: {median(few.hand):.1f} ms", f"{few.ratio:.2f}",
            f"the same: {MANY:,} cost {growth:.2f} (≤ {GROWTH_MAX}) × {FEW:,}", growth <= GROWTH_MAX,
        ),
        Figure("  … nothing due", f"{nothing:.2f} ms", "", "", f"< {NOTHING_MS_MAX:.0f} ms", nothing < NOTHING_MS_MAX),
    ]  # fmt: skip
