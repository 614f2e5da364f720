"""Memory of one USSD or SMS conversation, with a deadline.

A row, not Redis: the till works while Redis is down. And not replayed from the accumulated `text`: a price list that
changes between two answers would sell something other than what was shown. A step costs two statements: one that takes
the row and locks it, one that writes what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Index, Integer, Row, String, Text, UniqueConstraint, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, TenantOwned, pk
from core.errors import Refusal
from core.roles import customers_may, system_only
from core.uow import OWN_TENANT, UnitOfWork

LIFE_SECONDS = 600
"""A session lasts 180 s at most (africastalking.md §2.2); the rest is for late repeats."""
RESUME_SECONDS = 300
"""How long after a dropped session we offer to continue (captive-portal.md §6)."""
SMS_LIFE_SECONDS = 7200
assert RESUME_SECONDS < LIFE_SECONDS, "what may be continued must still be there"
SMS = "sms"
"""The outcome of a row that counts text messages: there is nothing to continue."""


class NotYourSession(Refusal):
    """This session belongs to another number."""


class Dialog(TenantOwned, Base):
    """One conversation: where it stands, what was shown, and the reply to repeat when the same step comes again.

    `outcome` is empty until we have said the last word; only such conversations are offered for continuing.
    """

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
    last_reply: Mapped[str | None] = mapped_column(Text)
    touched_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(20))
    expires_at: Mapped[datetime]


@dataclass(slots=True)
class Conversation:
    """A dialog in the hands of a door. Change it, then `keep` it.

    `steps` counts the answers that were taken in. What was typed is not kept: it contains voucher codes.
    """

    id: int
    session_id: str
    msisdn: str
    customer_id: int | None
    screen: str
    memory: dict[str, Any]
    steps: int
    last_reply: str | None
    outcome: str | None

    def repeated(self, steps: int) -> str | None:
        """What we said already when a post brings no more answers than we have taken in, or comes after the last word."""
        return self.last_reply if self.outcome is not None or steps <= self.steps else None


# Every key press runs two or three of these, so they are built once; each names the tenant itself.
_COLUMNS = (
    Dialog.id, Dialog.session_id, Dialog.msisdn, Dialog.customer_id, Dialog.screen, Dialog.memory, Dialog.steps,
    Dialog.last_reply, Dialog.outcome,
)  # fmt: skip
_OWN = Dialog.tenant_id == OWN_TENANT
_FIND = select(*_COLUMNS).where(_OWN, Dialog.session_id == bindparam("session")).with_for_update()
_KEEP = update(Dialog).where(_OWN, Dialog.id == bindparam("dialog")).values(
    {name: bindparam(name) for name in ("customer_id", "screen", "memory", "steps", "last_reply", "outcome", "touched_at")}
)  # fmt: skip
_UNFINISHED = (
    select(*_COLUMNS)
    .where(
        _OWN,
        Dialog.msisdn == bindparam("phone"),
        Dialog.touched_at >= bindparam("since"),
        Dialog.outcome.is_(None),
        Dialog.steps > 0,
        Dialog.session_id != bindparam("session"),
    )
    .order_by(Dialog.touched_at.desc(), Dialog.id.desc())
    .limit(1)
)
_START = {
    name: insert(Dialog).on_conflict_do_nothing(index_elements=["tenant_id", "session_id"]).returning(Dialog.id)
    for name, insert in (("postgresql", postgres_insert), ("sqlite", sqlite_insert))
}


@customers_may
def open_(
    uow: UnitOfWork, session_id: str, msisdn: str, *, new: bool, life_seconds: int = LIFE_SECONDS
) -> Conversation:
    """This session's memory, locked for this step so that two copies of one post follow each other.

    `new` says which is likelier and only saves a statement. Raises `NotYourSession`.
    """
    told = _start(uow, session_id, msisdn, life_seconds) if new else _find(uow, session_id)
    if told is None:
        told = _find(uow, session_id) if new else _start(uow, session_id, msisdn, life_seconds)
    if told is None:  # somebody else's first post was faster than ours between the two statements
        told = _find(uow, session_id)
    if told is None or told.msisdn != msisdn:
        raise NotYourSession()
    return told


def _find(uow: UnitOfWork, session_id: str) -> Conversation | None:
    return _conversation(uow.run(_FIND, session=session_id).first())


def _start(uow: UnitOfWork, session_id: str, msisdn: str, life_seconds: int) -> Conversation | None:
    """A new conversation; None when there is one with this session id."""
    row = uow.connection.execute(
        _START[uow.connection.dialect.name],
        {
            "tenant_id": uow.tenant, "session_id": session_id, "msisdn": msisdn, "screen": "", "memory": {}, "steps": 0,
            "touched_at": uow.now, "expires_at": uow.now + timedelta(seconds=life_seconds),
        },
    ).first()  # fmt: skip
    return None if row is None else Conversation(row.id, session_id, msisdn, None, "", {}, 0, None, None)


def _conversation(row: Row[Any] | None) -> Conversation | None:
    if row is None:
        return None
    values: list[Any] = list(row)
    return Conversation(*values)


@customers_may
def keep(uow: UnitOfWork, told: Conversation) -> None:
    """Remember how the conversation stands now."""
    uow.run(
        _KEEP, dialog=told.id, customer_id=told.customer_id, screen=told.screen, memory=told.memory, steps=told.steps,
        last_reply=told.last_reply, outcome=told.outcome, touched_at=uow.now,
    )  # fmt: skip


@customers_may
def unfinished(uow: UnitOfWork, msisdn: str, except_session: str) -> Conversation | None:
    """The conversation this number dropped within the last five minutes after at least one answer, if any."""
    since = uow.now - timedelta(seconds=RESUME_SECONDS)
    return _conversation(uow.run(_UNFINISHED, phone=msisdn, session=except_session, since=since).first())


@customers_may
def drop_unfinished(uow: UnitOfWork, msisdn: str, except_session: str, outcome: str) -> None:
    """Offer none of this number's earlier conversations any more."""
    uow.session.execute(
        update(Dialog)
        .where(Dialog.msisdn == msisdn, Dialog.outcome.is_(None), Dialog.session_id != except_session)
        .values(outcome=outcome)
        .execution_options(synchronize_session=False)
    )


@system_only
def ended(uow: UnitOfWork, session_id: str) -> str | None:
    """The gateway says the session is over. The screen it ended on; None for a session we never had."""
    return uow.session.scalar(
        update(Dialog)
        .where(Dialog.session_id == session_id)
        .values(ended_at=uow.now)
        .returning(Dialog.screen)
        .execution_options(synchronize_session=False)
    )


@system_only
def prune(uow: UnitOfWork, limit: int = 5000) -> int:
    """Forget conversations past their deadline."""
    old = select(Dialog.id).where(Dialog.expires_at < uow.now).limit(limit).scalar_subquery()
    gone = uow.session.execute(delete(Dialog).where(Dialog.id.in_(old)).execution_options(synchronize_session=False))
    return int(gone.rowcount)  # type: ignore[attr-defined]
