"""Rows of the virtual router's menus: references, collisions, order, what is invalid, and who may write."""

from __future__ import annotations

from collections.abc import Iterator

import librouteros
import pytest
from librouteros.exceptions import TrapError

from sim.routeros import ManualClock, Trap, VirtualRouter
from tests.adapters.test_virtual_router_kit import ByteClient

FILTER = "/ip/firewall/filter"
KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.fixture
def router() -> Iterator[VirtualRouter]:
    with VirtualRouter(password="router password", clock=ManualClock(), board="hAP ax^2") as router:
        yield router


def test_what_a_row_names_must_exist(router: VirtualRouter) -> None:
    for path, values, name in (
        ("/ip/hotspot", {"interface": "lan9"}, "interface"),
        ("/ip/hotspot", {"interface": "bridge", "profile": "nobody"}, "profile"),
        ("/ip/hotspot", {"interface": "bridge", "address_pool": "nobody"}, "address-pool"),
        ("/ip/dhcp-server", {"interface": "bridge", "address_pool": "nobody"}, "address-pool"),
        ("/ip/dhcp-server/network", {"address": "10.0.0.0/24", "dhcp_option": "nobody"}, "dhcp-option"),
        ("/interface/bridge/port", {"interface": "ether2", "bridge": "nobody"}, "bridge"),
        ("/interface/list/member", {"interface": "ether2", "list": "nobody"}, "list"),
        (FILTER, {"chain": "input", "in_interface": "nobody"}, "in-interface"),
        (FILTER, {"chain": "input", "in_interface_list": "!nobody"}, "in-interface-list"),
        ("/interface/wireguard/peers", {"interface": "bridge", "public_key": KEY, "allowed_address": "::/0"}, "interface"),
        ("/interface/wifi", {"numbers": "wifi1", "security": "nobody"}, "security"),
    ):  # fmt: skip
        command = "set" if "numbers" in values else "add"
        with pytest.raises(Trap, match=f"^input does not match any value of {name}$"):
            router.run(f"{path}/{command}", **values)


@pytest.mark.parametrize(
    ("path", "values", "text"),
    [
        ("/ip/dhcp-client", {"interface": "ether1"}, "dhcp-client on that interface already exists"),
        ("/ip/dhcp-server", {"interface": "bridge"}, "already have dhcp server on that interface"),
        ("/ip/dhcp-server/network", {"address": "10.9.0.0/24"}, "already have such network"),
        ("/ip/hotspot", {"interface": "bridge"}, "already have hotspot server on that interface"),
        ("/interface/list/member", {"interface": "ether2", "list": "all"}, "already have such entry"),
        ("/ip/pool", {"name": "p", "ranges": "10.0.0.2"}, "already have pool with such name"),
        ("/interface/bridge/port", {"interface": "ether2", "bridge": "bridge"}, "device already added as bridge port"),
    ],
)
def test_what_stands_there_already_is_told_so(
    router: VirtualRouter, path: str, values: dict[str, str], text: str
) -> None:
    router.run(f"{path}/add", **values)
    with pytest.raises(Trap, match=text):
        router.run(f"{path}/add", **values)
    assert sum(row.get("dynamic") != "true" for row in router.rows(path)) == 1


@pytest.mark.parametrize(
    ("path", "values", "name"),
    [
        (FILTER, {"chain": "input", "dst_port": "80,99999"}, "dst-port"),
        (FILTER, {"chain": "input", "src_address": "10.0.0.9-10.0.0.1"}, "src-address"),
        ("/ip/dhcp-server/network", {"address": "10.0.0.0"}, "address"),
        ("/ip/dhcp-server/network", {"address": "10.0.0.0/24", "gateway": "gateway"}, "gateway"),
        ("/ip/dns", {"servers": "1.1.1.1,dns"}, "servers"),
        ("/interface/wireguard", {"name": "w", "private_key": "short"}, "private-key"),
        ("/ip/service", {"numbers": "api", "address": "10.0.0.0/33"}, "address"),
        ("/user/group", {"name": "g", "policy": "read,fly"}, "policy"),
        (FILTER, {"chain": "input", "protocol": "tpc"}, "protocol"),
        (FILTER, {"chain": "input", "connection_state": "established,old"}, "connection-state"),
    ],
)
def test_values_that_cannot_be_are_refused(router: VirtualRouter, path: str, values: dict[str, str], name: str) -> None:
    command = "set" if path in ("/ip/dns", "/ip/service") else "add"
    with pytest.raises(Trap, match=rf"(invalid value for argument|input does not match any value of) {name}"):
        router.run(f"{path}/{command}", **values)


def chains(router: VirtualRouter) -> list[str]:
    return [row["comment"] for row in router.rows(FILTER) if row["dynamic"] == "false"]


def test_rules_keep_their_order_and_move(router: VirtualRouter) -> None:
    for comment in ("b", "c"):
        router.run(f"{FILTER}/add", chain="input", comment=comment)
    first = router.rows(FILTER)[0][".id"]
    (added,) = router.run(f"{FILTER}/add", chain="input", comment="a", place_before=first)
    assert chains(router) == ["a", "b", "c"]
    router.run(f"{FILTER}/move", numbers=added["ret"])
    assert chains(router) == ["b", "c", "a"]
    router.run(f"{FILTER}/move", numbers=added["ret"], destination=first)
    assert chains(router) == ["a", "b", "c"]
    with pytest.raises(Trap, match="no such item"):
        router.run(f"{FILTER}/add", chain="input", place_before="*99")
    assert chains(router) == ["a", "b", "c"]


def test_a_running_hotspot_has_rules_of_its_own_that_nobody_can_touch(router: VirtualRouter) -> None:
    router.run(f"{FILTER}/add", chain="input", comment="mine")
    router.run("/ip/hotspot/add", interface="bridge", name="h", disabled="no")
    rows = router.rows(FILTER)
    assert (rows[0]["dynamic"], rows[0]["jump-target"], rows[-1]["comment"]) == ("true", "hs-unauth", "mine")
    mine, theirs = rows[-1][".id"], rows[0][".id"]
    for command, values in (
        ("set", {"numbers": theirs, "comment": "x"}),
        ("remove", {"numbers": theirs}),
        ("move", {"numbers": theirs, "destination": mine}),
        ("move", {"numbers": mine, "destination": theirs}),
        ("add", {"chain": "input", "place_before": theirs}),
    ):
        with pytest.raises(Trap, match="dynamic entry"):
            router.run(f"{FILTER}/{command}", **values)
    router.run("/ip/hotspot/disable", numbers="h")
    assert [row["comment"] for row in router.rows(FILTER)] == ["mine"]


def test_builtin_rows_stay(router: VirtualRouter) -> None:
    for menu, name in (
        ("/interface/list", "all"),
        ("/user/group", "full"),
        ("/ip/hotspot/profile", "default"),
        ("/ppp/profile", "default-encryption"),
        ("/system/logging/action", "memory"),
    ):
        with pytest.raises(Trap, match="can not remove default entry"):
            router.run(f"{menu}/remove", numbers=name)


def test_a_server_on_a_bridge_port_or_without_its_interface_is_invalid(router: VirtualRouter) -> None:
    router.run("/ip/hotspot/add", interface="ether4", name="h", disabled="no")
    router.run("/ip/dhcp-server/add", interface="ether4", name="d")
    assert router.plug_in("AA:BB:CC:00:00:01").mac in {row["mac-address"] for row in router.rows("/ip/hotspot/host")}
    router.run("/interface/bridge/port/add", interface="ether4", bridge="bridge")
    assert [router.rows(menu)[0]["invalid"] for menu in ("/ip/hotspot", "/ip/dhcp-server")] == ["true", "true"]
    assert router.rows("/ip/hotspot/host") == []
    router.run("/interface/bridge/port/remove", numbers=router.rows("/interface/bridge/port")[0][".id"])
    assert [router.rows(menu)[0]["invalid"] for menu in ("/ip/hotspot", "/ip/dhcp-server")] == ["false", "false"]
    assert len(router.rows("/ip/hotspot/host")) == 1


def test_a_rule_about_an_interface_that_goes_away_is_invalid(router: VirtualRouter) -> None:
    router.run("/interface/bridge/add", name="guests")
    router.run(f"{FILTER}/add", chain="input", in_interface="guests", action="drop")
    assert not router.around.admits("api", "guests")
    router.run("/interface/bridge/remove", numbers="guests")
    assert router.rows(FILTER)[0]["invalid"] == "true"
    assert router.around.admits("api", "guests")


def test_an_interface_is_one_thing_in_two_menus_and_keeps_its_friends_under_a_new_name(router: VirtualRouter) -> None:
    router.run("/ip/dhcp-client/add", interface="ether1")
    router.run("/interface/set", numbers="ether1", name="wan", comment="to the provider")
    (ethernet, *_) = router.rows("/interface/ethernet")
    assert (ethernet["name"], ethernet["default-name"], ethernet["comment"]) == ("wan", "ether1", "to the provider")
    assert router.rows("/ip/dhcp-client")[0]["interface"] == "wan"
    router.run("/interface/ethernet/set", numbers="wan", name="out", disabled="yes")
    assert router.rows("/ip/dhcp-client")[0]["interface"] == "out"
    found = next(row for row in router.rows("/interface") if row["name"] == "out")
    assert found["disabled"] == "true"
    router.run("/interface/bridge/add", name="lan")
    router.run("/interface/bridge/remove", numbers="lan")
    assert "lan" not in {row["name"] for row in router.rows("/interface")}


def test_an_address_knows_its_network_and_a_wireguard_interface_its_public_key(router: VirtualRouter) -> None:
    router.run("/ip/address/add", address="10.7.3.1/20", interface="ether3")
    assert router.rows("/ip/address")[-1]["network"] == "10.7.0.0"
    router.run("/interface/wireguard/add", name="w1")
    router.run(
        "/interface/wireguard/add", name="w2", private_key="dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
    )  # RFC 7748 §6.1
    first, second = router.rows("/interface/wireguard")
    assert second["public-key"] == "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
    assert len(first["private-key"]) == 44
    assert first["public-key"] != second["public-key"]


def test_a_group_spells_out_what_it_may_not_and_that_is_enforced(router: VirtualRouter) -> None:
    router.run("/user/group/add", name="watcher", policy="read,api,test")
    router.run("/user/add", name="eye", password="p", group="watcher")
    row = next(row for row in router.rows("/user/group") if row["name"] == "watcher")
    words = row["policy"].split(",")
    assert {"read", "api", "!write", "!ftp", "!policy"} <= set(words)
    api = librouteros.connect("127.0.0.1", "eye", "p", port=router.api_port)
    assert tuple(api.path("/ip/service"))
    for command, arguments, text in (
        ("/ip/pool/add", {"name": "p", "ranges": "10.0.0.2"}, "not enough permissions"),
        ("/user/add", {"name": "q", "password": "p", "group": "full"}, "not enough permissions"),
        ("/system/scheduler/add", {"name": "s", "on-event": ":put 1"}, "not enough permissions"),
        ("/system/reboot", {}, "not enough permissions"),
        ("/import", {"file-name": "x"}, "not enough permissions"),
        ("/tool/fetch", {"url": "http://127.0.0.1:9/x", "dst-path": "x"}, "permission denied"),
        ("/export", {"file": "x"}, "permission denied"),
    ):
        with pytest.raises(TrapError, match=text):
            tuple(api(command, **arguments))
    assert router.rows("/ip/pool") == []
    api.close()


def test_nobody_writes_a_script_that_may_do_more_than_himself(router: VirtualRouter) -> None:
    router.run("/user/group/add", name="duka", policy="read,write,api,test,ftp")
    router.run("/user/add", name="us", password="p", group="duka")
    api = librouteros.connect("127.0.0.1", "us", "p", port=router.api_port)
    with pytest.raises(TrapError, match="not enough permissions"):
        tuple(api("/system/scheduler/add", name="s", policy="read,policy", **{"on-event": ":put 1"}))
    tuple(api("/system/scheduler/add", name="s", interval="1m", **{"on-event": "/user remove [find name=admin2]"}))
    assert router.rows("/system/scheduler")[0]["policy"] == "ftp,read,write,test"
    router.run("/user/add", name="admin2", password="p", group="full")
    router.advance(61)
    assert "admin2" in {row["name"] for row in router.rows("/user")}
    assert "not enough permissions" in router.rows("/log")[-1]["message"]
    api.close()


def test_a_write_can_be_cut_off_before_or_after_it_is_done(router: VirtualRouter) -> None:
    for carried_out in (False, True):
        with ByteClient(router.api_port) as client:
            router.faults.cut_at_write(2, carried_out=carried_out)
            client.ask("/ip/pool/add", f"=name=a{carried_out}", "=ranges=10.0.0.2")
            client.ask("/ip/pool/print")
            client.say("/ip/pool/add", f"=name=b{carried_out}", "=ranges=10.0.0.2")
            assert client.is_closed()
    assert [row["name"] for row in router.rows("/ip/pool")] == ["aFalse", "aTrue", "bTrue"]
