"""The tables' history: how an installation of any age becomes today's, without losing a row.

Used by `duka migrate` and by tests; core itself never looks here. A new revision is made by `make migration m="why"`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, DefaultClause, Engine

from core import audit, dialogs, heartbeats, inbox, outbox, radius_tables  # noqa: F401 (imported for their tables)
from core.app import METADATA

FOLDER = Path(__file__).parent
LOCK_NUMBER = 3_852_684_513
"""PostgreSQL's advisory lock for migrating: two installers at once follow each other."""


class BrokenReference(RuntimeError):
    """After a migration some row on SQLite points at a row that is not there; nothing was changed."""


def upgrade(engine: Engine, to: str = "head") -> None:
    """Bring the tables to `to`. All or nothing; harmless to repeat. Raises SQLAlchemy's errors when it cannot be done."""
    run(engine, command.upgrade, to)


def downgrade(engine: Engine, to: str) -> None:
    """Take the tables back to `to` (`base`: no tables). Data of what is dropped is lost."""
    run(engine, command.downgrade, to)


def current(engine: Engine) -> str | None:
    """Which revision the tables have; None for a database that was never migrated."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The newest revision this program knows."""
    newest = ScriptDirectory.from_config(configuration()).get_current_head()
    assert newest is not None, "there is at least one revision"
    return newest


def differences(engine: Engine) -> list[object]:
    """Where the tables are not what this program expects, as alembic's operations. Empty after `upgrade`, or it is a bug."""
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": other_default, "include_object": comparable}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


def other_default(
    context: MigrationContext, _found: object, _wanted: object, found: str | None, wanted: object, _rendered: str | None
) -> bool | None:
    """Whether a column's default differs. SQLite shows them in quotes and brackets, which alembic takes for a difference."""
    if context.dialect.name != "sqlite":
        return None
    expected = str(wanted.arg) if isinstance(wanted, DefaultClause) else ""
    return (found or "").strip("()'") != expected.strip("()'")


def comparable(item: object, _name: object, _kind: object, _found: bool, other: object | None) -> bool:
    """Whether alembic can compare this with what is in the database: of a column that the database computes it only knows
    whether it is there."""
    return not (isinstance(item, Column) and item.computed is not None and other is not None)


def configuration() -> Config:
    """Alembic's configuration, made here instead of in a file: there is nothing in it that anybody should edit."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    made.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return made


def run(engine: Engine, order: Callable[[Config, str], object], to: str) -> None:
    """Carry out one of alembic's commands in a single transaction, with references unchecked until its end."""
    config = configuration()
    with engine.connect() as connection:
        sqlite = engine.dialect.name == "sqlite"
        if sqlite:
            _check_references(connection, on=False)  # a table that is rebuilt must not take its children with it
        try:
            with connection.begin():
                if not sqlite:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})")
                config.attributes["connection"] = connection
                order(config, to)
                if sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise BrokenReference("a row points at a row that is not there")
        finally:
            if sqlite:
                _check_references(connection, on=True)


def _check_references(connection: Connection, *, on: bool) -> None:
    """SQLite hears this outside transactions only, so it is said to the driver itself."""
    driver = connection.connection.dbapi_connection
    assert driver is not None
    cursor = driver.cursor()
    cursor.execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}")
    cursor.close()
