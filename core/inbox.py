"""What others tell us is written down first and understood later.

One row per message, unique per tenant, source and the sender's own id: the second copy changes nothing.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, Text, UniqueConstraint, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, TenantOwned, pk
from core.roles import system_only
from core.uow import OWN_TENANT, UnitOfWork

BODY_BYTES_MAX = 64 * 1024


class Inbound(TenantOwned, Base):
    """One thing received. `verdict` says in a word what became of it once understood."""

    __tablename__ = "inbound"
    __table_args__ = (
        UniqueConstraint("tenant_id", "source", "external_id"),
        Index(
            "ix_inbound_unread",
            "received_at",
            postgresql_where=text("digested_at IS NULL"),
            sqlite_where=text("digested_at IS NULL"),
        ),
    )

    id: Mapped[pk]
    source: Mapped[str] = mapped_column(String(32))
    external_id: Mapped[str] = mapped_column(String(128))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    peer: Mapped[str] = mapped_column(String(64))
    context: Mapped[str] = mapped_column(String(64), default="")
    """What our own address said about it: the payment code in a callback's query string."""
    received_at: Mapped[datetime]
    digested_at: Mapped[datetime | None]
    verdict: Mapped[str | None] = mapped_column(Text)


def fingerprint(body: bytes) -> str:
    """An id for messages whose sender gives none: byte-identical copies are one message."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


@system_only
def receive(
    uow: UnitOfWork, source: str, external_id: str, body: bytes, *, peer: str = "", context: str = ""
) -> int | None:
    """Keep one copy of what a company told us; its id, or None when we already had it. `body` ≤ BODY_BYTES_MAX."""
    if len(body) > BODY_BYTES_MAX:
        raise ValueError("the door must refuse what is too large")
    insert = postgres_insert if uow.session.get_bind().dialect.name == "postgresql" else sqlite_insert
    return uow.session.scalar(
        insert(Inbound)
        .values(
            tenant_id=uow.tenant, source=source, external_id=external_id[:128], body=body, peer=peer[:64],
            context=context[:64], received_at=uow.now,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "source", "external_id"])
        .returning(Inbound.id)
    )  # fmt: skip


_UNREAD = select(Inbound).where(
    Inbound.tenant_id == OWN_TENANT, Inbound.id == bindparam("id"), Inbound.digested_at.is_(None)
)
_UNREAD_LOCKED = _UNREAD.with_for_update()


@system_only
def read(uow: UnitOfWork, inbound_id: int, *, lock: bool = True) -> Inbound | None:
    """What was received, if it has not been understood yet; locked, unless it is only looked at."""
    return uow.find(_UNREAD_LOCKED if lock else _UNREAD, id=inbound_id).one_or_none()


@system_only
def digested(uow: UnitOfWork, inbound: Inbound, verdict: str) -> None:
    """It is understood; `verdict` is kept for whoever asks later."""
    inbound.digested_at = uow.now
    inbound.verdict = verdict
