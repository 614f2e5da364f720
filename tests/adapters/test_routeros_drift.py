"""Somebody else has been at the router: it is told, mended, and what is the owner's stays as it is. Against the virtual MikroTik."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import routeros_api

from core.adapters.routeros import MikrotikHotspot
from core.blueprint import ApiUser, Blueprint
from core.errors import GatewayRefused
from core.ports import RouterAddress
from sim.routeros import ManualClock, VirtualRouter
from tests.adapters.planner_side import box_blueprint, brought
from tests.adapters.router_side import CALM, LOCAL, PASSWORD
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


@pytest.fixture
def stranger(router: VirtualRouter) -> Iterator[Any]:
    """Somebody with another program: RouterOS-api, as its own users write it."""
    pool = routeros_api.RouterOsApiPool(
        "127.0.0.1", username="boss", password=PASSWORD, port=router.api_port, plaintext_login=True
    )
    yield pool.get_api()
    pool.disconnect()


def ours(api: Any, menu: str, **which: str) -> str:
    found: str = api.get_resource(menu).get(**which)[0]["id"]
    return found


def take_away_radius(api: Any) -> None:
    api.get_resource("/radius").remove(id=ours(api, "/radius", comment="duka:radius"))


def switch_off_hotspot(api: Any) -> None:
    api.get_resource("/ip/hotspot").set(id=ours(api, "/ip/hotspot", name="duka-hotspot"), disabled="yes")


def open_a_door(api: Any) -> None:
    rules = api.get_resource("/ip/firewall/filter")
    rules.set(id=ours(api, "/ip/firewall/filter", comment="duka:input-doors"), disabled="yes")


def stop_asking(api: Any) -> None:
    menu = "/ip/hotspot/profile"
    api.get_resource(menu).set(id=ours(api, menu, name="duka-hotspot"), **{"use-radius": "no", "login-by": "cookie"})


def forbid_orders(api: Any) -> None:
    api.get_binary_resource("/radius/incoming").call("set", {"accept": b"no"})


def close_the_garden(api: Any) -> None:
    menu = "/ip/hotspot/walled-garden/ip"
    for row in api.get_resource(menu).get():
        if row.get("comment", "").startswith("duka:"):
            api.get_resource(menu).remove(id=row["id"])


def stand_before_us(api: Any) -> None:
    rules = api.get_resource("/ip/firewall/filter")
    first = ours(api, "/ip/firewall/filter", comment="duka:input-established")
    rules.call("move", {"numbers": first, "destination": ours(api, "/ip/firewall/filter", comment="office")})
    rules.call("move", {"numbers": ours(api, "/ip/firewall/filter", comment="office"), "destination": first})


def copy_ours(api: Any) -> None:
    api.get_resource("/radius").add(address="192.0.2.9", secret="old", service="hotspot", comment="duka:radius")


DRIFTS: dict[str, Callable[[Any], None]] = {
    "/radius: add": take_away_radius,
    "/ip/hotspot 'duka-hotspot': disabled yes → no": switch_off_hotspot,
    "/ip/firewall/filter 'duka:input-doors': disabled yes → no": open_a_door,
    "use-radius no → yes": stop_asking,
    "/radius/incoming: accept no → yes": forbid_orders,
    "/ip/hotspot/walled-garden/ip: add action=accept dst-address=127.0.0.1": close_the_garden,
    "move duka:input-established before what is not ours": stand_before_us,
    "/radius: remove duka:radius, which is there twice": copy_ours,
}


@pytest.mark.parametrize(("sentence", "drift"), DRIFTS.items(), ids=DRIFTS.keys())
def test_drift_made_by_hand_is_told_and_mended_and_the_owners_things_stay(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint, stranger: Any,
    sentence: str, drift: Callable[[Any], None],
) -> None:  # fmt: skip
    theirs = state(router, ours=False)
    theirs = {menu: rows for menu, rows in theirs.items() if any(row.get("comment") in KEPT for row in rows)}
    brought(hotspot, place, blueprint)
    wanted = state(router)
    drift(stranger)
    plan = hotspot.planner.plan(place, blueprint)
    assert any(sentence in line for line in plan.steps), plan.steps
    assert brought(hotspot, place, blueprint) == list(plan.steps)
    assert hotspot.planner.plan(place, blueprint).in_step
    after = state(router)
    assert {menu: sorted(map(str, rows)) for menu, rows in after.items()} == {
        menu: sorted(map(str, rows)) for menu, rows in wanted.items()
    }
    for menu, rows in theirs.items():
        kept = [row for row in rows if row.get("comment") in KEPT]
        assert [row for row in after[menu] if row.get("comment") in KEPT] == kept


KEPT = ("the office", "office", "mine", "lobby")


def test_an_object_of_the_owners_in_our_place_is_told_and_left_alone(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    router.run("/interface/bridge/add", name="office")
    router.run("/interface/bridge/port/add", bridge="office", interface="ether3")
    router.run("/ip/dhcp-client/add", interface="ether1", use_peer_dns="no", disabled="no")
    before = state(router)
    result = hotspot.planner.apply(place, blueprint)
    assert result.stopped == ""
    assert [each for each in result.collisions if "'ether3' is the owner's and has bridge=office" in each]
    assert [each for each in result.collisions if "'ether1' is the owner's and has use-peer-dns=" in each]
    after = state(router)
    for menu in ("/interface/bridge/port", "/ip/dhcp-client"):
        assert [row for row in after[menu] if not row.get("comment")] == before[menu]
    plan = hotspot.planner.plan(place, blueprint)
    assert plan.steps == ()
    assert plan.collisions == result.collisions
    assert plan.drift is not None and "collision: " in plan.drift


def test_an_object_of_the_owners_that_says_the_same_serves_as_well(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    router.run("/ip/dhcp-client/add", interface="ether1", disabled="no", add_default_route="yes", use_peer_dns="yes")
    brought(hotspot, place, blueprint)
    assert [row.get("comment", "") for row in router.rows("/ip/dhcp-client")] == [""]
    assert hotspot.planner.plan(place, blueprint).in_step


def test_a_rule_that_lets_traffic_past_the_speeds_is_told_and_left_alone(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    router.run("/ip/firewall/filter/add", chain="forward", action="fasttrack-connection", comment="defconf: fasttrack")
    result = hotspot.planner.apply(place, blueprint)
    (collision,) = result.collisions
    assert "'defconf: fasttrack' is the owner's" in collision
    (rule,) = [row for row in router.rows("/ip/firewall/filter") if row["action"] == "fasttrack-connection"]
    router.run("/ip/firewall/filter/set", id=rule[".id"], disabled="yes")
    assert hotspot.planner.plan(place, blueprint).in_step


def test_an_account_that_may_not_manage_accounts_says_what_somebody_has_to_do(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    brought(hotspot, place, blueprint)
    hotspot.close()
    ours = replace(place, username="duka", password="made by us")
    assert hotspot.planner.plan(ours, blueprint).in_step, "the account we made is enough to look"
    router.run("/user/group/set", numbers="duka-api", policy="api,ftp,read,test,write,reboot")
    plan = hotspot.planner.plan(ours, blueprint)
    assert plan.steps == ()
    (collision,) = plan.collisions
    assert "may not manage accounts" in collision
    router.run("/radius/incoming/set", accept="no")
    open_rule = next(row for row in router.rows("/ip/firewall/filter") if row.get("comment") == "duka:input-doors")
    router.run("/ip/firewall/filter/set", id=open_rule[".id"], disabled="yes")
    assert brought(hotspot, ours, blueprint) == [
        "/radius/incoming: accept no → yes",
        "/ip/firewall/filter 'duka:input-doors': disabled yes → no",
    ], "and to work, with the guard"
    assert router.rows("/system/scheduler") == []


def test_accounts_that_may_not_be_seen_are_not_spoken_of(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    brought(hotspot, place, blueprint)
    for menu in ("/user", "/user/group"):
        router.faults.refuse(f"{menu}/print", "not enough permissions (9)")
    assert hotspot.planner.plan(place, blueprint).in_step


def test_a_refusal_at_any_step_stops_there_and_the_next_apply_goes_on(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    brought(hotspot, place, blueprint)
    wanted = state(router)
    seen = {path for path, _ in router.api_commands if path.endswith(("/add", "/set"))}
    assert len(seen) > 20
    for command in sorted(seen):
        router.reset(no_defaults=True)
        router.run("/user/add", name="boss", password=PASSWORD, group="full")
        for again in OWNERS:
            router.run(again[0], **again[1])
        router.faults.refuse(command, "failure: not now")
        try:
            result = hotspot.planner.apply(place, blueprint)
        except GatewayRefused as error:
            assert "not now" in str(error)
        else:
            assert "not now" in result.stopped
            assert result.left
        brought(hotspot, place, blueprint)
        assert {menu: sorted(map(str, rows)) for menu, rows in state(router).items()} == {
            menu: sorted(map(str, rows)) for menu, rows in wanted.items()
        }, command


OWNERS: list[tuple[str, dict[str, str]]] = [
    ("/radius/add", {"address": "192.0.2.7", "secret": "theirs", "service": "login", "comment": "the office"}),
    (
        "/ip/firewall/filter/add",
        {"chain": "input", "action": "accept", "src_address": "192.0.2.0/24", "comment": "office"},
    ),
    ("/ip/firewall/nat/add", {"chain": "srcnat", "action": "masquerade", "out_interface": "ether1", "comment": "mine"}),
    ("/ip/pool/add", {"name": "office", "ranges": "192.168.5.2-192.168.5.9"}),
    ("/ip/hotspot/walled-garden/ip/add", {"action": "accept", "dst_host": "news.example.net", "comment": "lobby"}),
]


def test_an_owner_who_works_on_it_at_the_same_time_loses_nothing_and_breaks_nothing(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    def owner(path: str, arguments: dict[str, str]) -> None:
        if path == "/ip/hotspot/add":
            router.on_command.remove(owner)
            router.run("/radius/remove", numbers=router.rows("/radius")[0][".id"])
            router.run("/ip/pool/add", name="late", ranges="192.168.6.2-192.168.6.9")

    router.on_command.append(owner)
    result = hotspot.planner.apply(place, blueprint)
    assert not result.stopped, "what was read back before is not looked at again in the same visit"
    (line,) = hotspot.planner.plan(place, blueprint).steps
    assert line.startswith("/radius: add")
    brought(hotspot, place, blueprint)
    assert hotspot.planner.plan(place, blueprint).in_step
    assert "late" in [row["name"] for row in router.rows("/ip/pool")]


def test_a_row_that_goes_between_looking_and_writing_stops_the_apply_with_the_reason(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    brought(hotspot, place, blueprint)
    router.run("/ip/dns/set", allow_remote_requests="no")
    router.run("/ip/pool/set", numbers="duka-expired", ranges="10.31.0.2-10.31.0.9")

    def owner(path: str, arguments: dict[str, str]) -> None:
        if path == "/ip/dns/set" and "allow-remote-requests" in arguments and owner in router.on_command:
            router.on_command.remove(owner)
            router.run("/ip/pool/remove", numbers="duka-expired")

    router.on_command.append(owner)
    result = hotspot.planner.apply(place, blueprint)
    assert "no such item" in result.stopped
    assert [line for line in result.left if "duka-expired" in line]
    brought(hotspot, place, blueprint)
    assert hotspot.planner.plan(place, blueprint).in_step
