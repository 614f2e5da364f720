"""Which routers are answered, and what the rows say about the names they ask about: for many names at once.

The busiest statements of the service. They are written for the driver: one round trip for a whole batch, and on SQLite one
row that holds everything, made by the database while other threads of this process go on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, update

from core.network.policy import Entitlement, NasClient, OpenSession, RadiusUser
from core.radius_tables import nas, radius_nas
from core.roles import system_only
from core.uow import UnitOfWork


@system_only
def nas_clients(uow: UnitOfWork) -> list[NasClient]:
    """Every router that RADIUS answers, from the rows that FreeRADIUS reads too."""
    rows = uow.session.execute(
        select(nas.c.nasname, nas.c.secret, radius_nas).join(radius_nas, radius_nas.c.nasname == nas.c.nasname)
    )
    return [
        NasClient(
            row.nasname, row.secret, row.tenant_id, row.router_id, row.realm, row.mac_auth_password,
            row.demands_message_authenticator, row.timezone, row.language, row.service_code,
        )
        for row in rows
    ]  # fmt: skip


@system_only
def remember_message_authenticator(uow: UnitOfWork, router_id: int) -> None:
    """This router signs its requests: from now on unsigned ones are not believed (CVE-2024-3596)."""
    uow.session.execute(
        update(radius_nas).where(radius_nas.c.router_id == router_id).values(demands_message_authenticator=True)
    )


_ROWS = """
SELECT
(SELECT {all}({row}(username, attribute, value)) FROM radcheck WHERE username {among}),
(SELECT {all}({row}(username, attribute, value)) FROM
    (SELECT username, attribute, value FROM radreply WHERE username {among} ORDER BY id) AS replies),
(SELECT {all}({row}(u.username, u.service, u.subscription_id, u.metered, u.language, u.hours, u.timezone, u.redirects,
                    u.blocked, s.quota_bytes, s.used_bytes, s.tenant_id))
    FROM radius_user u LEFT JOIN subscription s ON u.metered AND s.id = u.subscription_id WHERE u.username {among}),
(SELECT {all}({row}(c.username, coalesce(a.callingstationid, ''), {heard}))
    FROM radcheck c
    JOIN radacct a ON a.acctstoptime IS NULL AND a.username = {name}
    JOIN radius_nas n ON n.nasname = {nas_address} AND n.realm = {realm}
    WHERE c.attribute = 'Simultaneous-Use' AND c.username {among})
"""
"""One statement sees the rows of one moment: never the old check with the new reply while somebody replaces them.

`radacct` holds names as routers know them: its sessions belong to a name when their router's realm is the name's."""
_STATEMENTS = {
    "postgresql": _ROWS.format(
        all="json_agg", row="json_build_array", among="= ANY(%(names)s)", name="split_part(c.username, '@', 1)",
        realm="split_part(c.username, '@', 2)", nas_address="host(a.nasipaddress)",
        heard="extract(epoch FROM coalesce(a.acctupdatetime, a.acctstarttime))::bigint",
    ),
    "sqlite": _ROWS.format(
        all="json_group_array", row="json_array", among="IN (SELECT value FROM json_each(:names))",
        name="substr(c.username, 1, instr(c.username || '@', '@') - 1)",
        realm="substr(c.username, instr(c.username || '@', '@') + 1)", nas_address="a.nasipaddress",
        heard="CAST(strftime('%s', coalesce(a.acctupdatetime, a.acctstarttime)) AS INTEGER)",
    ),
}  # fmt: skip


@system_only
def entitlements(uow: UnitOfWork, wanted: Mapping[str, int]) -> dict[str, Entitlement]:
    """The rows of many names, as the tables key them, with what is left of their quotas right now.

    `wanted` says for each name at which tenant's router it is asked about: a subscription of another tenant is not known.
    Names without any row are left out.
    """
    checks, replies, users, sessions = _rows(uow, list(wanted))
    opened: dict[str, list[OpenSession]] = {}
    for name, calling_station, heard in sessions:
        session = OpenSession(calling_station, datetime.fromtimestamp(heard or 0, UTC))
        opened.setdefault(name, []).append(session)
    found = {name: Entitlement([], [], _user(facts, wanted[name]), opened.get(name, ())) for name, *facts in users}
    for name, attribute, value in checks:
        (found.get(name) or found.setdefault(name, Entitlement([], []))).check.append((attribute, value))
    for name, attribute, value in replies:
        (found.get(name) or found.setdefault(name, Entitlement([], []))).reply.append((attribute, value))
    return found


def _rows(uow: UnitOfWork, names: list[str]) -> list[list[Any]]:
    """Checks, replies, users and open sessions."""
    connection = uow.session.connection()
    dialect = connection.dialect.name
    parameter = names if dialect == "postgresql" else json.dumps(names)
    row = connection.exec_driver_sql(_STATEMENTS[dialect], {"names": parameter}).one()
    return [json.loads(column) if isinstance(column, str) else column or [] for column in row]


def _user(facts: list[Any], tenant_id: int) -> RadiusUser:
    service, subscription_id, metered, language, hours, timezone, redirects, blocked, quota_bytes, used_bytes, owner = (
        facts
    )
    known = metered and owner == tenant_id and quota_bytes is not None
    return RadiusUser(
        service, subscription_id, bool(metered), language, hours, timezone, bool(redirects), blocked,
        quota_bytes - used_bytes if known else None,
    )  # fmt: skip


@system_only
def entitlement(uow: UnitOfWork, user: str) -> Entitlement | None:
    """The rows of one name. None: no rows, no access."""
    found = entitlements(uow, {user: uow.tenant}).get(user)
    return found if found is not None and found.check else None
