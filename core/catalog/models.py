"""Package and the prices it has had."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.catalog.profile import Profile
from core.db import Base, Stored, TenantOwned, pk
from core.money import Money
from core.ports import MAC, PPP

SERVICES = (MAC, PPP)
"""What packages are sold for."""


class Package(TenantOwned, Base):
    """Time (`duration_seconds`) and maybe data (`quota_bytes`, None unlimited) at a speed, for a price.

    `device_limit` is how many of the customer's devices, or for `ppp` how many sessions in all, may be on at once.
    """

    __tablename__ = "package"
    __table_args__ = (
        UniqueConstraint("tenant_id", "code"),
        CheckConstraint("price_minor >= 0", name="price"),
        CheckConstraint("duration_seconds > 0", name="duration"),
    )

    id: Mapped[pk]
    code: Mapped[str] = mapped_column(String(12))
    """What people text after BUY: `3H`, `DAY`, `WEEK`."""
    name: Mapped[str] = mapped_column(String(24))
    price_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    duration_seconds: Mapped[int]
    quota_bytes: Mapped[int | None]
    upload_kbps: Mapped[int | None]
    download_kbps: Mapped[int | None]
    device_limit: Mapped[int] = mapped_column(default=1)
    service: Mapped[str] = mapped_column(String(8), default=MAC, server_default=MAC)
    profile: Mapped[Profile] = mapped_column(Stored(Profile), default=Profile(), server_default=text("'{}'"))
    position: Mapped[int] = mapped_column(default=0)
    published_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]

    @property
    def price(self) -> Money:
        return Money(self.price_minor, self.currency)


class PackagePrice(TenantOwned, Base):
    """A price and when it began. Nothing is edited: the newest line before an instant was in force then."""

    __tablename__ = "package_price"
    __table_args__ = (Index("ix_package_price_package", "package_id", "from_at"),)

    id: Mapped[pk]
    package_id: Mapped[int] = mapped_column(ForeignKey("package.id"))
    price_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(String(3))
    from_at: Mapped[datetime]
