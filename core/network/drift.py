"""Where RADIUS rows and what was sold disagree: found set-based, healed by promising the ordinary Sync."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, case, delete, literal, select

from core import outbox
from core.customers import Device
from core.db import among
from core.network.models import Router, Sighting
from core.radius_tables import radcheck, radius_user
from core.roles import system_only
from core.subscriptions import Subscription
from core.tasks import Probe, SyncAccess
from core.tenants import Tenant
from core.uow import UnitOfWork

DRIFT_MAX = 500


@system_only
def heal(uow: UnitOfWork, limit: int = DRIFT_MAX) -> int:
    """Promise Sync for paid customers none of whose devices has a row, and for rows whose subscription is over."""
    name = Device.mac + case((Tenant.realm == "", literal("")), else_=literal("@") + Tenant.realm)
    has_rows = (
        select(radcheck.c.id)
        .select_from(Device)
        .join(Tenant, Tenant.id == Device.tenant_id)
        .join(radcheck, radcheck.c.username == name)
        .where(Device.customer_id == Subscription.customer_id, Device.released_at.is_(None))
        .exists()
    )
    has_device = (
        select(Device.id).where(Device.customer_id == Subscription.customer_id, Device.released_at.is_(None)).exists()
    )
    missing = (
        select(Subscription.tenant_id, Subscription.customer_id)
        .where(
            Subscription.closed_at.is_(None),
            Subscription.begun_at.is_not(None),
            Subscription.suspended_at.is_(None),
            Subscription.ends_at > uow.now,
            has_device,
            ~has_rows,
        )
        .limit(limit)
    )
    outlived = (
        select(Subscription.tenant_id, Subscription.customer_id)
        .join(radius_user, radius_user.c.subscription_id == Subscription.id)
        .where(Subscription.closed_at.is_not(None))
        .limit(limit)
    )
    return _promise(uow, missing) + _promise(uow, outlived)


def _promise(uow: UnitOfWork, found: Select[int, int]) -> int:
    rows = found.subquery()
    tenant_id, customer_id = rows.columns
    open_ = outbox.owed(SyncAccess, "customer_id", customer_id)
    count = outbox.promise_each(
        uow.session, SyncAccess, select(tenant_id, customer_id).where(~open_).distinct(), uow.now
    )
    uow.promised_now = uow.promised_now or count > 0
    return count


@system_only
def probe_all(uow: UnitOfWork) -> int:
    """Promise a look at every router that is not being looked at."""
    open_ = outbox.owed(Probe, "router_id", Router.id)
    count = outbox.promise_each(
        uow.session, Probe, select(Router.tenant_id, Router.id).where(~open_), uow.now, lane="router:"
    )
    uow.promised_now = uow.promised_now or count > 0
    return count


@system_only
def forget_sightings(uow: UnitOfWork, before: Any, limit: int = 5000) -> int:
    """Devices that knocked long ago."""
    old = uow.session.scalars(select(Sighting.id).where(Sighting.seen_at < before).limit(limit)).all()
    if old:
        uow.session.execute(
            delete(Sighting)
            .where(among(Sighting.id, old, uow.session.get_bind().dialect.name))
            .execution_options(synchronize_session=False)
        )
    return len(old)
