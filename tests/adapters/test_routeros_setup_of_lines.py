"""Setting up a router that has lines: PPPoE servers, and DHCP servers that ask RADIUS. Against the virtual MikroTik."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from core.adapters.routeros import MikrotikHotspot
from core.errors import GatewayRefused
from core.ports import RouterAddress
from sim.routeros import ManualClock, VirtualRouter
from tests.adapters.planner_side import brought, service_blueprint
from tests.adapters.router_side import CALM, LOCAL, MAC_PASSWORD, PASSWORD, RadiusDesk

SetUp = Callable[..., list[str]]


@pytest.fixture
def desk() -> Iterator[RadiusDesk]:
    desk = RadiusDesk()
    yield desk
    desk.close()


@pytest.fixture(params=["7.21.5", "7.18.2", "6.49.18"])
def router(request: pytest.FixtureRequest) -> Iterator[VirtualRouter]:
    """A router with a hotspot as the vendor's own wizard leaves it."""
    with VirtualRouter(password=PASSWORD, clock=ManualClock(), version=request.param) as router:
        router.run("/ip/hotspot/add", name="hotspot1", interface="bridge", disabled="no")
        router.run("/ip/dns/set", servers="9.9.9.9", allow_remote_requests="yes")
        yield router


@pytest.fixture
def place(router: VirtualRouter) -> RouterAddress:
    return replace(LOCAL, api_port=router.api_port, coa_port=router.coa_port)


@pytest.fixture
def hotspot(router: VirtualRouter) -> Iterator[MikrotikHotspot]:
    hotspot = MikrotikHotspot(CALM, pause=router.advance)
    yield hotspot
    hotspot.close()


@pytest.fixture
def set_up(hotspot: MikrotikHotspot, place: RouterAddress, desk: RadiusDesk) -> SetUp:
    def run(place: RouterAddress = place) -> list[str]:
        return brought(hotspot, place, service_blueprint(place, desk.auth_port, desk.acct_port))

    return run


def services(router: VirtualRouter) -> list[str]:
    (entry,) = [entry for entry in router.rows("/radius") if entry.get("comment") == "duka:radius"]
    return sorted(entry["service"].split(","))


def test_lines_are_set_up_where_there_are_any(router: VirtualRouter, desk: RadiusDesk, set_up: SetUp) -> None:
    router.run("/ip/pool/add", name="lines", ranges="10.30.0.2-10.30.0.9")
    router.run("/interface/pppoe-server/server/add", interface="ether5", service_name="internet", disabled="no")
    router.run(
        "/ip/dhcp-server/add", name="flats", interface="ether4", address_pool="lines", use_radius="yes", disabled="no"
    )
    told = set_up()
    assert "/ppp/aaa: use-radius no → yes" in told
    assert not any(MAC_PASSWORD in sentence for sentence in told)
    assert services(router) == ["dhcp", "hotspot", "ppp"]
    assert set_up() == []
    desk.accepted["AA:BB:CC:00:00:0D"] = {}
    assert router.ask_for_address("AA:BB:CC:00:00:0D").address == "10.30.0.2"


def test_what_is_switched_off_or_somebody_elses_is_not_set_up(router: VirtualRouter, set_up: SetUp) -> None:
    router.run("/interface/pppoe-server/server/add", interface="ether5", service_name="internet")
    router.run("/ip/dhcp-server/add", name="flats", interface="ether4")
    set_up()
    assert services(router) == ["hotspot"]
    assert router.rows("/ppp/aaa")[0].get("use-radius", "false") == "false"


def test_a_router_of_lines_only_needs_no_hotspot(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, set_up: SetUp
) -> None:
    router.run("/ip/hotspot/remove", numbers="hotspot1")
    router.run("/interface/pppoe-server/server/add", interface="ether5", service_name="internet", disabled="no")
    with pytest.raises(GatewayRefused):
        set_up(replace(place, hotspot_server="hotspot1"))
    anywhere = replace(place, hotspot_server="")
    set_up(anywhere)
    assert services(router) == ["ppp"]
    assert hotspot.probe(anywhere, router.clock.now()).problems == []
    router.run("/ppp/aaa/set", use_radius="no", accounting="no")
    assert hotspot.probe(anywhere, router.clock.now()).problems == [
        "PPPoE lines do not ask RADIUS (/ppp/aaa use-radius=no)",
        "PPPoE lines report no usage (/ppp/aaa accounting=no)",
    ]
