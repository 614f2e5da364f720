"""Asking the RADIUS server whether a device may go online."""

from __future__ import annotations

import os
from typing import Any

import pytest
from sqlalchemy import text

from core import network
from core.radius_tables import radpostauth
from radius.server import RadiusServer
from tests.doors.radius_side import (
    MAC,
    MAC_PASSWORD,
    OTHER_MAC,
    SERVICE_CODE,
    Ask,
    House,
    accepted,
    house,
    radclient,
    words,
)
from tests.services import eventually

__all__ = ["house"]
ROUTERS_SECONDS_MAX = 2.0
LOGIN = f'User-Name = "{MAC}", Calling-Station-Id = "{MAC}", User-Password = "{MAC_PASSWORD}"'
SIGNED = "Message-Authenticator = 0x00"


def limits(reply: Any) -> tuple[int, int] | None:
    """The byte limit of an accept as (lower, upper) half."""
    assert accepted(reply)
    pair = reply.get("Mikrotik-Total-Limit"), reply.get("Mikrotik-Total-Limit-Gigawords")
    assert (pair[0] is None) == (pair[1] is None), "one half without the other"
    return None if pair[0] is None else (pair[0][0], pair[1][0])


# ---- yes ---------------------------------------------------------------------------------------------------------------


def test_a_paid_device_gets_speed_time_and_quota_as_freeradius_own_client_sees_it(house: House) -> None:
    subscription = house.pay(seconds=3600, quota_bytes=10**10, upload_kbps=2000, download_kbps=5000)
    said = radclient(house.server.auth_port, "auth", f"{LOGIN}, {SIGNED}")
    assert said.code == "Access-Accept", said.output
    assert said.attributes.pop("Message-Authenticator")
    assert said.attributes == {
        "Mikrotik-Rate-Limit": "2M/5M",
        "Session-Timeout": "3600",
        "Mikrotik-Total-Limit": "1410065408",
        "Mikrotik-Total-Limit-Gigawords": "2",
        "Acct-Interim-Interval": "300",
        "Class": "0x" + f"duka:{subscription}".encode().hex(),
    }


def test_a_device_nobody_paid_for_is_refused_and_told_what_to_dial(house: House) -> None:
    said = radclient(house.server.auth_port, "auth", f"{LOGIN}, {SIGNED}")
    assert said.code == "Access-Reject", said.output
    assert SERVICE_CODE in said.attributes["Reply-Message"]
    assert said.attributes["Message-Authenticator"]
    house.pay()
    assert radclient(house.server.auth_port, "auth", f"{LOGIN}, {SIGNED}").code == "Access-Accept"
    house.take_away()
    assert radclient(house.server.auth_port, "auth", f"{LOGIN}, {SIGNED}").code == "Access-Reject"


@pytest.mark.parametrize("command", ["auth-pap", "auth-chap"])
def test_freeradius_own_client_gets_in_by_pap_and_by_chap(house: House, command: str) -> None:
    house.pay()
    kind = "User-Password" if command == "auth-pap" else "CHAP-Password"
    login = LOGIN.replace("User-Password", kind)
    assert radclient(house.server.auth_port, "auth", f"{login}, {SIGNED}").code == "Access-Accept"
    wrong = login.replace(MAC_PASSWORD, "guess")
    assert radclient(house.server.auth_port, "auth", f"{wrong}, {SIGNED}").code == "Access-Reject"


def test_chap_works_with_a_challenge_of_its_own_and_with_the_packets_authenticator(house: House) -> None:
    house.pay()
    assert accepted(house.ask.chap())
    assert accepted(house.ask.chap(challenge=None))
    assert not accepted(house.ask.chap(password="guess"))
    assert not accepted(house.ask.chap(password="guess", challenge=None))


@pytest.mark.parametrize(
    ("bought", "used", "expected"),
    [
        (2**31, 0, (2**31, 0)),
        (2**32 - 1, 0, (2**32 - 1, 0)),
        (2**32, 0, (2**32 - 1, 0)),
        (10**10, 0, (1_410_065_408, 2)),
        (10**10, 3_500_000_000, (2_205_032_704, 1)),
        (10**10, 10**10 - 1, (1, 0)),
    ],
)
def test_the_router_is_told_what_is_left_of_the_quota_at_this_moment(
    house: House, bought: int, used: int, expected: tuple[int, int]
) -> None:
    house.pay(quota_bytes=bought, used_bytes=used)
    assert limits(house.ask.login()) == expected


def test_a_package_without_quota_sends_no_byte_limit(house: House) -> None:
    house.pay(quota_bytes=None)
    assert limits(house.ask.login()) is None


def test_a_package_without_speed_limit_sends_no_rate(house: House) -> None:
    house.pay(upload_kbps=None, download_kbps=None)
    reply = house.ask.login()
    assert accepted(reply)
    assert "Mikrotik-Rate-Limit" not in reply


# ---- no ----------------------------------------------------------------------------------------------------------------


def test_time_ends_to_the_second_and_the_customer_is_told(house: House) -> None:
    house.pay(seconds=3600)
    house.pass_seconds(3599)
    assert house.ask.login()["Session-Timeout"] == [1]
    house.pass_seconds(1)
    reply = house.ask.login()
    assert not accepted(reply)
    assert words(reply) == f"Your time is over. Dial {SERVICE_CODE} to buy."


def test_used_up_data_is_refused_in_words_although_the_rows_are_still_there(house: House) -> None:
    house.pay(quota_bytes=1000, used_bytes=999)
    assert limits(house.ask.login()) == (1, 0)
    house.pay(OTHER_MAC, quota_bytes=1000, used_bytes=1000)
    reply = house.ask.login(OTHER_MAC)
    assert not accepted(reply)
    assert words(reply).startswith("Your data is used up.")


def test_a_mac_login_cannot_be_forged(house: House) -> None:
    house.pay()
    assert accepted(house.ask.login())
    assert not accepted(house.ask.login(password="guess"))
    assert not accepted(house.ask.login(password=MAC))
    assert not accepted(house.ask.login(password=""))
    assert not accepted(house.ask.login(password=None))
    assert not accepted(house.ask.login(Calling_Station_Id=OTHER_MAC))
    assert not accepted(house.ask.login(Calling_Station_Id=[OTHER_MAC, MAC]))
    assert not accepted(house.ask.login(Calling_Station_Id=[MAC, MAC]))
    assert not accepted(house.ask.login(Calling_Station_Id=None))
    assert not accepted(house.ask.login(User_Name=[MAC, OTHER_MAC]))
    assert not accepted(house.ask.login(NAS_Identifier=["market", "home"]))
    assert not accepted(house.ask.login(Framed_IP_Address=["10.20.0.2", "10.20.0.3"]))
    assert not accepted(house.ask.login(MAC.lower()))
    assert not accepted(house.ask.login(MAC.replace(":", "-")))
    assert not accepted(house.ask.login("somebody"))
    assert accepted(house.ask.login())


def test_two_calling_stations_are_refused_as_freeradius_own_client_sends_them(house: House) -> None:
    house.pay()
    said = radclient(house.server.auth_port, "auth", f'{LOGIN}, Calling-Station-Id += "{OTHER_MAC}", {SIGNED}')
    assert said.code == "Access-Reject", said.output


def test_the_password_of_one_router_does_not_open_another(house: House) -> None:
    house.pay()
    other = house.add_router("127.0.0.2", "tunnel-secret-2")
    with house.app.engine.begin() as connection:
        connection.execute(text("UPDATE radius_nas SET mac_auth_password = 'its own' WHERE nasname = '127.0.0.2'"))
    eventually(other.is_answered)
    assert accepted(other.login(password="its own"))
    assert not accepted(other.login(password=MAC_PASSWORD))


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("Mikrotik-Rate-Limt", "1M/1M"), ("Mikrotik-Grup", "vip"), ("Idle-Timeout", "soon"), ("", "")],
)
def test_a_reply_row_that_is_not_understood_refuses_instead_of_letting_in_without_it(
    house: House, attribute: str, value: str
) -> None:
    house.pay()
    assert accepted(house.ask.login())
    house.write_reply(attribute, value)
    assert not accepted(house.ask.login())


def test_a_missing_quota_row_refuses_instead_of_giving_everything(house: House) -> None:
    house.pay(quota_bytes=10**9)
    assert accepted(house.ask.login())
    with house.app.engine.begin() as connection:
        connection.execute(text("DELETE FROM radius_user"))
    assert not accepted(house.ask.login())


def test_what_one_isp_sold_opens_nothing_at_another_isps_routers(house: House) -> None:
    house.pay()
    uplands = house.open_isp("uplands")
    theirs = house.add_router("127.0.0.2", "tunnel-secret-2", uplands)
    eventually(theirs.is_answered)
    reply = theirs.login()
    assert not accepted(reply)
    assert words(reply).startswith("Kifaa hiki hakina kifurushi.")
    house.pay(OTHER_MAC, tenant_id=uplands)
    assert accepted(theirs.login(OTHER_MAC))
    assert not accepted(house.ask.login(OTHER_MAC))


def test_nobody_browses_on_a_subscription_of_another_isp(house: House) -> None:
    house.pay(quota_bytes=10**9)
    assert accepted(house.ask.login())
    theirs = house.pay(OTHER_MAC, quota_bytes=10**9, tenant_id=house.open_isp("uplands"))
    with house.app.engine.begin() as connection:
        connection.execute(text("UPDATE radius_user SET subscription_id = :theirs"), {"theirs": theirs})
    assert not accepted(house.ask.login())


# ---- signatures --------------------------------------------------------------------------------------------------------


def test_a_router_that_once_signed_is_never_believed_unsigned_again(house: House, settings: Any) -> None:
    house.pay()
    assert accepted(house.ask.login(signed=False))
    assert accepted(house.ask.login(signed=True))
    house.ask.login(signed=True)
    assert silent(house, house.ask, "unsigned")
    assert house.server.settle()
    restarted = RadiusServer(house.app, "127.0.0.1", 0, 0)
    restarted.start()
    try:
        assert accepted(Ask(restarted).login(signed=True))
        assert silent(house, Ask(restarted), "unsigned")
    finally:
        restarted.stop()


def silent(house: House, ask: Ask, why: str) -> bool:
    """Whether an unsigned login stays without an answer, for this reason."""
    before = ask.server.counts().get(why, 0)
    with ask.bare() as bare:
        unsigned = b"\x01\x01\x00\x14" + os.urandom(16)
        bare.sendto(unsigned, ("127.0.0.1", ask.server.auth_port))
        eventually(lambda: ask.server.counts().get(why, 0) == before + 1)
        bare.setblocking(False)
        with pytest.raises(BlockingIOError):
            bare.recv(4096)
    return True


def test_the_answers_signature_stands_before_everything_else(house: House) -> None:
    house.pay()
    for user in (MAC, OTHER_MAC):
        reply = house.ask.login(user)
        assert reply.raw_packet[20:22] == bytes([80, 18])


def test_proxy_state_comes_back_untouched_and_in_order(house: House) -> None:
    reply = house.ask.login(Proxy_State=[b"first", b"second"])
    assert reply["Proxy-State"] == [b"first", b"second"]


@pytest.mark.parametrize("port", ["auth", "acct"])
def test_freeradius_own_client_hears_that_the_server_is_alive(house: House, port: str) -> None:
    number = house.server.auth_port if port == "auth" else house.server.acct_port
    said = radclient(number, "status", SIGNED)
    assert said.code == ("Access-Accept" if port == "auth" else "Accounting-Response"), said.output


# ---- what is remembered ------------------------------------------------------------------------------------------------


def test_waiting_devices_are_seen_but_do_not_fill_the_log(house: House) -> None:
    for _ in range(5):
        assert not accepted(house.ask.login())
        house.pass_seconds(30)
    assert [row.reply for row in house.log()] == ["Access-Reject (not_paid)"]
    house.pass_seconds(600)
    assert not accepted(house.ask.login())
    assert len(house.log()) == 2
    with house.app.work(house.tenant_id) as uow:
        assert network.waiting_devices(uow) == [(MAC, "market")]


def test_a_device_that_knocks_again_later_is_seen_again(house: House) -> None:
    house.ask.login()
    house.pass_seconds(900)
    house.ask.login()
    assert house.server.settle()
    with house.app.work(house.tenant_id) as uow:
        assert network.waiting_devices(uow) == [(MAC, "market")]


def test_the_log_keeps_who_got_in_and_who_tried_something_odd_but_no_password(house: House) -> None:
    subscription = house.pay()
    house.ask.login(Called_Station_Id="hotspot1")
    house.ask.login(password="a-guess-that-must-not-be-kept")
    house.ask.login(user="somebody\nelse", password="hunter2")
    rows = house.log()
    assert [(row.username, row.reply, row.calledstationid, row[-1]) for row in rows] == [
        (MAC, "Access-Accept", "hotspot1", f"duka:{subscription}"),
        (MAC, "Access-Reject (wrong_password)", "", ""),
        ("somebody else", "Access-Reject (unknown_name)", "", ""),
    ]
    assert all(row[radpostauth.c["pass"].name] == "" for row in (entry._mapping for entry in rows))
    assert {row.authdate for row in rows} == {house.clock.now()}


def test_somebody_who_guesses_all_night_writes_one_line_in_half_a_minute(house: House) -> None:
    for _ in range(10):
        house.ask.login(password="guess")
    assert len(house.log()) == 1
    house.pass_seconds(31)
    house.ask.login(password="guess")
    assert len(house.log()) == 2


# ---- routers come and go -----------------------------------------------------------------------------------------------


def test_a_new_router_is_answered_within_two_seconds_without_a_restart(house: House) -> None:
    stranger = Ask(house.server, "127.0.0.2", "tunnel-secret-2")
    with stranger.bare() as bare:
        bare.sendto(b"\x01\x01\x00\x14" + bytes(16), ("127.0.0.1", house.server.auth_port))
        house.wait_for_count("unknown_source", 1)
    house.pay()
    known = house.add_router("127.0.0.2", "tunnel-secret-2")
    eventually(known.is_answered, seconds=ROUTERS_SECONDS_MAX)
    assert accepted(known.login())


def test_a_removed_router_is_not_answered_any_more_within_two_seconds(house: House) -> None:
    second = house.add_router("127.0.0.2", "tunnel-secret-2")
    eventually(second.is_answered, seconds=ROUTERS_SECONDS_MAX)
    with house.app.work(house.tenant_id) as uow:
        network.remove_router(uow, network.find_router(uow, "router 127.0.0.2"))
    eventually(lambda: not second.is_answered(), seconds=ROUTERS_SECONDS_MAX)
    assert house.ask.is_answered()


def test_a_new_secret_counts_within_two_seconds(house: House) -> None:
    changed = Ask(house.server, secret="a new secret")
    assert house.ask.is_answered()
    with house.app.engine.begin() as connection:
        connection.execute(text("UPDATE nas SET secret = 'a new secret'"))
    eventually(changed.is_answered, seconds=ROUTERS_SECONDS_MAX)
    assert not house.ask.is_answered()


# ---- trouble -----------------------------------------------------------------------------------------------------------


def test_without_a_database_nobody_gets_in_and_nobody_is_refused_until_it_is_back(house: House) -> None:
    house.pay()
    assert accepted(house.ask.login())
    with house.without_database(), house.ask.bare() as bare:
        known = house.server.counts()
        for _ in range(5):
            bare.sendto(house.ask.login_bytes(), ("127.0.0.1", house.server.auth_port))
        eventually(lambda: house.server.counts()["received"] == known["received"] + 5)
        house.wait_for_count("no_database", 5)
        bare.setblocking(False)
        with pytest.raises(BlockingIOError):
            bare.recv(4096)
    eventually(house.ask.is_answered)
    assert accepted(house.ask.login())


def test_a_stranger_is_spoken_to_in_the_language_of_the_routers_isp_and_a_customer_in_their_own(house: House) -> None:
    with house.app.engine.begin() as connection:
        connection.execute(text("UPDATE radius_nas SET language = 'sw'"))
    eventually(lambda: words(house.ask.login()).startswith("Kifaa hiki hakina kifurushi. Piga *384*"))
    house.pay(seconds=60)
    house.pass_seconds(60)
    assert words(house.ask.login()).startswith("Your time is over. Dial *384*")
