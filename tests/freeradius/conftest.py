"""A PostgreSQL of its own, brought up by the migrations as an installation would be, and FreeRADIUS on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import Connection

from core import config, migrations
from core.db import make_engine
from tests import services
from tests.freeradius.house import House, open_house
from tests.freeradius_server import FreeRadius, freeradius_server


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """FreeRADIUS speaks to PostgreSQL only: what needs both is left out, and counted so, where that is not asked for."""
    if "postgresql" in config.getoption("--databases").split(","):
        return
    needing = [item for item in items if "migrated_template" in getattr(item, "fixturenames", ()) and _is_ours(item)]
    config.hook.pytest_deselected(items=needing)
    items[:] = [item for item in items if item not in needing]


def _is_ours(item: pytest.Item) -> bool:
    return Path(__file__).parent in item.path.parents


@pytest.fixture(scope="package")
def migrated_template(postgres_url: str) -> Iterator[str]:
    """The name of a database as `duka migrate` makes it, to be copied."""
    with services.postgres_database(postgres_url) as url:
        engine = make_engine(url)
        migrations.upgrade(engine)
        engine.dispose()
        yield url.rpartition("/")[2]


@pytest.fixture(scope="package")
def functions(postgres_url: str, migrated_template: str) -> Iterator[Connection]:
    """A connection to a database with our functions, and nothing in its tables."""
    with services.postgres_database(postgres_url, migrated_template) as url:
        engine = make_engine(url)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
        engine.dispose()


@pytest.fixture
def house(
    postgres_url: str, migrated_template: str, redis_url: str, secrets_key: Path, tmp_path: Path
) -> Iterator[House]:
    """An ISP with a router at 127.0.0.1, on a database of its own."""
    with services.postgres_database(postgres_url, migrated_template) as url:
        settings = config.load(database={"url": url}, redis={"url": redis_url}, secrets={"key": f"file:{secrets_key}"})
        with open_house(settings) as opened:
            yield opened


@pytest.fixture
def start(house: House, tmp_path: Path) -> Iterator[Callable[[str], FreeRadius]]:
    """Start a FreeRADIUS on the house's database; each has a name and a folder of its own."""
    with ExitStack() as stack:

        def started(name: str = "first") -> FreeRadius:
            return stack.enter_context(
                freeradius_server(house.url, tmp_path / name, key=house.app.settings.secrets.key)
            )

        yield started


@pytest.fixture
def server(start: Callable[[str], FreeRadius]) -> FreeRadius:
    """One running FreeRADIUS with its collector."""
    return start("first")
