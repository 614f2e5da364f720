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
from dataclasses import dataclass

from sim.routeros.lines import Flight, Line, Lines, RadiusServer
from sim.routeros.machine import Machine
from sim.routeros.packets import (
    ACCESS_ACCEPT,
    ACCESS_REJECT,
    ACCOUNTING_RESPONSE,
    Attributes,
    Pairs,
    access_request,
    accounting_request,
    encode,
)

ATTEMPTS_PER_SERVER = 3
ACCOUNTING_RETRY_SECONDS_MAX = 60.0


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


class RadiusClient:
    """Sends and receives for one router. `ask` and `account` return at once, from any thread."""

    def __init__(self, machine: Machine, servers: Callable[[], list[RadiusServer]]) -> None:
        self._machine = machine
        self._servers = servers
        self._selector = selectors.DefaultSelector()
        self.lines = Lines(machine, self._selector)
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
        if self._thread.is_alive():
            self._soon(lambda: None)
            self._thread.join()
        self.lines.close()
        self._selector.close()
        self._woken.close()
        self._wake.close()

    def listen(self, sock: socket.socket, heard: Callable[[], None]) -> None:
        """Let our thread also serve another socket. Before `start` only."""
        self._selector.register(sock, selectors.EVENT_READ, heard)

    def ask(
        self,
        servers: list[RadiusServer],
        attributes: Pairs,
        password: str | None,
        answered: Callable[[Outcome], None],
    ) -> None:
        """Ask about a login, one server after the other; `answered` runs in our thread, once.

        Without a password the attributes already say how the user proves itself.
        """
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
        self._soon(self.lines.drop_flights)

    def wait_quiet(self, seconds: float) -> bool:
        """Wait until nothing fresh is on its way. Not for threads that hold the router's lock."""
        with self._quiet:
            return self._quiet.wait_for(lambda: self._busy == 0, seconds)

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

    def _send_record(self, record: AccountingRecord, generation: int) -> None:
        server = self._server_for(record)
        line = self.lines.line_to(server, server.accounting_port) if server is not None else None
        if server is None or line is None or record.confirmed or generation != self._generation:
            self.finished()
            return
        if record.flight is not None:
            self.lines.end_flight(record.flight)
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
        counters = self.lines.counters_of(server.number)
        counters.requests += 1
        counters.resends += 1 if record.attempts else 0
        record.attempts += 1
        wait = min(ACCOUNTING_RETRY_SECONDS_MAX, server.timeout_seconds * 2 ** min(record.attempts - 1, 10))
        self._machine.after(wait, lambda: self._retry_record(record, generation))
        self.at_deadline(server.timeout_seconds, fresh)
        self.lines.launch(record.flight)

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
        password: str | None,
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
        line = self._client.lines.line_to(server, server.authentication_port)
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
        counters = self._client.lines.counters_of(server.number)
        counters.requests += 1
        counters.pending += 1
        self._client.lines.launch(self._flight)
        flight = self._flight
        self._client.at_deadline(server.timeout_seconds, lambda: self._overdue(flight))

    def _overdue(self, flight: Flight) -> None:
        if self._over or flight is not self._flight:
            return
        server = flight.server
        counters = self._client.lines.counters_of(server.number)
        if flight.line.flights.get(flight.number) is flight and self._attempt < ATTEMPTS_PER_SERVER:
            self._attempt += 1
            counters.resends += 1
            self._client.lines.transmit(flight)
            self._client.at_deadline(server.timeout_seconds, lambda: self._overdue(flight))
            return
        counters.timeouts += 1
        counters.pending -= 1
        self._flight = None
        self._servers.pop(0)
        self._client.lines.end_flight(flight)
        self.begin()

    def _landed(self, answer: Attributes) -> None:
        assert self._flight is not None
        server = self._flight.server
        counters = self._client.lines.counters_of(server.number)
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
