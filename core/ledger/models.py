"""Account and transfer: TigerBeetle's model in two tables."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, TenantOwned, pk


class Account(TenantOwned, Base):
    """`balance_minor` is credits minus debits. Guarded accounts (wallets, suspense) cannot fall below zero: the table says so."""

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name", "currency"),
        CheckConstraint("balance_minor >= 0 OR NOT guarded", name="not_overdrawn"),
    )

    id: Mapped[pk]
    name: Mapped[str] = mapped_column(String(60))
    currency: Mapped[str] = mapped_column(String(3))
    guarded: Mapped[bool] = mapped_column(Boolean)
    balance_minor: Mapped[int] = mapped_column(default=0)


class Transfer(TenantOwned, Base):
    """`amount_minor` (> 0) moved from the debit to the credit account. `key` is made by whoever starts it and exists once."""

    __tablename__ = "transfer"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        CheckConstraint("amount_minor > 0", name="positive"),
        CheckConstraint("debit_account_id <> credit_account_id", name="two_sides"),
        Index("ix_transfer_debit", "debit_account_id", "id"),
        Index("ix_transfer_credit", "credit_account_id", "id"),
    )

    id: Mapped[pk]
    key: Mapped[str] = mapped_column(String(100))
    code: Mapped[str] = mapped_column(String(12))
    debit_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    credit_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    amount_minor: Mapped[int]
    actor: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
