"""A router's record: changed, given a tunnel, backed up and forgotten, with RADIUS kept in step."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import func, select, text

from core import network, tenants
from core.audit import AuditEntry
from core.config import Settings, Tunnel
from core.errors import Refusal
from core.network import Backup, Knock, Layout, NoTunnel, RouterExists, Sighting
from core.network.backups import NoSuchBackup
from core.network.models import Outage, RouterInstall
from core.network.models import Tunnel as TunnelRow
from core.network.tunnels import BadKey, NoTunnels, SubnetFull, TunnelExists, TunnelInUse
from core.radius_tables import nas, radius_nas
from tests.core.kit import Shop, open_shop

SCHEMA = Path(__file__).parents[2] / "sim" / "routeros" / "data"


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    tunnelled = settings.model_copy(update={"tunnel": Tunnel(host="vpn.example", subnet="10.77.0.0/29")})
    made = open_shop(tunnelled)
    add(made, "market", "10.9.0.2")
    yield made
    made.app.close()


def add(shop: Shop, name: str, address: str, **more: object) -> None:
    with shop.work() as uow:
        network.add_router(
            uow, name=name, host=address, username="duka", password=f"pass-{name}", nas_address=address, **more
        )


# ---- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "host", "nas_address"),
    [("market", "10.9.0.3", "10.9.0.3"), ("lake", "10.9.0.2", "10.9.0.3"), ("lake", "10.9.0.3", "10.9.0.2")],
)
def test_two_routers_with_one_name_or_address_are_refused(shop: Shop, name: str, host: str, nas_address: str) -> None:
    with pytest.raises(RouterExists), shop.work() as uow:
        network.add_router(uow, name=name, host=host, username="u", password="p", nas_address=nas_address)


def test_another_isp_may_use_the_name_and_not_the_address(shop: Shop) -> None:
    other = open_shop(shop.app.settings, "other", shop.app)
    add(other, "market", "10.9.0.3")
    with pytest.raises(RouterExists), other.work() as uow:
        network.add_router(uow, name="lake", host="10.9.0.2", username="u", password="p", nas_address="10.9.0.4")


def test_a_new_address_counts_for_radius_too_and_the_certificate_is_learnt_anew(shop: Shop) -> None:
    with shop.work() as uow:
        network.pin_certificate(uow, network.find_router(uow, "market"), "a" * 64)
    with shop.work() as uow:
        found = network.find_router(uow, "market")
        network.change_router(uow, found, name="harbour", host="10.9.0.7", nas_address="10.9.0.7")
    with shop.work() as uow:
        found = network.find_router(uow, "harbour")
        (client,) = network.nas_clients(uow)
    assert (client.address, client.secret) == ("10.9.0.7", found.radius_secret)
    assert found.certificate_sha256 is None


def test_an_address_that_somebody_has_or_that_is_none_is_refused(shop: Shop) -> None:
    add(shop, "lake", "10.9.0.3")
    for address in ("10.9.0.3", "somewhere"):
        with pytest.raises(Refusal), shop.work() as uow:
            network.change_router(uow, network.find_router(uow, "market"), nas_address=address)


def test_the_audit_says_that_a_password_was_changed_and_not_to_what(shop: Shop) -> None:
    with shop.work() as uow:
        network.change_router(uow, network.find_router(uow, "market"), password="new-secret", username="admin")
    with shop.work() as uow:
        line = uow.session.scalars(select(AuditEntry).where(AuditEntry.event == "router.changed")).one()
    assert line.facts["changed"] == ["password", "username"]
    assert "new-secret" not in json.dumps(line.facts)


def test_every_router_has_a_key_of_its_own_for_its_login_page(shop: Shop) -> None:
    add(shop, "lake", "10.9.0.3")
    with shop.work() as uow:
        keys = {row.public_key for row in network.routers(uow)}
    assert {len(key) for key in keys} == {32}
    assert len(keys) == 2


@pytest.mark.parametrize(
    "bad",
    [
        {"ssid": ""}, {"ssid": "x" * 33}, {"ssid": "ü" * 17}, {"ssid": "a\nb"}, {"lan_address": "10.0.0.1.2"},
        {"lan_pool": "10.20.0.2-10.20.0.9"}, {"lan_address": "10.20.0.1/24", "lan_pool": "10.20.0.1-10.20.0.9"},
        {"lan_address": "10.20.0.1/24", "lan_pool": "10.21.0.2-10.21.0.9"}, {"dns_name": "wifi"}, {"wan_interface": "a b"},
        {"scope": "all"}, {"lan_address": "10.20.0.1/24", "lan_pool": "10.20.0.9-10.20.0.2"},
    ],
)  # fmt: skip
def test_a_layout_that_cannot_be_is_refused(bad: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Layout.model_validate(bad)


def test_forgetting_a_router_leaves_nothing_of_it(shop: Shop) -> None:
    with shop.work() as uow:
        found = network.find_router(uow, "market")
        network.give_tunnel(uow, found)
        network.keep_backup(uow, found, "# x by RouterOS\n/ip hotspot\n")
        uow.add(Outage(router_id=found.id, began_at=uow.now))
    with shop.work() as uow:
        network.remove_router(uow, network.find_router(uow, "market"))
    with shop.work() as uow:
        for kind in (TunnelRow, Outage, Backup, Sighting, RouterInstall):
            assert uow.session.scalar(select(func.count()).select_from(kind)) == 0
        for table in (nas, radius_nas):
            assert uow.session.scalar(select(func.count()).select_from(table)) == 0


def test_a_device_that_is_seen_while_its_router_is_forgotten_is_forgotten_with_it(shop: Shop) -> None:
    failures: list[Exception] = []
    with shop.work() as uow:
        router_id = network.find_router(uow, "market").id

    def forget() -> None:
        try:
            with shop.work() as uow:
                network.remove_router(uow, network.router(uow, router_id))
        except Exception as error:  # noqa: BLE001 (whatever it is, the assertion below shows it)
            failures.append(error)

    with shop.app.work(None) as uow:
        network.knocked(uow, [Knock(router_id, "A4:77:33:10:20:01", uow.now)])
        forgetting = threading.Thread(target=forget)
        forgetting.start()
        forgetting.join(0.5)  # by now it stands before the router's row, or has passed over what it cannot see yet
    forgetting.join(60)
    assert failures == []
    with shop.work() as uow:
        assert network.routers(uow) == []


# ---- secrets that RADIUS reads -----------------------------------------------------------------------------------------


def test_what_radius_reads_of_a_routers_secrets_is_sealed_and_read_as_it_was_written(shop: Shop) -> None:
    with shop.work() as uow:
        raw = uow.session.execute(
            text("SELECT n.secret, r.mac_auth_password FROM nas n JOIN radius_nas r ON r.nasname = n.nasname")
        ).one()
        (client,) = network.nas_clients(uow)
        found = network.find_router(uow, "market")
    assert all(value.startswith("sealed:") for value in raw)
    assert (client.secret, client.mac_auth_password) == (found.radius_secret, found.mac_auth_password)


def test_a_secret_that_somebody_wrote_there_himself_is_taken_as_it_stands(shop: Shop) -> None:
    with shop.work() as uow:
        uow.session.execute(text("UPDATE nas SET secret = 'by hand'"))
        (client,) = network.nas_clients(uow)
    assert client.secret == "by hand"


# ---- tunnels -----------------------------------------------------------------------------------------------------------


def test_a_tunnel_has_an_address_and_keys_that_belong_together(shop: Shop) -> None:
    with shop.work() as uow:
        made = network.give_tunnel(uow, network.find_router(uow, "market"))
        assert made.private_key is not None
        key = X25519PrivateKey.from_private_bytes(base64.b64decode(made.private_key))
    assert made.address == "10.77.0.2"
    assert base64.b64encode(key.public_key().public_bytes_raw()).decode() == made.public_key


def test_addresses_are_given_once_across_isps_until_there_are_none(shop: Shop) -> None:
    other = open_shop(shop.app.settings, "other", shop.app)
    given = []
    for number in range(5):
        with (shop if number % 2 else other).work() as uow:
            made = network.add_tunnelled_router(uow, name=f"t{number}", username="duka", password="x")
            given.append((made.host, made.nas_address, made.layout.radius_address))
    assert given == [(f"10.77.0.{n}", f"10.77.0.{n}", "10.77.0.1") for n in range(2, 7)]
    with pytest.raises(SubnetFull), shop.work() as uow:
        network.add_tunnelled_router(uow, name="one more", username="duka", password="x")


def test_without_an_address_of_ours_there_are_no_tunnels(settings: Settings) -> None:
    shop = open_shop(settings)
    add(shop, "market", "10.9.0.2")
    with pytest.raises(NoTunnels), shop.work() as uow:
        network.give_tunnel(uow, network.find_router(uow, "market"))
    shop.app.close()


def test_a_router_has_one_tunnel_and_keeps_it_while_it_is_reached_by_it(shop: Shop) -> None:
    with shop.work() as uow:
        found = network.find_router(uow, "market")
        with pytest.raises(NoTunnel):
            network.take_tunnel(uow, found)
        address = network.give_tunnel(uow, found).address
        with pytest.raises(TunnelExists):
            network.give_tunnel(uow, found)
        network.change_router(uow, found, host=address)
        with pytest.raises(TunnelInUse):
            network.take_tunnel(uow, found)
        network.change_router(uow, found, host="10.9.0.2")
        network.take_tunnel(uow, found)
        assert network.tunnel_of(uow, found) is None


def test_a_key_the_router_made_replaces_ours(shop: Shop) -> None:
    own = base64.b64encode(bytes(range(32))).decode()
    with shop.work() as uow:
        found = network.find_router(uow, "market")
        network.give_tunnel(uow, found)
        network.tunnel_key_learned(uow, found, own)
        tunnel = network.must_have_tunnel(uow, found)
        assert (tunnel.public_key, tunnel.private_key) == (own, None)
        for bad in ("", "short", own + "=", own[:-4]):
            with pytest.raises(BadKey):
                network.tunnel_key_learned(uow, found, bad)


def test_our_end_names_every_peer_and_only_its_address(shop: Shop) -> None:
    add(shop, "lake", "10.9.0.3")
    with shop.work() as uow:
        first = network.give_tunnel(uow, network.find_router(uow, "market"))
        dials = network.give_tunnel(uow, network.find_router(uow, "lake"), "l2tp")
        ours = network.tunnel_server(uow)
        words = network.wireguard_config(ours, network.all_tunnels(uow), uow.installation)
        secrets = network.ppp_secrets(network.all_tunnels(uow))
    assert words.split("\n")[1:5] == [
        "[Interface]", "Address = 10.77.0.1/29", "ListenPort = 51820", f"PrivateKey = {ours.private_key}"
    ]  # fmt: skip
    assert words.count("[Peer]") == 1
    assert f"[Peer]\nPublicKey = {first.public_key}\nAllowedIPs = 10.77.0.2/32\n" in words
    assert first.private_key is not None
    assert first.private_key not in words
    assert secrets == f'"{dials.username}" * "{dials.password}" 10.77.0.3\n'


def test_a_router_with_routeros_6_is_given_what_it_can(shop: Shop) -> None:
    with shop.work() as uow:
        six = network.find_router(uow, "market")
        six.version = "6.49.18 (long-term)"
        with pytest.raises(network.NoWireGuard):
            network.give_tunnel(uow, six, "wireguard")
        assert network.give_tunnel(uow, six).kind == "l2tp"


@pytest.mark.parametrize("kind", network.KINDS)
@pytest.mark.parametrize("version", ["7.18.2", "7.21.5"])
def test_every_command_for_the_routers_end_is_one_the_router_knows(shop: Shop, kind: str, version: str) -> None:
    menus = json.loads((SCHEMA / f"routeros-schema-{version}.json").read_text())["menus"]
    with shop.work() as uow:
        tunnel = network.give_tunnel(uow, network.find_router(uow, "market"), kind)
        lines = list(network.router_commands(tunnel, network.tunnel_server(uow), uow.installation))
    assert lines
    for line in lines:
        path, _, rest = line.replace("/interface l2tp-client add", "/interface/l2tp-client/add").replace(
            "/interface sstp-client add", "/interface/sstp-client/add"
        ).partition(" ")  # fmt: skip
        menu, _, command = path.rpartition("/")
        known = menus[menu]["commands"][command]
        names = [word.partition("=")[0] for word in rest.split(" ")]
        assert [name for name in names if name not in known] == []


# ---- backups -----------------------------------------------------------------------------------------------------------

OLD = '# 2026-11-20 09:00:00 by RouterOS 7.21.5\n/ip hotspot\nadd name=a password="p w" disabled=no\n'
SAME = OLD.replace("09:00:00", "10:00:00")
NEW = SAME.replace('password="p w"', 'password="q w"').replace("name=a", "name=b")


def keep(shop: Shop, content: str) -> int:
    with shop.work() as uow:
        number = network.keep_backup(uow, network.find_router(uow, "market"), content).id
    shop.later(hours=1)
    return number


def test_the_same_configuration_is_kept_once_and_dated_anew(shop: Shop) -> None:
    assert keep(shop, OLD) == keep(shop, SAME)
    assert keep(shop, NEW) == 2
    with shop.work() as uow:
        kept = network.backups_of(uow, network.find_router(uow, "market"))
    assert [row.content for row in kept] == [NEW, OLD]


def test_as_many_are_kept_as_the_isp_says(shop: Shop) -> None:
    with shop.work() as uow:
        tenants.change_settings(uow, tenants.settings_of(uow).model_copy(update={"backups_kept": 3}))
    for number in range(5):
        keep(shop, f"/ip hotspot\nadd name=h{number}\n")
    with shop.work() as uow:
        found = network.find_router(uow, "market")
        assert [row.content[-3:-1] for row in network.backups_of(uow, found)] == ["h4", "h3", "h2"]
        with pytest.raises(NoSuchBackup):
            network.backup(uow, found, 1)


def test_a_difference_shows_lines_and_covers_secrets(shop: Shop) -> None:
    keep(shop, OLD)
    keep(shop, NEW)
    with shop.work() as uow:
        new, old = network.backups_of(uow, network.find_router(uow, "market"))
        lines = network.difference(old, new)
    assert "-add name=a password=… disabled=no" in lines
    assert "+add name=b password=… disabled=no" in lines
    assert "p w" not in "".join(lines)
