"""Keeping one promise: once, in the right order, and in two hands at the same time."""

from __future__ import annotations

import threading
from datetime import timedelta

from sqlalchemy import update

from core import outbox
from core.app import App
from core.clock import FrozenClock
from core.errors import GatewayDown
from core.outbox import Promise
from core.tasks import SendMessage
from jobs.job import by_task
from jobs.perform import BATCH_SECONDS_MAX, perform_batch
from tests.core.perform_kit import app, clock, keep
from tests.plumbing import Rehearsal, audited, kept, owe, promise_of

__all__ = ["app", "clock"]


def test_a_promise_is_read_acted_on_recorded_and_settled(app: App) -> None:
    (promise_id,) = owe(app, SendMessage(7))
    job = Rehearsal()
    keep(app, job, promise_id)
    assert job.acted == [7]
    assert audited(app, "rehearsed") == [{"number": 7, "result": "done"}]
    assert promise_of(app, promise_id).done_at is not None


def test_no_transaction_is_open_while_the_world_is_asked(app: App) -> None:
    (promise_id,) = owe(app, SendMessage(7))

    def write_meanwhile(number: int) -> str:
        owe(app, SendMessage(8))  # would wait for ever on SQLite, and for the row on PostgreSQL
        with app.work(None) as uow:
            uow.session.execute(update(Promise).where(Promise.id == promise_id).values(attempts=3))
        return "done"

    keep(app, Rehearsal(on_act=write_meanwhile), promise_id)
    assert kept(app) == 1


def test_nothing_to_do_settles_the_promise_without_asking_the_world(app: App) -> None:
    (promise_id,) = owe(app, SendMessage(7))
    job = Rehearsal(on_read=lambda uow, number: None)
    keep(app, job, promise_id)
    assert job.acted == []
    assert promise_of(app, promise_id).done_at is not None


def test_a_promise_that_is_kept_parked_or_unknown_is_left_alone(app: App) -> None:
    done, parked = owe(app, SendMessage(1), SendMessage(2))
    with app.work(None) as uow:
        uow.session.get_one(Promise, done).done_at = uow.now
        uow.session.get_one(Promise, parked).parked_at = uow.now
    job = Rehearsal()
    perform_batch(app, by_task([job]), [done, parked, 999_999])
    assert job.acted == []


def test_a_batch_keeps_each_promise_once_in_the_order_given(app: App) -> None:
    ids = owe(app, SendMessage(1), SendMessage(2), SendMessage(3))
    job = Rehearsal()
    perform_batch(app, by_task([job]), [ids[2], ids[0], ids[2], ids[1]])
    assert job.acted == [3, 1, 2]


def test_a_batch_that_takes_too_long_gives_the_rest_back_at_once(app: App, clock: FrozenClock) -> None:
    ids = owe(app, SendMessage(1), SendMessage(2), SendMessage(3))
    with app.work(None) as uow:
        assert len(outbox.lease_due(uow.session, uow.now, 10)) == 3

    def dawdle(number: int) -> str:
        clock.advance(timedelta(seconds=BATCH_SECONDS_MAX - 1))
        return "done"

    job = Rehearsal(on_act=dawdle)
    perform_batch(app, by_task([job]), ids)
    assert job.acted == [1, 2]
    rest = promise_of(app, ids[2])
    assert (rest.due_at, rest.attempts) == (clock.now(), 0)


# ---- the same promise in two hands -----------------------------------------------------------------------------------


def test_two_workers_with_one_promise_record_once(app: App) -> None:
    (promise_id,) = owe(app, SendMessage(7))
    both_asked = threading.Barrier(2, timeout=10)

    def ask(number: int) -> str:
        both_asked.wait()
        return "done"

    job = Rehearsal(on_act=ask)
    threads = [threading.Thread(target=keep, args=(app, job, promise_id)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert job.acted == [7, 7]
    assert len(audited(app, "rehearsed")) == 1
    assert promise_of(app, promise_id).attempts == 0


def test_a_late_failure_does_not_undo_what_another_worker_has_settled(app: App) -> None:
    (promise_id,) = owe(app, SendMessage(7))

    def overtaken(number: int) -> str:
        keep(app, Rehearsal(), promise_id)
        raise GatewayDown("too late")

    keep(app, Rehearsal(on_act=overtaken), promise_id)
    row = promise_of(app, promise_id)
    assert (row.done_at is not None, row.attempts, row.last_error) == (True, 0, None)
