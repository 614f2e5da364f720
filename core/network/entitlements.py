"""Which routers are answered, and what the rows say about the names they ask about: for many names at once.

The busiest statements of the service. They are written for the driver: one round trip for a whole batch, and on SQLite one
row that holds everything, made by the database while other threads of this process go on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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


CHECK, REPLY, USER, SESSION = range(4)

_ROWS = """
SELECT {check} AS kind, username AS name, attribute AS a, value AS b FROM radcheck WHERE username {among}
UNION ALL
SELECT {reply}, username, attribute, value FROM
    (SELECT username, attribute, value FROM radreply WHERE username {among} ORDER BY id) AS replies
UNION ALL
SELECT {user}, u.username, '', {row}(u.service, u.subscription_id, u.metered, u.language, u.hours, u.timezone,
                                     u.redirects, u.blocked, s.quota_bytes, s.used_bytes, s.tenant_id){text}
FROM radius_user u LEFT JOIN subscription s ON u.metered AND s.id = u.subscription_id WHERE u.username {among}
UNION ALL
SELECT {session}, c.username, coalesce(a.callingstationid, ''), {heard}
FROM radcheck c
JOIN radacct a ON a.acctstoptime IS NULL AND a.username = {name}
JOIN radius_nas n ON n.nasname = {nas_address} AND n.realm = {realm}
WHERE c.attribute = 'Simultaneous-Use' AND c.username {among}
"""
"""One statement sees the rows of one moment: never the old check with the new reply while somebody replaces them.

`radacct` holds names as routers know them: its sessions belong to a name when their router's realm is the name's."""
_KINDS = {"check": CHECK, "reply": REPLY, "user": USER, "session": SESSION}
_POSTGRESQL = _ROWS.format(
    **_KINDS, among="= ANY(%(names)s)", row="json_build_array", text="::text", name="split_part(c.username, '@', 1)",
    realm="split_part(c.username, '@', 2)", nas_address="host(a.nasipaddress)",
    heard="extract(epoch FROM coalesce(a.acctupdatetime, a.acctstarttime))::bigint::text",
)  # fmt: skip
_SQLITE_ROWS = _ROWS.format(
    **_KINDS, among="IN (SELECT value FROM json_each(:names))", row="json_array", text="",
    name="substr(c.username, 1, instr(c.username || '@', '@') - 1)",
    realm="substr(c.username, instr(c.username || '@', '@') + 1)", nas_address="a.nasipaddress",
    heard="strftime('%s', coalesce(a.acctupdatetime, a.acctstarttime))",
)  # fmt: skip
_SQLITE = f"SELECT json_group_array(json_array(kind, name, a, b)) FROM ({_SQLITE_ROWS})"  # noqa: S608 (constants only)


@system_only
def entitlements(uow: UnitOfWork, wanted: Mapping[str, int]) -> dict[str, Entitlement]:
    """The rows of many names, as the tables key them, with what is left of their quotas right now.

    `wanted` says for each name at which tenant's router it is asked about: a subscription of another tenant is not known.
    Names without any row are left out.
    """
    found: dict[str, Entitlement] = {}
    users: dict[str, RadiusUser] = {}
    sessions: dict[str, list[OpenSession]] = {}
    for kind, name, a, b in _rows(uow, list(wanted)):
        if kind in (CHECK, REPLY):
            rows = found.get(name)
            if rows is None:
                rows = found[name] = Entitlement([], [])
            (rows.check if kind == CHECK else rows.reply).append((a, b))
        elif kind == USER:
            users[name] = _user(json.loads(b), wanted[name])
        else:
            heard_at = datetime.fromtimestamp(int(b or 0), UTC)
            sessions.setdefault(name, []).append(OpenSession(a, heard_at))
    for name, user in users.items():
        rows = found.get(name) or Entitlement([], [])
        found[name] = Entitlement(rows.check, rows.reply, user, tuple(sessions.get(name, ())))
    return found


def _rows(uow: UnitOfWork, names: list[str]) -> Iterable[Any]:
    connection = uow.session.connection()
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql(_POSTGRESQL, {"names": names}).all()
    [everything] = connection.exec_driver_sql(_SQLITE, {"names": json.dumps(names)}).one()
    rows: list[Any] = json.loads(everything)
    return rows


def _user(values: list[Any], tenant_id: int) -> RadiusUser:
    *facts, quota_bytes, used_bytes, owner_id = values
    service, subscription_id, metered, language, hours, timezone, redirects, blocked = facts
    known = metered and owner_id == tenant_id and quota_bytes is not None
    return RadiusUser(
        service, subscription_id, bool(metered), language, hours, timezone, bool(redirects), blocked,
        quota_bytes - used_bytes if known else None,
    )  # fmt: skip


@system_only
def entitlement(uow: UnitOfWork, user: str) -> Entitlement | None:
    """The rows of one name. None: no rows, no access."""
    found = entitlements(uow, {user: uow.tenant}).get(user)
    return found if found is not None and found.check else None
