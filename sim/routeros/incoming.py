"""Orders from RADIUS: change a running session, or end it (reference radius.md §3)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sim.routeros.accounting import radius_servers
from sim.routeros.faults import ERROR_NAS_MISMATCH, ERROR_SESSION_UNKNOWN, Faults
from sim.routeros.grants import BadGrant, Grant, parse_rate
from sim.routeros.machine import Machine
from sim.routeros.packets import (
    COA_ACK,
    COA_NAK,
    COA_REQUEST,
    CODE_NAMES,
    DISCONNECT_ACK,
    DISCONNECT_NAK,
    DISCONNECT_REQUEST,
    Attributes,
    BadPacket,
    check_order,
    encode,
    key_of,
    order_answer,
)
from sim.routeros.roster import Roster
from sim.routeros.sessions import CAUSE_ADMIN_RESET, Session

ERROR_UNSUPPORTED = 401
ERROR_MISSING = 402
ERROR_INVALID = 404
RECEIVE_BYTES_MAX = 4096

CHANGEABLE = (
    "Mikrotik-Group",
    "Mikrotik-Recv-Limit",
    "Mikrotik-Recv-Limit-Gigawords",
    "Mikrotik-Xmit-Limit",
    "Mikrotik-Xmit-Limit-Gigawords",
    "Mikrotik-Rate-Limit",
    "Mikrotik-Mark-Id",
    "Mikrotik-Advertise-URL",
    "Mikrotik-Advertise-Interval",
    "Filter-Id",
    "Session-Timeout",
    "Idle-Timeout",
    "Port-Limit",
)
IDENTIFYING = (
    "User-Name",
    "NAS-IP-Address",
    "NAS-Port",
    "NAS-Port-Id",
    "NAS-Identifier",
    "Framed-IP-Address",
    "Calling-Station-Id",
    "Called-Station-Id",
    "Acct-Session-Id",
    "Event-Timestamp",
    "Proxy-State",
    "Message-Authenticator",
)


class Refused(Exception):
    """An order that is answered with NAK."""

    def __init__(self, error_cause: int, reason: str) -> None:
        super().__init__(reason)
        self.error_cause = error_cause


class Incoming:
    """The router's ear for orders. Whatever is configured as its port, it listens where it was told to."""

    def __init__(self, machine: Machine, rosters: Sequence[Roster[Any]], faults: Faults, host: str, port: int) -> None:
        self._machine = machine
        self._rosters = rosters
        self._faults = faults
        self._host = host
        self.counters = {"requests": 0, "bad-requests": 0, "acks": 0, "naks": 0}
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, port))
        self.sock.setblocking(False)
        self.port: int = self.sock.getsockname()[1]

    def close(self) -> None:
        self.sock.close()

    def hear(self) -> None:
        """Read and obey everything that has arrived."""
        while True:
            try:
                raw, peer = self.sock.recvfrom(RECEIVE_BYTES_MAX)
            except OSError:
                return
            answer = self.obey(raw)
            if answer is not None:
                with contextlib.suppress(OSError):
                    self.sock.sendto(answer, peer)

    def obey(self, raw: bytes) -> bytes | None:
        """The answer to one datagram; None where the router stays silent."""
        if self._faults.coa_ignored or self._machine.tables.value("/radius/incoming", "accept") != "true":
            return None
        try:
            request = Attributes(raw)
        except BadPacket:
            self.counters["bad-requests"] += 1
            return None
        secret = self._secret_of(request)
        if secret is None or request.code not in (COA_REQUEST, DISCONNECT_REQUEST):
            self.counters["bad-requests"] += 1
            return None
        self.counters["requests"] += 1
        change = request.code == COA_REQUEST
        user = request.text("User-Name") or ""
        try:
            self._carry_out(request, change=change)
        except (Refused, BadPacket) as refusal:
            cause = refusal.error_cause if isinstance(refusal, Refused) else ERROR_INVALID
            code = COA_NAK if change else DISCONNECT_NAK
            self.counters["naks"] += 1
            self._machine.radius_log.append(("incoming", CODE_NAMES[code], user, f"{cause} {refusal}"))
            return order_answer(request, code, secret, [encode("Error-Cause", cause)])
        code = COA_ACK if change else DISCONNECT_ACK
        self.counters["acks"] += 1
        self._machine.radius_log.append(("incoming", CODE_NAMES[code], user, ""))
        return order_answer(request, code, secret, [])

    def _secret_of(self, request: Attributes) -> bytes | None:
        """The secret this order is signed with, if it is one of ours."""
        for server in radius_servers(self._machine, ""):
            try:
                check_order(request, server.secret)
            except BadPacket:
                continue
            return server.secret
        return None

    def _carry_out(self, request: Attributes, *, change: bool) -> None:
        if self._faults.coa_nak_cause is not None:
            raise Refused(self._faults.coa_nak_cause, "told to refuse")
        known = {key_of(name) for name in (*IDENTIFYING, *(CHANGEABLE if change else ()))}
        unsupported = [key for key in request.present() if key not in known]
        nas_address = request.address("NAS-IP-Address")
        if nas_address is not None and nas_address not in self._own_addresses():
            raise Refused(ERROR_NAS_MISMATCH, f"{nas_address} is not this router")
        if unsupported:
            raise Refused(ERROR_UNSUPPORTED, f"cannot be changed: {unsupported[0]}")
        with self._machine.lock:
            roster, session = self._session_meant(request)
            grant = self._changed(roster, session.grant, request) if change else session.grant
            if self._faults.coa_lies:
                return
            if change:
                roster.change(session, grant, new_time=request.integer("Session-Timeout") is not None)
            else:
                roster.end(session, CAUSE_ADMIN_RESET)

    def _own_addresses(self) -> set[str]:
        with self._machine.lock:
            table = self._machine.tables["/ip/address"]
            own = {table.get(number, "address").partition("/")[0] for number in table.records}
        own.update(server.source for server in radius_servers(self._machine, self._host))
        return own | {self._host}

    def _session_meant(self, request: Attributes) -> tuple[Roster[Any], Session]:
        """A session is found by its id or its address; everything else that is given must fit too.

        Leases of DHCP are not among them: nothing says that a router takes orders about those.
        """
        session_id, address = request.text("Acct-Session-Id"), request.address("Framed-IP-Address")
        if session_id is None and address is None:
            raise Refused(ERROR_SESSION_UNKNOWN, "neither Acct-Session-Id nor Framed-IP-Address")
        for roster in self._rosters:
            session = roster.by_id(session_id) if session_id is not None else roster.by_address(address or "")
            if session is not None:
                break
        else:
            raise Refused(ERROR_SESSION_UNKNOWN, "no such session")
        user, mac = request.text("User-Name"), request.text("Calling-Station-Id")
        fits = address in (None, session.address) and user in (None, session.user) and mac in (None, session.mac)
        if not fits:
            raise Refused(ERROR_SESSION_UNKNOWN, "no session fits all of what is given")
        return roster, session

    def _changed(self, roster: Roster[Any], grant: Grant, request: Attributes) -> Grant:
        group = request.text("Mikrotik-Group")
        if group is not None:
            profiles = self._machine.tables[roster.profiles]
            if profiles.find("name", group) is None:
                raise Refused(ERROR_INVALID, f"no user profile {group[:40]}")
            try:
                grant = roster.regrouped(grant, group)
            except BadGrant as broken:
                raise Refused(ERROR_INVALID, str(broken)) from broken
        rate = request.text("Mikrotik-Rate-Limit")
        if rate is not None:
            try:
                grant = replace(grant, rate=parse_rate(rate))
            except ValueError as broken:
                raise Refused(ERROR_INVALID, str(broken)) from broken
        return _with_limits(grant, request)


def _with_limits(grant: Grant, request: Attributes) -> Grant:
    """The same permission with the limits that an order names; zero takes one away."""
    seconds, idle = request.integer("Session-Timeout"), request.integer("Idle-Timeout")
    if seconds is not None:
        grant = replace(grant, session_seconds=seconds or None)
    if idle is not None:
        grant = replace(grant, idle_seconds=idle or None)
    if request.texts("Filter-Id"):
        grant = replace(grant, filters=tuple(request.texts("Filter-Id")))
    if request.text("Mikrotik-Mark-Id") is not None:
        grant = replace(grant, mark=request.text("Mikrotik-Mark-Id"))
    if request.integer("Port-Limit") is not None:
        grant = replace(grant, sessions_max=request.integer("Port-Limit") or None)
    if request.integer("Mikrotik-Recv-Limit") is not None:
        grant = replace(grant, limit_in=request.octets_64("Mikrotik-Recv-Limit"))
    if request.integer("Mikrotik-Xmit-Limit") is not None:
        grant = replace(grant, limit_out=request.octets_64("Mikrotik-Xmit-Limit"))
    return grant
