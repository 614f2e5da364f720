"""Bytes of a connection → requests: the same ones however they are cut, and nothing but a refusal for nonsense."""

from __future__ import annotations

import pytest
from gunicorn.config import Config
from hypothesis import given
from hypothesis import strategies as st

from core.serving.incoming import BODY_BYTES_MAX, HEAD_BYTES_MAX, TRAILERS_MAX, Incoming, Refused

CFG = Config()
ADDRESS = ("127.0.0.1", 40000)
POST = b"POST /ussd/africastalking/abc HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\ntext=1%2A2"
CHUNKED = (
    b"POST /hooks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4\r\nwiki\r\nA;name=value\r\npedia in\r\n\r\n0\r\nX-Trailer: yes\r\n\r\n"
)
GET = b"\r\nGET /healthz?deep=1 HTTP/1.1\r\nHost: x\r\n\r\n"
BARE = b"GET / HTTP/1.0\r\n\r\n"
THREE = [("/ussd/africastalking/abc", b"text=1%2A2"), ("/hooks", b"wikipedia in\r\n"), ("/healthz", b""), ("/", b"")]


def incoming() -> Incoming:
    return Incoming(CFG, ADDRESS)


def drained(door: Incoming) -> list[tuple[str, bytes]]:
    found = []
    while (request := door.whole()) is not None:
        found.append((request.path, request.body.read()))
    return found


def refusal(stream: bytes) -> int:
    door = incoming()
    door.feed(stream)
    with pytest.raises(Refused) as refused:
        drained(door)
    return refused.value.status


@given(st.lists(st.integers(0, 400), max_size=12))
def test_requests_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    stream, door = POST + CHUNKED + GET + BARE, incoming()
    found: list[tuple[str, bytes]] = []
    at = 0
    for cut in [*sorted(cuts), len(stream)]:
        door.feed(stream[at : max(cut, at)])
        at = max(cut, at)
        found += drained(door)
    assert found == THREE
    assert door.empty


def test_byte_by_byte_is_a_request_too() -> None:
    door = incoming()
    found: list[tuple[str, bytes]] = []
    for byte in CHUNKED:
        assert not found
        door.feed(bytes([byte]))
        found += drained(door)
    assert found == [("/hooks", b"wikipedia in\r\n")]


@given(st.binary(max_size=300), st.booleans())
def test_nonsense_is_refused_or_waited_for(noise: bytes, with_head: bool) -> None:
    door = incoming()
    door.feed((CHUNKED[: CHUNKED.index(b"4\r\n")] if with_head else b"") + noise + b"\r\n\r\n")
    try:
        drained(door)
    except Refused as refused:
        assert 400 <= refused.status < 600
        assert len(noise) < 4 or noise.decode("latin-1") not in str(refused)


@pytest.mark.parametrize(
    ("status", "stream"),
    [
        (400, b"hello\r\n\r\n"),
        (400, b"\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nContent-Length: ten\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\nHost: x\nEvil: y\r\n\r\n"),
        (400, CHUNKED.replace(b"4\r\nwiki", b"3\r\nwiki")),
        (400, CHUNKED.replace(b"4\r\nwiki", b"-4\r\nwiki")),
        (400, CHUNKED.replace(b"4\r\nwiki", b"4" * 2000)),
        (413, CHUNKED.replace(b"4\r\nwiki", b"FFFFFFF\r\nwiki")),
        (413, f"POST / HTTP/1.1\r\nContent-Length: {BODY_BYTES_MAX + 1}\r\n\r\n".encode()),
        (414, b"GET /" + b"a" * 8000 + b" HTTP/1.1\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n"),
        (431, b"GET / HTTP/1.1\r\nA: " + b"a" * HEAD_BYTES_MAX),
        (431, CHUNKED[:-2] + b"A: b\r\n" * (TRAILERS_MAX + 1)),
        (501, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: tape\r\n\r\n"),
    ],
)
def test_what_cannot_be_understood_or_is_too_large_is_refused(status: int, stream: bytes) -> None:
    assert refusal(stream) == status


def test_a_caller_that_asks_first_is_told_to_go_on_once() -> None:
    door = incoming()
    door.feed(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert door.whole() is None
    assert door.expects_go_ahead
    assert not door.expects_go_ahead
    door.feed(b"ok")
    assert drained(door) == [("/", b"ok")]
