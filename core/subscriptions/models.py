"""Subscription, the purchases that fed it, and the log of cut-offs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, Id, TenantOwned, pk

_OPEN = "closed_at IS NULL"
_EXHAUSTED = "closed_at IS NULL AND suspended_at IS NULL AND used_bytes >= quota_bytes"
_WAITING = "closed_at IS NULL AND begun_at IS NULL"


class Subscription(TenantOwned, Base):
    """A stretch of access for one customer.

    It runs from `starts_at` to `ends_at` while `used_bytes` is below `quota_bytes` (None: unlimited). `begun_at` is set
    when its turn has come, `closed_at` when its time is over. `suspended_reason`: data_limit · operator.
    """

    __tablename__ = "subscription"
    __table_args__ = (
        Index("ix_subscription_ends", "ends_at", postgresql_where=text(_OPEN), sqlite_where=text(_OPEN)),
        Index("ix_subscription_exhausted", "id", postgresql_where=text(_EXHAUSTED), sqlite_where=text(_EXHAUSTED)),
        Index("ix_subscription_waiting", "starts_at", postgresql_where=text(_WAITING), sqlite_where=text(_WAITING)),
        Index("ix_subscription_customer_open", "customer_id", postgresql_where=text(_OPEN), sqlite_where=text(_OPEN)),
    )

    id: Mapped[pk]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    package_id: Mapped[int] = mapped_column(ForeignKey("package.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    begun_at: Mapped[datetime | None]
    quota_bytes: Mapped[int | None]
    used_bytes: Mapped[int] = mapped_column(default=0)
    upload_kbps: Mapped[int | None]
    download_kbps: Mapped[int | None]
    device_limit: Mapped[int] = mapped_column(default=1)
    suspended_at: Mapped[datetime | None]
    suspended_reason: Mapped[str | None] = mapped_column(String(12))
    closed_at: Mapped[datetime | None]


class Grant(TenantOwned, Base):
    """What one purchase added to which subscription. Exists once per purchase."""

    __tablename__ = "subscription_grant"

    id: Mapped[pk]
    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscription.id"))
    purchase_id: Mapped[int] = mapped_column(Id, unique=True)
    added_seconds: Mapped[int]
    added_bytes: Mapped[int | None]
    at: Mapped[datetime]


class Suspension(TenantOwned, Base):
    """Somebody was cut off: why and when. Reasons: time_limit · data_limit · operator."""

    __tablename__ = "suspension"
    __table_args__ = (Index("ix_suspension_customer", "customer_id", "at"),)

    id: Mapped[pk]
    subscription_id: Mapped[int] = mapped_column(ForeignKey("subscription.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    reason: Mapped[str] = mapped_column(String(12))
    at: Mapped[datetime]
