# ruff: noqa: S608 (every piece of these statements is ours)
"""The expiry sweep against bare SQL that does the same: a million subscriptions, of which a thousand have just ended."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from sqlalchemy import Connection, text

from bench.figures import Figure
from bench.measure import timed_ms
from bench.shop import Shop, open_shop
from core import subscriptions
from core.app import App
from core.clock import FrozenClock
from jobs.sweeps import in_batches
from tests import services

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
MANY, FEW, ENDED = 1_000_000, 10_000, 1_000
ROUNDS = 7
SWEEP = in_batches(subscriptions.close_ended, subscriptions.BATCH + 1)
TEXT = "Your time is over. To go on, dial *384*35711# and press 1."


def run() -> list[Figure]:
    """The issue's figures, on PostgreSQL and on SQLite."""
    figures: list[Figure] = []
    for kind in ("postgresql", "sqlite"):
        medians: dict[int, float] = {}
        for size in (FEW, MANY):
            with _seeded(kind, size) as shop:
                ours, bare, idle = _measure(shop)
                medians[size] = ours
                figures.append(
                    Figure(
                        f"{kind}: {ENDED} of {size:,} subscriptions end", f"{ours:.0f} ms", f"bare SQL {bare:.0f} ms",
                        f"{ours / bare:.2f}", "≤ 2", ours <= 2 * bare,
                    )
                )  # fmt: skip
                figures.append(
                    Figure(f"{kind}: nothing due of {size:,}", f"{idle:.2f} ms", wanted="< 5 ms", met=idle < 5)
                )
        grown = medians[MANY] / medians[FEW]
        figures.append(
            Figure(
                f"{kind}: a hundred times the subscriptions, the same {ENDED}", f"{medians[MANY]:.0f} ms",
                f"{medians[FEW]:.0f} ms", f"{grown:.2f}", "about 1", grown <= 1.5,
            )
        )  # fmt: skip
    return figures


def _measure(shop: Shop) -> tuple[float, float, float]:
    """Medians in ms of the sweep, of bare SQL and of a sweep that finds nothing, taken in turns."""
    app = shop.app
    ours, bare, idle = [], [], []
    for _ in range(ROUNDS):
        ours.append(timed_ms(lambda: _expect(SWEEP(app), ENDED)))
        idle.append(timed_ms(lambda: _expect(SWEEP(app), 0)))
        _rearm(app)
        bare.append(timed_ms(lambda: _expect(_bare(app), ENDED)))
        _rearm(app)
    return median(ours), median(bare), median(idle)


def _expect(found: int, wanted: int) -> None:
    if found != wanted:
        raise AssertionError(f"{found} ended, not {wanted}")


def _bare(app: App) -> int:
    """The same rows by hand: UPDATE … RETURNING, then bulk inserts of log, promises, messages and their promises."""
    with app.engine.begin() as connection:
        update = "UPDATE subscription SET closed_at = :now WHERE closed_at IS NULL AND ends_at <= :now RETURNING id, customer_id"
        now = _instant(connection, NOW)
        rows = connection.execute(text(update), {"now": now}).all()
        raw = connection.connection.cursor()
        mark = "%s" if connection.dialect.name == "postgresql" else "?"

        def bulk(table: str, columns: str, values: list[tuple[object, ...]]) -> None:
            places = ", ".join([mark] * len(values[0]))
            raw.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", values)

        promise = "tenant_id, queue, kind, payload, created_at, due_at, attempts"
        bulk(
            "suspension",
            "tenant_id, subscription_id, customer_id, reason, at",
            [(1, r[0], r[1], "time_limit", now) for r in rows],
        )
        bulk(
            "promise", promise, [(1, "network", "SyncAccess", f'{{"customer_id": {r[1]}}}', now, now, 0) for r in rows]
        )
        bulk(
            "message", "tenant_id, key, msisdn, template, text, parts, state, created_at",
            [(1, f"ended:{r[0]}", f"+2547{r[1]:08d}", "ended_time", TEXT, 1, "queued", now) for r in rows],
        )  # fmt: skip
        ids = connection.execute(text("SELECT id FROM message WHERE state = 'queued'")).scalars().all()
        bulk("promise", promise, [(1, "messages", "SendMessage", f'{{"message_id": {i}}}', now, now, 0) for i in ids])
        raw.close()
        return len(rows)


def _instant(connection: Connection, at: datetime) -> object:
    return at if connection.dialect.name == "postgresql" else at.strftime("%Y-%m-%d %H:%M:%S.%f")


def _rearm(app: App) -> None:
    """Back to the moment before."""
    with app.engine.begin() as connection:
        connection.execute(text("UPDATE subscription SET closed_at = NULL WHERE closed_at IS NOT NULL"))
        for table in ("suspension", "promise", "message"):
            connection.execute(text(f"DELETE FROM {table}"))
    if app.engine.dialect.name == "postgresql":
        with app.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in ("subscription", "suspension", "promise", "message"):
                connection.execute(text(f"VACUUM {table}"))


@contextmanager
def _seeded(kind: str, size: int) -> Iterator[Shop]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="duka-bench-")))
        if kind == "postgresql":
            url = stack.enter_context(services.postgres_server())
        else:
            url = f"sqlite:///{folder / 'bench.db'}"
        services.create_tables(url)
        shop = open_shop(url, "redis://127.0.0.1:9/0", folder)
        stack.callback(shop.app.close)
        shop.app.clock = FrozenClock(NOW)
        _fill(shop, size)
        yield shop


def _fill(shop: Shop, size: int) -> None:
    """One package, one customer per subscription; the first ENDED ended a second ago, the rest end within a month."""
    with shop.app.engine.begin() as connection:
        series = (
            f"generate_series(1, {size}) AS n"
            if connection.dialect.name == "postgresql"
            else f"(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {size}) SELECT n FROM c)"
        )
        digits = "lpad(CAST(n AS text), 8, '0')" if connection.dialect.name == "postgresql" else "printf('%08d', n)"
        begun, over = NOW - timedelta(hours=3), NOW - timedelta(seconds=1)
        times = {"begun": _instant(connection, begun), "over": _instant(connection, over), "tenant": shop.tenant_id}
        package = connection.execute(text("SELECT min(id) FROM package")).scalar()
        connection.execute(
            text(
                "INSERT INTO customer (id, tenant_id, msisdn, msisdn_hash, account_code, language, created_at) "
                f"SELECT n, :tenant, '+2547' || {digits}, {digits}, {digits}, CASE WHEN n % 2 = 0 THEN 'sw' ELSE 'en' END, :begun "
                f"FROM {series}"
            ),
            times,
        )
        later = (
            "CAST(:over AS timestamptz) + n * interval '2 seconds'"
            if connection.dialect.name == "postgresql"
            else "strftime('%Y-%m-%d %H:%M:%f000', :over, '+' || (n * 2) || ' seconds')"
        )
        connection.execute(
            text(
                "INSERT INTO subscription (tenant_id, customer_id, package_id, starts_at, ends_at, begun_at, used_bytes, device_limit) "
                f"SELECT :tenant, n, {package or 1}, :begun, CASE WHEN n <= {ENDED} THEN :over ELSE {later} END, :begun, 0, 1 FROM {series}"
            ),
            times,
        )
    with shop.app.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
