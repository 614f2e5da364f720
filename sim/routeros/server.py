"""The doors programs come through: one port in clear, one under TLS, and no more sessions than the router allows."""

from __future__ import annotations

import contextlib
import ipaddress
import selectors
import socket
import ssl
import threading
from dataclasses import dataclass, field

from sim.routeros.connection import Connection, Service
from sim.routeros.firewall import Packet, verdict
from sim.routeros.transport import Channel, TlsChannel, self_signed

BACKLOG = 64
GOODBYE_SECONDS = 2.0
NOWHERE = "192.0.2.1"
"""The address a packet is sent to where nobody said which of the router's it is."""


@dataclass
class Door:
    """One listening port and the connections that came through it."""

    name: str
    tls: ssl.SSLContext | None
    port: int
    listener: socket.socket | None = None
    holder: socket.socket | None = None
    connections: set[Connection] = field(default_factory=set)


@dataclass(frozen=True)
class Arrival:
    """How connections come in, for the firewall: by which interface, and from whom when not from the socket's own peer."""

    interface: str
    src: str = ""
    dst: str = ""


class ApiServer:
    """Accepts connections for one router. Cutting off keeps the port numbers reserved."""

    def __init__(self, service: Service, host: str, port: int, ssl_port: int, arrival: Arrival | None = None) -> None:
        self._service = service
        self._host = host
        self._lock = threading.Lock()
        self.arrival = arrival
        context, self.certificate_pem = self_signed(service.machine.factory_identity, host)
        self._doors = [Door("api", None, port), Door("api-ssl", context, ssl_port)]
        self._thread: threading.Thread | None = None
        self._wake: socket.socket | None = None

    def change_certificate(self) -> None:
        """Another key and certificate for whoever connects from now on."""
        context, self.certificate_pem = self_signed(self._service.machine.factory_identity, self._host)
        for door in self._doors:
            if door.tls is not None:
                door.tls = context

    def port(self, name: str) -> int:
        return next(door.port for door in self._doors if door.name == name)

    def open(self) -> None:
        """Listen on both ports."""
        with self._lock:
            if self._thread is not None:
                return
            for door in self._doors:
                self._listen(door)
            woken, self._wake = socket.socketpair()
            self._thread = threading.Thread(target=self._accept, args=(woken,), name="router-api", daemon=True)
            self._thread.start()

    def close(self, *, keep_ports: bool = False) -> None:
        """Refuse new connections and cut those there are. With `keep_ports` nobody else can take our ports."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None and self._wake is not None:
                self._wake.close()
                thread.join()
            for door in self._doors:
                if door.listener is not None:
                    door.listener.close()
                    door.listener = None
                    if keep_ports:
                        door.holder = self._bound(door.port)
                elif not keep_ports and door.holder is not None:
                    door.holder.close()
                    door.holder = None
        self.cut_connections()

    def cut_connections(self) -> None:
        """End every session, as a reboot does."""
        for door in self._doors:
            with self._lock:
                connections = list(door.connections)
            for connection in connections:
                connection.close()
            for connection in connections:
                connection.wait_over(GOODBYE_SECONDS)

    def sessions(self) -> int:
        with self._lock:
            return sum(len(door.connections) for door in self._doors)

    def _bound(self, port: int) -> socket.socket:
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self._host, port))
        except OSError:
            bound.close()
            raise
        return bound

    def _listen(self, door: Door) -> None:
        door.listener, door.holder = door.holder or self._bound(door.port), None
        door.listener.listen(BACKLOG)
        door.listener.setblocking(False)
        door.port = door.listener.getsockname()[1]

    def _accept(self, woken: socket.socket) -> None:
        with selectors.DefaultSelector() as selector, woken:
            selector.register(woken, selectors.EVENT_READ)
            for door in self._doors:
                if door.listener is not None:
                    selector.register(door.listener, selectors.EVENT_READ, door)
            while True:
                for key, _ in selector.select():
                    if key.data is None:
                        return
                    with contextlib.suppress(OSError):
                        self._welcome(key.data)

    def _welcome(self, door: Door) -> None:
        assert door.listener is not None
        raw, peer = door.listener.accept()
        raw.setblocking(True)
        if not self._admits(door, peer[0]):
            raw.close()
            return
        channel = Channel(raw) if door.tls is None else TlsChannel(raw, door.tls)
        connection = Connection(channel, self._service, lambda gone: door.connections.discard(gone), peer[0])
        door.connections.add(connection)
        connection.start()

    def _admits(self, door: Door, address: str) -> bool:
        machine = self._service.machine
        with machine.lock:
            table = machine.tables["/ip/service"]
            number = table.find("name", door.name)
            if number is None or table.get(number, "disabled") == "true":
                return False
            allowed = table.get(number, "address")
            sessions_max = int(table.get(number, "max-sessions") or 20)
        if not self._passes(door, address, "new"):
            return False
        address = self.arrival.src if self.arrival and self.arrival.src else address
        if allowed:
            networks = [ipaddress.ip_network(part, strict=False) for part in allowed.split(",") if part]
            if not any(ipaddress.ip_address(address) in network for network in networks):
                return False
        return len(door.connections) < sessions_max

    def look_again(self) -> None:
        """The firewall was changed: connections it no longer lets through are cut."""
        for door in self._doors:
            for connection in list(door.connections):
                if not self._passes(door, connection.peer, "established"):
                    connection.close()

    def _passes(self, door: Door, address: str, state: str) -> bool:
        """What the input firewall says. Without an arrival connections come from nowhere it could know."""
        machine, arrival = self._service.machine, self.arrival
        if arrival is None:
            return True
        with machine.lock:
            table = machine.tables["/ip/service"]
            number = table.find("name", door.name)
            port = int(table.get(number, "port")) if number is not None else 0
        packet = Packet(
            src=arrival.src or address,
            dst=arrival.dst or NOWHERE,
            dst_port=port,
            in_interface=arrival.interface,
            state=state,
        )
        return verdict(machine, "input", packet)
