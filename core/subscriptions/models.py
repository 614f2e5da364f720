"""Subscription, the purchases that fed it, and the log of cut-offs."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Computed, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.catalog import MAC, Profile
from core.db import Base, Id, Stored, TenantOwned, pk

_OPEN = "closed_at IS NULL"
_EXHAUSTED = "closed_at IS NULL AND suspended_at IS NULL AND slowed_at IS NULL AND spent"
_WAITING = "closed_at IS NULL AND begun_at IS NULL"
_TO_REMIND = "closed_at IS NULL AND remind_at IS NOT NULL"
_TO_RENEW = "closed_at IS NULL AND renew_at IS NOT NULL"


class Subscription(TenantOwned, Base):
    """A stretch of access for one customer.

    It runs from `starts_at` to `ends_at` while `used_bytes` is below `quota_bytes` (None: unlimited), and after its end goes
    on until `over_at`, which is later only with a period of grace. `begun_at` is set when its turn has come, `closed_at` when
    it is over. `suspended_reason`: data_limit · operator. With fair use (`slows`) it is not suspended when its data is used up
    but goes on slowly, since `slowed_at`. `service`, speeds and `profile` are those of the package when it was bought.
    `spent` is kept by the database: all its data is used. It seldom changes, so an index may know it and a charge stays cheap.
    `remind_at` and `renew_at` are when the next reminder and the renewal from the wallet fall due.
    """

    __tablename__ = "subscription"
    __table_args__ = (
        Index("ix_subscription_over", "over_at", postgresql_where=text(_OPEN), sqlite_where=text(_OPEN)),
        Index(
            "ix_subscription_exhausted", "id", postgresql_where=text(_EXHAUSTED), sqlite_where=text(f"{_EXHAUSTED} = 1")
        ),
        Index("ix_subscription_waiting", "starts_at", postgresql_where=text(_WAITING), sqlite_where=text(_WAITING)),
        Index("ix_subscription_remind", "remind_at", postgresql_where=text(_TO_REMIND), sqlite_where=text(_TO_REMIND)),
        Index("ix_subscription_renew", "renew_at", postgresql_where=text(_TO_RENEW), sqlite_where=text(_TO_RENEW)),
        Index("ix_subscription_customer", "customer_id", "id"),
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
    spent: Mapped[bool | None] = mapped_column(Computed("used_bytes >= quota_bytes", persisted=True))
    upload_kbps: Mapped[int | None]
    download_kbps: Mapped[int | None]
    device_limit: Mapped[int] = mapped_column(default=1)
    service: Mapped[str] = mapped_column(String(8), default=MAC, server_default=MAC)
    profile: Mapped[Profile] = mapped_column(Stored(Profile), default=Profile(), server_default=text("'{}'"))
    slows: Mapped[bool] = mapped_column(default=False, server_default=text("(false)"))
    suspended_at: Mapped[datetime | None]
    suspended_reason: Mapped[str | None] = mapped_column(String(12))
    slowed_at: Mapped[datetime | None]
    over_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    remind_at: Mapped[datetime | None]
    renew_at: Mapped[datetime | None]

    def shift(self, by: timedelta) -> None:
        """Move it as a whole: it waits for something that has become longer or shorter."""
        self.starts_at += by
        self.ends_at += by
        self.over_at += by
        self.remind_at = self.remind_at and self.remind_at + by
        self.renew_at = self.renew_at and self.renew_at + by


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
