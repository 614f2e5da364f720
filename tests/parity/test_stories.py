"""Every story of sessions, told to every server; and both servers, and both in turns, beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.parity.stories import STORIES
from tests.parity.table import SECONDS_TOLERANCE
from tests.parity.telling import TIMES, Told, as_case, differences

BY_NAME = {story.name: (number, story) for number, story in enumerate(STORIES)}
Stories = Callable[[str, str], dict[str, Told]]
assert len(BY_NAME) == len(STORIES)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_stories(stories: Stories, where: tuple[str, str], name: str) -> None:
    number, story = BY_NAME[name]
    told = stories(*where)[name]
    case = as_case(story, number)
    assert told.unanswered == [place for place, report in enumerate(story.reports) if not report.answered]
    assert len(told.sessions) == len(story.known), told.sessions
    for known, row in zip(story.known, told.sessions, strict=True):
        assert differences(known, case, row) == []
    if story.rows:
        assert told.charged == story.charged
    up, down = (sum(getattr(known, side) for known in story.known) for side in ("up", "down"))
    assert (sum(day["input_bytes"] for day in told.days), sum(day["output_bytes"] for day in told.days)) == (up, down)


@pytest.mark.parametrize("name", BY_NAME)
def test_two_servers_one_memory(stories: Stories, both: str, name: str) -> None:
    """Column by column; and the same again when every packet goes to the other server than the one before."""
    ours, theirs, in_turns = (stories(server, both)[name] for server in ("embedded", "freeradius", "in turns"))
    for told in (theirs, in_turns):
        assert len(told.sessions) == len(ours.sessions)
        for row, other in zip(ours.sessions, told.sessions, strict=True):
            for column in TIMES:
                assert _near(row[column], other[column]), column
            assert _without(row, *TIMES) == _without(other, *TIMES)
        assert _whole(told.days) == _whole(ours.days)
        assert told.charged == ours.charged
        assert told.unanswered == ours.unanswered


def _whole(days: list[dict[str, Any]]) -> Counter[tuple[object, ...]]:
    """What was used by whom, whichever days it fell on: somewhere it becomes midnight between two tellings."""
    used: Counter[tuple[object, ...]] = Counter()
    for day in days:
        for column in ("input_bytes", "output_bytes", "seconds", "sessions"):
            used[day["tenant_id"], day["username"], day["subscription_id"], column] += day[column]
    return used


def _near(one: int | None, other: int | None) -> bool:
    return one == other if one is None or other is None else abs(one - other) <= SECONDS_TOLERANCE


def _without(row: dict[str, object], *columns: str) -> dict[str, object]:
    return {column: value for column, value in row.items() if column not in columns}
