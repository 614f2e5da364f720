"""What is known of sessions for later: days, history, silence, and the months in which ended ones lie."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select, text

from core import customers, network, subscriptions, tenants
from core.radius_tables import radacct, radius_nas, radreply
from tests.core.accounting_kit import (
    GB,
    LAKE,
    MARKET,
    add_router,
    days,
    event,
    market,
    sell,
    sessions,
    settings_of,
    tell,
)
from tests.core.kit import Shop, open_shop

__all__ = ["market"]


# ---- days --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "first", "second"),
    [
        ("Africa/Nairobi", date(2026, 11, 20), date(2026, 11, 21)),
        ("UTC", date(2026, 11, 20), date(2026, 11, 20)),
        ("Pacific/Kiritimati", date(2026, 11, 21), date(2026, 11, 21)),
        ("not/a-zone", date(2026, 11, 20), date(2026, 11, 20)),
    ],
)
def test_a_session_over_midnight_is_charged_to_the_day_of_each_packet(
    market: Shop, zone: str, first: date, second: date
) -> None:
    with market.app.engine.begin() as connection:
        connection.execute(radius_nas.update().values(timezone=zone))
    subscription = sell(market)
    before, after = datetime(2026, 11, 20, 20, 59, 59, tzinfo=UTC), datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
    tell(
        market,
        event(market, "interim", "a", subscription, 600, at=before, seconds=60),
        event(market, "interim", "a", subscription, 1000, at=after, seconds=61),
    )
    told = {(row.day, row.seconds): row.input_bytes + row.output_bytes for row in days(market)}
    assert told == ({(first, 60): 600, (second, 1): 400} if first != second else {(first, 61): 1000})


def test_usage_is_told_per_day_device_subscription_and_session(market: Shop) -> None:
    with market.work() as uow:
        who = market.customer(uow)
        customers.add_device(uow, who, "02:00:00:00:00:0A")
        customers.add_device(uow, who, "02:00:00:00:00:0B")
        package = market.package(uow, hours=24 * 30, quota_bytes=10 * GB)
        subscription = subscriptions.grant(uow, customer_id=who.id, package=package, purchase_id=1).id
    for number, mac in enumerate(["0A", "0B", "0A", "0A"]):
        name = {"mac": f"02:00:00:00:00:{mac}"}
        tell(market, event(market, "start", f"s{number}", subscription, **name))
        market.later(hours=9)
        tell(market, event(market, "stop", f"s{number}", subscription, 1000 + number, seconds=32_400, **name))
    tell(market, event(market, "stop", "x", 0, 5, mac="02:00:00:00:00:0A"))
    everything = (date(2026, 1, 1), date(2027, 1, 1))
    with market.work() as uow:
        row = subscriptions.subscription(uow, subscription)
        by_subscription = network.usage_of_subscription(uow, row, *everything)
        by_device = network.usage_of_devices(uow, row.customer_id, *everything)
        by_name = network.usage_of_name(uow, "02:00:00:00:00:0A", *everything)
        together = network.usage_by_day(uow, *everything)
    assert [(used.day.day, used.total_bytes, used.seconds, used.sessions) for used in by_subscription] == [
        (20, 1000, 32_400, 2), (21, 2003, 64_800, 2), (22, 1003, 32_400, 0),
    ]  # fmt: skip
    totals = {mac: sum(used.total_bytes for used in told) for mac, told in by_device.items()}
    assert totals == {"02:00:00:00:00:0A": 1000 + 1002 + 1003, "02:00:00:00:00:0B": 1001}
    assert sum(used.total_bytes for used in by_name) == 1000 + 1002 + 1003 + 5
    assert sum(used.total_bytes for used in together) == 4006 + 5


def test_nobody_sees_what_another_isps_customers_used(market: Shop) -> None:
    other = open_shop(settings_of(market), "uplands", market.app)
    add_router(other, LAKE)
    tell(
        market,
        event(market, "stop", "a", 0, 9, mac="roams"),
        event(market, "stop", "a", 0, 5, mac="roams", nas_address=LAKE),
    )
    everything = (date(2026, 1, 1), date(2027, 1, 1))
    for shop, total in ((market, 9), (other, 5)):
        with shop.work() as uow:
            assert [used.total_bytes for used in network.usage_by_day(uow, *everything)] == [total]
            assert [used.total_bytes for used in network.usage_of_name(uow, "roams", *everything)] == [total]
            assert [one.output_bytes + one.input_bytes for one in network.sessions_of(uow, "roams")] == [total]


def test_sessions_of_a_device_are_paged_latest_first_and_only_our_own(market: Shop) -> None:
    other = open_shop(settings_of(market), "uplands", market.app)
    add_router(other, LAKE)
    for number in range(7):
        market.later(minutes=10)
        tell(market, event(market, "stop", f"s{number}", 0, number, mac="02:00:00:00:00:0A"))
    tell(market, event(market, "stop", "theirs", 0, 9, mac="02:00:00:00:00:0A", nas_address=LAKE))
    with market.work() as uow:
        first = network.sessions_of(uow, "02:00:00:00:00:0A", limit=4)
        second = network.sessions_of(uow, "02:00:00:00:00:0A", limit=4, before=first[-1])
        assert network.sessions_of(uow, "02:00:00:00:00:0A", before=second[-1]) == []
    assert [one.input_bytes + one.output_bytes for one in (*first, *second)] == [6, 5, 4, 3, 2, 1, 0]
    assert {one.router for one in first} == {f"router {MARKET}"}


# ---- silence -----------------------------------------------------------------------------------------------------------


def close_silent(shop: Shop) -> set[str]:
    with shop.app.work(None) as uow:
        network.close_silent(uow)
    return {row.acctsessionid for row in sessions(shop) if row.acctterminatecause == "Stale"}


def test_each_session_is_given_three_of_its_own_intervals(market: Shop) -> None:
    with market.app.engine.begin() as connection:
        for name, value in (("often", "60"), ("too-often", "5"), ("seldom", "1200"), ("odd", "often")):
            connection.execute(
                insert(radreply).values(username=name, attribute="Acct-Interim-Interval", op=":=", value=value)
            )
    names = ("often", "too-often", "usual", "seldom", "odd")
    tell(market, *(event(market, "start", name, mac=name) for name in names))
    heard = market.clock.now()
    gone: dict[str, int] = {}
    for seconds in range(0, 4000, 20):
        market.clock.advance(heard + timedelta(seconds=seconds) - market.clock.now())
        for name in close_silent(market) - set(gone):
            gone[name] = seconds
    odd = gone.pop("odd")
    assert gone == {"often": 200, "too-often": 200, "usual": 920, "seldom": 3620}
    assert odd in (200, 920)
    assert {row.acctstoptime for row in sessions(market)} == {heard}


def test_an_isp_that_asks_for_reports_less_often_waits_longer(market: Shop) -> None:
    other = open_shop(settings_of(market), "uplands", market.app)
    add_router(other, LAKE)
    with other.work() as uow:
        tenants.change_settings(uow, tenants.settings_of(uow).model_copy(update={"interim_seconds": 600}))
    tell(market, event(market, "start", "a"), event(market, "start", "b", nas_address=LAKE))
    market.later(seconds=901)
    assert close_silent(market) == {"a"}
    market.later(seconds=900)
    assert close_silent(market) == {"a", "b"}


def test_closing_takes_batches(market: Shop) -> None:
    tell(market, *(event(market, "start", f"s{number}", mac=f"m{number}") for number in range(5)))
    market.later(hours=1)
    with market.app.work(None) as uow:
        assert [network.close_silent(uow, 2) for _ in range(4)] == [2, 2, 1, 0]


# ---- months ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhen(market: Shop) -> Iterator[Shop]:
    """Years from now, in months nobody has prepared."""
    market.clock.advance(datetime(2041, 5, 30, 12, 0, tzinfo=UTC) - market.clock.now())
    yield market
    with market.app.work(None) as uow:
        uow.connection.execute(radacct.delete())
        if uow.connection.dialect.name == "postgresql":
            uow.connection.execute(select(func.duka_radacct_forget(datetime(2042, 1, 1, tzinfo=UTC))))
            uow.connection.execute(
                select(func.duka_radacct_months(datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)))
            )


def test_months_are_made_ahead_and_what_ended_in_an_unprepared_one_moves_there(elsewhen: Shop) -> None:
    tell(elsewhen, event(elsewhen, "stop", "early", 0, 5), event(elsewhen, "start", "open"))
    postgres = elsewhen.app.engine.dialect.name == "postgresql"
    with elsewhen.app.work(None) as uow:
        assert network.prepare_months(uow) == (5 if postgres else 0)
    with elsewhen.app.work(None) as uow:
        assert network.prepare_months(uow) == 0
    tell(elsewhen, event(elsewhen, "stop", "early", 0, 5), event(elsewhen, "stop", "late", 0, 7))
    assert [row.acctsessionid for row in sessions(elsewhen)] == ["early", "late", "open"]
    if postgres:
        assert where(elsewhen) == {"early": "y2041m05", "late": "y2041m05", "open": "open"}


def where(shop: Shop) -> dict[str, str]:
    """In which partition each session lies."""
    with shop.app.engine.connect() as connection:
        found = connection.execute(text("SELECT acctsessionid, tableoid::regclass::text FROM radacct"))
        return {name: place.rpartition(".")[2] for name, place in found}


def test_a_session_moves_when_it_ends_and_back_when_the_end_was_only_inferred(market: Shop) -> None:
    tell(market, event(market, "start", "a"))
    market.later(hours=1)
    close_silent(market)
    ended = sessions(market)[0].acctstoptime
    if market.app.engine.dialect.name == "postgresql":
        assert where(market) == {"a": f"y{ended:%Y}m{ended:%m}"}
    tell(market, event(market, "interim", "a", 0, 9, seconds=3600))
    row = sessions(market)[0]
    assert (row.acctstoptime, row.acctterminatecause, row.acctsessiontime) == (None, "", 3600)


def test_sessions_are_forgotten_after_their_time_but_never_open_ones_or_days(elsewhen: Shop) -> None:
    tell(elsewhen, event(elsewhen, "start", "open"), event(elsewhen, "stop", "old", 0, 10))
    with elsewhen.app.work(None) as uow:
        network.prepare_months(uow)
    elsewhen.later(days=70)
    tell(elsewhen, event(elsewhen, "stop", "new", 0, 20))
    with elsewhen.app.work(None) as uow:
        network.prepare_months(uow)
    with elsewhen.app.work(None) as uow:
        assert network.forget_sessions(uow, uow.now - timedelta(days=31)) >= 1
    assert [row.acctsessionid for row in sessions(elsewhen)] == ["open", "new"]
    assert sum(row.input_bytes + row.output_bytes for row in days(elsewhen)) == 30
