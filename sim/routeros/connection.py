"""One connection of a program to the router: login, commands with tags, cancelling, and saying goodbye."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sim.routeros.checks import CATEGORY_INTERRUPTED, Trap
from sim.routeros.commands import READING, Executor, Request
from sim.routeros.faults import Faults
from sim.routeros.machine import Machine
from sim.routeros.transport import Channel
from sim.routeros.words import AFTER_LOGIN, PeerGone, ProtocolError, SentenceReader, encode_sentence

SENTENCES_BEFORE_LOGIN_MAX = 16
COMMANDS_AT_ONCE_MAX = 64
BATCH_BYTES = 65536
EMPTY_SINCE = (7, 18)
PLAIN_LOGIN_SINCE = (6, 43)


class Accounts(Protocol):
    """Who may use the interface, and what for."""

    def password_of(self, name: str) -> str | None: ...

    def policies_of(self, name: str) -> frozenset[str]: ...


@dataclass
class Service:
    """What a connection needs of the router behind it."""

    machine: Machine
    executor: Executor
    accounts: Accounts
    faults: Faults


class Connection:
    """The life of one connection, run in a thread of its own; slow commands get threads beside it."""

    def __init__(
        self, channel: Channel, service: Service, closed: Callable[[Connection], None], peer: str = ""
    ) -> None:
        self.peer = peer
        self._channel = channel
        self._service = service
        self._closed = closed
        self._reader = SentenceReader(channel.receive)
        self._writing = threading.RLock()
        self._running: list[Request] = []
        self._policies: frozenset[str] | None = None
        self._challenge = b""
        self._gone = threading.Event()
        self._thread = threading.Thread(target=self.run, name="router-connection", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait_over(self, seconds: float) -> None:
        """Wait until the connection's thread has ended; a thread that waits for itself goes on at once."""
        if self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def run(self) -> None:
        """Serve until either side has enough."""
        try:
            self._channel.open()
            self._serve()
        except (OSError, PeerGone):
            pass
        except ProtocolError as broken:
            self._fatal(str(broken))
        finally:
            self.close()
            self._channel.release()
            self._closed(self)

    def close(self) -> None:
        """End it from outside: running commands are abandoned, the reading thread wakes up."""
        self._channel.close()
        self._gone.set()
        for request in list(self._running):
            request.cancelled.set()

    def _serve(self) -> None:
        strangers_sentences = 0
        while True:
            words = self._reader.read()
            if self._policies is None:
                strangers_sentences += 1
                if strangers_sentences > SENTENCES_BEFORE_LOGIN_MAX:
                    raise ProtocolError("too many commands before login")
            if not self._hear(words):
                return

    def _hear(self, words: list[str]) -> bool:
        """Deal with one sentence. False ends the connection."""
        try:
            request = Request.parse(words)
        except Trap as trap:
            self._refuse(_tag_of(words), trap)
            return True
        if request.path == "/login":
            self._login(request)
        elif self._policies is None:
            self._fatal("not logged in")
            return False
        elif request.path == "/quit":
            self._fatal("session terminated on request")
            return False
        elif request.path == "/cancel":
            self._cancel(request)
        else:
            request.policies = self._policies
            self._start(request)
        return True

    def _login(self, request: Request) -> None:
        faults = self._service.faults
        faults.wait(self._gone)
        if faults.nonsense:
            self.send(faults.garbage())
            return
        try:
            faults.refuse_if_told(request.path)
        except Trap as trap:
            self._refuse(request.tag, trap)
            return
        old = self._service.machine.schema.number < PLAIN_LOGIN_SINCE
        if old and "response" not in request.arguments:
            self._challenge = os.urandom(16)
            self._done(request.tag, {"ret": self._challenge.hex()})
            return
        name = request.arguments.get("name", "")
        right = self._answers_challenge(request, name) if old else self._knows_password(request, name)
        policies = self._service.accounts.policies_of(name) if right else frozenset()
        if "api" not in policies:
            self._refuse(request.tag, Trap("cannot log in" if old else "invalid user name or password (6)"))
            return
        self._policies = policies
        self._reader.limits = AFTER_LOGIN
        self._done(request.tag, {})

    def _knows_password(self, request: Request, name: str) -> bool:
        known = self._service.accounts.password_of(name)
        return known is not None and request.arguments.get("password", "") == known

    def _answers_challenge(self, request: Request, name: str) -> bool:
        """The form before 6.43: md5 over a zero byte, the password and our challenge (reference routeros.md §1.3)."""
        known, challenge = self._service.accounts.password_of(name), self._challenge
        self._challenge = b""
        if known is None or not challenge:
            return False
        expected = hashlib.md5(b"\0" + known.encode() + challenge, usedforsecurity=False).hexdigest()
        return request.arguments["response"].lower() == "00" + expected

    def _start(self, request: Request) -> None:
        service = self._service
        try:
            service.executor.resolve(request)
        except Trap as trap:
            self._refuse(request.tag, trap)
            return
        with self._writing:
            if len(self._running) >= COMMANDS_AT_ONCE_MAX:
                self._refuse(request.tag, Trap("failure: too many commands at once"))
                return
            self._running.append(request)
        if service.executor.is_slow(request) or service.faults.delay_seconds:
            threading.Thread(target=self._perform_beside, args=(request,), name="router-command", daemon=True).start()
        else:
            self._perform(request)

    def _perform_beside(self, request: Request) -> None:
        """As `_perform`, in a thread where a lost connection concerns nobody but itself."""
        try:
            self._perform(request)
        except OSError:
            self._channel.close()

    def _perform(self, request: Request) -> None:
        faults = self._service.faults
        reply = Reply(self, request)
        faults.wait(request.cancelled)
        try:
            if faults.nonsense:
                self.send(faults.garbage())
                self._finish(request)
                return
            faults.refuse_if_told(request.path)
            cut = faults.cuts_this_write(request.command not in READING)
            if cut == "before":
                self._channel.close()
                return
            attributes = self._service.executor.execute(request, reply.row)
        except Trap as trap:
            reply.end(trap_words(request.tag, trap) + sentence("!done", request.tag, {}))
            return
        if cut == "after":
            self._channel.close()
            return
        found_nothing = reply.is_empty and request.command in ("print", "getall") and "ret" not in attributes
        says_so = found_nothing and self._service.machine.schema.number >= EMPTY_SINCE
        empty = sentence("!empty", request.tag, {}) if says_so else b""
        reply.end(empty + sentence("!done", request.tag, attributes))

    def _cancel(self, request: Request) -> None:
        """Interrupt one command, or all: their traps, then our done, then theirs (reference routeros.md §1.4)."""
        wanted = request.arguments.get("tag")
        interrupted = Trap("interrupted", CATEGORY_INTERRUPTED)
        with self._writing:
            chosen = [other for other in self._running if wanted is None or other.tag == wanted]
            for other in chosen:
                self._running.remove(other)
                other.cancelled.set()
            traps = b"".join(trap_words(other.tag, interrupted) for other in chosen)
            dones = b"".join(sentence("!done", other.tag, {}) for other in chosen)
            self.send(traps + sentence("!done", request.tag, {}) + dones)

    def is_running(self, request: Request) -> bool:
        return any(other is request for other in self._running)

    def send_if_running(self, request: Request, data: bytes, *, last: bool) -> None:
        """Send a part of a command's reply, unless the command was cancelled meanwhile."""
        with self._writing:
            if not self.is_running(request):
                return
            if last:
                self._finish(request)
                if self._service.faults.cuts_this_reply():
                    self.send(data[: max(1, len(data) // 2)])
                    self._channel.close()
                    return
            self.send(data)

    def _finish(self, request: Request) -> None:
        with self._writing:
            self._running = [other for other in self._running if other is not request]

    def send(self, data: bytes) -> None:
        with self._writing:
            self._channel.send(data)

    def _done(self, tag: str | None, attributes: Mapping[str, str]) -> None:
        self.send(sentence("!done", tag, attributes))

    def _refuse(self, tag: str | None, trap: Trap) -> None:
        self.send(trap_words(tag, trap) + sentence("!done", tag, {}))

    def _fatal(self, reason: str) -> None:
        try:
            self.send(encode_sentence(["!fatal", reason]))
        except OSError:
            return


class Reply:
    """The rows of one command on their way out, sent in batches."""

    def __init__(self, connection: Connection, request: Request) -> None:
        self._connection = connection
        self._request = request
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self.is_empty = True
        self._streams = connection._service.executor.is_slow(request)

    def row(self, row: Mapping[str, str]) -> None:
        self.is_empty = False
        data = sentence("!re", self._request.tag, row)
        if self._streams:
            self._connection.send_if_running(self._request, data, last=False)
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    def end(self, closing: bytes) -> None:
        self._connection.send_if_running(self._request, b"".join(self._waiting) + closing, last=True)


def sentence(kind: str, tag: str | None, attributes: Mapping[str, str]) -> bytes:
    """A reply sentence; the tag of the command comes back in each."""
    words = [kind]
    if tag is not None:
        words.append(f".tag={tag}")
    words.extend(f"={name}={value}" for name, value in attributes.items())
    return encode_sentence(words)


def trap_words(tag: str | None, trap: Trap) -> bytes:
    category = {} if trap.category is None else {"category": str(trap.category)}
    return sentence("!trap", tag, {**category, "message": trap.message})


def _tag_of(words: list[str]) -> str | None:
    return next((word[5:] for word in words if word.startswith(".tag=")), None)
