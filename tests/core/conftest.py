"""One ISP per test of a verb."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.config import Settings
from tests.core.kit import Shop, open_shop


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    shop = open_shop(settings)
    yield shop
    shop.app.close()
