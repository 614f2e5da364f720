"""Tenant, its secrets in URLs, sites and staff."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, Id, Sealed, TenantOwned, pk

DOORS = ("ussd", "sms", "hooks")
"""Doors that outsiders reach by an address with a secret in it."""


class Tenant(Base):
    """An ISP or a reseller. All of its money is in one currency, all of its days end in one zone."""

    __tablename__ = "tenant"

    id: Mapped[pk]
    slug: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(60))
    country: Mapped[str] = mapped_column(String(2))
    currency: Mapped[str] = mapped_column(String(3))
    language: Mapped[str] = mapped_column(String(5))
    timezone: Mapped[str] = mapped_column(String(40))
    realm: Mapped[str] = mapped_column(String(40), unique=True)
    """Appended to RADIUS user names; empty for the first tenant of an installation."""
    settings: Mapped[str] = mapped_column(Sealed())
    settings_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]


class DoorSecret(Base):
    """The unguessable part of an address, kept only as SHA-256. Several may be valid while one is being replaced."""

    __tablename__ = "door_secret"

    id: Mapped[pk]
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    door: Mapped[str] = mapped_column(String(16))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    sealed: Mapped[str] = mapped_column(Sealed())
    created_at: Mapped[datetime]


class Site(TenantOwned, Base):
    """A place with routers: packages bought there work on all of them."""

    __tablename__ = "site"
    __table_args__ = (UniqueConstraint("tenant_id", "slug"),)

    id: Mapped[pk]
    slug: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime]


class Staff(TenantOwned, Base):
    """Somebody who works for the ISP, known by chat once linked."""

    __tablename__ = "staff"
    __table_args__ = (
        Index(
            "uq_staff_chat", "chat_id", unique=True, postgresql_where=text("chat_id IS NOT NULL"),
            sqlite_where=text("chat_id IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[pk]
    label: Mapped[str] = mapped_column(String(60))
    role: Mapped[str] = mapped_column(String(16))
    chat_id: Mapped[int | None] = mapped_column(Id)
    created_at: Mapped[datetime]
