"""What the log says about packets that were not answered: soon, and never so much that a stranger could fill the disk."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

import structlog

PERIOD_SECONDS = 60.0
LINES_MAX = 20
"""So many addresses per kind and minute get a line of their own; the others are added up."""

HINTS = {
    "unknown_source": "router not registered?",
    "bad_signature": "wrong secret?",
    "unsigned": "this router used to sign its requests; remove and add it again if it cannot any more",
}

log = structlog.get_logger()


class Reports:
    """One line per minute, kind and address, and a sum of what was left out. Safe to share between threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}
        self._named: dict[str, set[str]] = {}
        self._left_out: Counter[str] = Counter()

    def not_answered(self, why: str, address: str, **facts: object) -> None:
        """A packet from this address was not answered."""
        now = self._monotonic()
        with self._lock:
            missed = 0
            if why not in self._since or now - self._since[why] >= PERIOD_SECONDS:
                self._since[why], self._named[why], missed = now, set(), self._left_out.pop(why, 0)
            named = self._named[why]
            tell = address not in named and len(named) < LINES_MAX
            if tell:
                named.add(address)
            else:
                self._left_out[why] += 1
        if missed:
            log.warning("radius.more_not_answered", why=why, packets=missed, hint=HINTS.get(why, ""))
        if tell:
            log.warning("radius.not_answered", why=why, address=address, hint=HINTS.get(why, ""), **facts)
