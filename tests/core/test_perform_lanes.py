"""Lanes: one worker at a time talks to one router, and a busy lane costs nothing."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from core.app import App
from core.clock import FrozenClock
from core.config import Redis, Settings
from core.tasks import LogOut, SendMessage
from jobs.job import by_task
from jobs.lanes import BUSY_PAUSE_MILLISECONDS, Lanes
from jobs.perform import perform_batch
from tests.core.perform_kit import app, clock, keep
from tests.plumbing import TENANT, Crash, LaneRehearsal, Rehearsal, owe, promise_of
from tests.services import free_port

__all__ = ["app", "clock"]


def test_a_busy_lane_postpones_without_counting_and_without_touching_the_router(
    app: App, clock: FrozenClock, redis_url: str
) -> None:
    (promise_id,) = owe(app, LogOut(mac="1", router_id=5))
    job = LaneRehearsal()
    with Lanes(redis_url).hold(TENANT, "router:5") as taken:
        assert taken
        keep(app, job, promise_id)
        row = promise_of(app, promise_id)
        assert job.acted == []
        assert row.attempts == 0
        assert row.due_at == clock.now() + timedelta(milliseconds=BUSY_PAUSE_MILLISECONDS)
    keep(app, job, promise_id)
    assert job.acted == [1]


def test_two_workers_never_talk_to_one_router_at_once(app: App) -> None:
    ids = owe(app, *(LogOut(mac=str(number), router_id=5) for number in range(8)))
    talking, most = [0], [0]
    counting = threading.Lock()

    def talk(number: int) -> str:
        with counting:
            talking[0] += 1
            most[0] = max(most[0], talking[0])
        keep(app, Rehearsal(), other)
        with counting:
            talking[0] -= 1
        return "done"

    (other,) = owe(app, SendMessage(1))
    job = LaneRehearsal(on_act=talk)
    halves = [ids[:4], ids[4:]]

    def worker(mine: list[int]) -> None:
        while any(promise_of(app, promise_id).open for promise_id in mine):
            perform_batch(app, by_task([job]), mine)

    threads = [threading.Thread(target=worker, args=(half,)) for half in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(job.acted) == list(range(8)), "every promise is acted on exactly once"
    assert most == [1]


def test_lanes_of_other_routers_and_other_tenants_are_free(redis_url: str) -> None:
    lanes = Lanes(redis_url)
    with lanes.hold(1, "router:5") as first, lanes.hold(1, "router:6") as other, lanes.hold(2, "router:5") as foreign:
        assert (first, other, foreign) == (True, True, True)
        with lanes.hold(1, "router:5") as again, lanes.hold(1, None) as no_lane:
            assert (again, no_lane) == (False, True)
    with lanes.hold(1, "router:5") as free_again:
        assert free_again


def test_a_lane_is_given_back_even_by_a_hand_that_failed_and_never_a_foreign_one(redis_url: str) -> None:
    lanes = Lanes(redis_url)
    with pytest.raises(Crash), lanes.hold(1, "router:9"):
        raise Crash
    with lanes.hold(1, "router:9") as free_again:
        assert free_again
        lanes._redis.set("lane:1:router:9", "somebody else, after ours had expired")
    assert lanes._redis.get("lane:1:router:9") == b"somebody else, after ours had expired"
    lanes._redis.delete("lane:1:router:9")


def test_without_redis_promises_with_a_lane_are_kept_all_the_same(app: App, settings: Settings) -> None:
    away = settings.model_copy(update={"redis": Redis(url=f"redis://127.0.0.1:{free_port()}/0")})
    (promise_id,) = owe(app, LogOut(mac="1", router_id=5))
    keep(replace(app, settings=away), LaneRehearsal(), promise_id)
    assert promise_of(app, promise_id).done_at is not None
