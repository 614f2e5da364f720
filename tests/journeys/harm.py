"""Harm that is done at an exact moment: at a hook of the pretend world, or in the middle of a transaction of ours."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import redis
from sqlalchemy.engine import make_url

from tests.services import eventually

MOMENT_SECONDS_MAX = 45.0
LOCK_NUMBER = 20_26
HELD_SECONDS = 0.3
"""On SQLite: whoever has the write lock for so long without a gap is held by the snag; ours keep it for milliseconds."""
WRITE_LOCK_BYTE = 120
"""The byte of SQLite's `-shm` file that a writer locks (WAL_WRITE_LOCK in its source)."""
ROUNDS_MAX = 400_000_000
"""On SQLite the snag counts up to here, far longer than any story takes."""


class Strike:
    """Does harm at one moment of the pretend world, once: when a hook is called with what we wait for."""

    def __init__(self, wanted: Callable[..., bool], harm: Callable[[], Any], then: BaseException | None) -> None:
        self._wanted, self._harm, self._then = wanted, harm, then
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._begun = False
        self.done = threading.Event()
        self.result: Any = None

    def __call__(self, *arguments: Any) -> None:
        with self._lock:
            if self._begun or not self._wanted(*arguments):
                return
            self._begun = True
        try:
            self.result = self._harm()
        except (AssertionError, OSError, redis.RedisError) as error:
            self._error = error
        self.done.set()
        if self._then is not None:
            raise self._then

    def wait(self) -> Any:
        """Until it has struck; what the harm returned. Fails as the harm failed."""
        assert self.done.wait(MOMENT_SECONDS_MAX), "the moment never came"
        if self._error is not None:
            raise self._error
        return self.result


@contextmanager
def strike(
    hooks: list[Any], wanted: Callable[..., bool], harm: Callable[[], Any], then: BaseException | None = None
) -> Iterator[Strike]:
    """Hang `harm` onto a hook of the pretend world while the block runs; `then` is raised there to stop what was asked for."""
    blow = Strike(wanted, harm, then)
    hooks.append(blow)
    try:
        yield blow
    finally:
        hooks.remove(blow)


class Snag:
    """A spot in a transaction where whoever comes by is held, with everything done so far uncommitted.

    It is a trigger on one of our tables. On PostgreSQL it waits for a lock that the test holds; SQLite knows no waiting in
    mid-transaction, so there it counts to a number nobody reaches. Either way the process can be killed right there.
    """

    def __init__(self, database_url: str, table: str, event: str, when: str) -> None:
        """`event` is `INSERT` or `UPDATE OF column`; `when` a condition on `NEW`, in SQL of both databases."""
        self._url = make_url(database_url)
        self._table, self._event, self._when = table, event, when
        self._caught: Callable[[Collection[int]], bool] = lambda _: False

    @contextmanager
    def laid(self) -> Iterator[Snag]:
        """The trigger is there while the block runs, unless `take_away` was called."""
        opening = self._on_sqlite if self._url.get_backend_name() == "sqlite" else self._on_postgresql
        with opening():
            yield self

    def wait_until_caught(self, whom: Callable[[], Collection[int]]) -> None:
        """Until one of these processes is held. PostgreSQL does not tell whom it holds, only that it does."""
        what = f"somebody comes by at {self._event} {self._table}"
        eventually(lambda: self._caught(whom()), MOMENT_SECONDS_MAX, what)

    @contextmanager
    def _on_postgresql(self) -> Iterator[None]:
        plain = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        with closing(psycopg.connect(plain, autocommit=True)) as holder:
            holder.execute(f"SELECT pg_advisory_lock({LOCK_NUMBER})")
            holder.execute(
                f"CREATE FUNCTION snag() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" PERFORM pg_advisory_xact_lock_shared({LOCK_NUMBER}); RETURN NEW; END $$"
            )
            holder.execute(
                f"CREATE TRIGGER snag BEFORE {self._event} ON {self._table} FOR EACH ROW WHEN ({self._when})"
                " EXECUTE FUNCTION snag()"
            )
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            self._caught = lambda whom: bool(whom) and holder.execute(waiting).fetchone() != (0,)
            try:
                yield
            finally:
                holder.close()  # lets go of the lock; by now the server may have crashed under it
                with closing(psycopg.connect(plain, autocommit=True)) as sweeper:
                    sweeper.execute("DROP FUNCTION snag() CASCADE")

    @contextmanager
    def _on_sqlite(self) -> Iterator[None]:
        with closing(sqlite3.connect(str(self._url.database), timeout=10, isolation_level=None)) as layer:
            layer.execute(
                f"CREATE TRIGGER snag BEFORE {self._event} ON {self._table} WHEN CASE WHEN {self._when} THEN"
                " (WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
                f" WHERE n < {ROUNDS_MAX}) SELECT count(*) FROM numbers) ELSE 0 END BEGIN SELECT 1; END"
            )
            self._caught = lambda whom: _holds_on(str(self._url.database), whom)
            try:
                yield
            finally:
                layer.execute("DROP TRIGGER snag")


def _holds_on(path: str, whom: Collection[int]) -> bool:
    """Does one of these processes (or a child in its group) keep the write lock of this SQLite file, without a gap?"""
    until = time.monotonic() + HELD_SECONDS
    first = _writer(path)
    while first is not None and _writer(path) == first:
        if time.monotonic() > until:
            return _group(first) in whom
        time.sleep(0.01)
    return False


def _writer(path: str) -> int | None:
    """The process that has the write lock now, as the kernel knows it."""
    inode = str(Path(f"{path}-shm").stat().st_ino)
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        match line.split():
            case [_, "POSIX", _, "WRITE", pid, place, first, last] if place.rpartition(":")[2] == inode:
                if int(first) <= WRITE_LOCK_BYTE <= int(last):
                    return int(pid)
    return None


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


class Storm:
    """Blows at seeded moments: every so many things that happen in the pretend world, something of ours dies."""

    def __init__(self, dice: Random, blows: list[Callable[[], bool | None]], among: int) -> None:
        """The blows are spread by chance over the first `among` happenings. One that returns False has hit nobody."""
        self._moments = sorted(dice.sample(range(among), len(blows)))
        self._blows = dice.sample(blows, len(blows))
        self._lock = threading.Lock()
        self._happened = 0
        self.errors: list[BaseException] = []
        self.hits = 0

    @property
    def over(self) -> bool:
        return not self._blows

    def __call__(self, *_: Any) -> None:
        with self._lock:
            self._happened += 1
            if not self._blows or self._happened <= self._moments[-len(self._blows)]:
                return
            blow = self._blows.pop(0)
        try:
            self.hits += blow() is not False
        except (AssertionError, OSError) as error:
            self.errors.append(error)

    @contextmanager
    def over_hooks(self, *hooks: list[Any]) -> Iterator[Storm]:
        """Listens at all of these while the block runs."""
        for each in hooks:
            each.append(self)
        try:
            yield self
        finally:
            for each in hooks:
                each.remove(self)
