"""Keeping one promise: once, in the right order, and with every kind of trouble."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import SQLAlchemyError
from structlog.testing import capture_logs

from core import outbox
from core.app import App, open_app
from core.clock import FrozenClock
from core.config import Database, Redis, Settings
from core.errors import GatewayDown, GatewayFailure, GatewayRefused, OutcomeUnknown
from core.outbox import ATTEMPTS_MAX, Promise
from core.tasks import Digest, LogOut, SendMessage
from core.uow import UnitOfWork
from jobs.job import Postpone, Verdict, by_task
from jobs.lanes import BUSY_PAUSE_MILLISECONDS, Lanes
from jobs.perform import BATCH_SECONDS_MAX, describe, perform, perform_batch
from tests.plumbing import TENANT, Crash, LaneRehearsal, Rehearsal, audited, kept, opened, owe, promise_of
from tests.services import eventually, free_port


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def app(settings: Settings, clock: FrozenClock) -> Iterator[App]:
    with opened(settings, clock) as app:
        yield app


class Trouble:
    """A world that fails in a chosen way, as often as it is asked."""

    def __init__(self, error: BaseException, times: int = 10**6) -> None:
        self.error, self.times = error, times

    def __call__(self, number: int) -> str:
        if self.times:
            self.times -= 1
            raise self.error
        return "done at last"


def keep(app: App, job: Rehearsal, promise_id: int) -> None:
    perform(app, by_task([job]), promise_id)


# ---- the straight way --------------------------------------------------------------------------------------------------


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


def test_a_promise_that_is_kept_parked_or_unknown_is_left_alone(app: App, clock: FrozenClock) -> None:
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


# ---- the same promise in two hands -------------------------------------------------------------------------------------


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


# ---- the three failures ------------------------------------------------------------------------------------------------


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


# ---- bugs --------------------------------------------------------------------------------------------------------------


def broken(*_: object) -> None:
    raise LookupError("where is it?")


@pytest.mark.parametrize(
    "job",
    [Rehearsal(on_read=broken), Rehearsal(on_act=broken), Rehearsal(on_record=broken)],  # type: ignore[arg-type]
    ids=["read", "act", "record"],
)
def test_a_bug_is_tried_again_then_parked_audited_and_seen_in_the_log(app: App, job: Rehearsal) -> None:
    job = replace(job, acted=[])
    (promise_id,) = owe(app, SendMessage(7))
    with capture_logs() as lines:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            keep(app, job, promise_id)
            assert promise_of(app, promise_id).attempts == attempt
            assert promise_of(app, promise_id).open is (attempt < ATTEMPTS_MAX)
    assert promise_of(app, promise_id).last_error == "LookupError: where is it?"
    assert audited(app, "rehearsed") == [], "what a failing record wrote is rolled back"
    assert len(audited(app, "promise.parked")) == 1
    bugs = [line for line in lines if line["event"] == "promise.bug"]
    assert len(bugs) == ATTEMPTS_MAX
    assert bugs[0]["frames"][-1].endswith(" broken")


def test_a_promise_that_no_job_keeps_is_a_bug_not_a_loss(app: App) -> None:
    (promise_id,) = owe(app, Digest(1))
    keep(app, Rehearsal(), promise_id)
    row = promise_of(app, promise_id)
    assert (row.open, row.attempts) == (True, 1)


def test_a_bug_in_one_promise_does_not_hinder_the_next(app: App) -> None:
    ids = owe(app, SendMessage(1), SendMessage(2))
    job = Rehearsal(on_act=lambda number: 1 / 0 if number == 1 else "done")  # type: ignore[arg-type,return-value]
    perform_batch(app, by_task([job]), ids)
    assert promise_of(app, ids[0]).open
    assert promise_of(app, ids[1]).done_at is not None


def test_what_is_noted_of_an_error_holds_no_secret_no_number_and_no_sql(app: App) -> None:
    error = RuntimeError("GET http://user:hunter2@host/?api_key=abc123 for +254712345678 failed\nsecond line")
    noted = describe(error)
    assert noted.startswith("RuntimeError: GET http://***@host/")
    for hidden in ("hunter2", "abc123", "712345", "second line"):
        assert hidden not in noted
    with pytest.raises(SQLAlchemyError) as caught, app.work(TENANT) as uow:
        uow.session.execute(text("UPDATE promise SET nothing = :value"), {"value": "a secret of ours"})
    assert "a secret of ours" in str(caught.value)
    assert "nothing" in describe(caught.value)
    assert "a secret of ours" not in describe(caught.value)


def test_the_death_of_the_process_passes_through_and_leaves_the_promise_open(app: App) -> None:
    (promise_id,) = owe(app, SendMessage(7))
    with pytest.raises(Crash):
        keep(app, Rehearsal(on_act=Trouble(Crash())), promise_id)
    row = promise_of(app, promise_id)
    assert (row.open, row.attempts) == (True, 0)


def test_a_database_that_goes_away_in_the_middle_loses_nothing(app: App, settings: Settings) -> None:
    (promise_id,) = owe(app, SendMessage(7))
    gone = replace(app, sessions=app.sessions)

    def pull_the_plug(number: int) -> str:
        gone.sessions = unreachable(settings).sessions
        return "done"

    with capture_logs() as lines:
        keep(gone, Rehearsal(on_act=pull_the_plug), promise_id)
    assert [line["event"] for line in lines] == ["promise.no_database", "promise.left_to_its_lease"]
    row = promise_of(app, promise_id)
    assert (row.open, row.attempts) == (True, 0)
    keep(app, Rehearsal(), promise_id)
    assert promise_of(app, promise_id).done_at is not None


def test_a_database_that_restarts_is_waited_for(app: App, settings: Settings) -> None:
    (promise_id,) = owe(app, SendMessage(7))
    restarting = replace(app, sessions=unreachable(settings).sessions)
    with capture_logs() as lines:
        thread = threading.Thread(target=keep, args=(restarting, Rehearsal(), promise_id))
        thread.start()
        eventually(lambda: lines)
        restarting.sessions = app.sessions
        thread.join(10)
    assert lines[0]["event"] == "promises.unread"
    assert promise_of(app, promise_id).done_at is not None


def unreachable(settings: Settings) -> App:
    """An app whose database cannot be reached: nobody listens there, or the file is not there."""
    url = f"postgresql+psycopg://duka@127.0.0.1:{free_port()}/duka"
    if settings.database.url.startswith("sqlite"):
        url = settings.database.url.replace("sqlite:///", "sqlite:///file:") + ".gone?mode=ro&uri=true"
    return open_app(settings.model_copy(update={"database": Database(url=url)}))


# ---- lanes -------------------------------------------------------------------------------------------------------------


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
