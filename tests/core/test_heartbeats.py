"""Is the clock still ticking? The rows that answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from core import heartbeats
from core.app import App
from core.clock import FrozenClock
from core.config import Settings
from core.heartbeats import LEADER, LEADER_SECONDS
from tests.plumbing import opened


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def app(settings: Settings, clock: FrozenClock) -> Iterator[App]:
    with opened(settings, clock) as app:
        yield app


def lead(app: App, holder: str) -> bool:
    with app.work(None) as uow:
        return heartbeats.lead(uow.session, uow.now, holder)


def run_sweep(app: App, name: str, seconds: float, *, works: bool = True) -> None:
    with app.work(None) as uow:
        heartbeats.begin(uow.session, name, uow.now, seconds)
        if works:
            heartbeats.beat(uow.session, name, uow.now, found=1, took_ms=2)


def silent(app: App) -> list[str]:
    with app.work(None) as uow:
        return heartbeats.silent(uow.session, uow.now)


def test_one_clock_leads_until_it_falls_silent(app: App, clock: FrozenClock) -> None:
    assert lead(app, "first")
    assert not lead(app, "second")
    for _ in range(5):
        clock.advance(timedelta(seconds=LEADER_SECONDS - 1))
        assert lead(app, "first"), "who renews keeps the lead"
    clock.advance(timedelta(seconds=LEADER_SECONDS - 1))
    assert not lead(app, "second")
    clock.advance(timedelta(seconds=1))
    assert lead(app, "second")
    assert not lead(app, "first"), "the one that was away has lost it"


def test_a_clock_that_stops_in_order_hands_over_at_once(app: App) -> None:
    assert lead(app, "first")
    with app.work(None) as uow:
        heartbeats.resign(uow.session, "second")
    assert not lead(app, "second"), "nobody resigns for another"
    with app.work(None) as uow:
        heartbeats.resign(uow.session, "first")
    assert lead(app, "second")


def test_of_many_clocks_that_start_together_one_leads(app: App) -> None:
    together = threading.Barrier(4)
    won: list[str] = []

    def start(holder: str) -> None:
        together.wait()
        if lead(app, holder):
            won.append(holder)

    threads = [threading.Thread(target=start, args=(f"clock {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_without_any_clock_the_clock_itself_is_silent(app: App) -> None:
    assert silent(app) == [LEADER]


def test_a_sweep_is_silent_after_three_of_its_intervals_and_heard_when_it_works_again(
    app: App, clock: FrozenClock
) -> None:
    run_sweep(app, "probe", 30)
    run_sweep(app, "prune", 3600)
    clock.advance(timedelta(seconds=90))
    lead(app, "first")
    assert silent(app) == []
    clock.advance(timedelta(seconds=1))
    assert silent(app) == ["probe"]
    run_sweep(app, "probe", 30)
    assert silent(app) == []


def test_a_sweep_that_runs_and_always_fails_falls_silent_too(app: App, clock: FrozenClock) -> None:
    for _ in range(91):
        run_sweep(app, "expire", 1, works=False)
        clock.advance(timedelta(seconds=1))
    lead(app, "first")
    assert silent(app) == ["expire"]


def test_a_quick_sweep_is_not_called_silent_for_one_slow_moment(app: App, clock: FrozenClock) -> None:
    lead(app, "first")
    run_sweep(app, "expire", 1)
    clock.advance(timedelta(seconds=10))
    assert silent(app) == []
