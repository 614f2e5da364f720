"""What every test may ask for: real servers once per run, and a database of its own with empty tables.

`database_url` runs a test once per database. `pytest --databases sqlite` leaves PostgreSQL out on a machine without it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from core import config
from core.db import vault
from tests import services

DATABASES = ("sqlite", "postgresql")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--databases",
        default=",".join(DATABASES),
        help="which databases to test on, comma separated (default: %(default)s)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "first_database: long and the same everywhere, so told on one database only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = metafunc.config.getoption("--databases").split(",")
    if unknown := set(chosen) - set(DATABASES):
        raise pytest.UsageError(f"--databases knows {', '.join(DATABASES)}, not {', '.join(sorted(unknown))}")
    if "database_kind" in metafunc.fixturenames:
        once = metafunc.definition.get_closest_marker("first_database") is not None
        metafunc.parametrize("database_kind", chosen[:1] if once else chosen, scope="session")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server for this run: the URL of its `postgres` database, whose user may create others."""
    with services.postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server for this run."""
    with services.redis_server() as server:
        yield server.url


@pytest.fixture
def own_redis() -> Iterator[services.RedisServer]:
    """A Redis server for this test alone, to be stopped, emptied and started at will."""
    with services.redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    """The name of a database with all tables, to be copied."""
    with services.postgres_database(postgres_url) as url:
        services.create_tables(url)
        yield url.rpartition("/")[2]


@pytest.fixture(scope="session")
def washed_postgres_url(postgres_url: str, postgres_template: str) -> Iterator[str]:
    """One database with all tables, for test after test; `database_url` empties it before each."""
    with services.postgres_database(postgres_url, postgres_template) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "duka.db"
    services.create_tables(f"sqlite:///{path}")
    return path


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of this test's own, with all tables and no rows: once on SQLite, once on PostgreSQL."""
    if database_kind == "sqlite":
        path = tmp_path / "duka.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
    else:
        url = request.getfixturevalue("washed_postgres_url")
        services.wash(url)
        yield url


@pytest.fixture
def bare_database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of this test's own without any table: once on SQLite, once on PostgreSQL."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'bare.db'}"
    else:
        with services.postgres_database(request.getfixturevalue("postgres_url")) as url:
            yield url


@pytest.fixture(scope="session")
def secrets_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key file as `duka init` makes it, and the vault opened with it."""
    path = tmp_path_factory.mktemp("secrets") / "duka.key"
    path.write_text(Fernet.generate_key().decode() + "\n", encoding="ascii")
    vault.unlock([path.read_text(encoding="ascii").strip()])
    return path


@pytest.fixture
def settings(database_url: str, redis_url: str, secrets_key: Path) -> config.Settings:
    """Settings for this test's database, the run's Redis and a fresh key; every web port is the OS's choice."""
    return config.load(
        database={"url": database_url},
        redis={"url": redis_url},
        secrets={"key": f"file:{secrets_key}"},
        ussd={"port": 0},
        portal={"port": 0},
        radius={"auth_port": 0, "acct_port": 0},
    )
