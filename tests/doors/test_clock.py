"""The clock: each sweep at its pace, one clock at a time, and no sweep can stop the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from core import heartbeats
from core.app import App, open_app
from core.clock import FrozenClock
from core.config import Database, Settings
from core.heartbeats import LEADER_SECONDS, Heartbeat
from core.tasks import SendMessage
from jobs import clock as door
from jobs.schedule import Every
from tests.plumbing import TENANT, Crash, opened
from tests.services import create_tables, eventually


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def app(settings: Settings, clock: FrozenClock) -> Iterator[App]:
    with opened(settings, clock) as app:
        yield app


class MachineClock(FrozenClock):
    """A clock that somebody may set: time itself goes on as `pass_` says, whatever the clock shows."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def pass_(self, seconds: float, *, shown: float | None = None) -> None:
        self.seconds += seconds
        self.advance(timedelta(seconds=seconds if shown is None else shown))


def test_a_clock_that_was_set_forward_ends_nothing_for_a_while() -> None:
    clock = MachineClock()
    trust = door.Trust(clock)
    for shown in (1, 0, 2, 20, -20):
        clock.pass_(1, shown=shown)
        assert trust.holds(), "clocks are corrected a little all the time"
    clock.pass_(1, shown=3600)
    with capture_logs() as logs:
        assert not trust.holds()
    assert [line["event"] for line in logs] == ["clock.was_set"]
    clock.pass_(299)
    assert not trust.holds()
    clock.pass_(1)
    assert trust.holds(), "nobody put it right: then it is right"


def test_a_clock_that_is_put_right_again_is_believed_at_once() -> None:
    clock = MachineClock()
    trust = door.Trust(clock)
    clock.pass_(1, shown=86_400)
    assert not trust.holds()
    clock.pass_(1, shown=-86_398)
    assert trust.holds()


def test_setting_the_clock_back_ends_nothing_too_early() -> None:
    clock = MachineClock()
    trust = door.Trust(clock)
    clock.pass_(1, shown=-3600)
    assert trust.holds()


def nothing(app: App) -> int:
    return 0


def broken(app: App) -> int:
    with app.work(TENANT) as uow:
        uow.later(SendMessage(1))
        uow.session.flush()
        raise LookupError("a bug")


def tick(app: App, schedule: list[Every], holder: str = "first") -> list[str]:
    return door.run_once(app, schedule, app.clock.now(), holder)


def test_each_sweep_runs_at_its_own_pace(app: App, clock: FrozenClock) -> None:
    schedule = [Every(1, "expire", nothing), Every(3, "probe", nothing)]
    ran = []
    for _ in range(7):
        ran.append(tick(app, schedule))
        clock.advance(timedelta(seconds=1))
    assert [len(names) for names in ran] == [2, 1, 1, 2, 1, 1, 2]


def test_between_two_intervals_nothing_runs(app: App, clock: FrozenClock) -> None:
    schedule = [Every(1, "expire", nothing)]
    assert tick(app, schedule) == ["expire"]
    clock.advance(timedelta(seconds=0.99))
    assert tick(app, schedule) == []


def test_what_a_sweep_found_and_when_is_on_record(app: App, clock: FrozenClock) -> None:
    tick(app, [Every(60, "stale", lambda app: 12)])
    with app.work(None) as uow:
        row = uow.session.get_one(Heartbeat, "stale")
        assert (row.found, row.beat_at, row.interval_seconds) == (12, clock.now(), 60)
        assert row.took_ms >= 0


def test_a_sweep_that_fails_is_reported_does_not_beat_and_hinders_no_other(app: App, clock: FrozenClock) -> None:
    schedule = [Every(1, "broken", broken), Every(1, "expire", nothing)]
    for _ in range(20):
        with capture_logs() as lines:
            assert tick(app, schedule) == ["broken", "expire"]
        assert [(line["sweep"], line["error"]) for line in lines if line["event"] == "sweep.failed"] == [
            ("broken", "LookupError: a bug")
        ]
        assert tick(app, schedule) == [], "not tried again in the same breath"
        clock.advance(timedelta(seconds=1))
    with app.work(None) as uow:
        assert heartbeats.silent(uow.session, uow.now) == ["broken"]


def test_the_death_of_the_process_passes_through(app: App) -> None:
    def die(app: App) -> int:
        raise Crash

    with pytest.raises(Crash):
        tick(app, [Every(1, "die", die)])


def test_of_two_clocks_only_one_acts_and_the_other_takes_over(app: App, clock: FrozenClock) -> None:
    schedule = [Every(1, "expire", nothing)]
    assert tick(app, schedule, "first") == ["expire"]
    clock.advance(timedelta(seconds=5))
    assert tick(app, schedule, "second") == []
    assert tick(app, schedule, "first") == ["expire"]
    clock.advance(timedelta(seconds=LEADER_SECONDS))
    assert tick(app, schedule, "second") == ["expire"]
    assert tick(app, schedule, "first") == []


@pytest.mark.parametrize(("seconds", "name"), [(0, "never"), (0.5, "often"), (1, ""), (1, "x" * 33)])
def test_a_sweep_needs_a_pace_and_a_name_that_fits(seconds: float, name: str) -> None:
    with pytest.raises(ValueError, match="sweep"):
        Every(seconds, name, nothing)


def test_a_running_clock_outlives_a_database_that_is_not_ready_and_resigns_when_told_to_stop(
    bare_database_url: str, settings: Settings
) -> None:
    app = open_app(settings.model_copy(update={"database": Database(url=bare_database_url)}))
    swept = threading.Event()
    stop = threading.Event()

    def sweep(app: App) -> int:
        swept.set()
        return 0

    thread = threading.Thread(target=door.run, args=(app, [Every(1, "expire", sweep)], stop))
    with capture_logs() as lines:
        thread.start()
        eventually(lambda: any(line["event"] == "clock.held_up" for line in lines), 10)
        create_tables(bare_database_url)
        assert swept.wait(10)
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
    assert [line["event"] for line in lines] == ["clock.started", "clock.held_up", "clock.resumed", "clock.stopped"]
    with app.work(None) as uow:
        assert heartbeats.lead(uow.session, uow.now, "the next clock")
    app.close()
