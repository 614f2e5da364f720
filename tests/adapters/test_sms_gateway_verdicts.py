"""Africa's Talking's verdicts on a recipient, in our words: accepted, refused for now, refused for good."""

from __future__ import annotations

import pytest

from core.adapters.africastalking import REJECTED
from core.errors import GatewayRefused
from core.money import Money
from core.ports import SmsAccepted, SmsRejected
from tests.adapters.sms_gateway_kit import CALLER, HELLO, Town, recipient, row, town

__all__ = ["town"]


@pytest.mark.parametrize("code", [100, 101, 102])
def test_processed_sent_and_queued_are_accepted(code: int, town: Town) -> None:
    town.say(row(statusCode=code))
    assert town.gateway().send(HELLO) == SmsAccepted("ATXid_1", 800_000)


@pytest.mark.parametrize(
    ("code", "reason", "final"),
    [
        (401, "held", False),
        (402, "sender", False),
        (403, "bad_number", True),
        (404, "bad_number", True),
        (405, "no_balance", False),
        (406, "opted_out", True),
        (407, "no_route", False),
        (409, "opted_out", True),
        (500, "gateway", False),
        (501, "gateway", False),
        (502, "gateway", False),
    ],
)
def test_every_refusal_of_a_recipient_has_our_word(code: int, reason: str, final: bool, town: Town) -> None:
    town.company.fail_next(code, times=2)
    with pytest.raises(SmsRejected) as rejected:
        town.gateway().send(HELLO)
    assert (rejected.value.reason, rejected.value.final, rejected.value.code) == (reason, final, str(code))
    assert not town.company.inbox(CALLER)
    assert str(code) in REJECTED


def test_a_sender_that_is_not_approved_is_left_out_once(town: Town) -> None:
    accepted = town.gateway("NOTOURS").send(HELLO)
    assert [form.get("from") for form in town.sent()] == ["NOTOURS", None]
    assert town.company.inbox(CALLER)[0].message_id == accepted.external_id


def test_a_refusal_of_the_shared_sender_is_not_tried_again(town: Town) -> None:
    town.company.fail_next(402)
    with pytest.raises(SmsRejected):
        town.gateway(None).send(HELLO)
    assert len(town.sent()) == 1


def test_somebody_who_blocked_our_sender_is_final(town: Town) -> None:
    town.company.opt_out(CALLER, "DUKA")
    with pytest.raises(SmsRejected) as rejected:
        town.gateway().send(HELLO)
    assert (rejected.value.reason, rejected.value.final) == ("opted_out", True)


def test_an_empty_account_is_not_final(town: Town) -> None:
    town.company.accounts["duka"].balance_minor = 79
    with pytest.raises(SmsRejected) as rejected:
        town.gateway().send(HELLO)
    assert (rejected.value.reason, rejected.value.final) == ("no_balance", False)
    assert town.gateway().balance() == Money(79, "KES")


@pytest.mark.parametrize("code", [103, 408, 999, "", None, "Success", [101], True])
def test_a_code_we_do_not_know_is_told_loudly(code: object, town: Town) -> None:
    town.say(row(statusCode=code))
    with pytest.raises(GatewayRefused, match="do not know"):
        town.gateway().send(HELLO)


@pytest.mark.parametrize(
    ("word", "reason"),
    [("InvalidSenderId", "sender"), ("InsufficientBalance", "no_balance"), ("UserInBlacklist", "opted_out"),
     ("userinblackLIST", "opted_out")],
)  # fmt: skip
def test_a_verdict_may_stand_in_the_summary_when_no_recipient_is_listed(word: str, reason: str, town: Town) -> None:
    town.say({"SMSMessageData": {"Message": word, "Recipients": []}})
    with pytest.raises(SmsRejected) as rejected:
        town.gateway(None).send(HELLO)
    assert rejected.value.reason == reason


def test_nothing_about_our_recipient_is_told_loudly(town: Town) -> None:
    for recipients in ([], None, [None], [{"number": "+1"}, {"number": "+2"}]):
        town.say({"SMSMessageData": {"Message": "Odd", "Recipients": recipients}})
        with pytest.raises(GatewayRefused, match="Odd"):
            town.gateway().send(HELLO)


def test_the_only_recipient_is_ours_however_they_write_the_number(town: Town) -> None:
    town.say(row(number=CALLER.digits))
    assert town.gateway().send(HELLO).external_id == "ATXid_1"


def test_of_several_recipients_ours_is_found_by_number(town: Town) -> None:
    answer = {"SMSMessageData": {"Recipients": [{"number": "+254700000000", "statusCode": 403}, recipient()]}}
    town.say(answer)
    assert town.gateway().send(HELLO).external_id == "ATXid_1"
