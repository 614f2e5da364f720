"""Promises: owed with the commit, leased by one relay at a time, never lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from core import outbox
from core.app import App
from core.clock import FrozenClock
from core.config import Settings
from core.outbox import ATTEMPTS_MAX, LEASE_SECONDS, Promise
from core.tasks import LogOut, SendMessage, revive
from tests.plumbing import TENANT, Crash, opened, owe, promise_of


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def app(settings: Settings, clock: FrozenClock) -> Iterator[App]:
    with opened(settings, clock) as app:
        yield app


def lease(app: App, limit: int = 100) -> list[int]:
    with app.work(None) as uow:
        return [row[0] for row in outbox.lease_due(uow.session, uow.now, limit)]


def test_a_rolled_back_visit_owes_nothing(app: App) -> None:
    def change_of_mind() -> None:
        with app.work(TENANT) as uow:
            uow.later(SendMessage(1))
            uow.session.flush()
            raise Crash

    with pytest.raises(Crash):
        change_of_mind()
    assert lease(app) == []


def test_what_was_promised_comes_back_as_the_same_task(app: App) -> None:
    task = LogOut(mac="02:00:00:00:00:01", router_id=5)
    (promise_id,) = owe(app, task)
    row = promise_of(app, promise_id)
    assert (row.task, row.queue, row.lane, row.tenant_id) == (task, "network", "router:5", TENANT)


def test_a_payload_of_an_older_version_loses_only_what_nobody_knows_any_more() -> None:
    assert revive("SendMessage", {"message_id": 3, "forgotten": True}) == SendMessage(3)


def test_a_leased_promise_is_not_leased_again_until_its_lease_ends(app: App, clock: FrozenClock) -> None:
    ids = owe(app, SendMessage(1))
    assert lease(app) == ids
    assert lease(app) == []
    clock.advance(timedelta(seconds=LEASE_SECONDS - 1))
    assert lease(app) == []
    clock.advance(timedelta(seconds=1))
    assert lease(app) == ids


def test_the_longest_due_is_leased_first_and_the_future_not_at_all(app: App, clock: FrozenClock) -> None:
    (tomorrow,) = owe(app, SendMessage(1), at=clock.now() + timedelta(days=1))
    (second,) = owe(app, SendMessage(2), at=clock.now() - timedelta(minutes=1))
    (first,) = owe(app, SendMessage(3), at=clock.now() - timedelta(minutes=2))
    assert lease(app, limit=1) == [first]
    assert lease(app) == [second]
    with app.work(None) as uow:
        assert list(outbox.next_due(uow.session).values()) == [clock.now() + timedelta(seconds=LEASE_SECONDS)]
    clock.advance(timedelta(days=1))
    assert tomorrow in lease(app)


def test_two_relays_at_once_get_each_promise_once(app: App) -> None:
    ids = owe(app, *(SendMessage(number) for number in range(60)))
    together = threading.Barrier(2)
    taken: list[int] = []

    def relay() -> None:
        together.wait()
        while got := lease(app, limit=7):
            taken.extend(got)

    threads = [threading.Thread(target=relay) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == ids


def test_pauses_grow_to_ten_minutes() -> None:
    assert [outbox.pause_seconds(n) for n in (1, 2, 3, 4, 10, 11, 500)] == [1, 2, 4, 8, 512, 600, 600]


def test_after_so_many_failures_a_promise_is_parked_and_can_be_taken_up_again(app: App, clock: FrozenClock) -> None:
    (promise_id,) = owe(app, SendMessage(1))
    for attempt in range(1, ATTEMPTS_MAX + 1):
        with app.work(None) as uow:
            row = outbox.lock(uow.session, promise_id)
            assert row is not None
            assert outbox.retry_later(row, uow.now, "x" * 9000) is (attempt == ATTEMPTS_MAX)
            assert len(row.last_error or "") == outbox.ERROR_LENGTH_MAX
    with app.work(None) as uow:
        assert outbox.lock(uow.session, promise_id) is None, "a parked promise is not open"
        assert outbox.backlog(uow.session, uow.now) == (0, None, 1)
        outbox.unpark(uow.session.get_one(Promise, promise_id), uow.now)
    assert lease(app) == [promise_id]


def test_health_pages_see_how_much_is_due_and_for_how_long(app: App, clock: FrozenClock) -> None:
    owe(app, SendMessage(1), SendMessage(2))
    clock.advance(timedelta(seconds=40))
    with app.work(None) as uow:
        assert outbox.backlog(uow.session, uow.now) == (2, 40, 0)


def test_only_promises_kept_long_ago_are_forgotten(app: App, clock: FrozenClock) -> None:
    old, young, still_open = owe(app, SendMessage(1), SendMessage(2), SendMessage(3))
    for promise_id in (old, young):
        with app.work(None) as uow:
            row = outbox.lock(uow.session, promise_id)
            assert row is not None
            outbox.settle(row, uow.now)
        clock.advance(timedelta(days=8))
    with app.work(None) as uow:
        assert outbox.prune(uow.session, uow.now - timedelta(days=10)) == 1
        assert uow.session.get(Promise, old) is None
    assert promise_of(app, young).done_at is not None
    assert promise_of(app, still_open).open
