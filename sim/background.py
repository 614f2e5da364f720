"""Work the pretend companies do after they have hung up on us: callbacks, reports, prompts that run out."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

THREADS = 8
Work = Callable[[], object]


def system_now() -> datetime:
    """The wall clock of the pretend town, aware and in UTC; every stand-in takes another one as `now`."""
    return datetime.fromtimestamp(time.time(), UTC)


class Background:
    """A few threads and one list of things to do, each with the moment it falls due (in real seconds)."""

    def __init__(self, name: str, threads: int = THREADS) -> None:
        self._name = name
        self._threads_wanted = threads
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Work]] = []
        self._order = itertools.count()
        self._running = 0
        self._open = False

    def start(self) -> None:
        """Begin working; what was planned before is done now."""
        with self._changed:
            if self._open:
                return
            self._open = True
        for number in range(self._threads_wanted):
            thread = threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Forget what is not begun, and wait (10 s at most per thread) for what is."""
        with self._changed:
            self._open = False
            self._heap.clear()
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=10)
        self._threads.clear()

    def soon(self, work: Work) -> None:
        """Do this as soon as a thread is free, in the order asked."""
        self.later(0.0, work)

    def later(self, seconds: float, work: Work) -> None:
        """Do this when so many real seconds have passed."""
        with self._changed:
            heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._order), work))
            self._changed.notify_all()

    def wait_until_idle(self, timeout_seconds: float = 10.0) -> bool:
        """True once nothing runs and nothing is due; work planned for later does not count."""
        with self._changed:
            return self._changed.wait_for(self._idle, timeout_seconds)

    def _idle(self) -> bool:
        return not self._running and not (self._heap and self._heap[0][0] <= time.monotonic())

    def _next(self) -> Work | None:
        with self._changed:
            while self._open:
                wait_seconds = self._heap[0][0] - time.monotonic() if self._heap else None
                if wait_seconds is not None and wait_seconds <= 0:
                    self._running += 1
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(wait_seconds)
        return None

    def _work(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            finally:
                with self._changed:
                    self._running -= 1
                    self._changed.notify_all()
