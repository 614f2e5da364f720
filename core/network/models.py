"""Router, and devices that were seen at one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, Sealed, TenantOwned, pk


class Router(TenantOwned, Base):
    """A MikroTik: how we reach it, how it reaches RADIUS, and whether it answers.

    `nas_address` is the source address of its RADIUS packets (a tunnel address per router, radius.md §4.6);
    `mac_auth_password` is the secret that makes a MAC login unforgeable (radius.md §6).
    """

    __tablename__ = "router"
    __table_args__ = (UniqueConstraint("tenant_id", "name"), UniqueConstraint("nas_address"))

    id: Mapped[pk]
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    name: Mapped[str] = mapped_column(String(40))
    host: Mapped[str] = mapped_column(String(100))
    api_port: Mapped[int]
    api_tls: Mapped[bool]
    username: Mapped[str] = mapped_column(String(40))
    password: Mapped[str] = mapped_column(Sealed())
    hotspot_server: Mapped[str] = mapped_column(String(40), default="")
    nas_address: Mapped[str] = mapped_column(String(45))
    radius_secret: Mapped[str] = mapped_column(Sealed())
    mac_auth_password: Mapped[str] = mapped_column(Sealed())
    coa_port: Mapped[int] = mapped_column(default=3799)
    added_at: Mapped[datetime]
    up_at: Mapped[datetime | None]
    """When it last answered."""
    down_since: Mapped[datetime | None]
    trouble: Mapped[str | None] = mapped_column(String(200))


class Sighting(TenantOwned, Base):
    """A device that knocked at a router's hotspot. Not a sign of payment; forgotten after a day."""

    __tablename__ = "sighting"
    __table_args__ = (
        UniqueConstraint("router_id", "mac"),
        Index("ix_sighting_seen", "tenant_id", "seen_at"),
        Index("ix_sighting_mac", "mac"),
    )

    id: Mapped[pk]
    router_id: Mapped[int] = mapped_column(ForeignKey("router.id"))
    mac: Mapped[str] = mapped_column(String(17))
    seen_at: Mapped[datetime]
