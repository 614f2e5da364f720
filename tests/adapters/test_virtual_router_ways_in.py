"""Ways into the virtual router: its input firewall, and tunnels under whose address its API answers."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing

import librouteros
import pytest
import routeros_api

from sim.routeros import ManualClock, VirtualRouter
from sim.routeros.dialled import Concentrator
from sim.routeros.firewall import CannotWeigh
from sim.routeros.shapes import new_private_key, public_key_of
from sim.routeros.tunnel import ServerEnd
from tests.adapters.test_virtual_router_kit import ByteClient, eventually

PASSWORD = "router password"
ENDPOINT, PORT = "203.0.113.5", 51820
SERVER, ADDRESS = "127.77.3.1", "127.77.3.2"
SERVER_KEY, ROUTER_KEY = new_private_key(), new_private_key()
CONFIG = f"""# ours
[Interface]
Address = {SERVER}/16
ListenPort = {PORT}
PrivateKey = {SERVER_KEY}

[Peer]  # the market's router
PublicKey = {public_key_of(ROUTER_KEY)}
AllowedIPs = {ADDRESS}/32
""".replace("[Peer]  # the market's router", "[Peer]\n# the market's router")
OUR_END = f"""
/interface wireguard add name=duka private-key="{ROUTER_KEY}"
/interface wireguard peers add interface=duka public-key="{public_key_of(SERVER_KEY)}" endpoint-address={ENDPOINT} \\
  endpoint-port={PORT} allowed-address={SERVER}/32 persistent-keepalive=25s
/ip address add address={ADDRESS}/16 interface=duka
/ip dhcp-client add interface=ether1 disabled=no
"""


@pytest.fixture
def router() -> Iterator[VirtualRouter]:
    with VirtualRouter(password=PASSWORD, clock=ManualClock(), board="hEX") as router:
        yield router


@pytest.fixture
def tunnelled(router: VirtualRouter) -> VirtualRouter:
    router.around.plug_uplink()
    router.around.know_server(ServerEnd.from_config(CONFIG, ENDPOINT))
    router.run_script(OUR_END)
    return router


@pytest.mark.parametrize(
    ("rules", "wan", "lan"),
    [
        ("", True, True),
        ("add chain=input action=drop in-interface=ether1", False, True),
        ("add chain=input action=accept src-address=192.0.2.0/24\nadd chain=input action=drop", True, True),
        ("add chain=input action=accept src-address=!192.0.2.0/24\nadd chain=input action=drop", False, False),
        ("add chain=input action=drop protocol=tcp dst-port=22,8728-8729", False, False),
        ("add chain=input action=drop protocol=udp", True, True),
        ("add chain=input action=drop in-interface=ether1 disabled=yes", True, True),
        ("add chain=input action=drop connection-state=established", True, True),
        ("add chain=forward action=drop", True, True),
        ("add chain=input action=jump jump-target=mine in-interface=ether1\nadd chain=mine action=return src-address=10.0.0.1\n"
         "add chain=mine action=reject", False, True),
        ("add chain=input action=passthrough\nadd chain=input action=log\nadd chain=input action=drop in-interface-list=!LAN",
         False, True),
        ("add chain=input action=drop src-address-list=strangers", False, False),
    ],
)  # fmt: skip
def test_the_first_rule_that_decides_decides(router: VirtualRouter, rules: str, wan: bool, lan: bool) -> None:
    router.run_script(
        "/interface list add name=LAN\n/interface list member add list=LAN interface=bridge\n"
        "/ip firewall address-list add list=strangers address=192.0.2.0/24\n/ip firewall filter\n" + rules
    )
    assert (router.around.admits("api", "ether1"), router.around.admits("api", "bridge")) == (wan, lan)


def test_a_service_that_is_off_or_for_others_answers_nobody(router: VirtualRouter) -> None:
    router.run_script("/ip service disable telnet\n/ip service set ssh address=10.0.0.0/8,192.168.0.0/16")
    assert not router.around.admits("telnet", "ether1")
    assert not router.around.admits("ssh", "ether1")
    assert router.around.admits("ssh", "ether1", src="192.168.3.3")


def test_what_cannot_be_weighed_is_told_and_not_guessed(router: VirtualRouter) -> None:
    router.run_script("/ip firewall filter add chain=input action=drop content=secret")
    with pytest.raises(CannotWeigh, match="content=secret"):
        router.around.admits("api", "ether1")


def test_a_rule_keeps_programs_out_or_cuts_them_off(router: VirtualRouter) -> None:
    router.around.programs_arrive_by("ether1")
    with ByteClient(router.api_port) as client:
        router.run_script("/ip firewall filter add chain=input action=drop in-interface=ether1 connection-state=new")
        assert client.rows("/system/identity/print")
        assert not answers("127.0.0.1", router.api_port)
        router.run_script('/ip firewall filter set 0 connection-state=""')
        assert client.is_closed()
    router.run_script("/ip firewall filter remove 0")
    with ByteClient(router.api_port) as client:
        assert client.rows("/system/identity/print")


def test_the_api_answers_under_the_tunnel_address(tunnelled: VirtualRouter) -> None:
    assert tunnelled.around.tunnels.addresses() == [(ADDRESS, "duka", SERVER)]
    with closing(librouteros.connect(ADDRESS, "duka", PASSWORD)) as api:
        assert [row["name"] for row in api("/system/identity/print")] == ["market"]
    pool = routeros_api.RouterOsApiPool(ADDRESS, username="duka", password=PASSWORD, plaintext_login=True)
    assert pool.get_api().get_resource("/interface/wireguard").get()[0]["name"] == "duka"
    pool.disconnect()
    assert tunnelled.rows("/interface/wireguard/peers")[0]["current-endpoint-address"] == ENDPOINT


@pytest.mark.parametrize(
    "change",
    [
        '/interface wireguard set duka private-key="{other}"',
        '/interface wireguard peers set 0 public-key="{other_public}"',
        '/interface wireguard peers set 0 preshared-key="{other}"',
        "/interface wireguard peers set 0 endpoint-port=51821",
        "/interface wireguard peers set 0 endpoint-address=203.0.113.6",
        "/interface wireguard peers set 0 allowed-address=127.77.3.9/32",
        "/interface wireguard peers disable 0",
        "/interface wireguard disable duka",
        "/ip address set [find interface=duka] address=127.77.3.3/16",
        "/ip address disable [find interface=duka]",
        "/ip dhcp-client disable [find]",
        "/interface wireguard remove duka",
    ],
)
def test_a_tunnel_with_one_thing_wrong_is_no_tunnel(tunnelled: VirtualRouter, change: str) -> None:
    other = new_private_key()
    tunnelled.run_script(change.format(other=other, other_public=public_key_of(other)))
    assert tunnelled.around.tunnels.addresses() == []
    eventually(lambda: not answers(ADDRESS), "the door closes")


def answers(address: str, port: int = 8728) -> bool:
    """Whether somebody who speaks the API is there: a stranger's first word is answered."""
    try:
        with socket.create_connection((address, port), timeout=5) as sock:
            sock.sendall(b"\x02/x\x00")
            return sock.recv(1) != b""
    except OSError:
        return False


def test_a_server_that_no_longer_knows_the_router_lets_it_fall(tunnelled: VirtualRouter) -> None:
    tunnelled.around.know_server(ServerEnd.from_config(CONFIG.replace(f"{ADDRESS}/32", "127.77.9.9/32"), ENDPOINT))
    assert tunnelled.around.tunnels.addresses() == []
    tunnelled.around.know_server(ServerEnd.from_config(CONFIG, ENDPOINT))
    assert tunnelled.around.tunnels.addresses()


def test_a_preshared_key_must_be_the_same_at_both_ends(tunnelled: VirtualRouter) -> None:
    key = new_private_key()
    tunnelled.around.know_server(ServerEnd.from_config(f"{CONFIG}PresharedKey = {key}\n", ENDPOINT))
    assert tunnelled.around.tunnels.addresses() == []
    tunnelled.run_script(f'/interface wireguard peers set 0 preshared-key="{key}"')
    assert tunnelled.around.tunnels.addresses()


@pytest.mark.parametrize("text", ["PublicKey = x", "[Interface]\nnonsense", "[Peer]\nPublicKey = x\nAllowedIPs = ::/0"])
def test_a_file_that_is_none_of_wireguards_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="WireGuard file|no \\[Interface\\]"):
        ServerEnd.from_config(text, ENDPOINT)


def test_the_firewall_sees_the_tunnels_interface_and_our_server_behind_it(tunnelled: VirtualRouter) -> None:
    tunnelled.run_script(
        f"/ip firewall filter add chain=input action=accept in-interface=duka src-address={SERVER}\n"
        "/ip firewall filter add chain=input action=drop"
    )
    with closing(librouteros.connect(ADDRESS, "duka", PASSWORD)) as api:
        assert tuple(api("/system/identity/print"))
        tunnelled.run_script("/ip service set api address=10.0.0.0/8")
        assert not answers(ADDRESS)
        tunnelled.run_script(f"/ip service set api address={SERVER}/32")
        assert answers(ADDRESS)
        tunnelled.run_script("/ip firewall filter remove [find in-interface=duka]")
        with pytest.raises((OSError, librouteros.exceptions.ConnectionClosed)):
            tuple(api("/system/identity/print"))


def test_a_tunnel_goes_down_with_the_box_and_comes_back(tunnelled: VirtualRouter) -> None:
    tunnelled.power_off()
    assert not answers(ADDRESS)
    tunnelled.power_on()
    assert answers(ADDRESS)
    tunnelled.reset(no_defaults=True)
    eventually(lambda: not answers(ADDRESS), "the door closes")


LINE = (
    f"/interface l2tp-client add name=duka connect-to={ENDPOINT} user=market password=secret use-ipsec=yes "
    "ipsec-secret=shared disabled=no\n/ip dhcp-client add interface=ether1 disabled=no"
)
SECRETS = '# client server secret address\n"market" * "secret" 127.78.3.2\n'


@pytest.mark.parametrize(
    ("change", "up"),
    [
        ("", True),
        ("/interface l2tp-client set duka password=other", False),
        ("/interface l2tp-client set duka user=other", False),
        ("/interface l2tp-client set duka use-ipsec=no", False),
        ("/interface l2tp-client set duka ipsec-secret=other", False),
        ("/interface l2tp-client set duka connect-to=203.0.113.9", False),
        ("/interface l2tp-client disable duka", False),
    ],
)
def test_a_box_without_wireguard_dials_in(change: str, up: bool) -> None:
    with VirtualRouter(password=PASSWORD, clock=ManualClock(), board="hAP lite", version="6.49.18") as router:
        router.around.plug_uplink()
        router.around.know_concentrator(Concentrator.from_secrets(SECRETS, ENDPOINT, "127.78.3.1", "shared"))
        router.run_script(f"{LINE}\n{change}")
        (line,) = router.rows("/interface/l2tp-client")
        assert line["running"] == ("true" if up else "false")
        dialled = [row["address"] for row in router.rows("/ip/address") if row["interface"] == "duka"]
        assert dialled == (["127.78.3.2/32"] if up else [])
        if up:
            assert answers("127.78.3.2")
        else:
            eventually(lambda: not answers("127.78.3.2"), "the door closes")


def test_a_line_nobody_enabled_does_not_dial() -> None:
    with VirtualRouter(clock=ManualClock()) as router:
        router.around.know_concentrator(Concentrator.from_secrets(SECRETS, ENDPOINT, "127.78.3.1"))
        router.run_script(f"/interface l2tp-client add name=duka connect-to={ENDPOINT} user=market password=secret")
        assert (router.rows("/interface/l2tp-client")[0]["disabled"], router.around.lines.addresses()) == ("true", [])
    with pytest.raises(ValueError, match="four words"):
        Concentrator.from_secrets("market secret", ENDPOINT, "127.78.3.1")


def test_another_certificate_is_another_certificate(router: VirtualRouter) -> None:
    first = router.certificate_pem
    address = ("127.0.0.1", router.api_ssl_port)
    assert ssl.get_server_certificate(address).encode() == first
    router.change_certificate()
    assert ssl.get_server_certificate(address).encode() == router.certificate_pem != first
