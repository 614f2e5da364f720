"""Traffic of many subscriptions at once, of whichever ISP: what accounting charges with every batch of packets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from core.many import Many
from core.roles import system_only
from core.uow import UnitOfWork


class Payer(NamedTuple):
    """A subscription, and the tenant at whose router it was used."""

    subscription_id: int
    tenant_id: int


@dataclass(frozen=True, slots=True)
class Meter:
    """What a subscription has used before this batch. `may_run_out`: it has a quota, runs, and nobody has cut it yet."""

    used_bytes: int
    quota_bytes: int | None
    may_run_out: bool

    def runs_out_with(self, more_bytes: int) -> bool:
        """Whether these bytes are the ones that use it up."""
        quota = self.quota_bytes
        return self.may_run_out and quota is not None and self.used_bytes < quota <= self.used_bytes + more_bytes


_TYPES = {"number": "bigint", "tenant": "bigint", "more": "bigint"}
_USE = "UPDATE subscription SET used_bytes = used_bytes + :more {rows} WHERE id = :number AND tenant_id = :tenant"
_TELL = " RETURNING id, tenant_id, used_bytes - :more, quota_bytes, suspended_at IS NULL AND closed_at IS NULL"
_USE_ONE, _USE_AND_TELL = Many(_USE, **_TYPES), Many(_USE + _TELL, **_TYPES)
_METERS = """
SELECT s.id, s.tenant_id, s.used_bytes, s.quota_bytes, s.suspended_at IS NULL AND s.closed_at IS NULL
FROM json_each(:payers) AS payer
JOIN subscription s ON s.id = json_extract(payer.value, '$[0]') AND s.tenant_id = json_extract(payer.value, '$[1]')"""


@system_only
def use_many(uow: UnitOfWork, used: Mapping[Payer, int]) -> dict[Payer, Meter]:
    """Count traffic in bytes, subscriptions in the order of their ids so that two servers do not wait for each other.

    What is not among the answers is no subscription of that tenant, and nothing was counted.
    """
    if not used:
        return {}
    rows = [(*payer, more) for payer, more in sorted(used.items())]
    found: Sequence[Any]
    if uow.connection.dialect.name == "postgresql":
        found = _USE_AND_TELL.ask(uow.connection, rows)
    else:
        found = uow.connection.exec_driver_sql(_METERS, {"payers": json.dumps(list(used))}).all()
        _USE_ONE.run(uow.connection, rows)
    return {Payer(number, tenant): Meter(before, quota, bool(live)) for number, tenant, before, quota, live in found}
