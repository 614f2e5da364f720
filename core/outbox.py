"""Promises: work that a committed transaction owes the world.

One row per promise. Leasing is one conditional update that makes the row due again in LEASE seconds, so a crash needs no
cleaning up and there is no lock to forget. Promises of one `lane` (a router) are carried by one hand at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Index,
    Insert,
    Row,
    Select,
    String,
    Text,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.db import NOW, Base, Id, json_of, pk
from core.tasks import QUEUES, Task, revive

LEASE_SECONDS = 60
JOB_SECONDS_MAX = 20
ATTEMPTS_MAX, PATIENT_ATTEMPTS_MAX = 14, 11
PAUSE_SECONDS_FIRST, PAUSE_SECONDS_MAX = 1, 600
ERROR_LENGTH_MAX = 500
assert PAUSE_SECONDS_FIRST * 2 ** (PATIENT_ATTEMPTS_MAX - 1) >= PAUSE_SECONDS_MAX, (
    "patience must reach the longest pause"
)
assert LEASE_SECONDS > 2 * JOB_SECONDS_MAX, "a lease must outlive the job it protects"


class Promise(Base):
    """One thing owed. Open while neither `done_at` nor `parked_at` is set."""

    __tablename__ = "promise"

    id: Mapped[pk]
    tenant_id: Mapped[int] = mapped_column(Id)
    queue: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(32))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    lane: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    """How often it was tried and failed. Waiting for a closed breaker or a busy lane does not count."""
    done_at: Mapped[datetime | None]
    parked_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)

    OPEN = text("done_at IS NULL AND parked_at IS NULL")
    __table_args__ = (
        Index("ix_promise_due", "queue", "due_at", postgresql_where=OPEN, sqlite_where=OPEN),
        Index(
            "ix_promise_parked",
            "parked_at",
            postgresql_where=text("parked_at IS NOT NULL"),
            sqlite_where=text("parked_at IS NOT NULL"),
        ),
    )

    @property
    def task(self) -> Task:
        return revive(self.kind, self.payload)

    @property
    def open(self) -> bool:
        return self.done_at is None and self.parked_at is None


def promise(session: Session, tenant_id: int, task: Task, now: datetime, at: datetime | None = None) -> Promise:
    """Owe `task`, due `at` (or now). Becomes real with the caller's commit."""
    row = Promise(
        tenant_id=tenant_id,
        queue=task.queue,
        kind=type(task).__name__,
        payload=task.payload(),
        lane=task.lane,
        created_at=now,
        due_at=at or now,
    )
    session.add(row)
    return row


def promise_each(
    session: Session, kind: type[Task], rows: Select[int, int], now: datetime, *, lane: str | None = None, **values: Any
) -> int:
    """Owe one task of `kind` for every `(tenant id, subject id)` that `rows` selects, in one statement; how many there were.

    The subject is the task's first field, the others take their defaults. `lane` is a prefix for the subject's id (`router:`).
    `values` are parameters of `rows`: one that was built once costs least.
    """
    session.flush()
    statement = _promising(kind.queue, kind.__name__, fields(kind)[0].name, rows, lane, session.get_bind().dialect.name)
    done = session.connection().execute(
        statement, {**values, "now": now}, execution_options={"preserve_rowcount": True}
    )
    return int(done.rowcount)


@lru_cache(maxsize=64)
def _promising(queue: str, kind: str, field: str, rows: Select[int, int], lane: str | None, dialect: str) -> Insert:
    tenant_id, subject_id = rows.subquery("chosen").columns
    return insert(Promise).from_select(
        ["tenant_id", "queue", "kind", "payload", "lane", "created_at", "due_at", "attempts"],
        select(
            tenant_id,
            literal(queue),
            literal(kind),
            json_of(dialect, field, subject_id),
            literal(lane) + cast(subject_id, String) if lane else null(),
            NOW,
            NOW,
            literal(0),
        ),
    )


def owed(kind: type[Task], field: str, subject_id: Any) -> ColumnElement[bool]:
    """SQL: is a task of this kind open (or parked, waiting for a person) for this subject?"""
    return exists().where(
        Promise.done_at.is_(None),
        Promise.kind == kind.__name__,
        Promise.payload[field].as_integer() == subject_id,
    )


def hurry(session: Session, lane: str, now: datetime) -> None:
    """What waits for this lane is due now: the router is back."""
    session.execute(
        update(Promise)
        .where(Promise.lane == lane, Promise.done_at.is_(None), Promise.parked_at.is_(None), Promise.attempts > 0)
        .values(due_at=now)
        .execution_options(synchronize_session=False)
    )


def lease_due(
    session: Session, now: datetime, limit: int, queue: str | None = None
) -> Sequence[tuple[int, str, str | None]]:
    """Take up to `limit` due promises for LEASE seconds: `(id, queue, lane)`, longest due first. Two relays never take the same.

    With `queue` only that queue's: ten thousand texts for a gateway that is back must not stand before one payment.
    """
    due = (
        select(Promise.id)
        .where(Promise.done_at.is_(None), Promise.parked_at.is_(None), Promise.due_at <= now)
        .order_by(Promise.due_at)
        .limit(limit)
    )
    if queue is not None:
        due = due.where(Promise.queue == queue)
    if session.get_bind().dialect.name == "postgresql":
        due = due.with_for_update(skip_locked=True)
    chosen = due.cte("chosen")  # a plain subquery may be run again per row, and each time it skips what it has locked
    taken = session.execute(
        update(Promise)
        .where(Promise.id.in_(select(chosen.c.id)))
        .values(due_at=now + timedelta(seconds=LEASE_SECONDS))
        .returning(Promise.id, Promise.queue, Promise.lane)
        .execution_options(synchronize_session=False)
    )
    return sorted((row.id, row.queue, row.lane) for row in taken)


def next_due(session: Session) -> dict[str, datetime]:
    """When the next open promise of each queue falls due; queues that owe nothing are left out."""
    open_ = select(func.min(Promise.due_at)).where(Promise.done_at.is_(None), Promise.parked_at.is_(None))
    row = session.execute(select(*(open_.where(Promise.queue == name).scalar_subquery() for name in QUEUES))).one()
    return {name: due for name, due in zip(QUEUES, row, strict=True) if due is not None}


_LOCKED = (
    select(Promise)
    .where(Promise.id == bindparam("promise"))
    .with_for_update()
    .execution_options(populate_existing=True)
)
_OPEN = Promise.done_at.is_(None), Promise.parked_at.is_(None)
_HEADS = select(Promise.id, Promise.tenant_id, Promise.kind, Promise.lane, Promise.payload).where(
    Promise.id.in_(bindparam("promises", expanding=True)), *_OPEN
)
_SETTLE = (
    update(Promise)
    .where(Promise.id == bindparam("promise"), *_OPEN)
    .values(done_at=bindparam("now"), last_error=null())
    .returning(Promise.id)
)


def lock(session: Session, promise_id: int) -> Promise | None:
    """The promise, locked until the transaction ends, if it is still open."""
    row = session.scalar(_LOCKED, {"promise": promise_id}, execution_options={"names_tenant": True})
    return row if row is not None and row.open else None


def heads(session: Session, promise_ids: Sequence[int]) -> Sequence[Row[int, int, str, str | None, dict[str, Any]]]:
    """`(id, tenant id, kind, lane, payload)` of those that are still open. Nothing is locked."""
    return session.connection().execute(_HEADS, {"promises": list(promise_ids)}).all()


def settle_open(session: Session, promise_id: int, now: datetime) -> bool:
    """Kept, and locked until the transaction ends. False when it was not open any more: then somebody else kept it."""
    return session.connection().execute(_SETTLE, {"promise": promise_id, "now": now}).first() is not None


def settle(row: Promise, now: datetime) -> None:
    """Kept."""
    row.done_at = now
    row.last_error = None


def pause_seconds(attempts: int) -> int:
    """How long to wait after the n-th failure: 1, 2, 4 … doubling up to ten minutes."""
    return int(min(PAUSE_SECONDS_FIRST * 2 ** max(attempts - 1, 0), PAUSE_SECONDS_MAX))


def retry_later(row: Promise, now: datetime, error: str, *, parks: bool = True) -> bool:
    """Not kept this time. Due again after a growing pause; parked after ATTEMPTS_MAX failures when `parks`. True when parked.

    Failures that never park stop counting just below the limit, so that a long outage leaves room for a bug or two.
    """
    row.attempts = row.attempts + 1 if parks else min(row.attempts + 1, PATIENT_ATTEMPTS_MAX)
    row.last_error = error[:ERROR_LENGTH_MAX]
    if parks and row.attempts >= ATTEMPTS_MAX:
        row.parked_at = now
        return True
    row.due_at = now + timedelta(seconds=pause_seconds(row.attempts))
    return False


def postpone(row: Promise, at: datetime) -> None:
    """Not its turn yet (a busy lane, an open breaker): due again at `at`, no attempt counted."""
    row.due_at = at


def park(row: Promise, now: datetime, error: str) -> None:
    """Give up for good until somebody looks: the world said no in a way that repeating does not cure."""
    row.attempts += 1
    row.parked_at = now
    row.last_error = error[:ERROR_LENGTH_MAX]


def unpark(row: Promise, now: datetime) -> None:
    """Somebody mended the cause: try again now."""
    row.parked_at = None
    row.attempts = 0
    row.due_at = now


def backlog(session: Session, now: datetime) -> tuple[int, int | None, int]:
    """For health pages: open promises that are due, age of the oldest of them in seconds, parked ones."""
    due = Promise.done_at.is_(None) & Promise.parked_at.is_(None) & (Promise.due_at <= now)
    count, oldest = session.execute(select(func.count(), func.min(Promise.due_at)).where(due)).one()
    parked = session.scalar(select(func.count()).where(Promise.parked_at.is_not(None))) or 0
    return count, None if oldest is None else int((now - oldest).total_seconds()), parked


def prune(session: Session, before: datetime) -> int:
    """Forget promises that were kept long ago."""
    gone = session.execute(delete(Promise).where(Promise.done_at < before).execution_options(synchronize_session=False))
    return int(gone.rowcount)  # type: ignore[attr-defined]
