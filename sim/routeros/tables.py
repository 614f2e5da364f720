"""The router's memory: one table of rows per menu, found by id, by position or by an indexed property.

A record holds what was written to it; `live` adds what only the moment knows (uptime, counters). Ids are numbers
inside and `*1F` outside, and all of them change when the router boots (reference routeros.md §1.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from sim.routeros.schema import Schema

INDEXED = frozenset({"mac-address", "address", "to-address", "user", "name"})

Listener = Callable[[int, Mapping[str, str] | None], None]
Live = Callable[[], Mapping[str, str]]


def show_id(number: int) -> str:
    return f"*{number:X}"


def read_id(text: str) -> int | None:
    """The number of `*1F`, or None when the text is not an id."""
    try:
        return int(text[1:], 16) if text.startswith("*") and len(text) <= 17 else None
    except ValueError:
        return None


class Record:
    """One row as it is stored."""

    __slots__ = ("live", "values")

    def __init__(self, values: dict[str, str], live: Live | None = None) -> None:
        self.values = values
        self.live = live


class Table:
    """The rows of one menu, in their order. Not locked: the router's one lock guards all tables."""

    def __init__(self, menu: str, defaults: Mapping[str, str]) -> None:
        self.menu = menu
        self.records: dict[int, Record] = {}
        self.listeners: list[Listener] = []
        self._defaults = defaults
        self._next_number = 1
        self._indexes: dict[str, dict[str, set[int]]] = {name: {} for name in INDEXED}

    def add(self, values: Mapping[str, str], live: Live | None = None) -> int:
        """Append a row; returns its number. Unset (empty) values are not stored."""
        number = self._next_number
        self._next_number += 1
        self.records[number] = Record({name: value for name, value in values.items() if value != ""}, live)
        self._index(number, self.records[number].values, adding=True)
        self._tell(number)
        return number

    def change(self, number: int, values: Mapping[str, str]) -> None:
        """Write properties of a row; an empty value unsets. Telling listeners is part of it."""
        record = self.records[number]
        self._index(number, record.values, adding=False)
        for name, value in values.items():
            if value == "":
                record.values.pop(name, None)
            else:
                record.values[name] = value
        self._index(number, record.values, adding=True)
        self._tell(number)

    def remove(self, number: int) -> None:
        record = self.records.pop(number)
        self._index(number, record.values, adding=False)
        for listener in list(self.listeners):
            listener(number, None)

    def move(self, number: int, before: int | None) -> None:
        """Put a row in front of another, or at the end."""
        record = self.records.pop(number)
        rows = list(self.records.items())
        at = next((index for index, (other, _) in enumerate(rows) if other == before), len(rows))
        rows.insert(at, (number, record))
        self.records = dict(rows)

    def row(self, number: int) -> dict[str, str]:
        """The whole row as `print` shows it, id first."""
        record = self.records[number]
        row = {".id": show_id(number), **self._defaults, **record.values}
        if record.live is not None:
            row.update(record.live())
        return row

    def rows(self) -> Iterator[dict[str, str]]:
        for number in list(self.records):
            yield self.row(number)

    def candidates(self, equalities: Mapping[str, str]) -> Iterable[int]:
        """Rows worth looking at when these properties must have exactly these values: all of them at worst."""
        if ".id" in equalities:
            number = read_id(equalities[".id"])
            return [number] if number in self.records and number is not None else []
        for name, value in equalities.items():
            if name in INDEXED and self._defaults.get(name) != value:
                return sorted(self._indexes[name].get(value, ()))
        return list(self.records)

    def find(self, name: str, value: str) -> int | None:
        """The first row with this property, or None."""
        if name in INDEXED:
            return min(self._indexes[name].get(value, ()), default=None)
        return next((number for number, record in self.records.items() if record.values.get(name) == value), None)

    def get(self, number: int, name: str) -> str:
        """One stored property, its default, or the empty text."""
        return self.records[number].values.get(name, self._defaults.get(name, ""))

    def default(self, name: str) -> str:
        """What a row holds without being told, or the empty text."""
        return self._defaults.get(name, "")

    def renumber(self) -> None:
        """What a boot does to ids: every row gets a fresh one, so that a remembered id finds nothing."""
        records = list(self.records.values())
        self.records = {}
        for found in self._indexes.values():
            found.clear()
        for record in records:
            number = self._next_number
            self._next_number += 1
            self.records[number] = record
            self._index(number, record.values, adding=True)

    def clear(self) -> None:
        for number in list(self.records):
            self.remove(number)

    def touch(self, number: int) -> None:
        """Tell listeners that something live about the row changed."""
        self._tell(number)

    def _tell(self, number: int) -> None:
        if self.listeners:
            row = self.row(number)
            for listener in list(self.listeners):
                listener(number, row)

    def _index(self, number: int, values: Mapping[str, str], *, adding: bool) -> None:
        for name in INDEXED:
            value = values.get(name)
            if value is None:
                continue
            numbers = self._indexes[name].setdefault(value, set())
            if adding:
                numbers.add(number)
            else:
                numbers.discard(number)
                if not numbers:
                    del self._indexes[name][value]


class Tables:
    """All menus of one router. A menu that is one set of values keeps them in a table's only row."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._tables: dict[str, Table] = {}

    def __getitem__(self, menu: str) -> Table:
        found = self._tables.get(menu)
        if found is None:
            found = self._tables[menu] = Table(menu, self._schema.defaults(menu))
            if self._schema.is_singleton(menu):
                found.add({})
        return found

    def single(self, menu: str) -> tuple[Table, int]:
        """Table and row number of a menu that is one set of values."""
        table = self[menu]
        return table, next(iter(table.records))

    def value(self, menu: str, name: str) -> str:
        """One property of a menu that is one set of values."""
        table, number = self.single(menu)
        return table.get(number, name)

    def existing(self) -> list[Table]:
        return list(self._tables.values())

    def forget(self) -> None:
        """Drop every row of every table; whoever listens is told."""
        for table in self._tables.values():
            table.clear()
        for menu in list(self._tables):
            if self._schema.is_singleton(menu):
                self._tables[menu].add({})
