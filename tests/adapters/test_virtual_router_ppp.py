"""PPPoE at the virtual router: who gets in and how, what stands in its tables, and what ends a line (routeros.md §4)."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from typing import Any

import librouteros
import pytest

from sim.routeros import ManualClock, VirtualRouter
from sim.routeros.proofs import authenticator_response, challenge_response, md4, nt_hash
from tests.adapters.test_virtual_router_kit import PHONE, SECRET, StrictRadius, send_order

USER, PASSWORD, MAC = "amina.home", "s3cret wörd", "AA:BB:CC:00:00:11"
ACTIVE, QUEUES = "/ppp/active", "/queue/simple"
DISCONNECT, CHANGE = 40, 43
ACKS, NAKS = {DISCONNECT: 41, CHANGE: 44}, {DISCONNECT: 42, CHANGE: 45}
METHODS = ["mschap2", "chap", "pap"]


@pytest.fixture
def radius() -> Iterator[StrictRadius]:
    with StrictRadius() as radius:
        yield radius


@pytest.fixture
def router(radius: StrictRadius) -> Iterator[VirtualRouter]:
    with VirtualRouter(password="router password", clock=ManualClock()) as router:
        router.set_up_pppoe("127.0.0.1", radius.auth_port, radius.acct_port, SECRET.decode())
        yield router
    assert radius.complaints == []


def session_of(radius: StrictRadius) -> dict[str, Any]:
    """What a server would name the session by, from its latest report."""
    report = [one for one in radius.reports if one["User-Name"] == USER][-1]
    return {name.replace("-", "_"): report[name] for name in ("User-Name", "Acct-Session-Id", "Framed-IP-Address")}


def radclient(router: VirtualRouter, kind: str, attributes: str, secret: str = SECRET.decode()) -> str:
    """FreeRADIUS's own client sends one order; everything it says."""
    command = ["/usr/bin/radclient", "-x", "-r", "1", "-t", "2", f"127.0.0.1:{router.coa_port}", kind, secret]
    done = subprocess.run(command, input=attributes, capture_output=True, text=True, timeout=10, check=False)
    return done.stdout + done.stderr


def test_the_proofs_are_those_of_the_rfcs() -> None:
    assert md4(b"abc").hex() == "a448017aaf21d8525fc10ae87aa6729d"  # RFC 1320, appendix 5
    ours = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628")  # this and below: RFC 2759 §9.2
    theirs = bytes.fromhex("21402324255E262A28295F2B3A337C7E")
    hashed = nt_hash("clientPass")
    assert hashed.hex().upper() == "44EBBA8D5312B8D611474411F56989AE"
    digest = hashlib.sha1(theirs + ours + b"User").digest()[:8]
    response = challenge_response(digest, hashed)
    assert response.hex().upper() == "82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF"
    assert authenticator_response(hashed, response, digest).hex().upper() == "407A5589115FD0D6209F510FE9C04566932CDA56"


@pytest.mark.parametrize("method", METHODS)
def test_who_knows_the_password_gets_in_and_who_does_not_is_told(
    router: VirtualRouter, radius: StrictRadius, method: str
) -> None:
    radius.sign_up(USER, PASSWORD)
    line = router.dial_in(USER, PASSWORD, MAC, method, redials=False)
    assert line.online, line.error
    assert line.address == "10.30.0.2"
    stranger = router.dial_in(USER, "guess", "AA:BB:CC:00:00:12", method, redials=False)
    assert (stranger.online, stranger.error) == (False, "Please buy a package")


def test_a_question_about_a_line_is_told_apart_from_a_hotspots(router: VirtualRouter, radius: StrictRadius) -> None:
    router.dial_in(USER, PASSWORD, MAC, "chap", redials=False)
    (asked,) = radius.questions
    assert {name: asked[name] for name in asked if not name.startswith(("CHAP", "password", "Message", "Acct"))} == {
        "User-Name": [USER],
        "Framed-Protocol": [1],
        "Service-Type": [2],
        "NAS-Identifier": ["market"],
        "NAS-IP-Address": ["127.0.0.1"],
        "NAS-Port": asked["NAS-Port"],
        "NAS-Port-Type": [15],
        "NAS-Port-Id": ["ether5"],
        "Calling-Station-Id": [MAC],
        "Called-Station-Id": ["internet"],
    }
    assert asked["Acct-Session-Id"][0].startswith("81")


def test_a_server_that_cannot_prove_itself_back_is_hung_up_on(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sign_up(USER, PASSWORD)
    radius.proves_itself = False
    line = router.dial_in(USER, PASSWORD, MAC, redials=False)
    assert (line.online, line.error) == (False, "the server did not prove that it knows the password")


def test_a_method_the_server_does_not_offer_is_never_asked_about(router: VirtualRouter, radius: StrictRadius) -> None:
    router.run("/interface/pppoe-server/server/set", numbers="*1", authentication="mschap2")
    assert router.dial_in(USER, PASSWORD, MAC, "pap", redials=False).error == "no PPPoE server answers"
    assert radius.questions == []


def test_everything_granted_stands_in_the_tables_and_goes_with_the_session(
    router: VirtualRouter, radius: StrictRadius
) -> None:
    radius.sign_up(
        USER,
        PASSWORD,
        Framed_IP_Address="10.99.0.7",
        Mikrotik_Rate_Limit="5M/10M 8M/16M 4M/8M 16/16 3",
        Mikrotik_Address_List=["shop", "school"],
        Framed_Route=["192.168.7.0/24 0.0.0.0 1", "192.168.8.0/24"],
        Mikrotik_Recv_Limit=1000,
    )
    line = router.dial_in(USER, PASSWORD, MAC)
    router.advance(90)
    (active,) = router.rows(ACTIVE)
    assert {name: active[name] for name in ("name", "service", "caller-id", "address", "uptime", "radius")} == {
        "name": USER, "service": "pppoe", "caller-id": MAC, "address": "10.99.0.7", "uptime": "1m30s", "radius": "true",
    }  # fmt: skip
    assert active["session-id"] == f"0x{line.session_id}"
    assert active["limit-bytes-in"] == "1000"
    (queue,) = router.rows(QUEUES)
    assert (queue["name"], queue["target"], queue["dynamic"]) == (f"<pppoe-{USER}>", f"<pppoe-{USER}>", "true")
    assert (queue["max-limit"], queue["burst-limit"], queue["priority"]) == (
        "5000000/10000000", "8000000/16000000", "3/3",
    )  # fmt: skip
    lists = {(row["list"], row["address"]) for row in router.rows("/ip/firewall/address-list")}
    assert lists == {("shop", "10.99.0.7"), ("school", "10.99.0.7")}
    routes = {(row["dst-address"], row["gateway"]) for row in router.rows("/ip/route")}
    assert routes == {("192.168.7.0/24", "10.99.0.7"), ("192.168.8.0/24", "10.99.0.7")}
    assert [row["name"] for row in router.rows("/interface/pppoe-server")] == [f"<pppoe-{USER}>"]
    line.hang_up()
    menus = (ACTIVE, QUEUES, "/ip/firewall/address-list", "/ip/route", "/interface/pppoe-server")
    assert [router.rows(menu) for menu in menus] == [[]] * 5
    assert radius.reports[-1]["Acct-Terminate-Cause"] == 1


def test_ipv6_prefixes_of_the_line_and_for_the_router_behind_it(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sign_up(
        USER,
        PASSWORD,
        Framed_IPv6_Prefix=bytes.fromhex("0040 20010db800010002"),
        Delegated_IPv6_Prefix=bytes.fromhex("0038 20010db8ab00ff"),
    )
    line = router.dial_in(USER, PASSWORD, MAC)
    assert line.prefixes == ("2001:db8:1:2::/64",)
    (binding,) = router.rows("/ipv6/dhcp-server/binding")
    assert (binding["address"], binding["server"]) == ("2001:db8:ab00:ff00::/56", f"<pppoe-{USER}>")
    line.hang_up()
    assert not line.prefixes
    assert router.rows("/ipv6/dhcp-server/binding") == []


def test_a_delegated_prefix_out_of_a_pool(router: VirtualRouter, radius: StrictRadius) -> None:
    router.run("/ipv6/pool/add", name="homes6", prefix="2001:db8:5000::/36", prefix_length="56")
    for user in (USER, "other.home"):
        radius.sign_up(user, PASSWORD, Mikrotik_Delegated_IPv6_Pool="homes6")
        router.dial_in(user, PASSWORD, MAC)
    rows = router.rows("/ipv6/dhcp-server/binding")
    assert [row["address"] for row in rows] == ["2001:db8:5000::/56", "2001:db8:5000:100::/56"]


def test_usage_is_reported_from_start_to_stop(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sign_up(USER, PASSWORD, Acct_Interim_Interval=60, Class=b"duka:7")
    line = router.dial_in(USER, PASSWORD, MAC)
    assert line.move_traffic(5_000_000_000, 100) == 5_000_000_100
    router.advance(60)
    line.hang_up()
    assert radius.kinds() == [1, 3, 2]
    interim = radius.reports[1]
    assert (interim["Acct-Input-Octets"], interim["Acct-Input-Gigawords"]) == (5_000_000_000 - 2**32, 1)
    assert (interim["Framed-IP-Address"], interim["Class"]) == ("10.30.0.2", b"duka:7")
    assert (interim["Framed-Protocol"], interim["Service-Type"]) == (1, 2)


def test_an_interval_of_nothing_means_the_routers_own(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sign_up(USER, PASSWORD)
    router.dial_in(USER, PASSWORD, MAC)
    router.advance(300)
    assert radius.kinds() == [1, 3]


@pytest.mark.parametrize(
    ("limits", "end"),
    [({"Session_Timeout": 100}, 100.0), ({"Idle_Timeout": 50}, 50.0), ({"Mikrotik_Total_Limit": 10}, 0.0)],
)
def test_a_line_whose_limit_is_reached_is_hung_up_and_dials_again(
    router: VirtualRouter, radius: StrictRadius, limits: dict[str, int], end: float
) -> None:
    radius.sign_up(USER, PASSWORD, **limits)
    line = router.dial_in(USER, PASSWORD, MAC)
    first = line.session_id
    if end:
        router.advance(end - 1)
        assert line.session_id == first
        router.advance(1)
    else:
        assert line.move_traffic(7, 7) == 10
    assert not line.online
    router.advance(1)
    assert line.online
    assert line.session_id != first


def test_a_cut_line_is_noticed_by_its_keepalive(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sign_up(USER, PASSWORD)
    line = router.dial_in(USER, PASSWORD, MAC)
    line.cut_line()
    router.advance(9)
    assert line.online
    router.advance(1)
    assert not line.online
    assert radius.reports[-1]["Acct-Terminate-Cause"] == 2
    router.advance(60)
    assert not line.online
    line.mend_line()
    router.advance(10)
    assert line.online


def test_a_secret_of_the_router_itself_wins_over_radius(router: VirtualRouter, radius: StrictRadius) -> None:
    router.run("/ppp/secret/add", name=USER, password="local", remote_address="10.1.1.1")
    line = router.dial_in(USER, "local", MAC)
    assert line.address == "10.1.1.1"
    assert router.rows(ACTIVE)[0]["radius"] == "false"
    assert radius.questions == []
    assert radius.reports == []


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({"Framed_Pool": "nowhere"}, "address pool nowhere does not exist"),
        ({"Mikrotik_Rate_Limit": "fast"}, "invalid attribute in RADIUS answer: not a rate: 'fast'"),
        ({"Framed_Route": "somewhere"}, "invalid attribute in RADIUS answer"),
        ({"Delegated_IPv6_Prefix": b"\0\x40\x20"}, "invalid attribute in RADIUS answer"),
        ({"Framed_IPv6_Prefix": b"\0\x08\x20\x01"}, "invalid attribute in RADIUS answer"),
    ],
)
def test_an_answer_that_cannot_be_carried_out_lets_nobody_in(
    router: VirtualRouter, radius: StrictRadius, attributes: dict[str, Any], error: str
) -> None:
    radius.sign_up(USER, PASSWORD, **attributes)
    line = router.dial_in(USER, PASSWORD, MAC, redials=False)
    assert not line.online
    assert line.error.startswith("invalid attribute" if "invalid" in error else error)
    assert router.rows(ACTIVE) == []


def test_a_named_group_gives_what_the_answer_does_not(router: VirtualRouter, radius: StrictRadius) -> None:
    router.run("/ip/pool/add", name="business", ranges="10.77.0.0/29")
    router.run("/ppp/profile/add", name="gold", rate_limit="9M/9M", remote_address="business")
    radius.sign_up(USER, PASSWORD, Mikrotik_Group="gold")
    line = router.dial_in(USER, PASSWORD, MAC)
    assert line.address == "10.77.0.0"
    assert router.rows(QUEUES)[0]["max-limit"] == "9000000/9000000"


def test_a_port_limit_counts_the_lines_of_one_name(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sign_up(USER, PASSWORD, Port_Limit=2, Mikrotik_Rate_Limit="1M/1M")
    lines = [router.dial_in(USER, PASSWORD, f"AA:BB:CC:00:00:2{n}", redials=False) for n in range(3)]
    assert [line.online for line in lines] == [True, True, False]
    assert {row["name"] for row in router.rows(QUEUES)} == {f"<pppoe-{USER}>", f"<pppoe-{USER}-1>"}


def test_a_power_cut_ends_lines_without_a_word_and_they_dial_again(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sign_up(USER, PASSWORD)
    line = router.dial_in(USER, PASSWORD, MAC)
    first = line.session_id
    router.power_cut()
    assert not line.online
    router.advance(1)
    assert line.online
    assert line.session_id != first
    assert radius.kinds() == [1, 7, 1]


def test_an_independent_program_sees_a_line_and_hangs_it_up(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sign_up(USER, PASSWORD)
    line = router.dial_in(USER, PASSWORD, MAC)
    first = line.session_id
    api = librouteros.connect(router.host, "duka", "router password", port=router.api_port, encoding="UTF-8")
    try:
        (row,) = api("/ppp/active/print")
        assert (row["name"], row["caller-id"]) == (USER, MAC)
        api.path(ACTIVE).remove(row[".id"])
        assert tuple(api("/ppp/active/print")) == ()
    finally:
        api.close()
    router.advance(1)
    assert line.online
    assert line.session_id != first


def test_an_order_changes_rate_and_time_while_the_line_stays_up(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sign_up(USER, PASSWORD, Mikrotik_Rate_Limit="1M/1M", Session_Timeout=100)
    line = router.dial_in(USER, PASSWORD, MAC)
    first = line.session_id
    named = session_of(radius)
    answer = send_order(router, CHANGE, **named, Mikrotik_Rate_Limit="3M/4M 6M/8M", Session_Timeout=1000)
    assert answer.code == ACKS[CHANGE]
    (queue,) = router.rows(QUEUES)
    assert (queue["max-limit"], queue["burst-limit"], queue["burst-threshold"]) == (
        "3000000/4000000", "6000000/8000000", "3000000/4000000",
    )  # fmt: skip
    router.advance(999)
    assert line.session_id == first
    router.advance(1)
    assert line.session_id != first


def test_an_order_changes_the_group_of_a_line(router: VirtualRouter, radius: StrictRadius) -> None:
    router.run("/ppp/profile/add", name="slow", rate_limit="64k/64k")
    radius.sign_up(USER, PASSWORD)
    line = router.dial_in(USER, PASSWORD, MAC)
    assert send_order(router, CHANGE, **session_of(radius), Mikrotik_Group="slow").code == ACKS[CHANGE]
    assert router.rows(QUEUES)[0]["max-limit"] == "64000/64000"
    line.cut_line()
    router.advance(10)
    assert not line.online, "a change of group must not take the keepalive away"


@pytest.mark.parametrize("code", [CHANGE, DISCONNECT])
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"Acct_Session_Id": "81999999"}, 503),
        ({"Framed_IP_Address": "10.9.9.9"}, 503),
        ({"User_Name": PHONE}, 503),
        ({"NAS_IP_Address": "10.1.2.3"}, 403),
        ({"Mikrotik_Total_Limit": 5}, 401),
        ({"Framed_Pool": "pppoe"}, 401),
        ({"Framed_Route": "10.0.0.0/8"}, 401),
    ],
)
def test_orders_that_fit_no_line_are_refused(
    router: VirtualRouter, radius: StrictRadius, code: int, change: dict[str, Any], cause: int
) -> None:
    radius.sign_up(USER, PASSWORD)
    line = router.dial_in(USER, PASSWORD, MAC)
    first = line.session_id
    answer = send_order(router, code, **{**session_of(radius), **change})
    assert (answer.code, answer["Error-Cause"]) == (NAKS[code], [cause])
    assert line.session_id == first


def test_radclient_changes_and_ends_a_line(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sign_up(USER, PASSWORD, Mikrotik_Rate_Limit="1M/1M")
    line = router.dial_in(USER, PASSWORD, MAC, redials=False)
    named = f'User-Name = "{USER}", Acct-Session-Id = "{line.session_id}", Framed-IP-Address = {line.address}'
    signed = "Message-Authenticator = 0x00"
    said = radclient(router, "coa", f'{named}, Mikrotik-Rate-Limit = "2M/2M", {signed}')
    assert "Received CoA-ACK" in said
    assert "Message-Authenticator" in said.partition("Received")[2]
    assert router.rows(QUEUES)[0]["max-limit"] == "2000000/2000000"
    assert "Error-Cause = Unsupported-Attribute" in radclient(
        router, "coa", f"{named}, Mikrotik-Total-Limit = 5, {signed}"
    )
    assert "Received" not in radclient(router, "disconnect", f"{named}, {signed}", secret="guess")
    assert line.online
    assert "Received Disconnect-ACK" in radclient(router, "disconnect", f"{named}, {signed}")
    assert not line.online
    assert "Received Disconnect-NAK" in radclient(router, "disconnect", f"{named}, {signed}")


def test_a_router_that_lies_says_yes_and_does_nothing(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sign_up(USER, PASSWORD, Mikrotik_Rate_Limit="1M/1M")
    line = router.dial_in(USER, PASSWORD, MAC)
    router.faults.lie_about_coa()
    assert send_order(router, CHANGE, **session_of(radius), Mikrotik_Rate_Limit="2M/2M").code == ACKS[CHANGE]
    assert send_order(router, DISCONNECT, **session_of(radius)).code == ACKS[DISCONNECT]
    assert line.online
    assert router.rows(QUEUES)[0]["max-limit"] == "1000000/1000000"
    router.faults.clear()
    assert send_order(router, DISCONNECT, **session_of(radius)).code == ACKS[DISCONNECT]
    assert not line.online
