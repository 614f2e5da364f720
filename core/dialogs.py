"""Memory of one USSD or SMS conversation, with a deadline.

A row, not Redis: the till works while Redis is down. And not replayed from the accumulated `text`: a price list that
changes between two answers would sell something other than what was shown. A step costs two statements: one that takes
the row and locks it, one that writes what came of it; the first step of a conversation only the second one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    Index,
    Integer,
    Row,
    String,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    select,
    update,
)
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

    `steps` counts the answers that were taken in. What was typed is not kept: it contains voucher codes. `id` is 0 until it
    is in the table.
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

    @classmethod
    def first(cls, session_id: str, msisdn: str) -> Conversation:
        """One that begins with this post, as far as we know. Nothing is read or written before it is kept."""
        return cls(0, session_id, msisdn, None, "", {}, 0, None, None)

    def repeated(self, steps: int) -> str | None:
        """What we said already when a post brings no more answers than we have taken in, or comes after the last word."""
        return self.last_reply if self.outcome is not None or steps <= self.steps else None


# Every key press runs two of these, so they are built once; each names the tenant itself.
_COLUMNS = (
    Dialog.id, Dialog.session_id, Dialog.msisdn, Dialog.customer_id, Dialog.screen, Dialog.memory, Dialog.steps,
    Dialog.last_reply, Dialog.outcome,
)  # fmt: skip
_OWN = Dialog.tenant_id == OWN_TENANT
_FIND = select(*_COLUMNS).where(_OWN, Dialog.session_id == bindparam("session")).with_for_update()
_KEEP = update(Dialog).where(_OWN, Dialog.id == bindparam("dialog")).values(
    {name: bindparam(name) for name in ("customer_id", "screen", "memory", "steps", "last_reply", "outcome", "touched_at")}
)  # fmt: skip
_NO_WAIT = func.set_config("synchronous_commit", "off", True)
"""PostgreSQL: this transaction's commit does not wait for the disk. Part of a statement, because a statement of its own
would cost as much as it saves."""
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
_DROP = update(Dialog).where(
    _OWN, Dialog.msisdn == bindparam("phone"), Dialog.outcome.is_(None), Dialog.session_id != bindparam("session")
).values(outcome=bindparam("so"))  # fmt: skip
_START = {
    name: insert(Dialog).on_conflict_do_nothing(index_elements=["tenant_id", "session_id"]).returning(Dialog.id)
    for name, insert in (("postgresql", postgres_insert), ("sqlite", sqlite_insert))
}
_KEEP_SOON, _START_SOON = _KEEP.returning(_NO_WAIT), _START["postgresql"].returning(_NO_WAIT)


@customers_may
def open_(uow: UnitOfWork, session_id: str, msisdn: str, *, life_seconds: int = LIFE_SECONDS) -> Conversation:
    """This session's memory, locked for this step so that two copies of one post follow each other.

    Made when there is none yet: a code like `*384*1#` brings answers with the first post. Raises `NotYourSession`.
    """
    told = _find(uow, session_id)
    if told is None:
        told = Conversation.first(session_id, msisdn)
        told.id = _start(uow, told, life_seconds=life_seconds) or 0
        if not told.id:  # somebody else's first post was faster than ours between the two statements
            told = _find(uow, session_id)
    return _own(told, msisdn)


def _own(told: Conversation | None, msisdn: str) -> Conversation:
    if told is None or told.msisdn != msisdn:
        raise NotYourSession()
    return told


def _find(uow: UnitOfWork, session_id: str) -> Conversation | None:
    return _conversation(uow.run(_FIND, session=session_id).first())


def _start(
    uow: UnitOfWork, told: Conversation, *, life_seconds: int = LIFE_SECONDS, forgettable: bool = False
) -> int | None:
    """Write a new conversation; its id, or None when there is one with this session id."""
    dialect = uow.connection.dialect.name
    row = uow.connection.execute(
        _START_SOON if forgettable and dialect == "postgresql" else _START[dialect],
        {
            "tenant_id": uow.tenant, "session_id": told.session_id, "msisdn": told.msisdn,
            "expires_at": uow.now + timedelta(seconds=life_seconds), **_state(uow, told),
        },
    ).first()  # fmt: skip
    return None if row is None else int(row.id)


def _state(uow: UnitOfWork, told: Conversation) -> dict[str, Any]:
    """What a step changes."""
    return {
        "customer_id": told.customer_id, "screen": told.screen, "memory": told.memory, "steps": told.steps,
        "last_reply": told.last_reply, "outcome": told.outcome, "touched_at": uow.now,
    }  # fmt: skip


def _conversation(row: Row[Any] | None) -> Conversation | None:
    if row is None:
        return None
    values: list[Any] = list(row)
    return Conversation(*values)


@customers_may
def keep(uow: UnitOfWork, told: Conversation, *, forgettable: bool = False) -> Conversation:
    """Remember how the conversation stands now. What stands in the table: another copy of a first post may have been faster.

    `forgettable`: this visit has changed nothing else, so nobody waits until it is on the disk. A power cut cuts off the call
    anyway. Raises `NotYourSession`.
    """
    if not told.id:
        told.id = _start(uow, told, forgettable=forgettable) or 0
        return told if told.id else _own(_find(uow, told.session_id), told.msisdn)
    soon = forgettable and uow.connection.dialect.name == "postgresql"
    uow.run(_KEEP_SOON if soon else _KEEP, dialog=told.id, **_state(uow, told))
    return told


@customers_may
def unfinished(uow: UnitOfWork, msisdn: str, except_session: str) -> Conversation | None:
    """The conversation this number dropped within the last five minutes after at least one answer, if any."""
    since = uow.now - timedelta(seconds=RESUME_SECONDS)
    return _conversation(uow.run(_UNFINISHED, phone=msisdn, session=except_session, since=since).first())


@customers_may
def drop_unfinished(uow: UnitOfWork, msisdn: str, except_session: str, outcome: str) -> None:
    """Offer none of this number's earlier conversations any more."""
    uow.run(_DROP, phone=msisdn, session=except_session, so=outcome)


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
