"""Customer and device."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, TenantOwned, pk

_HELD = text("released_at IS NULL")


class Customer(TenantOwned, Base):
    """Somebody who buys, known by their mobile number."""

    __tablename__ = "customer"
    __table_args__ = (
        UniqueConstraint("tenant_id", "msisdn"),
        UniqueConstraint("tenant_id", "account_code"),
        UniqueConstraint("tenant_id", "msisdn_hash"),
    )

    id: Mapped[pk]
    msisdn: Mapped[str] = mapped_column(String(20))
    msisdn_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 as M-Pesa computes it, only to recognise payers we already know (payments.md §1.4)."""
    account_code: Mapped[str] = mapped_column(String(12))
    """What they type as account number when paying to the Paybill by hand."""
    language: Mapped[str] = mapped_column(String(5))
    last_network: Mapped[str | None] = mapped_column(String(8))
    created_at: Mapped[datetime]


class Device(TenantOwned, Base):
    """A claim of a customer on a MAC address; ended, not deleted, when released."""

    __tablename__ = "device"
    __table_args__ = (
        Index("uq_device_mac_held", "tenant_id", "mac", unique=True, postgresql_where=_HELD, sqlite_where=_HELD),
        Index("ix_device_customer_held", "customer_id", postgresql_where=_HELD, sqlite_where=_HELD),
    )

    id: Mapped[pk]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    mac: Mapped[str] = mapped_column(String(17))
    added_at: Mapped[datetime]
    released_at: Mapped[datetime | None]

    @property
    def short(self) -> str:
        """How we call it in front of its owner: the last four signs of the MAC, `A1B2`."""
        return self.mac[-5:].replace(":", "")

    @property
    def randomised(self) -> bool:
        """A privacy address that may change one day (captive-portal.md §4): the locally administered bit."""
        return bool(int(self.mac[1], 16) & 2)
