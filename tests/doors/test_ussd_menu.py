"""How the menu behaves: pages, wrong keys, repeats, shortcuts, and sessions that were cut off."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from core import catalog
from core.config import Settings
from core.dialogs import Dialog
from tests.doors.ussd_kit import HELP_LINE, NEIGHBOUR, SAFARICOM, TV, Call, Stand, running_stand
from ussd.menu import OPTIONS_MAX


@pytest.fixture
def stand(settings: Settings) -> Iterator[Stand]:
    with running_stand(settings) as stand:
        yield stand


def a_choice(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.package("DAY", "50", 24)


def test_a_long_price_list_has_pages_and_every_package_can_be_bought(stand: Stand) -> None:
    for number in range(1, 16):
        stand.package(f"P{number}", str(number * 1000), number, name=f"Package {number:02d} very long")
    call = stand.dial()
    seen = 0
    for _page in range(10):
        lines = call.screen.splitlines()
        offers = [line for line in lines if "Package" in line]
        assert len(offers) <= OPTIONS_MAX
        seen += len(offers)
        if seen == 15:
            break
        assert "98 More" in lines
        call.answer("98")
    assert seen == 15
    assert call.choose("Package 15").startswith("Package 15 very long, KES 15,000")
    assert call.answer("0").startswith("Kiosk Net: choose a package\n1 Package 01")


def test_a_wrong_key_shows_the_screen_again_with_the_reason(stand: Stand) -> None:
    a_choice(stand)
    call = stand.dial()
    before = call.screen
    said = call.answer("77")
    assert call.open
    assert said.startswith("Please choose a number shown here.\nKiosk Net: choose a package\n1 3 hours KES 20\n")
    assert call.answer("1").startswith("3 hours, KES 20")
    assert call.answer("0") == before


def test_the_second_wrong_key_ends_with_the_help_line(stand: Stand) -> None:
    a_choice(stand)
    call = stand.dial()
    call.answer("77")
    said = call.answer("hello")
    assert not call.open
    assert said == f"Please choose a number shown here. Help: {HELP_LINE}."


def test_without_a_help_line_the_caller_is_told_to_dial_again(stand: Stand) -> None:
    a_choice(stand)
    stand.configure(help_line="")
    call = stand.dial()
    assert call.answer("77", "77") == "Please choose a number shown here. Please dial again."


def test_wrong_keys_far_apart_are_forgiven(stand: Stand) -> None:
    a_choice(stand)
    call = stand.dial()
    call.answer("77", "1", "77", "0", "77")
    assert call.open


@pytest.mark.parametrize("key", ["1", " 1 ", "1.", "1#", "１", "1 #"])
def test_keys_with_ornaments_are_understood(stand: Stand, key: str) -> None:
    a_choice(stand)
    assert stand.dial().answer(key).startswith("3 hours, KES 20")


def test_back_and_main_menu_work_from_everywhere(stand: Stand) -> None:
    a_choice(stand)
    stand.bought(stand.package("X", "5", 1, name="Short"))
    call = stand.dial()
    home = call.screen
    call.choose("Packages")
    call.choose("24 hours")
    assert call.answer("0").startswith("Choose a package")
    assert call.answer("0") == home
    call.choose("My devices")
    call.choose("Add a device")
    assert call.answer("00") == home
    assert call.answer("0") == home, "there is nothing behind the first screen"


def test_going_round_in_circles_does_not_make_the_memory_grow(stand: Stand) -> None:
    a_choice(stand)
    call = stand.dial()
    for _ in range(30):
        call.choose("My devices")
        call.choose("Add a device")
        call.answer("0")
        call.answer("0")
    with stand.app.work(stand.tenant_id) as uow:
        (dialog,) = uow.session.query(Dialog).all()
        assert len(str(dialog.memory)) < 2000
        assert dialog.steps == 120


# ---- repeats


def test_the_same_step_again_gets_the_same_answer_and_does_nothing_twice(stand: Stand) -> None:
    a_choice(stand)
    call = stand.dial()
    first = call.screen
    assert call.post("") == first
    second = call.answer("1")
    assert call.post("1") == second
    third = call.answer("1")
    assert call.post("1*1") == third
    assert call.post("1*1*1") == third, "after the last word nothing is taken in"
    assert call.post("") == third, "an old step that comes late changes nothing"
    assert len(stand.purchases()) == 1
    assert len(stand.owed("PromptPayment")) == 1


@pytest.mark.parametrize("typed", [[], ["1"], ["1", "1"]])
def test_copies_of_a_step_at_the_same_moment_have_one_effect(stand: Stand, typed: list[str]) -> None:
    a_choice(stand)
    call = Call(stand, "+254712345678", SAFARICOM, "ATUid_concurrent")
    for count in range(len(typed)):
        call.typed = typed[:count]
        call.post()
    call.typed = typed
    screens: list[str] = []
    clients = [stand.web.application.test_client() for _ in range(6)]
    gate = threading.Barrier(len(clients))

    def press(web: Any) -> None:
        gate.wait()
        form = {"sessionId": call.session_id, "phoneNumber": call.phone, "text": "*".join(typed)}
        screens.append(web.post(stand.ussd_path, data=form | {"networkCode": SAFARICOM}).text)

    threads = [threading.Thread(target=press, args=(web,)) for web in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(screens) == 6
    assert len(set(screens)) == 1, screens
    assert len(stand.purchases()) == (1 if len(typed) == 2 else 0)


def test_a_repeat_after_hours_is_answered_from_memory_too(stand: Stand) -> None:
    a_choice(stand)
    call = stand.dial()
    call.answer("1")
    said = call.answer("1")
    stand.pass_time(7200)
    assert call.post() == said
    assert len(stand.purchases()) == 1


# ---- shortcuts


def test_further_digits_in_the_dialled_code_are_taken_as_answers(stand: Stand) -> None:
    a_choice(stand)
    call = stand.dial(text="2*1")
    assert not call.open
    assert "to pay KES 50." in call.screen
    assert stand.purchases()[0].price.minor == 5000


def test_a_lost_first_step_does_not_lose_the_session(stand: Stand) -> None:
    a_choice(stand)
    call = Call(stand, "+254712345678", SAFARICOM, "ATUid_lost")
    call.typed = ["1"]
    assert call.post().startswith("3 hours, KES 20")


def test_a_star_in_an_answer_fails_kindly(stand: Stand) -> None:
    a_choice(stand)
    call = stand.dial()
    call.choose("Voucher")
    said = call.answer("ABCD*1")
    assert call.open
    assert said.startswith("This code is not right. Please check it.\nType the voucher code")
    assert stand.purchases() == []


def test_what_follows_a_wrong_shortcut_is_not_pressed(stand: Stand) -> None:
    a_choice(stand)
    call = stand.dial(text="9*1*1")
    assert call.open
    assert call.screen.startswith("Please choose a number shown here.\nKiosk Net")
    assert stand.purchases() == []
    assert call.answer("1").startswith("3 hours, KES 20"), "the session goes on"


# ---- cut off


def test_a_session_that_was_cut_off_goes_on_where_it_was(stand: Stand) -> None:
    a_choice(stand)
    dropped = stand.dial()
    confirm = dropped.answer("2")
    stand.pass_time(200)
    call = stand.dial()
    assert call.screen == "Kiosk Net: you were cut off. Go on where you were?\n1 Continue\n2 Start anew"
    assert call.answer("1") == confirm
    assert call.answer("0").startswith("Kiosk Net: choose a package")
    call.answer("2", "1")
    assert "to pay KES 50." in call.screen
    assert "cut off" not in stand.dial().screen, "it was finished"


def test_a_page_that_was_open_is_open_again(stand: Stand) -> None:
    for number in range(1, 12):
        stand.package(f"P{number}", str(number), number, name=f"Package {number:02d}")
    dropped = stand.dial()
    page = dropped.answer("98")
    call = stand.dial()
    assert call.answer("1") == page
    assert "98 More" in page


def test_starting_anew_forgets_the_old_session(stand: Stand) -> None:
    a_choice(stand)
    stand.dial().answer("2")
    call = stand.dial()
    assert call.answer("2").startswith("Kiosk Net: choose a package")
    assert stand.dial().screen.startswith("Kiosk Net: choose a package")


@pytest.mark.parametrize("typed", [["1", "1"], ["77", "77"]])
def test_a_finished_session_is_not_offered(stand: Stand, typed: list[str]) -> None:
    a_choice(stand)
    stand.dial().answer(*typed)
    assert "cut off" not in stand.dial().screen


def test_nothing_is_offered_after_five_minutes_or_without_an_answer(stand: Stand) -> None:
    a_choice(stand)
    stand.dial()
    assert "cut off" not in stand.dial().screen, "whoever only looked at the first screen starts with it"
    stand.dial().answer("2")
    stand.pass_time(301)
    assert "cut off" not in stand.dial().screen


def test_nobody_continues_somebody_elses_session(stand: Stand) -> None:
    a_choice(stand)
    stand.dial().answer("2")
    assert "cut off" not in stand.dial(NEIGHBOUR).screen


def test_a_shortcut_goes_straight_on(stand: Stand) -> None:
    a_choice(stand)
    stand.dial().answer("2")
    assert stand.dial(text="1").screen.startswith("3 hours, KES 20")


def test_buying_elsewhere_ends_what_was_left_open(stand: Stand) -> None:
    a_choice(stand)
    stand.dial().answer("2")
    stand.dial(text="1*1")
    assert "cut off" not in stand.dial().screen


def test_a_session_goes_on_in_its_language(stand: Stand) -> None:
    a_choice(stand)
    call = stand.dial()
    call.choose("Language")
    call.choose("Kiswahili")
    call.answer("1")
    again = stand.dial()
    assert again.screen == "Kiosk Net: ulikatika. Endelea ulipoachia?\n1 Endelea\n2 Anza upya"


# ---- cost


def statements_of(stand: Stand, step: Any) -> list[str]:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith(("BEGIN", "SAVEPOINT", "RELEASE")):
            seen.append(statement)

    event.listen(stand.app.engine, "before_cursor_execute", note)
    try:
        step()
    finally:
        event.remove(stand.app.engine, "before_cursor_execute", note)
    return seen


def test_a_plain_step_costs_two_statements_and_a_dial_at_most_six(stand: Stand) -> None:
    for number in range(1, 12):
        stand.package(f"P{number}", str(number), number, name=f"Package {number:02d}")
    stand.customer(mac=TV)
    with stand.app.work(stand.tenant_id) as uow:
        first = catalog.on_sale(uow)[0]
    stand.bought(first)
    stand.dial(NEIGHBOUR)  # the price list is in memory now
    calls: list[Call] = []
    dialled = statements_of(stand, lambda: calls.append(stand.dial()))
    (call,) = calls
    assert len(dialled) <= 6, dialled
    call.choose("Packages")
    for key in ("98", "55"):
        plain = statements_of(stand, lambda key=key: call.answer(key))
        assert len(plain) == 2, plain
    assert len(statements_of(stand, call.post)) == 1, "a repeat only reads"
