"""Issuing and redeeming."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import func, select

from core import catalog, codes, ledger, purchases
from core.customers import Customer
from core.errors import Refusal
from core.ledger import Code, chart
from core.money import Money
from core.roles import Can, customers_may, requires
from core.uow import UnitOfWork
from core.vouchers.models import FailedTry, Voucher

CODE_LENGTH = 10
"""Nine random characters of 32 and a check character: 2^45 codes."""
TRIES_MAX, TRIES_WINDOW = 10, timedelta(hours=1)


class UnknownVoucher(Refusal):
    """There is no such voucher."""


class VoucherUsed(Refusal):
    """This voucher has been used."""


class VoucherExpired(Refusal):
    """This voucher is no longer valid."""


class TooManyTries(Refusal):
    """Too many wrong codes: wait an hour."""


@requires(Can.ISSUE_VOUCHERS)
def issue(uow: UnitOfWork, package: catalog.Package, *, expires_at: datetime | None = None) -> str:
    """Make one voucher for `package` at its present price and return its code; the code is not kept."""
    code = codes.make(CODE_LENGTH)
    voucher = uow.add(
        Voucher(
            digest=digest_of(code), ending=code[-3:], package_id=package.id, value_minor=package.price_minor,
            currency=package.currency, issued_at=uow.now, expires_at=expires_at,
        )
    )  # fmt: skip
    uow.record("voucher.issued", voucher, package=package.code)
    return code


@requires(Can.ISSUE_VOUCHERS)
def void(uow: UnitOfWork, voucher: Voucher) -> None:
    """Make an unused voucher worthless."""
    if voucher.redeemed_at is not None or voucher.claimed_at is not None:
        raise VoucherUsed(ending=voucher.ending)
    voucher.voided_at = voucher.voided_at or uow.now
    uow.record("voucher.voided", voucher)


@customers_may
def redeem(uow: UnitOfWork, customer: Customer, typed: str) -> purchases.Purchase:
    """Turn a voucher into wallet money and spend it on the package printed on it.

    The same customer typing the same code again gets the same purchase. A refusal counts as a try where guessing is the
    likely reason; the caller must commit even so (`FailedTry` is a fact).
    """
    since = uow.now - TRIES_WINDOW
    tries = uow.session.scalar(
        select(func.count()).select_from(FailedTry).where(FailedTry.customer_id == customer.id, FailedTry.at > since)
    )
    if (tries or 0) >= TRIES_MAX:
        raise TooManyTries()
    code = codes.normalise(typed)
    voucher = None
    if len(code) == CODE_LENGTH and codes.is_sound(code):
        voucher = uow.session.scalar(select(Voucher).where(Voucher.digest == digest_of(code)).with_for_update())
    if voucher is None:
        uow.add(FailedTry(customer_id=customer.id, at=uow.now))
        raise UnknownVoucher()
    if voucher.redeemed_by != customer.id and (voucher.redeemed_at is not None or voucher.claimed_at is not None):
        raise VoucherUsed(ending=voucher.ending)
    expired = voucher.expires_at is not None and voucher.expires_at <= uow.now
    if voucher.redeemed_at is None and (expired or voucher.voided_at is not None):
        raise VoucherExpired(ending=voucher.ending)
    return spend(uow, voucher, customer)


@customers_may
def spend(uow: UnitOfWork, voucher: Voucher, customer: Customer) -> purchases.Purchase:
    """A voucher that is known to be good and this customer's: wallet money, and the package for it. A repeat changes nothing."""
    value = Money(voucher.value_minor, voucher.currency)
    if voucher.redeemed_at is None:
        voucher.redeemed_at, voucher.redeemed_by = uow.now, customer.id
        if value.minor:
            ledger.transfer(
                uow, key=f"voucher:{voucher.id}", code=Code.VOUCHER, debit=chart.VOUCHERS,
                credit=chart.wallet(customer.id), amount=value,
            )  # fmt: skip
        uow.record("voucher.redeemed", voucher, customer=customer.id)
    package = catalog.package(uow, voucher.package_id)
    return purchases.buy_at(uow, customer, package, value, key=f"voucher:{voucher.id}", from_wallet=True)


def digest_of(code: str) -> bytes:
    """What is kept of a code (normalised)."""
    return hashlib.sha256(code.encode()).digest()
