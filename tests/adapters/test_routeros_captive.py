"""A phone that joins is told by DHCP option 114 whom to ask (RFC 8910): over HTTPS only, and on both majors."""

from __future__ import annotations

from dataclasses import replace

from core.adapters.routeros import MikrotikHotspot
from core.blueprint import OPTION_OCTETS_MAX, Blueprint
from core.ports import RouterAddress
from sim.routeros import VirtualRouter
from tests.adapters.planner_side import brought
from tests.adapters.test_routeros_plan import blueprint, hotspot, place, router  # noqa: F401 (fixtures)

URL = "https://pay.example.net"
OPTIONS, NETWORKS = "/ip/dhcp-server/option", "/ip/dhcp-server/network"


def announced(box: VirtualRouter, mac: str) -> dict[int, str]:
    phone = box.around.plug_cable("ether2", mac)
    assert phone.lease is not None
    return phone.lease.options


def test_a_phone_is_told_the_address_as_soon_as_it_is_an_https_one(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint  # noqa: F811
) -> None:  # fmt: skip
    brought(hotspot, place, blueprint)
    assert announced(router, "02:00:5E:10:00:01") == {}
    secure = replace(blueprint, portal_url=URL)
    told = brought(hotspot, place, secure)
    assert any(OPTIONS in line and "duka-captive" in line for line in told)
    assert announced(router, "02:00:5E:10:00:02") == {114: f"{URL}/capport/market?r={secure.public_key}"}
    assert brought(hotspot, place, secure) == []
    router.run(f"{OPTIONS}/set", numbers=router.rows(OPTIONS)[0][".id"], value="'https://evil.example'")
    assert not hotspot.planner.plan(place, secure).in_step
    brought(hotspot, place, secure)
    assert announced(router, "02:00:5E:10:00:03") == {114: secure.captive_url}


def test_the_option_goes_when_the_portal_is_not_https_any_more_or_the_router_is_given_up(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint  # noqa: F811
) -> None:  # fmt: skip
    router.run(f"{OPTIONS}/add", name="theirs", code="43", value="0x0104")
    for given_up in (False, True):
        brought(hotspot, place, replace(blueprint, portal_url=URL))
        assert [row["name"] for row in router.rows(OPTIONS)] == ["theirs", "duka-captive"]
        if given_up:
            hotspot.clean(place)
        else:
            brought(hotspot, place, blueprint)
            assert announced(router, "02:00:5E:10:00:04") == {}
        assert [row["name"] for row in router.rows(OPTIONS)] == ["theirs"]


def test_an_address_that_does_not_fit_into_an_option_is_not_announced(blueprint: Blueprint) -> None:  # noqa: F811
    long = replace(blueprint, portal_url="https://" + "x" * 200 + ".org")
    assert 0 < len(replace(blueprint, portal_url=URL).captive_url) <= OPTION_OCTETS_MAX
    assert long.captive_url == "" and replace(blueprint, portal_url=URL, site="").captive_url == ""
