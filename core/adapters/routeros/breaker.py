"""After a router did not answer, leave it alone for a while: a dead router must not cost every customer a timeout.

The pauses are 2, 4, 8 … 60 seconds; the first answer of any kind ends them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE_SECONDS_FIRST = 2.0
PAUSE_SECONDS_MAX = 60.0
DOUBLINGS_MAX = 16
assert PAUSE_SECONDS_FIRST * 2**DOUBLINGS_MAX >= PAUSE_SECONDS_MAX


class Breaker:
    """Remembers how often one router has failed in a row. `monotonic` gives seconds that only grow."""

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, pause_seconds_max: float = PAUSE_SECONDS_MAX
    ) -> None:
        self._pause_seconds_max = pause_seconds_max
        self._monotonic = monotonic
        self._failures = 0
        self._closed_until = 0.0

    @property
    def retry_after_seconds(self) -> float:
        """How long to leave the router alone; 0 when it may be asked now."""
        return max(0.0, self._closed_until - self._monotonic()) if self._failures else 0.0

    def failed(self) -> float:
        """It did not answer. Returns the pause that begins now, in seconds."""
        pause = min(PAUSE_SECONDS_FIRST * (1 << min(self._failures, DOUBLINGS_MAX)), self._pause_seconds_max)
        self._failures += 1
        self._closed_until = self._monotonic() + pause
        return pause

    def answered(self) -> None:
        """It said something, a refusal included: it is there."""
        self._failures = 0
