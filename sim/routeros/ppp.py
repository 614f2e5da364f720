"""The PPPoE server: answers who dials, asks RADIUS about them, and hangs up when their time is over (routeros.md §4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sim.routeros.accounting import Reporter, radius_servers
from sim.routeros.grants import BadGrant, Grant, of_answer, of_ppp_profile
from sim.routeros.machine import Machine
from sim.routeros.packets import ACCESS_ACCEPT
from sim.routeros.ppp_clients import PppoeClient
from sim.routeros.ppp_roster import PppRoster, PppSession, who_calls
from sim.routeros.proofs import METHODS, Proof, prove
from sim.routeros.radius import Outcome, RadiusClient
from sim.routeros.sessions import CAUSE_LOST_CARRIER, CAUSE_USER_REQUEST
from sim.routeros.values import parse_duration_ms, parse_mac

SERVERS = "/interface/pppoe-server/server"
REDIAL_SECONDS = 1.0
RETRY_SECONDS = 10.0
"""A client that was hung up on dials at once; one that was refused waits a little."""
WRONG_PASSWORD = "authentication failed"
SILENT = "RADIUS server is not responding"


class PppServer:
    """All lines of one router. Methods without `_` take the lock themselves, and wait on a manual clock."""

    def __init__(
        self, machine: Machine, client: RadiusClient, reporter: Reporter, source: str, settle: Callable[[], None]
    ) -> None:
        self._machine = machine
        self._client = client
        self._source = source
        self._settle = settle
        self._powered = True
        self.clients: list[PppoeClient] = []
        self.roster = PppRoster(machine, reporter, self._ended)

    # What people at the far end do.

    def install(self, user: str, password: str, mac: str, method: str, *, redials: bool) -> PppoeClient:
        """A new line. Raises ValueError for a bad MAC address or method."""
        if method not in METHODS:
            raise ValueError(f"a line proves itself by {', '.join(METHODS)}, not {method!r}")
        client = PppoeClient(self, user, password, parse_mac(mac), method, redials=redials)
        with self._machine.lock:
            self.clients.append(client)
        return client

    def dial(self, client: PppoeClient) -> None:
        with self._machine.lock:
            client.wants_to_be_online = True
            self._begin(client)
        self._settle()

    def hang_up(self, client: PppoeClient) -> None:
        with self._machine.lock:
            client.wants_to_be_online = False
            if client.session is not None:
                self.roster.end(client.session, CAUSE_USER_REQUEST)
        self._settle()

    def line_cut(self, client: PppoeClient) -> None:
        with self._machine.lock:
            if client.present:
                client.present, client.left_at_seconds = False, self._machine.seconds()
            if client.session is not None:
                self.roster.schedule(client.session)
        self._settle()

    def line_mended(self, client: PppoeClient) -> None:
        with self._machine.lock:
            client.present = True
            if client.session is not None:
                self.roster.schedule(client.session)
            elif client.wants_to_be_online:
                self._begin(client)
        self._settle()

    def move_traffic(self, client: PppoeClient, upload_bytes: int, download_bytes: int) -> int:
        if upload_bytes < 0 or download_bytes < 0:
            raise ValueError("traffic is not negative")
        passed = 0
        with self._machine.lock:
            if client.session is not None and client.present:
                passed = self.roster.count(client.session, upload_bytes, download_bytes)
        self._settle()
        return passed

    # What the router does. Under the lock.

    def power_off(self) -> None:
        """Every line is dead, without any report."""
        self._powered = False
        for session in self.roster.all():
            self.roster.vanish(session)

    def power_on(self) -> None:
        """Whoever was online dials again."""
        self._powered = True
        for client in self.clients:
            client.dialling = False
            if client.wants_to_be_online:
                self._redial(client, REDIAL_SECONDS)

    def _redial(self, client: PppoeClient, seconds: float) -> None:
        if client.redials and client.wants_to_be_online:
            self._machine.after(seconds, lambda: self._begin(client))

    def _ended(self, session: PppSession) -> None:
        self._redial(session.line, REDIAL_SECONDS)

    def _failed(self, client: PppoeClient, user: str, reason: str) -> None:
        client.error = reason
        self._machine.note("pppoe,ppp,error", f"{user}: {reason}")
        self._redial(client, RETRY_SECONDS)

    def _begin(self, client: PppoeClient) -> None:
        if client.session is not None or client.dialling or not (self._powered and client.wants_to_be_online):
            return
        server = self._server_for(client)
        if server is None or not client.present:
            self._failed(client, client.user, "no PPPoE server answers")
            return
        servers = self._machine.tables[SERVERS]
        session_id, port = self.roster.next_session_id()
        session = PppSession(
            line=client,
            interface=servers.get(server, "interface"),
            service_name=servers.get(server, "service-name"),
            user=client.user,
            grant=Grant(),
            session_id=session_id,
            port=port,
            started_at=self._machine.seconds(),
            radius=False,
            reported=False,
            server_number=None,
        )
        keepalive = servers.get(server, "keepalive-timeout")
        keepalive_seconds = None if keepalive == "disabled" else parse_duration_ms(keepalive or "10") / 1000
        if self._machine.tables["/ppp/secret"].find("name", client.user) is not None:
            self._local(session, keepalive_seconds)
        elif self._machine.tables.value("/ppp/aaa", "use-radius") != "true":
            self._failed(client, client.user, WRONG_PASSWORD)
        else:
            self._ask(session, keepalive_seconds)

    def _server_for(self, client: PppoeClient) -> int | None:
        """The first enabled server that takes this client: its method, its limits on sessions."""
        servers = self._machine.tables[SERVERS]
        for number in servers.records:
            allowed = [word.strip() for word in (servers.get(number, "authentication") or ",".join(METHODS)).split(",")]
            if servers.get(number, "disabled") == "true" or client.method not in allowed:
                continue
            most = servers.get(number, "max-sessions")
            here = [one for one in self.roster.all() if one.interface == servers.get(number, "interface")]
            if most.isdigit() and 0 < int(most) <= len(here):
                continue
            if servers.get(number, "one-session-per-host") == "true":
                for other in here:
                    if other.mac == client.mac:
                        self.roster.end(other, CAUSE_LOST_CARRIER)
            return number
        return None

    def _local(self, session: PppSession, keepalive_seconds: float | None) -> None:
        """A secret of the router itself, which wins over RADIUS (reference routeros.md §4)."""
        secrets = self._machine.tables["/ppp/secret"]
        number = secrets.find("name", session.user)
        assert number is not None
        wrong = (
            secrets.get(number, "disabled") == "true"
            or secrets.get(number, "password") != session.line.password
            or secrets.get(number, "service") not in ("any", "pppoe", "")
            or secrets.get(number, "caller-id") not in ("", session.mac)
        )
        if wrong:
            self._failed(session.line, session.user, WRONG_PASSWORD)
            return
        try:
            grant = of_ppp_profile(
                self._machine.tables["/ppp/profile"],
                secrets.get(number, "profile"),
                secrets.get(number, "remote-address"),
            )
            self._let_in(session, replace(grant, keepalive_seconds=keepalive_seconds))
        except BadGrant as refusal:
            self._failed(session.line, session.user, str(refusal))

    def _ask(self, session: PppSession, keepalive_seconds: float | None) -> None:
        client = session.line
        client.dialling = True
        proof = prove(client.method, session.user, client.password)
        servers = radius_servers(self._machine, self._source, "ppp")

        def concluded(outcome: Outcome) -> None:
            with self._machine.lock:
                client.dialling = False
                if client.session is None and self._powered and client.wants_to_be_online:
                    self._conclude(session, proof, keepalive_seconds, outcome)

        self._client.ask(servers, [*who_calls(self._machine, session), *proof.attributes], proof.password, concluded)

    def _conclude(self, session: PppSession, proof: Proof, keepalive_seconds: float | None, outcome: Outcome) -> None:
        log, user, answer = self._machine.radius_log, session.user, outcome.answer
        if answer is None or outcome.server is None:
            log.append(("authentication", "timeout", user, SILENT))
            self._failed(session.line, user, SILENT)
            return
        if answer.code != ACCESS_ACCEPT:
            reason = "".join(answer.texts("Reply-Message")) or WRONG_PASSWORD
            log.append(("authentication", "Access-Reject", user, reason))
            self._failed(session.line, user, reason)
            return
        log.append(("authentication", "Access-Accept", user, ""))
        if not proof.convinces(answer):
            self._failed(session.line, user, "the server did not prove that it knows the password")
            return
        session.radius = True
        session.reported = self._machine.tables.value("/ppp/aaa", "accounting") != "false"
        session.server_number = outcome.server.number
        try:
            group = answer.text("Mikrotik-Group") or self._default_profile(session)
            base = of_ppp_profile(self._machine.tables["/ppp/profile"], group)
            grant = of_answer(answer, base, self._machine.tables["/ip/pool"])
            self._let_in(session, replace(grant, keepalive_seconds=keepalive_seconds))
        except BadGrant as refusal:
            self._failed(session.line, user, str(refusal))

    def _default_profile(self, session: PppSession) -> str:
        servers = self._machine.tables[SERVERS]
        number = servers.find("interface", session.interface)
        return (servers.get(number, "default-profile") if number is not None else "") or "default"

    def _let_in(self, session: PppSession, grant: Grant) -> None:
        if grant.sessions_max is not None and self.roster.of_user(session.user) >= grant.sessions_max:
            raise BadGrant(f"no more sessions are allowed for user {session.user}")
        session.grant = grant
        self.roster.begin(session)
