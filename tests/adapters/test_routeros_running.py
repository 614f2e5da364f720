"""Sessions that run, as the adapter reads and ends them: hotspot, PPPoE and leases, against the virtual MikroTik."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.adapters.radius_coa import RadiusCoA
from core.adapters.routeros import MikrotikHotspot, Patience
from core.errors import GatewayDown
from core.ports import RouterAddress, RunningSession, SessionRef
from sim.routeros import ManualClock, VirtualRouter
from tests.adapters.router_side import LOCAL, scripted
from tests.adapters.router_side import row as said
from tests.adapters.test_virtual_router_kit import LAPTOP, MAC_PASSWORD, PHONE, SECRET, StrictRadius

USER, PASSWORD, MAC = "amina.home", "s3cret", "AA:BB:CC:00:00:11"
RATE = "5M/10M 8M/16M 4M/8M 16/16 3 1M/2M"
SEEN = RunningSession(
    service="ppp", user=USER, mac=MAC, address="", session_id="", uptime_seconds=0, seconds_left=None,
    limit_bytes_total=None, rate="", address_lists=frozenset(), row_id="*1",
)  # fmt: skip
SPELLED = "5000000/10000000 8000000/16000000 4000000/8000000 16s/16s 3 1000000/2000000"


@pytest.fixture
def radius() -> Iterator[StrictRadius]:
    with StrictRadius() as radius:
        yield radius


@pytest.fixture
def router(radius: StrictRadius) -> Iterator[VirtualRouter]:
    with VirtualRouter(password="router password", clock=ManualClock()) as router:
        asked = ("127.0.0.1", radius.auth_port, radius.acct_port, SECRET.decode())
        router.set_up_hotspot(*asked, MAC_PASSWORD)
        router.set_up_pppoe(*asked)
        router.set_up_dhcp(*asked, MAC_PASSWORD)
        yield router
    assert radius.complaints == []


@pytest.fixture
def place(router: VirtualRouter) -> RouterAddress:
    return replace(
        LOCAL, api_port=router.api_port, password="router password", coa_port=router.coa_port,
        radius_secret=SECRET.decode(),
    )  # fmt: skip


@pytest.fixture
def adapter() -> Iterator[MikrotikHotspot]:
    adapter = MikrotikHotspot(Patience(1, 1, 2, 4))
    yield adapter
    adapter.close()


def test_a_session_of_the_hotspot_with_its_limits(
    adapter: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, radius: StrictRadius
) -> None:
    radius.sell(
        PHONE,
        Mikrotik_Rate_Limit=RATE,
        Session_Timeout=900,
        Mikrotik_Total_Limit=5000,
        Mikrotik_Address_List=["a", "b"],
    )
    radius.sell(LAPTOP, Mikrotik_Rate_Limit="1M/1M")
    phone = router.plug_in(PHONE)
    router.plug_in(LAPTOP)
    router.advance(60)
    (seen,) = adapter.running(place, "hotspot", PHONE)
    assert (seen.user, seen.mac, seen.address, seen.session_id) == (PHONE, PHONE, phone.ip, "")
    assert (seen.uptime_seconds, seen.seconds_left, seen.limit_bytes_total) == (60, 840, 5000)
    assert (seen.rate, seen.address_lists) == (SPELLED, frozenset({"a", "b"}))


def test_a_line_with_its_limits(
    adapter: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, radius: StrictRadius
) -> None:
    radius.sign_up(USER, PASSWORD, Mikrotik_Rate_Limit=RATE, Session_Timeout=900, Mikrotik_Address_List="homes")
    line = router.dial_in(USER, PASSWORD, MAC)
    router.advance(60)
    (seen,) = adapter.running(place, "ppp", USER)
    assert (seen.user, seen.mac, seen.address, seen.session_id) == (USER, MAC, line.address, line.session_id)
    assert (seen.uptime_seconds, seen.seconds_left, seen.limit_bytes_total) == (60, None, None)
    assert (seen.rate, seen.address_lists) == (SPELLED, frozenset({"homes"}))


def test_a_lease_with_its_limits(
    adapter: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, radius: StrictRadius
) -> None:
    radius.sell(MAC, Mikrotik_Rate_Limit="1M/2M", Session_Timeout=900)
    client = router.ask_for_address(MAC)
    (seen,) = adapter.running(place, "dhcp", MAC)
    assert (seen.mac, seen.address, seen.seconds_left) == (MAC, client.address, 900)
    assert seen.rate == "1000000/2000000 0/0 0/0 0s/0s 8 0/0"


def test_each_of_two_lines_under_one_name_has_its_own_rate(
    adapter: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, radius: StrictRadius
) -> None:
    radius.sign_up(USER, PASSWORD, Mikrotik_Rate_Limit="1M/1M")
    first = router.dial_in(USER, PASSWORD, MAC)
    radius.sign_up(USER, PASSWORD, Mikrotik_Rate_Limit="2M/2M")
    second = router.dial_in(USER, PASSWORD, PHONE)
    rates = {seen.session_id: seen.rate.split()[0] for seen in adapter.running(place, "ppp", USER)}
    assert rates == {first.session_id: "1000000/1000000", second.session_id: "2000000/2000000"}


def test_without_limits_there_is_nothing_to_read(
    adapter: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, radius: StrictRadius
) -> None:
    radius.sign_up(USER, PASSWORD)
    router.dial_in(USER, PASSWORD, MAC)
    (seen,) = adapter.running(place, "ppp", USER)
    assert (seen.rate, seen.address_lists) == ("", frozenset())
    assert adapter.running(place, "ppp", "somebody.else") == []


def test_what_an_administrator_made_is_neither_shown_nor_ended(
    adapter: MikrotikHotspot, router: VirtualRouter, place: RouterAddress
) -> None:
    router.run("/ppp/secret/add", name=USER, password=PASSWORD)
    line = router.dial_in(USER, PASSWORD, MAC)
    router.run("/ip/firewall/address-list/add", list="by-hand", address=line.address)
    assert line.online
    assert adapter.running(place, "ppp", USER) == []


@pytest.mark.parametrize("service", ["hotspot", "ppp", "dhcp"])
def test_ending_one_session_ends_that_one(
    adapter: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, radius: StrictRadius, service: str
) -> None:
    radius.sell(PHONE)
    radius.sign_up(USER, PASSWORD)
    phone, line, client = router.plug_in(PHONE), router.dial_in(USER, PASSWORD, MAC), router.ask_for_address(PHONE)
    name = USER if service == "ppp" else PHONE
    (seen,) = adapter.running(place, service, name)
    adapter.end(place, seen)
    assert [phone.online, line.online, bool(client.address)] == [each != service for each in ("hotspot", "ppp", "dhcp")]
    adapter.end(place, seen)


def test_an_id_from_before_a_reboot_ends_nobody(
    adapter: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, radius: StrictRadius
) -> None:
    radius.sign_up(USER, PASSWORD)
    radius.sign_up("somebody.else", PASSWORD)
    router.dial_in(USER, PASSWORD, MAC)
    (seen,) = adapter.running(place, "ppp", USER)
    other = router.dial_in("somebody.else", PASSWORD, PHONE)
    (theirs,) = adapter.running(place, "ppp", "somebody.else")
    adapter.end(place, replace(seen, row_id=theirs.row_id, session_id="81999999"))
    assert other.online


def test_a_router_that_keeps_a_session_running_is_found_out() -> None:
    kept = said(**{".id": "*1", "name": USER, "session-id": "0x81000001", "address": "10.0.0.1"})
    done = b"\x05!done\x00"
    with scripted([kept + done, done, kept + done]) as stubborn:
        adapter = MikrotikHotspot(Patience(1, 1, 2, 4))
        place = replace(LOCAL, api_port=stubborn.port)
        session = replace(SEEN, session_id="81000001", address="10.0.0.1")
        with pytest.raises(GatewayDown, match="kept it running"):
            adapter.end(place, session)
        adapter.close()


def test_an_order_and_the_tables_agree(
    adapter: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, radius: StrictRadius
) -> None:
    radius.sign_up(USER, PASSWORD, Mikrotik_Rate_Limit="1M/1M")
    line = router.dial_in(USER, PASSWORD, MAC)
    ref = SessionRef(USER, line.session_id, line.address)
    coa = RadiusCoA(attempts=1, timeout_seconds=1.0)
    assert coa.change(place, ref, rate=RATE, session_timeout_seconds=60, further=[("Idle-Timeout", "50")])
    (seen,) = adapter.running(place, "ppp", USER)
    assert (seen.rate, seen.session_id) == (SPELLED, line.session_id)
    router.advance(50)
    assert not line.online
    assert radius.reports[-1]["Acct-Terminate-Cause"] == 4


@pytest.mark.parametrize(
    "wrong",
    [{"session_id": "81999999"}, {"framed_ip": "10.30.9.9"}, {"username": "somebody.else"}],
    ids=["id", "address", "name"],
)
def test_an_order_for_a_session_that_is_not_there_harms_nobody(
    router: VirtualRouter, place: RouterAddress, radius: StrictRadius, wrong: dict[str, str]
) -> None:
    radius.sign_up(USER, PASSWORD, Mikrotik_Rate_Limit="1M/1M")
    radius.sell(PHONE, Mikrotik_Rate_Limit="1M/1M")
    line, phone = router.dial_in(USER, PASSWORD, MAC), router.plug_in(PHONE)
    ref = replace(SessionRef(USER, line.session_id, line.address), **wrong)
    coa = RadiusCoA(attempts=1, timeout_seconds=1.0)
    assert not coa.change(place, ref, rate="9M/9M", session_timeout_seconds=1)
    assert not coa.disconnect(place, ref)
    assert line.online
    assert phone.online
    assert {row["max-limit"] for row in router.rows("/queue/simple")} == {"1000000/1000000"}
