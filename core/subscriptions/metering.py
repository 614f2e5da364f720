"""Traffic of many subscriptions at once, of whichever ISP: what accounting charges with every batch of packets."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import NamedTuple

from core.many import NOTHING, Many, Outcome, ask
from core.roles import system_only
from core.uow import UnitOfWork


class Payer(NamedTuple):
    """A subscription, and the tenant at whose router it was used."""

    subscription_id: int
    tenant_id: int


_PAYER = {"number": "bigint", "tenant": "bigint"}
_STRANGERS = Many(
    """
SELECT :number, :tenant {rows}
WHERE NOT EXISTS (SELECT 1 FROM subscription s WHERE s.id = :number AND s.tenant_id = :tenant)""",
    **_PAYER,
)
_STRANGERS_ON_SQLITE = """
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:payers) WHERE NOT EXISTS (
    SELECT 1 FROM subscription s WHERE s.id = json_extract(value, '$[0]') AND s.tenant_id = json_extract(value, '$[1]'))"""


@system_only
def strangers(uow: UnitOfWork, payers: Collection[Payer]) -> Outcome:
    """Which of these are no subscription of that tenant; inside `core.many.unawaited`."""
    if not payers:
        return NOTHING
    if uow.connection.dialect.name == "postgresql":
        return _STRANGERS.run(uow.connection, payers)
    return ask(uow.connection, _STRANGERS_ON_SQLITE, {"payers": json.dumps(list(payers))})


_USED = {**_PAYER, "more": "bigint"}
_USE = "UPDATE subscription SET used_bytes = used_bytes + :more {rows} WHERE id = :number AND tenant_id = :tenant"
_USE_ONE = Many(_USE, **_USED)
_USE_AND_TELL = Many(
    "WITH used AS ("
    + _USE
    + """
    RETURNING id, tenant_id, used_bytes - :more AS before, used_bytes AS after, quota_bytes AS quota,
        suspended_at IS NULL AND closed_at IS NULL AS runs)
SELECT id, tenant_id FROM used WHERE runs AND before < quota AND quota <= after""",
    **_USED,
)
_TELL = """
SELECT s.id, s.tenant_id FROM json_each(:used)
JOIN subscription s ON s.id = json_extract(value, '$[0]') AND s.tenant_id = json_extract(value, '$[1]')
WHERE s.suspended_at IS NULL AND s.closed_at IS NULL
    AND s.used_bytes < s.quota_bytes AND s.quota_bytes <= s.used_bytes + json_extract(value, '$[2]')"""


@system_only
def use_many(uow: UnitOfWork, used: Mapping[Payer, int]) -> Outcome:
    """Count traffic in bytes, subscriptions in the order of their ids so that two servers do not wait for each other; inside
    `core.many.unawaited`.

    Its rows are the payers whose data these bytes have used up: they had some left before, and nobody has cut them yet.
    """
    if not used:
        return NOTHING
    rows = [(*payer, more) for payer, more in sorted(used.items())]
    if uow.connection.dialect.name == "postgresql":
        return _USE_AND_TELL.run(uow.connection, rows)
    crossing = ask(uow.connection, _TELL, {"used": json.dumps(rows)})
    _USE_ONE.run(uow.connection, rows)
    return crossing
