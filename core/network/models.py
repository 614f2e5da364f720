"""Router with its tunnel, outages and backups, and devices that were seen at one."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, Sealed, Stored, TenantOwned, pk
from core.network.layout import Layout

_OPEN, _UNCREDITED = "ended_at IS NULL", "credited_at IS NULL"


class Router(TenantOwned, Base):
    """A MikroTik: how we reach it, how it reaches RADIUS, what it looks like to customers, and whether it answers.

    `nas_address` is the source address of its RADIUS packets (a tunnel address per router, radius.md §4.6);
    `mac_auth_password` is the secret that makes a MAC login unforgeable (radius.md §6). `public_key` (hex) names it in its
    login page and is known to every customer. `certificate_sha256` (hex) is the API certificate we insist on, None before
    the first conversation and for one without a certificate. `version`, `board` and `serial` are as last found.
    """

    __tablename__ = "router"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        UniqueConstraint("nas_address"),
        UniqueConstraint("public_key"),
        Index("ix_router_probe_at", "probe_at"),
    )

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
    public_key: Mapped[str] = mapped_column(String(32))
    layout: Mapped[Layout] = mapped_column(Stored(Layout), default=Layout(), server_default=text("'{}'"))
    certificate_sha256: Mapped[str | None] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(40), default="", server_default="")
    board: Mapped[str] = mapped_column(String(60), default="", server_default="")
    serial: Mapped[str] = mapped_column(String(40), default="", server_default="")
    added_at: Mapped[datetime]
    up_at: Mapped[datetime | None]
    """When it last answered."""
    up_since: Mapped[datetime | None]
    """Since when it answers; None while it does not."""
    down_since: Mapped[datetime | None]
    trouble: Mapped[str | None] = mapped_column(String(200))
    probe_at: Mapped[datetime | None]
    """When it is looked at next; None: as soon as possible."""
    failures: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often in a row it did not answer."""
    uptime_seconds: Mapped[int | None]
    cpu_percent: Mapped[int | None]
    active_count: Mapped[int | None]
    applied_at: Mapped[datetime | None]
    """When everything that should be on it last was."""
    checked_at: Mapped[datetime | None]
    drift: Mapped[str | None] = mapped_column(Text)
    """What was found to differ when it was last checked, a sentence per line; None: nothing."""
    drift_since: Mapped[datetime | None]


class Tunnel(TenantOwned, Base):
    """A router's way to us through other people's networks. `kind`: wireguard · l2tp · sstp.

    `address` is the router's inside; `public_key` its WireGuard key. `private_key` belongs to that, None when the router made
    its own; `username` and `password` are for the other kinds.
    """

    __tablename__ = "tunnel"
    __table_args__ = (UniqueConstraint("router_id"), UniqueConstraint("address"))

    id: Mapped[pk]
    router_id: Mapped[int] = mapped_column(ForeignKey("router.id"))
    kind: Mapped[str] = mapped_column(String(12))
    address: Mapped[str] = mapped_column(String(45))
    public_key: Mapped[str] = mapped_column(String(44), default="", server_default="")
    private_key: Mapped[str | None] = mapped_column(Sealed())
    username: Mapped[str] = mapped_column(String(40), default="", server_default="")
    password: Mapped[str | None] = mapped_column(Sealed())
    made_at: Mapped[datetime]


class TunnelServer(Base):
    """Our end of all tunnels of this installation: one row, made with the first. `ipsec_secret` is what L2TP is wrapped with."""

    __tablename__ = "tunnel_server"

    id: Mapped[pk]
    private_key: Mapped[str] = mapped_column(Sealed())
    public_key: Mapped[str] = mapped_column(String(44))
    ipsec_secret: Mapped[str] = mapped_column(Sealed())
    made_at: Mapped[datetime]


class RouterInstall(TenantOwned, Base):
    """An address from which one router fetches its first script. Only the SHA-256 of the token in it is kept.

    `fetched_at`: last given out, to the box whose serial number is `claimed_by`; `home_at`: it has called home, and the address is of no use any more.
    """

    __tablename__ = "router_install"
    __table_args__ = (UniqueConstraint("router_id"), UniqueConstraint("token_hash"))

    id: Mapped[pk]
    router_id: Mapped[int] = mapped_column(ForeignKey("router.id"))
    token_hash: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    fetched_at: Mapped[datetime | None]
    claimed_by: Mapped[str | None] = mapped_column(String(64))
    home_at: Mapped[datetime | None]


class Outage(TenantOwned, Base):
    """A stretch in which a router did not answer; short returns in between (`flaps`) do not end it.

    `customers` and `lost_seconds` say who lost time, and how much of it altogether, once that is known; `credited_at` when
    that was settled, with or without anything given back.
    """

    __tablename__ = "router_outage"
    __table_args__ = (
        Index("ix_router_outage_router", "router_id", "began_at"),
        Index("uq_router_outage_open", "router_id", unique=True, postgresql_where=text(_OPEN), sqlite_where=text(_OPEN)),
        Index("ix_router_outage_uncredited", "ended_at", postgresql_where=text(_UNCREDITED), sqlite_where=text(_UNCREDITED)),
    )  # fmt: skip

    id: Mapped[pk]
    router_id: Mapped[int] = mapped_column(ForeignKey("router.id"))
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    flaps: Mapped[int] = mapped_column(default=0)
    customers: Mapped[int | None]
    lost_seconds: Mapped[int | None]
    credited_at: Mapped[datetime | None]


class Backup(TenantOwned, Base):
    """What `/export` of a router said at one moment. `digest` is the SHA-256 (hex) of its lines that are not about that moment."""

    __tablename__ = "router_backup"
    __table_args__ = (Index("ix_router_backup_router", "router_id", "taken_at"),)

    id: Mapped[pk]
    router_id: Mapped[int] = mapped_column(ForeignKey("router.id"))
    taken_at: Mapped[datetime]
    board: Mapped[str] = mapped_column(String(60))
    version: Mapped[str] = mapped_column(String(40))
    content: Mapped[str] = mapped_column(Sealed())
    digest: Mapped[str] = mapped_column(String(64))


class GraceSession(TenantOwned, Base):
    """A few slow minutes that one device was lent to pay in, at the router where it waited. Once per device and local day.

    `entrance`: page · staff. `ended_at`: when it was over or gave way to what was paid for; None while it may still run.
    """

    __tablename__ = "grace_session"
    __table_args__ = (
        UniqueConstraint("tenant_id", "mac", "day"),
        Index("ix_grace_session_router", "router_id", "ends_at"),
    )

    id: Mapped[pk]
    router_id: Mapped[int] = mapped_column(ForeignKey("router.id"))
    mac: Mapped[str] = mapped_column(String(17))
    day: Mapped[date]
    """By the ISP's own calendar."""
    kbps: Mapped[int]
    entrance: Mapped[str] = mapped_column(String(8))
    began_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


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
