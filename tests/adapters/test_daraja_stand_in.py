"""The pretend Daraja, tried with plain HTTP: every rule of the real one, every trouble, and hostile callers."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests

from sim.daraja import C2B, Daraja, PayerNumber
from sim.http import Reply, Request, json_reply, text_reply
from sim.mobile_money import MobileMoney, Outcome, PaymentRefused
from tests.adapters.our_side import OurSide, say

CALLER = "+254712345126"
SURFER = "+254113000222"
PAYBILL, PASSKEY = "600111", "paybill-passkey"
STORE, TILL = "600222", "5001"
NOON = datetime(2026, 3, 2, 9, 0, 30, tzinfo=UTC)
NOON_EAT = "20260302120030"
PATHS = ["/mpesa/stkpush/v1/processrequest", "/mpesa/stkpushquery/v1/query", "/mpesa/c2b/v2/registerurl"]

Body = dict[str, object]


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ours() -> Iterator[OurSide]:
    with OurSide() as service:
        yield service


@pytest.fixture
def money(clock: Clock) -> Iterator[MobileMoney]:
    with MobileMoney(clock) as started:
        started.add_wallet(CALLER, "1234", 1_000_00, ("Caller", "", "Family"))
        started.add_wallet(SURFER, "4321", 10_00)
        yield started


def furnish(daraja: Daraja) -> Daraja:
    daraja.add_app("key", "secret")
    daraja.add_app("rival-key", "rival-secret")
    daraja.add_short_code(PAYBILL, passkey=PASSKEY, consumer_key="key", name="Duka Net", validation=True)
    daraja.add_short_code(STORE, passkey=PASSKEY, consumer_key="key", till=TILL)
    return daraja


@pytest.fixture
def daraja(money: MobileMoney, clock: Clock) -> Iterator[Daraja]:
    with Daraja(money, clock).start() as started:
        yield furnish(started)
        assert started.server.failures == []


class Client:
    """An independent client: nothing but requests and the documentation."""

    def __init__(self, daraja: Daraja, ours: OurSide) -> None:
        self.base_url = daraja.base_url
        self.callback_url = ours.url("/cb")
        self.token = self.fetch_token().json()["access_token"]

    def fetch_token(
        self, key: str = "key", secret: str = "secret", grant: str = "client_credentials"
    ) -> requests.Response:
        url = f"{self.base_url}/oauth/v1/generate"
        return requests.get(url, {"grant_type": grant}, auth=(key, secret), timeout=5)

    def post(self, path: str, body: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.post(self.base_url + path, json=body, headers=headers, timeout=5)

    def signed(self, short_code: str = PAYBILL, timestamp: str = NOON_EAT) -> Body:
        password = base64.b64encode(f"{short_code}{PASSKEY}{timestamp}".encode()).decode()
        return {"BusinessShortCode": short_code, "Password": password, "Timestamp": timestamp}

    def push_body(self, **changes: object) -> Body:
        body: Body = self.signed() | {
            "TransactionType": "CustomerPayBillOnline",
            "Amount": 20,
            "PartyA": CALLER[1:],
            "PartyB": PAYBILL,
            "PhoneNumber": CALLER[1:],
            "CallBackURL": self.callback_url,
            "AccountReference": "A1B2C3",
            "TransactionDesc": "Internet",
        }
        return body | changes

    def push(self, **changes: object) -> requests.Response:
        return self.post("/mpesa/stkpush/v1/processrequest", self.push_body(**changes))

    def push_to(self, msisdn: str, **changes: object) -> requests.Response:
        return self.push(PartyA=msisdn[1:], PhoneNumber=msisdn[1:], **changes)

    def query(self, checkout_id: str) -> requests.Response:
        return self.post("/mpesa/stkpushquery/v1/query", self.signed() | {"CheckoutRequestID": checkout_id})

    def register(self, **changes: object) -> requests.Response:
        body: Body = {
            "ShortCode": PAYBILL,
            "ResponseType": "Completed",
            "ConfirmationURL": self.callback_url.replace("/cb", "/confirm"),
            "ValidationURL": self.callback_url.replace("/cb", "/validate"),
        }
        return self.post("/mpesa/c2b/v2/registerurl", body | changes)


@pytest.fixture
def client(daraja: Daraja, ours: OurSide) -> Client:
    return Client(daraja, ours)


def error_code(response: requests.Response) -> str:
    body = response.json()
    assert set(body) == {"requestId", "errorCode", "errorMessage"}
    assert response.status_code == int(body["errorCode"][:3])
    return str(body["errorCode"])


def pay(money: MobileMoney, msisdn: str = CALLER, pin: str = "1234") -> Outcome:
    return money.approve(money.wait_for_prompt(msisdn), pin)


def callbacks(ours: OurSide, count: int = 1) -> list[Body]:
    ours.wait_for("/cb", count)
    found = []
    for body in ours.bodies("/cb"):
        inner = body["Body"]
        assert isinstance(inner, dict)
        found.append(inner["stkCallback"])
    return found


def items(callback: Body) -> dict[str, object]:
    metadata = callback["CallbackMetadata"]
    assert isinstance(metadata, dict)
    return {item["Name"]: item.get("Value", "nothing") for item in metadata["Item"]}


# ── tokens ──


def test_a_token_lasts_3599_seconds_given_as_text(client: Client, clock: Clock) -> None:
    answer = client.fetch_token().json()
    assert (set(answer), answer["expires_in"]) == ({"access_token", "expires_in"}, "3599")
    client.token = answer["access_token"]
    clock.at += timedelta(seconds=3599)
    assert error_code(client.push(Timestamp="x")) == "404.001.03"


def test_a_new_token_kills_the_old_one_of_that_app_only(client: Client) -> None:
    client.fetch_token("rival-key", "rival-secret")
    assert client.query("none").json()["errorCode"] == "400.002.02"
    newer = client.fetch_token().json()["access_token"]
    assert error_code(client.push()) == "404.001.03"
    client.token = newer
    assert client.push().status_code == 200


def test_all_tokens_can_die_at_once(client: Client, daraja: Daraja) -> None:
    daraja.forget_tokens()
    assert error_code(client.push()) == "404.001.03"
    client.token = ""
    assert error_code(client.push()) == "404.001.03"


@pytest.mark.parametrize(
    ("key", "secret", "grant", "code"),
    [
        ("key", "wrong", "client_credentials", "400.008.01"),
        ("unknown", "secret", "client_credentials", "400.008.01"),
        ("key", "secret", "password", "400.008.02"),
        ("key", "secret", "", "400.008.02"),
    ],
)
def test_bad_credentials_get_no_token(client: Client, key: str, secret: str, grant: str, code: str) -> None:
    assert error_code(client.fetch_token(key, secret, grant)) == code


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!!", "Basic a2V5", "Bearer a2V5OnNlY3JldA==", "Basic //79/A=="]
)
def test_a_broken_login_header_gets_no_token(daraja: Daraja, header: str) -> None:
    url = f"{daraja.base_url}/oauth/v1/generate?grant_type=client_credentials"
    assert error_code(requests.get(url, headers={"Authorization": header}, timeout=5)) == "400.008.01"


# ── prompts: the happy way ──


def test_a_paid_prompt_from_push_to_callback(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide, clock: Clock
) -> None:
    response = client.push()
    answer = response.json()
    assert (response.status_code, answer["ResponseCode"]) == (200, "0")
    assert answer["CheckoutRequestID"].startswith("ws_CO_02032026120030")
    prompt = money.wait_for_prompt(CALLER)
    assert (prompt.amount_minor, prompt.business, prompt.account_reference) == (20_00, "Duka Net", "A1B2C3")
    assert ours.received("/cb") == []
    clock.at += timedelta(seconds=7)
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


# ── prompts: what is refused at once ──


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


# ── prompts: how they end ──


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


def test_the_day_s_limit_holds_until_tomorrow(client: Client, money: MobileMoney, ours: OurSide, clock: Clock) -> None:
    wallet = money.wallet(CALLER)
    assert wallet is not None
    wallet.balance_minor = 2_000_000_00
    for amount in (250_000, 249_999):
        client.push(Amount=amount)
        assert pay(money) is Outcome.PAID
    client.push(Amount=2)
    assert pay(money) is Outcome.DAY_LIMIT
    assert 4 in {callback["ResultCode"] for callback in callbacks(ours, 3)}
    clock.at += timedelta(days=1)
    client.token = client.fetch_token().json()["access_token"]
    client.push(**client.signed(timestamp="20260303120030"), Amount=2)
    assert pay(money) is Outcome.PAID


def test_the_same_amount_twice_within_two_minutes_is_refused(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide, clock: Clock
) -> None:
    client.push()
    pay(money)
    clock.at += timedelta(seconds=119)
    client.push()
    assert [callback["ResultCode"] for callback in callbacks(ours, 2)] == [0, 17]
    daraja.refuse_repeats(False)
    client.push()
    assert money.pending(CALLER) is not None
    money.cancel(money.wait_for_prompt(CALLER))
    daraja.refuse_repeats(True)
    clock.at += timedelta(seconds=1)
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


# ── trouble with callbacks ──


def test_a_lost_callback_never_comes(client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide) -> None:
    daraja.lose_callbacks()
    lost = client.push().json()["CheckoutRequestID"]
    pay(money)
    client.push(Amount=30)
    pay(money)
    (callback,) = callbacks(ours)
    assert daraja.wait_until_idle()
    assert len(ours.received("/cb")) == 1
    assert callback["CheckoutRequestID"] != lost
    assert client.query(lost).json()["ResultCode"] == "0"


def test_doubled_callbacks_are_in_flight_together(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide
) -> None:
    together = threading.Barrier(3)

    def page(_request: Request) -> Reply:
        together.wait(5)
        return text_reply(200, "")

    ours.pages["/cb"] = page
    daraja.repeat_callbacks(3)
    client.push()
    pay(money)
    first, *others = callbacks(ours, 3)
    assert others == [first, first]
    assert daraja.wait_until_idle()
    assert [delivered.answer.status for delivered in daraja.deliveries] == [200, 200, 200]


def test_late_callbacks_come_in_the_wrong_order(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide
) -> None:
    daraja.hold_callbacks()
    asked = []
    for amount in (10, 20, 30):
        asked.append(client.push(Amount=amount).json()["CheckoutRequestID"])
        pay(money)
    assert daraja.wait_until_idle()
    assert ours.received("/cb") == []
    assert daraja.release_callbacks(newest_first=True) == 3
    assert [callback["CheckoutRequestID"] for callback in callbacks(ours, 3)] == asked[::-1]


def test_a_callback_can_overtake_the_answer(client: Client, daraja: Daraja, ours: OurSide) -> None:
    daraja.callback_first()
    daraja.end_next(1032)
    heard: list[int] = []
    daraja.after_prompt.append(lambda _checkout: heard.append(len(ours.received("/cb"))))
    daraja.on_prompt.append(lambda _checkout: heard.append(-1))
    client.push()
    assert heard == [-1, 0]
    assert len(callbacks(ours)) == 1


def test_a_callback_waits_for_the_answer_unless_told_otherwise(client: Client, daraja: Daraja, ours: OurSide) -> None:
    daraja.end_next(1032)
    idle: list[bool] = []
    daraja.after_prompt.append(lambda _checkout: idle.append(daraja.wait_until_idle()))
    client.push()
    assert idle == [True]
    assert len(callbacks(ours)) == 1


def test_a_wrong_amount_is_told_while_the_right_one_was_taken(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide
) -> None:
    daraja.wrong_amount_next(1_00)
    client.push()
    pay(money)
    assert items(callbacks(ours)[0])["Amount"] == 1.0
    assert daraja.total_taken_minor == 20_00


def test_a_stranger_s_callback_looks_perfect_but_moved_no_money(daraja: Daraja, ours: OurSide) -> None:
    ours.pages["/cb"] = say("", 404)
    answer = daraja.stranger_callback(ours.url("/cb"), CALLER, 20_00)
    assert answer.status == 404
    assert items(callbacks(ours)[0])["Amount"] == 20.0
    assert daraja.payments() == []


def test_a_time_out_may_hide_a_payment(client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide) -> None:
    daraja.time_out_but_take_money()
    checkout_id = client.push().json()["CheckoutRequestID"]
    assert pay(money) is Outcome.PAID
    assert callbacks(ours)[0]["ResultCode"] == 1037
    assert client.query(checkout_id).json()["ResultCode"] == "1037"
    assert (len(daraja.paid_receipts()), daraja.total_taken_minor) == (1, 20_00)


def test_a_query_may_deny_a_payment(client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide) -> None:
    checkout_id = client.push().json()["CheckoutRequestID"]
    pay(money)
    daraja.query_says_failed()
    assert client.query(checkout_id).json()["ResultCode"] == "1032"
    assert client.query(checkout_id).json()["ResultCode"] == "0"
    assert callbacks(ours)[0]["ResultCode"] == 0


def test_a_bad_answer_is_not_retried_unless_told(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide
) -> None:
    ours.pages["/cb"] = say("", 500)
    client.push()
    pay(money)
    callbacks(ours, 1)
    assert daraja.wait_until_idle()
    daraja.redeliver()
    client.push(Amount=30)
    pay(money)
    callbacks(ours, 5)
    assert daraja.wait_until_idle()
    assert len(ours.received("/cb")) == 5


def test_a_finished_callback_can_be_sent_again(
    client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide
) -> None:
    client.push()
    (checkout,) = daraja.prompts_for(CALLER)
    with pytest.raises(ValueError, match="open"):
        daraja.send_again(checkout)
    pay(money)
    callbacks(ours)
    assert daraja.send_again(checkout).ok
    first, second = callbacks(ours, 2)
    assert first == second


def test_callbacks_beyond_this_machine_go_nowhere(client: Client, daraja: Daraja, ours: OurSide) -> None:
    daraja.end_next(1032, times=2)
    client.push(CallBackURL="https://isp.example/hooks/secret")
    assert daraja.wait_until_idle()
    assert [delivered.answer.error for delivered in daraja.deliveries] == ["the address is not on this machine"]
    daraja.reach("https://isp.example/hooks/secret", ours.url("/cb"))
    client.push(CallBackURL="https://isp.example/hooks/secret")
    assert len(callbacks(ours)) == 1


# ── trouble with the company ──


def test_silence_may_hide_a_prompt(client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide) -> None:
    daraja.fall_silent(path="/mpesa/stkpush/", after_acting=True)
    silence: list[type[Exception]] = []

    def ask() -> None:
        headers = {"Authorization": f"Bearer {client.token}"}
        url = f"{client.base_url}/mpesa/stkpush/v1/processrequest"
        try:
            requests.post(url, json=client.push_body(), headers=headers, timeout=(1, 0.2))
        except requests.ReadTimeout as error:
            silence.append(type(error))

    asking = threading.Thread(target=ask)
    asking.start()
    assert pay(money) is Outcome.PAID
    assert callbacks(ours)[0]["ResultCode"] == 0
    asking.join()
    assert silence == [requests.ReadTimeout]


def test_spike_arrest_error_pages_and_refused_connections(client: Client, daraja: Daraja) -> None:
    daraja.fail_next()
    assert error_code(client.push()) == "500.003.02"
    daraja.fail_next("500.003.03", "Quota violation", path="/oauth/")
    assert error_code(client.fetch_token()) == "500.003.03"
    daraja.html_error_page(path="/mpesa/")
    assert client.push().headers["Content-Type"] == "text/html"
    daraja.go_down()
    with pytest.raises(requests.ConnectionError):
        client.push()
    daraja.recover()
    assert client.push().status_code == 200


def test_a_slow_company_is_slow_until_it_recovers(client: Client, daraja: Daraja) -> None:
    daraja.slow(30)
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{client.base_url}/oauth/v1/generate", timeout=(1, 0.1))
    daraja.recover()
    assert client.push().status_code == 200


def test_harm_can_be_done_before_and_after_a_prompt(client: Client, daraja: Daraja, money: MobileMoney) -> None:
    seen: list[bool] = []
    daraja.on_prompt.append(lambda checkout: seen.append(money.pending(checkout.msisdn) is not None))
    daraja.after_prompt.append(lambda checkout: seen.append(money.pending(checkout.msisdn) is not None))
    client.push()
    assert seen == [False, True]


# ── payments by hand ──


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
    money: MobileMoney, clock: Clock, ours: OurSide, client: Client
) -> None:
    assert [client.register().status_code for _ in range(2)] == [200, 200]
    with Daraja(money, clock, production=True).start() as production:
        strict = Client(furnish(production), ours)
        assert error_code(strict.register(ConfirmationURL="https://a.ngrok.app/c")) == "400.002.02"
        assert strict.register().status_code == 200
        assert error_code(strict.register()) == "500.003.1001"


def test_a_hand_payment_is_validated_then_confirmed(
    client: Client, daraja: Daraja, ours: OurSide, clock: Clock
) -> None:
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


# ── hostile callers ──


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000, b'{"Amount": ' + b"9" * 5000 + b"}", b"{}"],
)
def test_rubbish_is_refused_and_the_company_goes_on(client: Client, path: str, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {client.token}"}
    response = requests.post(client.base_url + path, body, headers=headers, timeout=5)
    assert error_code(response) in ("400.002.02", "400.002.05")
    assert client.push().status_code == 200


@pytest.mark.parametrize("value", [{"a": 1}, [1], True, "\x00", "' OR 1=1 --", "٢٥٤٧١٢٣٤٥١٢٦", 10**400])
@pytest.mark.parametrize("field", ["BusinessShortCode", "Timestamp", "Amount", "PartyA", "PartyB", "CallBackURL"])
def test_odd_values_are_refused_field_by_field(client: Client, money: MobileMoney, field: str, value: object) -> None:
    assert error_code(client.push(**{field: value})) == "400.002.02"
    assert money.pending(CALLER) is None


def test_without_a_token_nothing_is_read(daraja: Daraja) -> None:
    url = f"{daraja.base_url}/mpesa/stkpush/v1/processrequest"
    for header in ("", "Bearer", "Bearer ", "Bearer x\xe9", "Basic a2V5OnNlY3JldA=="):
        response = requests.post(url, b"rubbish", headers={"Authorization": header.encode("latin-1")}, timeout=5)
        assert error_code(response) == "404.001.03"


def test_too_large_a_body_is_not_read(client: Client) -> None:
    response = requests.post(f"{client.base_url}/mpesa/c2b/v2/registerurl", b"a" * (1024 * 1024 + 1), timeout=5)
    assert response.status_code == 413


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
