"""What time alone changes, found by one indexed statement and written by a few more, whoever and however many it concerns.

These verbs cross tenants: they are called in visits that belong to nobody and carry each row's own tenant along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, String, cast, insert, literal, or_, select, update
from sqlalchemy.orm import aliased

from core import outbox
from core.customers import Customer
from core.db import Instant, among
from core.messaging import bulk
from core.roles import system_only
from core.subscriptions.models import Subscription, Suspension
from core.tasks import SyncAccess
from core.tenants import Tenant, TenantSettings
from core.uow import UnitOfWork

BATCH = 1000


def _first(uow: UnitOfWork, *conditions: ColumnElement[bool], by: Any, limit: int) -> Any:
    """The ids of the first rows that meet the conditions; rows another clock is working on are passed over."""
    rows = select(Subscription.id).where(*conditions).order_by(by).limit(limit)
    if uow.session.get_bind().dialect.name == "postgresql":
        rows = rows.with_for_update(skip_locked=True)
    return rows.scalar_subquery()


def _mark(uow: UnitOfWork, ids: Any, **values: Any) -> list[int]:
    marked = uow.session.scalars(
        update(Subscription)
        .where(Subscription.id.in_(ids))
        .values(**values)
        .returning(Subscription.id)
        .execution_options(synchronize_session=False)
    )
    return list(marked)


@system_only
def close_ended(uow: UnitOfWork, limit: int = BATCH) -> int:
    """Close what has run out of time: reason noted, access taken back, one message unless something else goes on."""
    ended = _first(
        uow, Subscription.closed_at.is_(None), Subscription.ends_at <= uow.now, by=Subscription.ends_at, limit=limit
    )
    ids = _mark(uow, ended, closed_at=uow.now)
    if ids:
        fresh = Subscription.suspended_at.is_(None)
        _cut(uow, ids, fresh, "time_limit")
        _tell(uow, ids, fresh, "ended_time", literal("ended:") + cast(Subscription.id, String))
    return len(ids)


@system_only
def suspend_exhausted(uow: UnitOfWork, limit: int = BATCH) -> int:
    """The net under accounting: suspend whoever has used up the data and was not noticed at once."""
    exhausted = _first(
        uow, Subscription.closed_at.is_(None), Subscription.suspended_at.is_(None),
        Subscription.used_bytes >= Subscription.quota_bytes, by=Subscription.id, limit=limit,
    )  # fmt: skip
    ids = _mark(uow, exhausted, suspended_at=uow.now, suspended_reason="data_limit")
    if ids:
        everyone = Subscription.id.is_not(None)
        key = literal("exhausted:") + cast(Subscription.id, String) + ":" + cast(Subscription.quota_bytes, String)
        _cut(uow, ids, everyone, "data_limit")
        _tell(uow, ids, everyone, "ended_data", key)
    return len(ids)


@system_only
def begin_waiting(uow: UnitOfWork, limit: int = BATCH) -> int:
    """Start what has waited for its turn."""
    due = _first(
        uow, Subscription.closed_at.is_(None), Subscription.begun_at.is_(None), Subscription.starts_at <= uow.now,
        by=Subscription.starts_at, limit=limit,
    )  # fmt: skip
    ids = _mark(uow, due, begun_at=uow.now)
    if ids:
        _promise_sync(uow, _chosen(uow, ids))
    return len(ids)


def _chosen(uow: UnitOfWork, ids: Sequence[int]) -> ColumnElement[bool]:
    return among(Subscription.id, ids, uow.session.get_bind().dialect.name)


def _promise_sync(uow: UnitOfWork, chosen: ColumnElement[bool]) -> None:
    customers = select(Subscription.tenant_id, Subscription.customer_id).where(chosen).distinct()
    outbox.promise_each(uow.session, SyncAccess, customers, uow.now)
    uow.promised_now = True


def _cut(uow: UnitOfWork, ids: Sequence[int], which: ColumnElement[bool], reason: str) -> None:
    uow.session.execute(
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
    uow: UnitOfWork, ids: Sequence[int], which: ColumnElement[bool], template: str, key: ColumnElement[str]
) -> None:
    """One message to each customer for whom nothing else goes on, per tenant and language in that tenant's words."""
    following = aliased(Subscription)
    goes_on = (
        select(following.id)
        .where(
            following.customer_id == Subscription.customer_id,
            following.closed_at.is_(None),
            following.suspended_at.is_(None),
            following.ends_at > uow.now,
            or_(following.quota_bytes.is_(None), following.used_bytes < following.quota_bytes),
        )
        .exists()
    )
    told: Select[int, str, str] = (
        select(Subscription.tenant_id, key, Customer.msisdn)
        .join(Customer, Customer.id == Subscription.customer_id)
        .where(_chosen(uow, ids), which, ~goes_on)
    )
    groups = uow.session.execute(
        select(Subscription.tenant_id, Customer.language)
        .join(Customer, Customer.id == Subscription.customer_id)
        .where(_chosen(uow, ids))
        .distinct()
    ).all()
    for tenant_id, language in groups:
        recipients = told.where(Subscription.tenant_id == tenant_id, Customer.language == language)
        bulk.queue_many(uow, recipients, language, template, dial=_dial(uow, tenant_id))


def _dial(uow: UnitOfWork, tenant_id: int) -> str:
    tenant = uow.session.get_one(Tenant, tenant_id)
    return TenantSettings.model_validate_json(tenant.settings).dial
