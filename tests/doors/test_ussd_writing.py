"""What a key press writes: looking around only the conversation, without waiting for the disk; an order everything, and waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, select

from core.config import Settings
from core.dialogs import Dialog
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
def written(stand: Stand) -> Iterator[list[str]]:
    """The statements that change something, as they are run."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("SELECT", "BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE")):
            statements.append(statement)

    event.listen(stand.app.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(stand.app.engine, "before_cursor_execute", note)


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
        with written(stand) as statements:
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
    with written(stand) as statements:
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
    with written(stand) as statements:
        call.answer("1")
    assert package.name
    assert any(statement.startswith("UPDATE dialog") for statement in statements)
    assert not any(NO_WAIT in statement for statement in statements)


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
