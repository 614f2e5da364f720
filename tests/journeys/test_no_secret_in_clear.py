"""Nobody who gets hold of the database or of the logs gets hold of a router: neither says its secrets. On both databases."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from sqlalchemy import inspect

from core import network
from core.blueprint import Installation
from core.config import Tunnel
from core.errors import GatewayFailure
from core.logs import set_up
from core.tasks import BackUp
from tests.journeys.told import assert_served_once, ordered, pay
from tests.town import Town


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything the processes would log, at the most talkative level there is."""
    monkeypatch.setenv("DUKA_LOG", "DEBUG")
    monkeypatch.setattr(logging, "raiseExceptions", True)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    set_up("test")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(lines := io.StringIO())
    yield lines
    root.handlers[:], root.level = before[0], before[1]
    structlog.reset_defaults()


def everything(town: Town) -> str:
    """Every cell of every table as the database holds it; of SQLite every byte of its files, too."""
    engine = town.app.engine
    cells: list[str] = []
    with engine.connect() as connection:
        for table in inspect(engine).get_table_names():
            quoted = engine.dialect.identifier_preparer.quote(table)
            for row in connection.exec_driver_sql(f"SELECT * FROM {quoted}"):
                cells += [cell.decode("latin-1") if isinstance(cell, bytes) else str(cell) for cell in row]
    if engine.dialect.name == "sqlite":
        path = Path(str(engine.url.database))
        cells += [each.read_bytes().decode("latin-1") for each in path.parent.glob(f"{path.name}*")]
    return "\n".join(cells)


def secrets_of(town: Town) -> dict[str, str]:
    with town.app.work(town.shop.tenant_id) as uow:
        row = network.find_router(uow, "market")
        tunnel, ours = network.must_have_tunnel(uow, row), network.tunnel_server(uow)
        assert tunnel.private_key is not None
        return {
            "password": row.password, "RADIUS secret": row.radius_secret, "MAC-login secret": row.mac_auth_password,
            "tunnel key": tunnel.private_key, "our tunnel key": ours.private_key, "IPsec secret": ours.ipsec_secret,
        }  # fmt: skip


def live(town: Town) -> None:
    """A router's life: tunnel, set-up, a sale, a backup, a wrong password, an outage, a change, all with the logs on."""
    tenant_id = town.shop.tenant_id
    town.app.settings = town.app.settings.model_copy(update={"tunnel": Tunnel(host="vpn.example")})
    town.app.__dict__.pop("installation", None)
    assert isinstance(town.app.installation, Installation)
    with town.app.work(tenant_id) as uow:
        row = network.find_router(uow, "market")
        network.give_tunnel(uow, row)
        router, blueprint = network.address_of(uow, row), network.blueprint_of(uow, row)
    world = town.app.world(tenant_id)
    applied = world.planner.apply(router, blueprint)
    assert applied.stopped == ""
    with town.app.work(tenant_id) as uow:
        network.applied(uow, router.router_id, applied)
        uow.later(BackUp(router.router_id))
    town.work_off()
    ordered(town)
    pay(town)
    assert_served_once(town)
    with pytest.raises(GatewayFailure):
        world.hotspot.online(replace(router, router_id=99, password="wrong-" + router.password))
    town.router.faults.unreachable()
    town.pass_time(120)
    town.router.faults.reachable()
    town.pass_time(120)
    with town.app.work(tenant_id) as uow:
        assert len(network.backups_of(uow, network.find_router(uow, "market"))) == 1


def test_neither_the_database_nor_the_logs_say_a_secret_of_a_router(
    said: io.StringIO, town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    live(town)
    structlog.get_logger().warning("told.at.the.end", router="market", password="router-pass")
    dump = everything(town)
    out, err = capsys.readouterr()
    logs = said.getvalue() + out + err
    assert "market" in dump  # what is no secret is found there, so what is one would be
    assert "told.at.the.end" in logs
    secrets = secrets_of(town)
    assert len(set(secrets.values())) == len(secrets)
    assert [name for name, secret in secrets.items() if secret in dump] == []
    assert [name for name, secret in secrets.items() if secret in logs] == []


def test_a_line_that_cannot_be_written_is_not_shown_raw(capsys: pytest.CaptureFixture[str], said: io.StringIO) -> None:
    said.close()
    structlog.get_logger().warning("nowhere.to.go", password="router-pass")
    out, err = capsys.readouterr()
    assert "router-pass" not in out + err
