"""Which rows cannot work as things stand: the router shows them as `invalid`, or a port as `inactive`."""

from __future__ import annotations

from sim.routeros import interfaces
from sim.routeros.machine import Machine

STANDS_ALONE = ("/ip/hotspot", "/ip/dhcp-server", "/ip/dhcp-client", "/interface/pppoe-server/server")
"""Servers that do nothing on an interface which is a port of a bridge: the bridge speaks for it."""
NAMES_INTERFACE = (*STANDS_ALONE, "/ip/address")
RULES = ("/ip/firewall/filter", "/ip/firewall/nat")
CONCERNED = frozenset({"/interface", "/interface/bridge/port", "/ip/pool", "/ip/hotspot/profile", *RULES})


def weigh(machine: Machine, menu: str) -> None:
    """Look again at what a write in this menu may have made invalid, or sound. Call under the lock."""
    if menu in CONCERNED or menu in NAMES_INTERFACE or menu.startswith("/interface/"):
        for concerned in NAMES_INTERFACE:
            _weigh(machine, concerned)
        for concerned in RULES:
            _weigh_rules(machine, concerned)


def _weigh(machine: Machine, menu: str) -> None:
    table = machine.tables[menu]
    for number in list(table.records):
        name = table.get(number, "interface")
        bad = not interfaces.exists(machine, name)
        if menu in STANDS_ALONE and interfaces.bridge_of(machine, name) is not None:
            bad = True
        if menu == "/ip/hotspot":
            bad = (
                bad
                or machine.tables["/ip/hotspot/profile"].find("name", _or_default(table.get(number, "profile"))) is None
            )
        if menu in ("/ip/hotspot", "/ip/dhcp-server"):
            pool = table.get(number, "address-pool")
            named = pool not in ("", "none", "static-only")
            bad = bad or (named and machine.tables["/ip/pool"].find("name", pool) is None)
        _mark(machine, menu, number, bad=bad)


def _weigh_rules(machine: Machine, menu: str) -> None:
    table, lists = machine.tables[menu], machine.tables["/interface/list"]
    for number in list(table.records):
        bad = False
        for side in ("in", "out"):
            name = table.get(number, f"{side}-interface").removeprefix("!")
            bad = bad or (name != "" and not name.startswith("all-") and not interfaces.exists(machine, name))
            group = table.get(number, f"{side}-interface-list").removeprefix("!")
            bad = bad or (group != "" and lists.find("name", group) is None)
        _mark(machine, menu, number, bad=bad)


def _mark(machine: Machine, menu: str, number: int, *, bad: bool) -> None:
    table = machine.tables[menu]
    if (table.get(number, "invalid") == "true") != bad:
        table.change(number, {"invalid": "true" if bad else "false"})


def _or_default(profile: str) -> str:
    return profile or "default"
