"""What routers tell about sessions: kept in `radacct`, charged once, confirmed when it is safe."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pyrad import packet as wire
from sqlalchemy import select, text

from core import network, outbox, subscriptions
from tests.doors.radius_side import MAC, NAMES, OTHER_MAC, SECRET, Ask, House, accepted, house, radclient
from tests.services import eventually

__all__ = ["house"]
GIGA = 2**32


def usage(seconds: int, received: int, sent: int) -> dict[str, Any]:
    """Totals as a router writes them: each in two halves."""
    return {
        "Acct_Session_Time": seconds,
        "Acct_Input_Octets": received % GIGA, "Acct_Input_Gigawords": received // GIGA,
        "Acct_Output_Octets": sent % GIGA, "Acct_Output_Gigawords": sent // GIGA,
    }  # fmt: skip


def tag(subscription_id: int) -> bytes:
    """The Class that was sent at the login and comes back in every report."""
    return f"duka:{subscription_id}".encode()


def test_a_session_is_kept_from_start_to_stop_as_freeradius_own_client_reports_it(house: House) -> None:
    begun = house.clock.now()
    who = f'User-Name = "{MAC}", Calling-Station-Id = "{MAC}", Called-Station-Id = "hotspot1", Acct-Session-Id = "80100001"'
    who += ', NAS-Port-Id = "bridge1", NAS-Port-Type = Wireless-802.11, Framed-IP-Address = 10.20.0.2'
    port = house.server.acct_port
    assert radclient(port, "acct", f"{who}, Acct-Status-Type = Start").code == "Accounting-Response"
    house.pass_seconds(300)
    totals = "Acct-Session-Time = 300, Acct-Input-Octets = 1000, Acct-Output-Octets = 5000"
    assert radclient(port, "acct", f"{who}, Acct-Status-Type = Interim-Update, {totals}").code == "Accounting-Response"
    row = house.session()
    assert (row.acctstoptime, row.acctupdatetime, row.acctsessiontime) == (None, house.clock.now(), 300)
    house.pass_seconds(60)
    totals = "Acct-Session-Time = 360, Acct-Input-Octets = 2000, Acct-Output-Octets = 9000"
    stop = f"{who}, Acct-Status-Type = Stop, {totals}, Acct-Terminate-Cause = Lost-Carrier"
    assert radclient(port, "acct", stop).code == "Accounting-Response"
    row = house.session()
    assert (row.acctsessionid, row.username, row.callingstationid) == ("80100001", MAC, MAC)
    assert (str(row.nasipaddress), str(row.framedipaddress)) == ("127.0.0.1", "10.20.0.2")
    assert (row.nasportid, row.nasporttype, row.calledstationid) == ("bridge1", "Wireless-802.11", "hotspot1")
    assert (row.acctstarttime, row.acctstoptime) == (begun, begun + timedelta(seconds=360))
    assert (row.acctinputoctets, row.acctoutputoctets, row.acctsessiontime) == (2000, 9000, 360)
    assert row.acctterminatecause == "Lost-Carrier"


def test_totals_beyond_four_gigabytes_are_whole_and_charged_by_the_difference(house: House) -> None:
    subscription = house.pay(quota_bytes=10**11)
    known = 0
    house.ask.account("Start", Class=tag(subscription))
    for received, sent in ((2**31, 0), (2**32 - 1, 1), (2**32, 2**32), (10**10, 2**33 + 5)):
        house.pass_seconds(60)
        assert house.ask.account("Interim-Update", Class=tag(subscription), **usage(60, received, sent))
        known = received + sent
        assert house.used_bytes(subscription) == known
        assert house.session().acctinputoctets + house.session().acctoutputoctets == known
    assert accepted(house.ask.login())
    left = house.ask.login()
    assert left["Mikrotik-Total-Limit"][0] + GIGA * left["Mikrotik-Total-Limit-Gigawords"][0] == 10**11 - known


def test_doubled_late_and_swapped_reports_are_confirmed_and_charged_once(house: House) -> None:
    subscription = house.pay(quota_bytes=10**9)
    klass = tag(subscription)
    tell: dict[str, dict[str, Any]] = {
        "Start": {}, "first": usage(300, 100, 1000), "second": usage(600, 200, 2000), "Stop": usage(700, 250, 2500),
    }  # fmt: skip
    began = house.clock.now()
    for seconds, what in (
        (301, "first"), (1, "Start"), (1, "first"), (400, "Stop"), (1, "second"), (1, "Stop"), (1, "first"), (1, "Start"),
    ):  # fmt: skip
        house.pass_seconds(seconds)
        happened = {"Start": 0, "first": 300, "second": 600, "Stop": 700}[what]
        late = int((house.clock.now() - began).total_seconds()) - happened
        status = what if what in ("Start", "Stop") else "Interim-Update"
        assert house.ask.account(status, Class=klass, Acct_Delay_Time=late, **tell[what]), what
    row = house.session()
    assert (row.acctstarttime, row.acctstoptime) == (began, began + timedelta(seconds=700))
    assert (row.acctinputoctets, row.acctoutputoctets, row.acctsessiontime) == (250, 2500, 700)
    assert house.used_bytes(subscription) == 2750


def test_a_stop_without_a_start_tells_when_the_session_began(house: House) -> None:
    subscription = house.pay(quota_bytes=10**9)
    assert house.ask.account("Stop", Class=tag(subscription), Acct_Delay_Time=40, **usage(600, 1, 2))
    row = house.session()
    assert row.acctstoptime == house.clock.now() - timedelta(seconds=40)
    assert row.acctstarttime == house.clock.now() - timedelta(seconds=640)
    assert house.used_bytes(subscription) == 3


def test_an_interim_after_the_stop_is_confirmed_and_does_not_bring_the_session_back(house: House) -> None:
    house.ask.account("Start")
    house.pass_seconds(60)
    house.ask.account("Stop", Acct_Terminate_Cause="User-Request", **usage(60, 10, 10))
    ended = house.clock.now()
    house.pass_seconds(60)
    assert house.ask.account("Interim-Update", **usage(60, 10, 10))
    row = house.session()
    assert (row.acctstoptime, row.acctterminatecause) == (ended, "User-Request")


def test_a_session_taken_for_dead_comes_back_with_its_next_report(house: House) -> None:
    house.ask.account("Start")
    house.pass_seconds(3600)
    with house.app.work(None) as uow:
        assert network.close_silent(uow) == 1
    assert house.session().acctstoptime is not None
    assert house.ask.account("Interim-Update", **usage(3600, 10, 10))
    assert house.session().acctstoptime is None
    with house.app.work(None) as uow:
        assert network.close_silent(uow) == 0


def test_used_up_data_stops_the_subscription_and_promises_to_put_the_device_out(house: House) -> None:
    subscription = house.pay(quota_bytes=5000)
    house.ask.account("Start", Class=tag(subscription))
    with house.app.work(None) as uow:
        settled = {row.id for row in uow.session.scalars(select(outbox.Promise))}
    assert house.ask.account("Interim-Update", Class=tag(subscription), **usage(60, 2000, 2999))
    assert accepted(house.ask.login())
    assert house.ask.account("Interim-Update", Class=tag(subscription), **usage(61, 2000, 3000))
    assert not accepted(house.ask.login())
    with house.app.work(house.tenant_id) as uow:
        assert subscriptions.subscription(uow, subscription).suspended_reason == "data_limit"
    with house.app.work(None) as uow:
        promised = [row.kind for row in uow.session.scalars(select(outbox.Promise)) if row.id not in settled]
    assert promised.count("SyncAccess") == 1


def test_two_devices_of_one_customer_use_up_one_quota_together(house: House) -> None:
    subscription = house.pay(quota_bytes=10**9)
    house.ask.account("Interim-Update", "a", MAC, Class=tag(subscription), **usage(60, 1000, 0))
    house.ask.account("Interim-Update", "b", OTHER_MAC, Class=tag(subscription), **usage(60, 0, 500))
    house.ask.account("Interim-Update", "a", MAC, Class=tag(subscription), **usage(120, 1500, 0))
    assert house.used_bytes(subscription) == 2000


def test_a_report_without_class_is_charged_to_whoever_the_device_belongs_to(house: House) -> None:
    subscription = house.pay(quota_bytes=10**9)
    house.ask.account("Interim-Update", **usage(60, 1000, 0))
    house.ask.account("Interim-Update", **usage(120, 1500, 0))
    assert house.used_bytes(subscription) == 1500
    assert house.session()[-1] == f"duka:{subscription}"


@pytest.mark.parametrize("klass", [b"duka:", b"duka:999999", b"duka:1e3", b"duka:-1", b"\x00\xff", b"x" * 253])
def test_a_class_that_is_not_ours_harms_nobody(house: House, klass: bytes) -> None:
    assert house.ask.account("Stop", Class=klass, **usage(60, 1000, 0))
    assert house.session().acctinputoctets == 1000


def test_another_isps_router_cannot_use_up_our_customers_data(house: House) -> None:
    subscription = house.pay(quota_bytes=10**9)
    theirs = house.add_router("127.0.0.2", "tunnel-secret-2", house.open_isp("uplands"))
    eventually(theirs.is_answered)
    assert theirs.account("Stop", Class=tag(subscription), **usage(60, 10**9, 0))
    assert house.used_bytes(subscription) == 0


def test_impossible_totals_are_confirmed_but_charged_to_nobody(house: House) -> None:
    subscription = house.pay(quota_bytes=10**9)
    most: dict[str, Any] = dict.fromkeys(usage(0, 0, 0), GIGA - 1)
    assert house.ask.account("Interim-Update", Class=tag(subscription), Acct_Delay_Time=GIGA - 1, **most)
    assert house.used_bytes(subscription) == 0
    assert house.ask.account("Stop", Class=tag(subscription), **usage(60, 70, 0))
    assert house.used_bytes(subscription) == 70


def test_renaming_the_router_in_mid_session_does_not_open_a_second_one(house: House) -> None:
    house.ask.account("Start", NAS_Identifier="market")
    house.ask.account("Interim-Update", NAS_Identifier="new name", **usage(60, 1, 1))
    assert house.session().acctinputoctets == 1


def test_two_routers_with_the_same_session_number_have_two_sessions(house: House) -> None:
    second = house.add_router("127.0.0.2", "tunnel-secret-2")
    eventually(second.is_answered)
    assert house.ask.account("Start")
    assert second.account("Start")
    assert [str(row.nasipaddress) for row in house.sessions()] == ["127.0.0.1", "127.0.0.2"]


def test_a_session_number_used_again_is_a_new_session_with_its_own_bytes(house: House) -> None:
    subscription = house.pay(quota_bytes=10**9)
    house.ask.account("Start", Class=tag(subscription))
    house.pass_seconds(60)
    house.ask.account("Stop", Class=tag(subscription), **usage(60, 5000, 0))
    house.pass_seconds(86_400)
    house.ask.account("Start", Class=tag(subscription))
    house.pass_seconds(60)
    house.ask.account("Interim-Update", Class=tag(subscription), **usage(60, 700, 0))
    old, new = house.sessions()
    assert (old.acctinputoctets, new.acctinputoctets) == (5000, 700)
    assert old.acctstoptime is not None
    assert new.acctstoptime is None
    assert house.used_bytes(subscription) == 5700


def test_a_number_used_again_after_a_lost_stop_ends_the_old_session(house: House) -> None:
    house.ask.account("Start")
    house.pass_seconds(300)
    heard = house.clock.now()
    house.ask.account("Interim-Update", **usage(300, 5000, 0))
    house.pass_seconds(600)
    house.ask.account("Start")
    old, new = house.sessions()
    assert (old.acctstoptime, old.acctterminatecause, new.acctstoptime) == (heard, "Stale", None)


def test_a_device_that_begins_anew_at_a_router_has_only_one_open_session_there(house: House) -> None:
    second = house.add_router("127.0.0.2", "tunnel-secret-2")
    eventually(second.is_answered)
    house.ask.account("Start", "80100001")
    second.account("Start", "80100001")
    house.ask.account("Start", "80100001", OTHER_MAC)
    house.pass_seconds(300)
    house.ask.account("Start", "80100002")
    still_open = [
        (str(row.nasipaddress), row.username, row.acctsessionid) for row in house.sessions() if not row.acctstoptime
    ]
    assert still_open == [
        ("127.0.0.2", MAC, "80100001"), ("127.0.0.1", OTHER_MAC, "80100001"), ("127.0.0.1", MAC, "80100002"),
    ]  # fmt: skip


@pytest.mark.parametrize("status", ["Accounting-On", "Accounting-Off"])
def test_a_router_that_boots_has_no_sessions_any_more_and_others_keep_theirs(house: House, status: str) -> None:
    second = house.add_router("127.0.0.2", "tunnel-secret-2")
    eventually(second.is_answered)
    house.ask.account("Start", "a")
    house.ask.account("Start", "b", OTHER_MAC)
    second.account("Start", "a")
    house.pass_seconds(100)
    assert house.ask.account(status, "80110000", Acct_Delay_Time=40, User_Name=None, Calling_Station_Id=None)
    ended = house.clock.now() - timedelta(seconds=40)
    assert [(row.acctstoptime, row.acctterminatecause) for row in house.sessions()] == [
        (ended, "NAS-Reboot"), (ended, "NAS-Reboot"), (None, ""),
    ]  # fmt: skip


def test_news_of_a_boot_that_arrive_late_do_not_end_what_began_since(house: House) -> None:
    house.pass_seconds(100)
    house.ask.account("Start")
    house.pass_seconds(100)
    assert house.ask.account("Accounting-On", Acct_Delay_Time=150)
    assert house.session().acctstoptime is None


@pytest.mark.parametrize("status", [4, 5, 9, 15, 0, 2**32 - 1])
def test_a_kind_of_news_we_do_not_know_is_confirmed_and_ignored(house: House, status: int) -> None:
    assert house.ask.account(status)
    assert house.sessions() == []


def test_nothing_is_confirmed_before_it_is_safe_and_the_repetition_is_recorded_once(house: House) -> None:
    subscription = house.pay(quota_bytes=10**9)
    impatient = Ask(house.server)
    with house.without_database(), impatient.bare() as bare:
        bare.settimeout(0.5)
        bare.sendto(_stop(subscription), ("127.0.0.1", house.server.acct_port))
        house.wait_for_count("no_database", 1)
        bare.setblocking(False)
        with pytest.raises(BlockingIOError):
            bare.recv(4096)
    eventually(house.ask.is_answered)
    for _ in range(2):
        with impatient.bare() as bare:
            bare.sendto(_stop(subscription), ("127.0.0.1", house.server.acct_port))
            assert bare.recv(4096)[0] == 5
    assert house.used_bytes(subscription) == 1234
    assert len(house.sessions()) == 1


def _stop(subscription: int) -> bytes:
    """A Stop of 1,234 bytes as it goes over the wire."""
    packet = wire.AcctPacket(wire.AccountingRequest, 9, SECRET.encode(), dict=NAMES)
    packet["Acct-Status-Type"], packet["Acct-Session-Id"], packet["User-Name"] = "Stop", "80100009", MAC
    packet["Acct-Input-Octets"], packet["Class"] = 1234, tag(subscription)
    raw: bytes = packet.RequestPacket()
    return raw


def test_strange_texts_are_kept_harmless(house: House) -> None:
    assert house.ask.account(
        "Start", "'; DROP TABLE radacct; --", user="\x00\x1b[2J\u202eevil\n", Called_Station_Id="%s" * 100
    )
    row = house.session()
    assert row.acctsessionid == "'; DROP TABLE radacct; --"
    assert row.username.isprintable()
    with house.app.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM radacct")).scalar() == 1
