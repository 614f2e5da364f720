"""A town for each story, on each database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.config import Settings
from tests.town import Town, open_town


@pytest.fixture
def town(settings: Settings) -> Iterator[Town]:
    with open_town(settings) as town:
        yield town
