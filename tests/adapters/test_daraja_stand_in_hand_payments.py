"""Payments by hand at the pretend Daraja: addresses registered, a payment validated, then confirmed."""

from __future__ import annotations

import hashlib
import re
import threading

import pytest

from core.clock import FrozenClock
from sim.daraja import C2B, Daraja, PayerNumber
from sim.http import Reply, Request, json_reply
from sim.mobile_money import MobileMoney, PaymentRefused
from tests.adapters.daraja_stand_in_kit import (
    CALLER,
    NOON_EAT,
    PAYBILL,
    STORE,
    SURFER,
    TILL,
    Client,
    callbacks,
    client,
    clock,
    daraja,
    error_code,
    furnish,
    items,
    money,
    pay,
)
from tests.adapters.our_side import OurSide, ours, say

__all__ = ["client", "clock", "daraja", "money", "ours"]


def test_a_registration_needs_its_exact_words(client: Client) -> None:
    answer = client.register()
    assert answer.status_code == 200
    assert set(answer.json()) == {"OriginatorCoversationID", "ResponseCode", "ResponseDescription"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ResponseType", "completed"),
        ("ResponseType", "Canceled"),
        ("ResponseType", None),
        ("ShortCode", "999999"),
        ("ShortCode", None),
        ("ConfirmationURL", "http://isp.example/c"),
        ("ConfirmationURL", None),
        ("ValidationURL", "https://isp.example/MPESA/v"),
        ("ValidationURL", "https://m-pesa.example/v"),
        ("ValidationURL", "https://isp.example/safaricom"),
        ("ConfirmationURL", "https://isp.example/cmd"),
        ("ConfirmationURL", "https://isp.example/a.exe"),
        ("ConfirmationURL", "https://isp.example/nosql"),
        ("ConfirmationURL", "https://isp.example/c?query=1"),
        ("ConfirmationURL", "https://isp.example/execute"),
    ],
)
def test_a_registration_with_a_bad_field_is_refused(client: Client, field: str, value: object) -> None:
    response = client.register(**{field: value})
    assert error_code(response) == "400.002.02"
    assert field in response.json()["errorMessage"]


def test_production_registers_once_and_no_tunnels(
    money: MobileMoney, clock: FrozenClock, ours: OurSide, client: Client
) -> None:
    assert [client.register().status_code for _ in range(2)] == [200, 200]
    with Daraja(money, clock.now, production=True).start() as production:
        strict = Client(furnish(production), ours)
        assert error_code(strict.register(ConfirmationURL="https://a.ngrok.app/c")) == "400.002.02"
        assert strict.register().status_code == 200
        assert error_code(strict.register()) == "500.003.1001"


def test_a_hand_payment_is_validated_then_confirmed(client: Client, daraja: Daraja, ours: OurSide) -> None:
    client.register()
    ours.pages["/validate"] = lambda _request: json_reply(200, {"ResultCode": "0", "ThirdPartyTransID": "order-9"})
    receipt = daraja.paybill(CALLER, PAYBILL, "A1B2C3", 50_00)
    ours.wait_for("/confirm")
    (asked,), (told,) = ours.bodies("/validate"), ours.bodies("/confirm")
    assert told == {
        "TransactionType": "Pay Bill",
        "TransID": receipt,
        "TransTime": NOON_EAT,
        "TransAmount": "50.00",
        "BusinessShortCode": PAYBILL,
        "BillRefNumber": "A1B2C3",
        "InvoiceNumber": "",
        "OrgAccountBalance": "50.00",
        "ThirdPartyTransID": "order-9",
        "MSISDN": "2547 ***** 126",
        "FirstName": "Caller",
        "MiddleName": "",
        "LastName": "Family",
    }
    assert asked == told | {"OrgAccountBalance": "", "ThirdPartyTransID": ""}


def test_the_payer_may_be_a_hash(client: Client, daraja: Daraja, ours: OurSide) -> None:
    client.register()
    daraja.show_payer_as(PayerNumber.HASH)
    daraja.paybill(CALLER, PAYBILL, "A1", 50_00)
    ours.wait_for("/confirm")
    assert ours.bodies("/confirm")[0]["MSISDN"] == hashlib.sha256(CALLER[1:].encode()).hexdigest()


def test_a_till_has_no_account_number(client: Client, daraja: Daraja, ours: OurSide) -> None:
    client.register(ShortCode=STORE)
    daraja.paybill(CALLER, TILL, "ignored", 50_00)
    ours.wait_for("/confirm")
    (told,) = ours.bodies("/confirm")
    assert (told["TransactionType"], told["BillRefNumber"]) == ("Buy Goods", "")
    with pytest.raises(PaymentRefused):
        daraja.paybill(CALLER, STORE, "", 50_00)


@pytest.mark.parametrize("code", ["C2B00011", "C2B00012", "C2B00013", "C2B00014", "C2B00015", "C2B00016"])
def test_validation_can_refuse(client: Client, daraja: Daraja, ours: OurSide, code: str) -> None:
    client.register()
    ours.pages["/validate"] = lambda _request: json_reply(200, {"ResultCode": code, "ResultDesc": "Rejected"})
    with pytest.raises(PaymentRefused, match=code):
        daraja.paybill(CALLER, PAYBILL, "A1", 50_00)
    assert daraja.total_taken_minor == 0


@pytest.mark.parametrize(
    "page",
    [say("", 500), say("oops"), say("[" * 50_000), say('{"ResultCode": "maybe"}'), say("[]"), say("{}")],
)
def test_a_validation_that_makes_no_sense_leaves_it_to_the_response_type(
    client: Client, daraja: Daraja, ours: OurSide, page: object
) -> None:
    assert callable(page)
    ours.pages["/validate"] = page
    client.register(ResponseType="Cancelled")
    with pytest.raises(PaymentRefused, match="no answer"):
        daraja.paybill(CALLER, PAYBILL, "A1", 50_00)
    assert daraja.total_taken_minor == 0
    client.register(ResponseType="Completed")
    daraja.paybill(CALLER, PAYBILL, "A1", 50_00)
    assert daraja.total_taken_minor == 50_00


def test_a_validation_that_takes_more_than_eight_seconds_is_not_waited_for(
    client: Client, daraja: Daraja, ours: OurSide
) -> None:
    assert daraja.c2b.validation_seconds == 8
    daraja.c2b.validation_seconds = 0.1
    client.register(ResponseType="Cancelled")
    over = threading.Event()

    def slow(_request: Request) -> Reply:
        over.wait(5)
        return json_reply(200, {"ResultCode": "0"})

    ours.pages["/validate"] = slow
    with pytest.raises(PaymentRefused, match="no answer"):
        daraja.paybill(CALLER, PAYBILL, "A1", 50_00)
    over.set()


@pytest.mark.parametrize(
    ("msisdn", "number", "account", "amount_minor", "reason"),
    [
        (CALLER, "999999", "A1", 50_00, "no such business"),
        (CALLER, PAYBILL, "A1", 50_50, "amount"),
        (CALLER, PAYBILL, "A1", 0, "amount"),
        (CALLER, PAYBILL, "A1", 250_001_00, "amount"),
        (CALLER, PAYBILL, "A" * 21, 50_00, "account number too long"),
        (SURFER, PAYBILL, "A1", 50_00, "no funds"),
        ("+254799999999", PAYBILL, "A1", 50_00, "unreachable"),
    ],
)
def test_a_hand_payment_can_be_impossible(
    daraja: Daraja, msisdn: str, number: str, account: str, amount_minor: int, reason: str
) -> None:
    with pytest.raises(PaymentRefused, match=reason):
        daraja.paybill(msisdn, number, account, amount_minor)
    assert daraja.payments() == []


def test_an_unregistered_business_hears_nothing_of_hand_payments(daraja: Daraja, ours: OurSide) -> None:
    assert daraja.paybill(CALLER, PAYBILL, "A1", 50_00) in daraja.paid_receipts()
    assert daraja.wait_until_idle()
    assert daraja.deliveries == []
    assert ours.received("/validate") == []


def test_a_paid_prompt_is_also_confirmed_once_addresses_are_registered(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide
) -> None:
    client.push(Amount=10)
    pay(money)
    callbacks(ours, 1)
    client.register()
    client.push(Amount=20)
    pay(money)
    ours.wait_for("/confirm")
    (told,) = ours.bodies("/confirm")
    assert told["TransID"] == daraja.paid_receipts()[1] == items(callbacks(ours, 2)[1])["MpesaReceiptNumber"]
    assert (told["BillRefNumber"], told["TransAmount"]) == ("A1B2C3", "20.00")
    assert ours.received("/validate") == []
    daraja.confirm_prompts(False)
    client.push(Amount=30)
    pay(money)
    callbacks(ours, 3)
    assert daraja.wait_until_idle()
    assert len(ours.received("/confirm")) == 1


def test_confirmations_can_be_lost_apart_from_callbacks(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide
) -> None:
    client.register()
    daraja.lose_callbacks(kind=C2B)
    client.push()
    pay(money)
    callbacks(ours)
    assert daraja.wait_until_idle()
    assert ours.received("/confirm") == []


def test_receipts_are_never_the_same(daraja: Daraja) -> None:
    receipts = [daraja.paybill(CALLER, PAYBILL, "A1", 1_00) for _ in range(300)]
    assert len(set(receipts)) == 300
    assert all(re.fullmatch(r"[A-Z][A-Z0-9]{9}", receipt) for receipt in receipts)
