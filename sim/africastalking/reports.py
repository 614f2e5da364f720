"""Delivery reports: what happened to a message after it was accepted, told late, twice or in the wrong order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sim.africastalking.network import Trouble
from sim.background import Background
from sim.poster import Poster

ANSWER_SECONDS = 15.0


@dataclass(frozen=True)
class Report:
    """One message whose fate is to be told."""

    url: str
    message_id: str
    msisdn: str
    network_code: str
    trouble: Trouble | None

    def posts(self) -> list[dict[str, str]]:
        """The interim report, then the final one (reference africastalking.md §3.3)."""
        common = {
            "id": self.message_id,
            "phoneNumber": self.msisdn,
            "networkCode": self.network_code,
            "retryCount": "0",
        }
        if self.trouble is None:
            return [common | {"status": "Sent"}, common | {"status": "Success"}]
        final = {"status": self.trouble.status, "failureReason": self.trouble.reason}
        return [common | {"status": "Sent"}, common | final]


class Reports:
    """Posts reports, or keeps them back."""

    def __init__(self, poster: Poster, background: Background) -> None:
        self._poster = poster
        self._background = background
        self._lock = threading.Lock()
        self._held: list[Report] = []
        self._holding = False
        self._backwards = False
        self._copies = 1

    def withhold(self) -> None:
        """Keep all reports back from now on."""
        with self._lock:
            self._holding = True

    def release(self, *, newest_first: bool = False) -> None:
        """Post what was kept back, and everything later at once."""
        with self._lock:
            self._holding = False
            held, self._held = self._held, []
        self.announce(held[::-1] if newest_first else held)

    def lose(self) -> None:
        """Throw away what was kept back: those reports never come."""
        with self._lock:
            self._held.clear()

    def reorder(self, backwards: bool) -> None:
        """Tell the final word before the interim one."""
        with self._lock:
            self._backwards = backwards

    def repeat(self, copies: int) -> None:
        """Post every report so many times; 1 is normal."""
        with self._lock:
            self._copies = copies

    def admit(self, reports: Sequence[Report]) -> Sequence[Report]:
        """Keep these back if that is the order of the day; returns those to announce."""
        with self._lock:
            if not self._holding:
                return reports
            self._held.extend(reports)
            return ()

    def announce(self, reports: Sequence[Report]) -> None:
        """Post in the background, the reports of one message one after the other."""
        for report in reports:
            self._background.soon(lambda report=report: self._post(report))  # type: ignore[misc]

    def _post(self, report: Report) -> None:
        with self._lock:
            posts = report.posts()[::-1] if self._backwards else report.posts()
            copies = self._copies
        for fields in posts:
            for _ in range(copies):
                self._poster.post_form(report.url, fields, timeout_seconds=ANSWER_SECONDS)
