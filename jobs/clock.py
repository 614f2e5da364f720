"""The clock: runs the sweeps that are due. Of several clocks one acts, the others wait for it to fall silent."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from core import heartbeats
from core.clock import Clock
from core.roles import SYSTEM
from jobs.perform import describe, frames, guard
from jobs.schedule import Every

if TYPE_CHECKING:
    from core.app import App

JUMP_SECONDS_MAX = 30
"""A machine's clock that goes on so much faster or slower than time itself between two looks has been set."""
DISTRUST_SECONDS = 300
"""So long a clock that was set forward ends nothing: time to put it right again, or for another machine's to take the lead."""
TICK_SECONDS = 0.25
BACK_OFF_SECONDS_MAX = 2.0

log = structlog.get_logger()


def new_holder() -> str:
    """A name for this clock that no other has: machine, process, chance."""
    return f"{socket.gethostname()[:32]}:{os.getpid()}:{uuid4().hex[:8]}"


def run_once(app: App, schedule: Sequence[Every], now: datetime, holder: str) -> list[str]:
    """Run the sweeps that are due at `now`, if `holder` leads; their names, failed ones included.

    A sweep that fails is reported, does not beat, hinders no other, and is tried again after its interval.
    Raises `SQLAlchemyError` when the database is away.
    """
    with app.work(None, SYSTEM) as uow:
        if not heartbeats.lead(uow.session, now, holder):
            return []
        tried = heartbeats.tried(uow.session)
        due = [
            every
            for every in schedule
            if every.name not in tried or now - tried[every.name] >= timedelta(seconds=every.seconds)
        ]
        for every in due:
            heartbeats.begin(uow.session, every.name, now, every.seconds)
    for every in due:
        _sweep(app, every, now)
    return [every.name for every in due]


def _sweep(app: App, every: Every, now: datetime) -> None:
    with guard(lambda error: log.error("sweep.failed", sweep=every.name, error=describe(error), frames=frames(error))):
        started = time.monotonic()
        found = every.sweep(app)
        took_ms = int((time.monotonic() - started) * 1000)
        with app.work(None, SYSTEM) as uow:
            heartbeats.beat(uow.session, every.name, now, found, took_ms)
        if found:
            log.info("sweep.found", sweep=every.name, found=found, took_ms=took_ms)


class Trust:
    """May this machine's clock be believed? What it says ends what people have paid for, and an end is not taken back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = self._difference()
        self._distrusted_until = clock.monotonic()

    def _difference(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

    def holds(self) -> bool:
        """False for a while after the clock was set forward; set back again, it is believed at once."""
        before, self._ahead = self._ahead, self._difference()
        jump = self._ahead - before
        if abs(jump) > JUMP_SECONDS_MAX:
            self._distrusted_until = self._clock.monotonic() + (DISTRUST_SECONDS if jump > 0 else 0)
            log.error("clock.was_set", seconds=int(jump), sweeps_wait=jump > 0)
        return self._clock.monotonic() >= self._distrusted_until


def run(app: App, schedule: Sequence[Every], stop: threading.Event) -> None:
    """Tick until `stop` is set, then hand over the lead. Outlives every outage of the database."""
    holder = new_holder()
    failures = 0
    trust = Trust(app.clock)
    log.info("clock.started", sweeps=[every.name for every in schedule], holder=holder)

    def held_up(error: Exception) -> None:
        nonlocal failures
        failures += 1
        if failures == 1:
            log.error("clock.held_up", error=describe(error), frames=frames(error))

    while not stop.is_set():
        before = failures
        with guard(held_up):
            if not trust.holds():
                stop.wait(TICK_SECONDS)
                continue
            run_once(app, schedule, app.clock.now(), holder)
        if failures == before and failures:
            log.info("clock.resumed")
            failures = 0
        stop.wait(min(TICK_SECONDS * 2 ** min(failures, 8), BACK_OFF_SECONDS_MAX))
    with guard(held_up), app.work(None, SYSTEM) as uow:
        heartbeats.resign(uow.session, holder)
    log.info("clock.stopped")
