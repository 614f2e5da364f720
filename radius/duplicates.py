"""Questions asked twice: the router lost our answer, or was impatient (RFC 5080 §2.2.2)."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

KEPT_SECONDS = 5.0
KEPT_MAX = 50_000
"""As many as are answered in five seconds of a storm; the oldest give way (about 20 MB when full)."""


class Duplicates:
    """What was answered lately, and what is being worked on. Bounded; safe to share between threads.

    A question is known by source address and port, code, identifier and Request Authenticator.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, tuple[float, bytes | None]] = OrderedDict()

    def begin(self, question: Hashable) -> tuple[bool, bytes | None]:
        """(is it new, the answer to send again). Not new and no answer: somebody is working on it, say nothing."""
        now = self._monotonic()
        with self._lock:
            while self._known:
                oldest = next(iter(self._known))
                if len(self._known) < KEPT_MAX and now - self._known[oldest][0] <= KEPT_SECONDS:
                    break
                del self._known[oldest]
            known = self._known.get(question)
            if known is not None:
                return False, known[1]
            self._known[question] = (now, None)
            return True, None

    def answered(self, question: Hashable, answer: bytes) -> None:
        """Keep the answer for whoever asks again."""
        with self._lock:
            self._known.pop(question, None)
            self._known[question] = (self._monotonic(), answer)

    def forget(self, question: Hashable) -> None:
        """It was not answered: asked again, it is new."""
        with self._lock:
            self._known.pop(question, None)
