"""Phones at a virtual router set up by a script alone: address, redirect, login page, walled garden, and the internet."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from sim.routeros import ManualClock, VirtualRouter
from sim.routeros.phones import NoAnswer, Phone
from tests.adapters.test_virtual_router_kit import MAC_PASSWORD, PHONE, SECRET, StrictRadius

SSID = "Shore WiFi"
BOXES = [("7.21.5", "hAP ax^2"), ("7.18.2", "hAP ac^2"), ("6.49.18", "hAP lite")]
ON_THE_AIR = {
    "wifi": f'/interface wifi set [find default-name=wifi1] configuration.ssid="{SSID}" configuration.mode=ap disabled=no',
    "wireless": f'/interface wireless set [find default-name=wlan1] ssid="{SSID}" mode=ap-bridge disabled=no',
}
SET_UP = """
/interface bridge add name=lan
:foreach i in=[/interface find where (type="wlan" or type="wifi")] do={{
  /interface bridge port add bridge=lan interface=[/interface get $i name]
}}
{air}
/ip address add address=10.5.50.1/24 interface=lan
/ip pool add name=hs ranges=10.5.50.10-10.5.50.12
/ip dhcp-server option add name=captive code=114 value="'http://10.5.50.1/api.json'"
/ip dhcp-server add name=hs interface=lan address-pool=hs lease-time=1h disabled=no
/ip dhcp-server network add address=10.5.50.0/24 gateway=10.5.50.1 dns-server=10.5.50.1 dhcp-option=captive
/ip dhcp-client add interface=ether1 disabled=no
/ip dns set allow-remote-requests=yes
/ip firewall nat add chain=srcnat action=masquerade out-interface=ether1 comment=nat
/radius add address=127.0.0.1 secret="{secret}" service=hotspot authentication-port={auth} accounting-port={acct} timeout=1s
/ip hotspot profile add name=hs hotspot-address=10.5.50.1 dns-name=wifi.local use-radius=yes \\
  login-by=mac,http-pap mac-auth-password="{mac_password}"
/ip hotspot add name=hs interface=lan profile=hs login-timeout=30s disabled=no
/ip hotspot walled-garden ip add dst-address=127.0.0.1 protocol=tcp dst-port={portal} action=accept
/ip hotspot walled-garden ip add dst-host=pay.example dst-port=80,443 action=accept
/ip hotspot walled-garden add dst-host=*.help.example path=/faq* action=allow
"""


class World(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.headers['Host']} {self.path}".encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def world() -> Iterator[int]:
    """Whatever is out there: one server that says who was asked for what."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), World) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def radius() -> Iterator[StrictRadius]:
    with StrictRadius() as radius:
        yield radius


@pytest.fixture(params=BOXES, ids=[" ".join(box) for box in BOXES])
def router(request: pytest.FixtureRequest, radius: StrictRadius, world: int) -> Iterator[VirtualRouter]:
    version, board = request.param
    with VirtualRouter(clock=ManualClock(), version=version, board=board) as router:
        router.reset(no_defaults=True)
        router.around.plug_uplink()
        for number, name in enumerate(("news.example", "pay.example", "www.help.example")):
            router.around.internet.names[name] = f"198.51.100.{number}"
            router.around.internet.doors[f"198.51.100.{number}", 80] = ("127.0.0.1", world)
        router.run_script(
            SET_UP.format(
                air=ON_THE_AIR[router.machine.board.wifi or ""],
                secret=SECRET.decode(),
                auth=radius.auth_port,
                acct=radius.acct_port,
                mac_password=MAC_PASSWORD,
                portal=world,
            )
        )
        yield router
    assert radius.complaints == []


@pytest.fixture
def phone(router: VirtualRouter) -> Phone:
    return router.around.join(SSID, PHONE, "phone")


def why_not(phone: Phone, url: str) -> str:
    with pytest.raises(NoAnswer) as caught:
        phone.get(url)
    return str(caught.value)


def test_a_phone_gets_an_address_and_all_that_belongs_to_it(router: VirtualRouter, phone: Phone) -> None:
    assert phone.lease is not None
    assert (phone.address, phone.lease.gateway, phone.lease.dns) == ("10.5.50.10", "10.5.50.1", ("10.5.50.1",))
    assert phone.lease.options == {114: "http://10.5.50.1/api.json"}
    (lease,) = router.rows("/ip/dhcp-server/lease")
    assert (lease["mac-address"], lease["host-name"], lease["status"]) == (PHONE, "phone", "bound")
    (host,) = router.rows("/ip/hotspot/host")
    assert (host["address"], host["mac-address"], host["server"]) == ("10.5.50.10", PHONE, "hs")


def test_a_page_asked_for_becomes_the_login_page_as_it_lies_on_the_box(router: VirtualRouter, phone: Phone) -> None:
    folder = router.machine.board.file_path("hotspot")
    router.files.write(
        f"{folder}/login.html",
        b'<a href="http://portal/?mac=$(mac-esc)&to=$(link-orig-esc)">$(if error)$(error)$(endif)</a>',
    )
    reply = phone.get("http://news.example/today?x=1")
    assert (reply.status, reply.by_router) == (302, True)
    page = phone.browse("http://news.example/today?x=1")
    assert page.url.startswith("http://wifi.local/login?dst=")
    assert "mac=AA%3ABB%3ACC%3A00%3A00%3A01&to=http%3A%2F%2Fnews.example%2Ftoday%3Fx%3D1" in page.text
    refused = phone.post("http://10.5.50.1/login", {"username": "nobody", "password": "x"})
    assert "Please buy a package" in refused.text
    assert not phone.online


def test_what_is_not_a_plain_page_is_cut_off(phone: Phone) -> None:
    for url in ("https://news.example/", "http://news.example:8080/"):
        assert why_not(phone, url).startswith("reset by the hotspot")


def test_the_walled_garden_is_open_and_nothing_beside_it(phone: Phone, world: int) -> None:
    assert phone.get(f"http://127.0.0.1:{world}/pay").text == f"127.0.0.1:{world} /pay"
    assert phone.get("http://pay.example/").text == "pay.example /"
    assert phone.get("http://www.help.example/faq1").text == "www.help.example /faq1"
    assert phone.get("http://www.help.example/other").by_router
    assert why_not(phone, f"http://127.0.0.1:{world + 1 if world < 65535 else 1}/").startswith("reset")


def test_a_name_in_the_garden_stands_for_its_addresses(router: VirtualRouter) -> None:
    rows = router.rows("/ip/hotspot/walled-garden/ip")
    assert [(row.get("dst-host", ""), row.get("dst-address", ""), row.get("dynamic")) for row in rows[1:]] == [
        ("pay.example", "", None), ("", "198.51.100.1", "true"),
    ]  # fmt: skip
    router.run_script("/ip hotspot walled-garden ip remove [find dst-host=pay.example]")
    assert len(router.rows("/ip/hotspot/walled-garden/ip")) == 1


def test_the_first_garden_row_that_fits_decides(router: VirtualRouter, phone: Phone) -> None:
    router.run_script(
        "/ip hotspot walled-garden ip add dst-address=198.51.100.1 action=reject place-before=0\n"
        "/ip hotspot walled-garden add dst-host=www.help.example action=deny place-before=0"
    )
    assert phone.get("http://pay.example/").by_router
    assert phone.get("http://www.help.example/faq1").by_router


def test_after_the_login_the_world_is_open_and_the_router_says_so(
    router: VirtualRouter, phone: Phone, radius: StrictRadius
) -> None:
    radius.sign_up("code1", "pw", Session_Timeout=3600)
    before = json.loads(phone.get("http://wifi.local/api.json").text)
    reply = phone.post("http://wifi.local/login?dst=http://news.example/x", {"username": "code1", "password": "pw"})
    assert (reply.location, phone.online) == ("http://news.example/x", True)
    assert phone.browse(reply.url).text == "news.example /x"
    after = json.loads(phone.get("http://wifi.local/api.json").text)
    assert (before["captive"], after["captive"]) == (True, False)
    assert after["seconds-remaining"] == 3600
    assert "code1" in phone.get("http://wifi.local/").text
    assert [asked["Framed-IP-Address"] for asked in radius.questions][-1] == ["10.5.50.10"]
    phone.get("http://wifi.local/logout")
    assert not phone.online


def test_a_device_that_paid_is_let_in_at_first_sight(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE)
    phone = router.around.join(SSID, PHONE)
    assert phone.online
    assert phone.get("http://news.example/").text == "news.example /"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("/ip firewall nat remove [find comment=nat]", "no NAT"),
        ("/ip firewall nat set [find comment=nat] out-interface=ether2", "no NAT"),
        ("/ip firewall nat set [find comment=nat] action=accept", "no NAT"),
        ("/ip dns set allow-remote-requests=no", "answers no questions about names"),
        ("/ip dhcp-client disable [find interface=ether1]", "no way"),
        ("/ip dhcp-client set [find interface=ether1] use-peer-dns=no", "knows no name server"),
        ("/ip dhcp-client set [find interface=ether1] add-default-route=no\n/ip dhcp-client disable 0\n"
         "/ip dhcp-client enable 0", "no way"),
        ("/interface ethernet disable ether1", "no way"),
        ("/ip firewall filter add chain=forward action=drop in-interface=lan", "dropped by the forward firewall"),
        ("/ip dhcp-server network set 0 dns-server=198.51.100.77", ""),
    ],
)  # fmt: skip
def test_who_paid_gets_no_further_than_the_router(
    router: VirtualRouter, radius: StrictRadius, change: str, reason: str
) -> None:
    radius.sell(PHONE)
    router.run_script(change)
    phone = router.around.join(SSID, PHONE)
    assert phone.online
    if reason:
        assert reason in why_not(phone, "http://news.example/")
    else:
        assert phone.get("http://news.example/").text == "news.example /"


@pytest.mark.parametrize(
    "change",
    [
        "/ip dhcp-server disable hs",
        "/ip dhcp-server set hs address-pool=static-only",
        "/ip dhcp-server set hs interface=ether2",
        "/interface bridge disable lan",
    ],
)
def test_without_a_server_there_is_no_address(router: VirtualRouter, change: str) -> None:
    router.run_script(change)
    phone = router.around.join(SSID, PHONE)
    assert phone.address == ""
    assert why_not(phone, "http://news.example/") == "no address: the DHCP server gave none"


def test_a_pool_can_be_used_up_and_leases_end(router: VirtualRouter) -> None:
    phones = [router.around.join(SSID, f"AA:BB:CC:00:01:0{number}") for number in range(4)]
    assert [phone.address for phone in phones] == ["10.5.50.10", "10.5.50.11", "10.5.50.12", ""]
    phones[1].leave()
    router.advance(3601)
    assert [row["address"] for row in router.rows("/ip/dhcp-server/lease")] == ["10.5.50.10", "10.5.50.12"]
    assert router.around.join(SSID, "AA:BB:CC:00:01:09").address == "10.5.50.11"


def test_a_network_that_is_off_or_guarded_cannot_be_joined(router: VirtualRouter) -> None:
    with pytest.raises(ValueError, match="no network 'Other' is on the air"):
        router.around.join("Other", PHONE)
    if router.machine.board.wifi == "wifi":
        guard = "set wifi1 security.authentication-types=wpa2-psk security.passphrase=12345678"
        router.run_script(f"/interface wifi {guard}")
    else:
        router.run_script(
            "/interface wireless security-profiles add name=g mode=dynamic-keys wpa2-pre-shared-key=12345678\n"
            "/interface wireless set wlan1 security-profile=g"
        )
    with pytest.raises(ValueError, match="wrong passphrase"):
        router.around.join(SSID, PHONE)
    assert router.around.join(SSID, PHONE, passphrase="12345678").address
    router.run_script(f"/interface {router.machine.board.wifi} disable 0")
    assert router.around.networks == []


def test_a_cable_in_a_port_of_the_bridge_is_in_the_same_network(router: VirtualRouter) -> None:
    router.run_script("/interface bridge port add bridge=lan interface=ether3")
    assert router.around.plug_cable("ether3", PHONE).address == "10.5.50.10"
    assert router.around.plug_cable("ether4", "AA:BB:CC:00:00:77").address == ""


def test_a_device_on_another_interface_never_meets_this_hotspot(router: VirtualRouter) -> None:
    router.around.plug_cable("ether4", PHONE)
    assert router.rows("/ip/hotspot/host") == []
