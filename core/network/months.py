"""Sessions that ended lie by month on PostgreSQL: months are made ahead, and old ones dropped whole (decision 0013)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select

from core.radius_tables import radacct
from core.roles import system_only
from core.uow import UnitOfWork

MONTHS_AHEAD = 3
MONTH = timedelta(days=31)
FORGET_BATCH = 5000


@system_only
def prepare_months(uow: UnitOfWork) -> int:
    """Make room for sessions that end this month and in the next three; how many months were new. On SQLite nothing is needed.

    What ended in a month nobody had prepared has waited among the open sessions, and moves.
    """
    if uow.connection.dialect.name != "postgresql":
        return 0
    made = uow.connection.scalar(select(func.duka_radacct_months(uow.now - MONTH, uow.now + MONTHS_AHEAD * MONTH)))
    return int(made or 0)


@system_only
def forget_sessions(uow: UnitOfWork, before: datetime, limit: int = FORGET_BATCH) -> int:
    """Forget sessions that ended long ago: whole months on PostgreSQL (how many), rows on SQLite (at most `limit`).

    What was used each day is kept.
    """
    if uow.connection.dialect.name == "postgresql":
        return int(uow.connection.scalar(select(func.duka_radacct_forget(before))) or 0)
    old = select(radacct.c.radacctid).where(radacct.c.acctstoptime < before).limit(limit)
    return int(uow.connection.execute(delete(radacct).where(radacct.c.radacctid.in_(old))).rowcount)
