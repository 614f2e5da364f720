"""A person with a phone lives through whole evenings of the pretend town."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests

from sim.africastalking import AfricasTalking, NoSms
from sim.daraja import Daraja
from sim.daraja.rules import eat
from sim.http import Reply, Request, text_reply
from sim.mobile_money import MobileMoney, NoPrompt, Outcome, PaymentRefused
from sim.phone import Handset, NoSession
from tests.adapters.our_side import OurSide

CALLER = "+254712345678"
SAFARICOM = "63902"
CODE = "*384*35711#"


@dataclass
class Shop:
    """A three-line service: a menu, a prompt, and a receipt by SMS."""

    ours: OurSide
    africastalking: AfricasTalking
    daraja: Daraja

    def open(self) -> None:
        self.ours.pages = {"/ussd": self.menu, "/paid": self.paid, "/sms": self.reply_to_sms}
        self.africastalking.add_account("duka", "key")
        self.africastalking.add_short_code("35711", "duka", sms_url=self.ours.url("/sms"))
        self.africastalking.add_service_code(CODE, ussd_url=self.ours.url("/ussd"))
        self.daraja.add_app("key", "secret")
        self.daraja.add_short_code("600111", passkey="pk", consumer_key="key", name="Duka Net")

    def menu(self, request: Request) -> Reply:
        typed = request.form()["text"]
        if typed == "":
            return text_reply(200, "CON 1. Three hours, 20/-")
        return text_reply(200, "END Enter your PIN on the next prompt")

    def ask_for_money(self) -> requests.Response:
        auth = ("key", "secret")
        url = f"{self.daraja.base_url}/oauth/v1/generate?grant_type=client_credentials"
        token = requests.get(url, auth=auth, timeout=5).json()["access_token"]
        stamp = eat(self.daraja.now())
        body = {
            "BusinessShortCode": "600111",
            "Password": base64.b64encode(f"600111pk{stamp}".encode()).decode(),
            "Timestamp": stamp,
            "TransactionType": "CustomerPayBillOnline",
            "Amount": 20,
            "PartyA": CALLER[1:],
            "PartyB": "600111",
            "PhoneNumber": CALLER[1:],
            "CallBackURL": self.ours.url("/paid"),
            "AccountReference": "A1",
        }
        url = f"{self.daraja.base_url}/mpesa/stkpush/v1/processrequest"
        return requests.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=5)

    def paid(self, request: Request) -> Reply:
        callback = request.json_object()["Body"]
        assert isinstance(callback, dict)
        code = callback["stkCallback"]["ResultCode"]
        self.send_sms(CALLER, "You are online" if code == 0 else f"Not paid ({code})")
        return text_reply(200, "")

    def reply_to_sms(self, request: Request) -> Reply:
        self.send_sms(request.form()["from"], "3 hours left")
        return text_reply(200, "")

    def send_sms(self, msisdn: str, text: str) -> None:
        body = {"username": "duka", "to": msisdn, "message": text, "from": "35711"}
        url = f"{self.africastalking.base_url}/version1/messaging"
        requests.post(url, body, headers={"apiKey": "key"}, timeout=5).raise_for_status()


@dataclass
class Street:
    """Everything between the person and the shop."""

    shop: Shop
    money: MobileMoney
    caller: Handset


@pytest.fixture
def street() -> Iterator[Street]:
    africastalking = AfricasTalking()
    money = MobileMoney(line_is_busy=africastalking.in_session)
    daraja = Daraja(money)
    with OurSide() as ours, africastalking.start(), money, daraja.start():
        shop = Shop(ours, africastalking, daraja)
        shop.open()
        money.add_wallet(CALLER, "1234", 100_00)
        yield Street(shop, money, Handset(CALLER, SAFARICOM, africastalking, money, daraja))
        assert daraja.server.failures == []
        assert africastalking.server.failures == []


def test_a_purchase_from_dialling_to_the_receipt(street: Street) -> None:
    caller = street.caller
    assert caller.dial(CODE) == "1. Three hours, 20/-"
    assert caller.answer("1") == caller.screen == "Enter your PIN on the next prompt"
    asking = threading.Thread(target=street.shop.ask_for_money)
    asking.start()
    assert caller.wait_for_prompt().amount_minor == 20_00
    assert caller.screen == "Pay 20.00 to Duka Net account no. A1. Enter PIN:"
    assert caller.type_pin("1234") is Outcome.PAID
    assert caller.wait_for_sms("online").sender == "35711"
    assert [sms.text for sms in caller.sms_inbox] == ["You are online"]
    asking.join()


def test_no_prompt_comes_up_in_the_middle_of_a_menu(street: Street) -> None:
    street.caller.dial(CODE)
    street.shop.ask_for_money()
    assert street.caller.wait_for_sms("Not paid").text == "Not paid (1001)"
    street.caller.hang_up()
    street.shop.ask_for_money()
    assert street.caller.wait_for_prompt().outcome is None


def test_a_cancelled_and_an_ignored_prompt(street: Street) -> None:
    caller = street.caller
    street.shop.ask_for_money()
    assert caller.cancel_prompt() is Outcome.CANCELLED
    caller.wait_for_sms("(1032)")
    street.shop.ask_for_money()
    assert caller.ignore_prompt() is Outcome.NO_ANSWER
    caller.wait_for_sms("(1037)")


def test_a_prompt_runs_out_by_itself(street: Street) -> None:
    money = MobileMoney(prompt_seconds=0)
    ended = threading.Event()
    with money:
        money.add_wallet(CALLER, "1234", 100_00)
        prompt = money.ask(CALLER, 20_00, "Duka Net", "A1", lambda _prompt: ended.set())
        assert ended.wait(5)
    assert (prompt.outcome, money.pending(CALLER)) == (Outcome.NO_ANSWER, None)


def test_texting_brings_an_answer(street: Street) -> None:
    texted = street.caller.text("35711", "BAL")
    assert [answer.status for answer in texted.answers] == [200]
    assert street.caller.wait_for_sms().text == "3 hours left"


def test_paying_by_hand_gives_a_receipt_and_may_be_refused(street: Street) -> None:
    receipt = street.caller.pay_by_hand("600111", "A1", 50_00)
    assert street.shop.daraja.paid_receipts() == [receipt]
    with pytest.raises(PaymentRefused, match="no funds"):
        street.caller.pay_by_hand("600111", "A1", 60_00)


def test_a_phone_without_anything_on_it_says_so(street: Street) -> None:
    caller = street.caller
    assert (caller.screen, caller.sms_inbox, caller.pending_prompt) == ("", [], None)
    with pytest.raises(NoPrompt):
        caller.type_pin("1234")
    with pytest.raises(NoPrompt):
        caller.wait_for_prompt(timeout_seconds=0)
    with pytest.raises(NoSms):
        caller.wait_for_sms(timeout_seconds=0)
    with pytest.raises(NoSession):
        caller.answer("1")
    with pytest.raises(LookupError):
        caller.text("40404", "hello")
    with pytest.raises(LookupError):
        Handset(CALLER, SAFARICOM, street.shop.africastalking, street.money).pay_by_hand("600111", "A1", 10_00)


def test_a_prompt_is_answered_once(street: Street) -> None:
    street.shop.ask_for_money()
    prompt = street.caller.wait_for_prompt()
    street.money.cancel(prompt)
    with pytest.raises(NoPrompt):
        street.money.approve(prompt, "1234")
    assert prompt.outcome is Outcome.CANCELLED


def test_an_outcome_can_be_decided_beforehand(street: Street) -> None:
    street.money.decide_next(Outcome.PAID)
    street.shop.ask_for_money()
    street.caller.wait_for_sms("online")
    assert street.shop.daraja.total_taken_minor == 20_00
