"""A whole service for stories: processes from the Procfile, a database and a Redis of their own, and a town around them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

from cli.places import ROOT
from cli.supervisor import Supervisor
from core import catalog, config, migrations, network
from core.app import open_app
from core.money import Money
from sim.africastalking import AfricasTalking
from sim.daraja import Daraja
from sim.mobile_money import MobileMoney
from sim.routeros import VirtualRouter
from tests import services
from tests.journeys.processes import Said
from tests.journeys.running import PRICE_MINOR, WORKERS, RunningTown
from tests.services import PostgresServer, RedisServer
from tests.town import Town, open_shop


@contextmanager
def open_running_town(kind: str, folder: Path, key_file: Path) -> Iterator[RunningTown]:
    """Start everything on a database of this kind, sell a package, set up the router; stop everything afterwards."""
    with ExitStack() as stack:
        redis_server = stack.enter_context(services.redis_server())
        postgres = stack.enter_context(services.own_postgres_server()) if kind == "postgresql" else None
        money = stack.enter_context(MobileMoney())
        africastalking = AfricasTalking().start()
        stack.callback(africastalking.stop)
        daraja = Daraja(money).start()
        stack.callback(daraja.stop)
        router = stack.enter_context(VirtualRouter(identity="market", username="duka", password="router-pass"))
        wanted = _configuration(folder, key_file, redis_server, postgres)
        app = open_app(config.load(**wanted))
        stack.callback(app.close)
        migrations.upgrade(app.engine)
        said = Said()
        supervisor = Supervisor(
            ROOT / "Procfile", env=_environment(folder, wanted), cwd=ROOT, scale={"worker": WORKERS}, on_line=said
        )
        town = RunningTown(
            app, redis_server, postgres, supervisor, said, (f"http://127.0.0.1:{wanted['ussd']['port']}", wanted["public_url"]),
            (wanted["radius"]["auth_port"], wanted["radius"]["acct_port"]), router, africastalking, money, daraja,
        )  # fmt: skip
        town.shop = open_shop(cast(Town, town), "kiosk", "Kiosk Net")
        _furnish(town)
        stack.callback(supervisor.stop)
        supervisor.start()
        town.wait_until_open()
        app.world(town.shop.tenant_id).payments["daraja"].register_urls(  # type: ignore[attr-defined]
            f"{town.shop.hooks_url}/validate", town.shop.hooks_url
        )
        yield town


def _furnish(town: RunningTown) -> None:
    """Three hours for 20 shillings, and a router that asks our RADIUS."""
    with town.app.work(town.shop.tenant_id) as uow:
        catalog.publish(
            uow, code="3H", name="3 hours", price=Money(PRICE_MINOR, "KES"), duration_seconds=3 * 3600,
            upload_kbps=2000, download_kbps=5000,
        )  # fmt: skip
        row = network.add_router(
            uow, name="market", host="127.0.0.1", username="duka", password="router-pass", nas_address="127.0.0.1",
            api_port=town.router.api_port, api_tls=False, coa_port=town.router.coa_port,
        )  # fmt: skip
        secret, mac_password = row.radius_secret, row.mac_auth_password
    town.router.set_up_hotspot("127.0.0.1", *town.radius_ports, secret, mac_password)


def _configuration(
    folder: Path, key_file: Path, redis_server: RedisServer, postgres: PostgresServer | None
) -> dict[str, Any]:
    """What `config.toml` says, with free ports everywhere."""
    web_ports = [services.free_port(), services.free_port()]
    radius_ports = [services.free_port(socket.SOCK_DGRAM), services.free_port(socket.SOCK_DGRAM)]
    return {
        "database": {"url": postgres.url if postgres is not None else f"sqlite:///{folder / 'duka.db'}"},
        "redis": {"url": redis_server.url},
        "secrets": {"key": f"file:{key_file}"},
        "public_url": f"http://127.0.0.1:{web_ports[1]}",
        "ussd": {"port": web_ports[0]},
        "portal": {"port": web_ports[1]},
        "radius": {"auth_port": radius_ports[0], "acct_port": radius_ports[1]},
    }


def _environment(folder: Path, wanted: dict[str, Any]) -> dict[str, str]:
    """A configuration file of its own, and compiled modules kept, as an installation has them: restarts take a second."""
    tables = {name: table for name, table in wanted.items() if isinstance(table, dict)}
    text = [f'public_url = "{wanted["public_url"]}"']
    for name, table in tables.items():
        text += [f"[{name}]", *(f"{key} = {value!r}".replace("'", '"') for key, value in table.items())]
    file = folder / "config.toml"
    file.write_text("\n".join(text) + "\n", encoding="utf-8")
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DUKA_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return inherited | {"DUKA_CONFIG": str(file), "PYTHONPYCACHEPREFIX": str(folder.parent / "compiled")}
