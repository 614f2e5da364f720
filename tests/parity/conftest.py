"""The table is played once per server and database; each case then tells for itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core import config
from tests import services
from tests.parity.cases import TABLE
from tests.parity.once import Once
from tests.parity.servers import WHERE
from tests.parity.stories import STORIES
from tests.parity.telling import tell_all
from tests.parity.world import World, open_world


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = metafunc.config.getoption("--databases").split(",")
    if "where" in metafunc.fixturenames:
        metafunc.parametrize("where", [each for each in WHERE if each[1] in chosen], ids="-".join)
    if "both" in metafunc.fixturenames:
        metafunc.parametrize("both", ["postgresql"] if "postgresql" in chosen else [])


@pytest.fixture(scope="package")
def worlds(
    request: pytest.FixtureRequest, secrets_key: Path, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], World]]:
    """The world on a kind of database, opened when it is first asked for."""
    with ExitStack() as stack:
        opened: dict[str, World] = {}

        def world(kind: str) -> World:
            if kind not in opened:
                if kind == "sqlite":
                    path = tmp_path_factory.mktemp("parity") / "duka.db"
                    shutil.copy(request.getfixturevalue("sqlite_template"), path)
                    url = f"sqlite:///{path}"
                else:
                    server, template = (
                        request.getfixturevalue("postgres_url"),
                        request.getfixturevalue("postgres_template"),
                    )
                    url = stack.enter_context(services.postgres_database(server, template))
                settings = config.load(
                    database={"url": url}, redis={"url": redis_url}, secrets={"key": f"file:{secrets_key}"}
                )
                opened[kind] = stack.enter_context(open_world(settings))
            return opened[kind]

        yield world


@pytest.fixture(scope="package")
def answers(worlds: Callable[[str], World]) -> Once:
    """What a server on a kind of database answered to the whole table."""
    return Once(worlds, lambda world, servers: world.play(servers[0], TABLE))


@pytest.fixture(scope="package")
def stories(worlds: Callable[[str], World]) -> Once:
    """What a server on a kind of database knew after each story."""
    return Once(worlds, lambda world, servers: tell_all(world, servers, STORIES))
