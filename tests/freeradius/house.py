"""An ISP, its router and its customers in a database; and asking a FreeRADIUS as that router would."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, text

from core import config, network, tenants
from core.app import App, open_app
from core.network import Router
from core.radius_tables import radcheck, radius_user, radpostauth, radreply
from tests.freeradius_server import FreeRadius

MAC, OTHER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
SECRET, MAC_PASSWORD = "the-tunnel-secret", "only-the-router-knows"
RADCLIENT = ("radclient", "-x", "-r", "1")


@dataclass
class House:
    """The ISP of these tests."""

    app: App
    tenant_id: int
    router_id: int

    @property
    def url(self) -> str:
        return self.app.settings.database.url

    @contextmanager
    def rows(self) -> Iterator[Connection]:
        """The tables, to look at or to change."""
        with self.app.engine.begin() as connection:
            yield connection

    def add_router(self, name: str, address: str, secret: str = SECRET) -> int:
        with self.app.work(self.tenant_id) as uow:
            return _add_router(uow, name, address, secret)

    def change_secret(self, address: str, secret: str) -> None:
        with self.rows() as rows:
            rows.execute(
                text("UPDATE nas SET secret = :secret WHERE nasname = :address"), {"secret": secret, "address": address}
            )

    def remove_router(self, router_id: int) -> None:
        with self.app.work(self.tenant_id) as uow:
            found = uow.by_id(Router, router_id)
            assert found is not None
            network.remove_router(uow, found)

    def pay(self, name: str = MAC, service: str = "mac", password: str | None = None, seconds: int = 3600) -> None:
        """Rows as the shop writes them."""
        ends = str(int((self.app.clock.now() + timedelta(seconds=seconds)).timestamp()))
        checks = [("Expiration", ends)] + ([("Cleartext-Password", password)] if password else [])
        replies = [("Mikrotik-Rate-Limit", "2M/5M"), ("Acct-Interim-Interval", "300"), ("Class", "duka:7")]
        with self.rows() as rows:
            for table, pairs in ((radcheck, checks), (radreply, replies)):
                rows.execute(delete(table).where(table.c.username == name))
                rows.execute(
                    insert(table),
                    [
                        {"username": name, "attribute": attribute, "op": ":=", "value": value}
                        for attribute, value in pairs
                    ],
                )
            rows.execute(delete(radius_user).where(radius_user.c.username == name))
            rows.execute(
                insert(radius_user).values(
                    username=name,
                    tenant_id=self.tenant_id,
                    service=service,
                    subscription_id=7,
                    metered=False,
                    language="en",
                )
            )

    def log(self, name: str | None = None) -> list[str]:
        """What `radpostauth` says, in order."""
        with self.rows() as rows:
            found = rows.execute(select(radpostauth).order_by(radpostauth.c.id)).all()
        return [str(row.reply) for row in found if name is None or row.username == name]

    def sessions(self) -> list[Any]:
        """The rows of `radacct`, oldest first."""
        with self.rows() as rows:
            return list(rows.execute(text("SELECT * FROM radacct ORDER BY radacctid")).all())


def _add_router(uow: Any, name: str, address: str, secret: str) -> int:
    made = network.add_router(
        uow, name=name, host=address, username="duka", password="x", nas_address=address, radius_secret=secret,
        mac_auth_password=MAC_PASSWORD,
    )  # fmt: skip
    return int(made.id)


@contextmanager
def open_house(settings: config.Settings) -> Iterator[House]:
    app = open_app(settings)
    try:
        with app.work(None) as uow:
            isp = tenants.open_tenant(
                uow, slug="shore", name="Shore", country="KE", currency="KES", language="en", timezone="Africa/Nairobi"
            )
        with app.work(isp.id) as uow:
            router_id = _add_router(uow, "market", "127.0.0.1", SECRET)
        yield House(app, isp.id, router_id)
    finally:
        app.close()


# ---- asking ------------------------------------------------------------------------------------------------------------


def login(name: str = MAC, password: str = MAC_PASSWORD, *more: str, kind: str = "User-Password") -> str:
    """A signed login of the hotspot."""
    parts = [
        f'User-Name = "{name}"', f'{kind} = "{password}"', f'Calling-Station-Id = "{MAC}"', "NAS-Identifier = market",
        *more, "Message-Authenticator = 0x00",
    ]  # fmt: skip
    return ", ".join(parts)


def ppp(name: str, password: str, kind: str = "User-Password") -> str:
    return login(name, password, "Framed-Protocol = PPP", kind=kind)


def report(
    status: str, session: str = "80000001", octets: int = 0, seconds: int = 0, *more: str, name: str = MAC
) -> str:
    """An Accounting-Request about a session."""
    parts = [
        f"Acct-Status-Type = {status}", f'Acct-Session-Id = "{session}"', f'User-Name = "{name}"',
        f'Calling-Station-Id = "{MAC}"', f"Acct-Input-Octets = {octets}", f"Acct-Session-Time = {seconds}",
        "Framed-IP-Address = 10.5.50.9", "NAS-Port-Type = Ethernet", *more,
    ]  # fmt: skip
    return ", ".join(parts)


def ask(
    server: FreeRadius,
    attributes: str,
    *,
    kind: str = "auth",
    secret: str = SECRET,
    source: str = "",
    seconds: float = 5.0,
) -> str:
    """What FreeRADIUS's own client got: `Access-Accept`, `Access-Reject`, `Accounting-Response`, or nothing for silence."""
    port = server.acct_port if kind == "acct" else server.auth_port
    line = attributes + (f", Packet-Src-IP-Address = {source}" if source else "")
    said = subprocess.run(
        [*RADCLIENT, "-t", str(seconds), f"127.0.0.1:{port}", kind, secret],
        input=f"{line}\n".encode(), capture_output=True, check=False,
    ).stdout.decode()  # fmt: skip
    received = [line for line in said.splitlines() if line.startswith("Received ")]
    return received[0].split()[1] if received else ""


def within(seconds: float, happened: Any) -> float:
    """Wait until it has happened; how long that took. AssertionError when it takes longer."""
    begun = time.monotonic()
    while not happened():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - begun
