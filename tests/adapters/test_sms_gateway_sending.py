"""SMS through Africa's Talking: what arrives, from whom, and at what price."""

from __future__ import annotations

import pytest

from core.money import Money
from core.ports import Sms, SmsAccepted, SmsGateway
from tests.adapters.sms_gateway_kit import CALLER, HELLO, Town, row, town

__all__ = ["town"]


def test_an_sms_arrives_with_our_sender_and_its_price(town: Town) -> None:
    gateway: SmsGateway = town.gateway()
    accepted = gateway.send(HELLO)
    (arrived,) = town.company.inbox(CALLER)
    assert (arrived.text, arrived.sender, arrived.message_id) == (HELLO.text, "DUKA", accepted.external_id)
    assert accepted.cost_micro == 800_000
    assert gateway.balance() == Money(99_20, "KES")


def test_long_and_foreign_texts_arrive_unharmed(town: Town) -> None:
    text = "Karibu! " * 40 + "ভাল 🙂 & + % ="
    accepted = town.gateway().send(Sms(CALLER, text))
    assert town.company.inbox(CALLER)[0].text == text
    assert accepted.cost_micro == 800_000 * town.company.inbox(CALLER)[0].parts


def test_without_a_sender_of_our_own_the_shared_one_is_used(town: Town) -> None:
    town.gateway(sender_id=None).send(HELLO)
    assert "from" not in town.sent()[0]
    assert town.company.inbox(CALLER)[0].sender == "AFRICASTKNG"


def test_two_tenants_do_not_mix_up_their_accounts(town: Town) -> None:
    town.company.add_account("other", "another-key", 50_00)
    first, second = town.gateway(), town.gateway(None, "another-key", "other")
    first.send(HELLO)
    second.send(HELLO)
    assert [form["username"] for form in town.sent()] == ["duka", "other"]
    assert (first.balance(), second.balance()) == (Money(99_20, "KES"), Money(49_20, "KES"))


def test_a_reply_to_a_premium_message_carries_its_link(town: Town) -> None:
    town.gateway("20880").send(Sms(CALLER, "Thank you", link_id="SampleLinkId123"))
    (form,) = town.sent()
    assert (form["linkId"], form["from"], form["bulkSMSMode"]) == ("SampleLinkId123", "20880", "0")


def test_a_link_without_a_short_code_of_our_own_goes_as_an_ordinary_message(town: Town) -> None:
    town.gateway(None).send(Sms(CALLER, "Thank you", link_id="SampleLinkId123"))
    (form,) = town.sent()
    assert "linkId" not in form
    assert form["bulkSMSMode"] == "1"


# ---- price, id and balance -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "micro"),
    [("KES 0.8000", 800_000), ("KES 1.60", 1_600_000), ("0", 0), (0, 0), (0.8, 800_000), (0.29, 290_000),
     ("KES 0.000001", 1), ("KES 12345.678901", 12_345_678_901), ("0.7", 700_000), ("USD 0.0200", None),
     ("KES", None), ("", None), (None, None), ("free", None), ("KES 0.0000001", None), ("KES 1e3", None),
     ("NaN", None), ([], None)],
)  # fmt: skip
def test_the_price_is_exact_or_unknown(cost: object, micro: int | None, town: Town) -> None:
    town.say(row(cost=cost))
    assert town.gateway().send(HELLO).cost_micro == micro


@pytest.mark.parametrize("message_id", ["None", None, 5])
def test_a_message_without_an_id_is_still_accepted(message_id: object, town: Town) -> None:
    town.say(row(messageId=message_id))
    assert town.gateway().send(HELLO).external_id == ""


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "text/plain", ""])
def test_json_under_another_content_type_is_understood(content_type: str, town: Town) -> None:
    town.say(row(), content_type)
    town.say({"UserData": {"balance": "KES 12.3400"}}, content_type, status=200)
    assert town.gateway().send(HELLO) == SmsAccepted("ATXid_1", 800_000)
    assert town.gateway().balance() == Money(12_34, "KES")


@pytest.mark.parametrize(
    ("told", "money"),
    [("KES 1785.5000", Money(178_550, "KES")), ("KES 0.0099", Money(0, "KES")), ("USD 999999.0000", Money(99_999_900, "USD")),
     ("KES -12.5000", Money(-12_50, "KES")), ("UGX 5000.0000", Money(5000, "UGX")), ("77.7700", Money(77_77, "KES"))],
)  # fmt: skip
def test_the_balance_is_exact_and_in_the_currency_told(told: str, money: Money, town: Town) -> None:
    town.say({"UserData": {"balance": told}}, status=200)
    assert town.gateway().balance() == money
