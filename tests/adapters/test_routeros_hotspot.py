"""A paid device and the router: let in, thrown out, listed. Against the virtual MikroTik, over its real protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from core.adapters.routeros import MikrotikHotspot, Patience
from core.errors import GatewayDown, GatewayRefused
from core.ports import RouterAddress
from sim.routeros.clock import ManualClock
from sim.routeros.router import VirtualRouter
from tests.adapters.router_side import MAC_PASSWORD, RADIUS_SECRET, RadiusDesk

PHONE = "AA:BB:CC:00:00:01"
LOGIN = "/ip/hotspot/active/login"
HOUR: dict[str, str | int] = {"Session-Timeout": 3600}


@pytest.fixture
def desk() -> Iterator[RadiusDesk]:
    desk = RadiusDesk()
    yield desk
    desk.close()


@pytest.fixture
def router(desk: RadiusDesk) -> Iterator[VirtualRouter]:
    with VirtualRouter(password="api password", clock=ManualClock()) as router:
        router.set_up_hotspot(
            "127.0.0.1", desk.auth_port, desk.acct_port, RADIUS_SECRET, MAC_PASSWORD, radius_timeout_seconds=0.1
        )
        yield router


@pytest.fixture
def place(router: VirtualRouter) -> RouterAddress:
    return RouterAddress(
        router_id=1,
        name="Market",
        host="127.0.0.1",
        api_port=router.api_port,
        api_tls=False,
        username="duka",
        password="api password",
        hotspot_server="hotspot1",
        mac_auth_password=MAC_PASSWORD,
        coa_port=router.coa_port,
        radius_secret=RADIUS_SECRET,
    )


@pytest.fixture
def hotspot(router: VirtualRouter) -> Iterator[MikrotikHotspot]:
    hotspot = MikrotikHotspot(Patience(1, 1, 2, 4), pause=router.advance)
    yield hotspot
    hotspot.close()


def logins(router: VirtualRouter) -> list[dict[str, str]]:
    return [arguments for path, arguments in router.api_commands if path == LOGIN]


# ---- letting in --------------------------------------------------------------------------------------------------------


def test_a_paid_device_that_waits_is_let_in_at_once(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    phone = router.plug_in(PHONE)
    assert not phone.online
    desk.accepted[PHONE] = {**HOUR, "Mikrotik-Total-Limit": 1_000_000}
    row = hotspot.let_in(place, PHONE)
    assert phone.online
    assert row is not None
    assert (row.mac, row.user, row.address) == (PHONE, PHONE, phone.ip)
    assert (row.session_time_left_seconds, row.limit_bytes_total, row.uptime_seconds) == (3600, 1_000_000, 0)
    (login,) = logins(router)
    assert login == {"user": PHONE, "password": MAC_PASSWORD, "ip": phone.ip, "mac-address": PHONE}


def test_a_device_elsewhere_is_not_logged_in_here(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress
) -> None:
    router.plug_in("AA:BB:CC:00:00:02")
    assert hotspot.let_in(place, PHONE) is None
    assert logins(router) == []


def test_a_device_that_is_in_already_is_left_in_peace(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    desk.accepted[PHONE] = HOUR
    phone = router.plug_in(PHONE)
    assert phone.online
    before = router.rows("/ip/hotspot/active")
    row = hotspot.let_in(place, PHONE.lower())
    assert row is not None
    assert row.user == PHONE
    assert router.rows("/ip/hotspot/active") == before
    assert logins(router) == []


def test_new_limits_take_hold_by_a_new_session(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    desk.accepted[PHONE] = HOUR
    phone = router.plug_in(PHONE)
    router.advance(600)
    desk.accepted[PHONE] = {"Session-Timeout": 7200}
    row = hotspot.let_in(place, PHONE, refresh=True)
    assert row is not None
    assert (row.session_time_left_seconds, row.uptime_seconds) == (7200, 0)
    assert phone.online
    assert len(router.rows("/ip/hotspot/active")) == 1


def test_a_session_under_another_name_is_replaced_by_the_paid_one(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    desk.accepted["voucher-1"] = {}
    phone = router.plug_in(PHONE)
    assert phone.browse_login("voucher-1", MAC_PASSWORD).ok
    desk.accepted[PHONE] = HOUR
    row = hotspot.let_in(place, PHONE)
    assert row is not None
    assert [active["user"] for active in router.rows("/ip/hotspot/active")] == [PHONE]


def test_two_devices_with_one_mac_are_not_let_in(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    router.plug_in(PHONE).change_mac("AA:BB:CC:00:00:09")
    router.plug_in(PHONE)
    assert [host["mac-address"] for host in router.rows("/ip/hotspot/host")].count(PHONE) == 2
    desk.accepted[PHONE] = HOUR
    with pytest.raises(GatewayRefused) as refused:
        hotspot.let_in(place, PHONE)
    assert (refused.value.code, refused.value.permanent) == ("cloned", False)
    assert logins(router) == []


def test_a_bypassed_device_needs_no_session(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress
) -> None:
    router.run("/ip/hotspot/ip-binding/add", mac_address=PHONE, type="bypassed")
    router.plug_in(PHONE)
    assert hotspot.let_in(place, PHONE) is None
    assert logins(router) == []


def test_another_hotspot_of_the_same_router_is_not_ours(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    desk.accepted["AA:BB:CC:00:00:02"] = HOUR
    router.plug_in(PHONE)
    guest = router.plug_in("AA:BB:CC:00:00:02")
    elsewhere = replace(place, hotspot_server="hotspot2")
    assert hotspot.let_in(elsewhere, PHONE) is None
    assert hotspot.waiting(elsewhere) == []
    assert hotspot.online(elsewhere) == []
    assert not hotspot.throw_out(elsewhere, guest.mac)
    assert guest.online
    anywhere = replace(place, hotspot_server="")
    assert [host.mac for host in hotspot.waiting(anywhere)] == [PHONE]
    assert hotspot.throw_out(anywhere, guest.mac)


@pytest.mark.parametrize(
    "text", ["", "AA:BB:CC:00:00", "AA:BB:CC:00:00:0G", f"{PHONE}@market", "?mac-address=", "A" * 10_000]
)
def test_what_is_no_mac_address_never_reaches_the_router(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, text: str
) -> None:
    for ask in (hotspot.let_in, hotspot.throw_out):
        with pytest.raises(GatewayRefused) as refused:
            ask(place, text)
        assert refused.value.code == "bad_value"
    assert router.api_sessions == 0


# ---- when the answer is no ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["", "Your package ended yesterday", "Kifurushi kimeisha\nNunua: *384#"])
def test_a_reject_by_radius_is_told_with_its_words(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk, reason: str
) -> None:
    phone = router.plug_in(PHONE)
    desk.reject_text = reason
    with pytest.raises(GatewayRefused) as refused:
        hotspot.let_in(place, PHONE)
    assert (refused.value.code, refused.value.permanent) == ("rejected", False)
    assert (" ".join(reason.split()) or "invalid username or password") in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not phone.online


def test_silent_radius_is_a_reason_to_come_back(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    router.plug_in(PHONE)
    desk.silent = True
    with pytest.raises(GatewayDown, match="RADIUS server is not responding"):
        hotspot.let_in(place, PHONE)
    desk.silent = False
    desk.accepted[PHONE] = HOUR
    assert hotspot.let_in(place, PHONE) is not None, "the router itself did answer: nobody has to wait for it"


SAID = [
    ("no more sessions are allowed for user AA:BB:CC:00:00:01", "sessions", False),
    ("invalid username or password", "rejected", False),
    ("No such command", "version", True),
    ("no such command prefix", "version", True),
    ("unknown parameter mac-address", "version", True),
    ("invalid value of mac-address, mac address required", "bad_value", True),
    ("input does not match any value of user", "bad_value", True),
    ("invalid value for argument ip", "bad_value", True),
    ("value of ip out of range (0..1)", "bad_value", True),
    ("not enough permissions (9)", "rights", True),
    ("failure: cannot open file: permission denied", "rights", True),
    ("some words a reject came with", "rejected", False),
]


@pytest.mark.parametrize(("text", "code", "permanent"), SAID, ids=[text for text, _, _ in SAID])
def test_every_refusal_has_a_name(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, text: str, code: str, permanent: bool
) -> None:
    router.plug_in(PHONE)
    router.faults.refuse(LOGIN, text)
    with pytest.raises(GatewayRefused) as refused:
        hotspot.let_in(place, PHONE)
    assert (refused.value.code, refused.value.permanent) == (code, permanent)
    assert text in str(refused.value)


@pytest.mark.parametrize("text", ["unknown host IP 10.20.0.2", "wrong MAC provided"])
def test_a_stale_row_is_read_again_and_tried_again(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk, text: str
) -> None:
    phone = router.plug_in(PHONE)
    desk.accepted[PHONE] = HOUR
    router.faults.refuse(LOGIN, text)
    assert hotspot.let_in(place, PHONE) is not None
    assert phone.online


def test_a_device_that_leaves_in_that_moment_is_simply_away(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    phone = router.plug_in(PHONE)
    desk.accepted[PHONE] = HOUR
    (host,) = router.rows("/ip/hotspot/host")

    def leave(path: str, _arguments: dict[str, str]) -> None:
        if path == LOGIN and router.rows("/ip/hotspot/host"):
            phone.leave()
            router.run("/ip/hotspot/host/remove", id=host[".id"])

    router.on_command.append(leave)
    assert hotspot.let_in(place, PHONE) is None
    phone.come_back()
    assert phone.online, "MAC authentication lets it in when it comes"


def test_a_row_that_stays_stale_is_forgotten_by_the_router(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    phone = router.plug_in(PHONE)
    desk.accepted[PHONE] = HOUR
    router.faults.refuse(LOGIN, "unknown host IP 10.20.0.2", times=2)
    with pytest.raises(GatewayDown):
        hotspot.let_in(place, PHONE)
    router.settle()
    assert phone.online, "the router noticed it anew and asked RADIUS by itself"


def test_a_login_already_under_way_is_waited_for(router: VirtualRouter, place: RouterAddress, desk: RadiusDesk) -> None:
    phone = router.plug_in(PHONE)
    desk.accepted[PHONE] = HOUR

    def meanwhile(_seconds: float) -> None:
        if not phone.online:
            router.run(LOGIN, user=PHONE, password=MAC_PASSWORD, ip=phone.ip)

    hotspot = MikrotikHotspot(Patience(1, 1, 2, 4), pause=meanwhile)
    router.faults.refuse(LOGIN, "already authorizing, retry later")
    row = hotspot.let_in(place, PHONE)
    assert row is not None
    assert row.user == PHONE
    hotspot.close()


def test_a_login_under_way_that_leads_nowhere_is_tried_later(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress
) -> None:
    router.plug_in(PHONE)
    before = router.rows("/ip/hotspot/host")[0][".id"]
    router.faults.refuse(LOGIN, "already authorizing, retry later")
    with pytest.raises(GatewayDown, match="already authorizing"):
        hotspot.let_in(place, PHONE)
    assert router.rows("/ip/hotspot/host")[0][".id"] == before, "the login under way must not lose its device"


@pytest.mark.parametrize("text", ["failure: out of memory", "no such item", "interrupted"])
def test_when_the_router_stumbles_it_is_made_to_ask_by_itself(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk, text: str
) -> None:
    phone = router.plug_in(PHONE)
    desk.accepted[PHONE] = HOUR
    router.faults.refuse(LOGIN, text)
    with pytest.raises(GatewayDown, match=text):
        hotspot.let_in(place, PHONE)
    router.settle()
    assert phone.online


def test_somebody_faster_is_as_good(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    phone = router.plug_in(PHONE)
    desk.accepted[PHONE] = HOUR

    def faster(path: str, _arguments: dict[str, str]) -> None:
        if path == LOGIN and not phone.online:
            router.on_command.remove(faster)
            router.run(LOGIN, user=PHONE, password=MAC_PASSWORD, ip=phone.ip)

    router.on_command.append(faster)
    assert hotspot.let_in(place, PHONE) is not None
    assert len(router.rows("/ip/hotspot/active")) == 1


def test_a_session_that_cannot_be_read_back_is_not_believed(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    router.plug_in(PHONE)
    desk.accepted[PHONE] = HOUR

    def lose(path: str, _arguments: dict[str, str]) -> None:
        sessions = router.rows("/ip/hotspot/active")
        if path == "/ip/hotspot/active/print" and sessions:
            router.run("/ip/hotspot/active/remove", id=sessions[0][".id"])

    router.on_command.append(lose)
    with pytest.raises(GatewayDown, match="shows no session"):
        hotspot.let_in(place, PHONE)


# ---- throwing out, and looking -----------------------------------------------------------------------------------------


def test_throwing_out_ends_the_session(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    desk.accepted[PHONE] = HOUR
    phone = router.plug_in(PHONE)
    desk.accepted.clear()
    assert hotspot.throw_out(place, PHONE)
    assert not phone.online
    assert len(router.rows("/ip/hotspot/host")) == 1


def test_who_is_not_there_is_not_thrown_out_but_its_cookie_is_forgotten(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress
) -> None:
    for mac in (PHONE, "AA:BB:CC:00:00:02"):
        router.machine.tables["/ip/hotspot/cookie"].add({"user": mac, "mac-address": mac})
    assert not hotspot.throw_out(place, PHONE)
    assert [row["mac-address"] for row in router.rows("/ip/hotspot/cookie")] == ["AA:BB:CC:00:00:02"]


def test_a_session_that_ends_by_itself_meanwhile_counts_as_ended(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    desk.accepted[PHONE] = HOUR
    phone = router.plug_in(PHONE)
    router.on_command.append(lambda path, _: phone.log_out() if path == "/ip/hotspot/active/remove" else None)
    assert hotspot.throw_out(place, PHONE)
    assert not phone.online


def test_who_waits_and_who_is_online(
    hotspot: MikrotikHotspot, router: VirtualRouter, place: RouterAddress, desk: RadiusDesk
) -> None:
    desk.accepted["AA:BB:CC:00:00:02"] = {}
    router.run("/ip/hotspot/ip-binding/add", mac_address="AA:BB:CC:00:00:03", type="bypassed")
    for last in (1, 2, 3):
        router.plug_in(f"AA:BB:CC:00:00:0{last}", hostname="p\xf6st; =.id=*1\n\x00")
    router.advance(20)
    (host,) = hotspot.waiting(place)
    assert (host.mac, host.server, host.authorized, host.bypassed) == (PHONE, "hotspot1", False, False)
    assert host.address == host.to_address != ""
    (active,) = hotspot.online(place)
    assert (active.mac, active.uptime_seconds) == ("AA:BB:CC:00:00:02", 20)
    assert (active.session_time_left_seconds, active.limit_bytes_total) == (None, None)
