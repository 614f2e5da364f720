"""Traffic of many subscriptions at once, of whichever ISP: what accounting charges with every batch of packets."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache

from sqlalchemy import JSON, BigInteger, Select, Update, bindparam, cast, column, func, select, update

from core.roles import system_only
from core.subscriptions.models import Subscription
from core.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class Meter:
    """What a subscription has used before this batch. `may_run_out`: it has a quota, runs, and nobody has cut it yet."""

    tenant_id: int
    used_bytes: int
    quota_bytes: int | None
    may_run_out: bool

    def runs_out_with(self, more_bytes: int) -> bool:
        """Whether these bytes are the ones that use it up."""
        quota = self.quota_bytes
        return self.may_run_out and quota is not None and self.used_bytes < quota <= self.used_bytes + more_bytes


@cache
def _find(dialect: str) -> Select[int, int, int, int | None, bool]:
    unfold = func.json_array_elements_text if dialect == "postgresql" else func.json_each
    wanted = unfold(bindparam("ids", type_=JSON)).table_valued("value")
    return (
        select(
            Subscription.id, Subscription.tenant_id, Subscription.used_bytes, Subscription.quota_bytes,
            Subscription.suspended_at.is_(None) & Subscription.closed_at.is_(None),
        )
        .where(Subscription.id.in_(select(cast(wanted.c.value, BigInteger))))
        .order_by(Subscription.id)
        .with_for_update(key_share=True)
    )  # fmt: skip


@system_only
def meters(uow: UnitOfWork, ids: Collection[int]) -> dict[int, Meter]:
    """The subscriptions that exist among `ids`, locked in the order of their ids so that two servers never wait for each other."""
    if not ids:
        return {}
    found = uow.connection.execute(_find(uow.connection.dialect.name), {"ids": sorted(ids)})
    return {
        number: Meter(tenant_id, used, quota, bool(live)) for number, tenant_id, used, quota, live in found
    }  # fmt: skip


_V = (
    func.json_to_recordset(bindparam("rows", type_=JSON))
    .table_valued(column("id", BigInteger), column("more", BigInteger), name="v")
    .render_derived(name="v", with_types=True)
)
_USE: Update = (
    update(Subscription).where(Subscription.id == _V.c.id).values(used_bytes=Subscription.used_bytes + _V.c.more)
)
_USE_ONE: Update = (
    update(Subscription)
    .where(Subscription.id == bindparam("number"))
    .values(used_bytes=Subscription.used_bytes + bindparam("more"))
)


@system_only
def use_many(uow: UnitOfWork, used: Mapping[int, int]) -> None:
    """Count traffic: subscription id → bytes."""
    if not used:
        return
    if uow.connection.dialect.name == "postgresql":
        uow.connection.execute(_USE, {"rows": [{"id": number, "more": more} for number, more in used.items()]})
    else:
        uow.connection.execute(_USE_ONE, [{"number": number, "more": more} for number, more in used.items()])
