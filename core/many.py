"""One statement for many rows, written for the driver: what the busiest paths say to the database."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, CursorResult

_PLACE = re.compile(r"(?<!:):(\w+)")


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
        arrays = ", ".join(f"%({name})b::{kind}[]" for name, kind in columns.items())
        rows = f"FROM unnest({arrays}) AS v ({', '.join(columns)})"
        self._postgresql = _PLACE.sub(r"v.\1", text).format(rows=rows)
        self._sqlite = _PLACE.sub(lambda place: f"?{self._names.index(place[1]) + 1}", text).format(rows="")

    def run(self, connection: Connection, rows: Collection[Sequence[Any]]) -> int:
        """Run it for these rows; how many rows it changed."""
        return self._execute(connection, rows).rowcount if rows else 0

    def ask(self, connection: Connection, rows: Collection[Sequence[Any]]) -> Sequence[Any]:
        """Run it for these rows, on PostgreSQL; what it returns about those it changed."""
        return self._execute(connection, rows).all() if rows else ()

    def _execute(self, connection: Connection, rows: Collection[Sequence[Any]]) -> CursorResult[Any]:
        columns: list[Any] = list(zip(*rows, strict=True))
        if connection.dialect.name == "postgresql":
            return connection.exec_driver_sql(self._postgresql, dict(zip(self._names, map(list, columns), strict=True)))
        for at, text_of_value in self._as_text:
            columns[at] = [value and text_of_value(value) for value in columns[at]]
        return connection.exec_driver_sql(self._sqlite, list(zip(*columns, strict=True)))


def moment_of(value: Any) -> datetime | None:
    """A moment as the driver gave it: SQLite keeps text."""
    return datetime.fromisoformat(f"{value}+00:00") if isinstance(value, str) else value


def text_of(moment: datetime) -> str:
    """A moment as SQLite keeps it (`core.db.Instant`)."""
    return moment.astimezone(UTC).isoformat(" ", "microseconds")[:26]


_TEXT: dict[str, Any] = {"timestamptz": text_of, "date": date.isoformat}
