"""Running sessions of any service, as a router's tables show them, and ending one (routeros.md §3.1, §4, §5; radius.md §3).

What an Access-Accept or an order has set stands in three places: the row of the session, a dynamic queue with its rate, and
dynamic entries of address lists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from core.adapters.routeros.lines import Talk
from core.adapters.routeros.tables import ACTIVE, actives, remove
from core.adapters.routeros.values import Row, flag, number, seconds
from core.errors import GatewayDown
from core.ports import RunningSession

PPP, LEASE, QUEUE, LIST = "/ppp/active", "/ip/dhcp-server/lease", "/queue/simple", "/ip/firewall/address-list"
LINK, LINK_PROPERTIES = "/interface/pppoe-server", ".id,name,user,remote-address"
PPP_PROPERTIES = ".id,name,service,caller-id,address,uptime,session-id,radius"
LEASE_PROPERTIES = ".id,mac-address,address,expires-after,radius,dynamic,server"
QUEUE_PROPERTIES = ".id,name,target,max-limit,burst-limit,burst-threshold,burst-time,priority,limit-at,dynamic"
LIST_PROPERTIES = ".id,list,address,dynamic"
MENUS = {"hotspot": ACTIVE, "ppp": PPP, "dhcp": LEASE}


def running(talk: Talk, service: str, user: str) -> list[RunningSession]:
    """The sessions under one name, each with its rate and its address lists."""
    return [_with_limits(talk, found) for found in _READERS[service](talk, user)]


def end(talk: Talk, session: RunningSession) -> None:
    """Take the session's row away, and make sure that it is gone.

    Looked up afresh: ids change with a reboot, and an old one may be somebody else's by now (routeros.md §1.1).
    """
    for row_id in _rows_of(talk, session):
        remove(talk, MENUS[session.service], {".id": row_id})
    if _rows_of(talk, session):
        raise GatewayDown(f"router {talk.router.name!r} took the order to end a session and kept it running")


def _rows_of(talk: Talk, session: RunningSession) -> list[str]:
    there = _READERS[session.service](talk, session.user)
    return [
        one.row_id
        for one in there
        if (one.session_id, one.address) == (session.session_id, session.address)
        and (one.session_id or one.row_id == session.row_id)
    ]


def _hotspot(talk: Talk, user: str) -> list[RunningSession]:
    return [
        _session("hotspot", row, user, row.get("mac-address", ""), seconds_left=seconds(row, "session-time-left"),
                 limit=number(row, "limit-bytes-total"))
        for row in actives(talk, user=user)
    ]  # fmt: skip


def _ppp(talk: Talk, user: str) -> list[RunningSession]:
    rows = talk.rows(PPP, PPP_PROPERTIES, f"?name={user}")
    return [
        _session("ppp", row, user, row.get("caller-id", ""), session_id=row.get("session-id", ""))
        for row in rows
        if flag(row, "radius", default=True)
    ]


def _leases(talk: Talk, mac: str) -> list[RunningSession]:
    rows = talk.rows(LEASE, LEASE_PROPERTIES, f"?mac-address={mac}")
    return [
        _session("dhcp", row, mac, mac, seconds_left=seconds(row, "expires-after"))
        for row in rows
        if flag(row, "radius") and flag(row, "dynamic")
    ]


_READERS: dict[str, Callable[[Talk, str], list[RunningSession]]] = {"hotspot": _hotspot, "ppp": _ppp, "dhcp": _leases}


def _session(
    service: str, row: Row, user: str, mac: str, *, session_id: str = "", seconds_left: int | None = None,
    limit: int | None = None,
) -> RunningSession:  # fmt: skip
    return RunningSession(
        service=service, user=user, mac=mac, address=row.get("address", ""),
        session_id=session_id.lower().removeprefix("0x"), uptime_seconds=seconds(row, "uptime") or 0,
        seconds_left=seconds_left, limit_bytes_total=limit, rate="", address_lists=frozenset(), row_id=row.get(".id", ""),
    )  # fmt: skip


def _with_limits(talk: Talk, found: RunningSession) -> RunningSession:
    where = f"?name={_link(talk, found)}" if found.service == "ppp" else f"?target={found.address}/32"
    queues = talk.rows(QUEUE, QUEUE_PROPERTIES, where)
    lists = talk.rows(LIST, LIST_PROPERTIES, f"?address={found.address}") if found.address else []
    rates = [_rate(row) for row in queues if flag(row, "dynamic")]
    listed = frozenset(row.get("list", "") for row in lists if flag(row, "dynamic"))
    return replace(found, rate=rates[0] if rates else "", address_lists=listed)


def _link(talk: Talk, found: RunningSession) -> str:
    """The interface of a line, which its queue is called after; a second line of one name has a number in it."""
    links = talk.rows(LINK, LINK_PROPERTIES, f"?user={found.user}")
    own = [row.get("name", "") for row in links if row.get("remote-address", "") == found.mac]
    return own[0] if own else f"<pppoe-{found.user}>"


def _rate(row: Row) -> str:
    """The six parts of a rate, in the order of `Mikrotik-Rate-Limit` (radius.md §1)."""
    priority = row.get("priority", "8/8").partition("/")[0]
    parts = (
        row.get("max-limit", "0/0"), row.get("burst-limit", "0/0"), row.get("burst-threshold", "0/0"),
        row.get("burst-time", "0s/0s"), priority, row.get("limit-at", "0/0"),
    )  # fmt: skip
    return " ".join(parts)
