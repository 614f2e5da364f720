"""The DHCP server without RADIUS: an address of its pool for whoever asks, with what the network's row adds to it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from sim.routeros.grants import BadGrant, free_address
from sim.routeros.machine import Machine
from sim.routeros.values import parse_duration_ms

SERVERS, LEASES, NETWORKS = "/ip/dhcp-server", "/ip/dhcp-server/lease", "/ip/dhcp-server/network"
OPTIONS, SETS, POOLS, ADDRESSES = "/ip/dhcp-server/option", "/ip/dhcp-server/option/sets", "/ip/pool", "/ip/address"


@dataclass(frozen=True)
class Offer:
    """What a device was given. `options` are further ones by number, such as 114 (RFC 8910)."""

    address: str
    gateway: str
    dns: tuple[str, ...]
    server: str
    seconds: float
    options: dict[int, str] = field(default_factory=dict)


def offer(machine: Machine, interface: str, mac: str, hostname: str) -> Offer | None:
    """Answer a device that asks on an interface; None when nobody answers. Call under the lock."""
    servers = machine.tables[SERVERS]
    for number in servers.records:
        if "true" in (servers.get(number, "disabled"), servers.get(number, "invalid")):
            continue
        if servers.get(number, "interface") == interface and servers.get(number, "use-radius") != "yes":
            return _offer(machine, number, mac, hostname)
    return None


def _offer(machine: Machine, server: int, mac: str, hostname: str) -> Offer | None:
    servers, leases = machine.tables[SERVERS], machine.tables[LEASES]
    name, pool = servers.get(server, "name"), servers.get(server, "address-pool")
    seconds = parse_duration_ms(servers.get(server, "lease-time") or "30m") / 1000
    known = next((one for one in leases.records if leases.get(one, "mac-address") == mac), None)
    own = {servers_address.partition("/")[0] for servers_address in _own_addresses(machine)}
    if known is not None:
        address = leases.get(known, "address")
    elif pool in ("", "static-only"):
        return None
    else:
        try:
            taken = {leases.get(one, "address") for one in leases.records} | own
            address = free_address(machine.tables[POOLS], pool, lambda one: one in taken)
        except BadGrant:
            machine.note("dhcp,error", f"{name}: no more addresses in pool {pool}")
            return None
    values = {"address": address, "mac-address": mac, "server": name, "host-name": hostname, "status": "bound"}
    if known is None:
        leases.add({**values, "client-id": f"1:{mac.lower()}", "dynamic": "true", "expires-after": f"{int(seconds)}s"})
    else:
        leases.change(known, {"status": "bound", "host-name": hostname})
    return _with_network(machine, server, address, seconds)


def _with_network(machine: Machine, server: int, address: str, seconds: float) -> Offer:
    """The most particular network row that holds the address says the rest; without one there is only the address."""
    networks, name = machine.tables[NETWORKS], machine.tables[SERVERS].get(server, "name")
    fitting = [
        number
        for number in networks.records
        if ipaddress.ip_address(address) in ipaddress.ip_network(networks.get(number, "address"), strict=False)
    ]
    if not fitting:
        return Offer(address, "", (), name, seconds)
    row = max(fitting, key=lambda number: ipaddress.ip_network(networks.get(number, "address")).prefixlen)
    named = networks.get(row, "dns-server")
    if not named and networks.get(row, "dns-none") != "true":
        named = ",".join(
            text for key in ("servers", "dynamic-servers") if (text := machine.tables.value("/ip/dns", key))
        )
    options = networks.get(row, "dhcp-option").split(",") + _of_set(machine, networks.get(row, "dhcp-option-set"))
    options += _of_set(machine, machine.tables[SERVERS].get(server, "dhcp-option-set"))
    dns = tuple(one for one in named.split(",") if one)
    return Offer(address, networks.get(row, "gateway"), dns, name, seconds, _numbered(machine, options))


def _of_set(machine: Machine, name: str) -> list[str]:
    sets = machine.tables[SETS]
    number = sets.find("name", name) if name not in ("", "none") else None
    return sets.get(number, "options").split(",") if number is not None else []


def _numbered(machine: Machine, names: list[str]) -> dict[int, str]:
    """Options by number. A value between single quotes is a text, as the router writes texts there."""
    table, found = machine.tables[OPTIONS], {}
    for name in names:
        number = table.find("name", name) if name else None
        if number is not None:
            value = table.get(number, "value")
            is_text = len(value) > 1 and value[0] == value[-1] == "'"
            found[int(table.get(number, "code"))] = value[1:-1] if is_text else value
    return found


def _own_addresses(machine: Machine) -> list[str]:
    addresses = machine.tables[ADDRESSES]
    return [addresses.get(number, "address") for number in addresses.records]
