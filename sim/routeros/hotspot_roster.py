"""The sessions of the hotspot: rows of `/ip/hotspot/active`, each on a host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sim.routeros.accounting import Reporter, who_and_where
from sim.routeros.grants import Grant, free_address, of_profile
from sim.routeros.hosts import Host
from sim.routeros.machine import Machine
from sim.routeros.packets import Pairs
from sim.routeros.roster import Roster
from sim.routeros.sessions import BYTES_PER_PACKET, Session
from sim.routeros.values import format_bool, format_duration, format_seconds, parse_duration_ms


@dataclass(eq=False, kw_only=True)
class HotspotSession(Session):
    """A row of `/ip/hotspot/active`."""

    host: Host
    method: str

    @property
    def mac(self) -> str:
        return self.host.mac

    @property
    def silent_since(self) -> float | None:
        return None if self.host.device.present else self.host.device.left_at_seconds

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
        return row | self.limits_shown()


class HotspotRoster(Roster[HotspotSession]):
    """Everybody the hotspot let in. `after_end` is told of every end but those of a power cut."""

    menu = "/ip/hotspot/active"
    profiles = "/ip/hotspot/user/profile"
    service = "hotspot"
    service_code = "80"
    topics = "hotspot,account,info,debug"

    def __init__(self, machine: Machine, reporter: Reporter, after_end: Callable[[Host, int], None]) -> None:
        super().__init__(machine, reporter)
        self._after_end = after_end

    def identity(self, session: HotspotSession) -> Pairs:
        host = session.host
        return who_and_where(self._machine, host, session.user, session.session_id, session.port, self._port_type(host))

    def _place(self, session: HotspotSession) -> None:
        """Give the host the address the answer named, or one of the pool it named."""
        grant, hosts = session.grant, self._machine.tables["/ip/hotspot/host"]
        address = grant.address
        if address is None and grant.pool is not None:
            pools = self._machine.tables["/ip/pool"]
            address = free_address(pools, grant.pool, lambda one: hosts.find("to-address", one) is not None)
            session.grant = replace(grant, address=address)
        if address is not None and address != session.host.to_address:
            session.host.to_address = address
            hosts.change(session.host.number, {"to-address": address})
        session.address = session.host.to_address

    def _of_profile(self, name: str) -> Grant:
        return of_profile(self._machine.tables[self.profiles], name)

    def _stored(self, session: HotspotSession) -> dict[str, str]:
        return {
            "server": session.host.server,
            "user": session.user,
            "address": session.address,
            "mac-address": session.mac,
            "login-by": session.method,
        }

    def _queue(self, session: HotspotSession) -> tuple[str, str]:
        alone = self.of_user(session.user) < 2
        return f"<hotspot-{session.user if alone else session.session_id}>", f"{session.address}/32"

    def _live(self, session: HotspotSession) -> dict[str, str]:
        return session.live(self._machine.seconds())

    def _began(self, session: HotspotSession) -> None:
        session.host.session = session
        session.host.error = ""
        self._machine.tables["/ip/hotspot/host"].touch(session.host.number)

    def _vanished(self, session: HotspotSession) -> None:
        session.host.session = None
        session.host.unauthorised_since = self._machine.seconds()

    def _ended(self, session: HotspotSession, cause: int) -> None:
        self._count_local_use(session)
        self._machine.tables["/ip/hotspot/host"].touch(session.host.number)
        self._after_end(session.host, cause)

    def _interim_seconds(self, session: HotspotSession) -> float | None:
        """The profile's own interval, or the server's when the profile says `received`."""
        text = self._profile_value(session.host, "radius-interim-update")
        if text in ("received", ""):
            return session.grant.interim_seconds
        return (parse_duration_ms(text) / 1000) or None

    def _port_type(self, host: Host) -> str:
        return self._profile_value(host, "nas-port-type")

    def _profile_value(self, host: Host, name: str) -> str:
        servers, profiles = self._machine.tables["/ip/hotspot"], self._machine.tables["/ip/hotspot/profile"]
        server = servers.find("name", host.server)
        profile = profiles.find("name", servers.get(server, "profile") or "default") if server is not None else None
        return profiles.get(profile, name) if profile is not None else ""

    def _count_local_use(self, session: HotspotSession) -> None:
        """A local user's own counters grow with each session that ends."""
        users = self._machine.tables["/ip/hotspot/user"]
        number = users.find("name", session.user)
        if session.radius or number is None:
            return
        seconds = self._machine.seconds() - session.started_at
        uptime_ms = parse_duration_ms(users.get(number, "uptime") or "0s") + int(seconds) * 1000
        users.change(
            number,
            {
                "uptime": format_duration(uptime_ms),
                "bytes-in": str(int(users.get(number, "bytes-in") or 0) + session.bytes_in),
                "bytes-out": str(int(users.get(number, "bytes-out") or 0) + session.bytes_out),
            },
        )
