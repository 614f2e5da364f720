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
from core.roles import SYSTEM
from jobs.perform import describe, frames, guard
from jobs.schedule import Every

if TYPE_CHECKING:
    from core.app import App

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


def run(app: App, schedule: Sequence[Every], stop: threading.Event) -> None:
    """Tick until `stop` is set, then hand over the lead. Outlives every outage of the database."""
    holder = new_holder()
    failures = 0
    log.info("clock.started", sweeps=[every.name for every in schedule], holder=holder)

    def held_up(error: Exception) -> None:
        nonlocal failures
        failures += 1
        if failures == 1:
            log.error("clock.held_up", error=describe(error), frames=frames(error))

    while not stop.is_set():
        before = failures
        with guard(held_up):
            run_once(app, schedule, app.clock.now(), holder)
        if failures == before and failures:
            log.info("clock.resumed")
            failures = 0
        stop.wait(min(TICK_SECONDS * 2 ** min(failures, 8), BACK_OFF_SECONDS_MAX))
    with guard(held_up), app.work(None, SYSTEM) as uow:
        heartbeats.resign(uow.session, holder)
    log.info("clock.stopped")
