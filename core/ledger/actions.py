"""Moving money."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from core.errors import Refusal
from core.ledger import chart
from core.ledger.chart import Code
from core.ledger.models import Account, Transfer
from core.money import Money
from core.roles import Can, customers_may, requires
from core.uow import OWN_TENANT, UnitOfWork


class InsufficientFunds(Refusal):
    """There is not enough money for this."""


class KeyReused(RuntimeError):
    """The same key was used for two different transfers: a bug in whoever made the key."""


_KNOWN = select(Transfer).where(Transfer.tenant_id == OWN_TENANT, Transfer.key == bindparam("key"))
_ACCOUNT = (
    Account.tenant_id == OWN_TENANT, Account.name == bindparam("account"), Account.currency == bindparam("in_currency")
)  # fmt: skip
_BALANCE = select(Account.balance_minor).where(*_ACCOUNT)
_MOVE = (
    update(Account)
    .where(*_ACCOUNT, or_(~Account.guarded, Account.balance_minor + bindparam("delta") >= 0))
    .values(balance_minor=Account.balance_minor + bindparam("delta"))
    .returning(Account.id)
)


@customers_may
def transfer(uow: UnitOfWork, *, key: str, code: Code, debit: str, credit: str, amount: Money) -> Transfer:
    """Move `amount` from account `debit` to account `credit`, once per key; a repeat returns the first.

    Raises `InsufficientFunds` when a guarded account would be overdrawn, `KeyReused` when the repeat differs.
    """
    known = uow.find(_KNOWN, key=key).one_or_none()
    if known is not None:
        if known.amount_minor != amount.minor or known.code != code.value:
            raise KeyReused(key)
        return known
    # Accounts are locked in the order of their names, so that two transfers over the same pair cannot wait for each other.
    ids = {}
    for name in sorted((debit, credit)):
        delta = -amount.minor if name == debit else amount.minor
        moved = _move(uow, name, amount.currency, delta)
        if moved is None and _is_new(uow, name, amount.currency):
            moved = _move(uow, name, amount.currency, delta)
        if moved is None:
            raise InsufficientFunds(account=name, needed=str(amount))
        ids[name] = moved
    return uow.add(
        Transfer(
            key=key, code=code.value, debit_account_id=ids[debit], credit_account_id=ids[credit],
            amount_minor=amount.minor, actor=uow.actor.name, at=uow.now,
        )
    )  # fmt: skip


def _move(uow: UnitOfWork, name: str, currency: str, delta: int) -> int | None:
    """The account's id; None when there is no such account, or it is guarded and does not hold that much."""
    row = uow.run(_MOVE, account=name, in_currency=currency, delta=delta).first()
    return None if row is None else int(row.id)


def _is_new(uow: UnitOfWork, name: str, currency: str) -> bool:
    """Open the account if there was none until now."""
    if uow.run(_BALANCE, account=name, in_currency=currency).first() is not None:
        return False
    insert = postgres_insert if uow.session.get_bind().dialect.name == "postgresql" else sqlite_insert
    uow.session.execute(
        insert(Account)
        .values(tenant_id=uow.tenant, name=name, currency=currency, guarded=chart.is_guarded(name), balance_minor=0)
        .on_conflict_do_nothing(index_elements=["tenant_id", "name", "currency"])
    )
    return True


@customers_may
def balance(uow: UnitOfWork, account: str, currency: str) -> Money:
    """Credits minus debits; nothing for an account that was never used."""
    minor = uow.run(_BALANCE, account=account, in_currency=currency).scalar()
    return Money(minor or 0, currency)


@customers_may
def covers(uow: UnitOfWork, account: str, amount: Money) -> bool:
    """Is there enough?"""
    return balance(uow, account, amount.currency) >= amount


@requires(Can.SEE_BOOKS)
def statement(uow: UnitOfWork, account: str, currency: str, limit: int = 50) -> Sequence[Transfer]:
    """What moved over an account, newest first."""
    ids = select(Account.id).where(Account.name == account, Account.currency == currency).scalar_subquery()
    return uow.session.scalars(
        select(Transfer)
        .where(or_(Transfer.debit_account_id == ids, Transfer.credit_account_id == ids))
        .order_by(Transfer.id.desc())
        .limit(limit)
    ).all()


@requires(Can.SEE_BOOKS)
def totals(uow: UnitOfWork) -> dict[str, int]:
    """Balance of every kind of account in minor units; wallets and tills together. They sum to zero or something is very wrong."""
    rows = uow.session.execute(select(Account.name, func.sum(Account.balance_minor)).group_by(Account.name))
    result: dict[str, int] = {}
    for name, minor in rows:
        kind = (
            name.partition(":")[0] + ("s" if name.startswith("wallet:") else "")
            if not name.startswith("gateway:")
            else name
        )
        result[kind] = result.get(kind, 0) + int(minor)
    return result
