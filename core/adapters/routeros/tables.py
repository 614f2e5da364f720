"""The hotspot's tables as our values. Every absent property has its default written here (routeros.md §1.2, §3.1)."""

from __future__ import annotations

from core.adapters.routeros.lines import Talk
from core.adapters.routeros.sayings import meaning
from core.adapters.routeros.values import Row, flag, number, seconds
from core.adapters.routeros.wire import Trap
from core.ports import ActiveRow, HostRow, RouterAddress

HOST, ACTIVE, COOKIE = "/ip/hotspot/host", "/ip/hotspot/active", "/ip/hotspot/cookie"
HOST_PROPERTIES = ".id,mac-address,address,to-address,server,authorized,bypassed"
ACTIVE_PROPERTIES = ".id,mac-address,user,address,server,session-time-left,limit-bytes-total,uptime"


def fits(router: RouterAddress, row: Row) -> bool:
    """Whether a row belongs to the hotspot server that is ours; with none named, all are."""
    return router.hotspot_server in ("", row.get("server", ""))


def hosts(talk: Talk, mac: str = "") -> list[Row]:
    """Devices our hotspot sees, all or one."""
    found = talk.rows(HOST, HOST_PROPERTIES, *([f"?mac-address={mac}"] if mac else []))
    return [row for row in found if fits(talk.router, row)]


def actives(talk: Talk, mac: str = "", user: str = "") -> list[Row]:
    """Devices that are on the network: all, one, or those under one name."""
    words = [f"?mac-address={mac}"] if mac else []
    found = talk.rows(ACTIVE, ACTIVE_PROPERTIES, *words, *([f"?user={user}"] if user else []))
    return [row for row in found if fits(talk.router, row)]


def remove(talk: Talk, menu: str, row: Row) -> None:
    """Take a row away; one that went by itself in the meantime is fine."""
    try:
        talk.write(f"{menu}/remove", id=row.get(".id", ""))
    except Trap as trap:
        if meaning(trap).code != "gone":
            raise


def host_row(row: Row) -> HostRow:
    return HostRow(
        mac=row.get("mac-address", ""),
        address=row.get("address", ""),
        to_address=row.get("to-address", ""),
        server=row.get("server", ""),
        authorized=flag(row, "authorized"),
        bypassed=flag(row, "bypassed"),
    )


def active_row(row: Row) -> ActiveRow:
    return ActiveRow(
        mac=row.get("mac-address", ""),
        user=row.get("user", ""),
        address=row.get("address", ""),
        session_time_left_seconds=seconds(row, "session-time-left"),
        limit_bytes_total=number(row, "limit-bytes-total"),
        uptime_seconds=seconds(row, "uptime") or 0,
    )


def blocked(talk: Talk) -> list[str]:
    """Devices that an IP binding keeps out, by their addresses."""
    rows = talk.rows("/ip/hotspot/ip-binding", "mac-address,type,disabled")
    return [
        row["mac-address"]
        for row in rows
        if row.get("type") == "blocked" and not flag(row, "disabled") and row.get("mac-address")
    ]
