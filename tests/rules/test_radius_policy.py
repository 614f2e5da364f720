"""Who may go online: the rules alone, on values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.network import Entitlement, NasClient, OpenSession, RadiusUser
from core.texts import septets
from radius.attributes import Value
from radius.passwords import Chap, MsChap2, ms_chap2_answer
from radius.policy import Accept, Reason, Reject, byte_limit, decide
from radius.requests import DHCP, PPP, AccessRequest
from radius.texts import TEXT_BYTES_MAX, say, texts

MAC, PASSWORD = "AA:BB:CC:DD:EE:01", "only-the-router-knows"
LOGIN, LOGIN_PASSWORD = "home.17", "long and random"
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday
END = ("Expiration", str(int(NOW.timestamp()) + 3600))
RATE, INTERIM, CLASS = ("Mikrotik-Rate-Limit", "2M/5M"), ("Acct-Interim-Interval", "300"), ("Class", "duka:17")
ROUTER = NasClient("10.8.0.2", "secret", 1, 7, "", PASSWORD, False)
REQUEST = AccessRequest(username=MAC, calling_station=MAC, password=PASSWORD.encode())
PAID = Entitlement([END], [RATE, INTERIM, CLASS], RadiusUser(subscription_id=17))
AT_HOME = AccessRequest(username=LOGIN, calling_station=MAC, password=LOGIN_PASSWORD.encode(), service=PPP)
HOME = Entitlement([END, ("Cleartext-Password", LOGIN_PASSWORD)], [RATE, INTERIM, CLASS], RadiusUser("ppp", 17))
WALLED = {"Mikrotik-Rate-Limit": "1M/1M", "Session-Timeout": 300, "Acct-Interim-Interval": 300, "Class": "duka:0"}


def verdict(
    request: AccessRequest = REQUEST,
    client: NasClient = ROUTER,
    rows: Mapping[str, Entitlement] | None = None,
    now: datetime = NOW,
) -> Accept | Reject:
    return decide(request, client, ({MAC: PAID, LOGIN: HOME} if rows is None else rows).get, now)


def granted(outcome: Accept | Reject) -> dict[str, Value]:
    assert isinstance(outcome, Accept), outcome
    return dict(outcome.attributes)


def refused(outcome: Accept | Reject) -> Reason:
    assert isinstance(outcome, Reject), outcome
    return outcome.reason


def with_user(rows: Entitlement, **facts: object) -> Entitlement:
    assert rows.user is not None
    return rows._replace(user=rows.user._replace(**facts))


def device(rows: Entitlement) -> dict[str, Entitlement]:
    return {MAC: rows}


# ---- yes ---------------------------------------------------------------------------------------------------------------


def test_a_paid_device_gets_its_speed_its_time_and_its_name_tag_in_the_order_of_its_rows() -> None:
    outcome = verdict()
    assert isinstance(outcome, Accept)
    assert outcome.attributes == (
        ("Mikrotik-Rate-Limit", "2M/5M"), ("Acct-Interim-Interval", 300), ("Class", "duka:17"), ("Session-Timeout", 3600),
    )  # fmt: skip


def test_a_login_at_home_and_a_device_on_dhcp_are_let_in_by_their_own_rules() -> None:
    assert granted(verdict(AT_HOME))["Class"] == "duka:17"
    leased = replace(REQUEST, calling_station="1:aa:bb:cc:dd:ee:1", service=DHCP)
    assert granted(verdict(leased))["Class"] == "duka:17"
    assert refused(verdict(replace(leased, calling_station="1:aa:bb:cc:dd:ee:2"))) is Reason.FORGED


# ---- who asks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (replace(REQUEST, repeated=("Calling-Station-Id",)), Reason.REPEATED_ATTRIBUTE),
        (replace(REQUEST, calling_station="AA:BB:CC:DD:EE:02"), Reason.FORGED),
        (replace(REQUEST, calling_station=""), Reason.FORGED),
        (replace(REQUEST, calling_station=MAC.lower()), Reason.FORGED),
        (replace(REQUEST, calling_station="AA:BB:CC:DD:EE:02", service=PPP), Reason.FORGED),
        (replace(REQUEST, service=PPP), Reason.WRONG_SERVICE),
        (replace(REQUEST, username=MAC.lower(), calling_station=MAC.lower()), Reason.BAD_MAC_FORM),
        (replace(REQUEST, username=MAC.replace(":", "-"), calling_station=MAC), Reason.BAD_MAC_FORM),
        (replace(REQUEST, username=MAC.replace(":", ""), calling_station=MAC), Reason.BAD_MAC_FORM),
        (replace(REQUEST, username="aabb.ccdd.ee01", calling_station=MAC), Reason.BAD_MAC_FORM),
        (replace(REQUEST, username=f"{MAC}@uplands", calling_station=MAC), Reason.BAD_MAC_FORM),
        (replace(REQUEST, username=f"{MAC} ", calling_station=f"{MAC} "), Reason.BAD_MAC_FORM),
        (replace(REQUEST, username=f"{MAC}\n", calling_station=f"{MAC}\n"), Reason.BAD_MAC_FORM),
        (replace(REQUEST, username="", calling_station=""), Reason.UNKNOWN_NAME),
        (replace(REQUEST, username="Somebody"), Reason.UNKNOWN_NAME),
        (replace(REQUEST, username="-somebody"), Reason.UNKNOWN_NAME),
        (replace(REQUEST, username="somebody@uplands"), Reason.UNKNOWN_NAME),
        (replace(REQUEST, username="s" * 64), Reason.UNKNOWN_NAME),
        (replace(REQUEST, username=f"{MAC}\0", calling_station=f"{MAC}\0"), Reason.UNKNOWN_NAME),
        (replace(REQUEST, username="s" * 63), Reason.UNKNOWN_USER),
        (replace(REQUEST, password=None), Reason.NO_PASSWORD),
        (replace(REQUEST, password=b""), Reason.NO_PASSWORD),
        (replace(REQUEST, password=MAC.encode()), Reason.WRONG_PASSWORD),
        (replace(REQUEST, password=b"\xff\xfe"), Reason.WRONG_PASSWORD),
        (replace(REQUEST, password=PASSWORD.upper().encode()), Reason.WRONG_PASSWORD),
        (replace(REQUEST, chap=Chap(1, b"", b"")), Reason.WRONG_PASSWORD),
        (replace(REQUEST, password=None, chap=Chap(1, b"", b"")), Reason.WRONG_PASSWORD),
        (replace(REQUEST, ms_chap=MsChap2(1, b"", b"", b"")), Reason.WRONG_PASSWORD),
        (replace(REQUEST, password=None, ms_chap=MsChap2(1, b"", b"", b"")), Reason.NO_PASSWORD),
        (replace(AT_HOME, password=b"guess"), Reason.WRONG_PASSWORD),
        (replace(AT_HOME, password=None), Reason.NO_PASSWORD),
        (replace(AT_HOME, password=PASSWORD.encode()), Reason.WRONG_PASSWORD),
        (replace(AT_HOME, username="nobody"), Reason.UNKNOWN_USER),
        (replace(AT_HOME, username="nobody", password=None), Reason.NO_PASSWORD),
        (replace(AT_HOME, username="nobody", chap=Chap(1, b"", b"")), Reason.WRONG_PASSWORD),
        (replace(AT_HOME, service="hotspot"), Reason.WRONG_SERVICE),
        (replace(AT_HOME, service=DHCP, calling_station="1:0:0:0:0:0:1"), Reason.WRONG_SERVICE),
    ],
)
def test_whoever_does_not_prove_to_be_somebody_is_refused_although_they_have_paid(
    request_: AccessRequest, reason: Reason
) -> None:
    assert isinstance(verdict(), Accept)
    assert refused(verdict(request_)) is reason


def test_a_password_may_be_proved_by_chap() -> None:
    answer = hashlib.md5(b"\x09" + PASSWORD.encode() + b"challenge").digest()
    request = replace(REQUEST, password=None, chap=Chap(9, answer, b"challenge"))
    assert isinstance(verdict(request), Accept)
    assert refused(verdict(replace(request, chap=Chap(8, answer, b"challenge")))) is Reason.WRONG_PASSWORD


def test_over_ppp_a_password_may_be_proved_by_ms_chap_and_the_customer_sees_that_we_know_it_too() -> None:
    asked = MsChap2(5, b"c" * 16, b"p" * 16, b"")
    proved = asked._replace(answer=ms_chap2_answer(asked, LOGIN.encode(), LOGIN_PASSWORD))
    request = replace(AT_HOME, password=None, ms_chap=proved)
    success = granted(verdict(request))["MS-CHAP2-Success"]
    assert isinstance(success, bytes)
    assert success.startswith(b"\x05S=")
    walled = with_user(HOME, redirects=True, blocked="suspended")
    assert granted(verdict(request, rows={LOGIN: walled}))["MS-CHAP2-Success"] == success
    wrong = replace(request, ms_chap=proved._replace(answer=bytes(24)))
    assert refused(verdict(wrong)) is Reason.WRONG_PASSWORD


def test_a_router_without_a_mac_password_lets_no_device_in() -> None:
    bare = replace(ROUTER, mac_auth_password="")
    assert refused(verdict(replace(REQUEST, password=b""), bare)) is Reason.NO_PASSWORD
    assert refused(verdict(REQUEST, bare)) is Reason.WRONG_PASSWORD
    chap = Chap(1, hashlib.md5(b"\x01c").digest(), b"c")
    assert refused(verdict(replace(REQUEST, password=None, chap=chap), bare)) is Reason.WRONG_PASSWORD


def test_a_login_without_a_password_in_its_rows_lets_nobody_in() -> None:
    bare = {LOGIN: HOME._replace(check=[END])}
    assert refused(verdict(AT_HOME, rows=bare)) is Reason.WRONG_PASSWORD
    chap = Chap(1, hashlib.md5(b"\x01c").digest(), b"c")
    assert refused(verdict(replace(AT_HOME, password=None, chap=chap), rows=bare)) is Reason.WRONG_PASSWORD


def test_rows_of_a_device_are_not_even_looked_at_before_its_password_is_right() -> None:
    asked: list[str] = []
    decide(replace(REQUEST, password=b"guess"), ROUTER, asked.append, NOW)
    assert asked == []
    decide(REQUEST, ROUTER, asked.append, NOW)
    assert asked == [MAC]


def test_the_state_of_an_account_is_not_told_to_who_does_not_know_its_password() -> None:
    for rows in (with_user(HOME, blocked="suspended"), HOME._replace(check=[("Expiration", "1"), *HOME.check[1:]])):
        assert refused(verdict(replace(AT_HOME, password=b"guess"), rows={LOGIN: rows})) is Reason.WRONG_PASSWORD
        assert refused(verdict(AT_HOME, rows={LOGIN: rows})) in (Reason.SUSPENDED, Reason.EXPIRED)


def test_names_of_a_further_isp_are_kept_under_its_realm() -> None:
    client = replace(ROUTER, realm="uplands")
    assert refused(verdict(client=client)) is Reason.NOT_PAID
    assert isinstance(verdict(client=client, rows={f"{MAC}@uplands": PAID}), Accept)
    assert refused(verdict(AT_HOME, client)) is Reason.UNKNOWN_USER
    assert isinstance(verdict(AT_HOME, client, {f"{LOGIN}@uplands": HOME}), Accept)


# ---- what the rows say -------------------------------------------------------------------------------------------------

BLOCKED = with_user(PAID, blocked="suspended")
OVER = PAID._replace(check=[("Expiration", str(int(NOW.timestamp())))])
UNKNOWN = with_user(PAID, metered=True)
USED = with_user(PAID, metered=True, remaining_bytes=0)
CLOSED = with_user(PAID, hours="0-60")
FULL = PAID._replace(
    check=[END, ("Simultaneous-Use", "1")], sessions=(OpenSession("AA:BB:CC:DD:EE:02", NOW - timedelta(seconds=900)),)
)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({}, Reason.NOT_PAID),
        (device(PAID._replace(check=[])), Reason.NOT_PAID),
        (device(PAID._replace(user=None)), Reason.NOT_PAID),
        (device(with_user(PAID, service="ppp")), Reason.WRONG_SERVICE),
        (device(with_user(PAID, service="")), Reason.WRONG_SERVICE),
        (device(PAID._replace(check=[("Auth-Type", "Accept")])), Reason.BAD_ROWS),
        (device(BLOCKED), Reason.SUSPENDED),
        (device(OVER), Reason.EXPIRED),
        (device(UNKNOWN), Reason.QUOTA_UNKNOWN),
        (device(USED), Reason.DATA_USED_UP),
        (device(with_user(PAID, metered=True, remaining_bytes=-5)), Reason.DATA_USED_UP),
        (device(CLOSED), Reason.OUTSIDE_HOURS),
        (device(FULL), Reason.TOO_MANY_SESSIONS),
    ],
)
def test_what_the_rows_do_not_clearly_allow_is_refused(rows: Mapping[str, Entitlement], reason: Reason) -> None:
    assert refused(verdict(rows=rows)) is reason


def test_of_several_reasons_the_first_in_the_order_of_the_policy_is_told() -> None:
    everything = FULL._replace(
        check=[("Expiration", "1"), ("Simultaneous-Use", "1")],
        user=RadiusUser("mac", 17, True, hours="0-60", blocked="suspended", remaining_bytes=None),
    )
    assert refused(verdict(rows=device(everything._replace(reply=[("Nonsense", "1")])))) is Reason.BAD_ROWS
    assert refused(verdict(rows=device(everything))) is Reason.SUSPENDED
    everything = with_user(everything, blocked="")
    assert refused(verdict(rows=device(everything))) is Reason.EXPIRED
    everything = everything._replace(check=[END, ("Simultaneous-Use", "1")])
    assert refused(verdict(rows=device(everything))) is Reason.QUOTA_UNKNOWN
    everything = with_user(everything, remaining_bytes=0)
    assert refused(verdict(rows=device(everything))) is Reason.DATA_USED_UP
    everything = with_user(everything, remaining_bytes=1)
    assert refused(verdict(rows=device(everything))) is Reason.OUTSIDE_HOURS
    everything = with_user(everything, hours="")
    assert refused(verdict(rows=device(everything))) is Reason.TOO_MANY_SESSIONS
    assert granted(verdict(rows=device(everything._replace(sessions=()))))["Mikrotik-Total-Limit"] == 1


def test_time_ends_to_the_second() -> None:
    end = NOW + timedelta(seconds=3600)
    assert granted(verdict(now=end - timedelta(seconds=1)))["Session-Timeout"] == 1
    assert granted(verdict(now=end - timedelta(milliseconds=1)))["Session-Timeout"] == 1
    assert refused(verdict(now=end)) is Reason.EXPIRED
    assert refused(verdict(now=end + timedelta(days=400))) is Reason.EXPIRED


@pytest.mark.parametrize(
    ("own", "hours", "ends_in", "expected"),
    [
        ("60", "", 3600, 60),
        ("7200", "", 3600, 3600),
        ("7200", "5760-6420", 36_000, 7200),
        ("36000", "5760-6420", 36_000, 7200),
        ("36000", "5760-6420", 1800, 1800),
        ("2147483647", "", 2**32, 2**31 - 1),
    ],
)
def test_the_shortest_of_all_times_is_the_sessions(own: str, hours: str, ends_in: int, expected: int) -> None:
    rows = with_user(PAID, hours=hours)._replace(
        check=[("Expiration", str(int(NOW.timestamp()) + ends_in))], reply=[("Session-Timeout", own), RATE]
    )
    outcome = verdict(rows=device(rows))
    assert isinstance(outcome, Accept)
    assert outcome.attributes == (("Mikrotik-Rate-Limit", "2M/5M"), ("Session-Timeout", expected))


@pytest.mark.parametrize(
    ("who", "silent_seconds", "interim", "reason"),
    [
        ("AA:BB:CC:DD:EE:02", 0, "300", Reason.TOO_MANY_SESSIONS),
        ("AA:BB:CC:DD:EE:02", 901, "300", None),
        ("AA:BB:CC:DD:EE:02", 901, "600", Reason.TOO_MANY_SESSIONS),
        ("AA:BB:CC:DD:EE:02", 181, "30", None),
        ("AA:BB:CC:DD:EE:02", 179, "30", Reason.TOO_MANY_SESSIONS),
        (MAC, 0, "300", None),
    ],
)
def test_only_sessions_of_other_devices_that_were_heard_of_lately_are_counted(
    who: str, silent_seconds: int, interim: str, reason: Reason | None
) -> None:
    session = OpenSession(who, NOW - timedelta(seconds=silent_seconds))
    rows = FULL._replace(reply=[("Acct-Interim-Interval", interim)], sessions=(session,))
    outcome = verdict(rows=device(rows))
    assert (outcome.reason if isinstance(outcome, Reject) else None) is reason


def test_as_many_sessions_as_were_bought_may_run() -> None:
    others = tuple(OpenSession(f"AA:BB:CC:DD:EE:1{number}", NOW) for number in range(3))
    for allowed, reason in (("3", Reason.TOO_MANY_SESSIONS), ("4", None)):
        rows = FULL._replace(check=[END, ("Simultaneous-Use", allowed)], sessions=others)
        outcome = verdict(rows=device(rows))
        assert (outcome.reason if isinstance(outcome, Reject) else None) is reason


# ---- the walled network ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        (with_user(HOME, blocked="suspended"), "duka-suspended"),
        (HOME._replace(check=[("Expiration", "1"), HOME.check[1]]), "duka-expired"),
        (with_user(HOME, metered=True, remaining_bytes=0), "duka-topup"),
    ],
)
def test_at_home_who_is_not_let_in_may_be_let_into_a_walled_network_and_nobody_is_charged(
    rows: Entitlement, place: str
) -> None:
    assert isinstance(verdict(AT_HOME, rows={LOGIN: rows}), Reject)
    redirected = verdict(AT_HOME, rows={LOGIN: with_user(rows, redirects=True)})
    assert granted(redirected) == WALLED | {"Framed-Pool": place, "Mikrotik-Address-List": place}
    assert isinstance(redirected, Accept) and redirected.redirected is not None


def test_nobody_is_redirected_on_the_hotspot_nor_for_another_reason() -> None:
    assert refused(verdict(rows=device(with_user(BLOCKED, redirects=True)))) is Reason.SUSPENDED
    leased = replace(REQUEST, calling_station="1:aa:bb:cc:dd:ee:1", service=DHCP)
    assert granted(verdict(leased, rows=device(with_user(OVER, redirects=True))))["Framed-Pool"] == "duka-expired"
    for facts in ({"metered": True}, {"hours": "0-60"}, {"service": "mac"}, {"hours": "nonsense"}):
        rows = with_user(HOME, redirects=True, **facts)
        assert isinstance(verdict(AT_HOME, rows={LOGIN: rows}), Reject)
    assert refused(verdict(replace(AT_HOME, password=b"x"), rows={LOGIN: with_user(HOME, redirects=True)}))


def test_a_walled_network_says_nothing_about_reports_when_the_rows_do_not() -> None:
    rows = with_user(HOME, redirects=True, blocked="suspended")._replace(reply=[RATE])
    assert "Acct-Interim-Interval" not in granted(verdict(AT_HOME, rows={LOGIN: rows}))


# ---- bytes and words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remaining", "low", "high"),
    [
        (1, 1, 0),
        (2**31, 2**31, 0),
        (2**32 - 1, 2**32 - 1, 0),
        (2**32, 2**32 - 1, 0),
        (2**32 + 1, 1, 1),
        (10**10, 1_410_065_408, 2),
        (2**33, 2**32 - 1, 1),
    ],
)
def test_a_byte_limit_is_cut_into_two_halves_and_never_has_a_zero_below(remaining: int, low: int, high: int) -> None:
    assert byte_limit(remaining) == (("Mikrotik-Total-Limit", low), ("Mikrotik-Total-Limit-Gigawords", high))


def test_without_a_quota_there_is_no_byte_limit_at_all() -> None:
    assert byte_limit(None) == ()
    assert not [name for name in granted(verdict()) if "Total-Limit" in name]


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("language", ["en", "sw"])
@pytest.mark.parametrize("code", ["", "*384*35711#"])
def test_every_refusal_has_short_plain_words_in_every_language(reason: Reason, language: str, code: str) -> None:
    text = say(reason, language, code)
    assert text.isascii()
    assert 10 < len(text) <= TEXT_BYTES_MAX
    assert septets(text) is not None
    assert "{" not in text


def test_the_catalogues_say_the_same_things() -> None:
    catalogue = texts()
    assert catalogue.languages == ["en", "sw"]
    assert catalogue.keys("sw") == catalogue.keys("en")
    for key in sorted(catalogue.keys("en")):
        assert catalogue.fields("sw", key) == catalogue.fields("en", key)
        assert catalogue.template("sw", key) != catalogue.template("en", key)


def test_whoever_has_to_pay_is_told_what_to_dial() -> None:
    assert "*384*35711#" in say(Reason.NOT_PAID, "en", "*384*35711#")
    assert "*" not in say(Reason.NOT_PAID, "en")
