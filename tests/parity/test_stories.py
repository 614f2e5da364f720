"""Every story of sessions, told to every server; and both servers, and both in turns, beside each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.parity.stories import STORIES
from tests.parity.telling import Told, as_case, differences

BY_NAME = {story.name: (number, story) for number, story in enumerate(STORIES)}
WHERE = (("embedded", "sqlite"), ("embedded", "postgresql"))
Stories = Callable[[str, str], dict[str, Told]]
assert len(BY_NAME) == len(STORIES)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = metafunc.config.getoption("--databases").split(",")
    if "where" in metafunc.fixturenames:
        metafunc.parametrize("where", [each for each in WHERE if each[1] in chosen], ids="-".join)


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
