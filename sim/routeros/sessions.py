"""One device that is let in: its row, its counters, its limits, and its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sim.routeros.clock import Timer
from sim.routeros.grants import Grant
from sim.routeros.values import format_bool, format_duration, format_seconds

if TYPE_CHECKING:
    from sim.routeros.hosts import Host

CAUSE_USER_REQUEST = 1
CAUSE_LOST_CARRIER = 2
CAUSE_IDLE_TIMEOUT = 4
CAUSE_SESSION_TIMEOUT = 5
CAUSE_ADMIN_RESET = 6
CAUSE_NAMES = {1: "User-Request", 2: "Lost-Carrier", 4: "Idle-Timeout", 5: "Session-Timeout", 6: "Admin-Reset"}
BYTES_PER_PACKET = 1000


@dataclass(eq=False)
class Session:
    """A row of `/ip/hotspot/active`. Input is what came from the customer, output what went to the customer."""

    host: Host
    user: str
    method: str
    grant: Grant
    session_id: str
    port: int
    started_at: float
    radius: bool
    reported: bool
    server_number: int | None
    number: int = 0
    queue_number: int | None = None
    list_numbers: list[int] = field(default_factory=list)
    bytes_in: int = 0
    bytes_out: int = 0
    last_traffic_at: float = 0.0
    ends_at: float | None = None
    interim_seconds: float | None = None
    last_report_at: float = 0.0
    timer: Timer | None = None
    ended: bool = False

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
        device = self.host.device
        if self.grant.keepalive_seconds is not None and not device.present:
            moments.append((device.left_at_seconds + self.grant.keepalive_seconds, CAUSE_LOST_CARRIER))
        return moments

    def live(self, now: float) -> dict[str, str]:
        """What only the moment knows about the row; properties that are off are left out."""
        row = {
            "uptime": format_seconds(now - self.started_at),
            "idle-time": format_seconds(now - self.last_traffic_at),
            "bytes-in": str(self.bytes_in),
            "bytes-out": str(self.bytes_out),
            "packets-in": str(self.bytes_in // BYTES_PER_PACKET),
            "packets-out": str(self.bytes_out // BYTES_PER_PACKET),
            "radius": format_bool(self.radius),
            "blocked": "false",
        }
        if self.ends_at is not None:
            row["session-time-left"] = format_seconds(self.ends_at - now)
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
