"""M-Pesa Express: prompts on phones, their callbacks and the query about them."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sim.daraja import outcomes, rules
from sim.daraja.accounts import Accounts, App, Business
from sim.daraja.books import Books, Payment
from sim.daraja.c2b import CustomerToBusiness
from sim.daraja.delivery import STK, Delivery, Parcel
from sim.daraja.outcomes import ResultCode
from sim.daraja.rules import BUSY, DarajaError, Push
from sim.http import Reply, json_reply
from sim.mobile_money import MobileMoney, Outcome, Prompt

REPEAT_WINDOW = timedelta(minutes=2)


@dataclass
class Checkout:
    """One request for a prompt and what became of it. No result yet means that it is still open."""

    merchant_request_id: str
    checkout_request_id: str
    business: Business
    push: Push
    asked_at: datetime
    result_code: ResultCode | None = None
    payment: Payment | None = None
    answered: bool = False
    told: bool = False
    gate: threading.Event = field(default_factory=threading.Event)

    @property
    def msisdn(self) -> str:
        """The payer, E.164 with plus."""
        return f"+{self.push.phone}"

    @property
    def amount_minor(self) -> int:
        """What was asked for."""
        return self.push.amount * 100

    @property
    def receipt(self) -> str | None:
        """The receipt number, if money moved."""
        return self.payment.receipt if self.payment else None


Hook = Callable[[Checkout], None]


class Express:
    """The desk for prompts."""

    def __init__(
        self,
        accounts: Accounts,
        books: Books,
        money: MobileMoney,
        c2b: CustomerToBusiness,
        delivery: Delivery,
        now: Callable[[], datetime],
    ) -> None:
        self._accounts, self._books, self._money, self._c2b = accounts, books, money, c2b
        self._delivery = delivery
        self._now = now
        self._lock = threading.RLock()
        self._checkouts: dict[str, Checkout] = {}
        self._numbers = itertools.count(1)
        self._last_paid: dict[tuple[str, str, int], datetime] = {}
        self._forced: deque[ResultCode] = deque()
        self._wrong_amounts: deque[int] = deque()
        self._silent_takings = 0
        self._lying_queries = 0
        self.refuse_repeats = True
        self.confirmations = True
        self.callback_first = False
        self.on_prompt: list[Hook] = []
        self.after_prompt: list[Hook] = []

    # ── trouble on demand ──

    def end_next(self, result_code: ResultCode, times: int) -> None:
        """The next prompts end with this result, without any phone being touched."""
        if result_code not in outcomes.WORDS or result_code == outcomes.PAID:
            raise ValueError(f"not a way for a prompt to fail: {result_code}")
        with self._lock:
            self._forced.extend([result_code] * times)

    def wrong_amount_next(self, amount_minor: int) -> None:
        """The next callback about a payment names another amount than was paid."""
        with self._lock:
            self._wrong_amounts.append(amount_minor)

    def time_out_but_take_money(self, times: int) -> None:
        """The next payments go through, but callback and query say 1037."""
        with self._lock:
            self._silent_takings += times

    def query_says_failed(self, times: int) -> None:
        """The next queries about paid prompts say that they were cancelled."""
        with self._lock:
            self._lying_queries += times

    # ── records ──

    def checkouts(self) -> list[Checkout]:
        """Every prompt asked for, oldest first."""
        with self._lock:
            return list(self._checkouts.values())

    # ── the web side ──

    def ask(self, app: App, body: Mapping[str, object]) -> Reply:
        """Handle `processrequest`: check everything, bring up the prompt, answer."""
        push = rules.read_push(body, self._now())
        business = self._accounts.signed_business(app, push.signed)
        if self._money.pending(f"+{push.phone}") is not None:
            raise DarajaError(BUSY, outcomes.WORDS[1001])
        checkout = self._new_checkout(business, push)
        for hook in self.on_prompt:
            hook(checkout)
        with self._lock:
            self._checkouts[checkout.checkout_request_id] = checkout
            failed = self._forced.popleft() if self._forced else self._product_fault(checkout)
        if failed is not None:
            self._end(checkout, failed)
        else:
            self._money.ask(
                checkout.msisdn,
                checkout.amount_minor,
                business.name,
                push.account_reference,
                lambda prompt: self._decided(checkout, prompt),
            )
        for hook in self.after_prompt:
            hook(checkout)
        if self.callback_first:
            checkout.gate.set()
        self._answered(checkout)
        answer = {
            "MerchantRequestID": checkout.merchant_request_id,
            "CheckoutRequestID": checkout.checkout_request_id,
            "ResponseCode": "0",
            "ResponseDescription": "Success. Request accepted for processing",
            "CustomerMessage": "Success. Request accepted for processing",
        }
        return json_reply(200, answer, checkout.gate.set)

    def query(self, app: App, body: Mapping[str, object]) -> Reply:
        """Handle the status query; an open prompt is an HTTP 500 that means *pending* (reference payments.md §1.3)."""
        business = self._accounts.signed_business(app, rules.read_signed(body, self._now()))
        wanted = rules.text(body, "CheckoutRequestID", 1, 100)
        with self._lock:
            checkout = self._checkouts.get(wanted)
            if checkout is None or checkout.business is not business:
                raise rules.bad_field("CheckoutRequestID")
            result_code = checkout.result_code
            if result_code == outcomes.PAID and self._lying_queries > 0:
                self._lying_queries -= 1
                result_code = outcomes.CANCELLED
        if result_code is None:
            raise DarajaError(BUSY, "The transaction is being processed")
        answer = {
            "ResponseCode": "0",
            "ResponseDescription": "The service request has been accepted successsfully",
            "MerchantRequestID": checkout.merchant_request_id,
            "CheckoutRequestID": checkout.checkout_request_id,
            "ResultCode": str(result_code),
            "ResultDesc": outcomes.WORDS[result_code],
        }
        return json_reply(200, answer)

    def callback_body(self, checkout: Checkout) -> dict[str, object]:
        """The one post about a finished prompt; the metadata come only with success (§1.2)."""
        if checkout.result_code is None:
            raise ValueError("the prompt is still open")
        callback: dict[str, object] = {
            "MerchantRequestID": checkout.merchant_request_id,
            "CheckoutRequestID": checkout.checkout_request_id,
            "ResultCode": checkout.result_code,
            "ResultDesc": outcomes.WORDS[checkout.result_code],
        }
        if checkout.result_code == outcomes.PAID and checkout.payment is not None:
            with self._lock:
                amount_minor = self._wrong_amounts.popleft() if self._wrong_amounts else checkout.amount_minor
            callback["CallbackMetadata"] = {"Item": metadata(checkout.payment, amount_minor)}
        return {"Body": {"stkCallback": callback}}

    # ── inside ──

    def _new_checkout(self, business: Business, push: Push) -> Checkout:
        now, number = self._now(), next(self._numbers)
        stamp = now.astimezone(rules.EAST_AFRICA).strftime("%d%m%Y%H%M%S")
        checkout_id = f"ws_CO_{stamp}{number:06d}{secrets.randbelow(1000):03d}{push.phone[-9:]}"
        return Checkout(rules.request_id(), checkout_id, business, push, now)

    def _product_fault(self, checkout: Checkout) -> ResultCode | None:
        """What Safaricom finds wrong only after it has accepted the request."""
        push, business = checkout.push, checkout.business
        if push.transaction_type != business.transaction_type or push.party_b != business.customer_number:
            return outcomes.WRONG_PAIR
        paid_at = self._last_paid.get(self._repeat_key(checkout))
        if self.refuse_repeats and paid_at is not None and self._now() - paid_at < REPEAT_WINDOW:
            return outcomes.REPEATED
        return None

    def _repeat_key(self, checkout: Checkout) -> tuple[str, str, int]:
        return checkout.msisdn, checkout.business.short_code, checkout.amount_minor

    def _decided(self, checkout: Checkout, prompt: Prompt) -> None:
        outcome = prompt.outcome or Outcome.NO_ANSWER
        code = outcomes.CODES[outcome]
        if outcome is Outcome.PAID:
            code = self._book(checkout)
        self._end(checkout, code)

    def _book(self, checkout: Checkout) -> ResultCode:
        """Enter the money; returns what will be said about it."""
        short_code, reference = checkout.business.short_code, checkout.push.account_reference
        receipt = self._books.new_receipt()
        payment = Payment(
            receipt, checkout.msisdn, short_code, reference, checkout.amount_minor, self._now(), by_hand=False
        )
        self._books.enter(checkout.business, payment)
        with self._lock:
            checkout.payment = payment
            self._last_paid[self._repeat_key(checkout)] = payment.at
            if self._silent_takings > 0:
                self._silent_takings -= 1
                return outcomes.NO_ANSWER
        return outcomes.PAID

    def _end(self, checkout: Checkout, result_code: ResultCode) -> None:
        with self._lock:
            checkout.result_code = result_code
        self._tell(checkout)

    def _answered(self, checkout: Checkout) -> None:
        with self._lock:
            checkout.answered = True
        self._tell(checkout)

    def _tell(self, checkout: Checkout) -> None:
        """Send the news once the prompt has ended and the request has its answer; the gate opens when that is out."""
        with self._lock:
            if checkout.told or not checkout.answered or checkout.result_code is None:
                return
            checkout.told = True
        self._delivery.send(Parcel(STK, checkout.push.callback_url, self.callback_body(checkout), checkout.gate))
        if checkout.payment is not None and self.confirmations:
            self._c2b.confirm(checkout.business, checkout.payment, gate=checkout.gate)


def metadata(payment: Payment, amount_minor: int) -> list[dict[str, object]]:
    """The items of a successful callback: numbers as numbers, and a balance without value."""
    return [
        {"Name": "Amount", "Value": amount_minor / 100},
        {"Name": "MpesaReceiptNumber", "Value": payment.receipt},
        {"Name": "Balance"},
        {"Name": "TransactionDate", "Value": int(rules.eat(payment.at))},
        {"Name": "PhoneNumber", "Value": int(payment.msisdn.lstrip("+"))},
    ]
