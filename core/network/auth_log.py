"""What is remembered about logins: the log (`radpostauth`), where devices knocked. Written for many at once."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from core.roles import system_only
from core.uow import UnitOfWork


class LogLine(NamedTuple):
    """One answer in the authentication log. There is no room for a password in it."""

    username: str
    reply: str
    called_station: str
    calling_station: str
    at: datetime
    klass: str = ""


class Knock(NamedTuple):
    """A device asked at a router, and was not let in."""

    router_id: int
    mac: str
    at: datetime


_LOG = {
    "postgresql": """
        INSERT INTO radpostauth (username, pass, reply, calledstationid, callingstationid, authdate, class)
        SELECT name, '', reply, called, calling, at, class FROM unnest(
            %(v0)b::text[], %(v1)b::text[], %(v2)b::text[], %(v3)b::text[], %(v4)b::timestamptz[], %(v5)b::text[]
        ) WITH ORDINALITY AS line (name, reply, called, calling, at, class, number) ORDER BY number""",
    "sqlite": """
        INSERT INTO radpostauth (username, pass, reply, calledstationid, callingstationid, authdate, class)
        SELECT json_extract(value, '$[0]'), '', json_extract(value, '$[1]'), json_extract(value, '$[2]'),
            json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]') FROM json_each(:rows)""",
}
_UPSERT = """
INSERT INTO sighting (tenant_id, router_id, mac, seen_at)
SELECT r.tenant_id, r.id, {mac}, max({at}) FROM {knocks} JOIN router r ON r.id = {router}
GROUP BY r.tenant_id, r.id, {mac} ORDER BY r.id, {mac}
ON CONFLICT (router_id, mac) DO UPDATE SET seen_at = excluded.seen_at WHERE sighting.seen_at < excluded.seen_at"""
"""In one order everywhere: two servers never wait for each other in a ring. A router that is gone has no sightings."""
_KNOCKS = {
    "postgresql": _UPSERT.format(
        knocks="unnest(%(v0)b::bigint[], %(v1)b::text[], %(v2)b::timestamptz[]) AS knock (router, mac, at)",
        router="knock.router", mac="knock.mac", at="knock.at",
    ),
    "sqlite": _UPSERT.format(
        knocks="json_each(:rows) AS knock", router="json_extract(knock.value, '$[0]')", mac="json_extract(knock.value, '$[1]')", at="json_extract(knock.value, '$[2]')"
    ),
}  # fmt: skip


@system_only
def log_logins(uow: UnitOfWork, lines: Collection[LogLine]) -> None:
    """Write the log, in this order."""
    _write(uow, _LOG, lines)


@system_only
def knocked(uow: UnitOfWork, knocks: Collection[Knock]) -> None:
    """Remember where devices that wait have been seen last."""
    _write(uow, _KNOCKS, knocks)


@system_only
def seen(uow: UnitOfWork, router_id: int, mac: str) -> None:
    """A device knocked at a router."""
    knocked(uow, [Knock(router_id, mac, uow.now)])


def _write(uow: UnitOfWork, statements: dict[str, str], rows: Collection[tuple[Any, ...]]) -> None:
    """One statement, however many rows: the database works while other threads of this process go on."""
    if not rows:
        return
    connection = uow.session.connection()
    values: dict[str, Any]
    if connection.dialect.name == "postgresql":
        values = {f"v{number}": list(column) for number, column in enumerate(zip(*rows, strict=True))}
    else:
        values = {"rows": json.dumps(rows, default=_text)}
    connection.exec_driver_sql(statements[connection.dialect.name], values)


@lru_cache(maxsize=64)
def _text(moment: datetime) -> str:
    """A moment as `core.db.Instant` writes it on SQLite."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
