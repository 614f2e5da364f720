"""What stands in a router's walled garden, told apart by whose it is."""

from __future__ import annotations

from core.adapters.routeros.desire import is_ours
from core.adapters.routeros.menus import is_dynamic
from core.adapters.routeros.plan import missing, row_of
from core.adapters.routeros.reading import Reading
from core.adapters.routeros.values import Row, flag, harmless
from core.adapters.routeros.wanted import garden
from core.blueprint import Blueprint
from core.planning import MISSING, OURS, YOURS, GardenEntry

MENUS = ("/ip/hotspot/walled-garden/ip", "/ip/hotspot/walled-garden")


def garden_entries(reading: Reading, blueprint: Blueprint) -> list[GardenEntry]:
    """Ours first, then what is missing (switched off or changed counts as missing), then the owner's."""
    wanted = list(zip(garden(blueprint), blueprint.garden, strict=True))
    found = []
    for one, opening in wanted:
        row = row_of(reading, one)
        whose = MISSING if row is None or missing(row, one) else OURS
        found.append(GardenEntry(whose, opening.host or opening.address, str(opening.port), opening.why))
    theirs = [
        GardenEntry(YOURS, _place(row), harmless(row.get("dst-port", "")), harmless(row.get("comment", "")))
        for menu in MENUS
        for row in reading.rows(menu)
        if not is_ours(menu, row) and not is_dynamic(row) and not flag(row, "disabled")
    ]
    return [*sorted(found, key=lambda entry: (entry.whose != OURS, entry.place)), *theirs]


def _place(row: Row) -> str:
    return harmless(row.get("dst-host") or row.get("dst-address") or "")
