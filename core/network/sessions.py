"""One session as its router tells it: what a packet adds to what is known. Pure, so that every order can be tried.

Totals only grow; what the router called ended stays ended; an end that was only inferred gives way (docs/radius-policy.md).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

CLASS_PREFIX = "duka:"
STALE, REBOOT = "Stale", "NAS-Reboot"
INFERRED_ENDS = (STALE, REBOOT)
"""Ends that nobody told us of this session itself."""
RESTART_TOLERANCE = timedelta(seconds=60)
"""How far a repeated Start may seem to be later than it was."""


class Traffic(NamedTuple):
    """Totals since the session began, in bytes, Gigawords already added."""

    input_bytes: int = 0
    output_bytes: int = 0
    seconds: int = 0


class AccountingEvent(NamedTuple):
    """One accounting packet, understood. `kind`: start · interim · stop · on · off. `at` is now minus Acct-Delay-Time."""

    kind: str
    router_id: int
    nas_address: str
    at: datetime
    session_id: str = ""
    username: str = ""
    mac: str = ""
    framed_ip: str | None = None
    called_station: str = ""
    nas_port_id: str = ""
    nas_port_type: str = ""
    traffic: Traffic = Traffic()
    cause: str = ""
    klass: str = ""

    @property
    def unique_id(self) -> str:
        """Names the session in `radacct`. Without the router's name: renaming it must not open a second row (radius.md §4.5)."""
        return _md5(f"{self.username}|{self.session_id}|{self.nas_address}")

    @property
    def ends_everything(self) -> bool:
        """The router itself came up or goes down: whatever ran on it before is over."""
        return self.kind in ("on", "off")


@dataclass(slots=True)
class Session:
    """What is known of one session. `written` is the end it has in the table, if it is there."""

    unique_id: str
    first: AccountingEvent | None
    started_at: datetime
    heard_at: datetime
    stopped_at: datetime | None = None
    seconds: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    cause: str = ""
    klass: str = ""
    framed_ip: str | None = None
    in_table: bool = False
    written: datetime | None = None
    changed: bool = False


class Growth(NamedTuple):
    """What one packet added to the totals, on which subscription (0: nobody's) and when."""

    event: AccountingEvent
    subscription_id: int
    input_bytes: int
    output_bytes: int
    seconds: int
    sessions: int = 0


def begin(event: AccountingEvent, klass: str) -> Session:
    """The first news of a session; an interim or stop without a start tells by its seconds when it began."""
    stopped = event.kind == "stop"
    traffic = event.traffic
    return Session(
        event.unique_id, event, event.at - timedelta(seconds=traffic.seconds), event.at,
        event.at if stopped else None, traffic.seconds, traffic.input_bytes, traffic.output_bytes,
        event.cause if stopped else "", klass, event.framed_ip,
    )  # fmt: skip


def is_another_session(known: Session, event: AccountingEvent) -> bool:
    """A Start after the last that was heard of this session: the router uses the session's number again (radius.md §2).

    A doubled or late Start tells of the time when the known session began.
    """
    return event.kind == "start" and event.at > (known.stopped_at or known.heard_at) + RESTART_TOLERANCE


def set_aside(known: Session) -> None:
    """The number belongs to a new session now; the old one has ended."""
    if known.stopped_at is None:
        known.stopped_at, known.cause, known.changed = known.heard_at, STALE, True


def progress(known: Session, event: AccountingEvent, klass: str) -> tuple[int, int, int]:
    """Take note of a packet of a known session: by how much input, output and seconds have grown.

    `klass` is used when the session has none yet.
    """
    traffic = event.traffic
    grown = (
        max(traffic.input_bytes - known.input_bytes, 0),
        max(traffic.output_bytes - known.output_bytes, 0),
        max(traffic.seconds - known.seconds, 0),
    )
    if any(grown):
        known.input_bytes += grown[0]
        known.output_bytes += grown[1]
        known.seconds += grown[2]
        known.changed = True
    if event.at > known.heard_at:
        known.heard_at, known.changed = event.at, True
    if event.framed_ip and not known.framed_ip:
        known.framed_ip, known.changed = event.framed_ip, True
    if klass and not known.klass:
        known.klass, known.changed = klass, True
    _end_or_return(known, event)
    return grown


def _end_or_return(known: Session, event: AccountingEvent) -> None:
    inferred = known.cause in INFERRED_ENDS
    if event.kind == "stop" and (known.stopped_at is None or inferred):
        known.stopped_at, known.cause, known.changed = event.at, event.cause, True
    elif event.kind == "interim" and inferred and known.stopped_at is not None and event.at > known.stopped_at:
        known.stopped_at, known.cause, known.changed = None, "", True  # it was only silent, not gone


@lru_cache(maxsize=65_536)
def subscription_id(klass: str) -> int | None:
    """`duka:17` → 17. Anything else a router echoes is not ours."""
    number = klass.removeprefix(CLASS_PREFIX)
    ours = klass.startswith(CLASS_PREFIX) and number.isascii() and number.isdigit() and len(number) < 18
    return int(number) if ours else None


def _md5(name: str) -> str:
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
