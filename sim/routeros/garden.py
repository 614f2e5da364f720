"""The walled garden: what a device may reach that nobody has paid for (reference routeros.md §3.6)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable

from sim.routeros.firewall import Packet, in_addresses, in_ports, listed
from sim.routeros.internet import Internet
from sim.routeros.machine import Machine
from sim.routeros.tables import Table

HTTP, ADDRESSES = "/ip/hotspot/walled-garden", "/ip/hotspot/walled-garden/ip"


class Garden:
    """Asks both lists. Rows with a host name stand for the addresses that name leads to, as dynamic rows show."""

    def __init__(self, machine: Machine, internet: Internet) -> None:
        self._machine = machine
        self._internet = internet

    def wrote(self, menu: str) -> None:
        """Resolve host names anew. Call under the lock."""
        if menu != ADDRESSES:
            return
        table = self._machine.tables[ADDRESSES]
        for number in [one for one in table.records if table.get(one, "dynamic") == "true"]:
            table.remove(number)
        for number in list(table.records):
            host = table.get(number, "dst-host")
            address = self._internet.resolve(host) if host and table.get(number, "disabled") != "true" else None
            if address is not None:
                row = {name: value for name, value in table.records[number].values.items() if name != "dst-host"}
                row.pop("comment", None)
                table.add({**row, "dst-address": address, "dynamic": "true"})

    def admits(self, server: str, packet: Packet, host: str, path: str, method: str) -> bool:
        """Whether a packet may pass for free: by its address, else by the host it asks for. Call under the lock."""
        decided = self._by_address(server, packet)
        return self._by_host(server, packet, host, path, method) if decided is None else decided

    def _by_address(self, server: str, packet: Packet) -> bool | None:
        table = self._machine.tables[ADDRESSES]
        for number in table.records:
            if not _counts(table, number, server) or table.get(number, "dst-host"):
                continue
            destination = table.get(number, "dst-address")
            sources, group = table.get(number, "src-address"), table.get(number, "dst-address-list")
            fits = (
                _fits(destination, lambda text: in_addresses(text, packet.dst))
                and _fits(sources, lambda text: in_addresses(text, packet.src))
                and _fits(group, lambda text: listed(self._machine, text, packet.dst))
                and _fits(table.get(number, "protocol"), lambda text: text == packet.protocol)
                and _fits(table.get(number, "dst-port"), lambda text: in_ports(text, packet.dst_port))
            )
            if fits:
                return table.get(number, "action") == "accept"
        return None

    def _by_host(self, server: str, packet: Packet, host: str, path: str, method: str) -> bool:
        table = self._machine.tables[HTTP]
        for number in table.records:
            if not _counts(table, number, server):
                continue
            fits = (
                _named(table.get(number, "dst-host"), host)
                and _named(table.get(number, "path"), path)
                and _fits(table.get(number, "method"), lambda text: text.upper() == method)
                and _fits(table.get(number, "dst-port"), lambda text: in_ports(text, packet.dst_port))
                and _fits(table.get(number, "src-address"), lambda text: in_addresses(text, packet.src))
            )
            if fits:
                return table.get(number, "action") != "deny"
        return False


def _counts(table: Table, number: int, server: str) -> bool:
    return table.get(number, "disabled") != "true" and table.get(number, "server") in ("", "all", server)


def _fits(text: str, holds: Callable[[str], bool]) -> bool:
    """A condition that is not set holds; `!` turns it round."""
    return text == "" or holds(text.removeprefix("!")) != text.startswith("!")


def _named(pattern: str, text: str) -> bool:
    """`*` and `?` stand for signs; `:` in front makes it a regular expression."""
    if pattern == "":
        return True
    if pattern.startswith(":"):
        return re.search(pattern[1:], text) is not None
    return fnmatch.fnmatchcase(text.lower(), pattern.lower())
