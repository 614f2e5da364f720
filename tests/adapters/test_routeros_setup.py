"""One action makes a router ask us, and the doctor says what keeps paid customers out. Against the virtual MikroTik."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from core.adapters.routeros import MikrotikHotspot
from core.errors import GatewayRefused
from core.ports import RouterAddress
from sim.routeros.clock import ManualClock
from sim.routeros.router import VirtualRouter
from tests.adapters.planner_side import brought, service_blueprint
from tests.adapters.router_side import (
    CALM,
    LOCAL,
    MAC_PASSWORD,
    PASSWORD,
    RADIUS_SECRET,
    RadiusDesk,
)

PHONE = "AA:BB:CC:00:00:01"


@pytest.fixture
def desk() -> Iterator[RadiusDesk]:
    desk = RadiusDesk()
    yield desk
    desk.close()


@pytest.fixture(params=["7.21.5", "7.18.2", "6.49.18"])
def router(request: pytest.FixtureRequest) -> Iterator[VirtualRouter]:
    """A router somebody made a hotspot on, as the vendor's own wizard leaves it: nobody asks RADIUS."""
    with VirtualRouter(password=PASSWORD, clock=ManualClock(), version=request.param) as router:
        router.run("/ip/hotspot/profile/add", name="wizard")
        router.run("/ip/hotspot/add", name="hotspot1", interface="bridge", profile="wizard", disabled="no")
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
def set_up(hotspot: MikrotikHotspot, place: RouterAddress, desk: RadiusDesk) -> Callable[..., list[str]]:
    def run(place: RouterAddress = place, src_address: str = "") -> list[str]:
        made = service_blueprint(place, desk.auth_port, desk.acct_port)
        return brought(hotspot, place, replace(made, radius=replace(made.radius, src_address=src_address)))

    return run


SetUp = Callable[..., list[str]]


def ours(router: VirtualRouter) -> list[dict[str, str]]:
    return [entry for entry in router.rows("/radius") if entry.get("comment") == "duka:radius"]


# ---- setting up --------------------------------------------------------------------------------------------------------


def test_after_one_action_a_paid_device_gets_in_by_itself(
    router: VirtualRouter, desk: RadiusDesk, set_up: SetUp
) -> None:
    assert set_up()
    phone = router.plug_in(PHONE)
    assert not phone.online
    desk.accepted[PHONE] = {}
    router.advance(31)
    assert phone.online, "the login-timeout loop lets it in without any call"
    assert desk.asked[-1] == (PHONE, MAC_PASSWORD)


def test_repeating_it_changes_nothing(router: VirtualRouter, set_up: SetUp) -> None:
    set_up()
    menus = ("/radius", "/radius/incoming", "/ip/hotspot", "/ip/hotspot/profile")
    before = [router.rows(menu) for menu in menus]
    writes = len([path for path, _ in router.api_commands if not path.endswith("print")])
    assert set_up() == []
    assert [router.rows(menu) for menu in menus] == before
    assert len([path for path, _ in router.api_commands if not path.endswith("print")]) == writes


def test_what_was_changed_is_told_without_secrets(set_up: SetUp) -> None:
    told = "\n".join(set_up())
    for part in (
        "/radius: add address=127.0.0.1",
        "accept no → yes",
        "use-radius no → yes",
        "login-timeout",
        "'wizard'",
    ):
        assert part in told
    assert RADIUS_SECRET not in told
    assert MAC_PASSWORD not in told


def test_everything_is_as_the_reference_wants_it(router: VirtualRouter, desk: RadiusDesk, set_up: SetUp) -> None:
    set_up(src_address="10.99.0.2")
    (entry,) = ours(router)
    assert entry["service"] == "hotspot"
    assert (entry["address"], entry["secret"], entry["src-address"]) == ("127.0.0.1", RADIUS_SECRET, "10.99.0.2")
    assert (entry["authentication-port"], entry["accounting-port"]) == (str(desk.auth_port), str(desk.acct_port))
    assert entry["timeout"] == "2s"
    (incoming,) = router.rows("/radius/incoming")
    assert (incoming["accept"], incoming["port"]) == ("true", str(router.coa_port))
    profile = next(one for one in router.rows("/ip/hotspot/profile") if one["name"] == "wizard")
    assert profile["use-radius"] == "true"
    assert set(profile["login-by"].split(",")) == {"mac", "http-pap", "http-chap"}
    assert (profile["mac-auth-mode"], profile["mac-auth-password"]) == ("mac-as-username", MAC_PASSWORD)
    assert profile["radius-interim-update"] == "received"
    (server,) = router.rows("/ip/hotspot")
    assert server["login-timeout"] == "30s"


def test_what_is_not_ours_stays_as_it_is(router: VirtualRouter, set_up: SetUp) -> None:
    router.run("/radius/add", address="192.0.2.7", secret="theirs", service="ppp", comment="our old one")
    router.run("/ip/hotspot/profile/add", name="cafe", login_by="cookie")
    theirs = [entry for entry in router.rows("/radius") if entry["comment"] == "our old one"]
    before = theirs, [one for one in router.rows("/ip/hotspot/profile") if one["name"] != "wizard"]
    set_up()
    theirs = [entry for entry in router.rows("/radius") if entry["comment"] == "our old one"]
    after = theirs, [one for one in router.rows("/ip/hotspot/profile") if one["name"] != "wizard"]
    assert after == before


def test_https_login_is_kept_and_cookies_are_not(router: VirtualRouter, set_up: SetUp) -> None:
    router.run("/ip/hotspot/profile/set", numbers="wizard", login_by="https,cookie,mac-cookie,trial")
    set_up()
    profile = next(one for one in router.rows("/ip/hotspot/profile") if one["name"] == "wizard")
    assert set(profile["login-by"].split(",")) == {"mac", "http-pap", "http-chap", "https"}


def break_secret(router: VirtualRouter) -> None:
    router.run("/radius/set", id=ours(router)[0][".id"], secret="typed over")


def break_incoming(router: VirtualRouter) -> None:
    router.run("/radius/incoming/set", accept="no")


def break_profile(router: VirtualRouter) -> None:
    router.run(
        "/ip/hotspot/profile/set", numbers="wizard", use_radius="no", mac_auth_mode="mac-as-username-and-password"
    )


def break_server(router: VirtualRouter) -> None:
    router.run("/ip/hotspot/set", numbers="hotspot1", login_timeout="none")


def break_entry(router: VirtualRouter) -> None:
    router.run("/radius/set", id=ours(router)[0][".id"], service="ppp", timeout="300ms", disabled="yes")


def break_by_removal(router: VirtualRouter) -> None:
    router.run("/radius/remove", id=ours(router)[0][".id"])


def break_by_a_copy(router: VirtualRouter) -> None:
    router.run("/radius/add", address="192.0.2.7", secret="old", service="hotspot", comment="duka:radius")


DRIFT = [break_secret, break_incoming, break_profile, break_server, break_entry, break_by_removal, break_by_a_copy]


@pytest.mark.parametrize("drift", DRIFT)
def test_drift_is_repaired_and_told(
    router: VirtualRouter, set_up: SetUp, drift: Callable[[VirtualRouter], None]
) -> None:
    def state() -> list[dict[str, str]]:
        menus = ("/radius", "/radius/incoming", "/ip/hotspot", "/ip/hotspot/profile")
        return [{k: v for k, v in one.items() if k != ".id"} for menu in menus for one in router.rows(menu)]

    set_up()
    before = state()
    drift(router)
    assert state() != before
    told = " ".join(set_up())
    assert told
    assert RADIUS_SECRET not in told and "typed over" not in told
    assert state() == before
    assert set_up() == []


def test_a_router_that_forgot_everything_can_be_set_up_again(router: VirtualRouter, set_up: SetUp) -> None:
    set_up()
    router.faults.forget_everything()
    with pytest.raises(GatewayRefused) as refused:
        set_up()
    assert refused.value.code == "no_hotspot"
    assert ours(router) == [], "nothing is half done"
    router.run("/ip/hotspot/add", name="hotspot1", interface="bridge", disabled="no")
    assert set_up()
    assert len(ours(router)) == 1


def test_a_hotspot_that_is_not_there_is_refused(router: VirtualRouter, place: RouterAddress, set_up: SetUp) -> None:
    with pytest.raises(GatewayRefused) as refused:
        set_up(replace(place, hotspot_server="hotspot9"))
    assert refused.value.code == "no_hotspot"
    assert router.rows("/radius") == []


def test_an_account_that_may_only_read_is_refused(router: VirtualRouter, place: RouterAddress, set_up: SetUp) -> None:
    router.run("/user/add", name="reader", password=PASSWORD, group="read")
    with pytest.raises(GatewayRefused) as refused:
        set_up(replace(place, username="reader"))
    assert refused.value.code == "rights"
    assert router.rows("/radius") == []


def test_an_account_that_may_not_see_secrets_still_sets_them(
    router: VirtualRouter, place: RouterAddress, hotspot: MikrotikHotspot, set_up: SetUp
) -> None:
    router.run("/user/group/add", name="duka", policy="api,read,write,test")
    router.run("/user/add", name="modest", password=PASSWORD, group="duka")
    modest = replace(place, username="modest")
    assert set_up(modest)
    break_secret(router)
    assert set_up(modest) == [], "a secret nobody can read is no visible difference"
    assert ours(router)[0]["secret"] == RADIUS_SECRET, "but it is put right all the same"
    assert hotspot.probe(modest, router.clock.now()).problems == []


def test_a_change_that_does_not_stay_is_not_believed(router: VirtualRouter, set_up: SetUp) -> None:
    def undo(path: str, _arguments: dict[str, str]) -> None:
        if path == "/radius/incoming/print":
            router.run("/radius/incoming/set", accept="no")

    router.on_command.append(undo)
    with pytest.raises(GatewayRefused, match="did not keep: accept"):
        set_up()


@pytest.mark.parametrize(
    "command", ["/radius/add", "/radius/incoming/set", "/ip/hotspot/profile/set", "/ip/hotspot/set"]
)
def test_a_refused_write_is_a_failure_and_the_next_attempt_finishes(
    router: VirtualRouter, set_up: SetUp, command: str
) -> None:
    router.faults.refuse(command, "failure: not now")
    with pytest.raises(GatewayRefused, match="not now"):
        set_up()
    assert set_up()
    assert set_up() == []


# ---- the doctor --------------------------------------------------------------------------------------------------------


def test_a_healthy_router_has_no_problems(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk, set_up: SetUp
) -> None:
    set_up()
    desk.accepted[PHONE] = {}
    router.plug_in(PHONE)
    router.advance(3600)
    health = hotspot.probe(place, router.clock.now())
    assert health.problems == []
    assert (health.identity, health.board) == ("market", "hAP ac^2")
    assert health.version.startswith(router.machine.version)
    assert (health.uptime_seconds, health.clock_skew_seconds, health.active_count) == (3600, 0, 1)


def test_probing_changes_nothing(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk, set_up: SetUp
) -> None:
    set_up()
    desk.accepted[PHONE] = {}
    phone = router.plug_in(PHONE)
    menus = router.machine.schema.menus()
    before = {menu: router.rows(menu) for menu in menus if menu != "/log"}
    hotspot.probe(place, router.clock.now())
    assert {menu: router.rows(menu) for menu in menus if menu != "/log"} == before
    assert phone.online


Trouble = Callable[[VirtualRouter], object]
PROBLEMS: dict[str, Trouble] = {
    "is disabled": lambda router: router.run("/ip/hotspot/set", numbers="hotspot1", disabled="yes"),
    "there is no hotspot server": lambda router: router.run("/ip/hotspot/remove", numbers="hotspot1"),
    "has no login-timeout": lambda router: router.run("/ip/hotspot/set", numbers="hotspot1", login_timeout="none"),
    "does not ask RADIUS": lambda router: router.run("/ip/hotspot/profile/set", numbers="wizard", use_radius="no"),
    "reports no usage": lambda router: router.run("/ip/hotspot/profile/set", numbers="wizard", radius_accounting="no"),
    "by MAC (login-by)": lambda router: router.run(
        "/ip/hotspot/profile/set", numbers="wizard", login_by="http-pap,cookie"
    ),
    "guessable password": lambda router: router.run(
        "/ip/hotspot/profile/set", numbers="wizard", mac_auth_mode="mac-as-username-and-password"
    ),
    "another mac-auth-password": lambda router: router.run(
        "/ip/hotspot/profile/set", numbers="wizard", mac_auth_password="stale"
    ),
    "radius-mac-format": lambda router: router.run(
        "/ip/hotspot/profile/set", numbers="wizard", radius_mac_format="XXXXXXXXXXXX"
    ),
    "no RADIUS server is set for the hotspot": lambda router: router.run("/radius/remove", id=ours(router)[0][".id"]),
    "timeout is 300 ms": lambda router: router.run("/radius/set", id=ours(router)[0][".id"], timeout="300ms"),
    "timeout is 10000 ms": lambda router: router.run("/radius/set", id=ours(router)[0][".id"], timeout="10s"),
    "RADIUS secret on the router": lambda router: router.run("/radius/set", id=ours(router)[0][".id"], secret="x"),
    "'192.0.2.7' is asked before ours": lambda router: router.run(
        "/radius/add", address="192.0.2.7", secret="s", service="hotspot", place_before=ours(router)[0][".id"]
    ),
    "accept=no": lambda router: router.run("/radius/incoming/set", accept="no"),
    "on another port": lambda router: router.run("/radius/incoming/set", port="1700"),
    "allow-remote-requests=no": lambda router: router.run("/ip/dns/set", allow_remote_requests="no"),
    "no DNS server": lambda router: router.run("/ip/dns/set", servers=""),
    "clock is 10m ahead": lambda router: setattr(router, "clock_skew_seconds", 600.0),
    "clock is 1d behind": lambda router: setattr(router, "clock_skew_seconds", -86400.0),
}


@pytest.mark.parametrize(("sentence", "trouble"), PROBLEMS.items(), ids=PROBLEMS.keys())
def test_what_is_wrong_is_one_sentence(
    hotspot: MikrotikHotspot,
    router: VirtualRouter,
    place: RouterAddress,
    set_up: SetUp,
    sentence: str,
    trouble: Trouble,
) -> None:
    set_up()
    trouble(router)
    (problem,) = hotspot.probe(place, router.clock.now()).problems
    assert sentence in problem
    for secret in (RADIUS_SECRET, MAC_PASSWORD):
        assert secret not in problem


@pytest.mark.parametrize("mode", ["home", "basic"])
def test_a_box_that_forbids_hotspots_is_told_apart(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, set_up: SetUp, mode: str
) -> None:
    set_up()
    if not router.machine.schema.has_menu("/system/device-mode"):
        assert hotspot.probe(place, router.clock.now()).problems == []
        return
    router.set_device_mode(mode)
    (problem,) = hotspot.probe(place, router.clock.now()).problems
    assert f"device-mode {mode!r} forbids the hotspot" in problem


def test_an_account_that_may_only_read_is_a_problem(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, set_up: SetUp
) -> None:
    set_up()
    router.run("/user/add", name="reader", password=PASSWORD, group="read")
    (problem,) = hotspot.probe(replace(place, username="reader"), router.clock.now()).problems
    assert "write policy" in problem


@pytest.mark.parametrize("zone", ["Africa/Nairobi", "America/St_Johns", "Asia/Dhaka"])
def test_a_routers_time_zone_is_no_skew(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, zone: str
) -> None:
    router.run("/system/clock/set", time_zone_name=zone)
    now = router.clock.now().astimezone(timezone(timedelta(hours=6)))
    assert hotspot.probe(place, now).clock_skew_seconds == 0
