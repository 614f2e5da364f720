"""What a key press writes: looking around only the conversation, without waiting for the disk; an order everything, and waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event, select

from core import dialogs
from core.config import Settings
from core.dialogs import Dialog
from core.phone import Msisdn
from core.tasks import SyncAccess
from core.uow import NeedsTransaction
from tests.doors.ussd_kit import CALLER, LAPTOP, NEIGHBOUR, TV, Stand, running_stand
from ussd.menu import LOOKING

NO_WAIT = "set_config"
WALKS = (
    (CALLER, ("Packages", "3 hours", "0", "0", "My devices", "A1B2", "Move", "0", "0", "Add a device", "00")),
    (CALLER, ("Voucher", "0", "Language", "0", "Help", "0", "nonsense")),
    (NEIGHBOUR, ("3 hours", "Other device", "0", "0", "98")),
)
"""Keys, and beginnings of lines to choose."""


@pytest.fixture
def stand(settings: Settings) -> Iterator[Stand]:
    with running_stand(settings) as stand:
        yield stand


@contextmanager
def written() -> Iterator[list[str]]:
    """The statements that change something, as they are run."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("SELECT", "BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE")):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def screen_of(stand: Stand, session_id: str) -> str:
    with stand.app.look(stand.tenant_id) as uow:
        return str(uow.session.scalars(select(Dialog.screen).where(Dialog.session_id == session_id)).one())


def test_looking_around_writes_the_conversation_once_and_waits_for_no_disk(stand: Stand) -> None:
    package = stand.package()
    stand.customer(mac=TV)
    stand.bought(package)
    router, visited = stand.router(), set()
    for phone, walk in WALKS:
        stand.knock(router, LAPTOP)
        with written() as statements:
            call = stand.dial(phone)
            for step in ("", *walk):
                if step and (step.isdigit() or step == "nonsense"):
                    call.answer(step)
                elif step:
                    call.choose(step)
                screen = screen_of(stand, call.session_id)
                if screen in LOOKING:
                    visited.add(screen)
                    assert statements
                    for statement in statements:
                        assert statement.startswith(("INSERT INTO dialog", "UPDATE dialog")), screen
                        assert (NO_WAIT in statement) is (stand.app.engine.dialect.name == "postgresql"), screen
                statements.clear()
        stand.pass_time(3600)
    assert visited == LOOKING


def test_an_order_waits_for_the_disk(stand: Stand) -> None:
    stand.package()
    call = stand.dial()
    with written() as statements:
        call.answer("1")
        statements.clear()
        call.answer("1")
    assert {statement.split()[2] for statement in statements if statement.startswith("INSERT")} >= {
        "purchase",
        "payment",
    }
    assert not any(NO_WAIT in statement for statement in statements)


def test_a_refused_order_waits_too(stand: Stand) -> None:
    package = stand.package()
    stand.configure(daraja=None)
    call = stand.dial()
    call.answer("1")
    with written() as statements:
        call.answer("1")
    assert package.name
    assert any(statement.startswith("UPDATE dialog") for statement in statements)
    assert not any(NO_WAIT in statement for statement in statements)


def test_a_step_that_was_overtaken_writes_nothing_over_what_came_meanwhile(stand: Stand) -> None:
    if stand.app.engine.dialect.name != "postgresql":
        return  # there a visit has the file to itself until it ends
    stand.package()
    for overtaking in ("step", "end"):
        call = stand.dial()
        with stand.app.jot(stand.tenant_id) as uow:
            told = dialogs.open_(uow, call.session_id, Msisdn(CALLER))
            if overtaking == "step":
                call.answer("1")
            else:
                with stand.app.work(stand.tenant_id) as other:
                    dialogs.drop_unfinished(other, Msisdn(CALLER), "another", "superseded")
            told.last_reply, told.steps = "CON overwritten", told.steps + 1
            with pytest.raises(NeedsTransaction):
                dialogs.keep(uow, told)
        with stand.app.look(stand.tenant_id) as uow:
            kept = uow.session.scalars(select(Dialog).where(Dialog.session_id == call.session_id)).one()
        assert kept.last_reply != "CON overwritten"
        assert (kept.outcome is None) is (overtaking == "step")


def test_a_visit_that_jots_changes_nothing_else(stand: Stand) -> None:
    if stand.app.engine.dialect.name != "postgresql":
        return  # there it is work like any other
    package = stand.package()
    with stand.app.jot(stand.tenant_id) as uow:
        with pytest.raises(RuntimeError):
            uow.later(SyncAccess(1))
        with pytest.raises(RuntimeError):
            uow.record("package.renamed")
        held = uow.session.get_one(type(package), package.id)
        held.name = "Scribbled"
        with pytest.raises(RuntimeError):
            uow.session.flush()
    with stand.app.look(stand.tenant_id) as uow:
        assert uow.session.get_one(type(package), package.id).name != "Scribbled"


def test_two_copies_of_a_first_post_at_once_begin_one_conversation(stand: Stand) -> None:
    stand.package()
    answers: list[str] = []
    start = threading.Barrier(4)

    def dial() -> None:
        start.wait()
        form = {"sessionId": "ATUid_twice", "phoneNumber": CALLER, "text": ""}
        answers.append(stand.web.application.test_client().post(stand.ussd_path, data=form).text)

    threads = [threading.Thread(target=dial) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert answers[0].startswith("CON Kiosk Net: choose a package")
    with stand.app.look(stand.tenant_id) as uow:
        assert len(uow.session.scalars(select(Dialog)).all()) == 1


def test_the_first_post_of_a_session_of_another_number_learns_nothing(stand: Stand) -> None:
    stand.package()
    call = stand.dial()
    form = {"sessionId": call.session_id, "phoneNumber": NEIGHBOUR, "text": ""}
    response = stand.post(stand.ussd_path, **form)
    assert response.status_code == 400
    assert response.text == "This session belongs to another number."


def test_a_late_copy_of_the_first_post_gets_what_was_said_last(stand: Stand) -> None:
    stand.package()
    call = stand.dial()
    confirm = call.answer("1")
    assert call.post("") == confirm
    assert call.answer("1") != confirm
