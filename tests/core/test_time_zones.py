"""Time is what was paid for, to the second: in any zone, over any change of the clocks. Zones are for showing and for hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from core import subscriptions, tenants
from core.config import Settings
from core.subscriptions import Subscription
from tests.core.access_kit import ask, ask_function, buy, package, sync, with_device, with_router
from tests.core.kit import ACCOUNTS, Shop, open_shop

ZONES = ["Africa/Nairobi", "Asia/Dhaka", "America/Sao_Paulo"]
CHANGES = [
    ("Europe/Berlin", datetime(2027, 3, 27, 12, 0, tzinfo=UTC), "spring: a day of 23 hours"),
    ("Europe/Berlin", datetime(2027, 10, 30, 12, 0, tzinfo=UTC), "autumn: a day of 25 hours"),
    ("Africa/Casablanca", datetime(2027, 2, 6, 12, 0, tzinfo=UTC), "the month of fasting"),
]


def isp(settings: Settings, zone: str) -> Shop:
    """An ISP in this zone."""
    shop = open_shop(settings, "zoned")
    with shop.app.work(None) as uow:
        uow.session.get_one(tenants.Tenant, shop.tenant_id).timezone = zone
    with shop.work() as uow:
        tenants.change_settings(uow, ACCOUNTS)
    with_router(shop)
    return shop


def told(shop: Shop) -> int | str:
    """For how many seconds the device is let in at this moment, or why not: by both servers, where there are both."""
    said = ask(shop)
    seconds: int | str = said if isinstance(said, str) else said["Session-Timeout"]
    if shop.app.engine.dialect.name == "postgresql":
        assert ask_function(shop) == seconds
    return seconds


def ends_exactly(shop: Shop, seconds: int) -> None:
    """A package of so many seconds lets its device in until the last of them, and is then swept away at once."""
    with_device(shop)
    begun = shop.clock.now()
    number = buy(shop, package(shop, hours=seconds // 3600))
    assert told(shop) == seconds
    shop.clock.advance(begun + timedelta(seconds=seconds - 1) - shop.clock.now())
    sync(shop)
    assert told(shop) == 1
    with shop.app.work(None) as uow:
        assert subscriptions.close_ended(uow) == 0
    shop.later(seconds=1)
    assert told(shop) == "expired"
    with shop.app.work(None) as uow:
        assert subscriptions.close_ended(uow) == 1
    with shop.work() as uow:
        row = uow.session.get_one(Subscription, number)
        assert (row.ends_at - row.starts_at).total_seconds() == seconds


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_is_86400_seconds_wherever_the_isp_is(settings: Settings, zone: str) -> None:
    shop = isp(settings, zone)
    ends_exactly(shop, 86_400)
    shop.app.close()


@pytest.mark.parametrize(("zone", "before", "_why"), CHANGES)
def test_a_day_is_86400_seconds_when_the_clocks_change_within_it(
    settings: Settings, zone: str, before: datetime, _why: str
) -> None:
    shop = isp(settings, zone)
    shop.clock.advance(before - shop.clock.now())
    local = [(before + timedelta(days=day)).astimezone(ZoneInfo(zone)).utcoffset() for day in (0, 1)]
    assert local[0] != local[1], "the clocks change here"
    ends_exactly(shop, 86_400)
    shop.app.close()


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (datetime(2027, 3, 26, 6, 59, tzinfo=UTC), "outside_hours"),
        (datetime(2027, 3, 26, 7, 0, tzinfo=UTC), 12 * 3600),  # Friday 08:00 in winter time
        (datetime(2027, 3, 29, 5, 59, tzinfo=UTC), "outside_hours"),
        (datetime(2027, 3, 29, 6, 0, tzinfo=UTC), 12 * 3600),  # Monday 08:00 in summer time
        (datetime(2027, 3, 29, 17, 59, 59, tzinfo=UTC), 1),
        (datetime(2027, 3, 29, 18, 0, tzinfo=UTC), "outside_hours"),
    ],
)
def test_access_hours_go_by_the_wall_clock_of_the_isp(settings: Settings, now: datetime, verdict: str | int) -> None:
    shop = isp(settings, "Europe/Berlin")
    shop.clock.advance(datetime(2027, 3, 25, tzinfo=UTC) - shop.clock.now())
    with_device(shop)
    buy(shop, package(shop, hours=30 * 24, profile={"hours": "480-1200,1920-2640,3360-4080,4800-5520,6240-6960"}))
    shop.clock.advance(now - shop.clock.now())
    assert told(shop) == verdict
    shop.app.close()


NIGHTS = [
    ("Europe/Berlin", datetime(2027, 3, 27, 21, 0, tzinfo=UTC), 7, "spring: two to three is left out"),
    ("Europe/Berlin", datetime(2027, 10, 30, 20, 0, tzinfo=UTC), 9, "autumn: two to three comes twice"),
    ("America/New_York", datetime(2027, 3, 14, 3, 0, tzinfo=UTC), 7, "spring over there"),
    ("America/New_York", datetime(2027, 11, 7, 2, 0, tzinfo=UTC), 9, "autumn over there"),
    ("Australia/Lord_Howe", datetime(2027, 4, 3, 11, 0, tzinfo=UTC), 8.5, "half an hour only, and in April"),
    ("Africa/Nairobi", datetime(2027, 3, 27, 19, 0, tzinfo=UTC), 8, "a night like any other"),
]


@pytest.mark.parametrize(("zone", "evening", "hours", "_why"), NIGHTS)
def test_access_hours_over_a_change_of_clocks_that_is_still_to_come(
    settings: Settings, zone: str, evening: datetime, hours: float, _why: str
) -> None:
    """Saturday 22:00 to Sunday 06:00 on the wall clock, asked for in the evening."""
    shop = isp(settings, zone)
    shop.clock.advance(evening - timedelta(days=3) - shop.clock.now())
    with_device(shop)
    buy(shop, package(shop, hours=30 * 24, profile={"hours": "8520-9000"}))
    for seconds, verdict in ((-1, "outside_hours"), (0, hours * 3600), (1, hours * 3600 - 1), (hours * 3600 - 1, 1)):
        shop.clock.advance(evening + timedelta(seconds=seconds) - shop.clock.now())
        assert told(shop) == verdict
    shop.later(seconds=1)
    assert told(shop) == "outside_hours"
    shop.app.close()
