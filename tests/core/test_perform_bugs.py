"""Bugs, deaths and a database that goes away while a promise is kept: seen, and nothing is lost."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import StatementError
from structlog.testing import capture_logs

from core.app import App, open_app
from core.config import Database, Settings
from core.outbox import ATTEMPTS_MAX
from core.tasks import Digest, SendMessage
from jobs.job import by_task
from jobs.perform import describe, perform_batch
from tests.core.perform_kit import Trouble, app, clock, keep
from tests.plumbing import TENANT, Crash, Rehearsal, audited, owe, promise_of
from tests.services import eventually, free_port

__all__ = ["app", "clock"]


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
    with pytest.raises(StatementError) as caught, app.work(TENANT) as uow:
        uow.session.execute(text("UPDATE promise SET nothing = :value"), {"value": "a secret of ours"})
    assert "a secret of ours" not in str(caught.value)
    caught.value.hide_parameters = False  # an engine that forgot to hide them
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
