"""What time alone changes, found by one indexed statement and written by a few more, whoever and however many it concerns.

These verbs cross tenants: they are called in visits that belong to nobody and carry each row's own tenant along. Their
statements are built once: a thousand rows are written faster than SQLAlchemy puts a dozen statements together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Insert,
    Integer,
    Select,
    String,
    bindparam,
    cast,
    extract,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from core import outbox
from core.customers import Customer
from core.db import NOW, gathered, listed, packed
from core.messaging import OptOut, bulk
from core.roles import system_only
from core.subscriptions.models import Subscription, Suspension
from core.subscriptions.rules import reminder
from core.tasks import Renew, SyncAccess, Task
from core.tenants import Tenant, TenantSettings
from core.uow import UnitOfWork

BATCH = 1000
_EVERYONE = Subscription.id.is_not(None)


@dataclass(frozen=True, eq=False)
class _Change:
    """Which rows are due, those first that come first `by` this, and what is written into them."""

    due: tuple[ColumnElement[bool], ...]
    by: Any
    values: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _News:
    """What is told, under which key it is told only once, whom of those found it concerns, and why they were cut off."""

    template: str
    key: ColumnElement[str]
    which: ColumnElement[bool] = _EVERYONE
    reason: str | None = None


_ID = cast(Subscription.id, String)
_OPEN = Subscription.closed_at.is_(None)
_NOT_CUT_BEFORE = Subscription.suspended_at.is_(None)

_ENDED = _Change((_OPEN, Subscription.over_at <= NOW), Subscription.over_at, {"closed_at": NOW})
_TIME_IS_UP = _News("ended_time", literal("ended:") + _ID, _NOT_CUT_BEFORE, "time_limit")


@system_only
def close_ended(uow: UnitOfWork, limit: int = BATCH) -> int:
    """Close what has run out of time: reason noted, access taken back, one message unless something else goes on."""
    ended = _change(uow, _ENDED, limit)
    if ended:
        _cut(uow, ended, _TIME_IS_UP)
        _tell(uow, ended, _TIME_IS_UP)
    return len(ended)


_EXHAUSTED: tuple[Any, ...] = (
    _OPEN, _NOT_CUT_BEFORE, Subscription.slowed_at.is_(None), Subscription.spent,
)  # fmt: skip
_TO_SUSPEND = _Change(
    (*_EXHAUSTED, Subscription.slows.is_(False)),
    Subscription.id,
    {"suspended_at": NOW, "suspended_reason": "data_limit"},
)
_TO_SLOW = _Change((*_EXHAUSTED, Subscription.slows.is_(True)), Subscription.id, {"slowed_at": NOW})
_EXHAUSTED_KEY = literal("exhausted:") + _ID + ":" + cast(Subscription.quota_bytes, String)
_DATA_IS_UP = _News("ended_data", _EXHAUSTED_KEY, reason="data_limit")
_SLOW_FROM_NOW = _News("slowed", _EXHAUSTED_KEY)


@system_only
def suspend_exhausted(uow: UnitOfWork, limit: int = BATCH) -> int:
    """The net under accounting: suspend whoever has used up the data and was not noticed at once."""
    exhausted = _change(uow, _TO_SUSPEND, limit)
    if exhausted:
        _cut(uow, exhausted, _DATA_IS_UP)
        _tell(uow, exhausted, _DATA_IS_UP)
    return len(exhausted)


@system_only
def slow_down(uow: UnitOfWork, limit: int = BATCH) -> int:
    """The same net for fair use: whoever has used up the data goes on slowly."""
    exhausted = _change(uow, _TO_SLOW, limit)
    if exhausted:
        _promise(uow, SyncAccess, Subscription.customer_id, exhausted)
        _tell(uow, exhausted, _SLOW_FROM_NOW)
    return len(exhausted)


_WANTS_TO_HEAR = ~(
    select(OptOut.id)
    .where(OptOut.tenant_id == Subscription.tenant_id, OptOut.msisdn == Customer.msisdn)
    .correlate(Subscription, Customer)
    .exists()
)
_END = cast(cast(extract("epoch", Subscription.ends_at), BigInteger), String)
_REMINDERS = {
    words: _News(
        f"reminder_{words}",
        literal(f"remind:{words}:") + _ID + ":" + _END,
        _NOT_CUT_BEFORE & _WANTS_TO_HEAR,
    )
    for words in ("day", "hours", "grace")
}


@system_only
def remind(uow: UnitOfWork, limit: int = BATCH) -> int:
    """Say that time ends soon: a day before, two hours before, and at the end to those who have a period of grace.

    Once each per end; not to who has more time waiting, is suspended, or wants to hear nothing that is not asked for.
    """
    due = (
        select(Subscription.id, Subscription.ends_at, Subscription.over_at)
        .where(_OPEN, Subscription.remind_at <= uow.now)
        .order_by(Subscription.remind_at)
        .limit(limit)
    )
    if _dialect(uow) == "postgresql":
        due = due.with_for_update(skip_locked=True)
    found = uow.session.execute(due).all()
    told: dict[str, list[int]] = {}
    following = []
    for row in found:
        words, next_at = reminder(row.ends_at, row.over_at, uow.now)
        following.append({"id": row.id, "remind_at": next_at})
        if words is not None:
            told.setdefault(words, []).append(row.id)
    if following:
        uow.session.execute(update(Subscription), following)
    for words, ids in told.items():
        _tell(uow, ids, _REMINDERS[words])
    return len(found)


_TO_RENEW = _Change((_OPEN, Subscription.renew_at <= NOW), Subscription.renew_at, {"renew_at": None})


@system_only
def renewals_due(uow: UnitOfWork, limit: int = BATCH) -> int:
    """Promise to buy again, from the wallet, what ends shortly and whose owner wishes so."""
    due = _change(uow, _TO_RENEW, limit)
    if due:
        _promise(uow, Renew, Subscription.id, due)
    return len(due)


_TO_BEGIN = _Change(
    (_OPEN, Subscription.begun_at.is_(None), Subscription.starts_at <= NOW), Subscription.starts_at, {"begun_at": NOW}
)


@system_only
def begin_waiting(uow: UnitOfWork, limit: int = BATCH) -> int:
    """Start what has waited for its turn."""
    due = _change(uow, _TO_BEGIN, limit)
    if due:
        _promise(uow, SyncAccess, Subscription.customer_id, due)
    return len(due)


def _change(uow: UnitOfWork, change: _Change, limit: int) -> Sequence[int]:
    """Change the rows that are due; their ids."""
    statement = _changing(change, _dialect(uow))
    return uow.connection.scalars(statement, {"now": uow.now, "rows": limit}).all()


def _cut(uow: UnitOfWork, ids: Sequence[int], news: _News) -> None:
    """Log who was cut off, and take back access."""
    dialect = _dialect(uow)
    uow.connection.execute(_logging(news, dialect), {"ids": packed(ids, dialect), "now": uow.now})
    _promise(uow, SyncAccess, Subscription.customer_id, ids)


def _promise(uow: UnitOfWork, kind: type[Task], subject: Any, ids: Sequence[int]) -> None:
    dialect = _dialect(uow)
    outbox.promise_each(uow.session, kind, _subjects(subject, dialect), uow.now, ids=packed(ids, dialect))
    uow.promised_now = True


def _tell(uow: UnitOfWork, ids: Sequence[int], news: _News) -> None:
    """One message to each customer for whom nothing else goes on, per tenant and language in that tenant's words."""
    dialect = _dialect(uow)
    groups = uow.connection.execute(_by_language(dialect), {"ids": packed(ids, dialect)}).all()
    for tenant_id, language, members in groups:
        settings = uow.connection.execute(_SETTINGS, {"tenant": tenant_id}).scalar_one()
        dial = TenantSettings.model_validate_json(settings).dial
        values = {"ids": members, "now": uow.now}
        bulk.queue_many(uow, _recipients(news, dialect), values, language, news.template, dial=dial)


# ---- statements, each built once -----------------------------------------------------------------------------------------

_SETTINGS = select(Tenant.settings).where(Tenant.id == bindparam("tenant"))


def _dialect(uow: UnitOfWork) -> str:
    return uow.session.get_bind().dialect.name


def _chosen(dialect: str) -> ColumnElement[bool]:
    return listed(Subscription.id, bindparam("ids"), dialect)


@lru_cache
def _changing(change: _Change, dialect: str) -> Any:
    """The first rows that are due; on PostgreSQL, what another clock is working on is passed over."""
    rows = select(Subscription.id).where(*change.due).order_by(change.by).limit(bindparam("rows", type_=Integer))
    if dialect == "postgresql":
        rows = rows.with_for_update(skip_locked=True)
    chosen = select(rows.cte("chosen").c.id)  # not a plain subquery: see `outbox.lease_due`
    return update(Subscription).where(Subscription.id.in_(chosen)).values(**change.values).returning(Subscription.id)


@lru_cache
def _logging(news: _News, dialect: str) -> Insert:
    rows = select(Subscription.tenant_id, Subscription.id, Subscription.customer_id, literal(news.reason), NOW)
    return insert(Suspension).from_select(
        ["tenant_id", "subscription_id", "customer_id", "reason", "at"], rows.where(_chosen(dialect), news.which)
    )


@lru_cache
def _subjects(subject: Any, dialect: str) -> Select[int, int]:
    return select(Subscription.tenant_id, subject).where(_chosen(dialect)).distinct()


@lru_cache
def _by_language(dialect: str) -> Select[int, str, Any]:
    """Ids by tenant and by the language of their customer."""
    return (
        select(Subscription.tenant_id, Customer.language, gathered(Subscription.id, dialect))
        .join(Customer, Customer.id == Subscription.customer_id)
        .where(_chosen(dialect))
        .group_by(Subscription.tenant_id, Customer.language)
    )


@lru_cache
def _recipients(news: _News, dialect: str) -> Select[int, str, str]:
    following = aliased(Subscription)
    goes_on = (
        select(following.id)
        .where(
            following.customer_id == Subscription.customer_id,
            following.service == Subscription.service,
            following.closed_at.is_(None),
            following.suspended_at.is_(None),
            following.over_at > NOW,
            following.ends_at > Subscription.ends_at,
            or_(following.quota_bytes.is_(None), following.used_bytes < following.quota_bytes),
        )
        .exists()
    )
    return (
        select(Subscription.tenant_id, news.key, Customer.msisdn)  # type: ignore[return-value]  # who has none is left out
        .join(Customer, Customer.id == Subscription.customer_id)
        .where(_chosen(dialect), news.which, ~goes_on, Customer.msisdn.is_not(None))
    )
