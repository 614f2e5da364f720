"""The three failures of the world while a promise is kept: down, refused, unknown."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.app import App
from core.clock import FrozenClock
from core.errors import GatewayDown, GatewayFailure, GatewayRefused, OutcomeUnknown
from core.outbox import ATTEMPTS_MAX
from core.tasks import SendMessage
from core.uow import UnitOfWork
from jobs.job import Postpone, Verdict
from tests.core.perform_kit import Trouble, app, clock, keep
from tests.plumbing import Rehearsal, audited, owe, promise_of

__all__ = ["app", "clock"]


def test_while_the_other_side_is_down_a_promise_is_tried_for_ever_with_growing_pauses(
    app: App, clock: FrozenClock
) -> None:
    (promise_id,) = owe(app, SendMessage(7))
    job = Rehearsal(on_act=Trouble(GatewayDown("no route to host"), times=3 * ATTEMPTS_MAX))
    pauses = []
    for _ in range(3 * ATTEMPTS_MAX):
        keep(app, job, promise_id)
        pauses.append((promise_of(app, promise_id).due_at - clock.now()).total_seconds())
    row = promise_of(app, promise_id)
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == 600
    assert row.open
    assert row.last_error == "GatewayDown: no route to host"
    keep(app, job, promise_id)
    assert promise_of(app, promise_id).done_at is not None, "after two days it comes back and is served"


def test_an_impatient_job_gives_up_after_so_many_failures(app: App) -> None:
    class Impatient(Rehearsal):
        patient = False

    (promise_id,) = owe(app, SendMessage(7))
    job = Impatient(on_act=Trouble(GatewayDown("down")))
    for _ in range(ATTEMPTS_MAX):
        assert promise_of(app, promise_id).open
        keep(app, job, promise_id)
    assert promise_of(app, promise_id).parked_at is not None


def test_an_open_breaker_postpones_without_counting(app: App, clock: FrozenClock) -> None:
    class BreakerOpen(GatewayDown):
        retry_after_seconds = 17.5

    (promise_id,) = owe(app, SendMessage(7))
    keep(app, Rehearsal(on_act=Trouble(BreakerOpen("asked too often"))), promise_id)
    row = promise_of(app, promise_id)
    assert row.due_at == clock.now() + timedelta(seconds=17.5)
    assert row.attempts == 0
    assert row.last_error == "BreakerOpen: asked too often"


def test_a_final_no_parks_at_once_and_is_audited(app: App) -> None:
    (promise_id,) = owe(app, SendMessage(7))
    keep(app, Rehearsal(on_act=Trouble(GatewayRefused("no such account"))), promise_id)
    assert promise_of(app, promise_id).parked_at is not None
    (facts,) = audited(app, "promise.parked")
    assert facts == {"kind": "SendMessage", "error": "GatewayRefused: no such account"}


def test_a_no_that_may_change_is_tried_again_but_not_for_ever(app: App) -> None:
    (promise_id,) = owe(app, SendMessage(7))
    job = Rehearsal(on_act=Trouble(GatewayRefused("busy", permanent=False)))
    keep(app, job, promise_id)
    assert promise_of(app, promise_id).open
    for _ in range(ATTEMPTS_MAX - 1):
        keep(app, job, promise_id)
    assert promise_of(app, promise_id).parked_at is not None


def test_silence_after_asking_is_tried_again_by_default(app: App) -> None:
    (promise_id,) = owe(app, SendMessage(7))
    keep(app, Rehearsal(on_act=Trouble(OutcomeUnknown("no answer"))), promise_id)
    row = promise_of(app, promise_id)
    assert (row.open, row.attempts) == (True, 1)


@pytest.mark.parametrize(
    "error", [GatewayDown("x"), GatewayRefused("x"), OutcomeUnknown("x")], ids=lambda e: type(e).__name__
)
def test_each_failure_asks_the_jobs_own_hook(app: App, clock: FrozenClock, error: GatewayFailure) -> None:
    done, parked, later = owe(app, SendMessage(1), SendMessage(2), SendMessage(3))
    until = clock.now() + timedelta(hours=1)
    keep(app, Rehearsal(on_act=Trouble(error), verdict=Verdict.DONE), done)
    keep(app, Rehearsal(on_act=Trouble(error), verdict=Verdict.PARK), parked)
    keep(app, Rehearsal(on_act=Trouble(error), verdict=Postpone(until)), later)
    assert promise_of(app, done).done_at is not None
    assert promise_of(app, parked).parked_at is not None
    assert (promise_of(app, later).due_at, promise_of(app, later).attempts) == (until, 0)


def test_what_a_hook_changes_stands_or_falls_with_its_decision(app: App) -> None:
    class TakesBack(Rehearsal):
        def down(self, uow: UnitOfWork, *_: object) -> Verdict:
            uow.record("mark.taken_back")
            if not audited_before:
                raise ZeroDivisionError
            return Verdict.RETRY

    (promise_id,) = owe(app, SendMessage(1))
    job = TakesBack(on_act=Trouble(GatewayDown("down")))
    audited_before: list[int] = []
    keep(app, job, promise_id)
    assert audited(app, "mark.taken_back") == []
    audited_before.append(1)
    keep(app, job, promise_id)
    assert len(audited(app, "mark.taken_back")) == 1
