"""Everybody who is let in: begins and ends sessions, keeps their rows, and lets time end them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

from sim.routeros.accounting import Reporter
from sim.routeros.grants import BadGrant, Grant, pool_addresses
from sim.routeros.hosts import Host
from sim.routeros.machine import Machine
from sim.routeros.sessions import CAUSE_NAMES, CAUSE_SESSION_TIMEOUT, Session
from sim.routeros.values import format_duration, parse_duration_ms

PORT_FIRST = 0x80F00001
POOL_SEARCH_MAX = 65536


class Roster:
    """The sessions of one router. Every method is called under the machine's lock."""

    def __init__(self, machine: Machine, reporter: Reporter, after_end: Callable[[Host, int], None]) -> None:
        self._machine = machine
        self._after_end = after_end
        self._reporter = reporter
        self._by_id: dict[str, Session] = {}
        self._by_user: dict[str, set[Session]] = {}
        self._counter = itertools.count(1)

    def next_session_id(self) -> tuple[str, int]:
        """A fresh Acct-Session-Id (2 digits service, 1 boot, 5 counter) and the NAS-Port that goes with it."""
        count = next(self._counter)
        return f"80{self._machine.boot_number & 0xF:x}{count & 0xFFFFF:05x}", (PORT_FIRST + count) & 0xFFFFFFFF

    def by_id(self, session_id: str) -> Session | None:
        return self._by_id.get(session_id)

    def all(self) -> list[Session]:
        return list(self._by_id.values())

    def of_user(self, user: str) -> int:
        """How many sessions this user name has now."""
        return len(self._by_user.get(user, ()))

    def begin(self, session: Session) -> None:
        """Let somebody in: rows, counters, the report, and the moments at which it will end."""
        host, grant, now = session.host, session.grant, self._machine.seconds()
        self._place(session)
        session.started_at = session.last_traffic_at = session.last_report_at = now
        session.ends_at = None if grant.session_seconds is None else now + grant.session_seconds
        session.interim_seconds = self._interim_seconds(session)
        host.session = session
        host.error = ""
        self._by_id[session.session_id] = session
        self._by_user.setdefault(session.user, set()).add(session)
        stored = {
            "server": host.server,
            "user": session.user,
            "address": host.to_address,
            "mac-address": host.mac,
            "login-by": session.method,
        }
        active = self._machine.tables["/ip/hotspot/active"]
        session.number = active.add(stored, lambda: session.live(self._machine.seconds()))
        self._show_rate(session)
        lists = self._machine.tables["/ip/firewall/address-list"]
        stamp = self._machine.shown_time().strftime("%Y-%m-%d %H:%M:%S")
        for name in grant.address_lists:
            row = {"list": name, "address": host.to_address, "dynamic": "true", "creation-time": stamp}
            session.list_numbers.append(lists.add(row))
        self._machine.note("hotspot,account,info,debug", f"{session.user} ({host.to_address}): logged in")
        self._reporter.start(session, self.port_type(host))
        self._machine.tables["/ip/hotspot/host"].touch(host.number)
        self.schedule(session)

    def end(self, session: Session, cause: int) -> None:
        """Let nobody through any more; the report says why."""
        if session.ended:
            return
        self.vanish(session)
        self._machine.note(
            "hotspot,account,info,debug",
            f"{session.user} ({session.host.to_address}): logged out: {CAUSE_NAMES.get(cause, cause)}",
        )
        self._count_local_use(session)
        self._reporter.stop(session, self.port_type(session.host), cause)
        self._machine.tables["/ip/hotspot/host"].touch(session.host.number)
        self._after_end(session.host, cause)

    def vanish(self, session: Session) -> None:
        """Take the session off all tables without a word, as a power cut does."""
        session.ended = True
        if session.timer is not None:
            session.timer.cancel()
        host = session.host
        host.session = None
        host.unauthorised_since = self._machine.seconds()
        self._by_id.pop(session.session_id, None)
        siblings = self._by_user.get(session.user, set())
        siblings.discard(session)
        if not siblings:
            self._by_user.pop(session.user, None)
        self._machine.tables["/ip/hotspot/active"].remove(session.number)
        self._hide_rate(session)
        lists = self._machine.tables["/ip/firewall/address-list"]
        for number in session.list_numbers:
            if number in lists.records:
                lists.remove(number)

    def change(self, session: Session, grant: Grant, *, new_time: bool) -> None:
        """Give a running session other limits. A new time counts from now (unknown on real routers: radius.md §3)."""
        session.grant = grant
        if new_time:
            seconds = grant.session_seconds
            session.ends_at = None if seconds is None else self._machine.seconds() + seconds
        self._hide_rate(session)
        self._show_rate(session)
        self._machine.tables["/ip/hotspot/active"].touch(session.number)
        if session.used_up():
            self.end(session, CAUSE_SESSION_TIMEOUT)
        else:
            self.schedule(session)

    def count(self, session: Session, upload: int, download: int) -> int:
        """Let bytes pass up to the limits; returns how many did. A reached limit ends the session.

        Which cause a real router gives for a used-up byte limit is not documented; we say Session-Timeout.
        """
        grant = session.grant
        if grant.limit_in is not None:
            upload = min(upload, max(0, grant.limit_in - session.bytes_in))
        if grant.limit_out is not None:
            download = min(download, max(0, grant.limit_out - session.bytes_out))
        left = session.bytes_left()
        if left is not None:
            upload = min(upload, left)
            download = min(download, left - upload)
        session.bytes_in += upload
        session.bytes_out += download
        session.last_traffic_at = self._machine.seconds()
        if session.used_up():
            self.end(session, CAUSE_SESSION_TIMEOUT)
        return upload + download

    def schedule(self, session: Session) -> None:
        """Come back to this session when the next thing about it falls due."""
        if session.timer is not None:
            session.timer.cancel()
            session.timer = None
        moments = [moment for moment, _ in session.due()]
        if session.interim_seconds is not None:
            moments.append(session.last_report_at + session.interim_seconds)
        if moments and not session.ended:
            session.timer = self._machine.timers.at(min(moments), lambda: self._look_at(session))

    def port_type(self, host: Host) -> str:
        return self._profile_value(host, "nas-port-type")

    def _look_at(self, session: Session) -> None:
        now = self._machine.seconds()
        for moment, cause in sorted(session.due()):
            if moment <= now:
                self.end(session, cause)
                return
        interim = session.interim_seconds
        if interim is not None and session.last_report_at + interim <= now:
            session.last_report_at = now
            self._reporter.interim(session, self.port_type(session.host))
        self.schedule(session)

    def _place(self, session: Session) -> None:
        """Give the host the address the answer named, or one of the pool it named."""
        grant, hosts = session.grant, self._machine.tables["/ip/hotspot/host"]
        address = grant.address
        if address is None and grant.pool is not None:
            pools = self._machine.tables["/ip/pool"]
            number = pools.find("name", grant.pool)
            ranges = pools.get(number, "ranges") if number is not None else ""
            free = (one for one in pool_addresses(ranges, POOL_SEARCH_MAX) if hosts.find("to-address", one) is None)
            address = next(free, None) if ranges else None
            if address is None:
                raise BadGrant(f"no more free addresses in pool {grant.pool}")
            session.grant = replace(grant, address=address)
        if address is not None and address != session.host.to_address:
            session.host.to_address = address
            hosts.change(session.host.number, {"to-address": address})

    def _show_rate(self, session: Session) -> None:
        if session.grant.rate is None:
            return
        values = {
            "name": f"<hotspot-{session.user}>"
            if self.of_user(session.user) < 2
            else f"<hotspot-{session.session_id}>",
            "target": f"{session.host.to_address}/32",
            "dynamic": "true",
            "parent": "none",
            **session.grant.rate.queue_values(),
        }
        session.queue_number = self._machine.tables["/queue/simple"].add(values, session.queue_live)

    def _hide_rate(self, session: Session) -> None:
        queues = self._machine.tables["/queue/simple"]
        if session.queue_number in queues.records and session.queue_number is not None:
            queues.remove(session.queue_number)
        session.queue_number = None

    def _interim_seconds(self, session: Session) -> float | None:
        """The profile's own interval, or the server's when the profile says `received`."""
        if not session.radius:
            return None
        text = self._profile_value(session.host, "radius-interim-update")
        if text in ("received", ""):
            return session.grant.interim_seconds
        return (parse_duration_ms(text) / 1000) or None

    def _profile_value(self, host: Host, name: str) -> str:
        servers, profiles = self._machine.tables["/ip/hotspot"], self._machine.tables["/ip/hotspot/profile"]
        server = servers.find("name", host.server)
        profile = profiles.find("name", servers.get(server, "profile") or "default") if server is not None else None
        return profiles.get(profile, name) if profile is not None else ""

    def _count_local_use(self, session: Session) -> None:
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
