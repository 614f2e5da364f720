"""Payments that customers make by hand, and the notices about every payment to a registered short code."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sim.daraja import rules
from sim.daraja.accounts import Accounts, App, Business, Registration
from sim.daraja.books import Books, Payment
from sim.daraja.delivery import C2B, Delivery, Parcel
from sim.daraja.rules import DarajaError
from sim.http import Reply, json_reply
from sim.mobile_money import MobileMoney, PaymentRefused
from sim.poster import Answer, Poster

VALIDATION_SECONDS = 8.0
REFUSALS = ("C2B00011", "C2B00012", "C2B00013", "C2B00014", "C2B00015", "C2B00016")


class PayerNumber(StrEnum):
    """What a business learns of the payer's number: a mask (v2) or its SHA-256 (seen in its place)."""

    MASK = "mask"
    HASH = "hash"


@dataclass(frozen=True)
class Verdict:
    """What validation said, and the id it wants to see again."""

    accepted: bool
    code: str
    third_party_id: str


def payer_number(msisdn: str, style: PayerNumber) -> str:
    """The payer as shown to a business; the hash is over the digits without plus (captive-portal.md §8)."""
    digits = msisdn.lstrip("+")
    if style is PayerNumber.HASH:
        return hashlib.sha256(digits.encode()).hexdigest()
    return f"{digits[:4]} ***** {digits[-3:]}"


class CustomerToBusiness:
    """Registration of addresses, payments by hand, confirmations (reference payments.md §1.4)."""

    def __init__(
        self,
        accounts: Accounts,
        books: Books,
        money: MobileMoney,
        poster: Poster,
        delivery: Delivery,
        now: Callable[[], datetime],
        *,
        production: bool,
    ) -> None:
        self._accounts = accounts
        self._books = books
        self._money = money
        self._poster = poster
        self._delivery = delivery
        self._now = now
        self._production = production
        self._lock = threading.Lock()
        self.payer_number = PayerNumber.MASK
        self.validation_seconds = VALIDATION_SECONDS

    def register(self, app: App, body: Mapping[str, object]) -> Reply:
        """Take the addresses of a short code; in production only once in its life."""
        business = self._accounts.find(rules.number_text(body, "ShortCode"))
        if business is None or business.consumer_key != app.consumer_key:
            raise rules.bad_field("ShortCode")
        response_type = rules.text(body, "ResponseType", 1, 20)
        if response_type not in rules.RESPONSE_TYPES:
            raise rules.bad_field("ResponseType")
        registration = Registration(
            response_type,
            rules.registered_url(body, "ValidationURL", production=self._production),
            rules.registered_url(body, "ConfirmationURL", production=self._production),
        )
        with self._lock:
            if self._production and business.registration is not None:
                raise DarajaError(rules.REGISTERED, "URLs are already registered")
            business.registration = registration
        answer = {
            "OriginatorCoversationID": rules.request_id(),
            "ResponseCode": "0",
            "ResponseDescription": "Success",
        }
        return json_reply(200, answer)

    def pay(self, msisdn: str, number: str, account: str, amount_minor: int) -> Payment:
        """A customer pays to a Paybill (with account number) or till (without). Raises `PaymentRefused`."""
        business = self._accounts.find(number)
        if business is None or business.customer_number != number:
            raise PaymentRefused("no such business")
        if amount_minor % 100 or not 1 <= amount_minor // 100 <= rules.AMOUNT_MAX:
            raise PaymentRefused("amount")
        if len(account) > rules.BILL_REFERENCE_MAX:
            raise PaymentRefused("account number too long")
        reference = "" if business.till else account
        receipt = self._books.new_receipt()
        draft = Payment(receipt, msisdn, business.short_code, reference, amount_minor, self._now(), by_hand=True)
        verdict = self._validate(business, draft)
        if not verdict.accepted:
            raise PaymentRefused(verdict.code)
        self._money.take(msisdn, amount_minor)
        self._books.enter(business, draft)
        self.confirm(business, draft, verdict.third_party_id)
        return draft

    def confirm(
        self, business: Business, payment: Payment, third_party_id: str = "", gate: threading.Event | None = None
    ) -> None:
        """Send the notice about a payment, if the business has registered for it."""
        if business.registration is not None:
            body = self._notice(business, payment, third_party_id, with_balance=True)
            self._delivery.send(Parcel(C2B, business.registration.confirmation_url, body, gate))

    def _validate(self, business: Business, payment: Payment) -> Verdict:
        registration = business.registration
        if registration is None or not business.validation:
            return Verdict(True, "0", "")
        body = self._notice(business, payment, "", with_balance=False)
        answer = self._poster.post_json(registration.validation_url, body, timeout_seconds=self.validation_seconds)
        verdict = _read_verdict(answer)
        return verdict or Verdict(registration.response_type == "Completed", "no answer", "")

    def _notice(
        self, business: Business, payment: Payment, third_party_id: str, *, with_balance: bool
    ) -> dict[str, object]:
        wallet = self._money.wallet(payment.msisdn)
        first, middle, last = wallet.names if wallet else ("", "", "")
        return {
            "TransactionType": business.kind,
            "TransID": payment.receipt,
            "TransTime": rules.eat(payment.at),
            "TransAmount": shillings(payment.amount_minor),
            "BusinessShortCode": business.short_code,
            "BillRefNumber": payment.account,
            "InvoiceNumber": "",
            "OrgAccountBalance": shillings(business.balance_minor) if with_balance else "",
            "ThirdPartyTransID": third_party_id,
            "MSISDN": payer_number(payment.msisdn, self.payer_number),
            "FirstName": first,
            "MiddleName": middle,
            "LastName": last,
        }


def shillings(amount_minor: int) -> str:
    """Money as text with two decimals."""
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"


def _read_verdict(answer: Answer) -> Verdict | None:
    """What validation decided; None when it said nothing that can be understood."""
    body = answer.json_object() if answer.ok else None
    if body is None or "ResultCode" not in body:
        return None
    code, third_party = str(body["ResultCode"]), body.get("ThirdPartyTransID", "")
    if code != "0" and code not in REFUSALS:
        return None
    return Verdict(code == "0", code, third_party if isinstance(third_party, str) else "")
