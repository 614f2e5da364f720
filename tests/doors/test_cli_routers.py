"""`duka router`, `duka tunnel` and `duka key`, as somebody types them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from core import network, tenants
from core.db import vault
from sim.routeros import VirtualRouter
from tests.doors.cli_kit import OPEN, Box, make_box

PASSWORD = "right"


@pytest.fixture
def box(bare_database_url: str, redis_url: str, secrets_key: Path, tmp_path: Path) -> Iterator[Box]:
    """An ISP on a machine with a key file of its own, which the tests' own vault goes back from at the end."""
    key = tmp_path / "own.key"
    shutil.copy(secrets_key, key)
    made = make_box(tmp_path, bare_database_url, redis_url, key)
    made.does("init", *OPEN)
    yield made
    vault.unlock([secrets_key.read_text(encoding="ascii").strip()])


def hotspot(router: VirtualRouter) -> None:
    router.run("/ip/hotspot/profile/add", name="hotspot1")
    router.run("/ip/hotspot/add", name="hotspot1", interface="bridge", profile="hotspot1", disabled="no")


@pytest.fixture
def router() -> Iterator[VirtualRouter]:
    with VirtualRouter(identity="kiosk", username="duka", password=PASSWORD) as made:
        hotspot(made)
        yield made


def add(box: Box, router: VirtualRouter, *more: str, tls: bool = False) -> str:
    port = router.api_ssl_port if tls else router.api_port
    return box.does(
        "router", "add", "market", "--host", "127.0.0.1", "--api-port", str(port), "--tls" if tls else "--no-tls",
        "--no-set-up", *more, DUKA_ROUTER_PASSWORD=PASSWORD,
    )  # fmt: skip


# ---- records -----------------------------------------------------------------------------------------------------------


def test_what_is_in_the_way_is_said_with_what_to_do(box: Box, router: VirtualRouter) -> None:
    said = box.fails(
        "router", "add", "market", "--host", "127.0.0.1", "--api-port", "1", "--no-tls", "--no-set-up",
        DUKA_ROUTER_PASSWORD=PASSWORD,
    )  # fmt: skip
    assert "port 1 is closed at 127.0.0.1" in said
    assert "/ip service set api disabled=no" in said
    assert "nothing was saved" in said


def test_a_certificate_is_shown_pinned_and_changed_only_on_purpose(box: Box, router: VirtualRouter) -> None:
    assert "from now on the only one" in add(box, router, tls=True)
    shown = box.does("router", "show", "market")
    assert "certificate" in shown
    assert PASSWORD not in shown
    with VirtualRouter(identity="kiosk", username="duka", password=PASSWORD) as other:
        port = ("--api-port", str(other.api_ssl_port))
        assert "another certificate" in box.fails("router", "edit", "market", *port)
        box.does("router", "edit", "market", *port, "--accept-certificate")
        assert "answers" in box.does("router", "ping", "market")
        box.fails("router", "edit", "market", "--api-port", str(router.api_ssl_port))


def test_what_is_edited_is_tried_first(box: Box, router: VirtualRouter) -> None:
    add(box, router)
    assert "nothing was saved" in box.fails("router", "edit", "market", "--user", "nobody")
    box.does(
        "router", "edit", "market", "--name", "harbour", "--ssid", "Shore WiFi", "--dns-name", "wifi.shore.example"
    )
    shown = box.does("router", "show", "harbour")
    assert "Shore WiFi" in shown
    assert "--ssid" in box.fails("router", "edit", "harbour", "--ssid", "x" * 33)
    box.does("router", "edit", "harbour", "--wan", "ether1")
    assert "ether1" in box.does("router", "show", "harbour")
    assert "--wan:" in box.fails("router", "edit", "harbour", "--wan", "ether1; reboot")
    box.does("router", "edit", "harbour", "--wan", "")
    assert "ether1" not in box.does("router", "show", "harbour")
    router.run("/user/set", numbers="duka", password="new")
    said = box.does("router", "edit", "harbour", "--password", DUKA_ROUTER_PASSWORD="new")
    assert "changed" in said
    assert "answers" in box.does("router", "ping", "harbour")


def test_a_router_that_went_silent_shows_its_outage(box: Box, router: VirtualRouter) -> None:
    add(box, router)
    router.faults.unreachable()
    box.fails("router", "ping", "market")
    assert "offline since" in box.does("router", "show", "market")


def test_forgetting_says_what_stays_and_can_take_ours_away(box: Box, router: VirtualRouter) -> None:
    add(box, router)
    router.run("/ip/hotspot/walled-garden/ip/add", dst_address="192.0.2.1", comment="mine")
    router.run("/ip/hotspot/walled-garden/ip/add", dst_address="192.0.2.2", comment="duka:garden-x")
    router.run("/user/add", name="other", password="x", group="read", comment="duka:api")
    said = box.does("router", "delete", "market", "--yes", "--clean")
    assert "removed /ip/hotspot/walled-garden/ip duka:garden-x" in said
    assert "left /user duka:api" in said
    assert [row.get("comment") for row in router.rows("/ip/hotspot/walled-garden/ip")] == ["mine"]
    assert "no router yet" in box.does("router", "list")


def test_giving_time_back_is_a_setting(box: Box) -> None:
    box.does("settings", "general", "--credit-after", "15", "--backups-kept", "3")
    assert "15" in box.does("settings", "show")
    box.does("settings", "general", "--credit-after", "0")
    with box.work(1) as uow:
        assert tenants.settings_of(uow).credit_after_minutes is None
    assert "credit_after_minutes" in box.fails("settings", "general", "--credit-after", "-5")


# ---- backups -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["7.21.5", "6.49.18"])
def test_a_backup_is_kept_sealed_compared_and_written_out(box: Box, version: str) -> None:
    with VirtualRouter(identity="kiosk", username="duka", password=PASSWORD, version=version) as router:
        hotspot(router)
        add(box, router)
        assert "none yet" in box.does("router", "backups", "market")
        box.does("router", "backup", "market")
        assert router.rows("/file") == [row for row in router.rows("/file") if "duka-" not in row["name"]]
        router.run("/ip/hotspot/walled-garden/ip/add", dst_address="192.0.2.1", comment="by hand")
        box.does("router", "backup", "market")
    assert "no two different ones" not in box.does("router", "diff", "market")
    added = [line for line in box.does("router", "diff", "market").splitlines() if line.startswith("+")]
    assert any("192.0.2.1" in line for line in added)
    out = box.folder / "market.rsc"
    box.does("router", "backup", "market", "--to", str(out), "--number", "1")
    assert out.stat().st_mode & 0o077 == 0
    assert "hotspot" in out.read_text()
    assert "there already" in box.fails("router", "backup", "market", "--to", str(out))


# ---- tunnels -----------------------------------------------------------------------------------------------------------


def test_a_tunnel_from_the_first_word_to_the_server_file(box: Box, router: VirtualRouter) -> None:
    add(box, router)
    assert "tunnel.host" in box.fails("tunnel", "add", "market")
    env = {"DUKA_TUNNEL__HOST": "vpn.example"}
    assert "10.77.0.2" in box.does("tunnel", "add", "market", **env)
    pasted = box.does("tunnel", "show", "market", **env)
    assert "endpoint-address=vpn.example" in pasted
    folder = box.folder / "tunnel"
    box.does("tunnel", "server-config", "--folder", str(folder), **env)
    assert "AllowedIPs = 10.77.0.2/32" in (folder / "duka.conf").read_text()
    assert (folder / "duka.conf").stat().st_mode & 0o077 == 0
    assert "nothing was changed" in box.fails("tunnel", "use", "market", **env)
    box.does("tunnel", "use", "market", "--unverified", **env)
    assert "10.77.0.2" in box.does("router", "list")
    assert "duka router edit" in box.fails("tunnel", "remove", "market", **env)


@pytest.mark.parametrize(
    ("kind", "port"), [("l2tp", "UDP 500, 4500 and 1701"), ("sstp", "TCP 443")], ids=["l2tp", "sstp"]
)
def test_a_dialled_tunnel_comes_with_its_account_and_what_our_end_needs(box: Box, kind: str, port: str) -> None:
    env = {"DUKA_TUNNEL__HOST": "vpn.example"}
    with VirtualRouter(identity="kiosk", username="duka", password=PASSWORD, version="6.49.18") as router:
        hotspot(router)
        add(box, router)
        assert "has no WireGuard" in box.fails("tunnel", "add", "market", "--kind", "wireguard", **env)
        box.does("tunnel", "add", "market", *(() if kind == "l2tp" else ("--kind", kind)), **env)
        shown = box.does("tunnel", "show", "market", COLUMNS="500", **env)
        (line,) = [each for each in shown.splitlines() if each.startswith("/interface")]
        router.paste(line)
        (row,) = router.rows(f"/interface/{kind}-client")
    folder = box.folder / "tunnel"
    box.does("tunnel", "server-config", "--folder", str(folder), **env)
    user, _, password, address = (word.strip('"') for word in (folder / "chap-secrets").read_text().split())
    assert (row["connect-to"], row["user"], row["disabled"], address) == ("vpn.example", user, "false", "10.77.0.2")
    assert f'password="{password}"' in line
    assert port in shown and "its own address in there is 10.77.0.1" in shown
    assert ("/certificate import" in shown) == (kind == "sstp")


# ---- the key -----------------------------------------------------------------------------------------------------------


def test_the_key_is_exchanged_and_the_old_one_needed_no_more(box: Box, router: VirtualRouter) -> None:
    add(box, router)
    box.does("router", "backup", "market")
    key = box.folder / "own.key"
    old = key.read_text().strip()
    assert "only one key" in box.fails("key", "rotate")
    box.does("key", "add")
    assert key.stat().st_mode & 0o077 == 0
    assert "0 of them with the first key" in box.does("key", "check")
    assert "still need an older key" in box.fails("key", "drop-old")
    assert "open with the first key alone" in box.does("key", "rotate")
    box.does("key", "drop-old")
    assert old not in key.read_text()
    assert "answers" in box.does("router", "ping", "market")
    with box.work(1) as uow:
        found = network.find_router(uow, "market")
        (client,) = network.nas_clients(uow)
        assert (found.password, client.secret) == (PASSWORD, found.radius_secret)
        assert "hotspot" in network.backup(uow, found).content


def test_a_wrong_key_is_said_kindly(box: Box, router: VirtualRouter) -> None:
    add(box, router)
    key = box.folder / "own.key"
    key.write_bytes(Fernet.generate_key())
    assert "does not open what this database keeps sealed" in box.fails("router", "show", "market")
    assert "no key opens" in box.fails("key", "check")
    key.write_text("this is no key")
    assert "no key as `duka init` makes it" in box.fails("router", "show", "market")


def test_a_value_that_no_key_opens_stops_the_exchange_and_nothing_is_changed(box: Box, router: VirtualRouter) -> None:
    add(box, router)
    box.does("key", "add")
    with box.work(1) as uow:
        uow.session.execute(text("UPDATE nas SET secret = 'sealed:gAAAAA=='"))
    assert "nothing was changed" in box.fails("key", "rotate")
    said = box.fails("key", "check")
    assert "1 × nas.secret" in said


def test_staff_lends_a_device_that_waits_minutes_to_pay_in_once_a_day(box: Box, router: VirtualRouter) -> None:
    add(box, router)
    mac = "02:00:5E:10:A1:B2"
    assert "--grace-minutes" in box.fails("router", "grace", mac)
    assert "grace_minutes" in box.fails("settings", "general", "--grace-minutes", "60")
    box.does("settings", "general", "--grace-minutes", "8", "--grace-kbps", "256", "--grace-page")
    shown = box.does("settings", "show")
    assert all(
        re.search(rf"{name}\s+│?\s*{value}", shown) for name, value in (("grace_minutes", "8"), ("grace_page", "True"))
    )
    assert "No such device waits" in box.fails("router", "grace", mac)
    with box.work(1) as uow:
        network.seen(uow, network.find_router(uow, "market").id, mac)
    assert "is let in at market within half a minute, until" in box.does("router", "grace", mac.lower())
    assert "had its minutes for today" in box.fails("router", "grace", mac)
    assert "not a device address" in box.fails("router", "grace", "x; rm")
    box.does("settings", "general", "--grace-minutes", "0")
    with box.work(1) as uow:
        assert tenants.settings_of(uow).grace_minutes is None
