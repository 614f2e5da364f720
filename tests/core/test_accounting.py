"""Batches of packets from many routers and ISPs: nothing is counted twice, nothing is lost, whoever is used up is cut once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError

from core import network, outbox, subscriptions
from core.app import App, open_app
from core.config import Settings
from core.messaging.models import Message
from core.network import AccountingEvent, Traffic
from core.radius_tables import radius_user
from core.subscriptions import Subscription, Suspension
from radius.accounting import IN_EACH_OTHERS_WAY
from tests.core.accounting_kit import (
    GB,
    LAKE,
    MARKET,
    NUMBERS,
    add_router,
    count_of,
    days,
    event,
    market,
    sell,
    sessions,
    settings_of,
    tell,
    used,
)
from tests.core.kit import Shop, open_shop
from tests.rules.test_accounting_sessions import STEPS

__all__ = ["market"]


# ---- adding up ---------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=1, max_size=4), data=st.data())
def test_whatever_batches_packets_come_in_everything_adds_up_to_what_the_router_counted(
    market: Shop, steps: list[list[tuple[int, int, int]]], data: st.DataObject
) -> None:
    """Several devices on one subscription; packets doubled, out of order, in batches of any size."""
    subscription, round_ = sell(market, 10**15), next(NUMBERS)
    packets: list[AccountingEvent] = []
    expected = 0
    for number, own in enumerate(steps):
        received = sent = seconds = 0
        name = f"{round_}-{number}"
        told = [event(market, "start", name, subscription, mac=name)]
        for more_received, more_sent, passed in own:
            received, sent, seconds = received + more_received, sent + more_sent, seconds + passed
            at = market.clock.now() + timedelta(seconds=seconds)
            told.append(told[0]._replace(kind="interim", at=at, traffic=Traffic(received, sent, seconds)))
        packets += [*told[:-1], told[-1]._replace(kind="stop")]
        expected += received + sent
    arriving = data.draw(st.permutations(packets + data.draw(st.lists(st.sampled_from(packets), max_size=6))))
    while arriving:
        size = data.draw(st.integers(1, len(arriving)))
        tell(market, *arriving[:size])
        arriving = arriving[size:]
    rows = [row for row in sessions(market) if row.acctsessionid.startswith(f"{round_}-")]
    assert len(rows) == len(steps)
    assert all(row.acctstoptime is not None for row in rows)
    assert sum(row.acctinputoctets + row.acctoutputoctets for row in rows) == expected
    assert used(market, subscription) == expected
    own_days = [row for row in days(market) if row.subscription_id == subscription]
    assert sum(row.input_bytes + row.output_bytes for row in own_days) == expected
    assert sum(row.sessions for row in own_days) == len(steps)


def again_and_again(app: App, events: Sequence[AccountingEvent]) -> None:
    """What a router does, and what the embedded server does for it, when two stood in each other's way."""
    for attempt in range(20):
        try:
            with app.work(None) as uow:
                return network.account_many(uow, events)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in IN_EACH_OTHERS_WAY or attempt == 19:
                raise


def test_two_servers_that_hear_the_same_packets_at_the_same_time_count_them_once(
    market: Shop, settings: Settings
) -> None:
    """What a router says again to a second server while the first is still writing."""
    people = [sell(market, 10**12) for _ in range(20)]
    story = [
        event(market, kind, f"s{person}", person, total)
        for kind, total in (("start", 0), ("interim", 3 * GB), ("interim", 5 * GB), ("stop", 7 * GB))
        for person in people
    ]
    ready = threading.Barrier(2)
    failures: list[BaseException] = []

    def serve(order: Sequence[AccountingEvent], size: int) -> None:
        app = open_app(settings, clock=market.clock)
        ready.wait(10)
        try:
            for at in range(0, len(order), size):
                again_and_again(app, order[at : at + size])
        except Exception as error:  # noqa: BLE001 (whatever it is, the assertion below shows it)
            failures.append(error)
        finally:
            app.close()

    threads = [
        threading.Thread(target=serve, args=task) for task in ((story, 7), (story[::-1], 3))
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert [used(market, person) for person in people] == [7 * GB] * len(people)
    assert len(sessions(market)) == len(people)
    assert sum(row.input_bytes + row.output_bytes for row in days(market)) == 7 * GB * len(people)
    assert sum(row.sessions for row in days(market)) == len(people)


def test_a_start_that_is_said_again_a_little_later_is_no_new_session(market: Shop) -> None:
    subscription = sell(market)
    tell(market, event(market, "start", "a", subscription))
    market.later(seconds=59)
    tell(market, event(market, "start", "a", subscription))
    market.later(seconds=1)
    tell(market, event(market, "interim", "a", subscription, 100, seconds=60))
    assert [(row.acctstoptime, row.acctsessiontime) for row in sessions(market)] == [(None, 60)]
    market.later(seconds=61)
    tell(market, event(market, "start", "a", subscription))
    assert [row.acctterminatecause for row in sessions(market)] == ["Stale", ""]


def test_two_sessions_of_a_device_that_begin_in_one_moment_do_not_end_each_other(market: Shop) -> None:
    both = [event(market, "start", name, mac="one device") for name in ("a", "b")]
    tell(market, *both)
    tell(market, *both)
    assert [row.acctstoptime for row in sessions(market)] == [None, None]


# ---- whose it is -------------------------------------------------------------------------------------------------------


def test_one_batch_may_come_from_routers_of_several_isps(market: Shop) -> None:
    other = open_shop(settings_of(market), "uplands", market.app)
    add_router(other, LAKE)
    ours, theirs = sell(market), sell(other)
    tell(
        market,
        event(market, "interim", "a", ours, 1000), event(market, "interim", "b", theirs, 300, nas_address=LAKE),
        event(market, "interim", "c", theirs, 50), event(market, "interim", "d", 0, 7, nas_address="10.9.9.9"),
    )  # fmt: skip
    assert (used(market, ours), used(other, theirs)) == (1000, 300)
    found = [(row.tenant_id, row.subscription_id, row.input_bytes + row.output_bytes) for row in days(market)]
    assert sorted(found) == [(market.tenant_id, 0, 50), (market.tenant_id, ours, 1000), (other.tenant_id, theirs, 300)]
    assert len(sessions(market)) == 3


def test_without_a_class_the_rows_of_the_name_say_who_pays(market: Shop) -> None:
    subscription = sell(market)
    with market.app.engine.begin() as connection:
        connection.execute(
            insert(radius_user).values(
                username="mac-a", subscription_id=subscription, metered=True, tenant_id=market.tenant_id
            )
        )
    tell(market, event(market, "start", "a", mac="mac-a"), event(market, "interim", "a", 0, 1000, mac="mac-a"))
    assert used(market, subscription) == 1000
    assert sessions(market)[0][-1] == f"duka:{subscription}"


# ---- used up -----------------------------------------------------------------------------------------------------------


def test_ten_gigabytes_over_many_sessions_devices_and_reboots_to_the_byte_and_then_cut(market: Shop) -> None:
    """Demonstration 2: not a session earlier."""
    subscription = sell(market, 10 * GB)
    add_router(market, LAKE)
    left, number, cut_at = 10 * GB, 0, None
    while left:
        number += 1
        size = min(left, (2**32 + 7) if number == 3 else 333_333_333 + number)
        place = LAKE if number % 3 == 0 else MARKET
        name = {"mac": f"02:00:00:00:00:{number % 4:02X}", "nas_address": place}
        assert cut_at is None, "cut before it was used up"
        tell(market, event(market, "start", f"s{number}", subscription, **name))
        market.later(seconds=60)
        tell(market, event(market, "interim", f"s{number}", subscription, size // 2, seconds=60, **name))
        market.later(seconds=60)
        if number % 4 == 0:  # the router loses power: nobody hears of a Stop
            tell(market, event(market, "interim", f"s{number}", subscription, size, seconds=120, **name))
            tell(market, event(market, "on", "", nas_address=place))
        else:
            tell(market, event(market, "stop", f"s{number}", subscription, size, seconds=120, **name))
        left -= size
        with market.work() as uow:
            cut_at = subscriptions.subscription(uow, subscription).suspended_at
    assert number > 15
    assert cut_at == market.clock.now()
    assert used(market, subscription) == 10 * GB
    assert (count_of(market, Suspension), count_of(market, Message)) == (1, 1)


def test_devices_that_share_are_cut_with_the_interim_in_which_the_sum_is_used(market: Shop) -> None:
    """At most one interim later."""
    subscription = sell(market, 10 * GB)
    tell(market, *(event(market, "start", name, subscription) for name in "abc"))
    for step in range(1, 5):
        market.later(seconds=300)
        tell(market, *(event(market, "interim", name, subscription, step * 833_333_333) for name in "abc"))
        with market.work() as uow:
            row = subscriptions.subscription(uow, subscription)
            assert (row.suspended_at is not None) == (step == 4 and row.used_bytes >= 10 * GB)
            assert row.used_bytes == 3 * step * 833_333_333
        if step == 3:
            tell(market, event(market, "interim", "a", subscription, 3 * 833_333_333 + 1))
            assert used(market, subscription) < 10 * GB
    promised = [row.kind for row in promises(market)]
    assert promised.count("SyncAccess") >= 1


def promises(shop: Shop) -> list[outbox.Promise]:
    with shop.work() as uow:
        return list(uow.session.scalars(select(outbox.Promise)))


def test_a_batch_in_which_several_run_out_cuts_each_of_them_once_and_nobody_else(market: Shop) -> None:
    other = open_shop(settings_of(market), "uplands", market.app)
    add_router(other, LAKE)
    spent = [sell(market, 1000), sell(market, 1000), sell(other, 1000)]
    spared = [sell(market, 1001), sell(market, None)]
    batch = [
        event(market, "interim", f"s{p}", p, 1000, nas_address=LAKE if p == spent[2] else MARKET)
        for p in spent + spared
    ]
    for _ in range(3):
        tell(market, *batch)
    with market.app.engine.connect() as connection:
        cut = connection.execute(select(Suspension.tenant_id, Suspension.subscription_id, Suspension.reason)).all()
        suspended = set(connection.scalars(select(Subscription.id).where(Subscription.suspended_at.is_not(None))))
    assert sorted(cut) == sorted(
        (other.tenant_id if p == spent[2] else market.tenant_id, p, "data_limit") for p in spent
    )
    assert suspended == set(spent)
    assert count_of(market, Message) == 3


def test_what_stopped_or_ended_already_is_not_cut_again(market: Shop) -> None:
    ended, stopped = sell(market, 1000), sell(market, 1000)
    with market.work() as uow:
        subscriptions.subscription(uow, ended).closed_at = uow.now
        subscriptions.suspend(uow, subscriptions.subscription(uow, stopped))
    tell(market, event(market, "interim", "a", ended, 2000), event(market, "interim", "b", stopped, 2000))
    with market.app.engine.connect() as connection:
        assert list(connection.scalars(select(Suspension.reason))) == ["operator"]
    assert (used(market, ended), used(market, stopped)) == (2000, 2000)


def test_names_that_look_like_something_else_to_a_database_are_kept_as_they_were_said(market: Shop) -> None:
    names = ['"', "\\", '\\"', "a,b", "{a}", "NULL", "null", "", " a ", "'; --", "%s :uid", "é\u2028"]
    subscription = sell(market)
    tell(market, *(event(market, "start", f"s{n}", subscription, 10, mac=name) for n, name in enumerate(names)))
    tell(market, *(event(market, "interim", f"s{n}", subscription, 30, mac=name) for n, name in enumerate(names)))
    assert sorted((row.username, row.acctoutputoctets) for row in sessions(market)) == sorted((n, 15) for n in names)
    assert sorted(row.username for row in days(market)) == sorted(names)
    assert used(market, subscription) == 30 * len(names)
