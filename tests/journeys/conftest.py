"""A town for each story, on each database; and one running service for all stories that kill processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config import Settings
from tests.journeys.running import RunningTown
from tests.journeys.service import open_running_town
from tests.town import Town, open_town


@pytest.fixture
def town(settings: Settings) -> Iterator[Town]:
    with open_town(settings) as town:
        yield town


@pytest.fixture(scope="package")
def service(database_kind: str, secrets_key: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTown]:
    """Real processes on one kind of database. Starting them takes a while, so stories share them."""
    with open_running_town(database_kind, tmp_path_factory.mktemp("service"), secrets_key) as town:
        yield town


@pytest.fixture
def running_town(service: RunningTown) -> Iterator[RunningTown]:
    """The service at the beginning of a story; what its processes said is shown when the story fails."""
    service.begin_story()
    yield service
    print(service.last_words())
