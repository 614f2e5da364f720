"""The purchase with real processes while what they stand on goes away: relay, clock, Redis, the database, and all at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from tests.journeys.harm import Storm, Strike, strike
from tests.journeys.running import STORY_SECONDS_MAX, RunningTown
from tests.services import eventually

LOGIN = "/ip/hotspot/active/login"
PAYERS, STORM_SEED, HITS_MIN = 20, 1963, 6
ALL_MAY_DIE_SENDING = (1, 2)
"""Receipts, when whoever is sending one dies with the rest: an SMS cannot be asked whether it went out."""


@pytest.fixture
def town(running_town: RunningTown) -> RunningTown:
    return running_town


# ---- what carries the work -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["relay", "clock"])
def test_what_carries_the_work_dies_at_every_step(town: RunningTown, name: str) -> None:
    payer = town.newcomer()
    town.order(payer)
    town.kill(name)
    town.prompted(payer)
    eventually(lambda: town.pids(name), STORY_SECONDS_MAX, "it is back")
    town.kill(name)
    town.pay(payer)
    eventually(lambda: town.promises("Digest") or payer.device.online, STORY_SECONDS_MAX, "the callback is stored")
    eventually(lambda: town.pids(name), STORY_SECONDS_MAX, "it is back")
    town.kill(name)
    town.assert_served_once(payer, healing=True)


def test_redis_forgets_everything_at_every_step(town: RunningTown) -> None:
    payer = town.newcomer()
    town.order(payer)
    town.redis.flush()
    with strike(town.daraja.on_prompt, payer.is_asked, town.redis.flush) as asked:
        town.prompted(payer)
        asked.wait()
    with (
        strike(town.router.on_command, lambda path, _: path == LOGIN, town.redis.flush) as let_in,
        strike(town.africastalking.on_send, payer.is_told, town.redis.flush) as told,
    ):
        town.pay(payer)
        until_struck(town, let_in, told)
    town.assert_served_once(payer, healing=True)


def until_struck(town: RunningTown, *blows: Strike) -> None:
    """One blow may have swept away the promise that leads to the next: then its lease ends."""

    def struck() -> bool:
        town.end_old_leases()
        return all(blow.done.is_set() for blow in blows)

    eventually(struck, STORY_SECONDS_MAX, "everything was struck")
    for blow in blows:
        blow.wait()


def test_redis_forgets_what_lies_in_the_queue(town: RunningTown) -> None:
    payer = town.ordered()
    with town.frozen("worker"):
        town.give_idle_workers_something()
        town.pay(payer)
        eventually(lambda: town.queued() and town.daraja.wait_until_idle(), STORY_SECONDS_MAX, "the callback is queued")
        town.redis.flush()
    town.assert_served_once(payer, healing=True)


def test_redis_is_away_while_the_callback_comes(town: RunningTown) -> None:
    payer = town.ordered()
    town.redis.stop()
    town.pay(payer)
    eventually(lambda: town.promises("Digest"), STORY_SECONDS_MAX, "the callback is stored without Redis")
    assert not payer.device.online
    town.redis.start()
    town.assert_served_once(payer, healing=True)


def test_redis_restarts_at_every_step(town: RunningTown) -> None:
    payer = town.newcomer()
    for step in (town.order, town.prompted, town.pay):
        town.redis.restart()
        step(payer)
    town.assert_served_once(payer, healing=True)


# ---- the database ----------------------------------------------------------------------------------------------------------


def test_the_database_dies_while_the_prompt_is_on_the_phone(town: RunningTown) -> None:
    payer = town.ordered()
    town.database_dies()
    town.daraja.hold_callbacks()
    town.pay(payer)
    town.wait_until_open()
    town.daraja.release_callbacks()
    town.assert_served_once(payer, receipts=ALL_MAY_DIE_SENDING, healing=True)


def test_the_database_dies_where_everything_becomes_true(town: RunningTown) -> None:
    payer = town.ordered()
    with town.snag("purchase", "UPDATE OF completed_at", "NEW.completed_at IS NOT NULL") as spot:
        town.pay(payer)
        spot.wait_until_caught(lambda: town.at_work_on("Digest"))
        town.database_dies()
    town.wait_until_open()
    town.assert_served_once(payer, receipts=ALL_MAY_DIE_SENDING, healing=True)


def test_the_database_dies_while_the_device_is_let_in(town: RunningTown) -> None:
    payer = town.ordered()
    with strike(town.router.on_command, lambda path, _: path == LOGIN, town.database_dies) as blow:
        town.pay(payer)
        blow.wait()
    town.wait_until_open()
    town.assert_served_once(payer, receipts=ALL_MAY_DIE_SENDING, healing=True)


# ---- everything at once ----------------------------------------------------------------------------------------------------


def test_twenty_purchases_in_a_storm(town: RunningTown) -> None:
    payers = [town.newcomer() for _ in range(PAYERS)]
    for payer in payers:
        town.register(payer)
    blows = [
        *(lambda name=name: town.kill_if_alive(name) for name in ["worker.1", "worker.2", "relay"] * 3),
        town.redis.restart,
    ]
    storm = Storm(Random(STORM_SEED), blows, among=6 * PAYERS)
    at, daraja, router = town.africastalking, town.daraja, town.router
    daraja.repeat_callbacks(2)
    daraja.auto_approve(0.2)
    with storm.over_hooks(daraja.on_prompt, daraja.after_prompt, router.on_command, at.on_send, at.after_send):
        with ThreadPoolExecutor(4) as hands:
            list(hands.map(town.order, payers))
        town.until_served(*payers, healing=True)
    daraja.auto_approve(None)
    daraja.repeat_callbacks(1)
    assert storm.over and storm.errors == []
    assert storm.hits >= HITS_MIN, "most blows found somebody alive"
    town.served += payers
    for payer in payers:
        town.assert_bought_once(payer)
        assert len(town.payments(payer)) <= 2, "asked again at most once, after a worker died asking"
    online = {row["user"] for row in town.router.rows("/ip/hotspot/active")}
    assert online >= {payer.mac for payer in payers}
    town.assert_books()
