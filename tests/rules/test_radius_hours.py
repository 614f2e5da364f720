"""Access hours: by the wall clock, to the second, also on the days on which the clock is changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.network.hours import DAY_MINUTES, WEEK_MINUTES, Windows, open_until, read_hours, read_zone

NAIROBI, BERLIN = ZoneInfo("Africa/Nairobi"), ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 16, tzinfo=NAIROBI)
OFFICE = read_hours("480-1200,1920-2640")


def seconds(windows: Windows, zone: ZoneInfo, now: datetime) -> int | None:
    """How long it is still allowed; 0 outside, None for ever."""
    until = open_until(windows, zone, now.astimezone(UTC))
    return None if until is None else int((until - now).total_seconds())


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (timedelta(hours=7, minutes=59, seconds=59), 0),
        (timedelta(hours=8), 12 * 3600),
        (timedelta(hours=19, minutes=59, seconds=59), 1),
        (timedelta(hours=20), 0),
        (timedelta(days=1, hours=8), 12 * 3600),
        (timedelta(days=2, hours=9), 0),
    ],
)
def test_hours_begin_and_end_to_the_second(at: timedelta, expected: int) -> None:
    assert seconds(OFFICE, NAIROBI, MONDAY + at) == expected


def test_the_week_has_no_seam() -> None:
    weekend = read_hours("0-300,9000-10080")
    sunday = MONDAY + timedelta(days=6, hours=23)
    assert seconds(weekend, NAIROBI, sunday) == 6 * 3600
    assert seconds(weekend, NAIROBI, MONDAY) == 5 * 3600
    assert seconds(read_hours("9000-10080"), NAIROBI, sunday) == 3600


def test_the_whole_week_never_ends() -> None:
    assert seconds(read_hours("0-10080"), NAIROBI, MONDAY) is None


def test_the_same_hours_are_other_hours_elsewhere() -> None:
    nine_in_nairobi = MONDAY + timedelta(hours=9)
    assert seconds(OFFICE, NAIROBI, nine_in_nairobi) == 11 * 3600
    assert seconds(OFFICE, BERLIN, nine_in_nairobi) == 0


SUNDAY = 6 * DAY_MINUTES
SPRING, AUTUMN = datetime(2027, 3, 28, tzinfo=BERLIN), datetime(2026, 10, 25, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("day", "window", "at_utc", "expected"),
    [
        # the night of spring has no 02:00 to 03:00: from midnight to six are five hours
        (SPRING, (0, 360), timedelta(hours=-1), 5 * 3600),
        (SPRING, (0, 150), timedelta(minutes=30), 1800),  # half past two never comes: over at three, which follows two
        (SPRING, (0, 120), timedelta(minutes=30), 1800),
        (SPRING, (150, 240), timedelta(hours=1), 3600),  # it is three already, and half past two has been
        (SPRING, (150, 240), timedelta(minutes=59), 0),
        # the night of autumn has 02:00 to 03:00 twice: from midnight to six are seven hours
        (AUTUMN, (0, 360), timedelta(hours=-2), 7 * 3600),
        (AUTUMN, (0, 150), timedelta(hours=-2), 9000),  # over when half past two is shown for the first time …
        (AUTUMN, (0, 150), timedelta(hours=1), 1800),  # … and open again for the second half hour after two
        (AUTUMN, (150, 300), timedelta(minutes=45), 900),  # a quarter to three, then two again: closed until half past
        (AUTUMN, (150, 300), timedelta(hours=1), 0),
        (AUTUMN, (150, 300), timedelta(hours=1, minutes=30), 3 * 3600 + 1800 - 3600),
    ],
)
def test_hours_move_with_the_wall_clock(
    day: datetime, window: tuple[int, int], at_utc: timedelta, expected: int
) -> None:
    now = datetime(day.year, day.month, day.day, tzinfo=UTC) + at_utc
    windows = ((SUNDAY + window[0], SUNDAY + window[1]),)
    assert seconds(windows, BERLIN, now) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "480", "480-", "480-480", "1200-480", "480-1200,", "480-1200,1200-1300", "480-1200,600-700", "900-1000,480-600",
        "0-10081", "-1-5", "480 - 1200", "480-1200;", "٤٨٠-1200", "480-1200\n",
    ],
)  # fmt: skip
def test_hours_that_are_not_clear_are_not_guessed(text: str) -> None:
    with pytest.raises(ValueError):
        read_hours(text)


@pytest.mark.parametrize("name", ["", "Nowhere/Land", "../etc/passwd", "/etc/passwd", "africa\0", "Africa"])
def test_a_zone_nobody_knows_is_not_guessed(name: str) -> None:
    with pytest.raises(ValueError):
        read_zone(name)


MINUTES = st.lists(st.integers(0, WEEK_MINUTES), min_size=2, max_size=8, unique=True).map(sorted)


@given(
    MINUTES,
    st.integers(0, 3 * 365 * 86_400),
    st.sampled_from(["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe"]),
)
def test_the_end_is_the_first_moment_that_the_clock_shows_as_closed(
    edges: list[int], after: int, zone_name: str
) -> None:
    windows = tuple(zip(edges[::2], edges[1::2], strict=False))
    zone, now = ZoneInfo(zone_name), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=after)

    def is_open(moment: datetime) -> bool:
        local = moment.astimezone(zone)
        minute = local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in windows)

    until = open_until(windows, zone, now)
    if until is None:
        assert windows == ((0, WEEK_MINUTES),)
        return
    assert not is_open(until)
    step = max((until - now) / 50, timedelta(seconds=1))
    moment = now
    while moment < until:
        assert is_open(moment)
        moment += step
    assert until == now or is_open(until - timedelta(seconds=1))
