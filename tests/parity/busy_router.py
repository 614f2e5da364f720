"""A router with many devices, all busy: they log in, report and log out again and again, and nothing is told only once.

What RouterOS does, without the waiting: a question is repeated, byte by byte, at one server after the other until somebody
answers or it gives up; reports are repeated for ever. A session that was let in goes on whatever happens to the servers.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from tests.parity import wire
from tests.parity.stories import INTERIM, START, STOP
from tests.parity.table import Router
from tests.parity.wire import Attribute

AGAIN_SECONDS = 0.15
TRIES_MAX = 3
"""Of a login, before the device is told that nobody answers; it knocks again."""
INTERIMS = 6
PAUSE_SECONDS = 0.01
FINISH_SECONDS_MAX = 60.0


@dataclass
class Device:
    """One device: whether it has paid, and what it has used so far, in bytes."""

    mac: str
    paid: bool
    stays: bool = False
    """Logs in once and stays until the router closes for the night."""
    used: int = 0
    sessions: list[Session] = field(default_factory=list)
    asked: int = 0
    unanswered: int = 0
    let_in: int = 0


@dataclass
class Session:
    """One session as the router remembers it."""

    number: str
    klass: str
    up: int = 0
    down: int = 0
    seconds: int = 0
    over: bool = False


@dataclass
class BusyRouter:
    """A router whose devices keep one thread each busy. `servers`: (authentication port, accounting port), in its order."""

    router: Router
    devices: list[Device]
    servers: Sequence[tuple[int, int]]
    boot: int = 0x80
    errors: list[str] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _numbers: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        for device in self.devices:
            thread = threading.Thread(target=self._live, args=(device,), name=device.mac, daemon=True)
            self._threads.append(thread)
            thread.start()

    def finish(self) -> None:
        """Everybody logs out; returns when the last report has been answered. AssertionError when that does not come."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(FINISH_SECONDS_MAX)
        still = [thread.name for thread in self._threads if thread.is_alive()]
        assert still == [], f"reports of {still} are not answered"
        assert self.errors == []

    def let_in(self) -> int:
        """How often somebody was let in so far."""
        return sum(device.let_in for device in self.devices)

    def _live(self, device: Device) -> None:
        try:
            with wire.bound(self.router.address) as own:
                while not self._stopping.is_set():
                    klass = self._login(own, device)
                    if klass is not None:
                        self._session(own, device, klass)
                    self._stopping.wait(PAUSE_SECONDS)
        except (AssertionError, OSError) as error:
            self.errors.append(f"{device.mac}: {error}")

    def _login(self, own: socket.socket, device: Device) -> str | None:
        """The class of the new session; None for somebody who is not let in, or not answered."""
        secret = self.router.secret.encode()
        attributes: list[Attribute] = [
            ("User-Name", device.mac), ("User-Password", self.router.mac_password), ("Calling-Station-Id", device.mac),
            ("Mikrotik-Host-IP", "10.5.50.9"), ("NAS-Identifier", self.router.name),
        ]  # fmt: skip
        raw = wire.request(wire.ACCESS_REQUEST, attributes, secret, signed=True, identifier=os.urandom(1)[0])
        device.asked += 1
        reply = self._tell(own, raw, 0, TRIES_MAX)
        if reply is None:
            device.unanswered += 1
            return None
        if reply.code != "Access-Accept":
            assert not device.paid, f"{device.mac} has paid and was rejected: {reply.named('Reply-Message')}"
            return None
        device.let_in += 1
        (klass,) = reply.named("Class")
        return str(klass)

    def _session(self, own: socket.socket, device: Device, klass: str) -> None:
        with self._lock:
            self._numbers += 1
            number = f"{self.boot:02x}{self._numbers:06x}"
        session = Session(number, klass)
        device.sessions.append(session)
        self._report(own, device, session, START)
        for told in count():
            if self._stopping.wait(PAUSE_SECONDS) or (told >= INTERIMS and not device.stays):
                break
            self._carry(device, session)
            self._report(own, device, session, INTERIM)
        self._carry(device, session)
        self._report(own, device, session, STOP)
        session.over = True

    def _carry(self, device: Device, session: Session) -> None:
        up, down = hashlib.md5(f"{session.number}{session.seconds}".encode()).digest()[:2]
        session.up, session.down, session.seconds = (
            session.up + 1000 + up,
            session.down + 9000 + down,
            session.seconds + 300,
        )
        device.used += 10_000 + up + down

    def _report(self, own: socket.socket, device: Device, session: Session, kind: int) -> None:
        secret = self.router.secret.encode()
        attributes: list[Attribute] = [
            ("Acct-Status-Type", kind), ("User-Name", device.mac), ("Calling-Station-Id", device.mac),
            ("Acct-Session-Id", session.number), ("Class", session.klass), ("Acct-Input-Octets", session.up),
            ("Acct-Output-Octets", session.down), ("Acct-Session-Time", session.seconds), ("NAS-Identifier", self.router.name),
        ]  # fmt: skip
        if kind == STOP:
            attributes.append(("Acct-Terminate-Cause", 1))
        raw = wire.request(wire.ACCOUNTING_REQUEST, attributes, secret, signed=False, identifier=os.urandom(1)[0])
        tries = round(FINISH_SECONDS_MAX / AGAIN_SECONDS)
        assert self._tell(own, raw, 1, tries) is not None, f"session {session.number} is not heard"

    def _tell(self, own: socket.socket, raw: bytes, which: int, tries: int) -> wire.Reply | None:
        """Ask one server after the other, again and again; what comes late for an earlier question is passed over."""
        own.settimeout(AGAIN_SECONDS)
        for attempt in range(tries):
            port = self.servers[attempt % len(self.servers)][which]
            own.sendto(raw, ("127.0.0.1", port))
            try:
                while True:
                    answer = own.recv(4096)
                    try:
                        return wire.understand(answer, raw, self.router.secret.encode())
                    except wire.NotTheServer:
                        continue
            except (TimeoutError, ConnectionRefusedError):
                continue
        return None
