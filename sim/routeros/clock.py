"""The router's own sense of time, and what it means to do when a moment comes.

With `RealClock` the world runs by itself; with `ManualClock` nothing happens until somebody advances it, and then
everything that falls due happens in order, in the caller's thread. Several routers may share one manual clock.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What a router needs of a clock: running seconds for timers, and a date to show."""

    manual: bool

    def seconds(self) -> float:
        """Seconds that never jump back; only differences mean something."""

    def now(self) -> datetime:
        """The true time in UTC, before the router's own skew."""


class RealClock:
    manual = False

    def seconds(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)


class Timed(Protocol):
    """Somebody with work that falls due: a router."""

    def next_due_seconds(self) -> float | None: ...

    def run_due(self) -> None: ...


class ManualClock:
    """A clock moved by hand. Whoever attaches is run at each of its due moments on the way."""

    manual = True

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
        self._elapsed_seconds = 0.0
        self._attached: list[Timed] = []

    def seconds(self) -> float:
        return self._elapsed_seconds

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_seconds)

    def attach(self, timed: Timed) -> None:
        self._attached.append(timed)

    def detach(self, timed: Timed) -> None:
        if timed in self._attached:
            self._attached.remove(timed)

    def advance(self, seconds: float) -> None:
        """Let this much time pass, stopping at every due moment of everybody attached."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        until = self._elapsed_seconds + seconds
        while True:
            due = [moment for timed in self._attached if (moment := timed.next_due_seconds()) is not None]
            moment = min(due, default=until)
            if moment > until or not due:
                break
            self._elapsed_seconds = max(self._elapsed_seconds, moment)
            for timed in list(self._attached):
                timed.run_due()
        self._elapsed_seconds = until
        for timed in list(self._attached):
            timed.run_due()


class Timer:
    """One appointment; `cancel` makes it never happen."""

    __slots__ = ("cancelled", "work")

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Timers:
    """All appointments of one router, cheap to look at when none is due."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()

    def at(self, moment_seconds: float, work: Callable[[], None]) -> Timer:
        timer = Timer(work)
        with self._lock:
            heapq.heappush(self._heap, (moment_seconds, next(self._order), timer))
        return timer

    def next_due_seconds(self) -> float | None:
        with self._lock:
            while self._heap and self._heap[0][2].cancelled:
                heapq.heappop(self._heap)
            return self._heap[0][0] if self._heap else None

    def take_due(self, now_seconds: float) -> list[Timer]:
        """The timers whose moment has come, oldest first; they are ours now."""
        due: list[Timer] = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now_seconds:
                timer = heapq.heappop(self._heap)[2]
                if not timer.cancelled:
                    due.append(timer)
        return due

    def clear(self) -> None:
        with self._lock:
            self._heap.clear()
