"""The box itself: one lock, one clock, one set of tables, and the things every part of the router shares."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from sim.routeros.board import device_mode_values
from sim.routeros.clock import Clock, Timer, Timers
from sim.routeros.schema import Schema
from sim.routeros.tables import Table, Tables
from sim.routeros.values import parse_duration_ms

LOG_ROWS_MAX = 1000
HISTORY_MAX = 10_000


_MADE = itertools.count(1)
"""No two boxes have the same serial number."""


class Machine:
    """What the hotspot, the interface for programs and RADIUS all stand on.

    `lock` guards everything here and in the tables. Nobody waits for the network while holding it.
    """

    def __init__(self, identity: str, schema: Schema, clock: Clock, device_mode: str) -> None:
        self.schema = schema
        self.board = schema.board
        self.serial = f"HD{next(_MADE):08X}"
        device_mode_values(device_mode)
        self.device_mode = device_mode
        self.clock = clock
        self.lock = threading.RLock()
        self.timers = Timers()
        self.tables = Tables(self.schema)
        self.skew_seconds = 0.0
        self.new_times_count_from_start = False
        self.boot_number = 0
        self.booted_at_seconds = clock.seconds()
        self.factory_identity = identity
        self.factory_rows: dict[str, dict[str, dict[str, str]]] = {}
        self.radius_log: deque[tuple[str, str, str, str]] = deque(maxlen=HISTORY_MAX)

    @property
    def version(self) -> str:
        return self.schema.version

    @property
    def identity(self) -> str:
        return self.tables.value("/system/identity", "name")

    def seconds(self) -> float:
        return self.clock.seconds()

    def shown_time(self) -> datetime:
        """The date and time the router believes in."""
        return self.clock.now() + timedelta(seconds=self.skew_seconds)

    def allows(self, feature: str) -> bool:
        """Whether the device mode lets a feature be used at all (reference routeros.md §3.1)."""
        mode = "/system/device-mode"
        return not self.schema.has_menu(mode) or self.tables.value(mode, feature) != "false"

    def stamp(self) -> str:
        """Now, as this version writes dates: `nov/20/2026 08:00:00` before 7.10 (reference routeros.md §5)."""
        return self._written(self.shown_time())

    def _written(self, local: datetime) -> str:
        day = local.strftime("%b/%d/%Y").lower() if self.schema.number < (7, 10) else local.strftime("%Y-%m-%d")
        return f"{day} {local.strftime('%H:%M:%S')}"

    def stamp_in(self, seconds: float) -> str:
        """The same of a moment to come."""
        return self._written(self.shown_time() + timedelta(seconds=seconds))

    def after(self, delay_seconds: float, work: Callable[[], None]) -> Timer:
        """Do something under the lock when this much router time has passed."""
        return self.timers.at(self.seconds() + delay_seconds, work)

    def run_timers(self) -> bool:
        """Do what has fallen due by now. True when there was anything."""
        due = self.timers.take_due(self.seconds())
        for timer in due:
            with self.lock:
                if not timer.cancelled:
                    timer.work()
        return bool(due)

    def note(self, topics: str, message: str) -> None:
        """One line of the router's own log; the oldest lines fall out."""
        table = self.tables["/log"]
        table.add({"time": self.stamp(), "topics": topics, "message": message[:1000], "buffer": "memory"})
        while len(table.records) > LOG_ROWS_MAX:
            table.remove(next(iter(table.records)))

    def note_safely(self, topics: str, message: str) -> None:
        """As `note`, for whoever does not hold the lock."""
        with self.lock:
            self.note(topics, message)

    def duration_seconds(self, table: Table, number: int, name: str) -> float | None:
        """A duration property in seconds; None when it is unset or `none`."""
        text = table.get(number, name)
        if text in ("", "none"):
            return None
        milliseconds = parse_duration_ms(text)
        return milliseconds / 1000 if milliseconds else None
