"""One statement for many rows, written for the driver: what the busiest paths say to the database.

Inside `unawaited` nobody waits for PostgreSQL: it works on one statement while the next is put together.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

_PLACE = re.compile(r"(?<!:):(\w+)")


class Outcome(Protocol):
    """What a statement has done. To look at it is to wait for it."""

    def fetchall(self) -> Sequence[Any]:
        """The rows that it gives."""
        ...

    @property
    def rowcount(self) -> int:
        """How many rows it changed; known when it has been waited for."""
        ...


@dataclass(frozen=True, slots=True)
class _Done:
    """What is known at once."""

    rows: Sequence[Any] = ()
    rowcount: int = 0

    def fetchall(self) -> Sequence[Any]:
        return self.rows


NOTHING: Outcome = _Done()
"""Of a statement that had no rows to run for."""


@contextmanager
def unawaited(connection: Connection) -> Iterator[None]:
    """What `ask` and `Many` send in this block goes to PostgreSQL as one stream (libpq's pipeline mode); SQLite has done
    each when it is said.

    At the end of the block, and wherever rows are fetched, everything said so far is waited for. There, at the latest, an error
    of any of it is raised, as SQLAlchemy's `DBAPIError`; what was said behind it has not been done. Nothing else may use
    the connection meanwhile.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    dialect = connection.dialect
    try:
        with _driver(connection).pipeline():
            yield
    except dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(
            "one of a stream", None, error, dialect.loaded_dbapi.Error, hide_parameters=True, dialect=dialect
        ) from error


def ask(connection: Connection, text: str, values: Mapping[str, Any]) -> Outcome:
    """Say one statement that gives rows, in the words of the driver; inside `unawaited`."""
    if connection.dialect.name == "postgresql":
        return _driver(connection).cursor().execute(text, values)  # type: ignore[no-any-return]
    return _Done(connection.exec_driver_sql(text, values).fetchall())


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


class Many:
    """A statement that is run for many rows. A row is a tuple with a value for each of `columns`, in their order.

    In its text `:column` is a value of the row, and `{rows}` the place where the rows come from. PostgreSQL is sent each column
    as one array: `FROM unnest(…) AS v`, and `v.column`. On SQLite nothing stands there: to it there is no way to go, so it
    runs the statement for each row, which is faster than taking a list apart.
    """

    def __init__(self, text: str, **columns: str) -> None:
        """`columns`: name → type in PostgreSQL."""
        self._names = list(columns)
        self._as_text = [(at, _TEXT[kind]) for at, kind in enumerate(columns.values()) if kind in _TEXT]
        arrays = ", ".join(f"%({name}){'t' if kind in _WRITTEN else 'b'}::{kind}[]" for name, kind in columns.items())
        self._arrays = [(name, _WRITTEN.get(kind, list)) for name, kind in columns.items()]
        rows = f"FROM unnest({arrays}) AS v ({', '.join(columns)})"
        self._postgresql = _PLACE.sub(r"v.\1", text).format(rows=rows)
        self._sqlite = _PLACE.sub(lambda place: f"?{self._names.index(place[1]) + 1}", text).format(rows="")

    def run(self, connection: Connection, rows: Collection[Sequence[Any]]) -> Outcome:
        """Say it for these rows, inside `unawaited`. What it returns about them is known on PostgreSQL only."""
        if not rows:
            return NOTHING
        columns: list[Any] = list(zip(*rows, strict=True))
        if connection.dialect.name == "postgresql":
            arrays = zip(self._arrays, columns, strict=True)
            return ask(connection, self._postgresql, {name: array(column) for (name, array), column in arrays})
        for at, text_of_value in self._as_text:
            columns[at] = [value and text_of_value(value) for value in columns[at]]
        return _Done(rowcount=connection.exec_driver_sql(self._sqlite, list(zip(*columns, strict=True))).rowcount)


def numbers(values: Iterable[int]) -> str:
    """An array of numbers as PostgreSQL reads it: a third of what it costs to let the driver take a list apart."""
    return "{" + ",".join(map(str, values)) + "}"


def texts(values: Iterable[str | None]) -> str:
    """The same of texts and addresses, some of which may be missing."""
    escaped = [
        "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values
    ]
    return "{" + ",".join(escaped) + "}"


def moment_of(value: Any) -> datetime | None:
    """A moment as the driver gave it: SQLite keeps text."""
    return datetime.fromisoformat(f"{value}+00:00") if isinstance(value, str) else value


def text_of(moment: datetime) -> str:
    """A moment as SQLite keeps it (`core.db.Instant`)."""
    return moment.astimezone(UTC).isoformat(" ", "microseconds")[:26]


_WRITTEN: dict[str, Any] = {"bigint": numbers, "integer": numbers, "text": texts, "inet": texts}
_TEXT: dict[str, Any] = {"timestamptz": text_of, "date": date.isoformat}
