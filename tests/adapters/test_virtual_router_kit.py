"""What the virtual router is tested with: a small strict RADIUS server, and a client that knows only bytes.

Neither shares code with the router itself, apart from the list of attribute names.
"""

from __future__ import annotations

import contextlib
import hashlib
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyrad import packet as wire

from sim.routeros import ManualClock, VirtualRouter
from sim.routeros.packets import dictionary
from sim.routeros.proofs import authenticator_response, challenge_response, nt_hash

SECRET = b"shared between router and server"
MAC_PASSWORD = "only the router knows"
PHONE = "AA:BB:CC:00:00:01"
LAPTOP = "AA:BB:CC:00:00:02"
WAIT_SECONDS_MAX = 30.0


def eventually(holds: Callable[[], Any], what: str) -> Any:
    """Look again and again until something holds; fail with its name after a while."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    pause = threading.Event()
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        pause.wait(0.005)
    raise AssertionError(f"never happened: {what}")


class StrictRadius:
    """Answers what is signed properly, remembers everything, and complains about everything else."""

    def __init__(self) -> None:
        self.allowed: dict[str, dict[str, Any]] = {}
        self.refusal = "Please buy a package"
        self.password = MAC_PASSWORD
        self.passwords: dict[str, str] = {}
        self.secret = SECRET
        self.signs = True
        self.answers_questions = True
        self.proves_itself = True
        self.confirms_reports = True
        self.questions: list[dict[str, list[Any]]] = []
        self.reports: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for sock in self._sockets:
            sock.bind(("127.0.0.1", 0))
        self.auth_port, self.acct_port = (sock.getsockname()[1] for sock in self._sockets)
        self._woken, self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> StrictRadius:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._wake.close()
        self._thread.join()
        for sock in (*self._sockets, self._woken):
            sock.close()

    def sell(self, mac: str, **attributes: Any) -> None:
        """Let this device in from now on, with these attributes of the Access-Accept."""
        self.allowed[mac] = {name.replace("_", "-"): value for name, value in attributes.items()}

    def sign_up(self, user: str, password: str, **attributes: Any) -> None:
        """Let whoever proves to know this password in under this name."""
        self.sell(user, **attributes)
        self.passwords[user] = password

    def kinds(self) -> list[int]:
        """Status types of all reports, in order."""
        return [report["Acct-Status-Type"] for report in self.reports]

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            for sock in (*self._sockets, self._woken):
                selector.register(sock, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._woken in ready:
                    return
                for sock, hear in zip(self._sockets, (self._question, self._report), strict=True):
                    if sock not in ready:
                        continue
                    raw, peer = sock.recvfrom(4096)
                    answer = hear(raw)
                    if answer is not None:
                        sock.sendto(answer, peer)

    def _question(self, raw: bytes) -> bytes | None:
        request = wire.AuthPacket(packet=raw, secret=self.secret, dict=dictionary())
        if not request.message_authenticator or not request.verify_message_authenticator():
            self.complaints.append("unsigned question")
            return None
        seen = {name: list(request[name]) for name in request.keys() if isinstance(name, str)}  # noqa: SIM118
        expected = self.passwords.get(seen["User-Name"][0], self.password)
        seen["password"] = [request.PwDecrypt(raw) for raw in request.get("User-Password", [])]
        self.questions.append(seen)
        if not self.answers_questions:
            return None
        reply = request.CreateReply(message_authenticator=self.signs or None)
        attributes = self.allowed.get(seen["User-Name"][0])
        if attributes is None or not self._is_proven(request, seen, expected, reply):
            reply.code = wire.AccessReject
            if self.refusal:
                reply["Reply-Message"] = self.refusal
        else:
            for name, value in attributes.items():
                for one in value if isinstance(value, list) else [value]:
                    reply.AddAttribute(name, one)
        return bytes(reply.ReplyPacket())

    def _is_proven(self, request: Any, seen: dict[str, list[Any]], expected: str, reply: Any) -> bool:
        """PAP, CHAP, or MS-CHAPv2 by the RFC's own steps; the answer to the last must prove the password back."""
        if "CHAP-Password" in seen:
            return bool(request.VerifyChapPasswd(expected))
        if "MS-CHAP2-Response" not in seen:
            return bool(seen["password"] == [expected])
        (response,), (ours,) = seen["MS-CHAP2-Response"], seen["MS-CHAP-Challenge"]
        digest = hashlib.sha1(response[2:18] + ours + seen["User-Name"][0].encode()).digest()[:8]
        hashed = nt_hash(expected)
        if challenge_response(digest, hashed) != response[26:50]:
            return False
        success = b"S=" + authenticator_response(hashed, response[26:50], digest).hex().upper().encode()
        reply.AddAttribute("MS-CHAP2-Success", response[:1] + (success if self.proves_itself else b"S=" + b"0" * 40))
        return True

    def _report(self, raw: bytes) -> bytes | None:
        request = wire.AcctPacket(packet=raw, secret=self.secret, dict=dictionary())
        if not request.VerifyAcctRequest():
            self.complaints.append("unsigned report")
            return None
        self.reports.append({name: request[name][0] for name in request.keys()})  # noqa: SIM118
        return bytes(request.CreateReply().ReplyPacket()) if self.confirms_reports else None


@contextlib.contextmanager
def selling_router(radius: StrictRadius, clock: ManualClock | None = None, **extra: Any) -> Iterator[VirtualRouter]:
    """A router set up to sell access, asking this server, its time standing still."""
    set_up = {name: extra.pop(name) for name in list(extra) if name in SET_UP_NAMES}
    with VirtualRouter(password="router password", clock=clock or ManualClock(), **extra) as router:
        router.set_up_hotspot("127.0.0.1", radius.auth_port, radius.acct_port, SECRET.decode(), MAC_PASSWORD, **set_up)
        yield router
    assert radius.complaints == []


SET_UP_NAMES = frozenset(
    {"login_timeout_seconds", "interim_seconds", "src_address", "radius_timeout_seconds", "keepalive_seconds"}
)


class ByteClient:
    """Speaks to the router in bytes, by the letter of the manual and with nothing of the router's own code."""

    def __init__(self, port: int, name: str | None = "duka", password: str = "router password") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS_MAX)
        self._file = self.sock.makefile("rb")
        if name is not None:
            assert self.ask("/login", f"=name={name}", f"=password={password}") == [["!done"]]

    def __enter__(self) -> ByteClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.sock.close()

    @staticmethod
    def length(count: int) -> bytes:
        if count < 0x80:
            return struct.pack("!B", count)
        if count < 0x4000:
            return struct.pack("!H", 0x8000 + count)
        if count < 0x200000:
            return struct.pack("!L", 0xC00000 + count)[1:]
        if count < 0x10000000:
            return struct.pack("!L", 0xE0000000 + count)
        return b"\xf0" + struct.pack("!L", count)

    def say(self, *words: str) -> None:
        raws = [word.encode() for word in words]
        self.sock.sendall(b"".join(self.length(len(raw)) + raw for raw in raws) + b"\0")

    def hear(self) -> list[str]:
        """One sentence. ConnectionError when the other side has closed."""
        words = []
        while count := self._read_length():
            words.append(self._read(count).decode())
        return words

    def hear_reply(self) -> list[list[str]]:
        """Sentences up to and with the next `!done` or `!fatal`."""
        sentences = [self.hear()]
        while sentences[-1][0] not in ("!done", "!fatal"):
            sentences.append(self.hear())
        return sentences

    def ask(self, *words: str) -> list[list[str]]:
        self.say(*words)
        return self.hear_reply()

    def rows(self, *words: str) -> list[dict[str, str]]:
        return [as_dict(sentence) for sentence in self.ask(*words) if sentence[0] == "!re"]

    def trap(self, *words: str) -> dict[str, str]:
        """What the router refuses this command with; the closing `!done` is there too."""
        first, last = self.ask(*words)
        assert (first[0], last[0]) == ("!trap", "!done")
        return as_dict(first)

    def is_closed(self) -> bool:
        try:
            return self._file.read(1) == b""
        except ConnectionError:
            return True

    def _read_length(self) -> int:
        first = self._read(1)[0]
        extra = 0 if first < 0x80 else 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
        mask = (0xFF, 0x3FFF, 0x1FFFFF, 0x0FFFFFFF, 0xFFFFFFFF)[extra]
        count = int.from_bytes(bytes([first if extra < 4 else 0]) + self._read(extra), "big") & mask
        assert len(self.length(count)) == 1 + extra, "lengths are announced in as few bytes as possible"
        return count

    def _read(self, count: int) -> bytes:
        raw = self._file.read(count)
        if len(raw) < count:
            raise ConnectionError("closed")
        return raw


def as_dict(sentence: list[str]) -> dict[str, str]:
    return dict(word[1:].split("=", 1) for word in sentence[1:] if word.startswith("="))


def send_order(
    router: VirtualRouter,
    code: int,
    secret: bytes = SECRET,
    signed: bool = True,
    wait_seconds: float = WAIT_SECONDS_MAX,
    **attributes: Any,
) -> Any:
    """A CoA-Request (43) or Disconnect-Request (40), and the verified answer; None when the router stays silent."""
    request = wire.CoAPacket(code=code, id=7, secret=secret, dict=dictionary())
    for name, value in attributes.items():
        request[name.replace("_", "-")] = value
    if signed:
        request.add_message_authenticator()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", router.coa_port))
        sock.settimeout(wait_seconds)
        sock.send(request.RequestPacket())
        try:
            raw = sock.recv(4096)
        except TimeoutError:
            return None
    answer = wire.CoAPacket(packet=raw, secret=secret, dict=dictionary())
    assert request.VerifyReply(answer, raw)
    return answer


def test_the_strict_server_believes_nobody_with_another_secret() -> None:
    with StrictRadius() as radius:
        radius.secret = b"another"
        with selling_router(radius, radius_timeout_seconds=0.05) as router:
            assert router.plug_in(PHONE).error == "RADIUS server is not responding"
            assert radius.complaints == ["unsigned question"] * 3
            radius.complaints.clear()


@pytest.mark.parametrize("count", [0, 0x7F, 0x80, 0x3FFF, 0x4000, 0x1FFFFF, 0x200000])
def test_the_byte_client_announces_lengths_as_the_manual_says(count: int) -> None:
    first = ByteClient.length(count)[0]
    assert len(ByteClient.length(count)) == (1 if first < 0x80 else 2 if first < 0xC0 else 3 if first < 0xE0 else 4)
