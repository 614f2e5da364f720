"""Who and what gets people online at a router besides us: read from its tables, and taken away one at a time."""

from __future__ import annotations

from collections.abc import Iterator

from core.adapters.routeros.desire import is_ours
from core.adapters.routeros.lines import Lines, Talk
from core.adapters.routeros.sayings import meaning
from core.adapters.routeros.tables import fits, remove
from core.adapters.routeros.values import Row, flag, harmless, seconds
from core.adapters.routeros.wire import Trap
from core.errors import GatewayDown
from core.ports import RouterAddress
from core.strays import BINDING, LINE, SECRET, SESSION, USER, Loose

MENUS = {
    SESSION: ("/ip/hotspot/active", ".id,user,mac-address,address,server,uptime,radius,comment"),
    LINE: ("/ppp/active", ".id,name,caller-id,address,uptime,radius,comment"),
    USER: ("/ip/hotspot/user", ".id,name,mac-address,address,disabled,default,dynamic,comment"),
    SECRET: ("/ppp/secret", ".id,name,caller-id,remote-address,disabled,comment"),
    BINDING: ("/ip/hotspot/ip-binding", ".id,mac-address,address,type,disabled,comment"),
}
FACTORY_USER = "default-trial"


class MikrotikStrays:
    """The port `StrayHunter`."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def loose(self, router: RouterAddress) -> list[Loose]:
        """Everything at this router that lets somebody in."""
        with self._lines.talk(router) as talk:
            return [_value(kind, row) for kind in MENUS for row in _rows(talk, kind)]

    def end(self, router: RouterAddress, what: Loose) -> bool:
        """End exactly this one; found again by all that was shown of it, for ids change."""
        with self._lines.talk(router) as talk:
            there = _same(talk, what)
            for row in there:
                remove(talk, MENUS[what.kind][0], row)
            left = {row.get(".id") for row in _same(talk, what)}
            if any(row.get(".id") in left for row in there):
                raise GatewayDown(f"router {router.name!r} took the order to remove a {what.kind} and kept it")
            return bool(there)


def _same(talk: Talk, what: Loose) -> list[Row]:
    """The rows that are this one: a session that began anew meanwhile is another one only by its age."""
    found = [(row, _value(what.kind, row)) for row in _rows(talk, what.kind)]
    return [row for row, one in found if (one.name, one.mac, one.address) == (what.name, what.mac, what.address)]


def _rows(talk: Talk, kind: str) -> Iterator[Row]:
    menu, properties = MENUS[kind]
    try:
        rows = talk.rows(menu, properties)
    except Trap as trap:
        if meaning(trap).code != "version":  # a box without the package has nobody to let in
            raise
        return
    for row in rows:
        made = flag(row, "disabled") or flag(row, "default") or flag(row, "dynamic") or is_ours(menu, row)
        blocked = kind == BINDING and row.get("type", "regular") != "bypassed"
        others = kind == SESSION and not fits(talk.router, row)
        factory = kind == USER and row.get("name") == FACTORY_USER
        if not (made or blocked or others or factory):
            yield row


def _value(kind: str, row: Row) -> Loose:
    return Loose(
        kind,
        name=harmless(row.get("user", row.get("name", ""))),
        mac=harmless(row.get("mac-address", row.get("caller-id", ""))),
        address=harmless(row.get("address", row.get("remote-address", ""))),
        by_radius=flag(row, "radius"),
        uptime_seconds=seconds(row, "uptime") if kind in (SESSION, LINE) else None,
        note=harmless(row.get("comment", "")),
    )
