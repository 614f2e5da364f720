"""What time alone changes, found by one indexed statement and written by a few more, whoever and however many it concerns.

These verbs cross tenants: they are called in visits that belong to nobody and carry each row's own tenant along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, String, cast, extract, insert, literal, or_, select, update
from sqlalchemy.orm import aliased

from core import outbox
from core.customers import Customer
from core.db import Instant, among
from core.messaging import OptOut, bulk
from core.roles import system_only
from core.subscriptions.models import Subscription, Suspension
from core.subscriptions.rules import reminder
from core.tasks import Renew, SyncAccess
from core.tenants import Tenant, TenantSettings
from core.uow import UnitOfWork

BATCH = 1000


def _first(uow: UnitOfWork, *conditions: ColumnElement[bool], by: Any, limit: int) -> Any:
    """The ids of the first rows that meet the conditions; rows another clock is working on are passed over."""
    rows = select(Subscription.id).where(*conditions).order_by(by).limit(limit)
    if uow.session.get_bind().dialect.name == "postgresql":
        rows = rows.with_for_update(skip_locked=True)
    return select(rows.cte("chosen").c.id)  # not a plain subquery: see `outbox.lease_due`


def _mark(uow: UnitOfWork, ids: Any, **values: Any) -> dict[int, tuple[int, int]]:
    """Change these rows: subscription id → (tenant id, customer id)."""
    marked = uow.connection.execute(
        update(Subscription)
        .where(Subscription.id.in_(ids))
        .values(**values)
        .returning(Subscription.id, Subscription.tenant_id, Subscription.customer_id)
        .execution_options(synchronize_session=False)
    )
    return {row.id: (row.tenant_id, row.customer_id) for row in marked}


@system_only
def close_ended(uow: UnitOfWork, limit: int = BATCH) -> int:
    """Close what has run out of time: reason noted, access taken back, one message unless something else goes on."""
    ended = _first(
        uow, Subscription.closed_at.is_(None), Subscription.over_at <= uow.now, by=Subscription.over_at, limit=limit
    )
    marked = _mark(uow, ended, closed_at=uow.now)
    if marked:
        fresh = Subscription.suspended_at.is_(None)
        _cut(uow, list(marked), fresh, "time_limit")
        _tell(uow, marked, fresh, "ended_time", literal("ended:") + cast(Subscription.id, String))
    return len(marked)


_EXHAUSTED = (
    Subscription.closed_at.is_(None), Subscription.suspended_at.is_(None), Subscription.slowed_at.is_(None),
    Subscription.used_bytes >= Subscription.quota_bytes,
)  # fmt: skip
_EVERYONE = Subscription.id.is_not(None)
_EXHAUSTED_KEY = literal("exhausted:") + cast(Subscription.id, String) + ":" + cast(Subscription.quota_bytes, String)


@system_only
def suspend_exhausted(uow: UnitOfWork, limit: int = BATCH) -> int:
    """The net under accounting: suspend whoever has used up the data and was not noticed at once."""
    exhausted = _first(uow, *_EXHAUSTED, Subscription.slows.is_(False), by=Subscription.id, limit=limit)
    marked = _mark(uow, exhausted, suspended_at=uow.now, suspended_reason="data_limit")
    if marked:
        _cut(uow, list(marked), _EVERYONE, "data_limit")
        _tell(uow, marked, _EVERYONE, "ended_data", _EXHAUSTED_KEY)
    return len(marked)


@system_only
def slow_down(uow: UnitOfWork, limit: int = BATCH) -> int:
    """The same net for fair use: whoever has used up the data goes on slowly."""
    exhausted = _first(uow, *_EXHAUSTED, Subscription.slows.is_(True), by=Subscription.id, limit=limit)
    marked = _mark(uow, exhausted, slowed_at=uow.now)
    if marked:
        _promise_sync(uow, _chosen(uow, list(marked)))
        _tell(uow, marked, _EVERYONE, "slowed", _EXHAUSTED_KEY)
    return len(marked)


@system_only
def remind(uow: UnitOfWork, limit: int = BATCH) -> int:
    """Say that time ends soon: a day before, two hours before, and at the end to those who have a period of grace.

    Once each per end; not to who has more time waiting, is suspended, or wants to hear nothing that is not asked for.
    """
    due = (
        select(
            Subscription.id,
            Subscription.tenant_id,
            Subscription.customer_id,
            Subscription.ends_at,
            Subscription.over_at,
        )
        .where(Subscription.closed_at.is_(None), Subscription.remind_at <= uow.now)
        .order_by(Subscription.remind_at)
        .limit(limit)
    )
    if uow.session.get_bind().dialect.name == "postgresql":
        due = due.with_for_update(skip_locked=True)
    found = uow.session.execute(due).all()
    told: dict[str, dict[int, tuple[int, int]]] = {}
    following = []
    for row in found:
        words, next_at = reminder(row.ends_at, row.over_at, uow.now)
        following.append({"id": row.id, "remind_at": next_at})
        if words is not None:
            told.setdefault(words, {})[row.id] = (row.tenant_id, row.customer_id)
    if following:
        uow.session.execute(update(Subscription), following)
    end = cast(cast(extract("epoch", Subscription.ends_at), BigInteger), String)
    for words, marked in told.items():
        key = literal(f"remind:{words}:") + cast(Subscription.id, String) + ":" + end
        _tell(uow, marked, Subscription.suspended_at.is_(None) & _WANTS_TO_HEAR, f"reminder_{words}", key)
    return len(found)


_WANTS_TO_HEAR = ~(
    select(OptOut.id)
    .where(OptOut.tenant_id == Subscription.tenant_id, OptOut.msisdn == Customer.msisdn)
    .correlate(Subscription, Customer)
    .exists()
)


@system_only
def renewals_due(uow: UnitOfWork, limit: int = BATCH) -> int:
    """Promise to buy again, from the wallet, what ends shortly and whose owner wishes so."""
    due = _first(
        uow, Subscription.closed_at.is_(None), Subscription.renew_at <= uow.now, by=Subscription.renew_at, limit=limit
    )
    marked = _mark(uow, due, renew_at=None)
    if marked:
        which = select(Subscription.tenant_id, Subscription.id).where(_chosen(uow, list(marked)))
        outbox.promise_each(uow.session, Renew, which, uow.now)
        uow.promised_now = True
    return len(marked)


@system_only
def begin_waiting(uow: UnitOfWork, limit: int = BATCH) -> int:
    """Start what has waited for its turn."""
    due = _first(
        uow, Subscription.closed_at.is_(None), Subscription.begun_at.is_(None), Subscription.starts_at <= uow.now,
        by=Subscription.starts_at, limit=limit,
    )  # fmt: skip
    marked = _mark(uow, due, begun_at=uow.now)
    if marked:
        _promise_sync(uow, _chosen(uow, list(marked)))
    return len(marked)


def _chosen(uow: UnitOfWork, ids: Sequence[int]) -> ColumnElement[bool]:
    return among(Subscription.id, ids, uow.session.get_bind().dialect.name)


def _promise_sync(uow: UnitOfWork, chosen: ColumnElement[bool]) -> None:
    customers = select(Subscription.tenant_id, Subscription.customer_id).where(chosen).distinct()
    outbox.promise_each(uow.session, SyncAccess, customers, uow.now)
    uow.promised_now = True


def _cut(uow: UnitOfWork, ids: Sequence[int], which: ColumnElement[bool], reason: str) -> None:
    uow.connection.execute(
        insert(Suspension).from_select(
            ["tenant_id", "subscription_id", "customer_id", "reason", "at"],
            select(
                Subscription.tenant_id,
                Subscription.id,
                Subscription.customer_id,
                literal(reason),
                literal(uow.now, Instant()),
            ).where(_chosen(uow, ids), which),
        )
    )
    _promise_sync(uow, _chosen(uow, ids))


def _tell(
    uow: UnitOfWork,
    marked: Mapping[int, tuple[int, int]],
    which: ColumnElement[bool],
    template: str,
    key: ColumnElement[str],
) -> None:
    """One message to each customer for whom nothing else goes on, per tenant and language in that tenant's words."""
    following = aliased(Subscription)
    goes_on = (
        select(following.id)
        .where(
            following.customer_id == Subscription.customer_id,
            following.service == Subscription.service,
            following.closed_at.is_(None),
            following.suspended_at.is_(None),
            following.over_at > uow.now,
            following.ends_at > Subscription.ends_at,
            or_(following.quota_bytes.is_(None), following.used_bytes < following.quota_bytes),
        )
        .exists()
    )
    for (tenant_id, language), ids in _by_language(uow, marked).items():
        recipients = (
            select(Subscription.tenant_id, key, Customer.msisdn)
            .join(Customer, Customer.id == Subscription.customer_id)
            .where(_chosen(uow, ids), which, ~goes_on)
        )
        bulk.queue_many(uow, recipients, language, template, dial=_dial(uow, tenant_id))


def _by_language(uow: UnitOfWork, marked: Mapping[int, tuple[int, int]]) -> dict[tuple[int, str], list[int]]:
    """Subscription ids by tenant and by the language of their customer."""
    dialect = uow.session.get_bind().dialect.name
    wanted = among(Customer.id, list({customer_id for _, customer_id in marked.values()}), dialect)
    languages = {
        row.id: row.language for row in uow.connection.execute(select(Customer.id, Customer.language).where(wanted))
    }
    groups: dict[tuple[int, str], list[int]] = {}
    for subscription_id, (tenant_id, customer_id) in marked.items():
        groups.setdefault((tenant_id, languages[customer_id]), []).append(subscription_id)
    return groups


def _dial(uow: UnitOfWork, tenant_id: int) -> str:
    tenant = uow.session.get_one(Tenant, tenant_id)
    return TenantSettings.model_validate_json(tenant.settings).dial
