"""How somebody gets in: by MAC address, by the page, or by a program; local users first, then RADIUS."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sim.routeros import grants
from sim.routeros.accounting import radius_servers, who_and_where
from sim.routeros.devices import Device, LoginResult
from sim.routeros.grants import BadGrant, Grant
from sim.routeros.hosts import Host
from sim.routeros.hotspot_roster import HotspotRoster, HotspotSession
from sim.routeros.lines import RadiusServer
from sim.routeros.machine import Machine
from sim.routeros.packets import ACCESS_ACCEPT, Key, Pairs
from sim.routeros.radius import Outcome, RadiusClient
from sim.routeros.values import parse_duration_ms, parse_mac

if TYPE_CHECKING:
    from sim.routeros.hotspot import Hotspot

WRONG_PASSWORD = "invalid username or password"
SILENT = "RADIUS server is not responding"
BUSY = "already authorizing, retry later"
NO_CHAP = "web browser did not send challenge response (try again, enable JavaScript)"
ANSWER_SECONDS_MAX = 120.0
_FIELD = re.compile(r"radius(\d{1,3})(?:-(\d{1,8}))?(u?)", re.ASCII)
_GROUPS = {"XX": 2, "XXXX": 4, "XXXXXX": 6, "XXXXXXXXXXXX": 12}

Answered = Callable[[LoginResult], None]


def format_mac(mac: str, pattern: str) -> str:
    """A MAC address in the profile's `radius-mac-format`."""
    digits = mac.replace(":", "")
    separator = next((sign for sign in pattern if sign != "X"), "")
    size = _GROUPS.get(pattern.split(separator)[0] if separator else pattern, 2)
    return (separator if separator or size == 12 else ":").join(digits[at : at + size] for at in range(0, 12, size))


def form_attributes(fields: dict[str, str | int]) -> Pairs:
    """`radius<id>[-<vendor>][u]` fields of a form as attributes; anything else in the form is ignored."""
    found: Pairs = []
    for name, value in fields.items():
        match = _FIELD.fullmatch(name)
        if match is None or not 0 < int(match[1]) < 256:
            continue
        key: Key = (int(match[2]), int(match[1])) if match[2] else int(match[1])
        raw = (int(value) & 0xFFFFFFFF).to_bytes(4, "big") if match[3] else str(value).encode()
        found.append((key, raw[:247]))
    return found


class Logins:
    """Every attempt to get in. Answers come later and elsewhere: `answered` is called without the lock."""

    def __init__(
        self, machine: Machine, client: RadiusClient, roster: HotspotRoster, hotspot: Hotspot, source: str
    ) -> None:
        self._machine = machine
        self._client = client
        self._roster = roster
        self._hotspot = hotspot
        self._source = source

    def at_first_sight(self, host: Host) -> None:
        """What a new host row gets by itself: its cookie's login, else one MAC login. Call under the lock."""
        cookies = self._hotspot.cookies
        cookie = cookies.of(host.mac)
        if cookie is None or not self._allows(host, "mac-cookie"):
            self._by_mac(host)
            return

        def answered(result: LoginResult) -> None:
            if not result.ok:
                with self._machine.lock:
                    cookies.drop(host.mac)
                    if not host.gone:
                        self._by_mac(host)

        self.begin(host, cookie.user, cookie.password, "mac-cookie", [], answered)

    def _allows(self, host: Host, method: str) -> bool:
        return method in self._hotspot.profile_of(host.server)("login-by").split(",")

    def _by_mac(self, host: Host) -> None:
        profile = self._hotspot.profile_of(host.server)
        if not self._allows(host, "mac"):
            return
        user = format_mac(host.mac, profile("radius-mac-format"))
        password = profile("mac-auth-password")
        if profile("mac-auth-mode") == "mac-as-username-and-password":
            password = user
        self.begin(host, user, password, "mac", [], lambda _result: None)

    def by_program(self, user: str, password: str, ip: str, mac: str | None) -> LoginResult:
        """`/ip/hotspot/active/login`, with the errors of reference routeros.md §3.3. Waits for the answer."""
        with self._machine.lock:
            host = self._hotspot.host_at(ip)
            if host is None:
                return LoginResult(False, f"unknown host IP {ip}")
            if mac is not None and mac != host.mac:
                return LoginResult(False, "wrong MAC provided")
            if host.session is not None or host.bypassed:
                # Undocumented on real routers (routeros.md §3.3): this wording is ours.
                return LoginResult(False, "failure: already logged in")
            waiting = _Waiting()
            self.begin(host, user, password, "http-pap", [], waiting.answered)
        return waiting.result()

    def browse(self, device: Device, user: str, password: str, fields: dict[str, str | int]) -> LoginResult:
        """The login form in clear. Without `http-pap` nobody asks RADIUS at all (reference routeros.md §3.2)."""
        with self._machine.lock:
            host = self._hotspot.host_of(device)
            if host is None:
                return LoginResult(False, f"unknown host IP {device.ip}")
            if host.session is not None or host.bypassed:
                return LoginResult(True)
            if not self._allows(host, "http-pap"):
                return LoginResult(False, NO_CHAP)
            if _is_mac(user) and parse_mac(user) != host.mac:
                return LoginResult(False, f"invalid username ({user}): this MAC address is not yours")
            waiting = _Waiting()
            self.begin(host, user, password, "http-pap", form_attributes(fields), waiting.answered)
        result = waiting.result()
        if result.ok:
            self._keep_cookie(host, user, password)
        return result

    def _keep_cookie(self, host: Host, user: str, password: str) -> None:
        with self._machine.lock:
            if host.session is not None and self._allows(host, "mac-cookie"):
                self._hotspot.cookies.keep(host.mac, user, password, host.session.grant.profile)

    def begin(self, host: Host, user: str, password: str, method: str, extra: Pairs, answered: Answered) -> None:
        """Try to log a host in. Call under the lock; local users are decided at once."""
        if host.authorizing:
            answered(LoginResult(False, BUSY))
            return
        profile = self._hotspot.profile_of(host.server)
        session_id, port = self._roster.next_session_id()
        if self._machine.tables["/ip/hotspot/user"].find("name", user) is not None:
            answered(self._local(host, user, password, method, session_id, port))
            return
        if profile("use-radius") != "true":
            answered(self._failed(host, user, WRONG_PASSWORD))
            return
        servers = self._servers_for(host, user)
        attributes = who_and_where(self._machine, host, user, session_id, port, profile("nas-port-type")) + extra
        host.authorizing = True

        def concluded(outcome: Outcome) -> None:
            with self._machine.lock:
                host.authorizing = False
                draft = (session_id, port, method)
                result = self._conclude(host, user, draft, outcome)
            answered(result)

        self._client.ask(servers, attributes, password, concluded)

    def _servers_for(self, host: Host, user: str) -> list[RadiusServer]:
        """The servers that want to hear about this login: rows may be bound to a hotspot server or a domain."""
        table = self._machine.tables["/radius"]
        domain = user.partition("@")[2]
        return [
            server
            for server in radius_servers(self._machine, self._source, "hotspot")
            if table.get(server.number, "called-id") in ("", host.server)
            and table.get(server.number, "domain") in ("", domain)
        ]

    def _conclude(self, host: Host, user: str, draft: tuple[str, int, str], outcome: Outcome) -> LoginResult:
        log = self._machine.radius_log
        if outcome.answer is None or outcome.server is None:
            log.append(("authentication", "timeout", user, SILENT))
            return self._failed(host, user, SILENT)
        if outcome.answer.code != ACCESS_ACCEPT:
            reason = "".join(outcome.answer.texts("Reply-Message")) or WRONG_PASSWORD
            log.append(("authentication", "Access-Reject", user, reason))
            return self._failed(host, user, reason)
        log.append(("authentication", "Access-Accept", user, ""))
        if host.gone:
            return LoginResult(False, f"unknown host IP {host.to_address}")
        tables = self._machine.tables
        try:
            group = outcome.answer.text("Mikrotik-Group") or "default"
            base = grants.of_profile(tables["/ip/hotspot/user/profile"], group)
            grant = grants.of_answer(outcome.answer, base, tables["/ip/pool"])
            return self._let_in(host, user, draft, grant, outcome.server.number)
        except BadGrant as refusal:
            return self._failed(host, user, str(refusal))

    def _let_in(
        self, host: Host, user: str, draft: tuple[str, int, str], grant: Grant, server_number: int | None
    ) -> LoginResult:
        if grant.sessions_max is not None and self._roster.of_user(user) >= grant.sessions_max:
            return self._failed(host, user, f"no more sessions are allowed for user {user}")
        session_id, port, method = draft
        session = HotspotSession(
            host=host,
            user=user,
            method=method,
            grant=grant,
            session_id=session_id,
            port=port,
            started_at=self._machine.seconds(),
            radius=server_number is not None,
            reported=server_number is not None
            and self._hotspot.profile_of(host.server)("radius-accounting") != "false",
            server_number=server_number,
        )
        self._roster.begin(session)
        return LoginResult(True)

    def _failed(self, host: Host, user: str, reason: str) -> LoginResult:
        host.error = reason
        self._machine.note("hotspot,info,debug", f"{user} ({host.to_address}): login failed: {reason}")
        return LoginResult(False, reason)

    def _local(self, host: Host, user: str, password: str, method: str, session_id: str, port: int) -> LoginResult:
        """A user of the router itself, who wins over RADIUS (reference radius.md §1)."""
        users = self._machine.tables["/ip/hotspot/user"]
        number = users.find("name", user)
        assert number is not None
        wrong = (
            users.get(number, "disabled") == "true"
            or users.get(number, "password") != password
            or users.get(number, "server") not in ("all", host.server)
            or users.get(number, "mac-address") not in ("", host.mac)
        )
        if wrong:
            return self._failed(host, user, WRONG_PASSWORD)
        try:
            grant = self._local_grant(number)
            return self._let_in(host, user, (session_id, port, method), grant, None)
        except BadGrant as refusal:
            return self._failed(host, user, str(refusal))

    def _local_grant(self, number: int) -> Grant:
        """The profile's permissions, less what the user's own limits leave."""
        users = self._machine.tables["/ip/hotspot/user"]
        grant = grants.of_profile(self._machine.tables["/ip/hotspot/user/profile"], users.get(number, "profile"))
        used_seconds = parse_duration_ms(users.get(number, "uptime") or "0s") / 1000
        limit_seconds = parse_duration_ms(users.get(number, "limit-uptime") or "0s") / 1000
        if limit_seconds:
            left = limit_seconds - used_seconds
            if left <= 0:
                raise BadGrant("user has reached uptime limit")
            grant = replace(grant, session_seconds=min(left, grant.session_seconds or left))
        used_in, used_out = (int(users.get(number, name) or 0) for name in ("bytes-in", "bytes-out"))
        limits = {}
        for name, used in (("total", used_in + used_out), ("in", used_in), ("out", used_out)):
            limit = int(users.get(number, f"limit-bytes-{name}") or 0)
            if limit and used >= limit:
                raise BadGrant("user has reached traffic limit")
            limits[f"limit_{name}"] = limit - used if limit else None
        return replace(
            grant, limit_total=limits["limit_total"], limit_in=limits["limit_in"], limit_out=limits["limit_out"]
        )


class _Waiting:
    """Where somebody waits for the outcome of a login, without holding anything."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._result = LoginResult(False, SILENT)

    def answered(self, result: LoginResult) -> None:
        self._result = result
        self._done.set()

    def result(self) -> LoginResult:
        self._done.wait(ANSWER_SECONDS_MAX)
        return self._result


def _is_mac(text: str) -> bool:
    try:
        parse_mac(text)
    except ValueError:
        return False
    return True
