"""M-Pesa through Daraja: the contract of `PaymentGateway`, over the pretend Daraja and over stranger answers."""

from __future__ import annotations

import base64
import json
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from core.adapters.http import Timeouts
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
from core.errors import GatewayDown, GatewayFailure, GatewayRefused, OutcomeUnknown
from core.money import Money
from core.phone import Msisdn
from core.ports import (
    ConfirmedByQuery,
    NotPaid,
    Paid,
    PaymentGateway,
    Prompt,
    StillOpen,
)
from sim.daraja import C2B, PayerNumber
from sim.daraja import Daraja as PretendDaraja
from sim.http import Reply, Request, Server, json_reply
from sim.mobile_money import MobileMoney, PaymentRefused
from tests.adapters.our_side import OurSide

CALLER = Msisdn("+254712345678")
KEY, SECRET, PASSKEY = "c0nsumer-key-of-the-town", "c0nsumer-secret-of-the-town", "passkey0123456789abcdef"
PAYBILL, STORE, TILL = "600100", "600200", "5551234"
PUSH, QUERY, TOKEN = "/mpesa/stkpush/v1/processrequest", "/mpesa/stkpushquery/v1/query", "/oauth/v1/generate"
QUICK = Timeouts(connect_seconds=1.0, read_seconds=0.4, total_seconds=1.0)


class Town:
    """The pretend company with one payer, and our adapter in front of it."""

    def __init__(self, ours: OurSide) -> None:
        self.clock = FrozenClock()
        self.money = MobileMoney(self.clock.now)
        self.money.add_wallet(CALLER, balance_minor=1_000_00, names=("Asha", "", ""))
        self.company = PretendDaraja(self.money, self.clock.now).start()
        self.app = self.company.add_app(KEY, SECRET)
        self.company.add_short_code(PAYBILL, passkey=PASSKEY, consumer_key=KEY)
        self.company.add_short_code(STORE, passkey=PASSKEY, consumer_key=KEY, till=TILL)
        self.tokens: LocalTokens = LocalTokens()
        self.ours = ours
        self.account = DarajaAccount(KEY, SECRET, PAYBILL, PASSKEY, base_url=self.company.base_url)
        self.gateway = self.adapter()

    def adapter(self, **changes: str) -> Daraja:
        return Daraja(replace(self.account, **changes), self.tokens, self.clock, timeouts=QUICK)

    def prompt(self, price: str = "20", reference: str = "K7WXP3", description: str = "3 hours") -> Prompt:
        return Prompt(CALLER, Money.parse(price, "KES"), reference, description, self.ours.url("/cb"))

    def answer(self, pin: str = "1234") -> None:
        self.money.approve(self.money.wait_for_prompt(CALLER), pin)

    def news(self, path: str = "/cb", count: int = 1) -> list[bytes]:
        """The bytes that were posted to us."""
        return [request.body for request in self.ours.wait_for(path, count)]

    def calls(self, path: str) -> list[Request]:
        return [request for request in self.company.requests_seen if request.path == path]


@pytest.fixture
def town() -> Iterator[Town]:
    with OurSide() as ours:
        made = Town(ours)
        yield made
        made.company.stop()
        made.money.stop()
        assert not made.company.server.failures


# ---- the story -----------------------------------------------------------------------------------------------------------


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


# ---- what we refuse to ask -----------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("path", ["/cb/mpesa/c", "/cb/exec", "/Safaricom", "/m-pesa", "/x?query=1"])
def test_addresses_safaricom_dislikes_are_not_registered(path: str, town: Town) -> None:
    with pytest.raises(GatewayRefused, match="no address with"):
        town.gateway.register_urls(town.ours.url("/v"), town.ours.url(path))
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


# ---- trouble while asking ------------------------------------------------------------------------------------------------


def test_a_company_that_is_down_was_not_asked_and_can_be_asked_later(town: Town) -> None:
    town.company.go_down()
    with pytest.raises(GatewayDown):
        town.gateway.prompt(town.prompt())
    with pytest.raises(GatewayDown):
        town.gateway.status("ws_CO_1")
    with pytest.raises(GatewayDown):
        town.gateway.ping()
    town.company.come_up()
    assert town.gateway.prompt(town.prompt()).request_id


@pytest.mark.parametrize("after_acting", [True, False])
def test_silence_after_asking_is_not_a_no(after_acting: bool, town: Town) -> None:
    town.company.fall_silent(path=PUSH, after_acting=after_acting)
    with pytest.raises(OutcomeUnknown):
        town.gateway.prompt(town.prompt())
    assert len(town.calls(PUSH)) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 200])
def test_an_error_page_instead_of_a_verdict_is_not_a_no(status: int, town: Town) -> None:
    town.company.html_error_page(path=PUSH, status=status)
    with pytest.raises(OutcomeUnknown):
        town.gateway.prompt(town.prompt())
    assert len(town.calls(PUSH)) == 1


@pytest.mark.parametrize("status", [302, 403, 404, 429])
def test_an_error_page_that_says_no_means_not_asked(status: int, town: Town) -> None:
    town.company.html_error_page(path=PUSH, status=status)
    with pytest.raises(GatewayDown):
        town.gateway.prompt(town.prompt())


@pytest.mark.parametrize("trouble", ["html", "silence", "slow"])
def test_trouble_with_the_token_means_not_asked(trouble: str, town: Town) -> None:
    if trouble == "html":
        town.company.html_error_page(path=TOKEN)
    elif trouble == "silence":
        town.company.fall_silent(path=TOKEN)
    else:
        town.company.slow(2.0)
    with pytest.raises(GatewayDown):
        town.gateway.prompt(town.prompt())
    assert not town.calls(PUSH)


@pytest.mark.parametrize("how", ["html", "silence", "garbage", "busy"])
def test_trouble_with_a_query_only_delays(how: str, town: Town) -> None:
    prompted = town.gateway.prompt(town.prompt())
    match how:
        case "html":
            town.company.html_error_page(path=QUERY)
        case "silence":
            town.company.fall_silent(path=QUERY)
        case "garbage":
            town.company.answer_with(200, '{"ResponseCode": "0"}', path=QUERY)
        case _:
            town.company.fail_next(path=QUERY)
    with pytest.raises(GatewayDown):
        town.gateway.status(prompted.request_id)
    assert town.gateway.status(prompted.request_id) == StillOpen(prompted.request_id)


@pytest.mark.parametrize(
    ("code", "message", "failure", "our_code"),
    [
        ("400.002.02", "Bad Request - Invalid Amount", GatewayRefused, "configuration"),
        ("400.002.05", "Invalid Request Payload", GatewayRefused, "configuration"),
        ("404.001.01", "Resource not found", GatewayRefused, "configuration"),
        ("405.001", "Method Not Allowed", GatewayRefused, "configuration"),
        ("500.001.1001", "Merchant does not exist", GatewayRefused, "configuration"),
        ("500.001.1001", "Wrong credentials", GatewayRefused, "configuration"),
        ("500.001.1001", "Unable to lock subscriber, a transaction is already in process for the current subscriber",
         GatewayDown, ""),
        ("500.001.1001", "Server busy", GatewayDown, ""),
        ("500.003.02", "Spike arrest violation", GatewayDown, ""),
        ("500.003.02", "System is busy. Please try again in few minutes.", GatewayDown, ""),
        ("500.003.03", "Quota Violation", GatewayDown, ""),
        ("500.009.99", "Something nobody described", OutcomeUnknown, ""),
    ],
)  # fmt: skip
def test_every_documented_error_of_a_prompt(
    code: str, message: str, failure: type[GatewayFailure], our_code: str, town: Town
) -> None:
    town.company.fail_next(code, message, path=PUSH)
    with pytest.raises(GatewayFailure) as raised:
        town.gateway.prompt(town.prompt())
    assert type(raised.value) is failure
    assert code in str(raised.value)
    if isinstance(raised.value, GatewayRefused):
        assert (raised.value.code, raised.value.permanent) == (our_code, True)


def test_a_prompt_while_another_is_open_is_for_later(town: Town) -> None:
    town.gateway.prompt(town.prompt())
    with pytest.raises(GatewayDown, match="lock subscriber"):
        town.gateway.prompt(town.prompt())


@pytest.mark.parametrize(
    ("changes", "asking"),
    [({"passkey": "wrong"}, True), ({"short_code": "999999"}, True), ({"consumer_secret": "wrong"}, False)],
)
def test_wrong_credentials_are_the_operators_business(changes: dict[str, str], asking: bool, town: Town) -> None:
    with pytest.raises(GatewayRefused) as refused:
        town.adapter(**changes).prompt(town.prompt())
    assert (refused.value.code, refused.value.permanent) == ("configuration", True)
    assert bool(town.calls(PUSH)) is asking


@pytest.mark.parametrize("body", ["", '{"errorCode": "400.008.01", "errorMessage": "Invalid Authentication passed"}'])
def test_bad_keys_are_told_even_without_words(body: str, town: Town) -> None:
    town.company.answer_with(400, body, path=TOKEN)
    with pytest.raises(GatewayRefused) as refused:
        town.gateway.ping()
    assert refused.value.code == "configuration"


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"ResponseCode": "0"}, OutcomeUnknown),
        ({"ResponseCode": "0", "CheckoutRequestID": ""}, OutcomeUnknown),
        ({"ResponseCode": "0", "CheckoutRequestID": ["ws_CO_1"]}, OutcomeUnknown),
        ({"ResponseCode": "0", "CheckoutRequestID": "ws CO\n1"}, OutcomeUnknown),
        ({"CheckoutRequestID": "ws_CO_1"}, OutcomeUnknown),
        ({"ResponseCode": True, "CheckoutRequestID": "ws_CO_1"}, OutcomeUnknown),
        ([], OutcomeUnknown),
        ({"ResponseCode": "1", "ResponseDescription": "Rejected"}, GatewayRefused),
    ],
)
def test_only_code_0_with_a_request_id_is_a_prompt(body: object, failure: type[GatewayFailure], town: Town) -> None:
    town.company.answer_with(200, json.dumps(body), path=PUSH, content_type="application/json")
    with pytest.raises(failure):
        town.gateway.prompt(town.prompt())


def test_the_code_of_success_may_also_be_a_number(town: Town) -> None:
    body = {"ResponseCode": 0, "CheckoutRequestID": "ws_CO_1"}
    town.company.answer_with(200, json.dumps(body), path=PUSH)
    assert town.gateway.prompt(town.prompt()).request_id == "ws_CO_1"


# ---- queries -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, {"errorCode": "500.001.1001", "errorMessage": "The transaction is being processed"}, StillOpen("ws_1")),
        (200, {"ResultCode": "4999", "ResultDesc": "The transaction is still under processing"}, StillOpen("ws_1")),
        (200, {"ResultCode": "0", "ResultDesc": "processed successfully"}, ConfirmedByQuery("ws_1")),
        (200, {"ResultCode": 0, "CheckoutRequestID": "ws_1"}, ConfirmedByQuery("ws_1")),
        (200, {"ResultCode": "7777", "ResultDesc": "New"}, NotPaid("ws_1", "other", "7777", "New")),
        (200, {"ResultCode": 1032, "ResultDesc": "Cancelled"}, NotPaid("ws_1", "cancelled", "1032", "Cancelled")),
    ],
)
def test_what_a_query_can_say(status: int, body: dict[str, object], expected: object, town: Town) -> None:
    town.company.answer_with(status, json.dumps(body), path=QUERY)
    assert town.gateway.status("ws_1") == expected


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"errorCode": "400.002.02", "errorMessage": "Invalid CheckoutRequestID"}, GatewayRefused),
        ({"errorCode": "500.001.1001", "errorMessage": "Wrong credentials"}, GatewayRefused),
        ({"errorCode": "500.009.99", "errorMessage": "Something new"}, GatewayDown),
        ({"ResultCode": "0", "CheckoutRequestID": "ws_2"}, GatewayDown),
        ({"ResultCode": None}, GatewayDown),
        ({"ResultCode": ["0"]}, GatewayDown),
    ],
)
def test_what_a_query_cannot_say(body: dict[str, object], failure: type[GatewayFailure], town: Town) -> None:
    status = int(str(body["errorCode"])[:3]) if "errorCode" in body else 200
    town.company.answer_with(status, json.dumps(body), path=QUERY)
    with pytest.raises(GatewayFailure) as raised:
        town.gateway.status("ws_1")
    assert type(raised.value) is failure


def test_a_success_under_an_error_status_is_no_success(town: Town) -> None:
    town.company.answer_with(500, '{"ResultCode": "0"}', path=QUERY)
    with pytest.raises(GatewayDown):
        town.gateway.status("ws_1")


# ---- tokens --------------------------------------------------------------------------------------------------------------


def test_one_token_serves_many_calls_and_several_adapters(town: Town) -> None:
    prompted = town.gateway.prompt(town.prompt())
    for gateway in (town.gateway, town.adapter(), town.adapter()):
        gateway.status(prompted.request_id)
    assert len(town.calls(TOKEN)) == 1


@pytest.mark.parametrize(("told", "kept"), [("3599", 2999), (3599, 2999), ("60", 50), ("7200", 3000), (None, 2999)])
def test_a_token_is_renewed_well_before_it_expires(told: object, kept: int, town: Town) -> None:
    ttls: list[int] = []

    class Remembering(LocalTokens):
        def put(self, name: str, token: str, ttl_seconds: int) -> None:
            ttls.append(ttl_seconds)
            super().put(name, token, ttl_seconds)

    town.tokens = Remembering()
    town.company.answer_with(200, json.dumps({"access_token": "abc", "expires_in": told}), path=TOKEN)
    town.adapter().ping()
    assert ttls == [kept]


@pytest.mark.parametrize("token", ["", None, True, "with space", "with\r\nnewline", "\u2026", ["abc"]])
def test_a_token_that_is_none_is_not_used(token: object, town: Town) -> None:
    town.company.answer_with(200, json.dumps({"access_token": token, "expires_in": 3599}), path=TOKEN)
    with pytest.raises(GatewayDown):
        town.gateway.prompt(town.prompt())
    assert not town.calls(PUSH)


def test_a_token_that_somebody_else_invalidated_is_replaced_once(town: Town) -> None:
    town.gateway.ping()
    town.company.forget_tokens()
    assert town.gateway.prompt(town.prompt()).request_id
    assert (len(town.calls(TOKEN)), len(town.calls(PUSH))) == (2, 2)


@pytest.mark.parametrize("code", ["400.003.01", "401.002.01", "404.001.03"])
def test_each_code_for_a_dead_token_leads_to_a_new_one(code: str, town: Town) -> None:
    town.company.fail_next(code, "Invalid Access Token", path=PUSH)
    assert town.gateway.prompt(town.prompt()).request_id
    assert (len(town.calls(TOKEN)), len(town.calls(PUSH))) == (2, 2)


def test_when_even_new_tokens_are_refused_we_stop_after_one_repeat(town: Town) -> None:
    town.company.fail_next("404.001.03", "Invalid Access Token", times=9, path=PUSH)
    with pytest.raises(GatewayDown, match="another system"):
        town.gateway.prompt(town.prompt())
    assert (len(town.calls(TOKEN)), len(town.calls(PUSH))) == (2, 2)


class Overtaken(LocalTokens):
    """A store in which, the first time somebody waits for the lock, another process gets a new token before him."""

    overtaker: Daraja | None = None

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        overtaker, self.overtaker = self.overtaker, None
        if overtaker is not None:
            overtaker.ping()
        with super().lock(name):
            yield


def test_a_token_that_another_process_renewed_is_taken_over_not_fetched_again(town: Town) -> None:
    town.tokens = store = Overtaken()
    gateway = town.adapter()
    gateway.ping()
    town.company.forget_tokens()
    store.overtaker = town.adapter()
    assert gateway.prompt(town.prompt()).request_id
    assert (len(town.calls(TOKEN)), len(town.calls(PUSH))) == (2, 2)


def test_many_workers_without_a_token_fetch_only_one(town: Town) -> None:
    gateways = [town.adapter() for _ in range(8)]
    found: list[object] = []

    def ask(gateway: Daraja) -> None:
        try:
            gateway.status("ws_CO_nobody")
        except GatewayRefused as refused:
            found.append(refused.code)

    threads = [threading.Thread(target=ask, args=(gateway,)) for gateway in gateways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(town.calls(TOKEN)), found) == (1, ["configuration"] * 8)


def test_ping_proves_the_keys_and_leaves_a_good_token_behind(town: Town) -> None:
    town.gateway.prompt(town.prompt())
    town.gateway.ping()
    assert town.gateway.status(town.company.prompts_for(CALLER)[0].checkout_request_id)
    assert len(town.calls(TOKEN)) == 2


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


# ---- registration --------------------------------------------------------------------------------------------------------


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


# ---- secrets -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["none", "echo", "html", "silence", "down", "keys"])
def test_secrets_are_in_no_log_and_no_failure(trouble: str, town: Town) -> None:
    shown = ""
    echo = Server(lambda request: echo_everything(request))
    with capture_logs() as logs:
        gateway = town.gateway
        if trouble == "echo":
            echo.start("127.0.0.1", 0)
            gateway = town.adapter(base_url=f"http://127.0.0.1:{echo.address[1]}")
        elif trouble == "html":
            town.company.html_error_page(path=PUSH)
        elif trouble == "silence":
            town.company.fall_silent(path=PUSH)
        elif trouble == "down":
            town.company.go_down()
        elif trouble == "keys":
            gateway = town.adapter(consumer_secret=SECRET[::-1])
        try:
            gateway.prompt(
                replace(town.prompt(), callback_url="https://isp.example/hooks/daraja/u4GhT0pS3cr3tPathOfOurs")
            )
        except GatewayFailure as failure:
            shown = "".join(traceback.format_exception(failure)) + repr(failure.__context__) + repr(failure.args)
        echo.stop()
    everything = shown + repr(logs) + repr(town.account)
    token = town.app.token
    password = base64.b64encode(f"{PAYBILL}{PASSKEY}20261120120000".encode()).decode()
    secrets = [KEY, SECRET, SECRET[::-1], PASSKEY, password, "t0ken-t0ken", "u4GhT0pS3cr3t", CALLER.digits, CALLER]
    assert [word for word in [*secrets, *([token] if token else [])] if word in everything] == []
    assert bool(shown) is (trouble != "none")
    assert logs


def echo_everything(request: Request) -> Reply:
    """A company that throws back at us whatever it was told."""
    if request.path == TOKEN:
        return json_reply(200, {"access_token": "t0ken-t0ken-t0ken-t0ken-t0ken", "expires_in": "3599"})
    body = request.json_object()
    told = [request.headers["authorization"], *(str(body[name]) for name in ("Password", "CallBackURL", "PartyA"))]
    words = " ".join([*told, KEY, SECRET, PASSKEY])
    return json_reply(400, {"errorCode": "400.002.02", "errorMessage": words})
