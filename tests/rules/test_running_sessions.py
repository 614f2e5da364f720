"""What a running session may be like now, where a router's tables differ from it, and what new rows mean for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.network.policy import Entitlement, RadiusUser
from core.network.running import (
    ANEW,
    HIDDEN,
    LIVE,
    NOTHING_NEW,
    Terms,
    misfits,
    news,
    spelled,
    terms_of,
    window_seconds,
)
from core.ports import Access, RunningSession
from sim.routeros.grants import parse_rate

NOW = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)  # a Wednesday, noon in Nairobi
EPOCH = int(NOW.timestamp())
TERMS = Terms(
    subscription_id=7, seconds_left=3600, session_seconds=None, bytes_left=None, rate="2M/5M", address=None,
    address_lists=frozenset(), further=(),
)  # fmt: skip
SEEN = RunningSession(
    service="hotspot", user="02:00:5E:10:A1:B2", mac="02:00:5E:10:A1:B2", address="10.20.0.2", session_id="",
    uptime_seconds=100, seconds_left=3600, limit_bytes_total=None, rate="2000000/5000000 0/0 0/0 0s/0s 8 0/0",
    address_lists=frozenset(), row_id="*1",
)  # fmt: skip


def rows(*replies: tuple[str, str], ends: int = EPOCH + 3600, **user: Any) -> Entitlement:
    return Entitlement([("Expiration", str(ends))], list(replies), RadiusUser(subscription_id=7, **user))


# ---- what may be now ---------------------------------------------------------------------------------------------------


def test_terms_are_what_a_login_would_get_now() -> None:
    said = rows(
        ("Mikrotik-Rate-Limit", "1M/1M"), ("Framed-IP-Address", "10.9.9.9"), ("Mikrotik-Address-List", "a"),
        ("Mikrotik-Address-List", "b"), ("Idle-Timeout", "60"), ("Session-Timeout", "900"), metered=True, remaining_bytes=5,
    )  # fmt: skip
    assert terms_of(said, NOW) == Terms(
        7, 3600, 900, 5, "1M/1M", "10.9.9.9", frozenset({"a", "b"}), (("Idle-Timeout", "60"),)
    )


@pytest.mark.parametrize(
    "said",
    [
        None,
        Entitlement([("Expiration", str(EPOCH + 9))], [], None),
        rows(ends=EPOCH),
        rows(blocked="suspended"),
        rows(metered=True, remaining_bytes=0),
        rows(metered=True, remaining_bytes=None),
        rows(hours="0-60"),
        Entitlement([("Expiration", "07 Jun 2036")], [], RadiusUser()),
    ],
    ids=["no rows", "stock rows only", "expired", "blocked", "used up", "quota unknown", "out of hours", "unreadable"],
)
def test_who_would_be_rejected_now_has_no_terms(said: Entitlement | None) -> None:
    assert terms_of(said, NOW) is None


@pytest.mark.parametrize(
    ("hours", "zone", "at", "seconds"),
    [
        ("", "UTC", NOW, None),
        ("0-10080", "UTC", NOW, None),
        ("3360-3480", "UTC", NOW, 3600 * 1),  # Wednesday 08:00 to 10:00
        ("3360-3420", "UTC", NOW, 0),  # to 09:00, exclusive
        ("3420-3421", "UTC", NOW, 60),
        ("3600-3660", "Africa/Nairobi", NOW, 3600),
        ("0-60,9960-10080", "UTC", datetime(2026, 3, 8, 23, 59, 30, tzinfo=UTC), 3630),  # Sunday night into Monday
        (
            "8640-9000",
            "Europe/Berlin",
            datetime(2026, 3, 29, 0, 30, tzinfo=UTC),
            3 * 3600 + 1800,
        ),  # the clock goes forward
        # … and never shows half past two: over at the change, as at the door
        ("8640-8790", "Europe/Berlin", datetime(2026, 3, 29, 0, 30, tzinfo=UTC), 1800),
    ],
)
def test_access_hours_end_by_the_wall_clock(hours: str, zone: str, at: datetime, seconds: int | None) -> None:
    assert window_seconds(hours, zone, at) == seconds


def test_a_session_of_limited_length_has_what_is_left_of_its_own_length() -> None:
    short = replace(TERMS, session_seconds=900)
    assert [short.seconds_after(lasted) for lasted in (0, 600, 5000)] == [900, 300, 1]
    assert "time" not in misfits(replace(SEEN, uptime_seconds=600, seconds_left=300), short, 0)


# ---- where a session differs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "terms", "found"),
    [
        ({}, {}, set()),
        ({"seconds_left": 3541}, {}, set()),
        ({"seconds_left": 3539}, {}, {"time"}),
        ({"seconds_left": 3661}, {}, {"time"}),
        ({"seconds_left": None}, {}, {"time"}),
        ({"service": "ppp", "seconds_left": None}, {}, set()),
        ({"service": "dhcp", "seconds_left": 60}, {}, set()),
        ({"service": "dhcp", "seconds_left": 3700}, {}, {"time"}),
        ({"rate": ""}, {}, {"rate"}),
        ({}, {"rate": None}, {"rate"}),
        ({}, {"rate": None, "further": (("Mikrotik-Group", "gold"),)}, set()),
        ({}, {"rate": "1M/1M"}, {"rate"}),
        ({"rate": "2M/5M 4M/9M 2M/5M 16s/16s 3 0/0"}, {"rate": "2M/5M 4M/9M 2M/5M 16/16 3"}, set()),
        ({"rate": "2M/5M 4M/9M 2M/5M 16s/16s 3 0/0"}, {"rate": "2M/5M 4M/9M 2M/5M 8/8 3"}, {"rate"}),
        ({"limit_bytes_total": 10**9}, {}, {"bytes"}),
        ({}, {"bytes_left": 5}, {"bytes"}),
        ({"limit_bytes_total": 10**9}, {"bytes_left": 7 * 10**8}, set()),
        ({"limit_bytes_total": 10**9}, {"bytes_left": 17 * 10**8}, {"bytes"}),
        ({"limit_bytes_total": 10**9}, {"bytes_left": 10**8}, set()),
        ({}, {"address_lists": frozenset({"homes"})}, {"lists"}),
        ({"address_lists": frozenset({"homes", "other"})}, {"address_lists": frozenset({"homes"})}, set()),
        ({}, {"address": "10.20.0.2"}, set()),
        ({}, {"address": "10.20.0.9"}, {"address"}),
    ],
)
def test_what_a_router_shows_is_compared_with_the_terms(
    change: dict[str, Any], terms: dict[str, Any], found: set[str]
) -> None:
    assert misfits(replace(SEEN, **change), replace(TERMS, **terms), reported_bytes=3 * 10**8) == found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2M/5M", "2000k/5000000"),
        ("2M", "2M/2M"),
        ("2M/5M", "2M/5M 0/0 0/0 0s/0s 8 0/0"),
        ("2M/5M 4M/8M", "2M/5M 4M/8M 2M/5M 1/1 8"),
        ("2M/5M 2M/5M 2M/5M 1/1 3", "2M/5M 0/0 0/0 0/0 3"),
        ("2M/5M 4M/8M 2M/5M 90/90", "2M/5M 4M/8M 2M/5M 1m30s/1m30s"),
        ("", "0/0 0/0 0/0 0s/0s 8 0/0"),
    ],
)
def test_two_spellings_of_one_rate(one: str, other: str) -> None:
    assert spelled(one) == spelled(other)


@pytest.mark.parametrize("rate", ["fast", "2M/5M x", "-1/1", "1M/1M 1M 1M 1 8 1M 9"])
def test_what_is_no_rate_is_not_compared(rate: str) -> None:
    with pytest.raises(ValueError, match="rate"):
        spelled(rate)


SIDES = st.integers(1, 10**6).map(lambda kbps: f"{kbps}k")
PAIRS = st.builds("{}/{}".format, SIDES, SIDES)


@given(PAIRS, PAIRS, PAIRS, st.integers(1, 600), st.integers(1, 8), PAIRS, st.integers(1, 6))
def test_a_rate_reads_the_same_in_an_order_and_in_the_queue_it_makes(
    limit: str, burst: str, threshold: str, seconds: int, priority: int, guaranteed: str, parts: int
) -> None:
    rate = " ".join([limit, burst, threshold, f"{seconds}/{seconds}", str(priority), guaranteed][:parts])
    queue = parse_rate(rate).queue_values()
    shown = [queue[name] for name in ("max-limit", "burst-limit", "burst-threshold", "burst-time")]
    assert spelled(" ".join([*shown, queue["priority"].partition("/")[0], queue["limit-at"]])) == spelled(rate)


# ---- what new rows mean ------------------------------------------------------------------------------------------------

BEFORE = rows(("Mikrotik-Rate-Limit", "2M/5M"), ("Class", "duka:7"), ("Acct-Interim-Interval", "300"))
SAME = Access("x", allowed=True, expires_at=NOW + timedelta(hours=1), upload_kbps=2000, download_kbps=5000)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, NOTHING_NEW),
        ({"interim_seconds": 60}, NOTHING_NEW),
        ({"allowed": False}, NOTHING_NEW),
        ({"expires_at": NOW + timedelta(hours=2)}, LIVE),
        ({"hours": "0-600"}, LIVE),
        ({"upload_kbps": 1000}, LIVE),
        ({"replies": (("Idle-Timeout", "60"),)}, HIDDEN),
        ({"replies": (("Mikrotik-Group", "gold"),), "upload_kbps": 1000}, HIDDEN),
        ({"replies": (("Framed-Pool", "homes"),)}, ANEW),
        ({"upload_kbps": None, "download_kbps": None}, ANEW),
        ({"replies": (("Mikrotik-Address-List", "homes"), ("Idle-Timeout", "60"))}, ANEW),
    ],
)
def test_new_rows_say_what_becomes_of_sessions_that_run(change: dict[str, Any], word: str) -> None:
    assert news(BEFORE, replace(SAME, **change)) == word


def test_a_limit_that_is_taken_away_needs_a_new_login() -> None:
    assert news(rows(*BEFORE.reply, ("Idle-Timeout", "60")), SAME) == ANEW


def test_without_rows_before_there_is_nothing_to_compare() -> None:
    assert news(None, SAME) == NOTHING_NEW
