"""Garbage, strangers and repetitions: what must not be answered, and that the server goes on answering afterwards."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable

import pytest

from radius.duplicates import KEPT_MAX, KEPT_SECONDS, Duplicates
from radius.packet import Dropped, decode, encode
from radius.passwords import reveal_password
from tests.doors.radius_side import MAC, Ask, House, accepted, house, sign, stamp
from tests.services import eventually

__all__ = ["house"]


def raw(code: int, attributes: bytes = b"", *, number: int = 1, length: int | None = None) -> bytes:
    """A packet made by hand; `length` is what its header claims."""
    return (
        struct.pack("!BBH", code, number, 20 + len(attributes) if length is None else length) + bytes(16) + attributes
    )


def attribute(number: int, value: bytes, length: int | None = None) -> bytes:
    return bytes([number, len(value) + 2 if length is None else length]) + value


WELL = "AA:BB:CC:DD:EE:77"
NAME = attribute(1, MAC.encode())
MIKROTIK = struct.pack("!L", 14988)
MALFORMED = {
    "nothing": b"",
    "a single byte": b"\x01",
    "half a header": raw(1)[:19],
    "a length below a header": raw(1, length=19),
    "a length of zero": raw(1, length=0),
    "a length beyond the datagram": raw(1, NAME, length=200),
    "truncated in an attribute": raw(1, NAME)[:-3],
    "an attribute without a length": raw(1, b"\x01"),
    "an attribute of length zero": raw(1, attribute(1, b"x", 0)),
    "an attribute of length one": raw(1, attribute(1, b"x", 1)),
    "an attribute that is longer than the packet": raw(1, attribute(1, b"x", 200)),
    "more than 4,096 bytes": raw(1, attribute(33, bytes(253)) * 17),
    "more bytes than the header says and than a packet may have": raw(1, NAME) + bytes(4096),
    "two thousand attributes": raw(1, attribute(33, b"") * 2000),
    "201 attributes": raw(1, attribute(33, b"x") * 201),
    "a vendor attribute without a vendor": raw(1, attribute(26, b"\0\0\0")),
    "a vendor attribute of inner length zero": raw(1, attribute(26, MIKROTIK + attribute(8, b"x", 0))),
    "a vendor attribute that is longer inside than outside": raw(1, attribute(26, MIKROTIK + attribute(8, b"x", 99))),
    "a vendor attribute cut in its header": raw(1, attribute(26, MIKROTIK + b"\x08")),
    "a short Message-Authenticator": raw(1, NAME + attribute(80, bytes(15))),
    "an empty Message-Authenticator": raw(1, NAME + attribute(80, b"")),
    "two Message-Authenticators": sign(sign(raw(1, NAME))),
}
NOT_FOR_US = {
    "an accept": sign(raw(2)),
    "a reject": sign(raw(3)),
    "an accounting request": stamp(raw(4, attribute(40, struct.pack("!L", 1)) + attribute(44, b"1"))),
    "an accounting response": raw(5),
    "a challenge": raw(11),
    "a disconnect request": stamp(raw(40)),
    "a change of authorisation": stamp(raw(43)),
    "code 0": raw(0),
    "code 255": raw(255),
}
NOT_GENUINE = {
    "a wrong Message-Authenticator": raw(1, NAME + attribute(80, bytes(16))),
    "a Message-Authenticator made with another secret": sign(raw(1, NAME, number=2), "another secret"),
    "a Message-Authenticator of a packet that was changed": sign(raw(1, NAME, number=3)).replace(
        MAC.encode(), b"AA:BB:CC:DD:EE:99"
    ),
    "a wrong Message-Authenticator asking whether we live": raw(12, attribute(80, bytes(16)), number=4),
}


def nothing_comes_back(house: House, ask: Ask, port: int, datagrams: list[bytes], why: str) -> None:
    """Send all of these, wait until every one was counted under `why`, and look for answers."""
    before = house.server.counts().get(why, 0)
    with ask.bare() as bare:
        for datagram in datagrams:
            bare.sendto(datagram, ("127.0.0.1", port))
        house.wait_for_count(why, before + len(datagrams))
        assert house.server.counts()[why] == before + len(datagrams)
        bare.setblocking(False)
        with pytest.raises(BlockingIOError):
            bare.recv(5000)


def is_well(house: House) -> bool:
    """The server still does its work on both ports."""
    house.pay(WELL)
    return accepted(house.ask.login(WELL)) and house.ask.account("Start", user=WELL)


@pytest.mark.parametrize("port", ["auth", "acct"])
def test_malformed_packets_get_no_answer_and_do_no_harm(house: House, port: str) -> None:
    number = house.server.auth_port if port == "auth" else house.server.acct_port
    nothing_comes_back(house, house.ask, number, list(MALFORMED.values()), "malformed")
    assert is_well(house)


@pytest.mark.parametrize("what", MALFORMED)
def test_every_malformed_packet_is_recognised_as_such(what: str) -> None:
    with pytest.raises(Dropped) as dropped:
        decode(MALFORMED[what])
    assert dropped.value.why == "malformed"


def test_packets_that_are_no_requests_get_no_answer(house: House) -> None:
    nothing_comes_back(house, house.ask, house.server.auth_port, list(NOT_FOR_US.values()), "unknown_code")
    requests = [sign(raw(1, NAME)), raw(5), stamp(raw(40))]
    nothing_comes_back(house, house.ask, house.server.acct_port, requests, "unknown_code")
    assert is_well(house)


def test_packets_whose_signature_is_wrong_get_no_answer(house: House) -> None:
    nothing_comes_back(house, house.ask, house.server.auth_port, list(NOT_GENUINE.values()), "bad_signature")
    start = attribute(40, struct.pack("!L", 1)) + attribute(44, b"1")
    false = [
        raw(4, start, number=1),
        stamp(raw(4, start, number=2), "another secret"),
        stamp(raw(4, start, number=3))[:-1] + b"2",
        stamp(raw(4, start + attribute(80, bytes(16)), number=4)),
    ]
    nothing_comes_back(house, house.ask, house.server.acct_port, false, "bad_signature")
    assert house.sessions() == []
    assert is_well(house)


def test_whether_we_live_is_told_only_to_who_signs_the_question(house: House) -> None:
    nothing_comes_back(house, house.ask, house.server.auth_port, [raw(12)], "unsigned")
    nothing_comes_back(house, house.ask, house.server.acct_port, [raw(12)], "unsigned")
    assert house.ask.is_answered()


def test_strangers_get_no_answer_whatever_they_know(house: House) -> None:
    stranger = Ask(house.server, "127.0.0.9")
    genuine = [stranger.login_bytes(), sign(raw(12)), b"", os.urandom(200)]
    nothing_comes_back(house, stranger, house.server.auth_port, genuine, "unknown_source")
    start = stamp(raw(4, attribute(40, struct.pack("!L", 1)) + attribute(44, b"1")))
    nothing_comes_back(house, stranger, house.server.acct_port, [start], "unknown_source")
    assert house.sessions() == []
    assert is_well(house)


def test_a_wrong_secret_never_opens_the_door(house: House) -> None:
    house.pay()
    wrong = Ask(house.server, secret="another secret")
    nothing_comes_back(house, wrong, house.server.auth_port, [wrong.login_bytes()], "bad_signature")
    with wrong.bare() as bare:
        bare.sendto(wrong.login_bytes(signed=False), ("127.0.0.1", house.server.auth_port))
        assert bare.recv(4096)[0] == 3, "an unsigned login with a password that cannot be read is refused"
    assert is_well(house)


def test_attributes_a_router_never_leaves_out_may_be_missing_empty_or_strange(house: House) -> None:
    """Each is answered with a no, or with nothing; none with a yes."""
    house.pay()
    odd = [
        raw(1, number=1),
        raw(1, attribute(1, b"") + attribute(2, b""), number=2),
        raw(1, NAME + attribute(31, MAC.encode()) + attribute(2, b"short"), number=3),
        raw(1, NAME + attribute(31, MAC.encode()) + attribute(2, bytes(144)), number=4),
        raw(1, NAME + attribute(31, MAC.encode()) + attribute(3, b"x"), number=5),
        raw(1, NAME + attribute(31, MAC.encode()) + attribute(3, bytes(17)) + attribute(2, bytes(16)), number=6),
        raw(1, attribute(1, b"\xff\xfe\x00\x1b[2J") + attribute(2, bytes(16)), number=7),
        raw(
            1,
            attribute(1, b"'; DROP TABLE radcheck; --") + attribute(31, b"%s%n\x00") + attribute(2, bytes(16)),
            number=8,
        ),
        raw(1, NAME + attribute(26, struct.pack("!L", 9) + b"\x01\x00"), number=9),
    ]
    with house.ask.bare() as bare:
        for packet in odd:
            bare.sendto(packet, ("127.0.0.1", house.server.auth_port))
        assert {tuple(bare.recv(4096)[:2]) for _ in odd} == {(3, number) for number in range(1, 10)}
    assert len(house.log()) == len({row.username + row.reply for row in house.log()})
    assert is_well(house)


def test_accounting_that_makes_no_sense_is_not_confirmed(house: House) -> None:
    start, four = attribute(40, struct.pack("!L", 1)), struct.pack("!L", 1)
    senseless = [
        raw(4, NAME),
        raw(4, NAME + start),
        raw(4, NAME + attribute(40, b"\x01") + attribute(44, b"1")),
        raw(4, NAME + start + attribute(44, b"1") + attribute(42, four + b"\0")),
        raw(4, NAME + start + attribute(44, b"1") + attribute(8, b"10.20.0.2")),
        raw(4, NAME + start + attribute(44, b"1") + attribute(41, b"")[:1] + b"\x03\x00"),
    ]
    nothing_comes_back(house, house.ask, house.server.acct_port, [stamp(packet) for packet in senseless], "malformed")
    assert house.sessions() == []
    assert is_well(house)


def test_a_storm_of_noise_leaves_the_server_standing(house: House) -> None:
    noise = random.Random(20261120)
    good = house.ask.login_bytes()
    with house.ask.bare() as bare:
        bare.setblocking(False)
        for number in range(600):
            datagram = bytearray(good if number % 2 else noise.randbytes(noise.randrange(0, 300)))
            for _ in range(noise.randrange(1, 4)):
                if datagram:
                    datagram[noise.randrange(len(datagram))] = noise.randrange(256)
            for port in (house.server.auth_port, house.server.acct_port):
                bare.sendto(datagram, ("127.0.0.1", port))
        eventually(lambda: house.server.counts()["received"] >= 1200, seconds=20)
    assert "bug" not in house.server.counts()
    assert is_well(house)


# ---- the same question twice -------------------------------------------------------------------------------------------


def test_the_same_question_gets_the_same_bytes_without_being_worked_on_again(house: House) -> None:
    house.pay()
    question = house.ask.login_bytes()
    with house.ask.bare() as bare:
        bare.sendto(question, ("127.0.0.1", house.server.auth_port))
        first = bare.recv(4096)
        house.take_away()
        bare.sendto(question, ("127.0.0.1", house.server.auth_port))
        assert bare.recv(4096) == first
        assert house.server.counts()["accepted"] == 1
        assert house.server.counts()["duplicate"] == 1
    with house.ask.bare() as elsewhere:
        elsewhere.sendto(question, ("127.0.0.1", house.server.auth_port))
        assert elsewhere.recv(4096)[0] == 3, "another port is another question"
    assert [row.reply for row in house.log()] == ["Access-Accept", "Access-Reject (not_paid)"]


def test_a_question_that_got_no_answer_is_worked_on_when_it_comes_again(house: House) -> None:
    house.pay()
    question = house.ask.login_bytes()
    with house.ask.bare() as bare:
        assert house.ask.is_answered()
        with house.without_database():
            bare.sendto(question, ("127.0.0.1", house.server.auth_port))
            house.wait_for_count("no_database", 1)
        eventually(house.ask.is_answered)
        bare.sendto(question, ("127.0.0.1", house.server.auth_port))
        assert bare.recv(4096)[0] == 2


def test_answers_are_kept_for_five_seconds_and_not_without_bound() -> None:
    now = 0.0
    kept = Duplicates(lambda: now)
    question = ("127.0.0.1", 1, 1, 1, b"a")
    assert kept.begin(question) == (True, None)
    assert kept.begin(question) == (False, None), "somebody works on it"
    kept.answered(question, b"yes")
    now = KEPT_SECONDS
    assert kept.begin(question) == (False, b"yes")
    now = KEPT_SECONDS + 0.1
    assert kept.begin(question) == (True, None)
    for number in range(KEPT_MAX + 10):
        kept.begin(("127.0.0.1", number, 1, 1, b"b"))
    assert kept.begin(question) == (True, None), "the oldest gave way"


# ---- the codec ---------------------------------------------------------------------------------------------------------


def test_a_password_of_any_length_is_read_back_as_it_was_hidden(house: House) -> None:
    for length in (1, 15, 16, 17, 127, 128):
        packet = decode(house.ask.login_bytes(password="p" * length))
        hidden = packet.first("User-Password")
        assert hidden is not None
        assert reveal_password(hidden, b"tunnel-secret-1", packet.authenticator) == b"p" * length
    assert reveal_password(b"", b"secret", bytes(16)) is None
    assert reveal_password(bytes(15), b"secret", bytes(16)) is None
    assert reveal_password(bytes(144), b"secret", bytes(16)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: encode("Session-Timeout", 2**32),
        lambda: encode("Session-Timeout", -1),
        lambda: encode("Reply-Message", ""),
        lambda: encode("Reply-Message", "x" * 254),
        lambda: encode("Mikrotik-Rate-Limit", "x" * 248),
        lambda: encode("Framed-IP-Address", "10.20.0.256"),
    ],
)
def test_nothing_is_sent_that_does_not_fit_its_attribute(wrong: Callable[[], bytes]) -> None:
    with pytest.raises(ValueError):
        wrong()
