"""Exchanging the key that seals secrets: everything sealed is sealed anew, and proved to open with the new key alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Column, Connection, LargeBinary, MetaData, Text, and_, select, type_coerce, update

from core.db import SEALED_MARK, Sealed, SealedText

BATCH = 500


@dataclass
class Count:
    """How many sealed values there are, how many of them the first key opens, and where there are some that none opens."""

    all: int = 0
    first: int = 0
    lost: dict[str, int] | None = None

    @property
    def proven(self) -> bool:
        """The first key alone is enough."""
        return self.all == self.first


def count(connection: Connection, metadata: MetaData, keys: list[str]) -> Count:
    """Try every sealed value of the database."""
    first, any_key = Fernet(keys[0].encode()), _all(keys)
    found = Count(lost={})
    assert found.lost is not None
    for column, _, token, _ in _sealed(connection, metadata):
        found.all += 1
        if _opens(first, token):
            found.first += 1
        elif not _opens(any_key, token):
            name = f"{column.table.name}.{column.name}"
            found.lost[name] = found.lost.get(name, 0) + 1
    return found


def reseal(connection: Connection, metadata: MetaData, keys: list[str]) -> int:
    """Seal with the first key whatever an older one sealed; how many values that were. Raises `InvalidToken` for a value that no
    key opens: the caller's transaction then changes nothing."""
    first, any_key = Fernet(keys[0].encode()), _all(keys)
    changed = 0
    for column, row, token, marked in list(_sealed(connection, metadata)):
        if _opens(first, token):
            continue
        fresh: Any = first.encrypt(any_key.decrypt(token))
        value = SEALED_MARK + fresh.decode() if marked else fresh
        same = and_(*(key == known for key, known in zip(column.table.primary_key.columns, row, strict=True)))
        raw = type_coerce(value, Text() if marked else LargeBinary())
        connection.execute(update(column.table).where(same).values({column: raw}))
        changed += 1
    return changed


def _all(keys: list[str]) -> MultiFernet:
    return MultiFernet([Fernet(key.encode()) for key in keys])


def _opens(key: Fernet | MultiFernet, token: bytes) -> bool:
    try:
        key.decrypt(token)
    except InvalidToken:
        return False
    return True


def _sealed(connection: Connection, metadata: MetaData) -> Iterator[tuple[Column[Any], tuple[Any, ...], bytes, bool]]:
    """Every sealed value: its column, its row's primary key, the value, and whether it carries the mark of a text column."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            if not isinstance(column.type, Sealed | SealedText):
                continue
            marked = isinstance(column.type, SealedText)
            raw = type_coerce(column, Text() if marked else LargeBinary())
            rows = connection.execute(select(*table.primary_key.columns, raw).where(column.is_not(None)))
            for *key, value in rows.yield_per(BATCH):
                if not marked:
                    yield column, tuple(key), bytes(value), False
                elif value.startswith(SEALED_MARK):
                    yield column, tuple(key), value.removeprefix(SEALED_MARK).encode(), True
