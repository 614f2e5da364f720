"""A router is brought to its blueprint over its API, and kept there. Against the virtual MikroTik, both majors and drivers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.adapters.routeros import MikrotikHotspot
from core.blueprint import ApiUser, Blueprint
from core.errors import GatewayDown
from core.ports import RouterAddress
from sim.routeros import ManualClock, VirtualRouter
from tests.adapters.planner_side import box_blueprint, brought
from tests.adapters.router_side import CALM, LOCAL, MAC_PASSWORD, PASSWORD, RADIUS_SECRET
from tests.services import eventually

BOXES = [
    ("7.21.5", "hAP ac^2"),
    ("7.18.2", "hAP ax^2"),
    ("7.21.5", "hEX"),
    ("6.49.18", "hAP ac^2"),
    ("6.49.18", "hAP lite"),
]
WRITES_MIN, WRITES_MAX = 40, 400
QUIET_MENUS = (
    "/log",
    "/system/resource",
    "/interface/ethernet",
    "/system/clock",
    "/user/active",
    "/file",
    "/system/history",
)


@pytest.fixture(params=BOXES, ids=lambda box: " ".join(box))
def router(request: pytest.FixtureRequest) -> Iterator[VirtualRouter]:
    """An empty box with one account of its owner's."""
    version, board = request.param
    with VirtualRouter(password=PASSWORD, clock=ManualClock(), version=version, board=board) as router:
        router.reset(no_defaults=True)
        router.run("/user/add", name="boss", password=PASSWORD, group="full")
        yield router


@pytest.fixture
def place(router: VirtualRouter) -> RouterAddress:
    return replace(LOCAL, api_port=router.api_port, coa_port=router.coa_port, username="boss")


@pytest.fixture
def blueprint(place: RouterAddress) -> Blueprint:
    whole = box_blueprint(place, 1812, 1813)
    return replace(whole, api=ApiUser("duka", "made by us", ("127.0.0.1",), place.api_port))


@pytest.fixture
def hotspot(router: VirtualRouter) -> Iterator[MikrotikHotspot]:
    hotspot = MikrotikHotspot(CALM, pause=router.advance)
    yield hotspot
    hotspot.close()


def state(router: VirtualRouter, *, ours: bool = True) -> dict[str, list[dict[str, str]]]:
    """Everything that is set on it, without row numbers; or only what is not ours."""
    found = {}
    for menu in router.machine.schema.menus():
        if menu.startswith(QUIET_MENUS):
            continue
        rows = [
            {name: text for name, text in sorted(row.items()) if name not in (".id", ".nextid")}
            for row in router.rows(menu)
        ]
        found[menu] = [row for row in rows if ours or not str(row).count("duka")]
    return found


def test_an_empty_box_becomes_one_that_sells(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    assert brought(hotspot, place, blueprint)
    (server,) = router.rows("/ip/hotspot")
    assert (server["name"], server["interface"], server["disabled"]) == ("duka-hotspot", "duka-lan", "false")
    assert [row["name"] for row in router.rows("/user") if row.get("comment") == "duka:api"] == ["duka"]
    inputs = [row for row in router.rows("/ip/firewall/filter") if row["chain"] == "input"]
    assert [row["action"] for row in inputs if row.get("dynamic") != "true"][:1] == ["accept"]
    assert router.rows("/system/scheduler") == [], "all is well, so nothing waits to be undone"
    plan = hotspot.planner.plan(place, blueprint)
    assert (plan.steps, plan.collisions) == ((), ())
    assert plan.version == router.machine.version


def test_a_router_in_step_is_read_once_and_written_never(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint
) -> None:
    brought(hotspot, place, blueprint)
    before = state(router)
    hotspot.close()
    router.api_commands.clear()
    assert hotspot.planner.plan(place, blueprint).in_step
    eventually(lambda: router.api_sessions == 1, what="one connection")
    paths = [path for path, _ in router.api_commands]
    assert all(path.endswith("/print") for path in paths)
    assert len(paths) == len(set(paths)), "every menu at most once"
    assert brought(hotspot, place, blueprint) == []
    assert state(router) == before


def test_what_is_told_holds_no_secret(
    hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint, router: VirtualRouter
) -> None:
    plan = hotspot.planner.plan(place, blueprint)
    told = "\n".join([*plan.steps, *brought(hotspot, place, blueprint), repr(blueprint), repr(plan)])
    for secret in (RADIUS_SECRET, MAC_PASSWORD, "made by us", PASSWORD):
        assert secret not in told
    router.run("/radius/set", numbers=router.rows("/radius")[0][".id"], secret="typed")
    (line,) = hotspot.planner.plan(place, blueprint).steps
    assert line == "/radius 'duka:radius': secret changed"


@pytest.mark.parametrize("router", [BOXES[1], BOXES[3]], indirect=True, ids=" ".join)
@pytest.mark.parametrize("carried_out", [False, True], ids=["before the write", "after the write"])
def test_cut_at_any_write_and_resumed_it_ends_the_same(
    router: VirtualRouter, hotspot: MikrotikHotspot, place: RouterAddress, blueprint: Blueprint, carried_out: bool
) -> None:
    brought(hotspot, place, blueprint)
    wanted = state(router)
    for number in range(1, WRITES_MAX):
        router.reset(no_defaults=True)
        router.run("/user/add", name="boss", password=PASSWORD, group="full")
        router.faults.cut_at_write(number, carried_out=carried_out)
        cut = MikrotikHotspot(CALM, pause=router.advance)
        try:
            stopped = cut.planner.apply(place, blueprint).stopped
        except GatewayDown as error:
            stopped = str(error)
        cut.close()
        router.faults.clear()
        if not stopped:
            assert number > WRITES_MIN
            return
        fresh = MikrotikHotspot(CALM, pause=router.advance)
        brought(fresh, place, blueprint)
        fresh.close()
        assert state(router) == wanted, f"cut at write {number}"
    raise AssertionError("an apply without end")
