"""The cable to the internet: what the provider at its other end gives, and whether the router can use it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from sim.routeros import interfaces
from sim.routeros.machine import Machine

CLIENTS, ADDRESSES, ROUTES, DNS = "/ip/dhcp-client", "/ip/address", "/ip/route", "/ip/dns"
CONCERNED = frozenset({CLIENTS, ADDRESSES, ROUTES, "/interface", "/interface/ethernet", "/interface/bridge/port"})


@dataclass(frozen=True)
class Provider:
    """What an internet provider's own DHCP server hands out at one end of a cable."""

    address: str = "100.64.3.7/24"
    gateway: str = "100.64.3.1"
    dns: tuple[str, ...] = ("100.64.3.2",)


class Uplink:
    """One cable in one port. Without a cable nobody knows whether there is an internet, and nothing is checked."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.interface = ""
        self._provider = Provider()

    @property
    def is_plugged(self) -> bool:
        return self.interface != ""

    def plug(self, interface: str, provider: Provider) -> None:
        """Put the cable into a port."""
        with self._machine.lock:
            self.interface, self._provider = interface, provider
            self._look()

    def unplug(self) -> None:
        """Pull it."""
        with self._machine.lock:
            self.interface = ""
            self._look()

    def wrote(self, menu: str) -> None:
        """Somebody changed what may concern the way out. Call under the lock."""
        if menu in CONCERNED:
            self._look()

    def boot(self) -> None:
        """Ask anew, as clients do after a start. Call under the lock."""
        self._look()

    @property
    def way_out(self) -> str:
        """The interface the default route leads through; empty when there is none that works."""
        with self._machine.lock:
            routes = self._machine.tables[ROUTES]
            for number in routes.records:
                if routes.get(number, "dst-address") != "0.0.0.0/0" or routes.get(number, "disabled") == "true":
                    continue
                found = self._through(routes.get(number, "gateway"))
                if found and found == self.interface and interfaces.is_enabled(self._machine, found):
                    return found
            return ""

    @property
    def works(self) -> bool:
        """Whether packets of the router itself reach the internet."""
        return not self.is_plugged or self.way_out != ""

    @property
    def name_servers(self) -> list[str]:
        """Who the router asks for names: those set by hand and those its provider named."""
        with self._machine.lock:
            named = [self._machine.tables.value(DNS, name) for name in ("servers", "dynamic-servers")]
        return [one for text in named for one in text.split(",") if one]

    def _through(self, gateway: str) -> str:
        """The interface in whose network the gateway lies."""
        if interfaces.exists(self._machine, gateway):
            return gateway
        addresses = self._machine.tables[ADDRESSES]
        for number in addresses.records:
            if addresses.get(number, "disabled") == "true" or addresses.get(number, "invalid") == "true":
                continue
            try:
                network = ipaddress.ip_interface(addresses.get(number, "address")).network
                if ipaddress.ip_address(gateway) in network:
                    return addresses.get(number, "interface")
            except ValueError:
                continue
        return ""

    def _look(self) -> None:
        """Each enabled client on the port with the cable is bound, with all that follows; every other one is not."""
        tables = self._machine.tables
        clients, bound = tables[CLIENTS], False
        for number in list(clients.records):
            on = clients.get(number, "disabled") != "true" and clients.get(number, "invalid") != "true"
            name = clients.get(number, "interface")
            answered = on and self.is_plugged and name == self.interface and interfaces.is_enabled(self._machine, name)
            self._bind(number, on=on, answered=answered)
            if answered and not bound:
                bound = True
                self._take(number)
        if not bound:
            self._give_back()

    def _bind(self, number: int, *, on: bool, answered: bool) -> None:
        provider, names = self._provider, ("address", "gateway", "dhcp-server", "primary-dns")
        values = (provider.address, provider.gateway, provider.gateway, provider.dns[0] if provider.dns else "")
        status = "bound" if answered else "searching..." if on else "stopped"
        row = dict(zip(names, values if answered else ("",) * 4, strict=True))
        clients = self._machine.tables[CLIENTS]
        if any(clients.get(number, name) != value for name, value in {**row, "status": status}.items()):
            clients.change(number, {**row, "status": status})

    def _take(self, number: int) -> None:
        tables, provider = self._machine.tables, self._provider
        clients = tables[CLIENTS]
        if not self._dynamic(ADDRESSES):
            network = str(ipaddress.ip_interface(provider.address).network.network_address)
            own = {"address": provider.address, "network": network, "dynamic": "true"}
            tables[ADDRESSES].add({**own, "interface": self.interface, "actual-interface": self.interface})
        if clients.get(number, "add-default-route") != "no" and not self._dynamic(ROUTES):
            route = {"dst-address": "0.0.0.0/0", "gateway": provider.gateway, "dynamic": "true", "active": "true"}
            distance = clients.get(number, "default-route-distance") or "1"
            tables[ROUTES].add({**route, "distance": distance, "dhcp": "true"})
        wanted = ",".join(provider.dns) if clients.get(number, "use-peer-dns") != "false" else ""
        table, row = tables.single(DNS)
        if table.get(row, "dynamic-servers") != wanted:
            table.change(row, {"dynamic-servers": wanted})

    def _give_back(self) -> None:
        tables = self._machine.tables
        for menu in (ADDRESSES, ROUTES):
            for number in self._dynamic(menu):
                tables[menu].remove(number)
        table, row = tables.single(DNS)
        if table.get(row, "dynamic-servers"):
            table.change(row, {"dynamic-servers": ""})

    def _dynamic(self, menu: str) -> list[int]:
        """The rows a client has brought: addresses on the port, and the route marked as DHCP's."""
        table = self._machine.tables[menu]
        return [
            number
            for number in table.records
            if table.get(number, "dynamic") == "true" and (menu == ADDRESSES or table.get(number, "dhcp") == "true")
        ]

    def _by_dhcp(self, number: int) -> bool:
        """Addresses of dialled lines are none of ours."""
        name = self._machine.tables[ADDRESSES].get(number, "interface")
        return self._machine.tables["/interface/l2tp-client"].find("name", name) is None
