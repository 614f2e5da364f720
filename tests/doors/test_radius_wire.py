"""Garbage, strangers and repetitions: what must not be answered, and that the server goes on answering afterwards."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

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
CORPUS = Path(__file__).parent / "radius_corpus"
"""Datagrams as hex: `<port>/<under which name it is counted>/<what it is>.hex`. What ever did harm is kept here."""


def corpus(port: str, why: str) -> dict[str, bytes]:
    """What is kept for a port, by what it is; what is kept for both ports as well."""
    paths = [path for folder in (port, "both") for path in sorted((CORPUS / folder / why).glob("*.hex"))]
    assert paths, f"no corpus for {port}/{why}"
    return {path.stem: bytes.fromhex(path.read_text("ascii")) for path in paths}


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


@pytest.mark.parametrize("why", ["malformed", "unknown_code", "bad_signature", "unsigned"])
@pytest.mark.parametrize("port", ["auth", "acct"])
def test_what_is_no_genuine_request_gets_no_answer_and_does_no_harm(house: House, port: str, why: str) -> None:
    number = house.server.auth_port if port == "auth" else house.server.acct_port
    nothing_comes_back(house, house.ask, number, list(corpus(port, why).values()), why)
    assert house.sessions() == []
    assert is_well(house)


@pytest.mark.parametrize("what", corpus("both", "malformed"))
def test_every_malformed_packet_is_recognised_as_such(what: str) -> None:
    with pytest.raises(Dropped) as dropped:
        decode(corpus("both", "malformed")[what])
    assert dropped.value.why == "malformed"


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
    """Each is answered with a no; none with a yes, and none with silence."""
    house.pay()
    odd = corpus("auth", "rejected")
    with house.ask.bare() as bare:
        for packet in odd.values():
            bare.sendto(packet, ("127.0.0.1", house.server.auth_port))
        answers = {bytes(bare.recv(4096)[:2]) for _ in odd}
    assert answers == {bytes((3, packet[1])) for packet in odd.values()}
    assert len(house.log()) == len({(row.username, row.reply, row.callingstationid) for row in house.log()})
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
