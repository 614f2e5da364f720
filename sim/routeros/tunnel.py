"""WireGuard between the router and our server: whether both ends fit together, and under which address that makes us seen.

Nothing is encrypted here. What is checked is what decides whether a real tunnel would come up: keys of both ends, the
endpoint, allowed addresses both ways, and that the router reaches the internet. A tunnel address inside 127.0.0.0/8 is
also opened for real: the router's API answers there, on the port its `/ip/service` names.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from sim.routeros import interfaces
from sim.routeros.machine import Machine
from sim.routeros.shapes import public_key_of
from sim.routeros.uplink import Uplink

OWN, PEERS, ADDRESSES = "/interface/wireguard", "/interface/wireguard/peers", "/ip/address"
_LINE = re.compile(r"\s*(\w+)\s*=\s*(.+?)\s*(?:#.*)?")


@dataclass(frozen=True)
class Peer:
    """Another end as one end knows it."""

    allowed: str
    preshared_key: str = ""


@dataclass
class ServerEnd:
    """Our server's end of all tunnels: its key, where it is reached, its address, and who may come."""

    public_key: str
    endpoint: str
    port: int
    address: str
    peers: dict[str, Peer] = field(default_factory=dict)

    @classmethod
    def from_config(cls, text: str, endpoint: str) -> ServerEnd:
        """A file for `wg-quick` as this end. Raises ValueError for one that cannot be one."""
        sections: list[tuple[str, dict[str, str]]] = []
        for line in text.splitlines():
            bare = line.strip()
            if bare in ("[Interface]", "[Peer]"):
                sections.append((bare, {}))
            elif bare and not bare.startswith("#"):
                found = _LINE.fullmatch(line)
                if not found or not sections:
                    raise ValueError(f"not a line of a WireGuard file: {bare.partition('=')[0].strip()[:40]!r}")
                sections[-1][1][found[1]] = found[2]
        own = next((values for kind, values in sections if kind == "[Interface]"), None)
        if own is None:
            raise ValueError("no [Interface] in the file")
        end = cls(public_key_of(own["PrivateKey"]), endpoint, int(own["ListenPort"]), own["Address"].partition("/")[0])
        for kind, values in sections:
            if kind == "[Peer]":
                end.peers[values["PublicKey"]] = Peer(values["AllowedIPs"], values.get("PresharedKey", ""))
        return end


class Tunnels:
    """The tunnels of one router to servers it may reach."""

    def __init__(self, machine: Machine, uplink: Uplink) -> None:
        self._machine = machine
        self._uplink = uplink
        self.servers: list[ServerEnd] = []

    def addresses(self) -> list[tuple[str, str, str]]:
        """Under which address and by which interface our server reaches this router now, and the server's own address."""
        with self._machine.lock:
            if not self._uplink.works:
                return []
            found = []
            peers = self._machine.tables[PEERS]
            for number in peers.records:
                server = self._server_of(number)
                if server is not None:
                    found += [(*one, server.address) for one in self._at(number, server)]
            return found

    def _server_of(self, number: int) -> ServerEnd | None:
        """The server a peer row leads to, when the row's key, endpoint and allowed addresses are right."""
        peers = self._machine.tables[PEERS]
        if peers.get(number, "disabled") == "true":
            return None
        for server in self.servers:
            right = (
                peers.get(number, "public-key") == server.public_key
                and peers.get(number, "endpoint-address") == server.endpoint
                and peers.get(number, "endpoint-port") == str(server.port)
                and _covers(peers.get(number, "allowed-address"), server.address)
            )
            if right:
                return server
        return None

    def _at(self, number: int, server: ServerEnd) -> list[tuple[str, str]]:
        """The router's addresses in this tunnel that the server lets in."""
        peers, own = self._machine.tables[PEERS], self._machine.tables[OWN]
        name = peers.get(number, "interface")
        interface = own.find("name", name)
        if interface is None or not interfaces.is_enabled(self._machine, name):
            return []
        known = server.peers.get(own.get(interface, "public-key"))
        if known is None or known.preshared_key != peers.get(number, "preshared-key").replace("none", ""):
            return []
        addresses = self._machine.tables[ADDRESSES]
        found = []
        for row in addresses.records:
            address = addresses.get(row, "address").partition("/")[0]
            usable = addresses.get(row, "interface") == name and addresses.get(row, "disabled") != "true"
            if usable and _covers(known.allowed, address):
                found.append((address, name))
        return found

    def show(self) -> None:
        """Let the peers' rows tell whether they have spoken. Call under the lock."""
        peers = self._machine.tables[PEERS]
        for number in list(peers.records):
            server = self._server_of(number)
            up = server is not None and self._uplink.works and bool(self._at(number, server))
            current = (server.endpoint, str(server.port), "1s") if up and server is not None else ("", "", "")
            names = ("current-endpoint-address", "current-endpoint-port", "last-handshake")
            if peers.get(number, names[0]) != current[0]:
                peers.change(number, dict(zip(names, current, strict=True)))


def _covers(networks: str, address: str) -> bool:
    try:
        own = ipaddress.ip_address(address)
        return any(own in ipaddress.ip_network(one.strip(), strict=False) for one in networks.split(",") if one.strip())
    except ValueError:
        return False
