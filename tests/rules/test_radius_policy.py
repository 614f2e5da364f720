"""Who may go online: the rules alone, on values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.network import Entitlement, NasClient
from core.texts import septets
from radius.policy import Accept, AccessRequest, Chap, Reason, Reject, byte_limit, decide
from radius.texts import TEXT_BYTES_MAX, Voice, say, texts

MAC, PASSWORD = "AA:BB:CC:DD:EE:01", "only-the-router-knows"
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ROUTER = NasClient("10.8.0.2", "secret", 1, 7, "", PASSWORD, False)
REQUEST = AccessRequest(username=MAC, calling_station=MAC, password=PASSWORD.encode())
PAID = Entitlement(
    check={"Expiration": str(int(NOW.timestamp()) + 3600)},
    reply={"Mikrotik-Rate-Limit": "2M/5M", "Acct-Interim-Interval": "300", "Class": "duka:17"},
    quota_known=True,
)


def verdict(
    request: AccessRequest = REQUEST,
    client: NasClient = ROUTER,
    rows: Mapping[str, Entitlement] | None = None,
    now: datetime = NOW,
) -> Accept | Reject:
    return decide(request, client, ({MAC: PAID} if rows is None else rows).get, now)


def granted(outcome: Accept | Reject) -> dict[str, str | int]:
    assert isinstance(outcome, Accept), outcome
    return dict(outcome.attributes)


def refused(outcome: Accept | Reject) -> Reason:
    assert isinstance(outcome, Reject), outcome
    return outcome.reason


def test_a_paid_device_gets_its_speed_its_time_and_its_name_tag() -> None:
    assert granted(verdict()) == {
        "Mikrotik-Rate-Limit": "2M/5M", "Acct-Interim-Interval": 300, "Class": "duka:17", "Session-Timeout": 3600,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (replace(REQUEST, repeated=("Calling-Station-Id",)), Reason.REPEATED_ATTRIBUTE),
        (replace(REQUEST, calling_station="AA:BB:CC:DD:EE:02"), Reason.FORGED),
        (replace(REQUEST, calling_station=""), Reason.FORGED),
        (replace(REQUEST, calling_station=MAC.lower()), Reason.FORGED),
        (replace(REQUEST, username=MAC.lower(), calling_station=MAC.lower()), Reason.BAD_MAC_FORM),
        (replace(REQUEST, username=MAC.replace(":", "-"), calling_station=MAC), Reason.BAD_MAC_FORM),
        (replace(REQUEST, username=MAC.replace(":", ""), calling_station=MAC), Reason.BAD_MAC_FORM),
        (replace(REQUEST, username=f"{MAC}@uplands", calling_station=MAC), Reason.BAD_MAC_FORM),
        (replace(REQUEST, username=f"{MAC} ", calling_station=f"{MAC} "), Reason.BAD_MAC_FORM),
        (replace(REQUEST, username=f"{MAC}\n", calling_station=f"{MAC}\n"), Reason.BAD_MAC_FORM),
        (replace(REQUEST, username="", calling_station=""), Reason.UNKNOWN_NAME),
        (replace(REQUEST, username="somebody"), Reason.UNKNOWN_NAME),
        (replace(REQUEST, username=f"{MAC}\0", calling_station=f"{MAC}\0"), Reason.UNKNOWN_NAME),
        (replace(REQUEST, password=None), Reason.NO_PASSWORD),
        (replace(REQUEST, password=b""), Reason.NO_PASSWORD),
        (replace(REQUEST, password=MAC.encode()), Reason.WRONG_PASSWORD),
        (replace(REQUEST, password=b"\xff\xfe"), Reason.WRONG_PASSWORD),
        (replace(REQUEST, password=PASSWORD.upper().encode()), Reason.WRONG_PASSWORD),
        (replace(REQUEST, chap=Chap(1, b"", b"")), Reason.WRONG_PASSWORD),
        (replace(REQUEST, password=None, chap=Chap(1, b"", b"")), Reason.WRONG_PASSWORD),
    ],
)
def test_whoever_does_not_prove_to_be_the_device_is_refused_although_the_device_has_paid(
    request_: AccessRequest, reason: Reason
) -> None:
    assert isinstance(verdict(), Accept)
    assert refused(verdict(request_)) is reason


def test_a_password_may_be_proved_by_chap() -> None:
    answer = hashlib.md5(b"\x09" + PASSWORD.encode() + b"challenge").digest()
    request = replace(REQUEST, password=None, chap=Chap(9, answer, b"challenge"))
    assert isinstance(verdict(request), Accept)
    assert refused(verdict(replace(request, chap=Chap(8, answer, b"challenge")))) is Reason.WRONG_PASSWORD


def test_a_router_without_a_mac_password_lets_no_device_in() -> None:
    bare = replace(ROUTER, mac_auth_password="")
    assert refused(verdict(replace(REQUEST, password=b""), bare)) is Reason.WRONG_PASSWORD
    chap = Chap(1, hashlib.md5(b"\x01c").digest(), b"c")
    assert refused(verdict(replace(REQUEST, password=None, chap=chap), bare)) is Reason.WRONG_PASSWORD


def test_rows_are_not_even_looked_at_before_the_password_is_right() -> None:
    asked: list[str] = []
    decide(replace(REQUEST, password=b"guess"), ROUTER, asked.append, NOW)
    assert asked == []
    decide(REQUEST, ROUTER, asked.append, NOW)
    assert asked == [MAC]


def test_devices_of_a_further_isp_are_kept_under_its_realm() -> None:
    client = replace(ROUTER, realm="uplands")
    assert refused(verdict(client=client)) is Reason.NOT_PAID
    assert isinstance(verdict(client=client, rows={f"{MAC}@uplands": PAID}), Accept)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({}, Reason.NOT_PAID),
        ({MAC: replace(PAID, check={})}, Reason.NOT_PAID),
        ({MAC: replace(PAID, quota_known=False)}, Reason.QUOTA_UNKNOWN),
        ({MAC: replace(PAID, remaining_bytes=0)}, Reason.DATA_USED_UP),
        ({MAC: replace(PAID, check={"Expiration": "07 Jun 2036 23:59:59"})}, Reason.BAD_ROWS),
        ({MAC: replace(PAID, check={"Expiration": ""})}, Reason.BAD_ROWS),
        ({MAC: replace(PAID, check={"Expiration": "-1"})}, Reason.BAD_ROWS),
        ({MAC: replace(PAID, check={"Expiration": "٣٣٣٣٣٣٣٣٣٣"})}, Reason.BAD_ROWS),
        ({MAC: replace(PAID, check={"Auth-Type": "Accept"})}, Reason.BAD_ROWS),
        ({MAC: replace(PAID, check=PAID.check | {"Auth-Type": "Accept"})}, Reason.BAD_ROWS),
        ({MAC: replace(PAID, reply={"Mikrotik-Rate-Limt": "2M/5M"})}, Reason.BAD_ROWS),
        ({MAC: replace(PAID, reply={"Mikrotik-Total-Limit": "5"})}, Reason.BAD_ROWS),
        ({MAC: replace(PAID, reply={"Mikrotik-Rate-Limit": "fast"})}, Reason.BAD_ROWS),
        ({MAC: replace(PAID, reply={"Mikrotik-Rate-Limit": "0/0"})}, Reason.BAD_ROWS),
        ({MAC: replace(PAID, reply={"Mikrotik-Rate-Limit": ""})}, Reason.BAD_ROWS),
        ({MAC: replace(PAID, reply={"Acct-Interim-Interval": "often"})}, Reason.BAD_ROWS),
        ({MAC: replace(PAID, reply={"Class": "x" * 300})}, Reason.BAD_ROWS),
        ({MAC: replace(PAID, reply={"Session-Timeout": "99999999999"})}, Reason.BAD_ROWS),
    ],
)
def test_what_the_rows_do_not_clearly_allow_is_refused(rows: Mapping[str, Entitlement], reason: Reason) -> None:
    assert refused(verdict(rows=rows)) is reason


@pytest.mark.parametrize(
    "rate",
    ["2M/5M", "512k/1M", "5M", "1000000/2000000", "5M/10M 8M/16M 4M/8M 16/16 8", "5M/10M 8M/16M 4M/8M 16/16 8 1M/1M"],
)
def test_every_form_of_rate_a_router_knows_passes_through_as_it_is(rate: str) -> None:
    rows = {MAC: replace(PAID, reply={"Mikrotik-Rate-Limit": rate})}
    assert granted(verdict(rows=rows))["Mikrotik-Rate-Limit"] == rate


def test_time_ends_to_the_second() -> None:
    end = NOW + timedelta(seconds=3600)
    assert granted(verdict(now=end - timedelta(seconds=1)))["Session-Timeout"] == 1
    assert granted(verdict(now=end - timedelta(milliseconds=1)))["Session-Timeout"] == 1
    assert refused(verdict(now=end)) is Reason.EXPIRED
    assert refused(verdict(now=end + timedelta(days=400))) is Reason.EXPIRED


def test_a_shorter_session_timeout_in_the_rows_wins() -> None:
    rows = {MAC: replace(PAID, reply={"Session-Timeout": "60"})}
    assert granted(verdict(rows=rows))["Session-Timeout"] == 60
    rows = {MAC: replace(PAID, reply={"Session-Timeout": "7200"})}
    assert granted(verdict(rows=rows))["Session-Timeout"] == 3600


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
@pytest.mark.parametrize("code", [None, "*384*35711#"])
def test_every_refusal_has_short_plain_words_in_every_language(reason: Reason, language: str, code: str | None) -> None:
    text = say(reason, Voice(language, code))
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
    assert "*384*35711#" in say(Reason.NOT_PAID, Voice("en", "*384*35711#"))
    assert "*" not in say(Reason.NOT_PAID, Voice("en", None))
