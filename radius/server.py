"""The server: two UDP ports, a few threads, and an answer only for whom it is due."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.app import App
from core.errors import Refusal
from core.network import NasClient
from radius.accounting import Accounting
from radius.authentication import Authentication
from radius.clients import Clients
from radius.duplicates import Duplicates
from radius.notes import Notebook
from radius.packet import (
    ACCESS_ACCEPT,
    ACCESS_REQUEST,
    ACCOUNTING_REQUEST,
    ACCOUNTING_RESPONSE,
    PACKET_BYTES_MAX,
    STATUS_SERVER,
    Dropped,
    Packet,
    check_signature,
    decode,
    dictionary,
    reply,
)

AUTH_THREADS = 2
ACCT_THREADS = 1
"""Reports of one router are taken in the order in which they came: a Start behind the boot that ended everything before."""
STOP_LOOK_SECONDS = 0.2
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
WARN_SECONDS = 60.0
WARNED_MAX = 1024

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Port:
    """One socket: what it is for, and how its ordinary requests are answered. `answer` returns bytes and a counter's name."""

    name: str
    socket: socket.socket
    code: int
    alive_code: int
    answer: Callable[[Packet, NasClient], tuple[bytes, str]]
    threads: int
    turn: threading.Lock


class RadiusServer:
    """Authentication and accounting for all routers of this installation. Ports given as 0 are chosen by the system."""

    def __init__(self, app: App, host: str, auth_port: int, acct_port: int) -> None:
        self._app = app
        self._host = host
        self.auth_port = auth_port
        self.acct_port = acct_port
        self._clients = Clients(app)
        self._notebook = Notebook(app, self._clients)
        self._authentication = Authentication(app, self._clients, self._notebook)
        self._accounting = Accounting(app)
        self._duplicates = Duplicates()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._warned: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._held_up = False
        self._ports: list[Port] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Listen. Raises OSError when a port is taken."""
        dictionary()  # before the first packet, so that a broken file stops the start
        try:
            answer = self._authentication.answer
            auth = self._bound(self.auth_port)
            self._ports.append(
                Port("auth", auth, ACCESS_REQUEST, ACCESS_ACCEPT, answer, AUTH_THREADS, threading.Lock())
            )
            report, acct = self._accounting.answer, self._bound(self.acct_port)
            self._ports.append(
                Port("acct", acct, ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE, report, ACCT_THREADS, threading.Lock())
            )
        except OSError:
            self._close()
            raise
        self.auth_port, self.acct_port = (int(port.socket.getsockname()[1]) for port in self._ports)
        self._notebook.start()
        for port in self._ports:
            for _ in range(port.threads):
                self._employ(port)
        log.info("radius.started", host=self._host, auth_port=self.auth_port, acct_port=self.acct_port)

    def stop(self) -> None:
        """Answer what is in hand, write down what was noted, and end."""
        self._stopping.set()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()
        self._close()
        self._notebook.stop()
        log.info("radius.stopped", counts=self.counts())

    def settle(self, seconds: float = 10.0) -> bool:
        """Wait until everything noted about logins so far is in the database; False when it is not within `seconds`."""
        return self._notebook.settle(seconds)

    def counts(self) -> dict[str, int]:
        """How many packets ended how, since the start."""
        with self._lock:
            return dict(self._counts)

    def _bound(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_DGRAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            bound.bind((self._host, port))
        except OSError:
            bound.close()
            raise
        bound.settimeout(STOP_LOOK_SECONDS)
        return bound

    def _close(self) -> None:
        for port in self._ports:
            port.socket.close()

    def _employ(self, port: Port) -> None:
        thread = threading.Thread(target=self._serve, args=(port,), name=f"radius-{port.name}", daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _serve(self, port: Port) -> None:
        """One thread's life. Dying of a bug is seen in the log, and another one takes its place."""
        try:
            while not self._stopping.is_set():
                with port.turn:
                    try:
                        datagram, source = port.socket.recvfrom(PACKET_BYTES_MAX + 1)
                    except TimeoutError:
                        continue
                    except OSError:  # news about an answer that could not be delivered
                        continue
                self._handle(port, datagram, source)
        finally:
            if not self._stopping.is_set():
                with self._lock:
                    self._threads.remove(threading.current_thread())
                self._count("bug")
                self._employ(port)

    def _handle(self, port: Port, datagram: bytes, source: tuple[str, int]) -> None:
        self._count("received")
        address = _address(source[0])
        try:
            client = self._clients.find(address)
            if client is None:
                raise Dropped("unknown_source")
            packet = decode(datagram)
            if packet.code not in (port.code, STATUS_SERVER):
                raise Dropped("unknown_code")
            self._answer(port, packet, client, source)
        except Dropped as drop:
            self._count(drop.why)
            self._warn(drop.why, address)
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            self._count("no_database")
            self._outage(type(error).__name__)
        except (SQLAlchemyError, Refusal) as error:
            self._count("not_recorded")
            self._warn("not_recorded", address, error=type(error).__name__)
        else:
            self._outage(None)

    def _answer(self, port: Port, packet: Packet, client: NasClient, source: tuple[str, int]) -> None:
        question = (source[0], source[1], packet.code, packet.identifier, packet.authenticator)
        fresh, raw = self._duplicates.begin(question)
        if not fresh:
            self._count("duplicate")
            if raw is not None:
                self._send(port, raw, source)
            return
        raw = None
        try:
            raw, kind = (
                self._alive(port, packet, client) if packet.code == STATUS_SERVER else port.answer(packet, client)
            )
        finally:
            if raw is None:
                self._duplicates.forget(question)
            else:
                self._duplicates.answered(question, raw)
        self._count(kind)
        self._send(port, raw, source)

    def _alive(self, port: Port, packet: Packet, client: NasClient) -> tuple[bytes, str]:
        """Status-Server: a router asks whether anybody is there (RFC 5997)."""
        secret = client.secret.encode()
        check_signature(packet, secret, demanded=True)
        return reply(packet, port.alive_code, secret), "status"

    def _send(self, port: Port, raw: bytes, source: tuple[str, int]) -> None:
        try:
            port.socket.sendto(raw, source)
        except OSError as error:  # the way back is gone; the router will ask again
            self._count("not_sent")
            self._warn("not_sent", _address(source[0]), error=type(error).__name__)

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def _warn(self, what: str, address: str, **facts: object) -> None:
        """One line per minute, kind and address: a stranger cannot fill the disk."""
        now = time.monotonic()
        with self._lock:
            last = self._warned.get((what, address))
            if last is not None and now - last < WARN_SECONDS:
                return
            self._warned.pop((what, address), None)
            self._warned[what, address] = now
            if len(self._warned) > WARNED_MAX:
                self._warned.popitem(last=False)
        log.warning("radius.not_answered", why=what, address=address, hint=HINTS.get(what, ""), **facts)

    def _outage(self, error: str | None) -> None:
        """The database is gone (with the error's name) or back (None): said once each time."""
        if (error is not None) == self._held_up:
            return
        with self._lock:
            if (error is not None) == self._held_up:
                return
            self._held_up = error is not None
        if error is not None:
            log.error("radius.held_up", error=error)
        else:
            log.info("radius.resumed")


HINTS = {
    "unknown_source": "router not registered?",
    "bad_signature": "wrong secret?",
    "unsigned": "this router used to sign its requests; remove and add it again if it cannot any more",
}


def _address(text: str) -> str:
    """A source address as the rows write it: IPv4 as IPv4 even on a socket that speaks both."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
