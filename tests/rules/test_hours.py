"""Access hours: what an owner writes, what RADIUS counts, and what is told back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.catalog import BadHours, parse_hours, tell_hours
from core.catalog.hours import WEEK_MINUTES


@pytest.mark.parametrize(
    ("text", "minutes", "told"),
    [
        ("", "", "always"),
        ("always", "", "always"),
        ("Mo-Su 00:00-24:00", "", "always"),
        ("Mo 00:00-01:00", "0-60", "Mo 00:00-01:00"),
        ("Mo 08:00-20:00, Tu 08:00-20:00", "480-1200,1920-2640", "Mo Tu 08:00-20:00"),
        (
            "Mo-Fr 08:00-20:00, Sa 09:00-13:00",
            "480-1200,1920-2640,3360-4080,4800-5520,6240-6960,7740-7980",
            "Mo-Fr 08:00-20:00, Sa 09:00-13:00",
        ),
        (
            "monday to friday 8-20; SAT 9.00 - 13.00",
            "480-1200,1920-2640,3360-4080,4800-5520,6240-6960,7740-7980",
            "Mo-Fr 08:00-20:00, Sa 09:00-13:00",
        ),
        ("Mo,We 8-10, 14-16", "480-600,840-960,3360-3480,3720-3840", None),
        ("Mo 8-10, 9-12", "480-720", "Mo 08:00-12:00"),
        ("Mo 8-10, 10-12", "480-720", "Mo 08:00-12:00"),
        ("Tu 22:00-06:00", "2760-3240", "Tu 22:00-06:00"),
        ("Su 22:00-06:00", "0-360,9960-10080", "Su 22:00-06:00"),
        ("Sa-Mo 10-11", "600-660,7800-7860,9240-9300", "Mo 10:00-11:00, Sa Su 10:00-11:00"),
        ("Sa Su 0-24", "7200-10080", "Sa Su 00:00-24:00"),
    ],
)
def test_hours_are_read_as_people_write_them(text: str, minutes: str, told: str | None) -> None:
    assert parse_hours(text) == minutes
    assert told is None or tell_hours(minutes) == told


def test_a_time_without_a_day_is_every_days() -> None:
    assert parse_hours("08:00-20:00") == parse_hours("daily 8-20") == parse_hours("Mo-Su 8-20")
    assert tell_hours(parse_hours("8-20")) == "daily 08:00-20:00"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Mo", "no time for Mo"),
        ("Mo 8-20, Sa", "no time for Sa"),
        ("weekdays 8-20", "'weekdays 8-20' is neither"),
        ("Mo 8-25", "25:00 is no time of day"),
        ("Mo 8:75-9", "8:75 is no time of day"),
        ("Mo 8-8", "no span of time"),
        ("Mo 24:00-08:00", "no span of time"),
        ("Mo 8", "'8' is neither"),
        (",", "there is no time"),
        ("8-9 " * 200, "too long"),
    ],
)
def test_what_is_not_understood_is_said_with_an_example(text: str, what: str) -> None:
    with pytest.raises(BadHours) as refused:
        parse_hours(text)
    assert what in str(refused.value.facts["what"])
    assert "Mo-Fr 08:00-20:00" in str(refused.value.facts["hint"])


@given(st.sets(st.integers(0, WEEK_MINUTES), max_size=24))
def test_whatever_hours_there_are_telling_and_reading_them_gives_them_back(edges: set[int]) -> None:
    sorted_edges = sorted(edges)
    pairs = zip(sorted_edges[::2], sorted_edges[1::2], strict=False)
    hours = ",".join(f"{begin}-{end}" for begin, end in pairs)
    whole = hours == f"0-{WEEK_MINUTES}"
    assert parse_hours(tell_hours(hours)) == ("" if whole else hours)
