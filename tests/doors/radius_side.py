"""A RADIUS server for a test, with one ISP behind it, and routers that ask it: pyrad, radclient and bare sockets."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pyrad import packet as wire
from pyrad.client import Client, Timeout
from pyrad.dictionary import Dictionary
from sqlalchemy import Row, create_engine, insert, select, text
from sqlalchemy.engine import make_url

import radius
from core import catalog, customers, network, subscriptions, tenants
from core.adapters.radius_rows import RadiusRows
from core.app import App, open_app
from core.clock import FrozenClock
from core.config import Settings
from core.money import Money
from core.phone import Msisdn
from core.ports import Access
from core.radius_tables import radacct, radpostauth, radreply
from core.tenants import AfricasTalkingAccount, TenantSettings
from radius.server import RadiusServer
from tests.services import eventually

MAC, OTHER_MAC = "AA:BB:CC:DD:EE:01", "AA:BB:CC:DD:EE:02"
SECRET, MAC_PASSWORD = "tunnel-secret-1", "only-the-router-knows"
SERVICE_CODE = "*384*35711#"
ANSWER_SECONDS = 5
NAMES = Dictionary(str(Path(radius.__file__).parent / "dictionary" / "dictionary"))
_NUMBERS = count(1)


@dataclass
class Ask:
    """A router as seen from the wire. `source` is its address; anything in 127.0.0.0/8 will do."""

    server: RadiusServer
    source: str = "127.0.0.1"
    secret: str = SECRET

    def login(self, user: str = MAC, password: str | None = MAC_PASSWORD, *, signed: bool = True, **more: Any) -> Any:
        """An Access-Request by PAP; the answer, or None for silence. The reply's two signatures are verified by pyrad."""
        with self._client() as client:
            request = client.CreateAuthPacket(code=wire.AccessRequest)
            values = {"User-Name": user, "Calling-Station-Id": user, "NAS-Identifier": "market"} | _named(more)
            if password is not None:
                values["User-Password"] = request.PwCrypt(password)
            return self._send(client, request, values, signed)

    def chap(self, user: str = MAC, password: str = MAC_PASSWORD, challenge: bytes | None = b"sixteen bytes..!") -> Any:
        """An Access-Request by CHAP; without `challenge` the Request Authenticator is what was answered."""
        with self._client() as client:
            request = client.CreateAuthPacket(code=wire.AccessRequest, authenticator=bytes(range(16)))
            asked = challenge if challenge is not None else request.authenticator
            answer = b"\x07" + hashlib.md5(b"\x07" + password.encode() + asked).digest()
            values: dict[str, Any] = {"User-Name": user, "Calling-Station-Id": user, "CHAP-Password": answer}
            if challenge is not None:
                values["CHAP-Challenge"] = challenge
            return self._send(client, request, values, signed=True)

    def account(self, status: str | int, session: str = "80100001", user: str = MAC, **more: Any) -> bool:
        """An Accounting-Request; whether it was confirmed."""
        with self._client() as client:
            request = client.CreateAcctPacket(code=wire.AccountingRequest)
            values = {"Acct-Status-Type": status, "User-Name": user, "Calling-Station-Id": user} | {
                "Acct-Session-Id": session, "NAS-Identifier": "market", "NAS-Port-Type": "Wireless-802.11",
            }  # fmt: skip
            return self._send(client, request, values | _named(more), signed=False) is not None

    @contextmanager
    def bare(self) -> Iterator[socket.socket]:
        """A socket at this router's address."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bare:
            bare.bind((self.source, 0))
            bare.settimeout(ANSWER_SECONDS)
            yield bare

    def login_bytes(self, user: str = MAC, password: str = MAC_PASSWORD, *, signed: bool = True) -> bytes:
        """A login as it goes over the wire, to be sent by hand and more than once."""
        request = wire.AuthPacket(wire.AccessRequest, next(_NUMBERS) % 256, self.secret.encode(), dict=NAMES)
        request["User-Name"] = request["Calling-Station-Id"] = user
        request["User-Password"] = request.PwCrypt(password)
        if signed:
            request.add_message_authenticator()
        raw: bytes = request.RequestPacket()
        return raw

    def is_answered(self) -> bool:
        """Whether the server says to this router that it is alive; tried once, without patience."""
        with self.bare() as bare:
            bare.settimeout(0.2)
            bare.sendto(sign(b"\x0c\x01\x00\x14" + os.urandom(16), self.secret), ("127.0.0.1", self.server.auth_port))
            try:
                return bool(bare.recv(4096))
            except TimeoutError:
                return False

    @contextmanager
    def _client(self) -> Iterator[Client]:
        client = Client(
            server="127.0.0.1", authport=self.server.auth_port, acctport=self.server.acct_port,
            secret=self.secret.encode(), dict=NAMES,
        )  # fmt: skip
        client.retries, client.timeout, client.enforce_ma = 1, ANSWER_SECONDS, True
        client.bind((self.source, 0))
        try:
            yield client
        finally:
            client._CloseSocket()

    def _send(self, client: Client, request: Any, values: dict[str, Any], signed: bool) -> Any:
        request.id = next(_NUMBERS) % 256
        for name, value in values.items():
            if value is not None:
                request[name] = value
        if signed:
            request.add_message_authenticator()
        else:
            request.message_authenticator = False
        try:
            return client.SendPacket(request)
        except Timeout:
            return None


def _named(more: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "-"): value for name, value in more.items()}


def words(reply: Any) -> str:
    """What the login page would show."""
    assert reply is not None, "no answer"
    return str("".join(reply.get("Reply-Message", [])))


def accepted(reply: Any) -> bool:
    assert reply is not None, "no answer"
    assert reply.code in (wire.AccessAccept, wire.AccessReject)
    return bool(reply.code == wire.AccessAccept)


@dataclass
class House:
    """The server, the ISP and its first router at 127.0.0.1."""

    app: App
    clock: FrozenClock
    server: RadiusServer
    tenant_id: int
    router_id: int
    ask: Ask = field(init=False)

    def __post_init__(self) -> None:
        self.ask = Ask(self.server)

    def pay(
        self, mac: str = MAC, *, seconds: int = 3600, quota_bytes: int | None = None, upload_kbps: int | None = 2000,
        download_kbps: int | None = 5000, used_bytes: int = 0, tenant_id: int | None = None,
    ) -> int:  # fmt: skip
        """The owner of this device has a package; its rows are written. Returns the subscription's id."""
        number = next(_NUMBERS)
        with self.app.work(tenant_id or self.tenant_id) as uow:
            who = customers.recognise(uow, Msisdn(f"+2547{number:08}"), "en")
            customers.add_device(uow, who, mac)
            package = catalog.publish(
                uow, code=f"P{number}", name=f"Package {number}", price=Money(2000, "KES"), duration_seconds=seconds,
                quota_bytes=quota_bytes, upload_kbps=upload_kbps, download_kbps=download_kbps,
            )  # fmt: skip
            granted = subscriptions.grant(uow, customer_id=who.id, package=package, purchase_id=number)
            plan = network.desired_access(uow, who.id)
            subscriptions.use(uow, granted.id, used_bytes)
        RadiusRows(self.app.engine).apply(plan.accesses)
        return granted.id

    def take_away(self, mac: str = MAC) -> None:
        """The rows of a device are gone."""
        RadiusRows(self.app.engine).apply([Access(mac, allowed=False)])

    def write_reply(self, attribute: str, value: str, mac: str = MAC) -> None:
        """Somebody writes a reply row by hand."""
        with self.app.engine.begin() as connection:
            connection.execute(insert(radreply).values(username=mac, attribute=attribute, op=":=", value=value))

    def add_router(self, address: str, secret: str, tenant_id: int | None = None) -> Ask:
        """Another router of this (or another) ISP."""
        with self.app.work(tenant_id or self.tenant_id) as uow:
            network.add_router(
                uow, name=f"router {address}", host=address, username="duka", password="x", nas_address=address,
                radius_secret=secret, mac_auth_password=MAC_PASSWORD,
            )  # fmt: skip
        return Ask(self.server, address, secret)

    def open_isp(self, slug: str) -> int:
        """Another ISP on the same installation."""
        with self.app.work(None) as uow:
            opened = tenants.open_tenant(
                uow, slug=slug, name=slug, country="KE", currency="KES", language="sw", timezone="Africa/Nairobi"
            )
        return opened.id

    def used_bytes(self, subscription_id: int) -> int:
        with self.app.work(self.tenant_id) as uow:
            return subscriptions.subscription(uow, subscription_id).used_bytes

    def sessions(self) -> list[Row[Any]]:
        """What `radacct` holds, oldest first."""
        with self.app.engine.connect() as connection:
            return list(connection.execute(select(radacct).order_by(radacct.c.radacctid)))

    def session(self) -> Row[Any]:
        """The only row of `radacct`."""
        rows = self.sessions()
        assert len(rows) == 1, rows
        return rows[0]

    def log(self) -> list[Row[Any]]:
        """What `radpostauth` holds, oldest first."""
        assert self.server.settle()
        with self.app.engine.connect() as connection:
            return list(connection.execute(select(radpostauth).order_by(radpostauth.c.id)))

    def wait_for_count(self, name: str, number: int) -> None:
        """Wait until so many packets ended in this way."""
        eventually(lambda: self.server.counts().get(name, 0) >= number, what=f"{name} in {self.server.counts()}")

    def pass_seconds(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """The database is away: PostgreSQL cuts every connection and takes no new ones, SQLite has lost a table."""
        url = self.app.engine.url
        if url.get_backend_name() == "sqlite":
            yield from _without_table(self.app)
            return
        outside = create_engine(make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT")
        try:
            with outside.connect() as connection:
                name = f'"{url.database}"'
                connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
                try:
                    connection.execute(
                        text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
                        {"name": url.database},
                    )
                    yield
                finally:
                    connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        finally:
            outside.dispose()


AWAY = ("nas", "radcheck", "radacct", "radpostauth")


def _without_table(app: App) -> Iterator[None]:
    for table in AWAY:
        with app.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {table} RENAME TO away_{table}"))
    try:
        yield
    finally:
        for table in AWAY:
            with app.engine.begin() as connection:
                connection.execute(text(f"ALTER TABLE away_{table} RENAME TO {table}"))


@contextmanager
def open_house(settings: Settings) -> Iterator[House]:
    """Start the server on this database with one ISP and one router."""
    clock = FrozenClock()
    app = open_app(settings, clock=clock)
    with app.work(None) as uow:
        tenant = tenants.open_tenant(
            uow, slug="kiosk", name="Kiosk Net", country="KE", currency="KES", timezone="Africa/Nairobi"
        )
    with app.work(tenant.id) as uow:
        account = AfricasTalkingAccount(username="kiosk", api_key="key", service_code=SERVICE_CODE)
        tenants.change_settings(uow, TenantSettings(africastalking=account))
        router = network.add_router(
            uow, name="market", host="127.0.0.1", username="duka", password="x", nas_address="127.0.0.1",
            radius_secret=SECRET, mac_auth_password=MAC_PASSWORD,
        )  # fmt: skip
    server = RadiusServer(app, "127.0.0.1", 0, 0)
    server.start()
    try:
        yield House(app, clock, server, tenant.id, router.id)
    finally:
        server.stop()
        app.close()


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    """The server with one ISP and one router, once per database."""
    with open_house(settings) as opened:
        yield opened


@dataclass(frozen=True)
class Said:
    """What radclient printed: the code of the answer and its attributes as text."""

    code: str
    attributes: dict[str, str]
    output: str


def radclient(port: int, command: str, attributes: str, secret: str = SECRET) -> Said:
    """Ask with the FreeRADIUS project's own client, which verifies what comes back. `code` is empty for silence."""
    program = shutil.which("radclient")
    assert program, "radclient is not installed (Debian: apt install freeradius-utils)"
    ran = subprocess.run(
        [program, "-x", "-r", "1", "-t", "3", f"127.0.0.1:{port}", command, secret],
        input=attributes, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    answer = ran.stdout.partition("\nReceived ")[2]
    found = re.findall(r"^\t([\w-]+) = (.*)$", answer, re.MULTILINE)
    return Said(answer.split(" ", 1)[0], {name: value.strip('"') for name, value in found}, ran.stdout + ran.stderr)


def sign(raw: bytes, secret: str = SECRET) -> bytes:
    """A correct Message-Authenticator at the end of an Access-Request made by hand."""
    length = len(raw) + 18
    raw = raw[:2] + length.to_bytes(2, "big") + raw[4:] + bytes([80, 18]) + bytes(16)
    return raw[:-16] + hmac.digest(secret.encode(), raw, "md5")


def stamp(raw: bytes, secret: str = SECRET) -> bytes:
    """The correct authenticator of an Accounting-Request made by hand."""
    return raw[:4] + hashlib.md5(raw[:4] + bytes(16) + raw[20:] + secret.encode()).digest() + raw[20:]
