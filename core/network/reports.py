"""Reports of routers that a FreeRADIUS has written down and nobody has brought into the books yet (decision 0014).

FreeRADIUS inserts a row of `radius_report` before it answers; whoever takes rows does with them what they say in the same
transaction. Several may take at once: nobody gets what another is at.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.sql.dml import ReturningDelete

from core.db import among
from core.radius_tables import radius_report
from core.roles import system_only
from core.uow import UnitOfWork

_report = radius_report.c


class Waiting(NamedTuple):
    """A report that waits: the line that FreeRADIUS wrote, as octets."""

    id: int
    line: bytes


@cache
def _take(dialect: str) -> ReturningDelete[Any, Any]:
    oldest = select(_report.id).order_by(_report.id).limit(bindparam("most"))
    if dialect == "postgresql":
        oldest = oldest.with_for_update(skip_locked=True)
    return (
        delete(radius_report)
        .where(_report.id.in_(select(oldest.cte("oldest").c.id)))
        .returning(_report.id, _report.line)
    )


@system_only
def take_reports(uow: UnitOfWork, most: int) -> list[Waiting]:
    """At most so many reports, the oldest first. They are gone when this visit commits, and wait again when it does not."""
    found = uow.connection.execute(_take(uow.connection.dialect.name), {"most": most})
    return sorted(Waiting(number, line.encode()) for number, line in found)


@system_only
def put_reports_away(uow: UnitOfWork, ids: Sequence[int]) -> None:
    """These reports wait no longer, whatever they said."""
    uow.connection.execute(delete(radius_report).where(among(_report.id, ids, uow.connection.dialect.name)))


@system_only
def oldest_report(uow: UnitOfWork) -> datetime | None:
    """Since when the oldest waits; None when none does."""
    oldest: datetime | None = uow.connection.scalar(select(func.min(_report.heard_at)))
    return oldest
