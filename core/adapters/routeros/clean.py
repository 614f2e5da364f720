"""Taking what is ours off a router that is given up. Only rows with our tag; what we talk through stays, and is named."""

from __future__ import annotations

from core.adapters.routeros.desire import COMMENT, TAG_IN, is_ours
from core.adapters.routeros.lines import Talk
from core.adapters.routeros.menus import PROPERTIES
from core.adapters.routeros.reading import Reading
from core.adapters.routeros.sayings import meaning
from core.adapters.routeros.tables import remove
from core.adapters.routeros.values import Row, flag, harmless
from core.adapters.routeros.wire import Trap

STAYS = frozenset(
    {"/user", "/user/group", "/interface/wireguard", "/interface/wireguard/peers", "/interface/l2tp-client"}
)
"""Our account and our tunnel: the conversation goes through them."""
LAST = ("/ip/pool", "/ip/address", "/interface/bridge/port", "/interface/bridge")
"""What other rows of ours stand on."""


def clean(talk: Talk) -> tuple[list[str], list[str]]:
    """(what was removed, what was left), as words without secrets. Rows go from the last to the first, so that of a firewall
    the rule that closes goes before those that open."""
    reading = Reading(talk)
    gone: list[str] = []
    left: list[str] = []
    for menu in sorted((menu for menu in PROPERTIES if menu != "/file"), key=_order):
        prop = TAG_IN.get(menu, COMMENT)
        for row in reversed([row for row in reading.rows(menu) if is_ours(menu, row) and not flag(row, "dynamic")]):
            what = f"{menu} {harmless(row[prop])}"
            if menu in STAYS or _of_tunnel(row):
                left.append(f"{what}: we talk through it")
                continue
            try:
                remove(talk, menu, row)
            except Trap as trap:
                if meaning(trap).code == "login":
                    raise
                left.append(f"{what}: {trap}")
            else:
                gone.append(what)
    return gone, left


def _order(menu: str) -> tuple[int, str]:
    """Deeper menus first: a peer before its interface, a garden before its hotspot, a server before its profile."""
    if menu in LAST:
        return 2, str(LAST.index(menu))
    return int(menu.endswith("/profile")), str(9 - menu.count("/")) + menu


def _of_tunnel(row: Row) -> bool:
    return row.get("interface", "").startswith(("duka-wg", "duka-l2tp", "duka-sstp"))
