"""Thousands of damaged packets: nothing is answered that should not be, nothing grows, and the server goes on as before."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius.packet import Dropped, check_accounting, check_signature, decode
from radius.requests import read_request
from tests.doors.radius_side import MAC, SECRET, House, accepted, house, sign, stamp
from tests.doors.test_radius_wire import CORPUS, attribute, is_well, raw

__all__ = ["house"]

SEED = 20261120
ROUNDS, WINDOW = 40, 100
GROWTH_BYTES_MAX = 8 * 1024 * 1024
EVERYTHING = [bytes.fromhex(path.read_text("ascii")) for path in sorted(CORPUS.rglob("*.hex"))]
START = raw(4, attribute(40, bytes((0, 0, 0, 1))) + attribute(44, b"80100001") + attribute(1, MAC.encode()))


def damaged(noise: random.Random, good: bytes) -> bytes:
    """This packet after an accident: bits, bytes, attributes or its end are not what they were."""
    packet = bytearray(good)
    for _ in range(noise.randrange(1, 4)):
        at = noise.randrange(len(packet)) if packet else 0
        match noise.randrange(7):
            case 0:
                packet[at : at + 1] = bytes((noise.randrange(256),))
            case 1 if packet:
                packet[at] ^= 1 << noise.randrange(8)
            case 2:
                del packet[at:]
            case 3:
                packet[at:at] = noise.randbytes(noise.randrange(1, 20))
            case 4:
                del packet[at : at + noise.randrange(1, 20)]
            case 5:  # an attribute more, and a header that knows of it
                packet += attribute(noise.randrange(256), noise.randbytes(noise.randrange(0, 30)))
                packet[2:4] = (len(packet) % 65536).to_bytes(2, "big")
            case _ if len(packet) >= 4:
                packet[2:4] = noise.randbytes(2)
    return bytes(packet[:60_000])


def is_unharmed(packet: bytes, good: bytes) -> bool:
    """Whether it is the good one after all: what lies behind its end is padding (RFC 2865 §3)."""
    return packet[: len(good)] == good


def noises(noise: random.Random, house: House) -> Iterator[tuple[str, bytes]]:
    """Damaged logins, reports and questions whether we live, damaged corpus, and mere bytes; by port."""
    while True:
        login, alive, report = house.ask.login_bytes(), sign(b"\x0c\x01\x00\x14" + os.urandom(16)), stamp(START)
        for port, good in (("auth", login), ("auth", alive), ("acct", report), ("acct", alive)):
            packet = damaged(noise, good)
            if not is_unharmed(packet, good):
                yield port, packet
        yield noise.choice(("auth", "acct")), damaged(noise, noise.choice(EVERYTHING))
        yield noise.choice(("auth", "acct")), noise.randbytes(noise.randrange(0, 400))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_no_damaged_packet_is_answered_by_a_server_that_knows_how_its_router_signs(house: House) -> None:
    """A signature covers every byte: whatever is changed about a genuine packet, silence is the answer."""
    house.pay()
    assert accepted(house.ask.login())
    assert house.server.settle()
    noise, threads, grown = random.Random(SEED), threading.active_count(), 0
    stream = noises(noise, house)
    with house.ask.bare() as bare:
        bare.setblocking(False)
        before = house.server.counts()["received"]
        for number in range(ROUNDS):
            for port, packet in (next(stream) for _ in range(WINDOW)):
                bare.sendto(packet, ("127.0.0.1", house.server.auth_port if port == "auth" else house.server.acct_port))
            house.wait_for_count("received", before + (number + 1) * WINDOW)
            if number == ROUNDS // 4:
                grown = resident_bytes()
        assert house.server.settle()
        with pytest.raises(BlockingIOError):
            bare.recv(4096)
    counts = house.server.counts()
    assert "bug" not in counts
    assert counts["accepted"] == 1, counts
    assert "rejected" not in counts and "accounted" not in counts and "status" not in counts, counts
    assert threading.active_count() == threads
    assert resident_bytes() - grown < GROWTH_BYTES_MAX
    assert house.sessions() == []
    assert [row.reply for row in house.log()] == ["Access-Accept"]
    assert is_well(house)


def test_unsigned_logins_that_are_damaged_are_never_let_in(house: House) -> None:
    """Without a signature a login can be changed on its way; then it is a no or nothing, unless nothing of it was changed
    that matters."""
    house.pay()
    noise, matters, sent = random.Random(SEED), (1, 2, 31), 0
    with house.ask.bare() as bare:
        for _ in range(300):
            login = house.ask.login_bytes(signed=False)
            packet = damaged(noise, login)
            try:
                same = all(decode(packet).values.get(n) == decode(login).values.get(n) for n in matters) and (
                    packet[4:20] == login[4:20]
                )
            except Dropped:
                same = False
            if same or packet[:1] == b"\x0c":
                continue
            bare.sendto(packet, ("127.0.0.1", house.server.auth_port))
            sent += 1
        house.wait_for_count("received", sent)
    assert house.server.settle()
    counts = house.server.counts()
    assert "accepted" not in counts and "bug" not in counts, counts
    assert counts["rejected"] > 20, "some were answered, and with a no"
    assert is_well(house)


def test_a_login_that_is_sent_again_tomorrow_gets_what_is_true_tomorrow(house: House) -> None:
    house.pay(seconds=3600)
    login = house.ask.login_bytes()
    with house.ask.bare() as bare, house.ask.bare() as thief:
        bare.sendto(login, ("127.0.0.1", house.server.auth_port))
        assert bare.recv(4096)[0] == 2
        house.pass_seconds(3600)
        thief.sendto(login, ("127.0.0.1", house.server.auth_port))
        assert thief.recv(4096)[0] == 3


@given(st.binary(max_size=300), st.integers(0, 255), st.integers(0, 255))
def test_whatever_comes_in_is_taken_apart_or_dropped(body: bytes, code: int, number: int) -> None:
    """Nothing else can happen: no other error, whatever is in the packet."""
    for datagram in (body, raw(code, body, number=number)):
        try:
            packet = decode(datagram)
            read_request(packet, SECRET.encode())
            check_signature(packet, SECRET.encode(), demanded=False)
            check_accounting(packet, SECRET.encode())
        except Dropped as drop:
            assert drop.why in ("malformed", "bad_signature")
