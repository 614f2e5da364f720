"""A package of ten gigabytes lets ten gigabytes through: to the byte when one device is on, at most until the next report
when several are. Told to the virtual router, with both RADIUS servers behind it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import func, select

from core import config
from core.clock import SystemClock
from core.radius_tables import radacct, usage_day
from sim.routeros import Device
from tests import services
from tests.freeradius_server import freeradius_server
from tests.journeys.told import assert_nothing_owed, buy
from tests.parity.servers import WHERE
from tests.town import CALLER, TV, Town, open_town

MEGA, GIGA = 10**6, 10**9
QUOTA = 10 * GIGA
DEVICES = (TV, "02:00:5E:10:A1:B3", "02:00:5E:10:A1:B4")
SESSIONS_MAX = 60
KNOCK_SECONDS, INTERIM_SECONDS, KEEPALIVE_SECONDS = 30, 300, 120

PATIENCE = "25s"
"""How long the router waits for an answer on the machine's own clock: a disk may be busy, and no second of the story passes."""


@dataclass
class Family:
    """Somebody with ten gigabytes and three devices, and how much of it the router has let through."""

    town: Town
    settle: Callable[[], object] | None = None
    """FreeRADIUS's reports are in the books; the embedded server's always are."""
    devices: list[Device] = field(default_factory=list)
    passed: int = 0
    sessions: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(10))

    def pass_seconds(self, seconds: float) -> None:
        """Time passes for the router and for everybody else; FreeRADIUS goes by the machine's clock, and so does the shop then."""
        if self.settle is None:
            self.town.pass_time(seconds, step_seconds=seconds)
            return
        self.town.router_clock.advance(seconds)
        self.settle()
        self.town.clock.advance(SystemClock().now() - self.town.clock.now())
        self.town.sweep()
        self.town.work_off()

    def come(self, device: Device) -> None:
        """Its owner comes home with it; it is let in by itself, to what is left."""
        device.come_back()
        self.pass_seconds(KNOCK_SECONDS)
        assert device.online, f"{self.passed:,} bytes passed, and {device.mac} is told: {device.error}"
        self.sessions += 1
        (row,) = [row for row in self.town.router.rows("/ip/hotspot/active") if row["user"] == device.mac]
        assert int(row["limit-bytes-total"]) == QUOTA - self.passed

    def use(self, device: Device, mega: int) -> None:
        """So much is wanted, both ways and never in round numbers."""
        wanted = mega * MEGA + self.chance.randrange(MEGA)
        up = self.chance.randrange(wanted)
        self.passed += device.move_traffic(up, wanted - up)

    def reported(self) -> tuple[int, int, int]:
        """What is known of all that: by the subscription, by the days, by the sessions."""
        (bought,) = self.town.subscriptions()
        with self.town.app.engine.connect() as rows:
            days = rows.scalar(select(func.sum(usage_day.c.input_bytes + usage_day.c.output_bytes)))
            sessions = rows.scalar(select(func.sum(radacct.c.acctinputoctets + radacct.c.acctoutputoctets)))
        return bought.used_bytes, int(days or 0), int(sessions or 0)

    def assert_over(self) -> None:
        """Nobody is on and nobody gets in again, whoever tries and whatever the router has been through."""
        self.town.router.reboot()
        for device in self.devices:
            device.come_back()
        self.pass_seconds(KNOCK_SECONDS)
        for device in self.devices:
            assert not device.online
            assert device.error.startswith("Your data is used up.")
            assert device.move_traffic(1, 1) == 0
        (bought,) = self.town.subscriptions()
        assert bought.suspended_reason == "data_limit"
        told = [sms.text for sms in self.town.africastalking.inbox(CALLER)]
        assert told == [f"Your data is used up. To go on, dial {self.town.shop.service_code} and press 1."]
        assert_nothing_owed(self.town)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = metafunc.config.getoption("--databases").split(",")
    metafunc.parametrize("where", [each for each in WHERE if each[1] in chosen], ids="-".join)


@pytest.fixture
def family(
    where: tuple[str, str], request: pytest.FixtureRequest, redis_url: str, secrets_key: Path, tmp_path: Path
) -> Iterator[Family]:
    """The devices are in the drawer, the package is paid for, and the router asks this server on this database."""
    server, kind = where
    with ExitStack() as stack:
        if kind == "sqlite":
            shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "duka.db")
            url = f"sqlite:///{tmp_path / 'duka.db'}"
        else:
            template = request.getfixturevalue("postgres_template")
            url = stack.enter_context(services.postgres_database(request.getfixturevalue("postgres_url"), template))
        settings = config.load(database={"url": url}, redis={"url": redis_url}, secrets={"key": f"file:{secrets_key}"})
        town, settle = stack.enter_context(open_town(settings)), None
        [entry] = town.router.run("/radius/print")
        town.router.run("/radius/set", numbers=entry[".id"], timeout=PATIENCE)
        if server == "freeradius":
            town.clock.advance(SystemClock().now() - town.clock.now())
            key = {"DUKA_SECRETS__KEY": f"file:{secrets_key}"}
            other = stack.enter_context(freeradius_server(url, tmp_path / "freeradius", environment=key))
            settle = other.settle
            ports = {"authentication_port": str(other.auth_port), "accounting_port": str(other.acct_port)}
            town.router.run("/radius/set", numbers=entry[".id"], **ports)
        yield _moved_in(Family(town, settle))


def _moved_in(family: Family) -> Family:
    town = family.town
    for mac in DEVICES:
        town.customer(mac=mac)
        family.devices.append(town.router.plug_in(mac))
        family.devices[-1].leave()
    family.pass_seconds(2 * KNOCK_SECONDS)
    buy(town, town.package(hours=24 * 30, quota_bytes=QUOTA, device_limit=len(DEVICES)))
    return family


# ---- how a session ends ------------------------------------------------------------------------------------------------


def says_goodbye(family: Family, device: Device) -> None:
    """The button of the hotspot's page."""
    device.log_out()
    device.leave()
    family.pass_seconds(KNOCK_SECONDS)


def walks_away(family: Family, device: Device) -> None:
    """Out of reach without a word; the router notices."""
    device.leave()
    family.pass_seconds(KEEPALIVE_SECONDS)


def router_restarts(family: Family, device: Device) -> None:
    """The router tells no more than that it goes down, so what passed since the last report is told before."""
    family.pass_seconds(INTERIM_SECONDS)
    family.town.router.reboot()
    device.leave()
    family.pass_seconds(KEEPALIVE_SECONDS)


def power_fails(family: Family, device: Device) -> None:
    """The same, and not even that is told."""
    family.pass_seconds(INTERIM_SECONDS)
    family.town.router.power_cut()
    device.leave()
    family.pass_seconds(KEEPALIVE_SECONDS)


ENDS: tuple[Callable[[Family, Device], None], ...] = (says_goodbye, walks_away, router_restarts, power_fails)


def test_ten_gigabytes_over_many_sessions_of_three_devices_are_ten_gigabytes_to_the_byte(family: Family) -> None:
    first = family.devices[0]
    family.come(first)
    for _ in range(2):  # a film, more than fits into one number of the router
        family.passed += first.move_traffic(1, 2_222_222_222)
        family.pass_seconds(INTERIM_SECONDS)
    walks_away(family, first)
    while family.passed < 7 * GIGA:  # two at once, neither near the end
        pair = family.chance.sample(family.devices, 2)
        for device in pair:
            family.come(device)
        for _ in range(2):
            for device in pair:
                family.use(device, family.chance.randrange(1, 400))
            family.pass_seconds(INTERIM_SECONDS)
        for device in pair:
            family.chance.choice((says_goodbye, walks_away))(family, device)
    assert family.reported() == (family.passed,) * 3
    ends = iter(ENDS * SESSIONS_MAX)
    while family.passed < QUOTA:  # one after the other, until nothing is left
        device = family.chance.choice(family.devices)
        family.come(device)
        for _ in range(family.chance.randrange(1, 4)):
            family.use(device, family.chance.randrange(1, 500))
            family.pass_seconds(family.chance.choice((KNOCK_SECONDS, INTERIM_SECONDS)))
        next(ends)(family, device)
        assert family.passed <= QUOTA
        assert family.reported() == (family.passed,) * 3
        assert family.sessions < SESSIONS_MAX
    assert family.passed == QUOTA
    assert family.sessions > 12
    family.assert_over()
    assert family.reported() == (QUOTA,) * 3


def test_devices_that_share_ten_gigabytes_at_once_are_cut_by_the_report_that_says_it_is_used_up(family: Family) -> None:
    for device in family.devices:
        family.come(device)
    before = 0
    while family.passed < QUOTA:
        assert all(device.online for device in family.devices), (
            f"cut after {before:,} bytes, before anything was used up"
        )
        before = family.passed
        for device in family.devices:
            family.use(device, family.chance.randrange(200, 500))
        family.pass_seconds(INTERIM_SECONDS)
    assert before < QUOTA <= family.passed
    assert not any(device.online for device in family.devices)
    assert family.reported() == (family.passed,) * 3, "what was too much is known, too"
    family.assert_over()
