"""Customer, device and login."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.customers.extras import Extras
from core.db import Base, Sealed, Stored, TenantOwned, pk
from core.phone import Msisdn
from core.ports import MAC, PPP

_HELD = text("released_at IS NULL")


class Customer(TenantOwned, Base):
    """Somebody who buys, known by their mobile number; who has only ever typed a voucher on a login page has none yet."""

    __tablename__ = "customer"
    __table_args__ = (
        UniqueConstraint("tenant_id", "msisdn"),
        UniqueConstraint("tenant_id", "account_code"),
        UniqueConstraint("tenant_id", "msisdn_hash"),
    )

    id: Mapped[pk]
    msisdn: Mapped[str | None] = mapped_column(String(20))
    msisdn_hash: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 as M-Pesa computes it, only to recognise payers we already know (payments.md §1.4)."""
    account_code: Mapped[str] = mapped_column(String(12))
    """What they type as account number when paying to the Paybill by hand."""
    language: Mapped[str] = mapped_column(String(5))
    last_network: Mapped[str | None] = mapped_column(String(8))
    auto_renews: Mapped[bool] = mapped_column(default=False, server_default=text("(false)"))
    """What ends is bought again from the wallet, if that holds enough."""
    created_at: Mapped[datetime]

    @property
    def phone(self) -> Msisdn | None:
        """Where they can be told something, if anywhere."""
        return None if self.msisdn is None else Msisdn(self.msisdn)


class Device(TenantOwned, Base):
    """A claim of a customer on a MAC address; ended, not deleted, when released."""

    __tablename__ = "device"
    __table_args__ = (
        Index("uq_device_mac_held", "tenant_id", "mac", unique=True, postgresql_where=_HELD, sqlite_where=_HELD),
        Index("ix_device_customer", "customer_id"),
    )

    id: Mapped[pk]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    mac: Mapped[str] = mapped_column(String(17))
    extras: Mapped[Extras] = mapped_column(Stored(Extras), default=Extras(), server_default=text("'{}'"))
    added_at: Mapped[datetime]
    released_at: Mapped[datetime | None]

    @property
    def user(self) -> str:
        """Its name in RADIUS."""
        return self.mac

    @property
    def service(self) -> str:
        return MAC

    @property
    def secret(self) -> str | None:
        """It proves itself by its router's secret (radius.md §6)."""
        return None

    @property
    def short(self) -> str:
        """How we call it in front of its owner: the last four signs of the MAC, `A1B2`."""
        return self.mac[-5:].replace(":", "")

    @property
    def randomised(self) -> bool:
        """A privacy address that may change one day (captive-portal.md §4): the locally administered bit."""
        return bool(int(self.mac[1], 16) & 2)


class Login(TenantOwned, Base):
    """A name and a password with which a customer's router dials in (PPPoE). The name never becomes anybody else's."""

    __tablename__ = "login"
    __table_args__ = (UniqueConstraint("tenant_id", "name"), Index("ix_login_customer", "customer_id"))

    id: Mapped[pk]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    name: Mapped[str] = mapped_column(String(63))
    password: Mapped[str] = mapped_column(Sealed())
    """Made by us and reversible: CHAP and MS-CHAP need it so, and nobody's own password is ever asked for (radius.md §4.1)."""
    extras: Mapped[Extras] = mapped_column(Stored(Extras), default=Extras(), server_default=text("'{}'"))
    added_at: Mapped[datetime]
    released_at: Mapped[datetime | None]

    @property
    def user(self) -> str:
        """Its name in RADIUS."""
        return self.name

    @property
    def service(self) -> str:
        return PPP

    @property
    def secret(self) -> str | None:
        return self.password
