"""Whose money is this deposit?

In this order: the prompt it answers, the payment code or account code that was typed, a phone number that was typed, the
payer's number or hash. A masked number matches nobody by itself. What nobody owns goes to suspense.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, select

from core import codes, customers
from core.payments.models import Payment
from core.phone import BadPhone, Msisdn
from core.ports import Paid
from core.uow import OWN_TENANT, UnitOfWork

ORPHAN_WINDOW = timedelta(minutes=30)
"""How long a prompt whose request id we lost (worker killed) may be recognised by payer and amount."""
TYPED_LENGTH_MAX = 40


@dataclass(frozen=True, slots=True)
class Match:
    """Whose it is; `payment` when it answers a request of ours. `exact` False: recognised by payer and amount only."""

    customer_id: int | None = None
    payment: Payment | None = None


def find(uow: UnitOfWork, company: str, paid: Paid, code: str, country: str) -> Match:
    """Look for the owner. `code` is the payment code from our own callback address, empty if there was none."""
    payment = _by_request(uow, company, paid) or _by_code(uow, code)
    if payment is None and paid.request_id is not None:
        payment = _orphan(uow, company, paid)
        return Match(payment.customer_id, payment) if payment else Match()
    typed = codes.normalise(paid.account or "")
    payment = payment or _by_code(uow, typed)
    if payment is not None:
        return Match(payment.customer_id, payment)
    return Match(_by_account(uow, paid, typed, country))


_BY_REQUEST = (
    select(Payment)
    .where(
        Payment.tenant_id == OWN_TENANT,
        Payment.company == bindparam("company"),
        Payment.request_id == bindparam("request"),
    )
    .with_for_update()
)


def _by_request(uow: UnitOfWork, company: str, paid: Paid) -> Payment | None:
    if not paid.request_id:
        return None
    return uow.find(_BY_REQUEST, company=company, request=paid.request_id).one_or_none()


def _by_code(uow: UnitOfWork, code: str) -> Payment | None:
    if not codes.is_sound(code):
        return None
    return uow.session.scalar(select(Payment).where(Payment.code == code).with_for_update())


def _orphan(uow: UnitOfWork, company: str, paid: Paid) -> Payment | None:
    """A prompt that went out although we died before noting its request id."""
    if paid.payer is None:
        return None
    return uow.session.scalar(
        select(Payment)
        .where(
            Payment.company == company,
            Payment.msisdn == paid.payer,
            Payment.amount_minor == paid.amount.minor,
            Payment.request_id.is_(None),
            Payment.paid_at.is_(None),
            Payment.prompted_at >= uow.now - ORPHAN_WINDOW,
        )
        .order_by(Payment.prompted_at.desc())
        .limit(1)
        .with_for_update()
    )


def _by_account(uow: UnitOfWork, paid: Paid, typed: str, country: str) -> int | None:
    if codes.is_sound(typed):
        owner = customers.by_account_code(uow, typed)
        if owner is not None:
            return owner.id
    try:
        known = customers.by_phone(uow, Msisdn.parse((paid.account or "")[:TYPED_LENGTH_MAX], country))
    except BadPhone:
        known = None
    if known is None and paid.payer is not None:
        known = customers.by_phone(uow, paid.payer)
    if known is None and paid.payer_hint and len(paid.payer_hint) == 64:
        known = customers.by_hash(uow, paid.payer_hint)
    return None if known is None else known.id
