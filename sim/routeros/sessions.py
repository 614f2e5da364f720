"""Somebody who is let in, whatever the way: counters, limits, and the moments at which it ends by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from sim.routeros.clock import Timer
from sim.routeros.grants import Grant
from sim.routeros.values import format_duration

CAUSE_USER_REQUEST = 1
CAUSE_LOST_CARRIER = 2
CAUSE_IDLE_TIMEOUT = 4
CAUSE_SESSION_TIMEOUT = 5
CAUSE_ADMIN_RESET = 6
CAUSE_NAMES = {1: "User-Request", 2: "Lost-Carrier", 4: "Idle-Timeout", 5: "Session-Timeout", 6: "Admin-Reset"}
BYTES_PER_PACKET = 1000


@dataclass(eq=False, kw_only=True)
class Session(ABC):
    """What sessions of a hotspot, of PPP and of DHCP have in common.

    Input is what came from the customer, output what went to the customer. `address` is the one behind the router's own
    translation, which accounting and orders name (reference radius.md §3).
    """

    user: str
    grant: Grant
    session_id: str
    port: int
    started_at: float
    radius: bool
    reported: bool
    server_number: int | None
    address: str = ""
    number: int = 0
    queue_number: int | None = None
    list_numbers: list[int] = field(default_factory=list)
    route_numbers: list[int] = field(default_factory=list)
    bytes_in: int = 0
    bytes_out: int = 0
    last_traffic_at: float = 0.0
    ends_at: float | None = None
    interim_seconds: float | None = None
    last_report_at: float = 0.0
    timer: Timer | None = None
    ended: bool = False

    @property
    @abstractmethod
    def mac(self) -> str:
        """The device, as `Calling-Station-Id` of a session names it."""

    @property
    @abstractmethod
    def silent_since(self) -> float | None:
        """When the other end went away without a word; None while it is there."""

    def bytes_left(self) -> int | None:
        """How much may still pass in both directions together; None without such a limit."""
        total = self.grant.limit_total
        return None if total is None else max(0, total - self.bytes_in - self.bytes_out)

    def used_up(self) -> bool:
        """Whether one of the byte limits is reached."""
        grant = self.grant
        reached = (
            (grant.limit_total, self.bytes_in + self.bytes_out),
            (grant.limit_in, self.bytes_in),
            (grant.limit_out, self.bytes_out),
        )
        return any(limit is not None and used >= limit for limit, used in reached)

    def due(self) -> list[tuple[float, int]]:
        """Moments at which this session ends by itself as things stand, each with its cause."""
        moments = []
        if self.ends_at is not None:
            moments.append((self.ends_at, CAUSE_SESSION_TIMEOUT))
        if self.grant.idle_seconds is not None:
            moments.append((self.last_traffic_at + self.grant.idle_seconds, CAUSE_IDLE_TIMEOUT))
        silent_since = self.silent_since
        if self.grant.keepalive_seconds is not None and silent_since is not None:
            moments.append((silent_since + self.grant.keepalive_seconds, CAUSE_LOST_CARRIER))
        return moments

    def limits_shown(self) -> dict[str, str]:
        """The limits a row of active sessions shows; those that are off are left out."""
        row = {}
        for name, seconds in (
            ("idle-timeout", self.grant.idle_seconds),
            ("keepalive-timeout", self.grant.keepalive_seconds),
        ):
            if seconds is not None:
                row[name] = format_duration(seconds * 1000)
        for name, limit in (
            ("limit-bytes-in", self.grant.limit_in),
            ("limit-bytes-out", self.grant.limit_out),
            ("limit-bytes-total", self.grant.limit_total),
        ):
            if limit is not None:
                row[name] = str(limit)
        return row

    def queue_live(self) -> dict[str, str]:
        """The counters of the queue row that carries the speed limit."""
        return {
            "bytes": f"{self.bytes_in}/{self.bytes_out}",
            "packets": f"{self.bytes_in // BYTES_PER_PACKET}/{self.bytes_out // BYTES_PER_PACKET}",
            "rate": "0/0",
            "dropped": "0/0",
        }
