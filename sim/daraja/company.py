"""The pretend Daraja as a whole: one web address, apps and short codes, and everything a test may ask of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from sim.company import Company
from sim.daraja import rules
from sim.daraja.accounts import Accounts, App, Business
from sim.daraja.books import Books, Payment
from sim.daraja.c2b import CustomerToBusiness, PayerNumber
from sim.daraja.delivery import STK, Delivered, Delivery, Parcel
from sim.daraja.outcomes import ResultCode
from sim.daraja.rules import DarajaError
from sim.daraja.stk import Checkout, Express, Hook, metadata
from sim.http import BadBody, Reply, Request
from sim.mobile_money import MobileMoney
from sim.poster import Answer

TOKEN_PATH = "/oauth/v1/generate"
PUSH_PATH = "/mpesa/stkpush/v1/processrequest"
QUERY_PATH = "/mpesa/stkpushquery/v1/query"
REGISTER_PATH = "/mpesa/c2b/v2/registerurl"
METHODS = {TOKEN_PATH: "GET", PUSH_PATH: "POST", QUERY_PATH: "POST", REGISTER_PATH: "POST"}


class Daraja(Company):
    """Stand-in for Safaricom's Daraja. Protocol: reference payments.md §1; strict where Safaricom is strict."""

    def __init__(
        self, money: MobileMoney, now: Callable[[], datetime] | None = None, *, production: bool = False
    ) -> None:
        super().__init__(now)
        self.money = money
        self.accounts = Accounts(self.now)
        self.books = Books()
        self.delivery = Delivery(self.poster, self.background)
        self.c2b = CustomerToBusiness(
            self.accounts, self.books, money, self.poster, self.delivery, self.now, production=production
        )
        self.express = Express(self.accounts, self.books, money, self.c2b, self.delivery, self.now)

    # ── contracts with tenants ──

    def add_app(self, consumer_key: str, consumer_secret: str) -> App:
        """Hand out credentials from the developer portal."""
        return self.accounts.add_app(App(consumer_key, consumer_secret))

    def add_short_code(
        self,
        short_code: str,
        *,
        passkey: str,
        consumer_key: str,
        name: str = "",
        till: str | None = None,
        validation: bool = False,
    ) -> Business:
        """Open a Paybill; with `till`, a store whose customers pay to that till. `validation` as if asked for."""
        business = Business(short_code, passkey, consumer_key, name or short_code, till, validation)
        return self.accounts.add_business(business)

    # ── people ──

    def paybill(self, msisdn: str, short_code: str, account: str, amount_minor: int) -> str:
        """A customer pays to a Paybill or till by hand; the receipt number. Raises `PaymentRefused`."""
        return self.c2b.pay(msisdn, short_code, account, amount_minor).receipt

    def auto_approve(self, after_seconds: float | None) -> None:
        """Everybody pays by themselves after so many seconds; None ends it."""
        self.money.auto_approve(after_seconds)

    # ── records ──

    def prompts_for(self, msisdn: str) -> list[Checkout]:
        """Every accepted request for a prompt on this phone, oldest first."""
        return [checkout for checkout in self.express.checkouts() if checkout.msisdn == msisdn]

    def payments(self) -> list[Payment]:
        """Every payment that moved money, oldest first."""
        return self.books.payments()

    def paid_receipts(self) -> list[str]:
        """The receipt numbers of those."""
        return [payment.receipt for payment in self.books.payments()]

    @property
    def total_taken_minor(self) -> int:
        """All money taken from people, in cents."""
        return sum(payment.amount_minor for payment in self.books.payments())

    @property
    def deliveries(self) -> list[Delivered]:
        """Every callback and confirmation posted, with our answers (the last 20 000)."""
        return list(self.delivery.log)

    # ── moments to do harm in ──

    @property
    def on_prompt(self) -> list[Hook]:
        """Called with every accepted request before the phone hears of it."""
        return self.express.on_prompt

    @property
    def after_prompt(self) -> list[Hook]:
        """Called when the prompt is on the phone but the caller does not know it yet."""
        return self.express.after_prompt

    # ── trouble on demand, beyond what every company can have ──

    def lose_callbacks(self, times: int = 1, kind: str = STK) -> None:
        """The next callbacks (or, with kind C2B, confirmations) never arrive."""
        self.delivery.lose(times, kind)

    def repeat_callbacks(self, copies: int = 2) -> None:
        """Every callback and confirmation comes so many times at the same moment; 1 is normal."""
        self.delivery.repeat(copies)

    def hold_callbacks(self) -> None:
        """Callbacks and confirmations are late, until `release_callbacks`."""
        self.delivery.hold()

    def release_callbacks(self, *, newest_first: bool = False) -> int:
        """Let the late ones out, in order or backwards; returns how many."""
        return self.delivery.release(newest_first=newest_first)

    def delay_callbacks(self, seconds: float) -> None:
        """Callbacks and confirmations take so much longer."""
        self.delivery.delay(seconds)

    def callback_first(self, first: bool = True) -> None:
        """Let callbacks overtake the answer to the request they belong to."""
        self.express.callback_first = first

    def redeliver(self, on: bool = True) -> None:
        """Post again (three times at most) when our answer is not a 2xx or does not come."""
        self.delivery.redeliver = on

    def send_again(self, checkout: Checkout) -> Answer:
        """Post the callback of a finished prompt once more and wait for the answer."""
        return self.delivery.post(Parcel(STK, checkout.push.callback_url, self.express.callback_body(checkout)))

    def stranger_callback(self, url: str, msisdn: str, amount_minor: int) -> Answer:
        """Somebody posts a perfect callback for a prompt that never was; no money moves."""
        payment = Payment(self.books.new_receipt(), msisdn, "", "", amount_minor, self.now(), by_hand=False)
        callback = {
            "MerchantRequestID": rules.request_id(),
            "CheckoutRequestID": f"ws_CO_{rules.eat(self.now())}000000000",
            "ResultCode": 0,
            "ResultDesc": "The service request is processed successfully.",
            "CallbackMetadata": {"Item": metadata(payment, amount_minor)},
        }
        return self.delivery.post(Parcel(STK, url, {"Body": {"stkCallback": callback}}))

    def wrong_amount_next(self, amount_minor: int) -> None:
        """The next callback about a payment names this amount instead."""
        self.express.wrong_amount_next(amount_minor)

    def time_out_but_take_money(self, times: int = 1) -> None:
        """The next payments go through, but callback and query say 1037."""
        self.express.time_out_but_take_money(times)

    def query_says_failed(self, times: int = 1) -> None:
        """The next queries about paid prompts deny the payment."""
        self.express.query_says_failed(times)

    def end_next(self, result_code: ResultCode, times: int = 1) -> None:
        """The next prompts end with this result code, untouched by anybody."""
        self.express.end_next(result_code, times)

    def fail_next(
        self,
        error_code: str = rules.SPIKE,
        message: str = "Spike arrest violation",
        *,
        times: int = 1,
        path: str = "/mpesa/",
    ) -> None:
        """Refuse the next calls with this error code, before looking at them."""
        error = DarajaError(error_code, message)
        self.answer_with(
            int(error_code[:3]), json.dumps(error.body()), times=times, path=path, content_type="application/json"
        )

    def refuse_repeats(self, on: bool) -> None:
        """Whether paying the same amount twice within two minutes ends with 17 (as in life, and by default)."""
        self.express.refuse_repeats = on

    def confirm_prompts(self, on: bool) -> None:
        """Whether paid prompts to a registered short code also produce a C2B confirmation (as in life)."""
        self.express.confirmations = on

    def show_payer_as(self, style: PayerNumber) -> None:
        """How C2B notices show the payer."""
        self.c2b.payer_number = style

    def forget_tokens(self) -> None:
        """All access tokens stop working at once."""
        self.accounts.forget_tokens()

    # ── the web side ──

    def _route(self, request: Request) -> Reply:
        try:
            return self._answer(request)
        except DarajaError as error:
            return error.reply()
        except BadBody:
            return DarajaError(rules.BAD_BODY, "Bad Request - Invalid Request Payload").reply()

    def _answer(self, request: Request) -> Reply:
        method = METHODS.get(request.path)
        if method is None:
            raise DarajaError(rules.NOT_FOUND, "Resource not found")
        if request.method != method:
            raise DarajaError(rules.BAD_METHOD, "Method Not Allowed")
        if request.path == TOKEN_PATH:
            return self.accounts.issue_token(request)
        app = self.accounts.authorise(request)
        body = request.json_object()
        if request.path == PUSH_PATH:
            return self.express.ask(app, body)
        if request.path == QUERY_PATH:
            return self.express.query(app, body)
        return self.c2b.register(app, body)
