"""Asking for money, hearing about it, booking it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, select

from core import codes, ledger, tenants
from core.customers import Customer
from core.errors import Refusal
from core.ledger import Code, chart
from core.money import Money
from core.payments.matching import find
from core.payments.models import Deposit, Payment
from core.phone import Msisdn, is_masked
from core.ports import NotPaid, Paid, Prompt, Prompted
from core.roles import Can, customers_may, requires, system_only
from core.tasks import CheckPayment, PromptPayment
from core.uow import OWN_TENANT, UnitOfWork

CODE_LENGTH = 8
PROMPT_DELAY = timedelta(seconds=3)
"""Between our last USSD answer and the prompt: the menu must have left the screen (payments.md §1.2, code 1001)."""
CHECKS = tuple(timedelta(seconds=s) for s in (90, 90, 420, 1800, 7200, 86400))
"""Pauses before we ask about a prompt ourselves, counted from the prompt and then from the check before."""


class NoSuchReceipt(Refusal):
    """We have not received a payment with this receipt."""


class NotYourReceipt(Refusal):
    """This payment was made from another number."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of a deposit. `fresh` is False for one we had; `verdict` is kept with the message it came from."""

    verdict: str
    fresh: bool
    customer_id: int | None = None
    purchase_id: int | None = None
    deposit_id: int | None = None


_BY_KEY = select(Payment).where(Payment.tenant_id == OWN_TENANT, Payment.key == bindparam("key"))


@system_only
def ask(uow: UnitOfWork, who: Customer, *, purchase_id: int, amount: Money, company: str, key: str) -> Payment:
    """Request `amount` from this customer's phone, once per key; the prompt follows in three seconds."""
    known = uow.find(_BY_KEY, key=key).one_or_none()
    if known is not None:
        return known
    payment = uow.add(
        Payment(
            customer_id=who.id, purchase_id=purchase_id, company=company, code=codes.make(CODE_LENGTH), key=key,
            msisdn=who.msisdn, amount_minor=amount.minor, currency=amount.currency, asked_at=uow.now,
        )
    )  # fmt: skip
    uow.record("payment.asked", payment, amount=str(amount))
    uow.later(PromptPayment(payment.id), at=uow.now + PROMPT_DELAY)
    return payment


def _locked(uow: UnitOfWork, payment_id: int) -> Payment:
    return uow.session.get_one(Payment, payment_id, with_for_update=True, populate_existing=True)


@customers_may
def for_purchase(uow: UnitOfWork, purchase_id: int) -> Payment | None:
    """The latest request for money for a purchase."""
    return uow.session.scalar(
        select(Payment).where(Payment.purchase_id == purchase_id).order_by(Payment.id.desc()).limit(1)
    )


@customers_may
def by_code(uow: UnitOfWork, code: str) -> Payment | None:
    """The request with this reference."""
    return uow.session.scalar(select(Payment).where(Payment.code == codes.normalise(code)))


@system_only
def begin_prompt(uow: UnitOfWork, payment_id: int) -> Prompt | None:
    """Take the one prompt this payment gets, and promise to look after it. None when it was taken or is not needed."""
    payment = _locked(uow, payment_id)
    if payment.prompted_at is not None or payment.paid_at is not None:
        return None
    payment.prompted_at = uow.now
    uow.later(CheckPayment(payment.id), at=uow.now + CHECKS[0])
    return Prompt(
        payer=Msisdn(payment.msisdn), amount=payment.amount, reference=payment.code,
        description=tenants.current(uow).name,
    )  # fmt: skip


@system_only
def unprompt(uow: UnitOfWork, payment_id: int) -> None:
    """Surely not asked (the company is down): take the mark back, so that the customer is asked when it is up again."""
    payment = _locked(uow, payment_id)
    if payment.request_id is None and payment.paid_at is None:
        payment.prompted_at = None


@system_only
def prompted(uow: UnitOfWork, payment_id: int, reply: Prompted) -> None:
    """The company accepted: note how it calls this request."""
    payment = _locked(uow, payment_id)
    payment.request_id, payment.merchant_request_id = reply.request_id, reply.merchant_request_id
    uow.record("payment.prompted", payment)


@system_only
def prompt_refused(uow: UnitOfWork, payment_id: int, code: str, message: str) -> Payment:
    """The company will not ask this phone."""
    payment = _locked(uow, payment_id)
    payment.no_because, payment.no_code = "configuration" if code else "other", code[:40]
    uow.record("payment.refused", payment, code=code, message=message[:200])
    return payment


@system_only
def not_paid(uow: UnitOfWork, company: str, outcome: NotPaid, code: str = "") -> Payment | None:
    """A callback said no. Kept as a hint; None when it names nothing we asked for or comes after the money."""
    payment = uow.session.scalar(
        select(Payment).where(Payment.company == company, Payment.request_id == outcome.request_id).with_for_update()
    ) or (by_code(uow, code) if codes.is_sound(code) else None)
    if payment is None or payment.paid_at is not None:
        return None
    payment.no_because, payment.no_code = outcome.why, outcome.code[:40]
    uow.record("payment.not_paid", payment, why=outcome.why, code=outcome.code)
    return payment


@system_only
def to_check(uow: UnitOfWork, payment_id: int) -> Payment | None:
    """The request we should ask the company about; None once it is paid."""
    payment = _locked(uow, payment_id)
    return payment if payment.paid_at is None else None


@system_only
def checked(uow: UnitOfWork, payment: Payment, round_: int, hint: NotPaid | None) -> None:
    """Asked, and it is not (yet) paid. Another look is promised until the rounds are used up; nothing is closed."""
    if hint is not None:
        payment.no_because, payment.no_code = hint.why, hint.code[:40]
    if round_ + 1 < len(CHECKS):
        uow.later(CheckPayment(payment.id, round_ + 1), at=uow.now + CHECKS[round_ + 1])
    else:
        uow.record("payment.unknown", payment)


@system_only
def credit(uow: UnitOfWork, company: str, paid: Paid, *, code: str = "") -> Arrival:
    """Book arrived money: into the payer's wallet, or into suspense. Once per receipt.

    A callback for a prompt must carry the amount we asked for; another amount is not believed (the status check decides).
    """
    match = find(uow, company, paid, code, tenants.current(uow).country)
    payment = match.payment
    if paid.receipt_no is not None:  # looked up under the payment's lock: callback and confirmation come together
        known = deposit_by_receipt(uow, company, paid.receipt_no)
        if known is not None:
            return Arrival("known receipt", False, known.customer_id)
    if payment is not None:
        if paid.request_id is not None and paid.amount != payment.amount:
            uow.record("payment.amount_mismatch", payment, asked=str(payment.amount), told=str(paid.amount))
            return Arrival("amount differs from what was asked", False, payment.customer_id)
        adopted = _same_money(uow, payment, paid)
        if adopted is not None:
            adopted.receipt_no = adopted.receipt_no or paid.receipt_no
            return Arrival("known payment", False, payment.customer_id)
        payment.request_id = payment.request_id or paid.request_id
    return _book(uow, company, paid, match.customer_id, payment)


_BOOKED = select(Deposit).where(Deposit.tenant_id == OWN_TENANT, Deposit.payment_id == bindparam("payment"))
_BY_RECEIPT = select(Deposit).where(
    Deposit.tenant_id == OWN_TENANT, Deposit.company == bindparam("company"), Deposit.receipt_no == bindparam("receipt")
)


def _same_money(uow: UnitOfWork, payment: Payment, paid: Paid) -> Deposit | None:
    """A deposit of this payment that the news is about: booked without a receipt, or the news itself has none."""
    booked = uow.find(_BOOKED, payment=payment.id).all()
    if paid.receipt_no is None:
        return booked[0] if booked else None
    return next((row for row in booked if row.receipt_no is None and row.amount == paid.amount), None)


def _book(uow: UnitOfWork, company: str, paid: Paid, customer_id: int | None, payment: Payment | None) -> Arrival:
    deposit = uow.add(
        Deposit(
            company=company, receipt_no=paid.receipt_no, request_id=paid.request_id, amount_minor=paid.amount.minor,
            currency=paid.amount.currency, customer_id=customer_id, payment_id=payment.id if payment else None,
            account=(paid.account or "")[:40] or None, payer_hint=paid.payer or (paid.payer_hint or "")[:80] or None,
            paid_at=paid.paid_at, received_at=uow.now,
        )
    )  # fmt: skip
    ledger.transfer(
        uow, key=f"deposit:{deposit.id}", code=Code.DEPOSIT, debit=chart.gateway(company),
        credit=chart.wallet(customer_id) if customer_id else chart.SUSPENSE, amount=paid.amount,
    )  # fmt: skip
    if payment is not None:
        payment.paid_at = payment.paid_at or uow.now
        payment.no_because = payment.no_code = None
    uow.record("deposit.booked" if customer_id else "deposit.suspense", deposit, amount=str(paid.amount))
    verdict = "booked" if customer_id else "suspense: nobody known owns it"
    return Arrival(verdict, True, customer_id, payment.purchase_id if payment else None, deposit.id)


@customers_may
def deposit_by_receipt(uow: UnitOfWork, company: str, receipt_no: str) -> Deposit | None:
    """The deposit with this receipt."""
    return uow.find(_BY_RECEIPT, company=company, receipt=receipt_no).one_or_none()


@requires(Can.SEE_BOOKS)
def in_suspense(uow: UnitOfWork, limit: int = 50) -> Sequence[Deposit]:
    """Money nobody owns yet, oldest first."""
    return uow.session.scalars(
        select(Deposit).where(Deposit.customer_id.is_(None)).order_by(Deposit.received_at).limit(limit)
    ).all()


@customers_may
def claim(uow: UnitOfWork, who: Customer, receipt_no: str) -> Arrival:
    """A customer says "I paid with this receipt": from suspense into their wallet, if the payer fits. Theirs already: not fresh.

    The payer is known to us only as a number, a mask or a hash; money with no hint at all is not given away by a receipt
    number alone, the owner decides.
    """
    deposit = uow.session.scalar(select(Deposit).where(Deposit.receipt_no == receipt_no).with_for_update())
    if deposit is None:
        raise NoSuchReceipt(receipt=receipt_no)
    if deposit.customer_id == who.id:
        return Arrival("known receipt", False, who.id, deposit_id=deposit.id)
    if deposit.customer_id is not None or who.phone is None or not _payer_fits(who.phone, deposit.payer_hint or ""):
        raise NotYourReceipt(receipt=receipt_no)
    deposit.customer_id = who.id
    ledger.transfer(
        uow, key=f"claim:{deposit.id}", code=Code.CORRECTION, debit=chart.SUSPENSE, credit=chart.wallet(who.id),
        amount=deposit.amount,
    )  # fmt: skip
    uow.record("deposit.claimed", deposit, customer=who.id)
    return Arrival("claimed", True, who.id, deposit_id=deposit.id)


def _payer_fits(msisdn: Msisdn, hint: str) -> bool:
    if is_masked(hint):
        return msisdn.fits_mask(hint)
    return hint in {str(msisdn), msisdn.digits} or hint.lower() == msisdn.sha256
