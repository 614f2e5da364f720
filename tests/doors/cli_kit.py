"""A machine on which somebody types `duka …`, for the tests of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner, Result

from cli.__main__ import app as duka
from core.app import open_app
from core.config import Settings, load
from core.uow import UnitOfWork

CALLER = "+254712000001"
OPEN = (
    "--slug",
    "shore",
    "--name",
    "Shore WiFi",
    "--country",
    "KE",
    "--currency",
    "KES",
    "--timezone",
    "Africa/Nairobi",
)


@dataclass
class Box:
    """A machine on which somebody types `duka …`: a folder, a configuration, an environment."""

    folder: Path
    env: dict[str, str]

    def run(self, *words: str, typed: str = "", **env: str) -> Result:
        return CliRunner().invoke(duka, list(words), input=typed, env=self.env | env)

    def does(self, *words: str, typed: str = "", **env: str) -> str:
        """What it says; it must succeed."""
        result = self.run(*words, typed=typed, **env)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def fails(self, *words: str, typed: str = "", status: int = 1, **env: str) -> str:
        """What it complains about, in one line; it must end with `status` and without a traceback."""
        result = self.run(*words, typed=typed, **env)
        assert result.exit_code == status, (result.output, result.exception)
        assert "Traceback" not in result.output
        return result.output

    @property
    def settings(self) -> Settings:
        before = {name: os.environ.get(name) for name in self.env}
        os.environ.update(self.env)
        try:
            return load()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    @contextmanager
    def work(self, tenant_id: int | None) -> Iterator[UnitOfWork]:
        """A visit of our own to the same installation."""
        app = open_app(self.settings)
        try:
            with app.work(tenant_id) as uow:
                yield uow
        finally:
            app.close()


def make_box(folder: Path, database_url: str, redis_url: str, key: Path) -> Box:
    """A fresh machine: a configuration and an empty database, nothing else."""
    config = folder / "config.toml"
    config.write_text(
        f'[database]\nurl = "{database_url}"\n[redis]\nurl = "{redis_url}"\n'
        f'[secrets]\nkey = "file:{key}"\n[ussd]\nport = 0\n[portal]\nport = 0\n',
        encoding="utf-8",
    )
    return Box(folder, {"DUKA_CONFIG": str(config), "COLUMNS": "200"})
