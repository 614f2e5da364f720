"""Orders from RADIUS: what changes a running session, what ends it, and what is refused (reference radius.md §3)."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sim.routeros import VirtualRouter
from tests.adapters.test_virtual_router_kit import (
    LAPTOP,
    PHONE,
    SECRET,
    StrictRadius,
    selling_router,
    send_order,
)

ACTIVE = "/ip/hotspot/active"
DISCONNECT, CHANGE = 40, 43
ACKS = {DISCONNECT: 41, CHANGE: 44}
NAKS = {DISCONNECT: 42, CHANGE: 45}


@pytest.fixture
def radius() -> Iterator[StrictRadius]:
    with StrictRadius() as radius:
        yield radius


@pytest.fixture
def router(radius: StrictRadius) -> Iterator[VirtualRouter]:
    with selling_router(radius) as router:
        yield router


def session_of(radius: StrictRadius, mac: str = PHONE) -> dict[str, Any]:
    """What a server would name a session by, from its latest report."""
    report = [one for one in radius.reports if one["Calling-Station-Id"] == mac][-1]
    return {name.replace("-", "_"): report[name] for name in ("User-Name", "Acct-Session-Id", "Framed-IP-Address")}


def test_a_rate_is_changed_while_the_session_goes_on(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE, Mikrotik_Rate_Limit="1M/2M")
    phone = router.plug_in(PHONE)
    answer = send_order(router, CHANGE, **session_of(radius), Mikrotik_Rate_Limit="3M/4M")
    assert answer.code == ACKS[CHANGE]
    assert [row["max-limit"] for row in router.rows("/queue/simple")] == ["3000000/4000000"]
    assert phone.online


def test_times_and_byte_limits_are_changed_while_the_session_goes_on(
    router: VirtualRouter, radius: StrictRadius
) -> None:
    radius.sell(PHONE, Session_Timeout=1000)
    phone = router.plug_in(PHONE)
    router.advance(100)
    send_order(
        router,
        CHANGE,
        **session_of(radius),
        Session_Timeout=50,
        Idle_Timeout=40,
        Mikrotik_Xmit_Limit=10,
        Mikrotik_Xmit_Limit_Gigawords=1,
    )
    (row,) = router.rows(ACTIVE)
    assert (row["session-time-left"], row["idle-timeout"]) == ("50s", "40s")
    assert row["limit-bytes-out"] == str(2**32 + 10)
    phone.move_traffic(0, 1)
    router.advance(39)
    assert phone.online
    router.advance(11)
    assert not phone.online


def test_a_disconnect_ends_the_session(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE)
    phone = router.plug_in(PHONE)
    answer = send_order(router, DISCONNECT, **session_of(radius), NAS_IP_Address="127.0.0.1")
    assert answer.code == ACKS[DISCONNECT]
    router.settle()
    assert not phone.online
    assert radius.reports[-1]["Acct-Terminate-Cause"] == 6
    assert send_order(router, DISCONNECT, **session_of(radius)).code == NAKS[DISCONNECT]


def test_a_disconnect_makes_the_router_forget_the_devices_cookie(router: VirtualRouter, radius: StrictRadius) -> None:
    router.run("/ip/hotspot/profile/set", numbers="hotspot1", login_by="http-pap,mac-cookie")
    router.run("/ip/hotspot/user/profile/set", numbers="default", add_mac_cookie="yes")
    radius.sell("voucher")
    phone = router.plug_in(PHONE)
    assert phone.browse_login("voucher", radius.password).ok
    router.settle()
    assert [row["mac-address"] for row in router.rows("/ip/hotspot/cookie")] == [PHONE]
    assert send_order(router, DISCONNECT, **session_of(radius)).code == ACKS[DISCONNECT]
    assert router.rows("/ip/hotspot/cookie") == []
    router.advance(60)
    assert not phone.online


@pytest.mark.parametrize("code", [CHANGE, DISCONNECT])
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"Acct_Session_Id": "80999999"}, 503),
        ({"Framed_IP_Address": "10.9.9.9"}, 503),
        ({"User_Name": LAPTOP}, 503),
        ({"Acct_Session_Id": None, "Framed_IP_Address": None}, 503),
        ({"NAS_IP_Address": "10.1.2.3"}, 403),
        ({"Mikrotik_Total_Limit": 5}, 401),
        ({"Mikrotik_Address_List": "slow"}, 401),
    ],
)
def test_orders_that_fit_nothing_are_refused(
    router: VirtualRouter, radius: StrictRadius, code: int, change: dict[str, Any], cause: int
) -> None:
    radius.sell(PHONE)
    phone = router.plug_in(PHONE)
    named = {name: value for name, value in {**session_of(radius), **change}.items() if value is not None}
    answer = send_order(router, code, **named)
    assert (answer.code, answer["Error-Cause"]) == (NAKS[code], [cause])
    assert phone.online


@pytest.mark.parametrize("change", [{"Mikrotik_Rate_Limit": "fast"}, {"Mikrotik_Group": "gold"}])
def test_changes_that_cannot_be_carried_out_change_nothing(
    router: VirtualRouter, radius: StrictRadius, change: dict[str, Any]
) -> None:
    radius.sell(PHONE, Mikrotik_Rate_Limit="1M/2M")
    router.plug_in(PHONE)
    answer = send_order(router, CHANGE, **session_of(radius), **change)
    assert (answer.code, answer["Error-Cause"]) == (NAKS[CHANGE], [404])
    assert router.rows("/queue/simple")[0]["max-limit"] == "1000000/2000000"


def test_orders_with_another_secret_are_not_even_answered(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE)
    phone = router.plug_in(PHONE)
    assert send_order(router, DISCONNECT, secret=b"guess", wait_seconds=0.2, **session_of(radius)) is None
    assert send_order(router, DISCONNECT, secret=b"guess", wait_seconds=0.2, signed=False, **session_of(radius)) is None
    assert phone.online


def test_orders_need_no_message_authenticator_but_a_wrong_one_counts(
    router: VirtualRouter, radius: StrictRadius
) -> None:
    radius.sell(PHONE)
    phone = router.plug_in(PHONE)
    assert send_order(router, CHANGE, signed=False, **session_of(radius), Idle_Timeout=9).code == ACKS[CHANGE]
    session = session_of(radius)["Acct_Session_Id"].encode()
    body = b"\x50\x12" + bytes(16) + bytes([44, len(session) + 2]) + session
    start = b"\x28\x05" + (20 + len(body)).to_bytes(2, "big")
    forged = start + hashlib.md5(start + bytes(16) + body + SECRET, usedforsecurity=False).digest() + body
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        sock.sendto(forged, ("127.0.0.1", router.coa_port))
        with pytest.raises(TimeoutError):
            sock.recv(4096)
    assert phone.online


def test_a_router_that_does_not_accept_orders_is_silent(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE)
    phone = router.plug_in(PHONE)
    router.run("/radius/incoming/set", accept="no")
    assert send_order(router, DISCONNECT, wait_seconds=0.2, **session_of(radius)) is None
    assert phone.online


@pytest.mark.parametrize(
    "datagram",
    [b"", b"\x2b", b"\x2b\x01\x00\x14" + bytes(16), b"\x2b\x01\xff\xff" + bytes(16), b"\x01" * 4000, bytes(20)],
)
def test_garbage_on_the_port_for_orders_is_ignored(
    router: VirtualRouter, radius: StrictRadius, datagram: bytes
) -> None:
    radius.sell(PHONE)
    router.plug_in(PHONE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(datagram, ("127.0.0.1", router.coa_port))
    assert send_order(router, DISCONNECT, **session_of(radius)).code == ACKS[DISCONNECT]


def test_an_answer_carries_a_message_authenticator(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE)
    router.plug_in(PHONE)
    answer = send_order(router, DISCONNECT, **session_of(radius))
    assert answer.message_authenticator, "pyrad has verified what it carries"


def test_the_orders_taken_are_counted(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE)
    router.plug_in(PHONE)
    send_order(router, DISCONNECT, **session_of(radius))
    send_order(router, DISCONNECT, **session_of(radius))
    (counters,) = router.run("/radius/incoming/monitor", once="")
    assert (counters["requests"], counters["acks"], counters["naks"]) == ("2", "1", "1")
    assert [entry[1] for entry in router.radius_log if entry[0] == "incoming"] == ["Disconnect-ACK", "Disconnect-NAK"]
