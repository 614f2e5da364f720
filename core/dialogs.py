"""Memory of one USSD conversation, with a deadline.

A row, not Redis: the till works while Redis is down. And not replayed from the accumulated `text`: a price list that
changes between two answers would sell something other than what was shown.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Index, Integer, String, Text, UniqueConstraint, delete, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, TenantOwned, pk
from core.roles import customers_may, system_only
from core.uow import UnitOfWork

LIFE_SECONDS = 600
"""A session lasts 180 s at most (africastalking.md §2.2); the rest is for late repeats."""
RESUME_SECONDS = 300
"""How long after a dropped session we offer to continue (captive-portal.md §6)."""


class Dialog(TenantOwned, Base):
    """One conversation: where it stands, what was shown, and the reply to repeat when the same step comes again."""

    __tablename__ = "dialog"
    __table_args__ = (
        UniqueConstraint("tenant_id", "session_id"),
        Index("ix_dialog_msisdn", "msisdn", "touched_at"),
        Index("ix_dialog_expires_at", "expires_at"),
    )

    id: Mapped[pk]
    session_id: Mapped[str] = mapped_column(String(128))
    msisdn: Mapped[str] = mapped_column(String(20))
    customer_id: Mapped[int | None]
    screen: Mapped[str] = mapped_column(String(40))
    memory: Mapped[dict[str, Any]] = mapped_column(JSON)
    steps: Mapped[int] = mapped_column(Integer, default=0)
    last_text: Mapped[str | None] = mapped_column(Text)
    last_reply: Mapped[str | None] = mapped_column(Text)
    touched_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(20))
    expires_at: Mapped[datetime]


@customers_may
def open_(uow: UnitOfWork, session_id: str, msisdn: str) -> Dialog:
    """This session's memory, locked for this step so that two copies of one post follow each other."""
    insert = postgres_insert if uow.session.get_bind().dialect.name == "postgresql" else sqlite_insert
    find = select(Dialog).where(Dialog.session_id == session_id, Dialog.msisdn == msisdn).with_for_update()
    dialog = uow.session.scalar(find)
    if dialog is None:
        uow.session.execute(
            insert(Dialog)
            .values(
                tenant_id=uow.tenant, session_id=session_id, msisdn=msisdn, screen="", memory={}, steps=0,
                touched_at=uow.now, expires_at=uow.now + timedelta(seconds=LIFE_SECONDS),
            )
            .on_conflict_do_nothing(index_elements=["tenant_id", "session_id"])
        )  # fmt: skip
        dialog = uow.session.scalar(find)
        if dialog is None:
            raise LookupError("this session id belongs to another number")
    return dialog


@customers_may
def unfinished(uow: UnitOfWork, msisdn: str, except_session: str) -> Dialog | None:
    """The conversation this number dropped within the last five minutes, if any."""
    since = uow.now - timedelta(seconds=RESUME_SECONDS)
    return uow.session.scalar(
        select(Dialog)
        .where(
            Dialog.msisdn == msisdn,
            Dialog.session_id != except_session,
            Dialog.touched_at >= since,
            Dialog.outcome.is_(None),
        )
        .order_by(Dialog.touched_at.desc())
        .limit(1)
    )


@system_only
def ended(uow: UnitOfWork, session_id: str, outcome: str) -> bool:
    """The gateway says the session is over (`success`, `incomplete`, `failed`). False for a session we never had."""
    dialog = uow.session.scalar(select(Dialog).where(Dialog.session_id == session_id))
    if dialog is None:
        return False
    dialog.ended_at = dialog.ended_at or uow.now
    return True


@system_only
def prune(uow: UnitOfWork, limit: int = 5000) -> int:
    """Forget conversations past their deadline."""
    old = select(Dialog.id).where(Dialog.expires_at < uow.now).limit(limit).scalar_subquery()
    gone = uow.session.execute(delete(Dialog).where(Dialog.id.in_(old)).execution_options(synchronize_session=False))
    return int(gone.rowcount)  # type: ignore[attr-defined]
