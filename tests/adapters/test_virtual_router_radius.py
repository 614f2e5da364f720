"""What the router tells RADIUS, whom it believes, and which orders it takes (reference radius.md §1 to §3)."""

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
    ByteClient,
    StrictRadius,
    selling_router,
    send_order,
)

ACTIVE = "/ip/hotspot/active"
START, STOP, INTERIM, ON, OFF = 1, 2, 3, 7, 8
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


# Reports


def test_a_session_is_reported_from_start_to_stop_with_growing_totals(
    router: VirtualRouter, radius: StrictRadius
) -> None:
    radius.sell(PHONE, Acct_Interim_Interval=300, Session_Timeout=700, Class=[b"subscription 17", b"\x00\xff"])
    phone = router.plug_in(PHONE)
    router.advance(10)
    phone.move_traffic(5_000_000_000, 9_000_000_000)
    del radius.allowed[PHONE]
    router.advance(690)
    assert radius.kinds() == [START, INTERIM, INTERIM, STOP]
    stop = radius.reports[-1]
    assert stop["Acct-Session-Time"] == 700
    assert stop["Acct-Input-Gigawords"] * 2**32 + stop["Acct-Input-Octets"] == 5_000_000_000
    assert stop["Acct-Output-Gigawords"] * 2**32 + stop["Acct-Output-Octets"] == 9_000_000_000
    assert stop["Acct-Terminate-Cause"] == 5
    assert stop["Acct-Delay-Time"] == 0
    assert [report["Acct-Session-Time"] for report in radius.reports[1:3]] == [300, 600]
    assert {report["Acct-Session-Id"] for report in radius.reports} == set(radius.questions[0]["Acct-Session-Id"])
    assert all(report["Class"] == b"subscription 17" for report in radius.reports)
    assert all(report["Calling-Station-Id"] == PHONE for report in radius.reports)


def test_the_profiles_own_interval_wins_over_the_servers(radius: StrictRadius) -> None:
    with selling_router(radius, interim_seconds=60) as router:
        radius.sell(PHONE, Acct_Interim_Interval=300)
        router.plug_in(PHONE)
        router.advance(125)
        assert radius.kinds() == [START, INTERIM, INTERIM]


def test_each_end_of_a_session_has_its_cause(router: VirtualRouter, radius: StrictRadius) -> None:
    causes = []
    radius.sell(PHONE, Idle_Timeout=60)
    phone = router.plug_in(PHONE)
    router.advance(60)
    causes.append(radius.reports[-1]["Acct-Terminate-Cause"])
    router.advance(30)
    phone.log_out()
    causes.append(radius.reports[-1]["Acct-Terminate-Cause"])
    router.advance(30)
    router.run(f"{ACTIVE}/remove", numbers=router.rows(ACTIVE)[0][".id"])
    causes.append(radius.reports[-1]["Acct-Terminate-Cause"])
    radius.sell(PHONE, Session_Timeout=10)
    router.advance(30)
    router.advance(10)
    causes.append(radius.reports[-1]["Acct-Terminate-Cause"])
    radius.sell(PHONE)
    router.advance(30)
    phone.leave()
    router.advance(120)
    causes.append(radius.reports[-1]["Acct-Terminate-Cause"])
    assert causes == [4, 1, 6, 5, 2]


def test_what_is_not_confirmed_is_repeated_until_it_is_and_says_how_late_it_is(radius: StrictRadius) -> None:
    with selling_router(radius, radius_timeout_seconds=0.1) as router:
        radius.sell(PHONE)
        radius.confirms_reports = False
        phone = router.plug_in(PHONE)
        router.advance(20)
        assert phone.online
        delays = [report["Acct-Delay-Time"] for report in radius.reports]
        assert len(delays) > 4
        assert delays[0] == 0
        assert delays == sorted(delays)
        assert set(radius.kinds()) == {START}
        laptop_asked = len(radius.questions)
        router.plug_in(LAPTOP)
        assert len(radius.questions) == laptop_asked + 1
        radius.confirms_reports = True
        router.advance(120)
        confirmed = len(radius.reports)
        assert radius.reports[-1]["Acct-Delay-Time"] > 0
        router.advance(600)
        assert len(radius.reports) == confirmed


def test_a_profile_may_keep_quiet_about_usage(router: VirtualRouter, radius: StrictRadius) -> None:
    router.run("/ip/hotspot/profile/set", numbers="hotspot1", radius_accounting="no")
    radius.sell(PHONE)
    phone = router.plug_in(PHONE)
    phone.log_out()
    assert radius.reports == []


def test_a_reboot_ends_everything_with_off_and_on(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE)
    phone = router.plug_in(PHONE)
    before = radius.reports[-1]["Acct-Session-Id"]
    router.reboot()
    assert radius.kinds() == [START, OFF, ON, START]
    assert radius.reports[1]["Acct-Terminate-Cause"] == 11
    assert radius.reports[2]["NAS-Identifier"] == "market"
    assert phone.online
    assert before[2] != radius.reports[-1]["Acct-Session-Id"][2]


def test_a_goodbye_nobody_heard_is_not_said_again_after_the_boot(radius: StrictRadius) -> None:
    with selling_router(radius, radius_timeout_seconds=0.05) as router:
        radius.confirms_reports = False
        router.reboot()
        radius.confirms_reports = True
        said = radius.kinds().count(OFF)
        router.advance(300)
        assert (said, radius.kinds().count(OFF)) == (1, 1)
        assert radius.kinds().count(ON) > 1


def test_a_power_cut_leaves_no_time_for_off(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE)
    router.plug_in(PHONE)
    router.power_cut()
    assert radius.kinds() == [START, ON, START]


def test_a_router_without_power_does_nothing_until_it_is_back(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE)
    router.power_off(graceful=False)
    phone = router.plug_in(PHONE)
    router.advance(1000)
    assert (radius.questions, phone.online) == ([], False)
    with pytest.raises(ConnectionRefusedError):
        ByteClient(router.api_port)
    router.power_on()
    assert phone.online
    ByteClient(router.api_port).__exit__()


# Whom the router believes


@pytest.mark.parametrize(("required", "online"), [("yes-for-request-resp", False), ("no", True)])
def test_unsigned_answers_count_only_where_they_may(radius: StrictRadius, required: str, online: bool) -> None:
    with selling_router(radius, radius_timeout_seconds=0.1) as router:
        number = router.rows("/radius")[0][".id"]
        router.run("/radius/set", numbers=number, require_message_auth=required)
        radius.signs = False
        radius.sell(PHONE)
        assert router.plug_in(PHONE).online is online
        counters = router.run("/radius/monitor", numbers=number, once="")[0]
        assert counters["bad-replies"] == ("0" if online else "3")


@pytest.mark.parametrize("required", ["yes-for-request-resp", "no"])
def test_an_answer_made_with_another_secret_is_counted_and_ignored(radius: StrictRadius, required: str) -> None:
    with selling_router(radius, radius_timeout_seconds=0.1) as router:
        number = router.rows("/radius")[0][".id"]
        router.run("/radius/set", numbers=number, secret="typo", require_message_auth=required)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar:
            liar.bind(("127.0.0.1", 0))
            liar.settimeout(5)
            router.run("/radius/set", numbers=number, authentication_port=str(liar.getsockname()[1]))
            with ByteClient(router.api_port) as client:
                router.run("/ip/hotspot/profile/set", numbers="hotspot1", login_by="http-pap")
                phone = router.plug_in(PHONE)
                client.say(f"{ACTIVE}/login", "=user=x", "=password=y", f"=ip={phone.ip}")
                raw, peer = liar.recvfrom(4096)
                for answer in (
                    b"",
                    b"\x02",
                    b"\x02" + raw[1:2] + b"\x00\x14" + bytes(16),
                    b"\x02" + raw[1:2] + b"\xff\xff" + bytes(16),
                    b"\x02" + raw[1:2] + b"\x00\x16" + bytes(16) + b"\x01\x00",
                    b"\x05" + raw[1:2] + b"\x00\x14" + bytes(16),
                ):
                    liar.sendto(answer, peer)
                assert client.hear_reply()[0][-1] == "=message=RADIUS server is not responding"
        counters = router.run("/radius/monitor", numbers=number, once="")[0]
        assert (counters["bad-replies"], counters["accepts"]) == ("4", "0")


def test_the_next_server_is_asked_when_the_first_is_silent(radius: StrictRadius) -> None:
    with StrictRadius() as silent, selling_router(radius, radius_timeout_seconds=0.05) as router:
        silent.answers_questions = False
        first = router.rows("/radius")[0][".id"]
        router.run(
            "/radius/add",
            address="127.0.0.1",
            secret=SECRET.decode(),
            service="hotspot",
            authentication_port=str(silent.auth_port),
            accounting_port=str(silent.acct_port),
            timeout="50ms",
            place_before=first,
        )
        radius.sell(PHONE)
        assert router.plug_in(PHONE).online
        assert (len(silent.questions), len(radius.questions)) == (3, 1)
        assert radius.kinds() == [START]


def test_servers_for_other_services_or_switched_off_are_not_asked(router: VirtualRouter, radius: StrictRadius) -> None:
    number = router.rows("/radius")[0][".id"]
    router.run("/radius/set", numbers=number, service="ppp")
    assert router.plug_in(PHONE).error == "RADIUS server is not responding"
    router.run("/radius/set", numbers=number, service="hotspot,ppp", disabled="yes")
    assert router.plug_in(LAPTOP).error == "RADIUS server is not responding"
    assert radius.questions == []


def test_questions_come_from_the_source_address_that_is_set(radius: StrictRadius) -> None:
    with selling_router(radius, src_address="127.0.0.9") as router:
        router.plug_in(PHONE)
        assert radius.questions[0]["NAS-IP-Address"] == ["127.0.0.9"]


def test_a_crowd_of_more_than_256_is_asked_about_on_one_socket(router: VirtualRouter, radius: StrictRadius) -> None:
    macs = [f"02:00:00:00:{n >> 8:02X}:{n & 255:02X}" for n in range(300)]
    for mac in macs:
        radius.sell(mac)
    router.run("/ip/hotspot/disable", numbers="hotspot1")
    phones = [router.plug_in(mac) for mac in macs]
    router.run("/ip/hotspot/enable", numbers="hotspot1")
    router.advance(100)
    assert all(phone.online for phone in phones)
    assert len(router.rows(ACTIVE)) == 300


# Orders


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


def test_the_orders_taken_are_counted(router: VirtualRouter, radius: StrictRadius) -> None:
    radius.sell(PHONE)
    router.plug_in(PHONE)
    send_order(router, DISCONNECT, **session_of(radius))
    send_order(router, DISCONNECT, **session_of(radius))
    (counters,) = router.run("/radius/incoming/monitor", once="")
    assert (counters["requests"], counters["acks"], counters["naks"]) == ("2", "1", "1")
    assert [entry[1] for entry in router.radius_log if entry[0] == "incoming"] == ["Disconnect-ACK", "Disconnect-NAK"]
