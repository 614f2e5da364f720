"""Payments through Daraja: prompts, payments by hand and what we refuse to ask, over the pretend Daraja."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from core.adapters.payments.daraja import (
    BASE_URL,
    OUTCOME,
    VALIDATION_REFUSALS,
    Daraja,
    DarajaAccount,
    external_id,
    validation_answer,
)
from core.adapters.tokens import LocalTokens
from core.clock import FrozenClock
from core.errors import GatewayRefused
from core.money import Money
from core.phone import Msisdn
from core.ports import ConfirmedByQuery, NotPaid, Paid, PaymentGateway, StillOpen
from sim.daraja import C2B, PayerNumber
from sim.daraja import Daraja as PretendDaraja
from sim.http import json_reply
from sim.mobile_money import PaymentRefused
from tests.adapters.daraja_kit import CALLER, KEY, PASSKEY, PAYBILL, PUSH, SECRET, STORE, TILL, Town, town

__all__ = ["town"]


def test_a_prompt_is_paid_and_all_three_tellers_agree(town: Town) -> None:
    gateway: PaymentGateway = town.gateway
    town.gateway.register_urls(town.ours.url("/v"), town.ours.url("/c"))
    prompted = gateway.prompt(town.prompt())
    assert gateway.status(prompted.request_id) == StillOpen(prompted.request_id)
    town.answer()
    assert gateway.status(prompted.request_id) == ConfirmedByQuery(prompted.request_id)
    (callback,), (notice,) = town.news("/cb"), town.news("/c")
    (payment,) = town.company.payments()
    paid, noticed = gateway.read_callback(callback), gateway.read_callback(notice)
    assert paid == Paid(
        payment.receipt, Money(20_00, "KES"), prompted.request_id, payer=CALLER, paid_at=town.clock.now()
    )
    assert noticed == Paid(
        payment.receipt,
        Money(20_00, "KES"),
        account="K7WXP3",
        payer_hint="2547 ***** 678",
        first_name="Asha",
        paid_at=town.clock.now(),
    )
    assert external_id(callback) == f"stk:{prompted.request_id}:0:{payment.receipt}"
    assert external_id(notice) == f"c2b:{payment.receipt}"


def test_a_prompt_carries_what_the_payer_should_see(town: Town) -> None:
    prompted = town.gateway.prompt(town.prompt("1,500", description="Wiki moja – “haraka”\nsana"))
    assert town.money.wait_for_prompt(CALLER).text == "Pay 1500.00 to 600100 account no. K7WXP3. Enter PIN:"
    (sent,) = town.calls(PUSH)
    body = sent.json_object()
    assert body["TransactionDesc"] == 'Wiki moja - "'
    assert body["PartyA"] == body["PhoneNumber"] == "254712345678"
    assert (body["PartyB"], body["TransactionType"], body["Amount"]) == (PAYBILL, "CustomerPayBillOnline", 1500)
    assert prompted.merchant_request_id


def test_the_timestamp_is_east_africas_and_the_same_inside_the_password(town: Town) -> None:
    town.gateway.prompt(town.prompt())
    body = town.calls(PUSH)[0].json_object()
    assert body["Timestamp"] == "20261120120000"
    assert base64.b64decode(str(body["Password"])) == f"{PAYBILL}{PASSKEY}20261120120000".encode()


def test_a_till_is_asked_through_its_store_number(town: Town) -> None:
    gateway = town.adapter(short_code=STORE, till_number=TILL)
    gateway.register_urls(town.ours.url("/v"), town.ours.url("/c"))
    gateway.prompt(town.prompt())
    body = town.calls(PUSH)[0].json_object()
    assert (body["BusinessShortCode"], body["PartyB"]) == (STORE, TILL)
    assert body["TransactionType"] == "CustomerBuyGoodsOnline"
    town.answer()
    outcomes = [gateway.read_callback(news) for news in (*town.news("/cb"), *town.news("/c"))]
    assert [isinstance(outcome, Paid) for outcome in outcomes] == [True, True]


def test_a_description_of_nothing_is_left_out(town: Town) -> None:
    town.gateway.prompt(town.prompt(description=" \n"))
    assert "TransactionDesc" not in town.calls(PUSH)[0].json_object()


def test_paying_by_hand_is_read_with_a_mask_or_a_hash(town: Town) -> None:
    town.gateway.register_urls(town.ours.url("/v"), town.ours.url("/c"))
    town.company.paybill(CALLER, PAYBILL, "k7wxp3", 50_00)
    town.news("/c")  # calls of the company may overtake each other
    town.company.show_payer_as(PayerNumber.HASH)
    town.company.paybill(CALLER, PAYBILL, "k7wxp3", 70_00)
    masked, hashed = (town.gateway.read_callback(body) for body in town.news("/c", 2))
    assert isinstance(masked, Paid) and isinstance(hashed, Paid)
    assert masked.payer_hint is not None and CALLER.fits_mask(masked.payer_hint)
    assert hashed.payer_hint == CALLER.sha256
    assert (masked.account, masked.payer, masked.amount) == ("k7wxp3", None, Money(50_00, "KES"))


@pytest.mark.parametrize("code", VALIDATION_REFUSALS)
def test_validation_can_refuse_a_payment_in_words_daraja_knows(code: str, town: Town) -> None:
    town.company.add_short_code(PAYBILL, passkey=PASSKEY, consumer_key=KEY, validation=True)
    town.gateway.register_urls(town.ours.url("/v"), town.ours.url("/c"))
    town.ours.pages["/v"] = lambda _request: json_reply(200, validation_answer(False, code))
    with pytest.raises(PaymentRefused) as refused:
        town.company.paybill(CALLER, PAYBILL, "nobody", 50_00)
    assert refused.value.reason == code
    town.ours.pages["/v"] = lambda _request: json_reply(200, validation_answer(True))
    assert town.company.paybill(CALLER, PAYBILL, "K7WXP3", 50_00) in town.company.paid_receipts()


@pytest.mark.parametrize(("code", "why"), OUTCOME.items())
def test_every_way_to_fail_has_our_word_in_callback_and_query(code: str, why: str, town: Town) -> None:
    town.company.end_next(int(code) if code.isdigit() else code)
    prompted = town.gateway.prompt(town.prompt())
    asked, (callback,) = town.gateway.status(prompted.request_id), town.news()
    told = town.gateway.read_callback(callback)
    assert isinstance(asked, NotPaid) and isinstance(told, NotPaid)
    assert (asked.why, asked.code, asked.request_id) == (why, code, prompted.request_id)
    assert (told.why, told.code, told.request_id, told.detail) == (why, code, prompted.request_id, asked.detail)
    assert told.detail
    assert external_id(callback) == f"stk:{prompted.request_id}:{code}:-"


def test_our_words_are_those_of_the_port() -> None:
    words = {"cancelled", "no_answer", "low_balance", "wrong_pin", "limit", "busy", "expired", "repeat", "locked",
             "configuration", "other"}  # fmt: skip
    assert set(OUTCOME.values()) == words


def test_reading_needs_no_network(town: Town) -> None:
    town.company.go_down()
    assert isinstance(
        town.gateway.read_callback(b'{"TransID": "RKTQDM7W6S", "TransAmount": "5.00", "BusinessShortCode": "600100"}'),
        Paid,
    )


def test_lost_confirmations_do_not_change_what_the_callback_says(town: Town) -> None:
    town.gateway.register_urls(town.ours.url("/v"), town.ours.url("/c"))
    town.company.lose_callbacks(kind=C2B)
    town.gateway.prompt(town.prompt())
    town.answer()
    paid = town.gateway.read_callback(town.news()[0])
    assert isinstance(paid, Paid)
    assert paid.receipt_no == town.company.paid_receipts()[0]


# ---- what we refuse to ask -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": Money(20_50, "KES")}, "amount"),
        ({"amount": Money(0, "KES")}, "amount"),
        ({"amount": Money(-20_00, "KES")}, "amount"),
        ({"amount": Money(20_00, "TZS")}, "amount"),
        ({"payer": Msisdn("+255712345678")}, "payer"),
        ({"payer": Msisdn("+25471234567")}, "payer"),
        ({"reference": "THIRTEEN-LONG"}, "reference"),
        ({"reference": ""}, "reference"),
        ({"reference": "K7\u2026"}, "reference"),
    ],
)
def test_what_daraja_cannot_take_is_not_asked_at_all(change: dict[str, object], code: str, town: Town) -> None:
    with pytest.raises(GatewayRefused) as refused:
        town.gateway.prompt(replace(town.prompt(), **change))  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.permanent) == (code, True)
    assert not town.company.requests_seen


def test_an_unknown_environment_is_refused() -> None:
    account = DarajaAccount(KEY, SECRET, PAYBILL, PASSKEY, environment="staging")
    with pytest.raises(GatewayRefused) as refused:
        Daraja(account, LocalTokens(), FrozenClock())
    assert refused.value.code == "configuration"
    assert BASE_URL == {
        "production": "https://api.safaricom.co.ke",
        "sandbox": "https://sandbox.safaricom.co.ke",
    }


# ---- our addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/cb/mpesa/c", "/cb/exec", "/Safaricom", "/m-pesa", "/x?query=1"])
def test_addresses_safaricom_dislikes_are_not_registered(path: str, town: Town) -> None:
    with pytest.raises(GatewayRefused, match="no address with"):
        town.gateway.register_urls(town.ours.url("/v"), town.ours.url(path))
    assert not town.company.requests_seen


def test_addresses_are_registered_once_and_the_second_time_is_explained(town: Town) -> None:
    production = PretendDaraja(town.money, town.clock.now, production=True).start()
    try:
        production.add_app(KEY, SECRET)
        production.add_short_code(PAYBILL, passkey=PASSKEY, consumer_key=KEY)
        gateway = town.adapter(base_url=production.base_url)
        gateway.register_urls(town.ours.url("/v"), town.ours.url("/c"))
        sent = production.requests_seen[-1].json_object()
        assert (sent["ShortCode"], sent["ResponseType"]) == (PAYBILL, "Completed")
        with pytest.raises(GatewayRefused) as refused:
            gateway.register_urls(town.ours.url("/v"), town.ours.url("/c"))
        assert refused.value.code == "already_registered"
    finally:
        production.stop()
