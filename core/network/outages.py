"""What an outage cost customers, and giving it back by the ISP's own rule, once."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import String, and_, cast, func, or_, select

from core import subscriptions, tenants
from core.network.actions import router
from core.network.health import STEADY
from core.network.models import Outage, Router
from core.network.sessions import INFERRED_ENDS, subscription_id
from core.network.stale import SILENT_INTERVALS
from core.radius_tables import radacct
from core.roles import system_only
from core.subscriptions import Subscription
from core.uow import UnitOfWork

SETTLE_BATCH = 100


@system_only
def unsettled(uow: UnitOfWork, limit: int = SETTLE_BATCH) -> list[tuple[int, int]]:
    """(tenant id, outage id) of outages that are over for good. For visits of no tenant."""
    rows = uow.session.execute(
        select(Outage.tenant_id, Outage.id, Outage.ended_at, Router.down_since)
        .join(Router, Router.id == Outage.router_id)
        .where(Outage.credited_at.is_(None), Outage.ended_at <= uow.now - STEADY)
        .order_by(Outage.ended_at)
        .limit(limit)
    )
    return [
        (row.tenant_id, row.id)
        for row in rows
        if row.down_since is None or row.ended_at is None or row.down_since - row.ended_at >= STEADY
    ]


@system_only
def settle_outage(uow: UnitOfWork, outage_id: int) -> int:
    """Write down who lost how much time, and give it back where the ISP does so. How many customers got something.

    Once per outage: it is locked, and marked in the same transaction. Who was offline for another reason lost nothing, nor did
    anybody while reports of usage went on coming in: then only the API was away.
    """
    outage = uow.session.get(Outage, outage_id, with_for_update=True, populate_existing=True)
    if outage is None or outage.ended_at is None or outage.credited_at is not None:
        return 0
    where = router(uow, outage.router_id)
    seconds = int((outage.ended_at - outage.began_at).total_seconds())
    lost: list[tuple[Subscription, int]] = []
    if outage.customers is None:
        lost = _lost(uow, _losers(uow, where, outage.began_at), outage.began_at, outage.ended_at)
        outage.customers, outage.lost_seconds = len({row.customer_id for row, _ in lost}), sum(each for _, each in lost)
    outage.credited_at = uow.now
    uow.record(
        "router.up", where, seconds_down=seconds, flaps=outage.flaps, customers=outage.customers,
        lost_seconds=outage.lost_seconds,
    )  # fmt: skip
    after = tenants.settings_of(uow).credit_after_minutes
    if after is None or seconds < after * 60:
        return 0
    why = {"outage": outage.id, "router": where.name}
    given = [row for row, each in lost if each and subscriptions.give_back(uow, row, each, **why)]
    return len({row.customer_id for row in given})


def _lost(
    uow: UnitOfWork, losers: list[Subscription], began_at: datetime, ended_at: datetime
) -> list[tuple[Subscription, int]]:
    """What each lost, in seconds: up to its end, and of what followed it. Once for each way a customer comes in by."""
    ways = {(row.customer_id, row.service): row for row in losers}
    return [(row, subscriptions.ran_between(uow, *way, began_at, ended_at)) for way, row in ways.items()]


def _losers(uow: UnitOfWork, where: Router, began_at: datetime) -> list[Subscription]:
    """What ran on this router when it fell silent, by the sessions that were open then: nobody heard their end, or they ended so
    that it looks like one."""
    address = radacct.c.nasipaddress
    here = func.host(address) if uow.session.get_bind().dialect.name == "postgresql" else cast(address, String)
    heard = func.coalesce(radacct.c.acctupdatetime, radacct.c.acctstarttime)
    patience = timedelta(seconds=SILENT_INTERVALS * tenants.settings_of(uow).interim_seconds)
    stopped = radacct.c.acctstoptime
    went_on = or_(stopped.is_(None), stopped >= began_at, radacct.c.acctterminatecause.in_(INFERRED_ENDS))
    classes = uow.session.scalars(
        select(radacct.c["class"])
        .where(
            here == where.nas_address, radacct.c.acctstarttime <= began_at, heard >= began_at - patience,
            and_(went_on, or_(stopped.is_(None), stopped >= began_at - patience)),
        )
        .distinct()
    )  # fmt: skip
    ids = {number for number in (subscription_id(klass or "") for klass in classes) if number}
    over = Subscription.closed_at
    running = (
        Subscription.begun_at <= began_at, or_(over.is_(None), over >= began_at), Subscription.over_at > began_at,
        Subscription.suspended_at.is_(None),
    )  # fmt: skip
    found = (
        uow.session.scalar(select(Subscription).where(Subscription.id == number, *running)) for number in sorted(ids)
    )
    return [row for row in found if row is not None]
