"""What the router tells RADIUS, and whose answers it believes (reference radius.md §1, §2)."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sim.routeros import VirtualRouter
from tests.adapters.test_virtual_router_kit import (
    LAPTOP,
    PHONE,
    SECRET,
    ByteClient,
    StrictRadius,
    selling_router,
)

ACTIVE = "/ip/hotspot/active"
START, STOP, INTERIM, ON, OFF = 1, 2, 3, 7, 8


@pytest.fixture
def radius() -> Iterator[StrictRadius]:
    with StrictRadius() as radius:
        yield radius


@pytest.fixture
def router(radius: StrictRadius) -> Iterator[VirtualRouter]:
    with selling_router(radius) as router:
        yield router


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
