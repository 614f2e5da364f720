"""Payment (what we asked for) and deposit (what came)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, Id, TenantOwned, pk
from core.money import Money


class Payment(TenantOwned, Base):
    """One request for money on one phone. Prompted at most once; never closed by a "no", because a late yes is honoured."""

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        UniqueConstraint("tenant_id", "code"),
        UniqueConstraint("tenant_id", "company", "request_id"),
        Index("ix_payment_purchase", "purchase_id"),
        Index(
            "ix_payment_unanswered", "prompted_at", postgresql_where=text("paid_at IS NULL"),
            sqlite_where=text("paid_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[pk]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    purchase_id: Mapped[int] = mapped_column(Id)
    company: Mapped[str] = mapped_column(String(20))
    code: Mapped[str] = mapped_column(String(12))
    """Our reference, shown to the payer and echoed by the company."""
    key: Mapped[str] = mapped_column(String(100))
    msisdn: Mapped[str] = mapped_column(String(20))
    amount_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    asked_at: Mapped[datetime]
    prompted_at: Mapped[datetime | None]
    request_id: Mapped[str | None] = mapped_column(String(100))
    merchant_request_id: Mapped[str | None] = mapped_column(String(100))
    no_because: Mapped[str | None] = mapped_column(String(20))
    """The last "no" we heard: a hint for people, decides nothing."""
    no_code: Mapped[str | None] = mapped_column(String(40))
    paid_at: Mapped[datetime | None]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)


class Deposit(TenantOwned, Base):
    """Money that arrived, once per receipt. Without a customer it lies in suspense until claimed.

    `receipt_no` is empty while only a status query vouches for it; the receipt is filled in when it comes.
    """

    __tablename__ = "deposit"
    __table_args__ = (
        UniqueConstraint("tenant_id", "company", "receipt_no"),
        Index("ix_deposit_payment", "payment_id"),
        Index(
            "ix_deposit_suspense", "received_at", postgresql_where=text("customer_id IS NULL"),
            sqlite_where=text("customer_id IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[pk]
    company: Mapped[str] = mapped_column(String(20))
    receipt_no: Mapped[str | None] = mapped_column(String(40))
    request_id: Mapped[str | None] = mapped_column(String(100))
    amount_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    customer_id: Mapped[int | None]
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"))
    account: Mapped[str | None] = mapped_column(String(40))
    payer_hint: Mapped[str | None] = mapped_column(String(80))
    paid_at: Mapped[datetime | None]
    received_at: Mapped[datetime]

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
