"""The sockets under the RADIUS client: one per server and port, with up to 256 packets on their way on each."""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from sim.routeros.machine import Machine
from sim.routeros.packets import Attributes, BadPacket, check_answer

WAITING_MAX = 20_000
RECEIVE_BYTES_MAX = 4096


@dataclass(frozen=True)
class RadiusServer:
    """One row of `/radius` at the moment of asking."""

    number: int
    address: str
    authentication_port: int
    accounting_port: int
    secret: bytes
    timeout_seconds: float
    signed: bool
    source: str


@dataclass
class Counters:
    """What `/radius/monitor` shows for one row."""

    requests: int = 0
    accepts: int = 0
    rejects: int = 0
    resends: int = 0
    timeouts: int = 0
    bad_replies: int = 0
    pending: int = 0
    last_rtt_ms: float = 0.0


@dataclass(eq=False)
class Flight:
    """One packet on its way: where it went, and what to do with the answer."""

    line: Line
    number: int
    server: RadiusServer
    authenticator: bytes
    raw: bytes
    signed: bool
    codes: tuple[int, ...]
    landed: Callable[[Attributes], None]
    sent_at: float


@dataclass(eq=False)
class Line:
    """The one socket to one port of one server, and the packet numbers in use on it."""

    sock: socket.socket
    local_address: str
    free: deque[int] = field(default_factory=lambda: deque(range(256)))
    flights: dict[int, Flight] = field(default_factory=dict)
    waiting: deque[Callable[[], None]] = field(default_factory=lambda: deque(maxlen=WAITING_MAX))


class Lines:
    """All lines of one router. Only the RADIUS client's thread uses them."""

    def __init__(self, machine: Machine, selector: selectors.BaseSelector) -> None:
        self._machine = machine
        self._selector = selector
        self._lines: dict[tuple[str, str, int], Line] = {}
        self.counters: dict[int, Counters] = {}

    def close(self) -> None:
        for line in self._lines.values():
            line.sock.close()

    def counters_of(self, number: int) -> Counters:
        """What `/radius/monitor` shows for this row."""
        return self.counters.setdefault(number, Counters())

    def line_to(self, server: RadiusServer, port: int) -> Line | None:
        """The socket for this server and port; None when the address cannot be used."""
        key = (server.source, server.address, port)
        if key not in self._lines:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                sock.setblocking(False)
                if server.source:
                    sock.bind((server.source, 0))
                sock.connect((server.address, port))
            except OSError:
                sock.close()
                return None
            line = self._lines[key] = Line(sock, sock.getsockname()[0])
            self._selector.register(sock, selectors.EVENT_READ, lambda: self._receive(line))
        return self._lines[key]

    def launch(self, flight: Flight) -> None:
        flight.line.flights[flight.number] = flight
        self.transmit(flight)

    @staticmethod
    def transmit(flight: Flight) -> None:
        for _ in range(2):  # the first try may only learn that an earlier packet was refused
            try:
                flight.line.sock.send(flight.raw)
                return
            except ConnectionRefusedError:
                continue
            except OSError:
                return

    def end_flight(self, flight: Flight) -> None:
        """Give the packet number back and let the next in line go."""
        line = flight.line
        if line.flights.get(flight.number) is not flight:
            return
        del line.flights[flight.number]
        line.free.append(flight.number)
        if line.waiting:
            line.waiting.popleft()()

    def _receive(self, line: Line) -> None:
        while True:
            try:
                raw = line.sock.recv(RECEIVE_BYTES_MAX)
            except ConnectionRefusedError:
                continue
            except OSError:
                return
            self._take_answer(line, raw)

    def _take_answer(self, line: Line, raw: bytes) -> None:
        flight = line.flights.get(raw[1]) if len(raw) > 1 else None
        if flight is None:
            return
        counters = self.counters_of(flight.server.number)
        try:
            attributes = Attributes(raw)
            if attributes.code not in flight.codes:
                raise BadPacket("unexpected code")
            check_answer(attributes, flight.authenticator, flight.server.secret, signed=flight.signed)
        except BadPacket as broken:
            counters.bad_replies += 1
            self._machine.radius_log.append(("bad-reply", flight.server.address, "", str(broken)))
            return
        counters.last_rtt_ms = (time.monotonic() - flight.sent_at) * 1000
        self.end_flight(flight)
        flight.landed(attributes)

    def drop_flights(self) -> None:
        """Nobody waits for any answer any more."""
        for line in self._lines.values():
            line.waiting.clear()
            for flight in list(line.flights.values()):
                self.end_flight(flight)
