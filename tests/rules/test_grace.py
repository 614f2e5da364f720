"""Time after the end: who renews in it has used it already; who is reminded, and of what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.subscriptions.rules import Begin, Extend, Offer, Term, first_reminder, remaining, reminder, stack

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DAY = Offer(1, 86_400, None)
HOUR = Offer(2, 3600, None)


def ended(hours: float, *, grace_hours: float = 12, package: int = 1) -> Term:
    """A day's package that ended so many hours ago."""
    ends_at = NOW - timedelta(hours=hours)
    over_at = ends_at + timedelta(hours=grace_hours)
    return Term(7, package, ends_at - timedelta(days=1), ends_at, None, 0, usable=True, over_at=over_at)


def test_renewing_in_grace_starts_at_the_old_end() -> None:
    term = ended(3)
    assert stack([term], DAY, NOW) == Extend(7, NOW + timedelta(hours=21), None, timedelta(days=1))


def test_another_package_in_grace_starts_at_the_old_end_too() -> None:
    assert stack([ended(3, package=9)], DAY, NOW) == Begin(NOW - timedelta(hours=3), NOW + timedelta(hours=21))


def test_grace_never_eats_more_than_half_of_what_is_bought() -> None:
    assert stack([ended(3)], HOUR, NOW) == Begin(NOW - timedelta(minutes=30), NOW + timedelta(minutes=30))


def test_after_grace_everything_begins_anew() -> None:
    assert stack([ended(12)], DAY, NOW) == Begin(NOW, NOW + timedelta(days=1))


def test_what_was_bought_in_grace_is_lengthened_and_not_what_it_followed() -> None:
    follows = Term(8, 2, NOW - timedelta(hours=3), NOW + timedelta(hours=1), None, 0)
    place = stack([ended(3), follows], DAY, NOW)
    assert place == Begin(follows.ends_at, follows.ends_at + timedelta(days=1))


def test_time_in_grace_is_not_time_left() -> None:
    assert remaining([ended(3)], NOW).seconds == 0


@given(st.integers(0, 43_199), st.sampled_from([DAY, HOUR, Offer(1, 600, None)]))
def test_whoever_pays_in_grace_has_time(seconds: int, offer: Offer) -> None:
    term = ended(seconds / 3600)
    term = Term(7, 1, term.starts_at, term.ends_at, None, 0, usable=True, over_at=NOW + timedelta(seconds=1))
    place = stack([term], offer if offer.package_id != 1 else DAY, NOW)
    assert place.ends_at > NOW


HOURS = timedelta(hours=1)


@pytest.mark.parametrize(
    ("bought", "grace", "expected"),
    [
        (timedelta(days=30), 0, -24),
        (timedelta(days=2), 0, -24),
        (timedelta(hours=47), 0, -2),
        (timedelta(hours=6), 0, -2),
        (timedelta(hours=5), 0, None),
        (timedelta(hours=3), 1, 0),
    ],
)
def test_only_who_has_bought_enough_is_reminded(bought: timedelta, grace: int, expected: int | None) -> None:
    ends_at = NOW + bought
    due = first_reminder(bought, ends_at, ends_at + grace * HOURS)
    assert due == (None if expected is None else ends_at + expected * HOURS)


@pytest.mark.parametrize(
    ("left_hours", "grace_hours", "said", "next_in_hours"),
    [
        (24, 0, "day", 22),
        (3, 0, "day", 1),
        (2, 0, "hours", None),
        (1, 6, "hours", 1),
        (0, 6, "grace", None),
        (-6, 6, None, None),
        (0, 0, None, None),
    ],
)
def test_a_reminder_says_what_is_true_when_it_goes_out(
    left_hours: int, grace_hours: int, said: str | None, next_in_hours: int | None
) -> None:
    ends_at = NOW + left_hours * HOURS
    words, next_at = reminder(ends_at, ends_at + grace_hours * HOURS, NOW)
    assert words == said
    assert next_at == (None if next_in_hours is None else NOW + next_in_hours * HOURS)
