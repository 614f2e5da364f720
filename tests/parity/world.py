"""Two ISPs, their routers and one database, on which a server is asked the whole table."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from core import catalog, config, customers, network, tenants
from core.app import App, open_app
from core.money import Money
from core.phone import Msisdn
from core.radius_tables import radacct, radcheck, radius_nas, radius_user, radpostauth, radreply, usage_day
from core.subscriptions.models import Subscription
from core.tenants import AfricasTalkingAccount, TenantSettings
from tests.parity import wire
from tests.parity.asking import packet_for
from tests.parity.table import INTERIM, RATE, REALM, ROUTERS, Ask, Case, Router, Rows, Silence, Spelling
from tests.services import eventually

SERVICE_CODE = "*384*35711#"
LOG_SECONDS_MAX = 20.0
KNOWN_SECONDS_MAX = 10.0
SILENCE_SECONDS = 1.0
FREE_DAYS = 400


@dataclass
class Endpoint:
    """A running server. `settle`: what it noted so far is in the database."""

    name: str
    auth_port: int
    acct_port: int
    settle: Callable[[], object] = lambda: None


@dataclass
class Outcome:
    """What became of one case at one server: the answer (or why it is none), when it was asked, and its lines in the log."""

    asked_at: datetime
    reply: wire.Reply | None = None
    error: str = ""
    log: list[str] = field(default_factory=list)


@dataclass
class World:
    """The database and its two ISPs."""

    app: App
    tenant_ids: tuple[int, int]
    customer_ids: tuple[int, int]
    package_ids: tuple[int, int]
    router_ids: dict[str, int]

    # ---- rows --------------------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Nobody has paid, nobody is on, nothing is logged, and no router has ever signed."""
        with self.app.engine.begin() as connection:
            for table in (radcheck, radreply, radius_user, radacct, radpostauth, usage_day, Subscription.__table__):
                connection.execute(delete(table))  # type: ignore[arg-type]
            connection.execute(update(radius_nas).values(demands_message_authenticator=False))

    def write(self, case: Case, now: datetime) -> None:
        """The rows of a case as of `now`."""
        with self.app.engine.begin() as connection:
            for number, rows in enumerate(case.rows):
                self._write_rows(connection, case, rows, number, now)
            for number, session in enumerate(case.sessions):
                heard = now - timedelta(seconds=session.heard_seconds_ago)
                values: dict[str, Any] = {
                    "acctsessionid": f"{case.number:x}-{number}", "acctuniqueid": f"{case.number:016x}{number:016x}",
                    "username": case.fill(session.user or case.ask.user or ""), "nasipaddress": session.router.address,
                    "acctstarttime": heard - timedelta(hours=1), "acctupdatetime": heard,
                    "acctstoptime": heard if session.stopped else None, "callingstationid": case.fill(session.calling),
                    "acctsessiontime": 3600, "acctinputoctets": 1, "acctoutputoctets": 1, "acctterminatecause": "",
                }  # fmt: skip
                connection.execute(insert(radacct).values(**values))

    def _write_rows(self, connection: Connection, case: Case, rows: Rows, number: int, now: datetime) -> None:
        name = str(case.fill(rows.name or ("{login}" if case.is_login else "{mac}"))) + (
            f"@{REALM}" if rows.isp else ""
        )
        subscription_id = case.subscription_id
        checks = list(rows.check)
        if rows.expires is not None:
            end = rows.expires if isinstance(rows.expires, str) else str(int(now.timestamp()) + rows.expires)
            checks.insert(0, ("Expiration", end))
        if rows.password is not None:
            checks.append(("Cleartext-Password", rows.password))
        replies = list(rows.reply)
        if rows.standard:
            replies = [
                ("Mikrotik-Rate-Limit", RATE), ("Acct-Interim-Interval", str(INTERIM)), ("Class", "duka:{sub}"), *replies,
            ]  # fmt: skip
        for table, pairs in ((radcheck, checks), (radreply, replies)):
            seen: set[str] = set()
            for attribute, value in pairs:
                repeats = table is radreply and attribute in seen
                seen.add(attribute)
                connection.execute(
                    insert(table).values(
                        username=name, attribute=attribute, op="+=" if repeats else ":=", value=case.fill(value)
                    )
                )
        if rows.subscribed and number == 0:
            connection.execute(
                insert(Subscription).values(
                    id=subscription_id, tenant_id=self.tenant_ids[rows.isp], customer_id=self.customer_ids[rows.isp],
                    package_id=self.package_ids[rows.isp], starts_at=now, begun_at=now,
                    ends_at=now + timedelta(days=FREE_DAYS), over_at=now + timedelta(days=FREE_DAYS), quota_bytes=rows.quota, used_bytes=rows.used, device_limit=1,
                )
            )  # fmt: skip
        if rows.user:
            connection.execute(
                insert(radius_user).values(
                    username=name, tenant_id=self.tenant_ids[rows.isp], service=rows.service,
                    subscription_id=subscription_id, metered=rows.metered, language=rows.language,
                    hours=_spelt(rows.hours, now), timezone=rows.timezone, redirects=rows.redirects, blocked=rows.blocked,
                )
            )  # fmt: skip

    # ---- asking ------------------------------------------------------------------------------------------------------

    def end_sessions(self) -> None:
        """What a story left open is closed, so that no later boot of a router closes it."""
        with self.app.engine.begin() as connection:
            connection.execute(
                update(radacct).where(radacct.c.acctstoptime.is_(None)).values(acctstoptime=datetime.now(UTC))
            )

    def greet(self, server: Endpoint, *, accounting: bool = False, signed: bool = False) -> None:
        """Every router is known to the server before anything is measured by the second."""
        with self._sockets() as sockets:
            for router in (each for each in ROUTERS if each.registered):
                greeting = Ask(user="nobody", how="ppp", router=router, signed=signed)
                raw, secret = packet_for(Case("greeting", Silence()), greeting, bytes(16), 0)
                port = server.auth_port
                if accounting:
                    secret, port = router.secret.encode(), server.acct_port
                    raw = wire.request(wire.ACCOUNTING_REQUEST, [("Acct-Status-Type", 7)], secret, signed=False)
                answer = wire.ask(sockets(router), port, raw, secret, KNOWN_SECONDS_MAX, 0.3)
                assert answer is not None, f"{server.name} does not answer {router.name} at {router.address}"

    def play(self, server: Endpoint, table: tuple[Case, ...]) -> dict[str, Outcome]:
        """Ask the whole table; what came back and what was logged, per case."""
        self.forget()
        self.greet(server)
        outcomes: dict[str, Outcome] = {}
        with self._sockets() as sockets:
            waiting: list[tuple[Case, socket.socket, bytes, bytes]] = []
            for case in table:
                outcome = outcomes[case.name] = Outcome(self._moment(case))
                self.write(case, outcome.asked_at)
                for earlier in case.before:
                    told_apart = (*earlier.change, ("Called-Station-Id", "before"))
                    raw, secret = packet_for(case, replace(earlier, change=told_apart))
                    wire.ask(sockets(earlier.router), server.auth_port, raw, secret)
                raw, secret = packet_for(case, case.ask)
                if isinstance(case.gets, Silence):
                    own = sockets.extra(case.ask.router)
                    own.sendto(raw, ("127.0.0.1", server.auth_port))
                    waiting.append((case, own, raw, secret))
                    continue
                try:
                    outcome.reply = wire.ask(sockets(case.ask.router), server.auth_port, raw, secret)
                except wire.NotTheServer as error:
                    outcome.error = str(error)
            for case, own, raw, secret in waiting:
                outcomes[case.name].reply = _late(own, raw, secret)
        self._read_log(server, table, outcomes)
        return outcomes

    def _moment(self, case: Case) -> datetime:
        if case.sharp and time.time() % 1 > 0.3:  # both servers read the machine's own clock
            time.sleep(1.01 - time.time() % 1)
        return datetime.now(UTC)

    def _read_log(self, server: Endpoint, table: tuple[Case, ...], outcomes: dict[str, Outcome]) -> None:
        """The log is written a moment after the answers: wait for the last of them."""
        server.settle()
        wanted = sum(bool(getattr(case.gets, "log", "x")) and not isinstance(case.gets, Silence) for case in table)
        by_user = {str(case.fill("{key}")): table_name(case) for case in table}
        by_key = {str(case.fill("{key}")): outcomes[case.name] for case in table}

        def arrived() -> bool:
            with self.app.engine.connect() as connection:
                rows = connection.execute(select(radpostauth).order_by(radpostauth.c.id)).all()
            for outcome in by_key.values():
                outcome.log = []
            for row in rows:
                if row.calledstationid in by_key:
                    by_key[row.calledstationid].log.append(_line(row, by_user[row.calledstationid]))
            return sum(bool(outcome.log) for outcome in by_key.values()) >= wanted

        try:
            eventually(arrived, LOG_SECONDS_MAX)
        except AssertionError:
            return  # each case tells for itself what is missing

    @contextmanager
    def _sockets(self) -> Iterator[Sockets]:
        sockets = Sockets()
        try:
            yield sockets
        finally:
            sockets.close()


class Sockets:
    """One socket per router, made when it is first asked for; and extra ones for those who wait for silence."""

    def __init__(self) -> None:
        self._known: dict[str, socket.socket] = {}
        self._all: list[socket.socket] = []

    def __call__(self, router: Router) -> socket.socket:
        if router.address not in self._known:
            self._known[router.address] = self.extra(router)
        return self._known[router.address]

    def extra(self, router: Router) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((router.address, 0))
        self._all.append(made)
        return made

    def close(self) -> None:
        for each in self._all:
            each.close()


def _late(own: socket.socket, raw: bytes, secret: bytes) -> wire.Reply | None:
    own.settimeout(SILENCE_SECONDS)
    try:
        return wire.understand(own.recv(4096), raw, secret)
    except TimeoutError:
        return None
    except wire.NotTheServer:
        return wire.Reply("an answer that cannot be verified", (), b"", False)


def table_name(case: Case) -> str | None:
    """Under which name the log must speak of a request; None for a name that has to be cut or cleaned first."""
    name = str(case.fill(case.ask.user or ""))
    plain = name.isprintable() and len(name) <= 60 and name == name.strip()
    return f"{name}{'@' + REALM if case.ask.router.isp else ''}" if plain else None


def _line(row: Any, username: str | None) -> str:
    """A line of the log; with whatever should not be in it."""
    wrong = [" (a password is kept)"] if getattr(row, "pass") else []
    if username is not None and row.username != username:
        wrong.append(f" (about {row.username!r})")
    return f"{row.reply}{''.join(wrong)}"


def _spelt(hours: str | Spelling, now: datetime) -> str:
    return hours if isinstance(hours, str) else hours(now)


@contextmanager
def open_world(settings: config.Settings) -> Iterator[World]:
    """Two ISPs with their routers in an empty database with tables."""
    app = open_app(settings)
    isps, people, packages = [], [], []
    router_ids: dict[str, int] = {}
    try:
        for number, (slug, language) in enumerate((("market", "en"), (REALM, "sw"))):
            with app.work(None) as uow:
                isp = tenants.open_tenant(
                    uow,
                    slug=slug,
                    name=slug,
                    country="KE",
                    currency="KES",
                    language=language,
                    timezone="Africa/Nairobi",
                )
                isps.append(isp.id)
            with app.work(isp.id) as uow:
                if number == 0:
                    known = AfricasTalkingAccount(username="market", api_key="key", service_code=SERVICE_CODE)
                    tenants.change_settings(uow, TenantSettings(africastalking=known))
                people.append(customers.recognise(uow, Msisdn(f"+25471234567{number}"), language).id)
                sold = catalog.publish(
                    uow, code="P", name="Package", price=Money(2000, "KES"), duration_seconds=3600, upload_kbps=2000,
                    download_kbps=5000,
                )  # fmt: skip
                packages.append(sold.id)
                for router in (each for each in ROUTERS if each.registered and each.isp == number):
                    router_ids[router.name] = add_router(uow, router)
        yield World(app, (isps[0], isps[1]), (people[0], people[1]), (packages[0], packages[1]), router_ids)
    finally:
        app.close()


def add_router(uow: Any, router: Router) -> int:
    """Register a router with the table's own secrets."""
    made = network.add_router(
        uow, name=router.name, host=router.address, username="duka", password="x", nas_address=router.address,
        radius_secret=router.secret, mac_auth_password=router.mac_password,
    )  # fmt: skip
    return int(made.id)
