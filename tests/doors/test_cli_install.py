"""`duka router install`, `duka why`, `duka router strays`: what an owner sees, and what is refused in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import network
from sim.routeros import VirtualRouter
from tests.doors.cli_kit import CALLER, OPEN, Box, make_box

INSTALL = ("router", "install", "soko", "--site", "soko", "--ssid", "Soko Free")
LINE = re.compile(
    r'/tool fetch url="(https?)://pay\.example\.org/install/([0-9a-f]{40})\.rsc" dst-path=duka\.rsc( check-\S+)?;'
)


@pytest.fixture
def shop(tmp_path: Path, bare_database_url: str, redis_url: str, secrets_key: Path) -> Box:
    """An ISP whose routers can reach it."""
    box = make_box(tmp_path, bare_database_url, redis_url, secrets_key)
    box.env |= {"DUKA_TUNNEL__HOST": "vpn.example.org", "DUKA_PUBLIC_URL": "https://pay.example.org"}
    box.does("init", *OPEN)
    return box


@pytest.fixture
def router() -> Iterator[VirtualRouter]:
    """A MikroTik of the owner's own, with a hotspot."""
    with VirtualRouter(identity="kiosk", password="right") as made:
        made.run("/ip/dns/set", servers="1.1.1.1", allow_remote_requests="yes")
        made.run("/ip/hotspot/profile/add", name="hotspot1")
        made.run("/ip/hotspot/add", name="hotspot1", interface="bridge", profile="hotspot1", disabled="no")
        yield made


def lines(said: str) -> list[tuple[str, str, str]]:
    """(scheme, token, how the certificate is checked) of every line that is to be pasted."""
    return [(found[1], found[2], found[3] or "") for found in LINE.finditer(said)]


def test_two_lines_are_printed_where_the_portal_can_prove_itself_and_clocks_are_spoken_of(shop: Box) -> None:
    said = shop.does(*INSTALL)
    checked, believed = lines(said)
    assert checked[1] == believed[1]
    assert (checked[2], believed[2]) == (" check-certificate=yes-without-crl", "")
    assert "1970" in said and "not yet valid" in said
    assert all(
        line.startswith("  :do { /ip dhcp-client add interface") for line in said.splitlines() if "/tool" in line
    )


def test_without_https_there_is_one_line_and_a_warning(shop: Box) -> None:
    said = shop.does(*INSTALL, DUKA_PUBLIC_URL="http://pay.example.org")
    assert [scheme for scheme, _, _ in lines(said)] == ["http"]
    assert "passwords travel in clear" in said


def test_the_record_is_made_once_with_an_address_that_nobody_typed(shop: Box) -> None:
    first, again = (
        lines(shop.does(*INSTALL))[0],
        lines(shop.does(*INSTALL, "--wan", "ether5", "--lan", "10.50.0.1/20"))[0],
    )
    assert first[1] != again[1]
    with shop.work(1) as uow:
        (made,) = network.routers(uow)
        assert (made.host, made.nas_address, made.username) == ("10.77.0.2", "10.77.0.2", "duka")
        layout = made.layout
        assert (layout.scope, layout.wan_interface, layout.lan_address, layout.ssid) == (
            "box",
            "ether5",
            "10.50.0.1/20",
            "Soko Free",
        )
        assert layout.radius_address == "10.77.0.1"
    assert "never seen" in shop.does("router", "list")
    with shop.work(1) as uow:
        for _ in range(3):
            network.router_down(uow, network.find_router(uow, "soko").id, "nothing answers")
    assert "never seen" in shop.does("router", "list"), "what never was there is not away"


@pytest.mark.parametrize(
    "ssid", ['Mama\'s "F" $WiFi\\', "Duka \U0001f6dc", "\U0001f468\u200d\U0001f469\u200d\U0001f467"]
)
def test_a_network_may_be_called_what_its_owner_likes(shop: Box, ssid: str) -> None:
    shop.does("router", "install", "soko", "--site", "soko", "--ssid", ssid)
    with shop.work(1) as uow:
        assert network.find_router(uow, "soko").layout.ssid == ssid


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--ssid", "x" * 33), "--ssid"),
        (("--ssid", "Café" * 8), "--ssid"),
        (("--ssid", ""), "--ssid"),
        (("--wan", "ether1; /quit"), "--wan"),
        (("--lan", "10.0.0.0.1"), "--lan"),
        (("--lan", "10.20.0.1"), "--lan: a network for customers"),
        (("--lan", "10.20.0.1/31"), "--lan: a network for customers"),
        (("--lan", "10.20.0.0/16"), "--lan: 10.20.0.0 is no address"),
        (("--ssid", "a\u202eb"), "--ssid: a network is called"),
        (("--ssid", "a\nb"), "--ssid: a network is called"),
    ],
)
def test_what_no_box_could_be_given_is_refused_and_nothing_is_kept(shop: Box, more: tuple[str, str], told: str) -> None:
    said = shop.fails("router", "install", "soko", "--site", "soko", *more)
    assert told in said and len(said.strip().splitlines()) == 1
    with shop.work(1) as uow:
        assert list(network.routers(uow)) == []


def test_without_a_way_to_us_it_says_which_setting_is_missing(shop: Box) -> None:
    assert "tunnel.host" in shop.fails(*INSTALL, DUKA_TUNNEL__HOST="")


def test_an_owners_own_router_is_not_taken_over(shop: Box, router: VirtualRouter) -> None:
    add(shop, router)
    assert "registered already" in shop.fails("router", "install", "market", "--site", "soko")


def add(shop: Box, router: VirtualRouter) -> None:
    ports = ["--api-port", str(router.api_port), "--coa-port", str(router.coa_port)]
    words = ["router", "add", "market", "--host", "127.0.0.1", "--no-tls", *ports, "--no-set-up"]
    shop.does(*words, DUKA_ROUTER_PASSWORD="right")


def test_why_names_the_cause_in_words_and_hides_the_number(shop: Box) -> None:
    said = shop.does("why", CALLER)
    assert "nobody with this number was ever here" in said and CALLER not in said
    for nonsense in ("", "12", "'; drop table customer; --"):
        assert "This is not a mobile number" in shop.fails("why", nonsense)


def test_strays_are_listed_and_ended_only_when_somebody_says_so(shop: Box, router: VirtualRouter) -> None:
    add(shop, router)
    assert "bought it" in shop.does("router", "strays", "market")
    router.run("/ip/hotspot/user/add", name="cousin [bold]", password="x")
    said = shop.does("router", "strays", "market")
    assert "cousin [bold]" in said and "made by hand" in said
    assert "there are 1 of them" in shop.fails("router", "strays", "market", "--end", "2")
    assert "nothing was done" in shop.fails("router", "strays", "market", "--end", "1")
    assert "the user is removed" in shop.does("router", "strays", "market", "--end", "1", "--yes")
    assert "bought it" in shop.does("router", "strays", "market")
