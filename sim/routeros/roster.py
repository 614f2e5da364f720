"""Everybody who is let in, in one way or another: begins and ends sessions, keeps their rows, lets time end them."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar, Generic, TypeVar

from sim.routeros.accounting import Reporter
from sim.routeros.grants import Grant, split_route
from sim.routeros.machine import Machine
from sim.routeros.packets import Pairs
from sim.routeros.sessions import CAUSE_NAMES, CAUSE_SESSION_TIMEOUT, Session

PORT_FIRST = 0x80F00001

AnySession = TypeVar("AnySession", bound=Session)


class Roster(ABC, Generic[AnySession]):
    """The sessions of one service of one router. Every method is called under the machine's lock.

    What differs between services (whose table, whose address, which names) is filled in by those that derive from it.
    """

    menu: ClassVar[str]
    profiles: ClassVar[str]
    service: ClassVar[str]
    service_code: ClassVar[str]
    topics: ClassVar[str]

    def __init__(self, machine: Machine, reporter: Reporter) -> None:
        self._machine = machine
        self._reporter = reporter
        self._by_id: dict[str, AnySession] = {}
        self._by_user: dict[str, set[AnySession]] = {}
        self._counter = itertools.count(1)

    def next_session_id(self) -> tuple[str, int]:
        """A fresh Acct-Session-Id (2 digits service, 1 boot, 5 counter) and the NAS-Port that goes with it."""
        count = next(self._counter)
        boot = self._machine.boot_number & 0xF
        return f"{self.service_code}{boot:x}{count & 0xFFFFF:05x}", (PORT_FIRST + count) & 0xFFFFFFFF

    def by_id(self, session_id: str) -> AnySession | None:
        return self._by_id.get(session_id)

    def by_address(self, address: str) -> AnySession | None:
        return next((session for session in self._by_id.values() if session.address == address), None)

    def all(self) -> list[AnySession]:
        return list(self._by_id.values())

    def of_user(self, user: str) -> int:
        """How many sessions this user name has now."""
        return len(self._by_user.get(user, ()))

    def begin(self, session: AnySession) -> None:
        """Let somebody in: rows, counters, the report, and the moments at which it will end. May raise BadGrant."""
        now = self._machine.seconds()
        self._place(session)
        grant = session.grant
        session.started_at = session.last_traffic_at = session.last_report_at = now
        session.ends_at = None if grant.session_seconds is None else now + grant.session_seconds
        session.interim_seconds = self._interim_seconds(session) if session.radius else None
        self._by_id[session.session_id] = session
        self._by_user.setdefault(session.user, set()).add(session)
        session.number = self._machine.tables[self.menu].add(self._stored(session), lambda: self._live(session))
        self._show_rate(session)
        self._show_lists(session)
        self._show_routes(session)
        self._machine.note(self.topics, f"{session.user} ({session.address}): logged in")
        self._reporter.start(session, self.identity(session))
        self._began(session)
        self.schedule(session)

    def end(self, session: AnySession, cause: int) -> None:
        """Let nobody through any more; the report says why."""
        if session.ended:
            return
        self.vanish(session)
        why = CAUSE_NAMES.get(cause, cause)
        self._machine.note(self.topics, f"{session.user} ({session.address}): logged out: {why}")
        self._reporter.stop(session, self.identity(session), cause)
        self._ended(session, cause)

    def vanish(self, session: AnySession) -> None:
        """Take the session off all tables without a word, as a power cut does."""
        session.ended = True
        if session.timer is not None:
            session.timer.cancel()
        self._by_id.pop(session.session_id, None)
        siblings = self._by_user.get(session.user, set())
        siblings.discard(session)
        if not siblings:
            self._by_user.pop(session.user, None)
        self._machine.tables[self.menu].remove(session.number)
        self._hide_rate(session)
        for menu, numbers in (
            ("/ip/firewall/address-list", session.list_numbers),
            ("/ip/route", session.route_numbers),
        ):
            table = self._machine.tables[menu]
            for number in numbers:
                if number in table.records:
                    table.remove(number)
        self._vanished(session)

    def change(self, session: AnySession, grant: Grant, *, new_time: bool) -> None:
        """Give a running session other limits.

        A new time counts from now, or if told so from the session's start: unknown on real routers (radius.md §3).
        """
        session.grant = grant
        if new_time:
            since = session.started_at if self._machine.new_times_count_from_start else self._machine.seconds()
            session.ends_at = None if grant.session_seconds is None else since + grant.session_seconds
        self._hide_rate(session)
        self._show_rate(session)
        self._machine.tables[self.menu].touch(session.number)
        if session.used_up():
            self.end(session, CAUSE_SESSION_TIMEOUT)
        else:
            self.schedule(session)

    def count(self, session: AnySession, upload: int, download: int) -> int:
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

    def schedule(self, session: AnySession) -> None:
        """Come back to this session when the next thing about it falls due."""
        if session.timer is not None:
            session.timer.cancel()
            session.timer = None
        moments = [moment for moment, _ in session.due()]
        if session.interim_seconds is not None:
            moments.append(session.last_report_at + session.interim_seconds)
        if moments and not session.ended:
            session.timer = self._machine.timers.at(min(moments), lambda: self._look_at(session))

    def _look_at(self, session: AnySession) -> None:
        now = self._machine.seconds()
        for moment, cause in sorted(session.due()):
            if moment <= now:
                self.end(session, cause)
                return
        interim = session.interim_seconds
        if interim is not None and session.last_report_at + interim <= now:
            session.last_report_at = now
            self._reporter.interim(session, self.identity(session))
        self.schedule(session)

    # Rows elsewhere that live as long as the session (reference radius.md §1).

    def _show_rate(self, session: AnySession) -> None:
        if session.grant.rate is None:
            return
        name, target = self._queue(session)
        values = {"name": name, "target": target, "dynamic": "true", "parent": "none"}
        values |= session.grant.rate.queue_values()
        session.queue_number = self._machine.tables["/queue/simple"].add(values, session.queue_live)

    def _hide_rate(self, session: AnySession) -> None:
        queues = self._machine.tables["/queue/simple"]
        if session.queue_number in queues.records and session.queue_number is not None:
            queues.remove(session.queue_number)
        session.queue_number = None

    def _show_lists(self, session: AnySession) -> None:
        lists = self._machine.tables["/ip/firewall/address-list"]
        stamp = self._machine.stamp()
        for name in session.grant.address_lists:
            row = {"list": name, "address": session.address, "dynamic": "true", "creation-time": stamp}
            session.list_numbers.append(lists.add(row))

    def _show_routes(self, session: AnySession) -> None:
        routes = self._machine.tables["/ip/route"]
        for text in session.grant.routes:
            network, gateway, metric = split_route(text)
            row = {"dst-address": network, "gateway": gateway or session.address, "distance": metric}
            session.route_numbers.append(routes.add({**row, "dynamic": "true", "active": "true"}))

    def regrouped(self, grant: Grant, group: str) -> Grant:
        """The same permission under another profile: its rate and its keepalive. Raises BadGrant."""
        profile = self._of_profile(group)
        return replace(grant, rate=profile.rate, keepalive_seconds=profile.keepalive_seconds, profile=group)

    # What services fill in.

    @abstractmethod
    def _of_profile(self, name: str) -> Grant:
        """What a profile of this service gives when nothing more particular is said. Raises BadGrant."""

    @abstractmethod
    def identity(self, session: AnySession) -> Pairs:
        """The attributes every report about this session has."""

    @abstractmethod
    def _place(self, session: AnySession) -> None:
        """Settle the session's address. Raises BadGrant when there is none to be had."""

    @abstractmethod
    def _stored(self, session: AnySession) -> dict[str, str]:
        """What the session's row says from beginning to end."""

    @abstractmethod
    def _live(self, session: AnySession) -> dict[str, str]:
        """What only the moment knows about it."""

    @abstractmethod
    def _queue(self, session: AnySession) -> tuple[str, str]:
        """Name and target of the queue row that carries its rate."""

    @abstractmethod
    def _interim_seconds(self, session: AnySession) -> float | None:
        """How often usage is reported, if at all."""

    def _began(self, session: AnySession) -> None:
        """It is on all tables now."""

    def _vanished(self, session: AnySession) -> None:
        """It is off all tables now."""

    def _ended(self, session: AnySession, cause: int) -> None:
        """It is over, and the report is written."""
