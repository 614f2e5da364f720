"""Prompts of the pretend Daraja: asked, refused at once, and every way in which they end."""

from __future__ import annotations

import base64
import re
import threading
from datetime import timedelta

import pytest
import requests

from core.clock import FrozenClock
from sim.daraja import Daraja
from sim.mobile_money import MobileMoney, Outcome
from tests.adapters.daraja_stand_in_kit import (
    CALLER,
    PASSKEY,
    PAYBILL,
    STORE,
    SURFER,
    TILL,
    Body,
    Client,
    callbacks,
    client,
    clock,
    daraja,
    error_code,
    items,
    money,
    pay,
)
from tests.adapters.our_side import OurSide, ours

__all__ = ["client", "clock", "daraja", "money", "ours"]


# ---- the happy way ---------------------------------------------------------------------------------------------------


def test_a_paid_prompt_from_push_to_callback(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide, clock: FrozenClock
) -> None:
    response = client.push()
    answer = response.json()
    assert (response.status_code, answer["ResponseCode"]) == (200, "0")
    assert answer["CheckoutRequestID"].startswith("ws_CO_02032026120030")
    prompt = money.wait_for_prompt(CALLER)
    assert (prompt.amount_minor, prompt.business, prompt.account_reference) == (20_00, "Duka Net", "A1B2C3")
    assert ours.received("/cb") == []
    clock.advance(timedelta(seconds=7))
    assert pay(money) is Outcome.PAID
    (callback,) = callbacks(ours)
    assert callback["MerchantRequestID"] == answer["MerchantRequestID"]
    assert callback["CheckoutRequestID"] == answer["CheckoutRequestID"]
    assert callback["ResultCode"] == 0
    found = items(callback)
    receipt = found.pop("MpesaReceiptNumber")
    assert re.fullmatch(r"[A-Z0-9]{10}", str(receipt))
    assert found == {
        "Amount": 20.0,
        "Balance": "nothing",
        "TransactionDate": 20260302120037,
        "PhoneNumber": 254712345126,
    }
    assert daraja.paid_receipts() == [receipt]
    assert daraja.total_taken_minor == 20_00
    wallet = money.wallet(CALLER)
    assert wallet is not None
    assert wallet.balance_minor == 980_00
    assert [checkout.receipt for checkout in daraja.prompts_for(CALLER)] == [receipt]


def test_the_query_says_pending_then_paid_with_a_code_as_text(client: Client, money: MobileMoney) -> None:
    checkout_id = client.push().json()["CheckoutRequestID"]
    pending = client.query(checkout_id)
    assert (pending.status_code, error_code(pending)) == (500, "500.001.1001")
    assert "being processed" in pending.json()["errorMessage"]
    pay(money)
    answer = client.query(checkout_id).json()
    assert (answer["ResponseCode"], answer["ResultCode"]) == ("0", "0")
    assert answer["CheckoutRequestID"] == checkout_id
    assert "MpesaReceiptNumber" not in str(answer)


def test_a_till_is_asked_for_by_its_store_number(client: Client, money: MobileMoney, ours: OurSide) -> None:
    body = client.signed(STORE) | {"TransactionType": "CustomerBuyGoodsOnline", "PartyB": TILL}
    assert client.push(**body).status_code == 200
    assert pay(money) is Outcome.PAID
    assert callbacks(ours)[0]["ResultCode"] == 0


def test_numbers_may_be_text_and_the_description_may_be_missing(client: Client) -> None:
    body = client.push_body(Amount="20", BusinessShortCode=int(PAYBILL), PartyA=int(CALLER[1:]), PartyB=int(PAYBILL))
    del body["TransactionDesc"]
    assert client.post("/mpesa/stkpush/v1/processrequest", body).status_code == 200


def test_everybody_can_pay_by_themselves(client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide) -> None:
    daraja.auto_approve(after_seconds=0)
    client.push()
    assert callbacks(ours)[0]["ResultCode"] == 0
    daraja.auto_approve(None)
    client.push(Amount=30)
    assert money.pending(CALLER) is not None


def test_forty_customers_at_once_each_pay_once(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide
) -> None:
    people = [f"+2547220000{number:02d}" for number in range(40)]
    for msisdn in people:
        money.add_wallet(msisdn, "1234", 20_00)
    daraja.auto_approve(after_seconds=0)
    threads = [threading.Thread(target=client.push_to, args=(msisdn,)) for msisdn in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = callbacks(ours, 40)
    assert {callback["ResultCode"] for callback in found} == {0}
    assert {items(callback)["MpesaReceiptNumber"] for callback in found} == set(daraja.paid_receipts())
    assert daraja.total_taken_minor == 40 * 20_00


# ---- what is refused at once -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("BusinessShortCode", "duka"),
        ("BusinessShortCode", None),
        ("Password", 5),
        ("Password", ""),
        ("Timestamp", "2026-03-02T12:00"),
        ("Timestamp", "20260230120030"),
        ("Timestamp", "20260302090030"),
        ("Timestamp", "20260302114929"),
        ("TransactionType", "CustomerPayBillonline"),
        ("TransactionType", None),
        ("Amount", 0),
        ("Amount", -5),
        ("Amount", 20.5),
        ("Amount", 20.0),
        ("Amount", "20.00"),
        ("Amount", True),
        ("Amount", None),
        ("Amount", 250_001),
        ("Amount", "9" * 50),
        ("PartyA", CALLER),
        ("PartyA", "0712345126"),
        ("PartyA", "254202345678"),
        ("PartyA", "2547123451267"),
        ("PhoneNumber", SURFER[1:]),
        ("PartyB", "shop"),
        ("CallBackURL", "http://isp.example/cb"),
        ("CallBackURL", "ftp://127.0.0.1/cb"),
        ("CallBackURL", "https://"),
        ("CallBackURL", "https://[/cb"),
        ("CallBackURL", "not an address"),
        ("CallBackURL", 7),
        ("AccountReference", ""),
        ("AccountReference", "A" * 13),
        ("AccountReference", 12),
        ("TransactionDesc", "D" * 14),
        ("TransactionDesc", None),
    ],
)
def test_a_bad_field_is_named_and_nothing_happens(
    client: Client, daraja: Daraja, money: MobileMoney, field: str, value: object
) -> None:
    response = client.push(**{field: value})
    assert error_code(response) == "400.002.02"
    assert field in response.json()["errorMessage"]
    assert money.pending(CALLER) is None
    assert daraja.prompts_for(CALLER) == []


@pytest.mark.parametrize("timestamp", ["20260302115031", "20260302121029"])
def test_a_clock_a_few_minutes_off_is_forgiven(client: Client, timestamp: str) -> None:
    assert client.push(**client.signed(timestamp=timestamp)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"Password": base64.b64encode(b"wrong").decode()}, "Wrong credentials"),
        ({"Password": base64.b64encode(f"{PAYBILL}{PASSKEY}20260302120031".encode()).decode()}, "Wrong credentials"),
        ({"BusinessShortCode": "999999"}, "Merchant does not exist"),
        ({"BusinessShortCode": TILL}, "Merchant does not exist"),
    ],
)
def test_a_wrong_signature_is_refused(client: Client, changes: Body, text: str) -> None:
    response = client.push(**changes)
    assert error_code(response) == "500.001.1001"
    assert response.json()["errorMessage"] == text


def test_another_app_cannot_ask_in_our_name(client: Client) -> None:
    client.token = client.fetch_token("rival-key", "rival-secret").json()["access_token"]
    assert error_code(client.push()) == "500.001.1001"


def test_a_phone_with_an_open_prompt_gets_no_second_one(client: Client, daraja: Daraja) -> None:
    client.push()
    response = client.push(Amount=30)
    assert error_code(response) == "500.001.1001"
    assert "Unable to lock subscriber" in response.json()["errorMessage"]
    assert len(daraja.prompts_for(CALLER)) == 1


def test_unknown_addresses_and_methods_are_refused(client: Client, daraja: Daraja) -> None:
    assert error_code(client.post("/mpesa/nothing", {})) == "404.001.01"
    url = f"{daraja.base_url}/mpesa/stkpush/v1/processrequest"
    assert error_code(requests.get(url, timeout=5)) == "405.001"


# ---- how they end ----------------------------------------------------------------------------------------------------


def test_the_wrong_pin_a_cancel_and_a_long_silence(client: Client, money: MobileMoney, ours: OurSide) -> None:
    client.push()
    assert pay(money, pin="9999") is Outcome.WRONG_PIN
    client.push()
    money.cancel(money.wait_for_prompt(CALLER))
    client.push()
    money.ignore(money.wait_for_prompt(CALLER))
    found = callbacks(ours, 3)
    assert {callback["ResultCode"] for callback in found} == {2001, 1032, 1037}
    assert all("CallbackMetadata" not in callback for callback in found)


def test_a_pin_wrong_three_times_is_locked(client: Client, money: MobileMoney, ours: OurSide) -> None:
    for _ in range(3):
        client.push()
        pay(money, pin="9999")
    client.push()
    assert pay(money, pin="1234") is Outcome.PIN_LOCKED
    assert 8006 in {callback["ResultCode"] for callback in callbacks(ours, 4)}


def test_an_empty_purse_a_dead_phone_and_a_busy_line(client: Client, money: MobileMoney, ours: OurSide) -> None:
    client.push_to(SURFER)
    assert pay(money, SURFER, "4321") is Outcome.NO_FUNDS
    assert callbacks(ours, 1)[-1]["ResultCode"] == 1
    client.push_to("+254799999999")
    assert callbacks(ours, 2)[-1]["ResultCode"] == 1037
    wallet = money.wallet(CALLER)
    assert wallet is not None
    wallet.line_busy = True
    client.push()
    assert callbacks(ours, 3)[-1]["ResultCode"] == 1001
    wallet.line_busy, wallet.reachable = False, False
    client.push()
    assert callbacks(ours, 4)[-1]["ResultCode"] == 1037


def test_the_day_s_limit_holds_until_tomorrow(
    client: Client, money: MobileMoney, ours: OurSide, clock: FrozenClock
) -> None:
    wallet = money.wallet(CALLER)
    assert wallet is not None
    wallet.balance_minor = 2_000_000_00
    for amount in (250_000, 249_999):
        client.push(Amount=amount)
        assert pay(money) is Outcome.PAID
    client.push(Amount=2)
    assert pay(money) is Outcome.DAY_LIMIT
    assert 4 in {callback["ResultCode"] for callback in callbacks(ours, 3)}
    clock.advance(timedelta(days=1))
    client.token = client.fetch_token().json()["access_token"]
    client.push(**client.signed(timestamp="20260303120030"), Amount=2)
    assert pay(money) is Outcome.PAID


def test_the_same_amount_twice_within_two_minutes_is_refused(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide, clock: FrozenClock
) -> None:
    client.push()
    pay(money)
    clock.advance(timedelta(seconds=119))
    client.push()
    assert [callback["ResultCode"] for callback in callbacks(ours, 2)] == [0, 17]
    daraja.refuse_repeats(False)
    client.push()
    assert money.pending(CALLER) is not None
    money.cancel(money.wait_for_prompt(CALLER))
    daraja.refuse_repeats(True)
    clock.advance(timedelta(seconds=1))
    client.push()
    assert money.pending(CALLER) is not None


@pytest.mark.parametrize("changes", [{"PartyB": TILL}, {"TransactionType": "CustomerBuyGoodsOnline"}])
def test_a_wrong_pair_of_type_and_receiver_ends_with_2028(client: Client, ours: OurSide, changes: Body) -> None:
    assert client.push(**changes).status_code == 200
    assert callbacks(ours)[0]["ResultCode"] == 2028


@pytest.mark.parametrize(
    "code", [1, 2, 3, 4, 8, 17, 1001, 1019, 1025, 1032, 1037, 2001, 2028, "SFC_IC0003", 8006, 9999]
)
def test_every_failure_can_be_had_on_demand(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide, code: int | str
) -> None:
    daraja.end_next(code)
    checkout_id = client.push().json()["CheckoutRequestID"]
    (callback,) = callbacks(ours)
    assert callback["ResultCode"] == code
    assert callback["ResultDesc"]
    assert client.query(checkout_id).json()["ResultCode"] == str(code)
    assert (money.pending(CALLER), daraja.total_taken_minor) == (None, 0)


def test_success_cannot_be_forced_without_money(daraja: Daraja) -> None:
    with pytest.raises(ValueError, match="0"):
        daraja.end_next(0)


def test_the_query_knows_only_prompts_of_that_business(client: Client) -> None:
    assert error_code(client.query("ws_CO_unknown")) == "400.002.02"
    checkout_id = client.push().json()["CheckoutRequestID"]
    body = client.signed(STORE) | {"CheckoutRequestID": checkout_id}
    assert error_code(client.post("/mpesa/stkpushquery/v1/query", body)) == "400.002.02"
