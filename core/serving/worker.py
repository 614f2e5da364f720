"""One process of a web door: it waits for all its callers at once, and works on one whole request at a time.

gunicorn's own workers read from a caller until its request is complete. One who sends its headers byte by byte would hold up
everybody behind it; here it steps aside until it is complete, or until its time is up. Every connection carries one request:
so callers are served in the order in which they come, by whichever process is free, and none waits at a busy one while another
is idle.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from gunicorn.http import wsgi
from gunicorn.http.message import Request
from gunicorn.workers.base import Worker

from core.serving.incoming import Incoming, Refused

REQUEST_SECONDS_MAX = 10.0
"""How long a caller may take to send its request; slower ones are not customers."""
SEND_SECONDS_MAX = 2.0
"""How long a caller may take to accept an answer that does not fit into its socket at once."""
HANGING_UP_SECONDS_MAX = 1.0
"""How long we go on listening to a caller that was refused, so that it can read why; and to latecomers when we stop."""
CALLERS_MAX = 500
"""Callers that may have stepped aside in one process; then the one who has waited longest gives way."""
IN_A_ROW_MAX = 16
"""So many newcomers are served before we look at those who have stepped aside."""
DEFER_SECONDS = 1
"""How long a caller may be connected and silent before we hear of it (Linux)."""
READ_BYTES = 64 * 1024
PIPE_BYTES = 4096
ANSWER_BYTES_KEPT = 256 * 1024
"""An answer is sent in one piece up to this size."""
LOOK_SECONDS = 1.0

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Caller:
    """One connection. `until` is when it has to be ready (`time.monotonic()`)."""

    sock: socket.socket
    address: Any
    incoming: Incoming
    until: float
    done: bool = False


class CallerGone(Exception):
    """The one who asked does not take the answer."""


class Answer:
    """Stands where gunicorn expects a socket to write to; sends head and body together."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._kept: list[bytes] = []
        self._size = 0

    def sendall(self, piece: bytes) -> None:
        """Keep a piece; send when there is much."""
        self._kept.append(piece)
        self._size += len(piece)
        if self._size > ANSWER_BYTES_KEPT:
            self.flush()

    def now(self, piece: bytes) -> None:
        """Send this without waiting for more. Raises `CallerGone`."""
        self.sendall(piece)
        self.flush()

    def flush(self) -> None:
        """Send what is kept. Raises `CallerGone`."""
        everything = b"".join(self._kept)
        self._kept, self._size = [], 0
        try:
            sent = self._send(everything)
            if sent < len(everything):
                self._sock.settimeout(SEND_SECONDS_MAX)
                self._sock.sendall(everything[sent:])
                self._sock.setblocking(False)
        except OSError as error:
            raise CallerGone(type(error).__name__) from error

    def _send(self, everything: bytes) -> int:
        try:
            return self._sock.send(everything)
        except BlockingIOError:
            return 0


class PatientWorker(Worker):  # type: ignore[misc]  # gunicorn brings no types
    """See above. gunicorn's master starts it, restarts it when it dies and kills it when it hangs."""

    alive: bool

    def run(self) -> None:
        """Until SIGTERM or until the master is gone."""
        self._callers: dict[int, Caller] = {}
        self._look_at = self._sign_at = 0.0
        self._listener: socket.socket = self.sockets[0].sock
        self._here = self._listener.getsockname()
        if sys.platform == "linux":  # a caller knocks when it has said something: else it might wait behind others
            self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_SECONDS)
        with selectors.DefaultSelector() as self._selector:
            self._selector.register(self._listener, selectors.EVENT_READ)
            self._selector.register(self.PIPE[0], selectors.EVENT_READ)
            while self.alive and self.ppid == os.getppid():
                self._round(LOOK_SECONDS)
            self.alive = False
            self._finish()

    def _round(self, seconds: float) -> None:
        """Attend to everybody who has something for us."""
        self._give_sign()
        knocking = False
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._listener:
                knocking = True
            elif key.data is None:
                os.read(self.PIPE[0], PIPE_BYTES)  # a signal has woken us
            else:
                self._hear(key.data)
        for _ in range(IN_A_ROW_MAX):
            if not knocking or not self._accept():
                break
        if time.monotonic() >= self._look_at:
            self._look_for_late_ones()

    def _finish(self) -> None:
        """Answer those who have come, also those who still stand in the kernel's queue; nobody new."""
        while self._accept():
            pass
        self._selector.unregister(self._listener)
        until = time.monotonic() + HANGING_UP_SECONDS_MAX
        while self._callers and time.monotonic() < until:
            self._round(0.1)
        for caller in list(self._callers.values()):
            self._hang_up(caller)

    def _give_sign(self) -> None:
        """Tell the master that we are alive: not for every request, because it touches a file."""
        now = time.monotonic()
        if now >= self._sign_at:
            self._sign_at = now + LOOK_SECONDS
            self.notify()

    def _accept(self) -> bool:
        """Take in one caller, and serve it if it has said everything. False when nobody waits."""
        try:
            sock, address = self._listener.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            log.warning("a caller could not be taken in", reason=type(error).__name__)
            return False
        sock.setblocking(False)
        self._hear(Caller(sock, address, Incoming(self.cfg, address), time.monotonic() + REQUEST_SECONDS_MAX))
        return True

    def _hear(self, caller: Caller) -> None:
        """Take in what has come; answer if that is everything."""
        try:
            piece = caller.sock.recv(READ_BYTES)
        except BlockingIOError:
            self._step_aside(caller)
            return
        except OSError:
            piece = b""
        if not piece:
            self._hang_up(caller)
        elif not caller.done:
            caller.incoming.feed(piece)
            self._attend(caller)

    def _step_aside(self, caller: Caller) -> None:
        """This caller waits for its own next word, and nobody waits for it."""
        number = caller.sock.fileno()
        if number in self._callers:
            return
        if len(self._callers) >= CALLERS_MAX:
            self._hang_up(next(iter(self._callers.values())))
        self._callers[number] = caller
        self._selector.register(caller.sock, selectors.EVENT_READ, caller)

    def _attend(self, caller: Caller) -> None:
        """Answer this caller's request if it is complete."""
        try:
            request = caller.incoming.whole()
            if request is None:
                if caller.incoming.expects_go_ahead:
                    Answer(caller.sock).now(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._step_aside(caller)
                return
            self._answer(caller, request)
        except Refused as refusal:
            self._refuse(caller, refusal.status, str(refusal))
        except CallerGone as gone:
            log.info("a caller did not wait for the answer", reason=str(gone))
            self._hang_up(caller)
        else:
            self._say_goodbye(caller)

    def _answer(self, caller: Caller, request: Request) -> None:
        """Let the application answer. Raises `CallerGone`, and `Refused` when the application fails."""
        self._give_sign()
        answer = Answer(caller.sock)
        response, environ = wsgi.create(request, answer, caller.address, self._here, self.cfg)
        response.force_close()
        environ["wsgi.errors"] = sys.stderr
        try:
            body: Iterable[bytes] = self.wsgi(environ, response.start_response)
            try:
                for piece in body:
                    response.write(piece)
                response.close()
            finally:
                if hasattr(body, "close"):
                    body.close()
        except CallerGone:
            raise
        except Exception as error:  # a bug in an application costs an answer, not the process
            log.error("request failed", exc_info=True)
            if response.headers_sent:
                raise CallerGone("the answer broke off") from error
            raise Refused(500, "the application failed") from error
        answer.flush()

    def _say_goodbye(self, caller: Caller) -> None:
        """Hang up, but not while the caller still talks: that would take away the answer before it is read."""
        if caller.incoming.empty:
            self._hang_up(caller)
            return
        caller.done = True
        caller.until = time.monotonic() + HANGING_UP_SECONDS_MAX
        try:
            caller.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._hang_up(caller)
        else:
            self._step_aside(caller)

    def _refuse(self, caller: Caller, status: int, why: str) -> None:
        """Say why in a word, and listen no more."""
        log.warning("request refused", status=status, reason=why)
        words = HTTPStatus(status).phrase
        head = f"HTTP/1.1 {status} {words}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {len(words)}"
        caller.done = True
        caller.until = time.monotonic() + HANGING_UP_SECONDS_MAX
        try:
            Answer(caller.sock).now(f"{head}\r\n\r\n{words}".encode("ascii"))
            caller.sock.shutdown(socket.SHUT_WR)
        except (CallerGone, OSError):
            self._hang_up(caller)
        else:
            self._step_aside(caller)

    def _look_for_late_ones(self) -> None:
        now = time.monotonic()
        self._look_at = now + LOOK_SECONDS
        for caller in [caller for caller in self._callers.values() if caller.until <= now]:
            if caller.done or caller.incoming.empty:
                self._hang_up(caller)
            else:
                self._refuse(caller, 408, f"it did not come within {REQUEST_SECONDS_MAX:.0f} s")

    def _hang_up(self, caller: Caller) -> None:
        if self._callers.pop(caller.sock.fileno(), None) is not None:
            self._selector.unregister(caller.sock)
        caller.sock.close()
