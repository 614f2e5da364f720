"""What is worth remembering about logins, written in groups by a thread of its own: no router waits for it.

The log (`radpostauth`) keeps every answer, never a password; knocks tell where a device waits. Both are written moments after
the answer; a crash may lose that much and nothing else depends on it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import network
from core.app import App
from core.network import Knock, LogLine
from core.uow import UnitOfWork
from radius.clients import Clients

NOTES_MAX = 100_000
"""While the database is away the oldest notes give way to the newest."""
BATCH_MAX = 2000
"""A group is put together while logins wait for the interpreter: a larger one would be felt."""
RETRY_SECONDS = 0.5
LINGER_SECONDS = 0.05
"""How long the first note waits for others, so that a busy evening is written in few transactions."""
REMEMBERED_MAX = 20_000

log = structlog.get_logger()


class Signs(NamedTuple):
    """A router proved that it signs its requests."""

    router_id: int


Note = Knock | Signs | LogLine


class Throttle:
    """Lets the same thing pass once in a while. Bounded; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: OrderedDict[tuple[object, ...], datetime] = OrderedDict()

    def passes(self, now: datetime, after: timedelta, *thing: object) -> bool:
        """True when this has not passed for so long. A clock that was set back does not silence anything."""
        with self._lock:
            last = self._last.get(thing)
            if last is not None and last <= now < last + after:
                return False
            self._last[thing] = now
            self._last.move_to_end(thing)
            if len(self._last) > REMEMBERED_MAX:
                self._last.popitem(last=False)
            return True


class Notebook:
    """Takes notes from any thread and writes them down soon; what comes in meanwhile becomes the next group."""

    def __init__(self, app: App, clients: Clients) -> None:
        self._app = app
        self._clients = clients
        self._notes: deque[Note] = deque(maxlen=NOTES_MAX)
        self._changed = threading.Condition()
        self._writing = False
        self._stopping = False
        self._awaited = False
        self._held_up = False
        self._thread = threading.Thread(target=self._run, name="radius-notes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def take(self, notes: Iterable[Note]) -> None:
        """Remember these soon."""
        with self._changed:
            idle = not self._notes
            self._notes.extend(notes)
            if idle:
                self._changed.notify_all()

    def settle(self, seconds: float) -> bool:
        """Wait until everything taken so far is written; False when it is not within `seconds`."""
        with self._changed:
            self._awaited = True
            self._changed.notify_all()
            settled = self._changed.wait_for(lambda: not self._notes and not self._writing, seconds)
            self._awaited = False
        return settled

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._notes or self._stopping)
                if not self._notes:
                    return
                self._changed.wait_for(self._is_due, LINGER_SECONDS)
                group = [self._notes.popleft() for _ in range(min(len(self._notes), BATCH_MAX))]
                self._writing = True
            written = self._write(group)
            with self._changed:
                self._writing = False
                if not written:
                    put_back(self._notes, group)
                self._changed.notify_all()
                if not written:
                    if self._stopping:
                        return
                    self._changed.wait_for(lambda: self._stopping, RETRY_SECONDS)

    def _is_due(self) -> bool:
        return self._stopping or self._awaited or len(self._notes) >= BATCH_MAX

    def _write(self, group: list[Note]) -> bool:
        """Write notes; False when the database does not take them now, and they are kept for later."""
        try:
            with self._app.work(None, forgettable=True) as uow:
                _put(uow, group)
        except SQLAlchemyError as error:
            if not self._held_up:
                log.error("radius.notes_held_up", error=type(error).__name__)
            self._held_up = True
            return False
        if self._held_up:
            log.info("radius.notes_resumed")
        self._held_up = False
        if any(isinstance(note, Signs) for note in group):
            self._clients.written_down()
        return True


def put_back(notes: deque[Note], group: list[Note]) -> None:
    """Notes that could not be written stand before those that came meanwhile; for want of room the oldest give way."""
    room = (notes.maxlen or NOTES_MAX) - len(notes)
    notes.extendleft(reversed(group[max(len(group) - room, 0) :]))


def _put(uow: UnitOfWork, group: list[Note]) -> None:
    network.knocked(uow, [note for note in group if isinstance(note, Knock)])
    for note in group:
        if isinstance(note, Signs):
            network.remember_message_authenticator(uow, note.router_id)
    network.log_logins(uow, [note for note in group if isinstance(note, LogLine)])
