"""Is the clock still ticking? One row per sweep says when it last did its work, and one row says which clock leads.
Collectors (`radius/collector.py`) beat, too.

The answer to "did the expiry run?" is a row, never "check your cron".
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Float, String, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from core.db import Base

LEADER = "clock-leader"
COLLECTOR = "collector "
"""How the names of collectors begin."""
LEADER_SECONDS = 30
"""A clock that has not renewed its lead for so long has lost it to any other that asks."""
RENEW_SECONDS = 10
INTERVALS_SILENT = 3
SILENT_SECONDS_MIN = 15
"""A sweep of every second is not called silent for one slow moment."""
assert LEADER_SECONDS >= INTERVALS_SILENT * RENEW_SECONDS, "a leader must have several chances to renew"


class Heartbeat(Base):
    """A sweep's last success (`beat_at`), its last try, what it found and how long it took. Belongs to no tenant."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    interval_seconds: Mapped[float] = mapped_column(Float)
    tried_at: Mapped[datetime]
    beat_at: Mapped[datetime | None]
    found: Mapped[int] = mapped_column(default=0)
    took_ms: Mapped[int] = mapped_column(default=0)
    holder: Mapped[str | None] = mapped_column(String(64))
    """For the leader's row only: which process leads."""


def lead(session: Session, now: datetime, holder: str) -> bool:
    """May `holder` act as the clock? Takes or renews the lead; False while another clock has it."""
    row = session.execute(select(Heartbeat.holder, Heartbeat.beat_at).where(Heartbeat.name == LEADER)).one_or_none()
    if row is None:
        _insert_missing(session, LEADER, RENEW_SECONDS, tried_at=now, beat_at=None)
    elif row.holder == holder and row.beat_at > now - timedelta(seconds=RENEW_SECONDS):
        return True
    lost = Heartbeat.beat_at.is_(None) | (Heartbeat.beat_at <= now - timedelta(seconds=LEADER_SECONDS))
    won = session.execute(
        update(Heartbeat)
        .where(Heartbeat.name == LEADER, or_(Heartbeat.holder == holder, lost))
        .values(holder=holder, tried_at=now, beat_at=now)
        .returning(Heartbeat.name)
        .execution_options(synchronize_session=False)
    )
    return won.first() is not None


def resign(session: Session, holder: str) -> None:
    """A clock that stops in order hands over at once."""
    session.execute(
        update(Heartbeat)
        .where(Heartbeat.name == LEADER, Heartbeat.holder == holder)
        .values(holder=None, beat_at=None)
        .execution_options(synchronize_session=False)
    )


def tried(session: Session) -> dict[str, datetime]:
    """When each sweep was last started."""
    return {row.name: row.tried_at for row in session.execute(select(Heartbeat.name, Heartbeat.tried_at))}


def begin(session: Session, name: str, now: datetime, interval_seconds: float) -> None:
    """A sweep starts. Noted before it runs, so that one which fails is not run again in the same breath.

    A sweep that has never run counts as having beaten when it was first started, or it would be silent from birth.
    """
    _insert_missing(session, name, interval_seconds, tried_at=now, beat_at=now)
    session.execute(
        update(Heartbeat)
        .where(Heartbeat.name == name)
        .values(tried_at=now, interval_seconds=interval_seconds)
        .execution_options(synchronize_session=False)
    )


def beat(session: Session, name: str, now: datetime, found: int, took_ms: int) -> None:
    """A sweep did its work: it `found` so many rows in `took_ms` milliseconds."""
    session.execute(
        update(Heartbeat)
        .where(Heartbeat.name == name)
        .values(beat_at=now, found=found, took_ms=took_ms)
        .execution_options(synchronize_session=False)
    )


def forget(session: Session, name: str) -> None:
    """Whoever beat under this name does so no longer, and nobody expects it."""
    session.execute(delete(Heartbeat).where(Heartbeat.name == name).execution_options(synchronize_session=False))


def silent(session: Session, now: datetime) -> list[str]:
    """Which sweeps have not done their work for three of their intervals. `clock-leader` among them: no clock runs."""
    rows = session.scalars(select(Heartbeat).order_by(Heartbeat.name)).all()
    late = [row.name for row in rows if _is_silent(row, now)]
    return late if any(row.name == LEADER for row in rows) else [LEADER, *late]


def _is_silent(row: Heartbeat, now: datetime) -> bool:
    patience = timedelta(seconds=max(INTERVALS_SILENT * row.interval_seconds, SILENT_SECONDS_MIN))
    return row.beat_at is None or row.beat_at < now - patience


def _insert_missing(
    session: Session, name: str, interval_seconds: float, *, tried_at: datetime, beat_at: datetime | None
) -> None:
    insert = postgres_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    session.execute(
        insert(Heartbeat)
        .values(name=name, interval_seconds=interval_seconds, tried_at=tried_at, beat_at=beat_at, found=0, took_ms=0)
        .on_conflict_do_nothing(index_elements=["name"])
    )
