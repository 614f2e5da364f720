"""The firewall rules a running hotspot makes for itself: dynamic rows before everybody else's (reference routeros.md §3.1)."""

from __future__ import annotations

from sim.routeros.firewall import FILTER, NAT
from sim.routeros.machine import Machine

RULES: dict[str, tuple[dict[str, str], ...]] = {
    FILTER: (
        {"chain": "forward", "action": "jump", "jump-target": "hs-unauth", "hotspot": "from-client,!auth"},
        {"chain": "forward", "action": "jump", "jump-target": "hs-unauth-to", "hotspot": "to-client,!auth"},
        {"chain": "input", "action": "jump", "jump-target": "hs-input", "hotspot": "from-client"},
        {"chain": "hs-input", "action": "jump", "jump-target": "pre-hs-input"},
        {"chain": "hs-input", "action": "accept", "protocol": "udp", "dst-port": "64872"},
        {"chain": "hs-input", "action": "accept", "protocol": "tcp", "dst-port": "64872-64875"},
        {"chain": "hs-input", "action": "jump", "jump-target": "hs-unauth", "hotspot": "!auth"},
        {"chain": "hs-unauth", "action": "reject", "protocol": "tcp", "reject-with": "tcp-reset"},
        {"chain": "hs-unauth", "action": "reject", "reject-with": "icmp-net-prohibited"},
        {"chain": "hs-unauth-to", "action": "reject", "reject-with": "icmp-host-prohibited"},
    ),
    NAT: (
        {"chain": "dstnat", "action": "jump", "jump-target": "hotspot", "hotspot": "from-client"},
        {"chain": "hotspot", "action": "jump", "jump-target": "pre-hotspot"},
        {"chain": "hotspot", "action": "redirect", "protocol": "udp", "dst-port": "53", "to-ports": "64872"},
        {"chain": "hotspot", "action": "redirect", "protocol": "tcp", "dst-port": "53", "to-ports": "64872"},
        {"chain": "hotspot", "action": "jump", "jump-target": "hs-unauth", "protocol": "tcp", "hotspot": "!auth"},
        {"chain": "hs-unauth", "action": "redirect", "protocol": "tcp", "dst-port": "80", "to-ports": "64873"},
        {"chain": "hs-unauth", "action": "redirect", "protocol": "tcp", "dst-port": "443", "to-ports": "64875"},
    ),
}


def arrange(machine: Machine, *, running: bool) -> None:
    """Let the rules be there while a hotspot runs, and only then. Call under the lock."""
    for menu, rules in RULES.items():
        table = machine.tables[menu]
        present = [number for number in table.records if table.get(number, "dynamic") == "true"]
        if running and not present:
            first = next(iter(table.records), None)
            for rule in rules:
                number = table.add({**rule, "dynamic": "true"})
                if first is not None:
                    table.move(number, first)
        elif not running:
            for number in present:
                table.remove(number)
