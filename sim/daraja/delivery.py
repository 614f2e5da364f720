"""How Daraja's news reach us: usually once and soon, sometimes never, late, several times at once or out of order."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from sim.background import Background
from sim.poster import Answer, Poster

ANSWER_SECONDS = 20.0
REDELIVERIES_MAX = 3
LOG_MAX = 20_000

STK = "stk"
C2B = "c2b"


@dataclass(frozen=True)
class Parcel:
    """One piece of news. `kind` is STK for callbacks of prompts, C2B for confirmations; `gate` opens when it may go."""

    kind: str
    url: str
    body: dict[str, object]
    gate: threading.Event | None = None


@dataclass(frozen=True)
class Delivered:
    """A post that was made and what our service answered."""

    parcel: Parcel
    answer: Answer


class Delivery:
    """Posts parcels in the background, with trouble on demand. Safe to use from many threads."""

    def __init__(self, poster: Poster, background: Background) -> None:
        self._poster = poster
        self._background = background
        self._lock = threading.Lock()
        self._held: list[Parcel] = []
        self._holding = False
        self._lose: dict[str, int] = {}
        self._copies = 1
        self._delay_seconds = 0.0
        self.redeliver = False
        self.log: deque[Delivered] = deque(maxlen=LOG_MAX)

    def lose(self, times: int, kind: str) -> None:
        """The next parcels of this kind never arrive."""
        with self._lock:
            self._lose[kind] = self._lose.get(kind, 0) + times

    def repeat(self, copies: int) -> None:
        """From now on every parcel comes so many times, all at the same moment; 1 is normal."""
        with self._lock:
            self._copies = copies

    def delay(self, seconds: float) -> None:
        """From now on every parcel comes so many seconds later."""
        with self._lock:
            self._delay_seconds = seconds

    def hold(self) -> None:
        """Keep everything back."""
        with self._lock:
            self._holding = True

    def release(self, *, newest_first: bool = False) -> int:
        """Post what was kept back, one after the other, and go on normally. Returns how many there were."""
        with self._lock:
            self._holding = False
            held, self._held = self._held, []
            copies = self._copies
        ordered = held[::-1] if newest_first else held
        self._background.soon(lambda: self._post_in_order(ordered, copies))
        return len(held)

    def send(self, parcel: Parcel) -> None:
        """Take news in for delivery."""
        with self._lock:
            if self._lose.get(parcel.kind, 0) > 0:
                self._lose[parcel.kind] -= 1
                return
            if self._holding:
                self._held.append(parcel)
                return
            copies, delay_seconds = self._copies, self._delay_seconds
        for _ in range(copies):
            self._background.later(delay_seconds, lambda: self.post(parcel))

    def post(self, parcel: Parcel) -> Answer:
        """Post now and wait for the answer; again after a bad answer only if `redeliver` is set."""
        if parcel.gate is not None:
            parcel.gate.wait(ANSWER_SECONDS)
        answer = self._post_once(parcel)
        for _ in range(REDELIVERIES_MAX if self.redeliver else 0):
            if answer.ok:
                break
            answer = self._post_once(parcel)
        return answer

    def _post_once(self, parcel: Parcel) -> Answer:
        answer = self._poster.post_json(parcel.url, parcel.body, timeout_seconds=ANSWER_SECONDS)
        self.log.append(Delivered(parcel, answer))
        return answer

    def _post_in_order(self, parcels: list[Parcel], copies: int) -> None:
        for parcel in parcels:
            for _ in range(copies):
                self.post(parcel)
