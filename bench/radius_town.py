"""A hundred thousand devices that have paid, routers that ask for them, and four servers over the same rows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, delete, func, insert, select, text, update

from bench.measure import cpu_seconds
from bench.processes import ROOT, process
from bench.shop import Shop, mac, open_shop
from core import customers, network
from core.phone import Msisdn
from core.radius_tables import radacct, radcheck, radius_user, radpostauth, radreply, usage_day
from core.subscriptions.models import Subscription
from tests import services
from tests.freeradius_server import FreeRadius, freeradius_server, stock_server
from tests.services import PostgresServer

DEVICES = 100_000
ROUTERS = 24
SECRET, MAC_PASSWORD = "bench-secret", "bench-mac-word"
SOCKETS = 32
"""Of all routers together that ask at a time."""
QUOTA_BYTES = 10**13
OTHERS = 5_000
RATE, INTERIM = "2M/5M", "300"
CHUNK = 10_000
READY_SECONDS_MAX = 20
LOG_SECONDS_MAX = 60.0
BOOKS_SECONDS_MAX, BOOKS_LOOK_SECONDS = 60.0, 0.02


@dataclass
class Server:
    """A running server and everything that works for it."""

    name: str
    auth_port: int
    acct_port: int
    shop: Shop
    pids: dict[str, int]
    """Its own processes: the server and what works beside it. The database's is apart."""
    postgres: PostgresServer | None = None
    stock: bool = False
    routers: list[dict[str, str]] = field(default_factory=lambda: routers())
    engine: Engine | None = None
    """Of a database of its own; None: the shop's."""

    @property
    def books(self) -> Engine:
        """Where it writes."""
        return self.engine or self.shop.app.engine

    def play(self, kind: str, **job: Any) -> dict[str, Any]:
        """Let the load generator play; what it saw, and how many processors everybody kept busy meanwhile.

        The clock runs until every report is in the books, not only answered: `rate` is that of the whole.
        """
        port = self.acct_port if kind == "accounting" else self.auth_port
        whole = {"kind": kind, "port": port, "routers": self.routers[:8], "first": 0, "count": DEVICES}
        whole |= {"signed": not self.stock, "sockets": SOCKETS // len(self.routers[:8])} | job
        before = self._cpu()
        with subprocess.Popen(
            [sys.executable, "-m", "bench.radius_load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as load:  # fmt: skip
            assert load.stdin is not None and load.stdout is not None and load.stderr is not None
            load.stdin.write(json.dumps(whole).encode() + b"\n")
            load.stdin.flush()
            told = load.stdout.readline()
            if told and kind == "accounting" and not self.stock:
                self._wait_for_books(json.loads(told)["bytes"])
            done, after = time.perf_counter(), self._cpu()
            said, errors = load.communicate(b"\n")
        if load.returncode:
            raise RuntimeError(f"{self.name}: the load was not played: {errors.decode(errors='replace')[-600:]}")
        seen: dict[str, Any] = json.loads(said)
        whole_seconds = max(seen["seconds"], 0.001)
        if kind == "accounting" and not self.stock:
            whole_seconds += done - json.loads(told)["ended_at"]
        seen["answers_rate"], seen["rate"] = seen["rate"], seen["answered"] / whole_seconds
        seen["busy"] = {who: (after[who] - before[who]) / whole_seconds for who in before}
        seen["busy"]["load"] = seen["cpu_seconds"] / max(seen["seconds"], 0.001)
        if seen["forged"] or seen["answered"] != seen["asked"]:
            raise RuntimeError(
                f"{self.name}, {kind}: {seen['asked']} asked, {seen['answered']} answered, {seen['forged']} not genuine"
            )
        return seen

    def _cpu(self) -> dict[str, float]:
        busy = {who: cpu_seconds(pid) for who, pid in self.pids.items()}
        if self.postgres is not None and self.postgres.process is not None:
            busy["PostgreSQL"] = cpu_seconds(self.postgres.process.pid)
        return busy

    def _wait_for_books(self, told: int) -> None:
        """Until what was told is known. Whether all of it is right is looked at afterwards."""
        deadline = time.monotonic() + BOOKS_SECONDS_MAX
        total = select(func.sum(radacct.c.acctinputoctets + radacct.c.acctoutputoctets))
        with self.books.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while int(connection.execute(total).scalar() or 0) < told and time.monotonic() < deadline:
                time.sleep(BOOKS_LOOK_SECONDS)

    # ---- before and after ----------------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """Books as on an ordinary evening: others are on, nothing is left of earlier rounds, nor for the disk to do."""
        engine = self.books
        with engine.begin() as connection:
            for table in (radacct, radpostauth) if self.stock else (radacct, radpostauth, usage_day):
                connection.execute(text(f"TRUNCATE {table.name}") if self.postgres else delete(table))
            if not self.stock:
                connection.execute(update(Subscription).where(Subscription.used_bytes > 0).values(used_bytes=0))
            connection.execute(insert(radacct), others(self.shop.app.clock.now()))
        if self.postgres is not None:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE radacct"))
                for name in () if self.stock else ("subscription", "radius_nas", "sighting", "radius_report"):
                    connection.execute(text(f"VACUUM ANALYZE {name}"))
                connection.execute(text("CHECKPOINT"))
        else:
            raw = engine.raw_connection()
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            raw.close()

    def logged(self, wanted: int) -> int:
        """How many lines the log has, once it has as many as wanted or no more come."""
        deadline, found, grew_at = time.monotonic() + LOG_SECONDS_MAX, -1, time.monotonic()
        while found < wanted and time.monotonic() < min(deadline, grew_at + 10):
            with self.books.connect() as connection:
                now = int(connection.execute(select(func.count()).select_from(radpostauth)).scalar_one())
            if now != found:
                found, grew_at = now, time.monotonic()
            time.sleep(0.1)
        return found

    def rejects_logged(self) -> int:
        """How many lines the log has about those who were not let in."""
        with self.books.connect() as connection:
            rejects = select(func.count()).where(radpostauth.c.reply.like("Access-Reject%"))
            return int(connection.execute(rejects).scalar_one())

    def accounted(self) -> tuple[int, int]:
        """Bytes in all sessions, and bytes charged."""
        with self.books.connect() as connection:
            sessions = connection.execute(
                select(func.sum(radacct.c.acctinputoctets) + func.sum(radacct.c.acctoutputoctets))
            ).scalar()
            charged = 0 if self.stock else connection.execute(select(func.sum(Subscription.used_bytes))).scalar()
        return int(sessions or 0), int(charged or 0)


def others(now: datetime) -> list[dict[str, Any]]:
    """Sessions that are on and say nothing meanwhile. In an empty table databases choose plans that no evening would see."""
    return [
        {
            "acctsessionid": f"old{n}", "acctuniqueid": f"{n:032x}", "username": f"old{n}", "nasipaddress": "127.0.9.9",
            "acctstarttime": now, "acctupdatetime": now, "acctsessiontime": 0, "acctinputoctets": 0, "acctoutputoctets": 0,
            "callingstationid": f"old{n}", "calledstationid": "", "acctterminatecause": "",
        }
        for n in range(OTHERS)
    ]  # fmt: skip


def routers() -> list[dict[str, str]]:
    """Routers on loopback, all with one secret so that a stock server can know them as one network."""
    return [{"address": f"127.0.1.{n}", "secret": SECRET, "password": MAC_PASSWORD} for n in range(1, ROUTERS + 1)]


def fill(shop: Shop) -> None:
    """Every device has time and data left, and rows as `radius_rows` writes them; and a password in them, which the stock
    server needs and ours do not mind."""
    now = shop.app.clock.now()
    later = now + timedelta(days=30)
    with shop.app.work(shop.tenant_id) as uow:
        who = customers.recognise(uow, Msisdn("+254712000000"), "en").id
        for each in routers():
            network.add_router(
                uow, name=f"r{each['address']}", host=each["address"], username="duka", password="x",
                nas_address=each["address"], radius_secret=SECRET, mac_auth_password=MAC_PASSWORD,
            )  # fmt: skip
    for first in range(0, DEVICES, CHUNK):
        numbers = range(first, first + CHUNK)
        with shop.app.engine.begin() as connection:
            connection.execute(
                insert(Subscription),
                [
                    {
                        "id": n + 1, "tenant_id": shop.tenant_id, "customer_id": who, "package_id": 1, "starts_at": now,
                        "begun_at": now, "ends_at": later, "over_at": later, "quota_bytes": QUOTA_BYTES, "used_bytes": 0,
                        "device_limit": 1,
                    }
                    for n in numbers
                ],
            )  # fmt: skip
            connection.execute(  # many rows per statement: on PostgreSQL each writes the cards of its names
                insert(radius_user).returning(radius_user.c.username),
                [
                    {"username": mac(n), "tenant_id": shop.tenant_id, "subscription_id": n + 1, "metered": True}
                    for n in numbers
                ],
            )
            checks = (("Expiration", str(int(later.timestamp()))), ("Cleartext-Password", MAC_PASSWORD))
            replies = (("Mikrotik-Rate-Limit", RATE), ("Acct-Interim-Interval", INTERIM), ("Class", "duka:{}"))
            for table, pairs in ((radcheck, checks), (radreply, replies)):
                connection.execute(
                    insert(table).returning(table.c.id),
                    [
                        {"username": mac(n), "attribute": name, "op": ":=", "value": value.format(n + 1)}
                        for n in numbers for name, value in pairs
                    ],
                )  # fmt: skip
    with shop.app.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


@contextmanager
def filled_shop(url: str, redis_url: str, folder: Path) -> Iterator[Shop]:
    """The ISP in an empty database with tables."""
    folder.mkdir(exist_ok=True)
    shop = open_shop(url, redis_url, folder)
    try:
        fill(shop)
        yield shop
    finally:
        shop.app.close()


@contextmanager
def embedded(name: str, shop: Shop, folder: Path, postgres: PostgresServer | None) -> Iterator[Server]:
    """`python -m radius` on this shop's database."""
    auth, acct = services.free_port(), services.free_port()
    env = {
        "DUKA_DATABASE__URL": shop.app.engine.url.render_as_string(hide_password=False),
        "DUKA_SECRETS__KEY": f"file:{folder}/duka.key", "DUKA_RADIUS__HOST": "127.0.0.1",
        "DUKA_RADIUS__AUTH_PORT": str(auth), "DUKA_RADIUS__ACCT_PORT": str(acct),
    }  # fmt: skip
    log = folder / f"{name.replace(' ', '-')}.log"
    with process(["-m", "radius"], env, log) as running:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while "radius.started" not in log.read_text(errors="replace"):
            if time.monotonic() > deadline or running.poll() is not None:
                raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.1)
        yield Server(name, auth, acct, shop, {"server": running.pid}, postgres)


def _free(name: str, server: FreeRadius, shop: Shop, postgres: PostgresServer, *, stock: bool = False) -> Server:
    processes = {"server": server.process, "collector": server.collector}
    pids = {who: each.pid for who, each in processes.items() if each is not None}
    return Server(name, server.auth_port, server.acct_port, shop, pids, postgres, stock)


@contextmanager
def ours(shop: Shop, postgres: PostgresServer) -> Iterator[Server]:
    """FreeRADIUS with our configuration."""
    url, key = shop.app.engine.url.render_as_string(hide_password=False), shop.app.settings.secrets.key
    with freeradius_server(url, key=key) as server:
        yield _free("FreeRADIUS", server, shop, postgres)


@contextmanager
def stock(shop: Shop, postgres: PostgresServer) -> Iterator[Server]:
    """Debian's FreeRADIUS with its stock SQL configuration, on its own schema on the same PostgreSQL: the yardstick."""
    with services.postgres_database(postgres.url) as url, stock_server(url) as server:
        engine = create_engine(url)
        with engine.begin() as connection, shop.app.engine.connect() as source:
            for table in (radcheck, radreply):
                rows = [
                    {"username": name, "attribute": attribute, "op": op, "value": value}
                    for _, name, attribute, op, value in source.execute(select(table).order_by(table.c.id))
                ]
                connection.execute(insert(table), rows)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        known = _free("stock FreeRADIUS", server, shop, postgres, stock=True)
        known.engine = engine
        known.routers = [{"address": "127.0.0.1", "secret": server.secret, "password": MAC_PASSWORD}]  # all it knows
        try:
            yield known
        finally:
            engine.dispose()
