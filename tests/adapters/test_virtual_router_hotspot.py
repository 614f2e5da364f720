"""The hotspot: who is seen, who is let in, and what ends a session (reference routeros.md §3, radius.md §1)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sim.routeros import ManualClock, Trap, VirtualRouter
from tests.adapters.test_virtual_router_kit import (
    LAPTOP,
    MAC_PASSWORD,
    PHONE,
    ByteClient,
    StrictRadius,
    eventually,
    selling_router,
)

ACTIVE, HOST = "/ip/hotspot/active", "/ip/hotspot/host"


@pytest.fixture
def radius() -> Iterator[StrictRadius]:
    with StrictRadius() as radius:
        yield radius


@pytest.fixture
def router(radius: StrictRadius) -> Iterator[VirtualRouter]:
    with selling_router(radius) as router:
        yield router


@pytest.fixture
def client(router: VirtualRouter) -> Iterator[ByteClient]:
    with ByteClient(router.api_port) as client:
        yield client


def test_a_device_is_seen_and_radius_is_asked_once_with_the_routers_own_words(
    router: VirtualRouter, radius: StrictRadius
) -> None:
    phone = router.plug_in("aa-bb-cc-00-00-01", ip="10.20.3.4")
    (host,) = router.rows(HOST)
    assert {
        name: host[name] for name in ("mac-address", "address", "to-address", "server", "authorized", "bypassed")
    } == {
        "mac-address": PHONE,
        "address": "10.20.3.4",
        "to-address": "10.20.3.4",
        "server": "hotspot1",
        "authorized": "false",
        "bypassed": "false",
    }
    assert not phone.online
    assert phone.error == "Please buy a package"
    (question,) = radius.questions
    assert len(question.pop("Acct-Session-Id")[0]) == 8
    assert question.pop("NAS-Port")[0] >= 0x80000000
    assert question.pop("Message-Authenticator")
    assert question.pop("User-Password")
    assert question == {
        "User-Name": [PHONE],
        "password": [MAC_PASSWORD],
        "NAS-Identifier": ["market"],
        "NAS-IP-Address": ["127.0.0.1"],
        "NAS-Port-Type": [19],
        "NAS-Port-Id": ["bridge"],
        "Calling-Station-Id": [PHONE],
        "Called-Station-Id": ["hotspot1"],
        "Framed-IP-Address": ["10.20.3.4"],
        "Mikrotik-Host-IP": ["10.20.3.4"],
    }


def test_a_paid_device_gets_in_by_itself_within_the_login_timeout(router: VirtualRouter, radius: StrictRadius) -> None:
    phone = router.plug_in(PHONE)
    radius.sell(PHONE, Session_Timeout=3600)
    router.advance(29)
    assert (phone.online, len(radius.questions)) == (False, 1)
    router.advance(2)
    assert (phone.online, len(radius.questions)) == (True, 2)
    assert router.rows(ACTIVE)[0]["login-by"] == "mac"


def test_the_loop_asks_again_for_each_new_row_and_stops_when_the_device_leaves(
    router: VirtualRouter, radius: StrictRadius
) -> None:
    phone = router.plug_in(PHONE)
    first = router.rows(HOST)[0][".id"]
    router.advance(95)
    assert len(radius.questions) == 4
    assert router.rows(HOST)[0][".id"] != first
    phone.leave()
    router.advance(300)
    assert len(radius.questions) == 4
    assert router.rows(HOST) == []
    phone.come_back()
    assert len(radius.questions) == 5


def test_without_a_login_timeout_a_rejected_row_stays_until_it_has_been_silent_for_five_minutes(
    radius: StrictRadius,
) -> None:
    with selling_router(radius, login_timeout_seconds=0) as router:
        phone = router.plug_in(PHONE)
        radius.sell(PHONE)
        router.advance(3600)
        assert (len(radius.questions), phone.online) == (1, False)
        phone.leave()
        router.advance(299)
        assert len(router.rows(HOST)) == 1
        router.advance(2)
        assert router.rows(HOST) == []
        phone.come_back()
        assert phone.online


def test_a_time_limit_ends_the_session_and_the_loop_begins_again(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE, Session_Timeout=100)
    phone = router.plug_in(PHONE)
    router.advance(60)
    assert router.rows(ACTIVE)[0]["session-time-left"] == "40s"
    del radius.allowed[PHONE]
    router.advance(40)
    assert not phone.online
    assert [row["authorized"] for row in router.rows(HOST)] == ["false"]
    assert len(radius.questions) == 1
    router.advance(30)
    assert len(radius.questions) == 2


def test_a_byte_limit_beyond_4_gib_is_kept_exactly(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE, Mikrotik_Total_Limit=1410065408, Mikrotik_Total_Limit_Gigawords=2)
    phone = router.plug_in(PHONE)
    assert phone.move_traffic(1_000_000_000, 8_000_000_000) == 9_000_000_000
    assert phone.online
    assert phone.move_traffic(999_999_999, 999_999_999) == 1_000_000_000
    assert not phone.online
    assert phone.move_traffic(1, 1) == 0


def test_a_limit_that_is_a_whole_number_of_4_gib_is_no_limit_of_zero(
    router: VirtualRouter, radius: StrictRadius
) -> None:
    radius.sell(PHONE, Mikrotik_Total_Limit=0, Mikrotik_Total_Limit_Gigawords=1)
    phone = router.plug_in(PHONE)
    assert phone.move_traffic(0, 2**32 - 1) == 2**32 - 1
    assert phone.online
    phone.move_traffic(0, 10)
    assert not phone.online


def test_each_direction_may_have_its_own_limit(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE, Mikrotik_Recv_Limit=1000, Mikrotik_Xmit_Limit=5000)
    phone = router.plug_in(PHONE)
    assert phone.move_traffic(999, 4999) == 5998
    assert phone.move_traffic(0, 10) == 1
    assert not phone.online


def test_a_silent_customer_is_logged_out_after_the_idle_timeout(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE, Idle_Timeout=300)
    phone = router.plug_in(PHONE)
    router.advance(200)
    phone.move_traffic(1, 1)
    router.advance(299)
    assert phone.online
    router.advance(2)
    assert not phone.online


def test_a_departed_customer_is_logged_out_after_the_keepalive_timeout(
    router: VirtualRouter, radius: StrictRadius
) -> None:
    radius.sell(PHONE)
    phone = router.plug_in(PHONE)
    phone.leave()
    router.advance(60)
    phone.come_back()
    router.advance(119)
    assert phone.online
    phone.leave()
    router.advance(119)
    assert len(router.rows(ACTIVE)) == 1
    router.advance(2)
    assert router.rows(ACTIVE) == []
    assert radius.reports[-1]["Acct-Terminate-Cause"] == 2


def test_removing_the_host_row_makes_the_mac_be_tried_again_at_once(
    router: VirtualRouter, radius: StrictRadius, client: ByteClient
) -> None:
    phone = router.plug_in(PHONE)
    radius.sell(PHONE)
    client.ask(f"{HOST}/remove", f"=.id={router.rows(HOST)[0]['.id']}")
    router.settle()
    assert phone.online


def test_removing_the_active_row_does_not_let_the_mac_be_tried_again(
    router: VirtualRouter, radius: StrictRadius, client: ByteClient
) -> None:
    radius.sell(PHONE)
    phone = router.plug_in(PHONE)
    client.ask(f"{ACTIVE}/remove", f"=.id={router.rows(ACTIVE)[0]['.id']}")
    router.settle()
    assert not phone.online
    assert len(radius.questions) == 1


def test_bypassed_devices_need_no_login_and_blocked_ones_are_not_seen(
    router: VirtualRouter, radius: StrictRadius
) -> None:
    router.run("/ip/hotspot/ip-binding/add", mac_address=PHONE, type="bypassed")
    router.run("/ip/hotspot/ip-binding/add", mac_address=LAPTOP, type="blocked")
    phone, laptop = router.plug_in(PHONE), router.plug_in(LAPTOP)
    assert [(row["mac-address"], row["bypassed"]) for row in router.rows(HOST)] == [(PHONE, "true")]
    assert phone.move_traffic(5, 5) == 10
    assert laptop.move_traffic(5, 5) == 0
    assert radius.questions == []
    router.run("/ip/hotspot/ip-binding/remove", numbers=router.rows("/ip/hotspot/ip-binding")[0][".id"])
    assert len(radius.questions) == 1


def test_a_new_mac_is_a_new_device_and_the_old_row_fades(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE)
    phone = router.plug_in(PHONE)
    phone.change_mac("02:00:00:00:00:99")
    assert not phone.online
    assert {row["mac-address"] for row in router.rows(HOST)} == {PHONE, "02:00:00:00:00:99"}
    router.advance(121)
    assert [row["mac-address"] for row in router.rows(ACTIVE)] == []
    router.advance(40)
    assert [row["mac-address"] for row in router.rows(HOST)] == ["02:00:00:00:00:99"]


def test_a_forbidding_device_mode_stops_the_hotspot(router: VirtualRouter) -> None:
    router.plug_in(PHONE)
    router.set_device_mode("home")
    assert router.rows(HOST) == []
    router.set_device_mode("advanced")
    assert len(router.rows(HOST)) == 1


def test_disabling_the_server_lets_everybody_go(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE)
    phone = router.plug_in(PHONE)
    router.run("/ip/hotspot/disable", numbers="hotspot1")
    assert not phone.online
    assert router.rows(HOST) == []
    router.run("/ip/hotspot/enable", numbers="hotspot1")
    assert phone.online


def test_listeners_hear_who_comes_and_goes(router: VirtualRouter, radius: StrictRadius, client: ByteClient) -> None:
    client.say(f"{ACTIVE}/listen", "=.proplist=user,mac-address")
    eventually(lambda: router.machine.tables[ACTIVE].listeners, "somebody listens")
    radius.sell(PHONE)
    phone = router.plug_in(PHONE)
    assert client.hear() == ["!re", f"=user={PHONE}", f"=mac-address={PHONE}"]
    phone.log_out()
    assert client.hear()[-1] == "=.dead=true"


def test_two_devices_cannot_share_an_address_or_a_mac(router: VirtualRouter) -> None:
    phone = router.plug_in(PHONE)
    with pytest.raises(ValueError, match="plugged in already"):
        router.plug_in(PHONE)
    with pytest.raises(ValueError, match="in use"):
        router.plug_in(LAPTOP, ip=phone.ip)
    with pytest.raises(ValueError, match="not a MAC"):
        router.plug_in("nonsense")


def test_a_binding_can_be_made_from_a_host(router: VirtualRouter, client: ByteClient) -> None:
    router.plug_in(PHONE)
    client.ask(f"{HOST}/make-binding", f"=numbers={router.rows(HOST)[0]['.id']}", "=type=bypassed")
    assert router.rows(HOST)[0]["bypassed"] == "true"


def test_refused_commands_of_the_administrator_raise(router: VirtualRouter) -> None:
    with pytest.raises(Trap, match="unknown host IP"):
        router.run(f"{ACTIVE}/login", user="x", ip="10.20.9.9")


def test_with_the_real_clock_everything_happens_by_itself(radius: StrictRadius) -> None:
    radius.sell(PHONE, Session_Timeout=1)
    with VirtualRouter(password="router password") as router:
        router.set_up_hotspot(
            "127.0.0.1",
            radius.auth_port,
            radius.acct_port,
            radius.secret.decode(),
            MAC_PASSWORD,
            login_timeout_seconds=0.2,
        )
        phone = router.plug_in(PHONE)
        eventually(lambda: phone.online, "the phone is let in")
        del radius.allowed[PHONE]
        eventually(lambda: not phone.online, "its second is over")
        eventually(lambda: radius.kinds() == [1, 2], "Start and Stop were reported")
        radius.sell(PHONE)
        eventually(lambda: phone.online, "the loop lets it in again")
        with pytest.raises(TypeError):
            router.advance(1)


def test_time_can_be_shared_by_several_routers(radius: StrictRadius) -> None:
    clock = ManualClock()
    with selling_router(radius, clock) as market, selling_router(radius, clock, identity="harbour") as harbour:
        phone, laptop = market.plug_in(PHONE), harbour.plug_in(LAPTOP)
        radius.sell(PHONE)
        radius.sell(LAPTOP)
        clock.advance(31)
        assert phone.online
        assert laptop.online
