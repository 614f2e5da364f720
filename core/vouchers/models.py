"""Voucher, and who guessed at codes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, Id, TenantOwned, pk


class Voucher(TenantOwned, Base):
    """A prepaid code. Only its SHA-256 is kept; `ending` is for talking about it on the phone."""

    __tablename__ = "voucher"
    __table_args__ = (UniqueConstraint("tenant_id", "digest"),)

    id: Mapped[pk]
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    ending: Mapped[str] = mapped_column(String(4))
    package_id: Mapped[int] = mapped_column(ForeignKey("package.id"))
    value_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    redeemed_at: Mapped[datetime | None]
    redeemed_by: Mapped[int | None]
    voided_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    claimed_by: Mapped[str | None] = mapped_column(String(17))
    """The MAC on whose router's login page it was typed: nobody else can use it from that moment (decision 0022)."""


class Guess(TenantOwned, Base):
    """A wrong code typed on a router's own login page: by which device, at which router."""

    __tablename__ = "voucher_guess"
    __table_args__ = (Index("ix_voucher_guess_mac", "mac", "at"), Index("ix_voucher_guess_router", "router_id", "at"))

    id: Mapped[pk]
    router_id: Mapped[int] = mapped_column(Id)
    mac: Mapped[str] = mapped_column(String(17))
    at: Mapped[datetime]


class FailedTry(TenantOwned, Base):
    """A wrong code, so that guessing ends."""

    __tablename__ = "voucher_failed_try"
    __table_args__ = (Index("ix_voucher_failed_try_customer", "customer_id", "at"),)

    id: Mapped[pk]
    customer_id: Mapped[int]
    at: Mapped[datetime]
