"""Where RADIUS rows and what was sold disagree: found set-based, healed by promising the ordinary Sync."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, or_, select

from core import outbox
from core.catalog import MAC, PPP
from core.customers import Customer, Device, Login
from core.db import among
from core.network.desired import KEPT
from core.network.models import Sighting
from core.radius_tables import radius_user
from core.roles import system_only
from core.subscriptions import Subscription
from core.tasks import SyncAccess
from core.uow import UnitOfWork

DRIFT_MAX = 500


@system_only
def drifted(uow: UnitOfWork, limit: int = DRIFT_MAX) -> list[int]:
    """Customers who paid and whose rows do not speak of what runs, whom an operator stopped and whose rows do not say so, or
    whose rows have outlived what they remember; up to `limit` of each. Everybody is looked at, so nothing is locked meanwhile.
    """
    which = select(Subscription.customer_id)
    rows = select(radius_user.c.username).where(radius_user.c.subscription_id == Subscription.id)
    held = or_(
        *(
            (Subscription.service == service)
            & select(kind.id).where(kind.customer_id == Subscription.customer_id, kind.released_at.is_(None)).exists()
            for service, kind in ((MAC, Device), (PPP, Login))
        )
    )
    open_ = (Subscription.closed_at.is_(None), Subscription.begun_at.is_not(None))
    running = (
        *open_,
        Subscription.suspended_at.is_(None),
        Subscription.slowed_at.is_(None),
        Subscription.ends_at > uow.now,
    )
    missing = which.where(*running, held, ~rows.exists())
    stopped = which.where(
        *open_, Subscription.suspended_reason == "operator", rows.where(radius_user.c.blocked == "").exists()
    )
    outlived = which.join(radius_user, radius_user.c.subscription_id == Subscription.id).where(
        Subscription.closed_at.is_not(None), Subscription.over_at <= uow.now - KEPT, ~radius_user.c.redirects
    )
    found: set[int] = set()
    for customers in (missing, stopped, outlived):
        found.update(uow.session.scalars(customers.limit(limit)))
    return sorted(found)


@system_only
def heal(uow: UnitOfWork, customer_ids: Sequence[int]) -> int:
    """Promise the rows of these customers, unless that is promised already; how many promises there are more."""
    chosen = among(Customer.id, customer_ids, uow.session.get_bind().dialect.name)
    owed = outbox.owed(SyncAccess, "customer_id", Customer.id)
    count = outbox.promise_each(
        uow.session, SyncAccess, select(Customer.tenant_id, Customer.id).where(chosen, ~owed), uow.now
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
