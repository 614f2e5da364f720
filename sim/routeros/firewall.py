"""The firewall, asked about one packet: rules in their order, the first that decides."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sim.routeros import interfaces
from sim.routeros.machine import Machine
from sim.routeros.tables import Table

FILTER, NAT, LISTS = "/ip/firewall/filter", "/ip/firewall/nat", "/ip/firewall/address-list"
DECIDING = {"accept": True, "fasttrack-connection": True, "drop": False, "reject": False, "tarpit": False}
PASSING = frozenset({"passthrough", "log", "add-src-to-address-list", "add-dst-to-address-list"})
WORDS = frozenset(
    {"chain", "action", "comment", "disabled", "dynamic", "invalid", "log", "log-prefix", "jump-target", "reject-with"}
    | {"address-list", "address-list-timeout", "hw-offload", "to-addresses", "to-ports", "bytes", "packets"}
)
"""Properties of a rule that choose no packets."""
DEPTH_MAX = 16
DIALLED = frozenset({"l2tp-out", "ovpn-out", "pppoe-out", "sstp-out"})
"""Types of interfaces that dial; those of who has dialled in are called `<…>`."""


class CannotWeigh(Exception):
    """A rule asks about something the virtual router does not model. Better loud than guessed."""


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection (or a later one, by `state`). Interfaces are empty where there is none."""

    src: str
    dst: str
    protocol: str = "tcp"
    dst_port: int = 0
    src_port: int = 40000
    in_interface: str = ""
    out_interface: str = ""
    state: str = "new"
    from_port: str = ""
    """The bridge port it came in by, if any."""


Matcher = Callable[[Machine, str, Packet], bool]
"""Whether a packet is as one property of a rule says."""


def verdict(machine: Machine, chain: str, packet: Packet) -> bool:
    """Whether the filter lets the packet pass; what nobody decides passes. Raises CannotWeigh."""
    with machine.lock:
        decided = _walk(machine, machine.tables[FILTER], chain, packet, 0)
    return decided is not False


def masquerades(machine: Machine, packet: Packet) -> bool:
    """Whether a leaving packet gets the router's own address: without that no answer finds its way back."""
    with machine.lock:
        table = machine.tables[NAT]
        for number in _live_rules(table, "srcnat"):
            if _matches(machine, table, number, packet) and table.get(number, "action") not in PASSING:
                return table.get(number, "action") in ("masquerade", "src-nat")
    return False


def _live_rules(table: Table, chain: str) -> list[int]:
    """Rules of a chain that count. Those a hotspot made itself are carried out by the hotspot."""
    return [
        number
        for number in table.records
        if table.get(number, "chain") == chain
        and "true" not in (table.get(number, name) for name in ("disabled", "invalid", "dynamic"))
    ]


def _walk(machine: Machine, table: Table, chain: str, packet: Packet, depth: int) -> bool | None:
    if depth > DEPTH_MAX:
        raise CannotWeigh(f"chains jump in circles at {chain}")
    for number in _live_rules(table, chain):
        if not _matches(machine, table, number, packet):
            continue
        action = table.get(number, "action") or "accept"
        if action == "jump":
            decided = _walk(machine, table, table.get(number, "jump-target"), packet, depth + 1)
            if decided is not None:
                return decided
        elif action == "return":
            return None
        elif action in DECIDING:
            return DECIDING[action]
        elif action not in PASSING:
            raise CannotWeigh(f"action {action}")
    return None


def _matches(machine: Machine, table: Table, number: int, packet: Packet) -> bool:
    for name, wanted in table.records[number].values.items():
        if name in WORDS or wanted == "":
            continue
        matcher = _MATCHERS.get(name)
        if matcher is None:
            raise CannotWeigh(f"{table.menu}: {name}={wanted}")
        negated = wanted.startswith("!")
        if matcher(machine, wanted.removeprefix("!"), packet) == negated:
            return False
    return True


def in_addresses(wanted: str, address: str) -> bool:
    own = ipaddress.ip_address(address)
    first, dash, last = wanted.partition("-")
    if dash:
        return int(ipaddress.IPv4Address(first)) <= int(own) <= int(ipaddress.IPv4Address(last))
    return own in ipaddress.ip_network(wanted, strict=False)


def in_any(networks: str, address: str) -> bool:
    """Whether an address lies in one of several networks."""
    return any(in_addresses(one, address) for one in networks.split(",") if one)


def in_ports(wanted: str, port: int) -> bool:
    for part in wanted.split(","):
        first, _, last = part.partition("-")
        if int(first) <= port <= int(last or first):
            return True
    return False


def listed(machine: Machine, wanted: str, address: str) -> bool:
    table = machine.tables[LISTS]
    for number in table.records:
        if table.get(number, "list") == wanted and table.get(number, "disabled") != "true":
            try:
                if in_addresses(table.get(number, "address"), address):
                    return True
            except ValueError:
                continue
    return False


def _local(machine: Machine, wanted: str, address: str) -> bool:
    """`dst-address-type=local`: one of the router's own addresses."""
    if wanted != "local":
        raise CannotWeigh(f"address-type={wanted}")
    table = machine.tables["/ip/address"]
    return any(table.get(number, "address").partition("/")[0] == address for number in table.records)


def _comes_by(machine: Machine, wanted: str, interface: str) -> bool:
    """An interface by its name; `all-ppp` is every line that was dialled, in either direction."""
    if wanted != "all-ppp":
        return wanted == interface
    table = machine.tables[interfaces.ALL]
    number = table.find("name", interface)
    return interface.startswith("<") or (number is not None and table.get(number, "type") in DIALLED)


def _policy(_machine: Machine, wanted: str, _packet: Packet) -> bool:
    """`ipsec-policy`: no packet here ever travels in IPsec."""
    return wanted.endswith(",none")


_MATCHERS: Mapping[str, Matcher] = {
    "protocol": lambda _machine, wanted, packet: wanted == packet.protocol,
    "src-address": lambda _machine, wanted, packet: in_addresses(wanted, packet.src),
    "dst-address": lambda _machine, wanted, packet: in_addresses(wanted, packet.dst),
    "src-address-list": lambda machine, wanted, packet: listed(machine, wanted, packet.src),
    "dst-address-list": lambda machine, wanted, packet: listed(machine, wanted, packet.dst),
    "dst-address-type": lambda machine, wanted, packet: _local(machine, wanted, packet.dst),
    "dst-port": lambda _machine, wanted, packet: in_ports(wanted, packet.dst_port),
    "src-port": lambda _machine, wanted, packet: in_ports(wanted, packet.src_port),
    "port": lambda _machine, wanted, packet: in_ports(wanted, packet.dst_port) or in_ports(wanted, packet.src_port),
    "in-interface": lambda machine, wanted, packet: _comes_by(machine, wanted, packet.in_interface),
    "out-interface": lambda machine, wanted, packet: _comes_by(machine, wanted, packet.out_interface),
    "in-interface-list": lambda machine, wanted, packet: wanted in interfaces.lists_of(machine, packet.in_interface),
    "out-interface-list": lambda machine, wanted, packet: wanted in interfaces.lists_of(machine, packet.out_interface),
    "connection-state": lambda _machine, wanted, packet: packet.state in wanted.split(","),
    "connection-nat-state": lambda _machine, _wanted, _packet: False,
    "ipsec-policy": _policy,
}
