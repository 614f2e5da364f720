"""Bytes no router should send: each is an outage of bounded length or an ordinary refusal, and over when it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import repeat

import pytest

from core.adapters.routeros import MikrotikHotspot, Patience, Unreachable
from core.errors import GatewayDown, GatewayRefused
from sim.routeros.words import encode_sentence
from tests.adapters.router_side import DONE, LOCAL, PATIENCE, Seconds, bounded, drip, row, scripted

PHONE = "AA:BB:CC:00:00:01"


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def hotspot(seconds: Seconds) -> Iterator[MikrotikHotspot]:
    hotspot = MikrotikHotspot(PATIENCE, monotonic=seconds)
    yield hotspot
    hotspot.close()


NONSENSE: dict[str, bytes | Iterable[bytes] | None] = {
    "hangs up": None,
    "a word of 4 GiB": b"\xf0\xff\xff\xff\xff" + b"x" * 100,
    "a reserved control byte": b"\xf8",
    "an empty sentence": b"\x00",
    "a word that is no property": encode_sentence(["!re", "mac-address"]) + DONE,
    "a trap without a reason": encode_sentence(["!trap"]) + DONE,
    "a trap with strange properties": encode_sentence(["!trap", "=colour=red"]) + DONE,
    "a farewell": encode_sentence(["!fatal", "session terminated on request"]),
    "a farewell without a reason": encode_sentence(["!fatal"]),
    "a reply cut in the middle": row(mac_address=PHONE)[:-3],
    "a drip": drip(threading.Event(), every_seconds=0.05),
    "silence": b"",
}


@pytest.mark.parametrize("reply", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_is_an_outage_of_bounded_length(
    hotspot: MikrotikHotspot, seconds: Seconds, reply: bytes | Iterable[bytes] | None
) -> None:
    with scripted([reply, DONE]) as mad:
        place = replace(LOCAL, api_port=mad.port)
        with bounded(), pytest.raises(Unreachable):
            hotspot.online(place)
        assert mad.connections == 1
    with scripted([DONE]) as sane:
        seconds.advance(2)
        assert hotspot.online(replace(LOCAL, api_port=sane.port)) == []


TOO_MUCH: dict[str, Iterable[bytes]] = {
    "a word of 255 MiB": [b"\xef\xff\xff\xff" + b"x" * 100],
    "a word just too long": [b"\xd0\x00\x01" + b"x" * 100],
    "rows without end": repeat(row(mac_address=PHONE, user="x" * 60_000)),
    "one sentence without end": repeat(encode_sentence(["=a=" + "x" * 60_000])[:-1]),
}


@pytest.mark.parametrize("reply", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_too_much_is_cut_off_long_before_patience_ends(reply: Iterable[bytes]) -> None:
    hotspot = MikrotikHotspot(Patience(1, 1, 60, 90))
    with scripted([reply]) as mad:
        began = time.monotonic()
        with pytest.raises(Unreachable):
            hotspot.online(replace(LOCAL, api_port=mad.port))
        assert time.monotonic() - began < 30


def test_a_device_with_a_broken_name_does_not_take_the_router_down(hotspot: MikrotikHotspot) -> None:
    named = encode_sentence(["!re", f"=mac-address={PHONE}", "=user=XX"]).replace(b"XX", b"\xff\xfe")
    with scripted([named + DONE]) as router:
        (active,) = hotspot.online(replace(LOCAL, api_port=router.port))
    assert active.mac == PHONE


def test_numbers_that_are_none_are_read_as_nothing(hotspot: MikrotikHotspot) -> None:
    odd = {"uptime": "soon", "limit_bytes_total": "-5", "session_time_left": "9" * 50, "user": "254712345678"}
    with scripted([row(mac_address=PHONE, **odd) + encode_sentence(["!empty"]) + DONE]) as router:
        (active,) = hotspot.online(replace(LOCAL, api_port=router.port))
    assert (active.user, active.uptime_seconds) == ("254712345678", 0)
    assert (active.limit_bytes_total, active.session_time_left_seconds) == (None, None)


def test_an_order_that_changes_nothing_is_noticed(hotspot: MikrotikHotspot) -> None:
    session = encode_sentence(["!re", "=.id=*1", f"=mac-address={PHONE}", f"=user={PHONE}"]) + DONE
    with scripted([DONE, session, DONE, session]) as stubborn, pytest.raises(GatewayDown, match="kept it running"):
        hotspot.throw_out(replace(LOCAL, api_port=stubborn.port), PHONE)


def test_a_routers_words_cannot_forge_a_log_line(hotspot: MikrotikHotspot) -> None:
    trap = encode_sentence(["!trap", "=category=4", "=message=no\n\x1b[2J[info] paid\u202e " + "x" * 5000]) + DONE
    with scripted([trap]) as router, pytest.raises(GatewayRefused) as refused:
        hotspot.online(replace(LOCAL, api_port=router.port))
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


def test_several_traps_are_one_refusal(hotspot: MikrotikHotspot) -> None:
    traps = encode_sentence(["!trap", "=message=first"]) + encode_sentence(["!trap", "=message=not enough permissions"])
    with scripted([traps + DONE, DONE]) as router:
        with pytest.raises(GatewayRefused) as refused:
            hotspot.online(replace(LOCAL, api_port=router.port))
        assert refused.value.code == "rights"
        assert hotspot.online(replace(LOCAL, api_port=router.port)) == []
        assert router.connections == 1, "a refusal is no reason to dial again"
