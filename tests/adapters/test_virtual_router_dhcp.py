"""Addresses by MAC at the virtual router: what RADIUS is asked, what a lease is, and when it ends (radius.md §1, DHCP)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sim.routeros import ManualClock, VirtualRouter
from tests.adapters.test_virtual_router_kit import SECRET, StrictRadius

MAC, CLIENT_ID = "00:E1:0A:BC:00:0D", "1:0:e1:a:bc:0:d"
LEASES, QUEUES = "/ip/dhcp-server/lease", "/queue/simple"
PASSWORD = "only this server"


@pytest.fixture
def radius() -> Iterator[StrictRadius]:
    with StrictRadius() as radius:
        radius.password = PASSWORD
        yield radius


@pytest.fixture
def router(radius: StrictRadius) -> Iterator[VirtualRouter]:
    with VirtualRouter(password="router password", clock=ManualClock()) as router:
        router.set_up_dhcp("127.0.0.1", radius.auth_port, radius.acct_port, SECRET.decode(), PASSWORD)
        yield router
    assert radius.complaints == []


def test_a_question_names_the_device_twice_and_belongs_to_no_other_service(
    router: VirtualRouter, radius: StrictRadius
) -> None:
    router.ask_for_address(MAC)
    (asked,) = radius.questions
    assert (asked["User-Name"], asked["Calling-Station-Id"]) == ([MAC], [CLIENT_ID])
    assert (asked["Called-Station-Id"], asked["NAS-Port-Type"], asked["NAS-Port-Id"]) == (["lines"], [15], ["ether4"])
    assert asked["password"] == [PASSWORD]
    assert not {"Framed-Protocol", "Service-Type", "Mikrotik-Host-IP", "Framed-IP-Address"} & set(asked)


def test_an_unset_password_is_sent_blank(radius: StrictRadius) -> None:
    with VirtualRouter(password="router password", clock=ManualClock()) as router:
        router.set_up_dhcp("127.0.0.1", radius.auth_port, radius.acct_port, SECRET.decode())
        client = router.ask_for_address(MAC)
    assert [asked["password"] for asked in radius.questions] == [[""]]
    assert (client.address, client.error) == ("", "Please buy a package")


def test_a_lease_carries_what_was_granted(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(
        MAC,
        Framed_IP_Address="10.50.0.9",
        Session_Timeout=600,
        Mikrotik_Rate_Limit="2M/4M",
        Mikrotik_Address_List="homes",
        Framed_Route="192.168.3.0/24",
        Class=b"duka:3",
    )
    client = router.ask_for_address(MAC, "tv")
    assert client.address == "10.50.0.9"
    router.advance(100)
    (lease,) = router.rows(LEASES)
    assert {name: lease[name] for name in ("address", "mac-address", "client-id", "expires-after", "status")} == {
        "address": "10.50.0.9", "mac-address": MAC, "client-id": CLIENT_ID, "expires-after": "8m20s", "status": "bound",
    }  # fmt: skip
    assert (lease["radius"], lease["dynamic"], lease["host-name"]) == ("true", "true", "tv")
    assert [(row["target"], row["max-limit"]) for row in router.rows(QUEUES)] == [("10.50.0.9/32", "2000000/4000000")]
    assert [row["list"] for row in router.rows("/ip/firewall/address-list")] == ["homes"]
    assert [row["gateway"] for row in router.rows("/ip/route")] == ["10.50.0.9"]
    assert (radius.kinds(), radius.reports[0]["Framed-IP-Address"]) == ([1], "10.50.0.9")


def test_half_way_through_a_lease_radius_is_asked_again_and_its_new_words_count(
    router: VirtualRouter, radius: StrictRadius
) -> None:
    radius.sell(MAC, Session_Timeout=600, Mikrotik_Rate_Limit="2M/4M")
    client = router.ask_for_address(MAC)
    radius.sell(MAC, Session_Timeout=1200, Mikrotik_Rate_Limit="1M/1M")
    router.advance(299)
    assert len(radius.questions) == 1
    router.advance(1)
    assert len(radius.questions) == 2
    (lease,) = router.rows(LEASES)
    assert (lease["expires-after"], client.address) == ("20m", "10.40.0.2")
    assert router.rows(QUEUES)[0]["max-limit"] == "1000000/1000000"
    assert radius.kinds() == [1]


def test_who_is_refused_keeps_the_lease_until_it_ends_and_not_longer(
    router: VirtualRouter, radius: StrictRadius
) -> None:
    radius.sell(MAC, Session_Timeout=600)
    client = router.ask_for_address(MAC)
    radius.allowed.clear()
    router.advance(599)
    assert client.address
    router.advance(1)
    assert client.address == ""
    assert router.rows(LEASES) == []
    router.advance(30)
    assert (client.address, client.error) == ("", "Please buy a package")
    radius.sell(MAC)
    router.advance(10)
    assert client.address


def test_another_address_is_another_lease(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(MAC, Session_Timeout=600)
    client = router.ask_for_address(MAC)
    radius.sell(MAC, Session_Timeout=600, Framed_IP_Address="10.50.0.9")
    router.advance(301)
    assert client.address == "10.50.0.9"
    assert radius.kinds() == [1, 2, 1]


def test_a_lease_taken_away_is_missed_when_it_is_to_be_renewed(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(MAC, Session_Timeout=600)
    client = router.ask_for_address(MAC)
    router.run(f"{LEASES}/remove", numbers=router.rows(LEASES)[0][".id"])
    assert client.address == ""
    router.advance(300)
    assert client.address
    assert radius.kinds() == [1, 2, 1]


def test_an_address_somebody_has_is_not_given_twice(router: VirtualRouter, radius: StrictRadius) -> None:
    for mac in (MAC, "00:E1:0A:BC:00:0E"):
        radius.sell(mac, Framed_IP_Address="10.50.0.9")
    first, second = router.ask_for_address(MAC), router.ask_for_address("00:E1:0A:BC:00:0E")
    assert (first.address, second.address) == ("10.50.0.9", "")
    assert second.error == "10.50.0.9 is leased to somebody else"


def test_a_released_address_is_free_and_reported(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(MAC)
    client = router.ask_for_address(MAC)
    client.release()
    router.advance(3600)
    assert client.address == ""
    assert radius.kinds() == [1, 2]


def test_after_a_power_cut_devices_ask_anew(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(MAC)
    client = router.ask_for_address(MAC)
    router.power_cut()
    assert client.address == ""
    router.advance(1)
    assert client.address == "10.40.0.2"
    assert radius.kinds() == [1, 7, 1]
