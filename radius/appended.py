"""Files to which FreeRADIUS appends a line at a time, read so that each line counts once, whoever dies when.

How far a file has been read stands in `radius_log_file`, written in the transaction that makes use of the lines. A file is
forgotten when it was read to its end and nobody has written to it for a while.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from core.app import App
from core.radius_tables import radius_log_file
from core.uow import UnitOfWork

BLOCK_BYTES = 512 * 1024
"""What is read of a file at a time, so that a long one needs no more memory than a short one."""


class Block(NamedTuple):
    """Whole lines of a file, where in it the next one begins, and whether there were more at once."""

    name: str
    lines: list[bytes]
    position: int
    more: bool

    def first(self) -> Block:
        """The first of its lines alone."""
        left = sum(len(line) + 1 for line in self.lines[1:])
        return Block(self.name, self.lines[:1], self.position - left, self.more or left > 0)


class AppendedFiles:
    """The files of one running FreeRADIUS (`server`) with names like `pattern`, which sort by their age."""

    def __init__(self, app: App, server: str, folder: Path, pattern: str, kept_seconds: int) -> None:
        self._app = app
        self._server = server
        self._folder = folder
        self._pattern = pattern
        self._kept_seconds = kept_seconds
        self._positions: dict[str, int] | None = None
        self._on_disk: dict[str, int] = {}

    def sync(self) -> None:
        """What was written until now survives a power cut."""
        for path in self._paths():
            size = path.stat().st_size
            if self._on_disk.get(path.name) == size:
                continue
            for each in (path,) if path.name in self._on_disk else (path, self._folder):
                descriptor = os.open(each, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            self._on_disk[path.name] = size

    def next(self) -> Block | None:
        """The oldest lines nobody has made use of; None when there are none. Raises SQLAlchemy's errors and OSError."""
        positions = self._known()
        paths = self._paths()
        for path in paths:
            position = positions.get(path.name, 0)
            state = path.stat()
            if state.st_size < position:
                position = 0
            block = b""
            if state.st_size > position:
                with path.open("rb") as file:
                    file.seek(position)
                    block = file.read(BLOCK_BYTES)
            whole = block.rfind(b"\n") + 1
            if whole:
                more = len(block) == BLOCK_BYTES or path != paths[-1]
                return Block(path.name, block[: whole - 1].split(b"\n"), position + whole, more)
            if self._app.clock.now().timestamp() - state.st_mtime >= self._kept_seconds:
                self._forget(path)
        return None

    def made_use_of(self, uow: UnitOfWork, block: Block) -> None:
        """Note that these lines count, in the transaction in which they do."""
        insert = postgres_insert if uow.connection.dialect.name == "postgresql" else sqlite_insert
        statement = insert(radius_log_file).values(server=self._server, name=block.name, position=block.position)
        uow.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["server", "name"], set_={"position": statement.excluded.position}
            )
        )

    def go_on(self, block: Block) -> None:
        """That transaction was committed."""
        self._known()[block.name] = block.position

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(self._pattern))

    def _known(self) -> dict[str, int]:
        if self._positions is None:
            mine = radius_log_file.c.server == self._server
            with self._app.look(None) as uow:
                found = uow.connection.execute(select(radius_log_file.c.name, radius_log_file.c.position).where(mine))
                self._positions = {row.name: row.position for row in found}
        return self._positions

    def _forget(self, path: Path) -> None:
        with self._app.work(None, forgettable=True) as uow:
            uow.connection.execute(
                delete(radius_log_file).where(
                    radius_log_file.c.server == self._server, radius_log_file.c.name == path.name
                )
            )
            path.unlink(missing_ok=True)
        self._known().pop(path.name, None)
        self._on_disk.pop(path.name, None)
