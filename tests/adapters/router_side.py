"""The other side of the router adapter in tests: a RADIUS server of a few lines, and a router that says what it is told.

The virtual MikroTik is true to RouterOS, so it cannot misbehave on the wire in every way a broken box can; the scripted
one can.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyrad.packet import AccessAccept, AccessReject, AcctPacket, AuthPacket

from core.adapters.routeros import Patience
from core.ports import RouterAddress
from sim.routeros.packets import dictionary
from sim.routeros.words import PeerGone, SentenceReader, encode_sentence

RADIUS_SECRET = "market-radius-secret"
MAC_PASSWORD = "only-this-router-knows"
PASSWORD = "api pässword"
PATIENCE = Patience(turn_seconds=0.5, connect_seconds=2.0, command_seconds=2.0, call_seconds=4.0)
"""Of tests where a router keeps silent: short, so that they end."""
CALM = Patience(turn_seconds=10, connect_seconds=20, command_seconds=20, call_seconds=60)
"""Of tests where nobody keeps silent: a busy machine is no broken router."""
CALL_SECONDS_MAX = PATIENCE.turn_seconds + PATIENCE.call_seconds + 5
LOCAL = RouterAddress(
    router_id=1,
    name="Market",
    host="127.0.0.1",
    api_port=0,
    api_tls=False,
    username="duka",
    password=PASSWORD,
    hotspot_server="",
    mac_auth_password=MAC_PASSWORD,
    coa_port=3799,
    radius_secret=RADIUS_SECRET,
)


class RadiusDesk:
    """Accepts the names in `accepted` with the attributes given there, and rejects everybody else with `reject_text`."""

    def __init__(self) -> None:
        self.accepted: dict[str, dict[str, str | int]] = {}
        self.reject_text = ""
        self.silent = False
        self.asked: list[tuple[str, str]] = []
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for one in self._sockets:
            one.bind(("127.0.0.1", 0))
        self.auth_port, self.acct_port = (int(one.getsockname()[1]) for one in self._sockets)
        self._threads = [
            threading.Thread(target=self._serve, args=(self._sockets[0], self._authenticate), daemon=True),
            threading.Thread(target=self._serve, args=(self._sockets[1], self._account), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _serve(self, sock: socket.socket, answer: object) -> None:
        assert callable(answer)
        while True:
            raw, peer = sock.recvfrom(4096)
            if raw == b"stop":
                return
            reply = answer(raw)
            if reply is not None:
                sock.sendto(reply, peer)

    def _authenticate(self, raw: bytes) -> bytes | None:
        request = AuthPacket(packet=raw, secret=RADIUS_SECRET.encode(), dict=dictionary())
        user, password = request["User-Name"][0], request.PwDecrypt(request["User-Password"][0])
        self.asked.append((user, password))
        if self.silent:
            return None
        reply = request.CreateReply()
        granted = self.accepted.get(user)
        if granted is not None and password == MAC_PASSWORD:
            reply.code = AccessAccept
            for name, value in granted.items():
                reply[name] = value
        else:
            reply.code = AccessReject
            if self.reject_text:
                reply["Reply-Message"] = self.reject_text
        reply.add_message_authenticator()
        return bytes(reply.ReplyPacket())

    def _account(self, raw: bytes) -> bytes:
        request = AcctPacket(packet=raw, secret=RADIUS_SECRET.encode(), dict=dictionary())
        return bytes(request.CreateReply().ReplyPacket())

    def close(self) -> None:
        for one, thread in zip(self._sockets, self._threads, strict=True):
            one.sendto(b"stop", one.getsockname())
            thread.join(5)
            one.close()


class Seconds:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


DONE = encode_sentence(["!done"])


class ScriptedRouter:
    """Lets everybody log in, then answers each command with the next piece of the script; the last piece repeats.

    A piece is bytes, or an iterable of bytes that are sent one after the other, for ever if it likes. None hangs up.
    """

    def __init__(self, script: Sequence[bytes | Iterable[bytes] | None], tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self.connections = 0
        self.heard: list[list[str]] = []
        self._stopping = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            raw, _ = self._listener.accept()
            if self._stopping.is_set():
                raw.close()
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(raw,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw: socket.socket) -> None:
        with contextlib.suppress(OSError, PeerGone), raw:
            raw.settimeout(10)
            sock = self._tls.wrap_socket(raw, server_side=True) if self._tls else raw
            self._open.append(sock)
            self._converse(sock)

    def _converse(self, sock: socket.socket) -> None:
        with sock:
            reader = SentenceReader(sock.recv)
            pieces = itertools.chain(self._script, itertools.repeat(self._script[-1]))
            self.heard.append(reader.read())
            sock.sendall(DONE)
            for piece in pieces:
                self.heard.append(reader.read())
                if piece is None:
                    return
                for part in [piece] if isinstance(piece, bytes) else piece:
                    if self._stopping.is_set():
                        return
                    sock.sendall(part)

    def close(self) -> None:
        self._stopping.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._threads[0].join(5)
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()


def drip(pause: threading.Event, *, every_seconds: float) -> Iterator[bytes]:
    """One byte of a long word at a time, for ever: each comes well before any single read would time out."""
    yield b"\xc8\x00\x00"
    while not pause.wait(every_seconds):
        yield b"x"


FFDHE2048 = """\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""
"""The public group of RFC 7919 appendix A.1."""


def without_certificate(folder: Path) -> ssl.SSLContext:
    """The TLS of a router that has no certificate: anonymous Diffie-Hellman and nothing else (routeros.md §1.5)."""
    parameters = folder / "dh.pem"
    parameters.write_text(FFDHE2048, encoding="ascii")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ADH:@SECLEVEL=0")
    context.load_dh_params(str(parameters))
    return context


@contextmanager
def bounded() -> Iterator[None]:
    """Whatever happens inside happens within the time a call may take."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < CALL_SECONDS_MAX


@contextmanager
def scripted(
    script: list[bytes | Iterable[bytes] | None], tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedRouter]:
    router = ScriptedRouter(script, tls)
    yield router
    router.close()


def row(**values: str) -> bytes:
    """One row of a reply; underscores in names stand for dashes."""
    return encode_sentence(["!re", *(f"={name.replace('_', '-')}={value}" for name, value in values.items())])
