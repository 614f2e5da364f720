"""One SMS and what became of it; who does not want any."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, TenantOwned, pk


class Message(TenantOwned, Base):
    """One text to one phone. `key` makes it exist once; `state` only moves forward.

    queued → accepted → sent → delivered | failed. `cost_micro` is in millionths of the tenant's currency.
    """

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key"),
        Index("ix_message_external_id", "external_id", postgresql_where=text("external_id IS NOT NULL"), sqlite_where=text("external_id IS NOT NULL")),
        Index("ix_message_msisdn", "msisdn", "created_at"),
    )  # fmt: skip

    id: Mapped[pk]
    key: Mapped[str] = mapped_column(String(100))
    msisdn: Mapped[str] = mapped_column(String(20))
    template: Mapped[str] = mapped_column(String(40))
    text: Mapped[str] = mapped_column(Text)
    parts: Mapped[int]
    link_id: Mapped[str | None] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(12), default="queued")
    reason: Mapped[str | None] = mapped_column(String(60))
    external_id: Mapped[str | None] = mapped_column(String(100))
    cost_micro: Mapped[int | None]
    created_at: Mapped[datetime]
    handed_over_at: Mapped[datetime | None]
    final_at: Mapped[datetime | None]


class OptOut(TenantOwned, Base):
    """A number that wants no marketing from this ISP; `evidence` is what it said (captive-portal.md §7)."""

    __tablename__ = "opt_out"
    __table_args__ = (UniqueConstraint("tenant_id", "msisdn"),)

    id: Mapped[pk]
    msisdn: Mapped[str] = mapped_column(String(20))
    evidence: Mapped[str] = mapped_column(String(160))
    blocked: Mapped[bool] = mapped_column(default=False)
    """The gateway itself refuses this number: even receipts cannot reach it."""
    at: Mapped[datetime]
