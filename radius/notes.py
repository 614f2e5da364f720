"""What is worth remembering about logins, written in batches by a thread of its own: no router waits for it.

Sightings tell where a device is; the log (`radpostauth`) keeps accepts and unusual rejects, never a password. Both are
written moments after the answer; a crash may lose that much and nothing else depends on it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from core import network
from core.app import App
from core.radius_tables import radpostauth
from core.uow import UnitOfWork
from radius.clients import Clients

NOTES_MAX = 20_000
"""While the database is away the oldest notes give way to the newest."""
BATCH_MAX = 1000
RETRY_SECONDS = 0.5
LINGER_SECONDS = 0.05
"""How long the first note waits for others, so that a busy evening is written in few transactions."""
REPEAT_AFTER = timedelta(seconds=30)
REMEMBERED_MAX = 20_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Seen:
    """A device knocked at a router."""

    tenant_id: int
    router_id: int
    mac: str


@dataclass(frozen=True, slots=True)
class Signs:
    """A router proved that it signs its requests."""

    tenant_id: int
    router_id: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """One row of the authentication log."""

    tenant_id: int
    username: str
    reply: str
    called_station: str
    calling_station: str
    at: datetime
    klass: str = ""


Note = Seen | Signs | LogLine


class Throttle:
    """Lets the same thing pass once in `REPEAT_AFTER`. Bounded; safe to share between threads."""

    def __init__(self, repeat_after: timedelta = REPEAT_AFTER) -> None:
        self._repeat_after = repeat_after
        self._lock = threading.Lock()
        self._last: OrderedDict[tuple[object, ...], datetime] = OrderedDict()

    def passes(self, now: datetime, *thing: object) -> bool:
        """True when this has not passed for a while. A clock that was set back does not silence anything."""
        with self._lock:
            last = self._last.get(thing)
            if last is not None and last <= now < last + self._repeat_after:
                return False
            self._last.pop(thing, None)
            self._last[thing] = now
            if len(self._last) > REMEMBERED_MAX:
                self._last.popitem(last=False)
            return True


class Notebook:
    """Takes notes from any thread and writes them down soon; what comes in meanwhile becomes the next batch."""

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

    def take(self, note: Note) -> None:
        """Remember this soon."""
        with self._changed:
            self._notes.append(note)
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
                self._changed.wait_for(lambda: self._stopping or self._awaited, LINGER_SECONDS)
                batch = [self._notes.popleft() for _ in range(min(len(self._notes), BATCH_MAX))]
                self._writing = True
            written = self._write(batch)
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                if not written:
                    if self._stopping:
                        return
                    self._changed.wait_for(lambda: self._stopping, RETRY_SECONDS)

    def _write(self, batch: list[Note]) -> bool:
        """Write notes; False when the database does not take them now, and they are kept for later."""
        by_tenant: dict[int, list[Note]] = {}
        for note in batch:
            by_tenant.setdefault(note.tenant_id, []).append(note)
        while by_tenant:
            tenant_id, notes = by_tenant.popitem()
            try:
                self._write_tenant(tenant_id, notes)
            except SQLAlchemyError as error:
                kept = [*notes, *(note for rest in by_tenant.values() for note in rest)]
                with self._changed:
                    self._notes.extendleft(reversed(kept[: NOTES_MAX - len(self._notes)]))
                if not self._held_up:
                    log.error("radius.notes_held_up", error=type(error).__name__)
                self._held_up = True
                return False
        if self._held_up:
            log.info("radius.notes_resumed")
        self._held_up = False
        return True

    def _write_tenant(self, tenant_id: int, notes: list[Note]) -> None:
        try:
            with self._app.work(tenant_id, forgettable=True) as uow:
                _put(uow, notes)
        except IntegrityError as error:
            if len(notes) == 1:  # its router was removed meanwhile: nobody will ask
                log.info("radius.note_dropped", note=type(notes[0]).__name__, error=type(error.orig).__name__)
                return
            for note in notes:
                self._write_tenant(tenant_id, [note])
        if any(isinstance(note, Signs) for note in notes):
            self._clients.written_down()


def _put(uow: UnitOfWork, notes: list[Note]) -> None:
    sightings = {(note.router_id, note.mac) for note in notes if isinstance(note, Seen)}
    for router_id, mac in sorted(sightings):  # in one order everywhere: two servers never wait for each other in a ring
        network.seen(uow, router_id, mac)
    for note in notes:
        if isinstance(note, Signs):
            network.remember_message_authenticator(uow, note.router_id)
    lines = [
        {
            "username": note.username, "pass": "", "reply": note.reply, "calledstationid": note.called_station,
            "callingstationid": note.calling_station, "authdate": note.at, "class": note.klass,
        }
        for note in notes if isinstance(note, LogLine)
    ]  # fmt: skip
    if lines:
        uow.session.execute(insert(radpostauth), lines)
