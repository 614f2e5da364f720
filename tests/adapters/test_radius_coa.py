"""Change of authorisation on the wire: what we sign and send, and what each kind of answer means.

The router's end is written from the RFCs with nothing but sockets and hashes, so that a shared mistake cannot hide.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.adapters.radius_coa import DEAF_SECONDS, RadiusCoA
from core.errors import GatewayDown, GatewayRefused
from core.ports import RouterAddress, SessionRef

SECRET = "nás-secret 1"
SESSION = SessionRef(username="AA:BB:CC:00:00:01", session_id="80200001", framed_ip="10.5.50.7")
DISCONNECT, DISCONNECT_ACK, DISCONNECT_NAK = 40, 41, 42
COA, COA_ACK, COA_NAK = 43, 44, 45
ERROR_CAUSE = b"\x65\x06" + struct.pack("!I", 406)
MIKROTIK = 14988


@dataclass(frozen=True)
class Request:
    """One datagram as it arrived."""

    raw: bytes

    @property
    def code(self) -> int:
        return self.raw[0]

    @property
    def attributes(self) -> list[tuple[int, bytes]]:
        found, at = [], 20
        while at < len(self.raw):
            kind, length = self.raw[at], self.raw[at + 1]
            found.append((kind, self.raw[at + 2 : at + length]))
            at += length
        return found

    def one(self, kind: int) -> bytes:
        (value,) = [value for found, value in self.attributes if found == kind]
        return value

    def is_signed(self, secret: bytes) -> bool:
        """Request Authenticator (RFC 5176 §2.3) and Message-Authenticator (RFC 5176 §3.3) both fit the secret."""
        blank = self.raw[:4] + bytes(16) + self.raw[20:]
        authenticator = hashlib.md5(blank + secret, usedforsecurity=False).digest()
        signature = self.one(80)
        unsigned = blank.replace(b"\x50\x12" + signature, b"\x50\x12" + bytes(16))
        return self.raw[4:20] == authenticator and signature == hmac.new(secret, unsigned, "md5").digest()

    def answer(self, code: int, attributes: bytes = b"", secret: str = SECRET) -> bytes:
        header = struct.pack("!BBH", code, self.raw[1], 20 + len(attributes))
        digest = hashlib.md5(header + self.raw[4:20] + attributes + secret.encode(), usedforsecurity=False).digest()
        return header + digest + attributes


Behaviour = Callable[[Request, int], list[bytes]]


class Port:
    """A router's CoA port. `behave` gets each request and its count, and says which datagrams go back."""

    def __init__(self) -> None:
        self.heard: list[Request] = []
        self.behave: Behaviour = lambda request, _count: [request.answer(request.code + 1)]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            raw, peer = self._socket.recvfrom(4096)
            if raw == b"stop":
                return
            self.heard.append(Request(raw))
            for datagram in self.behave(self.heard[-1], len(self.heard)):
                self._socket.sendto(datagram, peer)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"stop", ("127.0.0.1", self.number))
        self._thread.join(5)
        self._socket.close()


@pytest.fixture
def port() -> Iterator[Port]:
    port = Port()
    yield port
    port.close()


@pytest.fixture
def router(port: Port) -> RouterAddress:
    return RouterAddress(
        router_id=1,
        name="Market",
        host="127.0.0.1",
        api_port=8728,
        api_tls=False,
        username="duka",
        password="unused",
        hotspot_server="",
        mac_auth_password="unused",
        coa_port=port.number,
        radius_secret=SECRET,
    )


@pytest.fixture
def coa() -> RadiusCoA:
    return RadiusCoA(attempts=3, timeout_seconds=0.5)


def test_ending_a_session_names_it_three_ways_and_is_signed(coa: RadiusCoA, port: Port, router: RouterAddress) -> None:
    assert coa.disconnect(router, SESSION)
    (request,) = port.heard
    assert request.code == DISCONNECT
    assert request.one(1) == b"AA:BB:CC:00:00:01"
    assert request.one(44) == b"80200001"
    assert request.one(8) == bytes([10, 5, 50, 7])
    assert request.is_signed(SECRET.encode())
    assert {kind for kind, _ in request.attributes} == {1, 8, 44, 80}, "a wrong NAS-IP-Address alone would be a NAK"


def test_new_limits_carry_only_what_a_running_session_can_change(
    coa: RadiusCoA, port: Port, router: RouterAddress
) -> None:
    assert coa.change(router, SESSION, rate="5M/10M", session_timeout_seconds=3600)
    (request,) = port.heard
    assert request.code == COA
    assert request.one(27) == struct.pack("!I", 3600)
    assert request.one(26) == struct.pack("!IBB", MIKROTIK, 8, 2 + len("5M/10M")) + b"5M/10M"
    assert request.is_signed(SECRET.encode())
    assert {kind for kind, _ in request.attributes} == {1, 8, 26, 27, 44, 80}


@pytest.mark.parametrize(
    ("rate", "seconds", "kind"),
    [("512k/1M", None, 26), (None, 2**32 - 1, 27), ("5M/10M 8M/16M 4M/8M 16/16 8", None, 26)],
)
def test_what_is_not_to_change_is_not_sent(
    coa: RadiusCoA, port: Port, router: RouterAddress, rate: str | None, seconds: int | None, kind: int
) -> None:
    assert coa.change(router, SESSION, rate=rate, session_timeout_seconds=seconds)
    assert {found for found, _ in port.heard[0].attributes} == {1, 8, 44, 80, kind}


@pytest.mark.parametrize("code", [DISCONNECT_NAK, COA_NAK])
@pytest.mark.parametrize("attributes", [b"", ERROR_CAUSE], ids=["bare", "error cause"])
def test_a_nak_is_a_no_and_not_a_failure(
    coa: RadiusCoA, port: Port, router: RouterAddress, code: int, attributes: bytes
) -> None:
    port.behave = lambda request, _count: [request.answer(code, attributes)]
    if code == DISCONNECT_NAK:
        assert not coa.disconnect(router, SESSION)
    else:
        assert not coa.change(router, SESSION, rate="1M/1M", session_timeout_seconds=None)


def test_silence_is_three_attempts_and_then_a_reason_to_come_back(
    coa: RadiusCoA, port: Port, router: RouterAddress
) -> None:
    port.behave = lambda _request, _count: []
    began = time.monotonic()
    with pytest.raises(GatewayDown, match="does not answer"):
        coa.disconnect(router, SESSION)
    assert time.monotonic() - began < 15
    assert len(port.heard) == 3
    assert len({request.raw for request in port.heard}) == 1, "a repeat is the same packet, so that it is done once"


def test_a_lost_packet_is_sent_again(coa: RadiusCoA, port: Port, router: RouterAddress) -> None:
    port.behave = lambda request, count: [request.answer(DISCONNECT_ACK)] if count == 3 else []
    assert coa.disconnect(router, SESSION)


FORGERIES: dict[str, Behaviour] = {
    "wrong secret": lambda request, _: [request.answer(DISCONNECT_ACK, secret="guessed")],
    "empty": lambda _, __: [b""],
    "one byte": lambda _, __: [b"\x29"],
    "noise": lambda _, __: [bytes(range(256)) * 8],
    "length beyond the packet": lambda request, _: [request.answer(DISCONNECT_ACK)[:2] + b"\xff\xff" + bytes(16)],
    "another packet's number": lambda request, _: [b"\x29" + bytes([request.raw[1] ^ 1]) + request.answer(41)[2:]],
    "attribute of length zero": lambda request, _: [request.answer(DISCONNECT_ACK, b"\x65\x00\x00")],
    "our own request": lambda request, _: [request.raw],
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_or_broken_answer_is_no_answer(
    coa: RadiusCoA, port: Port, router: RouterAddress, forgery: Behaviour
) -> None:
    port.behave = forgery
    with pytest.raises(GatewayDown):
        coa.disconnect(router, SESSION)


def test_a_true_answer_behind_a_forged_one_counts(coa: RadiusCoA, port: Port, router: RouterAddress) -> None:
    port.behave = lambda request, _: [request.answer(DISCONNECT_NAK, secret="guessed"), request.answer(DISCONNECT_ACK)]
    assert coa.disconnect(router, SESSION)


def test_an_answer_of_another_kind_is_not_taken_for_yes(coa: RadiusCoA, port: Port, router: RouterAddress) -> None:
    port.behave = lambda request, _: [request.answer(2)]
    with pytest.raises(GatewayDown, match="code 2"):
        coa.disconnect(router, SESSION)


def test_a_router_that_cannot_be_named_is_down(coa: RadiusCoA, router: RouterAddress) -> None:
    with pytest.raises(GatewayDown):
        coa.disconnect(replace(router, host="no-such-router.invalid"), SESSION)


def test_what_accounting_did_not_tell_is_left_out(coa: RadiusCoA, port: Port, router: RouterAddress) -> None:
    assert coa.disconnect(router, replace(SESSION, framed_ip=""))
    assert {kind for kind, _ in port.heard[0].attributes} == {1, 44, 80}


@pytest.mark.parametrize(
    "session",
    [
        replace(SESSION, framed_ip="10.5.50.700"),
        replace(SESSION, framed_ip="router"),
        replace(SESSION, session_id="8" * 254),
        replace(SESSION, username="é" * 127),
    ],
    ids=["no address", "a word", "long session", "long name"],
)
def test_a_session_no_packet_can_name_is_refused(
    coa: RadiusCoA, port: Port, router: RouterAddress, session: SessionRef
) -> None:
    with pytest.raises(GatewayRefused):
        coa.disconnect(router, session)
    assert port.heard == []


@pytest.mark.parametrize("rate", ["", "fast", "5M", "5M/10M\n", "5M/10M;", "-1/5M", "5G/5G", "1M/1M " + "8" * 300])
def test_a_rate_a_router_would_misread_is_not_sent(
    coa: RadiusCoA, port: Port, router: RouterAddress, rate: str
) -> None:
    with pytest.raises(ValueError, match="rate"):
        coa.change(router, SESSION, rate=rate, session_timeout_seconds=60)
    assert port.heard == []


@pytest.mark.parametrize("seconds", [0, -5, 2**32])
def test_a_time_that_does_not_fit_is_not_sent(coa: RadiusCoA, port: Port, router: RouterAddress, seconds: int) -> None:
    with pytest.raises(ValueError, match="timeout"):
        coa.change(router, SESSION, rate=None, session_timeout_seconds=seconds)
    assert port.heard == []


def test_changing_nothing_is_a_mistake(coa: RadiusCoA, router: RouterAddress) -> None:
    with pytest.raises(ValueError, match="nothing"):
        coa.change(router, SESSION, rate=None, session_timeout_seconds=None)


def test_further_limits_go_along(coa: RadiusCoA, port: Port, router: RouterAddress) -> None:
    further = [("Mikrotik-Group", "gold"), ("Idle-Timeout", "300"), ("Filter-Id", "kids")]
    assert coa.change(router, SESSION, rate=None, session_timeout_seconds=None, further=further)
    (request,) = port.heard
    assert request.one(28) == struct.pack("!I", 300)
    assert request.one(11) == b"kids"
    assert request.one(26) == struct.pack("!IBB", MIKROTIK, 3, 2 + len("gold")) + b"gold"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Mikrotik-Total-Limit", "5"),
        ("Mikrotik-Address-List", "slow"),
        ("Framed-IP-Address", "10.0.0.1"),
        ("Class", "duka:1"),
        ("Idle-Timeout", "soon"),
        ("Idle-Timeout", "0"),
        ("Port-Limit", str(2**32)),
        ("Mikrotik-Group", ""),
        ("Mikrotik-Group", "gold\n"),
        ("Mikrotik-Mark-Id", "x" * 248),
    ],
)
def test_what_no_order_changes_is_not_sent(
    coa: RadiusCoA, port: Port, router: RouterAddress, name: str, value: str
) -> None:
    with pytest.raises(ValueError, match=name):
        coa.change(router, SESSION, rate=None, session_timeout_seconds=60, further=[(name, value)])
    assert port.heard == []


def test_a_deaf_router_is_spared_for_a_while(port: Port, router: RouterAddress) -> None:
    seconds = [1000.0]
    coa = RadiusCoA(attempts=1, timeout_seconds=0.05, monotonic=lambda: seconds[0])
    port.behave = lambda _request, _count: []
    for _ in range(3):
        with pytest.raises(GatewayDown):
            coa.disconnect(router, SESSION)
    assert len(port.heard) == 1
    with pytest.raises(GatewayDown, match="does not answer"):
        coa.disconnect(replace(router, router_id=2, coa_port=router.coa_port), SESSION)
    seconds[0] += DEAF_SECONDS
    port.behave = lambda request, _count: [request.answer(DISCONNECT_ACK)]
    assert coa.disconnect(router, SESSION)


@pytest.mark.parametrize("code", [COA_ACK, COA_NAK, DISCONNECT])
def test_an_answer_to_another_question_is_no_answer(
    coa: RadiusCoA, port: Port, router: RouterAddress, code: int
) -> None:
    port.behave = lambda request, _count: [request.answer(code)]
    with pytest.raises(GatewayDown, match=f"code {code}"):
        coa.disconnect(router, SESSION)


def signed_answer(request: Request, *, secret: str = SECRET) -> bytes:
    """An ACK with a Message-Authenticator made with `secret` (RFC 5176 §3.3), and an authenticator that is right."""
    blank = b"\x50\x12" + bytes(16)
    header = struct.pack("!BBH", DISCONNECT_ACK, request.raw[1], 20 + len(blank))
    signature = hmac.new(secret.encode(), header + request.raw[4:20] + blank, "md5").digest()
    return request.answer(DISCONNECT_ACK, b"\x50\x12" + signature)


def test_a_message_authenticator_in_an_answer_must_be_right(coa: RadiusCoA, port: Port, router: RouterAddress) -> None:
    port.behave = lambda request, _count: [signed_answer(request, secret="guessed")]
    with pytest.raises(GatewayDown):
        coa.disconnect(router, SESSION)
    port.behave = lambda request, _count: [signed_answer(request)]
    assert RadiusCoA(attempts=1, timeout_seconds=1.0).disconnect(router, SESSION)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 25), bits=st.integers(1, 255), length=st.integers(0, 26))
def test_no_answer_that_was_tampered_with_is_believed(
    port: Port, router: RouterAddress, at: int, bits: int, length: int
) -> None:
    def tampered(request: Request, _count: int) -> list[bytes]:
        answer = bytearray(request.answer(DISCONNECT_ACK, ERROR_CAUSE))
        answer[at] ^= bits
        return [bytes(answer[: max(length, at + 1)])]

    port.behave = tampered
    with pytest.raises(GatewayDown):
        RadiusCoA(attempts=1, timeout_seconds=0.02).disconnect(router, SESSION)


@pytest.mark.filterwarnings("error")
def test_no_socket_is_left_behind(coa: RadiusCoA, port: Port, router: RouterAddress) -> None:
    def sockets() -> int:
        return sum(
            link.is_symlink() and str(link.readlink()).startswith("socket:") for link in Path("/proc/self/fd").iterdir()
        )

    before = sockets()
    for _ in range(3):
        coa.disconnect(router, SESSION)
    port.behave = lambda _request, _count: []
    with pytest.raises(GatewayDown):
        coa.disconnect(router, SESSION)
    assert sockets() == before
