"""Texts that are no person's: machines, copies, our own, hostile ones. None is answered twice, none for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from core import tenants
from core.config import Settings
from core.tenants import AfricasTalkingAccount
from core.texts import septets
from tests.doors.ussd_kit import CALLER, NEIGHBOUR, SHORT_CODE, Stand, running_stand
from ussd.sms import ANSWERS_PER_HOUR_MAX


@pytest.fixture
def stand(settings: Settings) -> Iterator[Stand]:
    with running_stand(settings) as stand:
        yield stand


def test_unknown_words_are_answered_once_an_hour(stand: Stand) -> None:
    first = stand.text("hello there")
    assert first == "Kiosk Net: we did not understand. Text HELP to see what we can do."
    assert stand.text("how are you") is None
    assert stand.text("hello", NEIGHBOUR) is not None
    stand.pass_time(3600)
    assert stand.text("hello there") is not None


def test_a_machine_that_answers_our_answers_is_met_with_silence(stand: Stand) -> None:
    answers = [stand.text("HELP") for _ in range(ANSWERS_PER_HOUR_MAX + 10)]
    assert answers.count(None) == 10
    assert stand.text("STOP") is not None, "but STOP always counts"
    assert not stand.may_market()
    stand.pass_time(3600)
    assert stand.text("HELP") is not None


@pytest.mark.parametrize(
    "sender", [SHORT_CODE, "KIOSK", "kiosk", "MPESA", "Safaricom", "40404", "", "+1555", "\0", "' --"]
)
def test_names_short_codes_and_ourselves_get_no_answer(stand: Stand, sender: str) -> None:
    response = stand.post(stand.sms_path, **{"id": "1", "from": sender, "to": SHORT_CODE, "text": "HELP"})
    assert response.status_code == 200
    assert stand.owed("SendMessage") == []


def test_our_own_long_number_gets_no_answer(stand: Stand) -> None:
    stand.configure(africastalking=AfricasTalkingAccount(username="u", api_key="k", short_code=CALLER))
    assert stand.text("HELP") is None


def test_the_same_message_twice_is_one_message(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    for _ in range(3):
        sent = {"id": "abc", "from": CALLER, "to": SHORT_CODE, "text": "BUY 3H"}
        assert stand.post(stand.sms_path, **sent).status_code == 200
        stand.pass_time(120)
    assert len(stand.purchases()) == 1
    assert stand.told() == ["reply"]


def test_messages_without_an_id_are_told_apart_by_what_they_say(stand: Stand) -> None:
    sent = {"from": CALLER, "to": SHORT_CODE, "text": "HELP", "date": "2017-05-03T06:04:45Z"}
    for changes in ({}, {}, {"date": "2017-05-03 06:04:46"}):
        assert stand.post(stand.sms_path, **(sent | changes)).status_code == 200
    assert len(stand.messages()) == 2


def test_a_wrong_try_sent_twice_counts_once(stand: Stand) -> None:
    for _ in range(30):
        sent = {"id": "guess", "from": CALLER, "to": SHORT_CODE, "text": "V 123"}
        assert stand.post(stand.sms_path, **sent).status_code == 200
    assert str(stand.text("V 124")).startswith("This code is not right.")


def test_a_paid_for_message_is_answered_on_its_link(stand: Stand) -> None:
    stand.package("3H", "20", 3)
    stand.pay_in("20")
    said = stand.text("BUY 3H", linkId="SampleLinkId123")
    assert said == "3h left, until 20.11. 15:00", "a receipt alone would not carry the link"
    assert stand.messages()[-1].link_id == "SampleLinkId123"


@pytest.mark.parametrize(
    "text",
    ["BUY " + "x" * 5000, "BUY {0.__class__}", "BUY %s", "PAID '; DROP TABLE deposit;--", "DEVICE \0", "V 🎉🎉🎉", "\x1b[31m",
     "BUY \u0000", "STOP \udcff", "MOVE " + "A1B2 " * 200, "BUY ÇŞĞ", "DEVICE ١٢٣٤"],
)  # fmt: skip
def test_hostile_texts_are_harmless(stand: Stand, text: str) -> None:
    stand.package()
    sent = {"id": "h", "from": CALLER, "to": SHORT_CODE, "text": text.encode("utf-8", "replace").decode()}
    assert stand.post(stand.sms_path, **sent).status_code == 200
    assert stand.purchases() == []
    for message in stand.messages():
        assert septets(message.text) is not None
        assert message.parts <= 2
        assert "{" not in message.text


def test_missing_fields_do_not_matter(stand: Stand) -> None:
    assert stand.post(stand.sms_path, **{"from": CALLER, "text": "HELP"}).status_code == 200
    assert stand.post(stand.sms_path, **{"from": CALLER}).status_code == 200
    assert stand.post(stand.sms_path).status_code == 200
    assert len(stand.messages()) == 2


def test_what_was_texted_is_not_logged_and_the_number_is_masked(stand: Stand) -> None:
    with capture_logs() as events:
        stand.text("HELP my number is 0712345678")
    assert CALLER not in repr(events)
    assert "0712345678" not in repr(events)
    (event,) = [event for event in events if event["event"] == "sms"]
    assert event["verdict"] == "help"


def test_an_isp_without_an_account_still_reads(stand: Stand) -> None:
    stand.configure(africastalking=None)
    assert stand.text("HELP") is not None
    with stand.app.work(stand.tenant_id) as uow:
        assert tenants.settings_of(uow).africastalking is None
