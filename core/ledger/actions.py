"""Moving money."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from core.errors import Refusal
from core.ledger import chart
from core.ledger.chart import Code
from core.ledger.models import Account, Transfer
from core.money import Money
from core.roles import Can, customers_may, requires
from core.uow import UnitOfWork


class InsufficientFunds(Refusal):
    """There is not enough money for this."""


class KeyReused(RuntimeError):
    """The same key was used for two different transfers: a bug in whoever made the key."""


@customers_may
def transfer(uow: UnitOfWork, *, key: str, code: Code, debit: str, credit: str, amount: Money) -> Transfer:
    """Move `amount` from account `debit` to account `credit`, once per key; a repeat returns the first.

    Raises `InsufficientFunds` when a guarded account would be overdrawn, `KeyReused` when the repeat differs.
    """
    known = uow.session.scalar(select(Transfer).where(Transfer.key == key))
    if known is not None:
        if known.amount_minor != amount.minor or known.code != code.value:
            raise KeyReused(key)
        return known
    # Accounts are locked in the order of their names, so that two transfers over the same pair cannot wait for each other.
    ids = {name: _account_id(uow, name, amount.currency) for name in sorted((debit, credit))}
    for name in sorted((debit, credit)):
        delta = -amount.minor if name == debit else amount.minor
        moved = uow.session.execute(
            update(Account)
            .where(Account.id == ids[name], or_(~Account.guarded, Account.balance_minor + delta >= 0))
            .values(balance_minor=Account.balance_minor + delta)
            .execution_options(synchronize_session=False)
        )
        if moved.rowcount != 1:  # type: ignore[attr-defined]
            raise InsufficientFunds(account=name, needed=str(amount))
    return uow.add(
        Transfer(
            key=key, code=code.value, debit_account_id=ids[debit], credit_account_id=ids[credit],
            amount_minor=amount.minor, actor=uow.actor.name, at=uow.now,
        )
    )  # fmt: skip


def _account_id(uow: UnitOfWork, name: str, currency: str) -> int:
    find = select(Account.id).where(Account.name == name, Account.currency == currency)
    found = uow.session.scalar(find)
    if found is not None:
        return found
    insert = postgres_insert if uow.session.get_bind().dialect.name == "postgresql" else sqlite_insert
    uow.session.execute(
        insert(Account)
        .values(tenant_id=uow.tenant, name=name, currency=currency, guarded=chart.is_guarded(name), balance_minor=0)
        .on_conflict_do_nothing(index_elements=["tenant_id", "name", "currency"])
    )
    return uow.session.execute(find).scalar_one()


@customers_may
def balance(uow: UnitOfWork, account: str, currency: str) -> Money:
    """Credits minus debits; nothing for an account that was never used."""
    minor = uow.session.scalar(
        select(Account.balance_minor).where(Account.name == account, Account.currency == currency)
    )
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
