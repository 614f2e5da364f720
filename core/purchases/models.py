"""Purchase."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, TenantOwned, pk
from core.money import Money

_WAITING = text("completed_at IS NULL AND cancelled_at IS NULL")


class Purchase(TenantOwned, Base):
    """Asked (`created_at`), paid and served (`completed_at`) are facts; nothing but time and the customer end the wait."""

    __tablename__ = "purchase"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        Index("ix_purchase_waiting", "customer_id", "created_at", postgresql_where=_WAITING, sqlite_where=_WAITING),
        Index("ix_purchase_customer", "customer_id", "completed_at"),
    )

    id: Mapped[pk]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    package_id: Mapped[int] = mapped_column(ForeignKey("package.id"))
    key: Mapped[str] = mapped_column(String(140))
    price_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    created_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]

    @property
    def price(self) -> Money:
        return Money(self.price_minor, self.currency)
