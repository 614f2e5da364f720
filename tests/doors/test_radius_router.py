"""The RADIUS server and the virtual MikroTik: what happens to a device from its first knock to its last byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from core import network
from core.config import Settings
from sim.routeros import ManualClock, VirtualRouter
from tests.doors.radius_side import MAC, MAC_PASSWORD, OTHER_MAC, SECRET, SERVICE_CODE, House, open_house

LOGIN_TIMEOUT_SECONDS = 30
PATIENCE_SECONDS = 25
"""How long the router waits for an answer on the machine's own clock: a disk may be busy, and no second of the story passes."""
GIGABYTE = 10**9


@dataclass
class Market:
    """A router with a hotspot, and the server it asks."""

    house: House
    router: VirtualRouter

    def pass_seconds(self, seconds: float, step_seconds: float = 30) -> None:
        """Time passes for everybody, step by step."""
        while seconds > 0:
            step = min(step_seconds, seconds)
            self.house.pass_seconds(step)
            self.router.advance(step)
            seconds -= step


@pytest.fixture
def market(settings: Settings) -> Iterator[Market]:
    with open_house(settings) as house, VirtualRouter(clock=ManualClock(house.clock.now())) as router:
        router.set_up_hotspot(
            "127.0.0.1", house.server.auth_port, house.server.acct_port, SECRET, MAC_PASSWORD,
            login_timeout_seconds=LOGIN_TIMEOUT_SECONDS, radius_timeout_seconds=PATIENCE_SECONDS,
        )  # fmt: skip
        yield Market(house, router)


def test_a_paid_device_gets_in_by_itself_and_leaves_when_its_data_is_used_up(market: Market) -> None:
    device = market.router.plug_in(MAC)
    assert not device.online
    assert SERVICE_CODE in device.error
    assert market.house.server.settle(PATIENCE_SECONDS)
    with market.house.app.work(market.house.tenant_id) as uow:
        assert network.waiting_devices(uow) == [(MAC, "market")]

    subscription = market.house.pay(seconds=86_400, quota_bytes=10 * GIGABYTE)
    market.pass_seconds(LOGIN_TIMEOUT_SECONDS)
    assert device.online, device.error
    row = market.house.session()
    assert (row.username, row.acctstoptime, row[-1]) == (MAC, None, f"duka:{subscription}")

    assert device.move_traffic(3 * GIGABYTE, 4 * GIGABYTE) == 7 * GIGABYTE
    market.pass_seconds(300)
    assert market.house.used_bytes(subscription) == 7 * GIGABYTE
    assert device.move_traffic(2 * GIGABYTE, 2 * GIGABYTE) == pytest.approx(3 * GIGABYTE, abs=1)
    market.pass_seconds(60)
    assert not device.online
    assert market.house.session().acctstoptime is not None
    assert market.house.used_bytes(subscription) == 10 * GIGABYTE
    assert device.error.startswith("Your data is used up.")


def test_a_session_ends_with_the_time_that_was_bought_and_no_byte_passes_afterwards(market: Market) -> None:
    market.house.pay(seconds=3600)
    device = market.router.plug_in(MAC)
    assert device.online, device.error
    market.pass_seconds(3590)
    assert device.online
    market.pass_seconds(40)
    assert not device.online
    assert device.move_traffic(1000, 1000) == 0
    row = market.house.session()
    assert row.acctterminatecause == "Session-Timeout"
    assert device.error.startswith("Your time is over.")


def test_whoever_types_a_paid_devices_mac_into_the_form_stays_outside(market: Market) -> None:
    market.house.pay(MAC)
    thief = market.router.plug_in(OTHER_MAC)
    for password in (MAC, "", MAC_PASSWORD):
        assert not thief.browse_login(MAC, password).ok
        assert not thief.browse_login(MAC.lower(), password).ok
        assert not thief.browse_login(OTHER_MAC, password, {"radius1": MAC, "radius31": MAC}).ok
    assert not thief.online
    owner = market.router.plug_in(MAC)
    assert owner.online, owner.error


def test_after_a_power_cut_everybody_who_paid_is_let_in_again_and_old_sessions_have_ended(market: Market) -> None:
    market.house.pay(MAC)
    device = market.router.plug_in(MAC)
    assert device.online
    market.pass_seconds(60)
    market.router.power_cut()
    market.router.settle()
    assert device.online, device.error
    old, new = market.house.sessions()
    assert (old.acctterminatecause, new.acctstoptime) == ("NAS-Reboot", None)


def test_a_router_with_the_wrong_secret_lets_nobody_in_and_counts_nothing_as_an_answer(market: Market) -> None:
    market.house.pay(MAC)
    [server] = market.router.run("/radius/print")
    market.router.run("/radius/set", numbers=server[".id"], secret="mistyped", timeout="300ms")
    device = market.router.plug_in(MAC)
    assert not device.online
    assert device.error == "RADIUS server is not responding"
    market.house.wait_for_count("bad_signature", 1)
