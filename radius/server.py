"""The server: two UDP ports, one loop for each, and an answer only for whom it is due.

A loop drains its socket, takes the packets apart, leaves out what deserves no answer, and hands the rest to its door as
one batch (`radius/batch.py`): `Authentication` for logins, `Accounting` for reports. `door.answer(batch)` gets a sequence
of `Question(packet, client, source)` and yields an `Answer(question, raw, kind)` for each; an answer is sent the moment it
is yielded, so a door yields after its commit, and first what is most urgent. One loop per port, so reports of one router
are taken in the order in which they came: a Start behind the boot that ended everything before.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import Counter
from collections.abc import Mapping

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.app import App
from core.errors import Refusal
from core.network import NasClient
from radius.accounting import Accounting
from radius.authentication import Authentication
from radius.batch import Door, Question, Source
from radius.clients import Clients
from radius.notes import Notebook
from radius.packet import (
    ACCESS_ACCEPT,
    ACCESS_REQUEST,
    ACCOUNTING_REQUEST,
    ACCOUNTING_RESPONSE,
    HEADER_BYTES,
    STATUS_SERVER,
    Dropped,
    Packet,
    check_signature,
    decode,
    reply,
)
from radius.port import Datagram, Port
from radius.reports import Reports

STOP_LOOK_SECONDS = 0.2

log = structlog.get_logger()


class RadiusServer:
    """Authentication and accounting for all routers of this installation. Ports given as 0 are chosen by the system.

    `logins` takes the place of the door for logins.
    """

    def __init__(self, app: App, host: str, auth_port: int, acct_port: int, *, logins: Door | None = None) -> None:
        self._host = host
        self.auth_port = auth_port
        self.acct_port = acct_port
        self._clients = Clients(app)
        self._notebook = Notebook(app, self._clients)
        self._logins = logins or Authentication(app, self._clients, self._notebook)
        self._accounting = Accounting(app)
        self._reports = Reports()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._held_up = False
        self._ports: list[Port] = []
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Listen. Raises OSError when a port is taken."""
        login, login_alive, report, report_alive = (
            ACCESS_REQUEST, ACCESS_ACCEPT, ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE,
        )  # fmt: skip
        try:
            for name, number, code, alive, door in (
                ("auth", self.auth_port, login, login_alive, self._logins),
                ("acct", self.acct_port, report, report_alive, self._accounting),
            ):
                self._ports.append(Port(name, self._host, number, code=code, alive_code=alive, door=door))
        except OSError:
            self._close()
            raise
        self.auth_port, self.acct_port = (port.number for port in self._ports)
        self._notebook.start()
        for port in self._ports:
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
        """Wait until everything noted about logins answered so far is in the database; False when it is not within `seconds`."""
        for port in self._ports:
            if port.turn.acquire(timeout=seconds):
                port.turn.release()
        return self._notebook.settle(seconds)

    def counts(self) -> dict[str, int]:
        """How many packets ended how, since the start."""
        with self._lock:
            return dict(self._counts)

    def _close(self) -> None:
        for port in self._ports:
            port.close()

    def _employ(self, port: Port) -> None:
        thread = threading.Thread(target=self._serve, args=(port,), name=f"radius-{port.name}", daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _serve(self, port: Port) -> None:
        """One thread's life. Dying of a bug is seen in the log, and another one takes its place."""
        try:
            while not self._stopping.is_set():
                arrived = port.gather(STOP_LOOK_SECONDS)
                if arrived:
                    with port.turn:
                        self._count("received", len(arrived))
                        self._handle(port, arrived)
        finally:
            if not self._stopping.is_set():
                with self._lock:
                    self._threads.remove(threading.current_thread())
                self._count("bug")
                self._employ(port)

    def _handle(self, port: Port, arrived: list[Datagram]) -> None:
        """Everything that was in the socket. When a bug strikes, the rest of a batch is tried again one by one."""
        open_: dict[object, Question] = {}
        bug = True
        try:
            self._read(port, arrived, open_)
            if open_:
                self._answer(port, open_)
            bug = False
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            bug = False
            self._count("no_database", len(open_) or len(arrived))
            self._outage(type(error).__name__)
        except (SQLAlchemyError, Refusal) as error:
            bug = False
            self._count("not_recorded", len(open_))
            for question in open_.values():
                self._reports.not_answered("not_recorded", address_of(question.source), error=type(error).__name__)
        else:
            self._outage(None)
        finally:
            for key in open_:
                port.duplicates.forget(key)
            if bug and len(arrived) > 1:
                port.again.extend((question.packet.raw, question.source) for question in open_.values())

    def _read(self, port: Port, arrived: list[Datagram], open_: dict[object, Question]) -> None:
        """Put into `open_` what is worth a door's attention; answer at once what needs no thought."""
        clients = self._clients.current()
        for datagram, source in arrived:
            try:
                client = find(clients, source)
                packet = decode(datagram)
                if packet.code not in (port.code, STATUS_SERVER):
                    raise Dropped("unknown_code")
                key = (source, packet.raw[:HEADER_BYTES])
                fresh, raw = port.duplicates.begin(key)
                if not fresh:
                    self._count("duplicate")
                    if raw is not None:
                        self._send(port, raw, source)
                elif packet.code == STATUS_SERVER:
                    self._alive(port, key, packet, client, source)
                else:
                    open_[key] = Question(packet, client, source)
            except Dropped as drop:
                self._drop(drop.why, source)

    def _answer(self, port: Port, open_: dict[object, Question]) -> None:
        kinds: Counter[str] = Counter()
        try:
            for question, raw, kind in port.door.answer(list(open_.values())):
                key = (question.source, question.packet.raw[:HEADER_BYTES])
                if raw is None:
                    port.duplicates.forget(key)
                    self._drop(kind, question.source)
                else:
                    port.duplicates.answered(key, raw)
                    self._send(port, raw, question.source)
                    kinds[kind] += 1
                del open_[key]
        finally:
            for kind, number in kinds.items():
                self._count(kind, number)

    def _alive(self, port: Port, key: object, packet: Packet, client: NasClient, source: Source) -> None:
        """Status-Server: a router asks whether anybody is there (RFC 5997)."""
        secret = client.secret.encode()
        try:
            check_signature(packet, secret, demanded=True)
            raw = reply(packet, port.alive_code, secret)
        except Dropped:
            port.duplicates.forget(key)
            raise
        port.duplicates.answered(key, raw)
        self._count("status")
        self._send(port, raw, source)

    def _send(self, port: Port, raw: bytes, source: Source) -> None:
        try:
            port.send(raw, source)
        except OSError as error:  # the way back is gone; the router will ask again
            self._count("not_sent")
            self._reports.not_answered("not_sent", address_of(source), error=type(error).__name__)

    def _drop(self, why: str, source: Source) -> None:
        self._count(why)
        self._reports.not_answered(why, address_of(source))

    def _count(self, what: str, number: int = 1) -> None:
        with self._lock:
            self._counts[what] += number

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


def find(clients: Mapping[str, NasClient], source: Source) -> NasClient:
    """The router at this address. Raises `Dropped` for a stranger."""
    client = clients.get(source[0]) or clients.get(address_of(source))
    if client is None:
        raise Dropped("unknown_source")
    return client


def address_of(source: Source) -> str:
    """A source address as the rows write it: IPv4 as IPv4 even on a socket that speaks both."""
    address = ipaddress.ip_address(source[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
