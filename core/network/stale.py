"""Sessions of which nothing is heard any more: a lost Stop must not look like somebody online for ever."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, case, cast, func, literal, select, update

from core import tenants
from core.network.sessions import STALE
from core.radius_tables import radacct, radius_nas, radreply
from core.roles import system_only
from core.tenants import TenantSettings
from core.uow import UnitOfWork

SILENT_INTERVALS = 3
STALE_BATCH = 1000
INTERIM_SECONDS_MIN = 60
"""Whatever a row says, nobody is asked to report more often (docs/radius-policy.md)."""
INTERVAL_PATTERN = "^[0-9]{1,6}$"
_USUAL_SECONDS: int = TenantSettings().interim_seconds


@system_only
def close_silent(uow: UnitOfWork, limit: int = STALE_BATCH) -> int:
    """Close sessions that have been silent for three of their own intervals, at the moment they were last heard of.

    The interval is the one the user's rows ask for; without rows (the package is over) the ISP's own.
    """
    dialect = uow.connection.dialect.name
    heard = func.coalesce(radacct.c.acctupdatetime, radacct.c.acctstarttime)
    interval = func.coalesce(_asked_for(dialect), _usual(uow, dialect), literal(_USUAL_SECONDS))
    silent = _silence(uow.now, heard, dialect)
    chosen = (
        select(radacct.c.acctuniqueid)
        .where(
            radacct.c.acctstoptime.is_(None),
            heard < uow.now - timedelta(seconds=SILENT_INTERVALS * INTERIM_SECONDS_MIN),
            silent > SILENT_INTERVALS * interval,
        )
        .limit(limit)
    )
    if dialect == "postgresql":
        chosen = chosen.with_for_update(skip_locked=True, of=radacct)
    closed = uow.connection.execute(
        update(radacct)
        .where(
            radacct.c.acctstoptime.is_(None), radacct.c.acctuniqueid.in_(select(chosen.cte("chosen").c.acctuniqueid))
        )
        .values(acctstoptime=heard, acctterminatecause=STALE)
        .returning(radacct.c.acctuniqueid)
    )
    return len(closed.all())


def _here(dialect: str) -> ColumnElement[bool]:
    """The router of this session."""
    address: Any = radacct.c.nasipaddress
    return radius_nas.c.nasname == (func.host(address) if dialect == "postgresql" else address)


def _asked_for(dialect: str) -> Any:
    """Seconds, from the reply rows of this session's user."""
    name = radacct.c.username + case((radius_nas.c.realm == "", ""), else_="@" + radius_nas.c.realm)
    value: Any = radreply.c.value
    number: Any = cast(value, Integer)
    if dialect == "postgresql":
        number = case((value.regexp_match(INTERVAL_PATTERN), number))
    seconds: Any = func.max(number)
    return (
        select(case((seconds < INTERIM_SECONDS_MIN, INTERIM_SECONDS_MIN), else_=seconds))
        .select_from(radius_nas)
        .join(radreply, and_(radreply.c.username == name, radreply.c.attribute == "Acct-Interim-Interval"))
        .where(_here(dialect))
        .correlate(radacct)
        .scalar_subquery()
    )


def _usual(uow: UnitOfWork, dialect: str) -> Any:
    """Seconds, from the settings of the ISP to which the session's router belongs."""
    seconds = {
        tenant.id: TenantSettings.model_validate_json(tenant.settings).interim_seconds
        for tenant in tenants.everyone(uow)
    }
    unusual = {number: own for number, own in seconds.items() if own != _USUAL_SECONDS}
    own = case(unusual, value=radius_nas.c.tenant_id, else_=_USUAL_SECONDS) if unusual else literal(_USUAL_SECONDS)
    return select(own).where(_here(dialect)).correlate(radacct).scalar_subquery()


def _silence(now: datetime, heard: Any, dialect: str) -> Any:
    """Whole seconds since this moment."""
    if dialect == "postgresql":
        return cast(func.floor(func.extract("epoch", literal(now) - heard)), Integer)
    return int(now.timestamp()) - cast(func.strftime("%s", heard), Integer)
