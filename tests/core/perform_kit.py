"""What `perform` is tested with: an app whose clock is moved, a world in trouble, and one promise to keep."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.app import App
from core.clock import FrozenClock
from core.config import Settings
from jobs.job import by_task
from jobs.perform import perform
from tests.plumbing import Rehearsal, opened


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def app(settings: Settings, clock: FrozenClock) -> Iterator[App]:
    with opened(settings, clock) as app:
        yield app


class Trouble:
    """A world that fails in a chosen way, as often as it is asked."""

    def __init__(self, error: BaseException, times: int = 10**6) -> None:
        self.error, self.times = error, times

    def __call__(self, number: int) -> str:
        if self.times:
            self.times -= 1
            raise self.error
        return "done at last"


def keep(app: App, job: Rehearsal, promise_id: int) -> None:
    perform(app, by_task([job]), promise_id)
