"""What becomes of a session that runs while its owner renews, changes, uses up or loses what was bought.

Seen in the router's own tables. Where an order can do it, the session goes on: it keeps its id, and accounting hears of no
second Start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import delete

from core import catalog, subscriptions
from core.catalog import Package, Profile
from core.money import Money
from core.radius_tables import radacct
from core.rates import Burst, Speed
from core.subscriptions import Subscription
from core.uow import UnitOfWork
from sim.routeros import Device
from tests.journeys.told import assert_nothing_owed, buy, change
from tests.town import TV, Town

ACTIVE, QUEUES = "/ip/hotspot/active", "/queue/simple"
MEGA = 1_000_000


@dataclass
class Online:
    """A customer's device that is on the network."""

    town: Town
    device: Device
    package: Package

    @property
    def session_id(self) -> str:
        (session,) = self.town.router.hotspot.roster.all()
        return session.session_id

    @property
    def active(self) -> dict[str, str]:
        (row,) = self.town.router.rows(ACTIVE)
        return row

    @property
    def queue(self) -> dict[str, str]:
        (row,) = self.town.router.rows(QUEUES)
        return row

    @property
    def orders(self) -> list[str]:
        """What the router answered to orders, in order."""
        return [code for kind, code, _, _ in self.town.router.radius_log if kind == "incoming"]

    def change(self, work: Callable[[UnitOfWork, Subscription], object]) -> None:
        """Something happens to the subscription that runs; whatever follows from it happens."""
        change(self.town, work)

    def use(self, mega: int) -> None:
        """So much traffic passes, and the next report tells of it."""
        assert self.device.move_traffic(0, mega * MEGA) == mega * MEGA
        self.town.pass_time(300, step_seconds=60)


def online_with(town: Town, profile: Profile | None = None, **facts: object) -> Online:
    """The caller's device, let in by a package like this."""
    device = town.plug_in(TV)
    town.customer(mac=TV)
    package = town.package(**facts)
    with town.app.work(town.shop.tenant_id) as uow:
        package = uow.session.merge(package)
        package.profile = profile or Profile()
    buy(town, package)
    assert device.online
    return Online(town, device, package)


@pytest.fixture
def online(town: Town) -> Online:
    return online_with(town)


def speeds(upload_kbps: int, download_kbps: int) -> Callable[[UnitOfWork, Subscription], object]:
    """The package of the customer is another one from now on."""

    def work(uow: UnitOfWork, row: Subscription) -> None:
        other = catalog.publish(
            uow, code=f"UP{upload_kbps}", name="another speed", price=Money(9000, "KES"), duration_seconds=3 * 3600,
            upload_kbps=upload_kbps, download_kbps=download_kbps,
        )  # fmt: skip
        subscriptions.change_package(uow, row, other)

    return work


# ---- by an order, while the session goes on ----------------------------------------------------------------------------


def test_a_renewal_lengthens_the_session_that_runs(online: Online, town: Town) -> None:
    first = online.session_id
    town.pass_time(3600, step_seconds=300)
    buy(town, online.package)
    assert online.active["session-time-left"].startswith(("4h59m", "5h"))
    assert (online.session_id, online.orders) == (first, ["CoA-ACK"])
    town.pass_time(3 * 3600, step_seconds=300)
    assert online.session_id == first
    assert_nothing_owed(town)


def test_a_router_that_counts_new_times_from_the_start_is_understood(online: Online, town: Town) -> None:
    town.router.new_times_count_from_start = True
    first = online.session_id
    town.pass_time(3600, step_seconds=300)
    buy(town, online.package)
    assert online.active["session-time-left"].startswith(("4h59m", "5h"))
    assert (online.session_id, online.orders) == (first, ["CoA-ACK"] * 2)
    town.pass_time(3600, step_seconds=300)
    online.change(speeds(512, 1024))
    assert online.queue["max-limit"] == "512000/1024000"
    assert (online.session_id, online.orders) == (first, ["CoA-ACK"] * 3)
    assert_nothing_owed(town)


def test_a_session_that_an_order_ended_by_mistake_is_back_at_once(online: Online, town: Town) -> None:
    town.router.new_times_count_from_start = True
    town.pass_time(2 * 3600, step_seconds=600)

    def shorter(uow: UnitOfWork, row: Subscription) -> None:
        row.ends_at = row.over_at = uow.now + timedelta(minutes=30)

    online.change(shorter)
    assert online.device.online
    assert online.active["session-time-left"] in ("29m59s", "30m")
    assert_nothing_owed(town)


@pytest.mark.parametrize(
    ("speed", "shown"), [((8000, 20_000), "8000000/20000000"), ((512, 1024), "512000/1024000")], ids=["up", "down"]
)
def test_another_speed_reaches_the_session_that_runs(online: Online, speed: tuple[int, int], shown: str) -> None:
    first = online.session_id
    assert online.queue["max-limit"] == "2000000/5000000"
    online.change(speeds(*speed))
    assert online.queue["max-limit"] == shown
    assert (online.session_id, online.orders) == (first, ["CoA-ACK"])


def test_a_burst_reaches_the_session_that_runs(online: Online) -> None:
    first = online.session_id

    def bursting(_uow: UnitOfWork, row: Subscription) -> None:
        row.profile = Profile(burst=Burst(limit=Speed(upload_kbps=4000, download_kbps=9000), seconds=16), priority=3)

    online.change(bursting)
    assert (online.queue["burst-limit"], online.queue["burst-time"]) == ("4000000/9000000", "16s/16s")
    assert online.queue["priority"] == "3/3"
    assert (online.session_id, online.orders) == (first, ["CoA-ACK"])


def test_fair_use_slows_the_session_down_and_a_renewal_makes_it_fast_again(town: Town) -> None:
    slow = Profile(slow=Speed(upload_kbps=128, download_kbps=256))
    online = online_with(town, quota_bytes=100 * MEGA, profile=slow)
    first = online.session_id
    online.use(60)
    assert online.queue["max-limit"] == "2000000/5000000"
    online.use(60)
    assert online.queue["max-limit"] == "128000/256000"
    assert (online.session_id, online.orders) == (first, ["CoA-ACK"])
    online.use(10)
    buy(town, online.package)
    assert online.queue["max-limit"] == "2000000/5000000"
    assert (online.session_id, online.orders) == (first, ["CoA-ACK"] * 2)
    assert_nothing_owed(town)


def test_what_changes_nothing_for_the_session_is_not_told(online: Online) -> None:
    online.change(lambda _uow, _row: None)
    assert online.orders == []


# ---- by a new login, where no order can --------------------------------------------------------------------------------


def test_more_data_needs_a_new_login_and_the_device_stays_online(town: Town) -> None:
    online = online_with(town, quota_bytes=100 * MEGA)
    first = online.session_id
    online.use(60)
    buy(town, online.package)
    assert online.active["limit-bytes-total"] == str(140 * MEGA)
    assert online.session_id != first
    assert online.device.online
    assert_nothing_owed(town)


@pytest.mark.parametrize(
    "profile", [Profile(address_lists=("homes",)), Profile(pool="homes")], ids=["address list", "pool"]
)
def test_what_belongs_to_the_login_begins_with_a_new_one(online: Online, town: Town, profile: Profile) -> None:
    town.router.run("/ip/pool/add", name="homes", ranges="10.66.0.5")
    first = online.session_id

    def another(_uow: UnitOfWork, row: Subscription) -> None:
        row.profile = profile

    online.change(another)
    assert online.device.online
    assert online.session_id != first
    if profile.pool:
        assert online.active["address"] == "10.66.0.5"
    else:
        assert [row["list"] for row in town.router.rows("/ip/firewall/address-list")] == ["homes"]


def test_a_session_accounting_has_never_heard_of_is_brought_to_its_speed(online: Online, town: Town) -> None:
    town.pass_time(60)
    with town.app.work(town.shop.tenant_id) as uow:
        uow.session.execute(delete(radacct))
    online.change(speeds(8000, 20_000))
    assert online.queue["max-limit"] == "8000000/20000000"
    assert online.orders == []


# ---- the end -----------------------------------------------------------------------------------------------------------


def suspend(uow: UnitOfWork, row: Subscription) -> None:
    subscriptions.suspend(uow, row)


def resume(uow: UnitOfWork, row: Subscription) -> None:
    subscriptions.resume(uow, row)


def test_a_suspension_ends_the_session_and_keeps_the_device_out(online: Online, town: Town) -> None:
    online.change(suspend)
    assert not online.device.online
    assert online.orders == ["Disconnect-ACK"]
    assert town.router.rows(QUEUES) == []
    town.pass_time(120)
    assert not online.device.online
    online.change(resume)
    town.pass_time(60)
    assert online.device.online
    assert_nothing_owed(town)


# ---- routers that do not do as they are told ---------------------------------------------------------------------------

UNWILLING = {
    "NAK": lambda town: town.router.faults.nak_coa(406),
    "silence": lambda town: town.router.faults.ignore_coa(),
    "a lie": lambda town: town.router.faults.lie_about_coa(),
}


@pytest.mark.parametrize("fault", UNWILLING.values(), ids=UNWILLING.keys())
def test_where_an_order_fails_the_api_brings_the_new_speed(
    online: Online, town: Town, fault: Callable[[Town], None]
) -> None:
    first = online.session_id
    fault(town)
    online.change(speeds(8000, 20_000))
    assert online.queue["max-limit"] == "8000000/20000000"
    assert online.session_id != first
    assert online.device.online
    assert_nothing_owed(town)


@pytest.mark.parametrize("fault", UNWILLING.values(), ids=UNWILLING.keys())
def test_where_an_order_fails_the_api_ends_the_session(
    online: Online, town: Town, fault: Callable[[Town], None]
) -> None:
    fault(town)
    online.change(suspend)
    assert not online.device.online
    town.pass_time(120)
    assert not online.device.online
    assert_nothing_owed(town)


def test_a_router_whose_api_is_away_is_told_at_once_and_looked_at_later(online: Online, town: Town) -> None:
    first = online.session_id
    town.router.faults.unreachable()
    online.change(speeds(8000, 20_000))
    assert online.queue["max-limit"] == "8000000/20000000"
    town.router.faults.reachable()
    town.pass_time(300)
    assert (online.session_id, online.orders[0]) == (first, "CoA-ACK")
    assert_nothing_owed(town)


def test_without_the_api_a_suspension_goes_by_order_and_is_looked_at_later(online: Online, town: Town) -> None:
    town.router.faults.unreachable()
    online.change(suspend)
    assert not online.device.online
    assert "LogOut" in [row.kind for row in town.open_promises()], "an ACK is no proof"
    town.router.faults.reachable()
    town.pass_time(300)
    assert not online.device.online
    assert_nothing_owed(town)
