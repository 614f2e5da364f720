"""The router as RADIUS client: asks about logins, reports usage until somebody confirms (reference radius.md §1, §2).

One thread per router owns all sockets. Questions are repeated in true time, because somebody waits for the answer;
unconfirmed accounting is repeated in router time, because it is work left over and may wait as long as it takes.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from sim.routeros.machine import Machine
from sim.routeros.packets import (
    ACCESS_ACCEPT,
    ACCESS_REJECT,
    ACCOUNTING_RESPONSE,
    Attributes,
    BadPacket,
    Pairs,
    access_request,
    accounting_request,
    check_answer,
    encode,
)

ATTEMPTS_PER_SERVER = 3
ACCOUNTING_RETRY_SECONDS_MAX = 60.0
ACCOUNTING_WAITING_MAX = 20_000
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


@dataclass
class Outcome:
    """How a question ended. No answer at all means that every server stayed silent."""

    answer: Attributes | None
    server: RadiusServer | None


@dataclass
class AccountingRecord:
    """One Start, Interim-Update, Stop, On or Off, kept until a server confirms it."""

    attributes: Pairs
    created_seconds: float
    server_number: int | None
    attempts: int = 0
    confirmed: bool = False
    flight: Flight | None = None


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
    waiting: deque[Callable[[], None]] = field(default_factory=lambda: deque(maxlen=ACCOUNTING_WAITING_MAX))


class RadiusClient:
    """Sends and receives for one router. `ask` and `account` return at once, from any thread."""

    def __init__(self, machine: Machine, servers: Callable[[], list[RadiusServer]]) -> None:
        self._machine = machine
        self._servers = servers
        self.counters: dict[int, Counters] = {}
        self._selector = selectors.DefaultSelector()
        self._lines: dict[tuple[str, str, int], Line] = {}
        self._todo: deque[Callable[[], None]] = deque()
        self._deadlines: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._busy = 0
        self._quiet = threading.Condition()
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, self._drain_wake)
        self._stopping = False
        self._generation = 0
        self._thread = threading.Thread(target=self._run, name="router-radius", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._soon(lambda: None)
        self._thread.join()
        for line in self._lines.values():
            line.sock.close()
        self._selector.close()
        self._woken.close()
        self._wake.close()

    def listen(self, sock: socket.socket, heard: Callable[[], None]) -> None:
        """Let our thread also serve another socket. Before `start` only."""
        self._selector.register(sock, selectors.EVENT_READ, heard)

    def ask(
        self, servers: list[RadiusServer], attributes: Pairs, password: str, answered: Callable[[Outcome], None]
    ) -> None:
        """Ask about a login, one server after the other; `answered` runs in our thread, once."""
        question = _Question(self, list(servers), attributes, password, answered)
        self._count_busy(1)
        self._soon(question.begin)

    def account(self, record: AccountingRecord) -> None:
        """Report usage. Never blocks a login: whatever is not confirmed is repeated later."""
        self._count_busy(1)
        generation = self._generation
        self._soon(lambda: self._send_record(record, generation))

    def forget(self) -> None:
        """What a power cut does to questions and reports: they are gone, and their answers mean nothing."""
        self._generation += 1
        self._soon(self._drop_flights)

    def wait_quiet(self, seconds: float) -> bool:
        """Wait until nothing fresh is on its way. Not for threads that hold the router's lock."""
        with self._quiet:
            return self._quiet.wait_for(lambda: self._busy == 0, seconds)

    def counters_of(self, number: int) -> Counters:
        return self.counters.setdefault(number, Counters())

    # Everything below runs in our own thread.

    def _soon(self, work: Callable[[], None]) -> None:
        self._todo.append(work)
        with contextlib.suppress(BlockingIOError):
            self._wake.send(b"\0")

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass

    def _run(self) -> None:
        while not self._stopping:
            timeout = max(0.0, self._deadlines[0][0] - time.monotonic()) if self._deadlines else None
            for key, _ in self._selector.select(timeout):
                key.data()
            while self._todo:
                self._todo.popleft()()
            now = time.monotonic()
            while self._deadlines and self._deadlines[0][0] <= now:
                heapq.heappop(self._deadlines)[2]()

    def _count_busy(self, change: int) -> None:
        with self._quiet:
            self._busy += change
            if self._busy == 0:
                self._quiet.notify_all()

    def finished(self) -> None:
        """One question or fresh report is no longer on its way."""
        self._count_busy(-1)

    def at_deadline(self, seconds: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._deadlines, (time.monotonic() + seconds, next(self._order), work))

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

    def _drop_flights(self) -> None:
        for line in self._lines.values():
            line.waiting.clear()
            for flight in list(line.flights.values()):
                self.end_flight(flight)

    def _send_record(self, record: AccountingRecord, generation: int) -> None:
        server = self._server_for(record)
        line = self.line_to(server, server.accounting_port) if server is not None else None
        if server is None or line is None or record.confirmed or generation != self._generation:
            self.finished()
            return
        if record.flight is not None:
            self.end_flight(record.flight)
        if not line.free:
            line.waiting.append(lambda: self.account(record))
            self.finished()
            return
        delay = max(0, int(self._machine.seconds() - record.created_seconds))
        identity = [encode("NAS-IP-Address", line.local_address), encode("Acct-Delay-Time", delay)]
        number = line.free.popleft()
        raw, authenticator = accounting_request(number, server.secret, record.attributes + identity)
        fresh = _Once(self.finished)

        def landed(_answer: Attributes) -> None:
            record.confirmed = True
            fresh()

        record.flight = Flight(
            line, number, server, authenticator, raw, False, (ACCOUNTING_RESPONSE,), landed, time.monotonic()
        )
        counters = self.counters_of(server.number)
        counters.requests += 1
        counters.resends += 1 if record.attempts else 0
        record.attempts += 1
        wait = min(ACCOUNTING_RETRY_SECONDS_MAX, server.timeout_seconds * 2 ** min(record.attempts - 1, 10))
        self._machine.after(wait, lambda: self._retry_record(record, generation))
        self.at_deadline(server.timeout_seconds, fresh)
        self.launch(record.flight)

    def _retry_record(self, record: AccountingRecord, generation: int) -> None:
        if not record.confirmed and generation == self._generation:
            self.account(record)

    def _server_for(self, record: AccountingRecord) -> RadiusServer | None:
        servers = self._servers()
        return next((server for server in servers if server.number == record.server_number), None) or next(
            iter(servers), None
        )


class _Once:
    """Calls something the first time it is called."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work: Callable[[], None] | None = work

    def __call__(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work()


class _Question:
    """One login being asked about: each server in turn, each a few times."""

    def __init__(
        self,
        client: RadiusClient,
        servers: list[RadiusServer],
        attributes: Pairs,
        password: str,
        answered: Callable[[Outcome], None],
    ) -> None:
        self._client = client
        self._servers = servers
        self._attributes = attributes
        self._password = password
        self._answered = answered
        self._flight: Flight | None = None
        self._attempt = 0
        self._over = False

    def begin(self) -> None:
        """Turn to the next server, or give up when there is none left."""
        if not self._servers:
            self._end(Outcome(None, None))
            return
        server = self._servers[0]
        line = self._client.line_to(server, server.authentication_port)
        if line is None:
            self._servers.pop(0)
            self.begin()
        elif not line.free:
            line.waiting.append(self.begin)
        else:
            self._send(server, line)

    def _send(self, server: RadiusServer, line: Line) -> None:
        attributes = [*self._attributes, encode("NAS-IP-Address", line.local_address)]
        number = line.free.popleft()
        raw, authenticator = access_request(number, server.secret, attributes, self._password)
        codes = (ACCESS_ACCEPT, ACCESS_REJECT)
        self._attempt = 1
        self._flight = Flight(
            line, number, server, authenticator, raw, server.signed, codes, self._landed, time.monotonic()
        )
        counters = self._client.counters_of(server.number)
        counters.requests += 1
        counters.pending += 1
        self._client.launch(self._flight)
        flight = self._flight
        self._client.at_deadline(server.timeout_seconds, lambda: self._overdue(flight))

    def _overdue(self, flight: Flight) -> None:
        if self._over or flight is not self._flight:
            return
        server = flight.server
        counters = self._client.counters_of(server.number)
        if flight.line.flights.get(flight.number) is flight and self._attempt < ATTEMPTS_PER_SERVER:
            self._attempt += 1
            counters.resends += 1
            self._client.transmit(flight)
            self._client.at_deadline(server.timeout_seconds, lambda: self._overdue(flight))
            return
        counters.timeouts += 1
        counters.pending -= 1
        self._flight = None
        self._servers.pop(0)
        self._client.end_flight(flight)
        self.begin()

    def _landed(self, answer: Attributes) -> None:
        assert self._flight is not None
        server = self._flight.server
        counters = self._client.counters_of(server.number)
        counters.pending -= 1
        if answer.code == ACCESS_ACCEPT:
            counters.accepts += 1
        else:
            counters.rejects += 1
        self._end(Outcome(answer, server))

    def _end(self, outcome: Outcome) -> None:
        self._over = True
        try:
            self._answered(outcome)
        finally:
            self._client.finished()
