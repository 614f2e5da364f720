"""What could lock us out of a router, its walled garden, and routers that answer nonsense. Against the virtual MikroTik."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.adapters.routeros import MikrotikHotspot
from core.adapters.routeros.guard import GUARD_SECONDS
from core.blueprint import ApiUser, Blueprint, Opening
from core.errors import GatewayDown, GatewayRefused
from core.planning import MISSING, OURS, YOURS, GardenEntry
from core.ports import RouterAddress
from sim.routeros import ManualClock, VirtualRouter
from tests.adapters.planner_side import GARDEN, box_blueprint, brought
from tests.adapters.router_side import CALM, LOCAL, PASSWORD, PATIENCE, bounded, scripted
from tests.adapters.test_routeros_plan import state


@pytest.fixture(params=["7.21.5", "6.49.18"])
def router(request: pytest.FixtureRequest) -> Iterator[VirtualRouter]:
    """A box with things of its owner's on it."""
    with VirtualRouter(password=PASSWORD, clock=ManualClock(), version=request.param) as router:
        router.reset(no_defaults=True)
        router.run("/user/add", name="boss", password=PASSWORD, group="full")
        router.run("/radius/add", address="192.0.2.7", secret="theirs", service="login", comment="the office")
        router.run(
            "/ip/firewall/filter/add", chain="input", action="accept", src_address="192.0.2.0/24", comment="office"
        )
        router.run("/ip/firewall/nat/add", chain="srcnat", action="masquerade", out_interface="ether1", comment="mine")
        router.run("/ip/pool/add", name="office", ranges="192.168.5.2-192.168.5.9")
        router.run("/ip/hotspot/walled-garden/ip/add", action="accept", dst_host="news.example.net", comment="lobby")
        yield router


@pytest.fixture
def place(router: VirtualRouter) -> RouterAddress:
    return replace(LOCAL, api_port=router.api_port, coa_port=router.coa_port, username="boss")


@pytest.fixture
def blueprint(place: RouterAddress) -> Blueprint:
    return replace(box_blueprint(place, 1812, 1813), api=ApiUser("duka", "made by us", ("127.0.0.1",), place.api_port))


@pytest.fixture
def hotspot(router: VirtualRouter) -> Iterator[MikrotikHotspot]:
    hotspot = MikrotikHotspot(CALM, pause=router.advance)
    yield hotspot
    hotspot.close()


def test_a_step_that_locks_us_out_is_taken_back_by_the_router_itself(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    def lock_out(path: str, arguments: dict[str, str]) -> None:
        if path == "/ip/firewall/filter/add" and arguments.get("comment") == "duka:input-doors":
            router.faults.unreachable()

    router.on_command.append(lock_out)
    result = hotspot.planner.apply(place, blueprint)
    assert f"by itself within {GUARD_SECONDS} s" in result.stopped
    assert any("duka:input-doors" in line for line in result.left)
    assert not any("input-" in line for line in result.done)
    assert [row["name"] for row in router.rows("/system/scheduler")] == ["duka-undo"]
    assert any(row.get("comment") == "duka:input-established" for row in router.rows("/ip/firewall/filter"))
    router.advance(GUARD_SECONDS + 1)
    inputs = [row for row in router.rows("/ip/firewall/filter") if row.get("chain") == "input"]
    assert [row.get("comment") for row in inputs if row.get("dynamic") != "true"] == ["office"]
    assert router.rows("/system/scheduler") == [], "and it does so once"
    router.on_command.remove(lock_out)
    router.faults.reachable()
    fresh = MikrotikHotspot(CALM, pause=router.advance)
    brought(fresh, place, blueprint)
    assert fresh.planner.plan(place, blueprint).in_step
    fresh.close()


def test_a_firewall_that_shuts_us_out_opens_again_by_itself(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    """Our server's address was given wrongly: the rules we make are the rules that shut us out."""
    router.around.programs_arrive_by("ether1")
    assert blueprint.api is not None
    mistaken = replace(blueprint, api=replace(blueprint.api, allowed=("192.0.2.200",)))
    result = hotspot.planner.apply(place, mistaken)
    assert "takes back the risky steps by itself" in result.stopped
    stranger = MikrotikHotspot(CALM, pause=router.advance)
    with pytest.raises(GatewayDown):
        stranger.planner.plan(place, blueprint)
    stranger.close()
    router.advance(GUARD_SECONDS + 1)
    fresh = MikrotikHotspot(CALM, pause=router.advance)
    brought(fresh, place, blueprint)
    assert fresh.planner.plan(place, blueprint).in_step
    assert router.rows("/system/scheduler") == []
    fresh.close()


def test_customers_stand_before_closed_doors_and_the_owner_comes_in_by_his_own_addresses(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    brought(hotspot, place, blueprint)
    inside = (("ether1", "192.0.2.99"), ("duka-lan", "10.20.0.9"), ("<pppoe-asha>", "10.30.0.9"))
    for interface, who in inside:
        for service in ("winbox", "ssh", "www", "telnet", "ftp", "api", "api-ssl"):
            assert not router.around.admits(service, interface, who), (service, interface)
    for interface, who in inside:
        router.run("/ip/firewall/address-list/add", list="duka-office", address=who)
        assert router.around.admits("winbox", interface, who)
        assert router.around.admits("ssh", interface, who)
    assert not router.around.admits("winbox", "duka-lan", "10.20.0.10")
    assert hotspot.planner.plan(place, blueprint).in_step, "who is on the list is the owner's matter"


@pytest.mark.parametrize("interface", ["ether1", "duka-lan", "<l2tp-server>"])
def test_our_own_server_is_let_in_from_wherever_it_comes(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint, interface: str
) -> None:
    router.around.programs_arrive_by(interface)
    brought(hotspot, place, blueprint)
    assert router.rows("/system/scheduler") == [], "nothing had to be taken back"
    assert hotspot.planner.plan(place, blueprint).in_step
    router.around.programs_arrive_by(None)
    nowhere = replace(blueprint, api=ApiUser("duka", "made by us", (), place.api_port), tunnel=None)
    brought(hotspot, place, nowhere)
    assert router.around.admits("api", interface, "127.0.0.1"), "nobody said where we come from"
    assert not router.around.admits("winbox", interface, "127.0.0.1")


def test_what_was_confirmed_is_not_taken_back_later(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    brought(hotspot, place, blueprint)
    wanted = state(router)
    router.advance(10 * GUARD_SECONDS)
    assert state(router) == wanted


def test_a_setting_is_taken_back_to_what_it_was(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    brought(hotspot, place, blueprint)
    rule = next(row for row in router.rows("/ip/firewall/filter") if row.get("comment") == "duka:input-doors")
    router.run("/ip/firewall/filter/set", id=rule[".id"], dst_port="22", disabled="yes")
    router.run(
        "/ip/firewall/filter/add", chain="input", action="drop", dst_port="1", protocol="tcp", comment="duka:old"
    )
    before = state(router)

    def lock_out(path: str, arguments: dict[str, str]) -> None:
        if path == "/system/scheduler/remove":
            router.faults.unreachable()

    router.on_command.append(lock_out)
    router.on_command.append(
        lambda path, _: router.faults.unreachable() if path == "/ip/firewall/filter/remove" else None
    )
    assert hotspot.planner.apply(place, blueprint).stopped
    assert state(router) != before
    router.advance(GUARD_SECONDS + 1)
    after = state(router)
    for menu in before:
        assert sorted(map(str, after[menu])) == sorted(map(str, before[menu])), menu


def test_a_router_that_may_not_run_a_scheduler_is_not_put_at_risk(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    brought(hotspot, place, blueprint)
    if not router.machine.schema.has_menu("/system/device-mode"):
        assert hotspot.planner.plan(place, blueprint).in_step, "RouterOS 6 forbids nothing"
        return
    router.set_device_mode("home")
    rule = next(row for row in router.rows("/ip/firewall/filter") if row.get("comment") == "duka:input-doors")
    router.run("/ip/firewall/filter/set", id=rule[".id"], disabled="yes")
    with pytest.raises(GatewayRefused, match="scheduler"):
        hotspot.planner.apply(place, blueprint)
    assert router.rows("/system/scheduler") == []


# ---- the walled garden -------------------------------------------------------------------------------------------------


def test_the_garden_says_whose_each_hole_is(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    brought(hotspot, place, blueprint)
    row = next(each for each in router.rows("/ip/hotspot/walled-garden") if each.get("comment", "").startswith("duka:"))
    router.run("/ip/hotspot/walled-garden/set", id=row[".id"], disabled="yes")
    entries = hotspot.planner.garden(place, blueprint)
    assert GardenEntry(MISSING, "*.pay.bka.sh", "443", "bkash") in entries
    assert GardenEntry(OURS, "127.0.0.1", "8081", "portal") in entries
    assert GardenEntry(YOURS, "news.example.net", "", "lobby") in entries
    assert [entry.whose for entry in entries].count(OURS) == len(GARDEN) - 1


def test_tending_touches_the_garden_and_nothing_else(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    brought(hotspot, place, blueprint)
    router.run("/radius/incoming/set", accept="no")
    router.api_commands.clear()
    changed = replace(blueprint, garden=(*GARDEN[:2], Opening("stripe", host="checkout.stripe.com")))
    result = hotspot.planner.tend(place, changed)
    assert result.stopped == ""
    assert any("checkout.stripe.com" in line for line in result.done)
    assert any("remove duka:garden-bkash" in line for line in result.done)
    writes = {path for path, _ in router.api_commands if not path.endswith(("/print", "/login"))}
    assert all("/walled-garden" in path or "/address-list" in path for path in writes)
    places = [row.get("dst-host", row.get("dst-address")) for row in router.rows("/ip/hotspot/walled-garden/ip")]
    assert "news.example.net" in places
    assert "payment.mynagad.com" not in places


# ---- trouble -----------------------------------------------------------------------------------------------------------


def test_a_router_that_answers_nonsense_is_left_within_the_deadline(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    router.faults.talk_nonsense()
    with bounded(), pytest.raises(GatewayDown):
        hotspot.planner.plan(place, blueprint)
    with bounded(), pytest.raises(GatewayDown):
        hotspot.planner.apply(place, blueprint)


def test_a_box_that_says_yes_to_everything_and_tells_nothing_is_no_router(blueprint: Blueprint) -> None:
    with scripted([b"\x05!done\x00"]) as box:
        hotspot = MikrotikHotspot(PATIENCE)
        with bounded(), pytest.raises(GatewayRefused) as refused:
            hotspot.planner.plan(replace(LOCAL, api_port=box.port), blueprint)
        assert refused.value.code == "nonsense"
        hotspot.close()
