"""The DHCP server with RADIUS: a device asks for an address, and its MAC decides (reference radius.md §1, DHCP).

The request carries the MAC as user name, the password of `/ip/dhcp-server/config` (blank unless set), and the client
identifier as `Calling-Station-Id`: type 1 and six groups of hex without leading zeros. `Session-Timeout` is the lease time;
half-way through it the device asks again, and the router asks RADIUS again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sim.routeros.accounting import PORT_TYPES, Reporter, radius_servers
from sim.routeros.commands import Emit, Executor, Request
from sim.routeros.grants import BadGrant, Grant, free_address, of_answer
from sim.routeros.machine import Machine
from sim.routeros.packets import ACCESS_ACCEPT, Pairs, pairs
from sim.routeros.radius import Outcome, RadiusClient
from sim.routeros.roster import Roster
from sim.routeros.sessions import CAUSE_ADMIN_RESET, CAUSE_LOST_CARRIER, CAUSE_USER_REQUEST, Session
from sim.routeros.values import format_seconds, parse_duration_ms, parse_mac

SERVERS, LEASES = "/ip/dhcp-server", "/ip/dhcp-server/lease"
RETRY_SECONDS = 10.0
LEASE_SECONDS_DEFAULT = 1800.0
REFUSED = "no address offered"


def client_identifier(mac: str) -> str:
    """`1:0:e1:aa:…`: how a lease names its device, and how RADIUS hears of it."""
    return ":".join(["1", *(f"{int(group, 16):x}" for group in mac.split(":"))])


class DhcpClient:
    """A device with a fixed line that asks for an address, and asks again before its lease is over."""

    def __init__(self, server: DhcpServer, mac: str, hostname: str) -> None:
        self._server = server
        self.mac = mac
        self.hostname = hostname
        self.present = True
        self.asking = False
        self.lease: Lease | None = None
        self.error = ""

    @property
    def address(self) -> str:
        """The address it holds; empty without a lease."""
        lease = self.lease
        return "" if lease is None else lease.address

    def ask(self) -> None:
        """Ask for an address now, or for the one it has to be renewed."""
        self._server.ask(self)

    def release(self) -> None:
        """Give the address back and stay silent."""
        self._server.release(self)

    def leave(self) -> None:
        """Be unplugged: nobody renews the lease."""
        self.present = False


@dataclass(eq=False, kw_only=True)
class Lease(Session):
    """A dynamic row of `/ip/dhcp-server/lease` that RADIUS allowed."""

    client: DhcpClient
    server: str
    interface: str
    renewed_at: float = field(default=0.0)

    @property
    def mac(self) -> str:
        return client_identifier(self.client.mac)

    @property
    def silent_since(self) -> float | None:
        return None


class LeaseRoster(Roster[Lease]):
    """All leases of one router. `after_end` is told of every end but those of a power cut."""

    menu = LEASES
    profiles = "/ip/hotspot/user/profile"
    service = "dhcp"
    service_code = "82"
    topics = "dhcp,info"

    def __init__(self, machine: Machine, reporter: Reporter, after_end: Callable[[Lease, int], None]) -> None:
        super().__init__(machine, reporter)
        self._after_end = after_end

    def identity(self, session: Lease) -> Pairs:
        return [*who_asks(self._machine, session), *pairs([("Framed-IP-Address", session.address)])]

    def _of_profile(self, name: str) -> Grant:
        """Leases have no profiles."""
        raise BadGrant(f"no profile {name}")

    def _place(self, session: Lease) -> None:
        grant, leases = session.grant, self._machine.tables[LEASES]
        address = grant.address
        if address is None and grant.pool is not None:
            pools = self._machine.tables["/ip/pool"]
            address = free_address(pools, grant.pool, lambda one: leases.find("address", one) is not None)
        if address is None:
            raise BadGrant("no address and no pool for this lease")
        if leases.find("address", address) is not None:
            raise BadGrant(f"{address} is leased to somebody else")
        session.address = address

    def _stored(self, session: Lease) -> dict[str, str]:
        rate = session.grant.rate
        return {
            "address": session.address,
            "mac-address": session.client.mac,
            "client-id": session.mac,
            "server": session.server,
            "host-name": session.client.hostname,
            "rate-limit": rate.max_limit if rate is not None else "",
            "dynamic": "true",
            "radius": "true",
            "status": "bound",
        }

    def _live(self, session: Lease) -> dict[str, str]:
        now = self._machine.seconds()
        left = session.ends_at - now if session.ends_at is not None else 0.0
        return {"expires-after": format_seconds(left), "last-seen": format_seconds(now - session.renewed_at)}

    def _queue(self, session: Lease) -> tuple[str, str]:
        return f"dhcp-ds<{session.client.mac}>", f"{session.address}/32"

    def _began(self, session: Lease) -> None:
        session.client.lease = session
        session.client.error = ""

    def _vanished(self, session: Lease) -> None:
        session.client.lease = None

    def _ended(self, session: Lease, cause: int) -> None:
        self._after_end(session, cause)

    def _interim_seconds(self, session: Lease) -> float | None:
        own = parse_duration_ms(self._machine.tables.value("/ip/dhcp-server/config", "interim-update") or "0s") / 1000
        return session.grant.interim_seconds or own or None


def who_asks(machine: Machine, lease: Lease) -> Pairs:
    """The attributes questions and reports of DHCP have in common: neither PPP nor a hotspot speaks here."""
    return pairs(
        [
            ("User-Name", lease.user),
            ("NAS-Identifier", machine.identity),
            ("NAS-Port", lease.port),
            ("NAS-Port-Type", PORT_TYPES["ethernet"]),
            ("NAS-Port-Id", lease.interface),
            ("Calling-Station-Id", lease.mac),
            ("Called-Station-Id", lease.server),
            ("Acct-Session-Id", lease.session_id),
        ]
    )


class DhcpServer:
    """All lines with devices that ask for addresses. Methods without `_` take the lock, and wait on a manual clock."""

    def __init__(
        self, machine: Machine, client: RadiusClient, reporter: Reporter, source: str, settle: Callable[[], None]
    ) -> None:
        self._machine = machine
        self._client = client
        self._source = source
        self._settle = settle
        self._powered = True
        self.clients: list[DhcpClient] = []
        self.roster = LeaseRoster(machine, reporter, self._ended)

    def attach(self, executor: Executor) -> None:
        """Take over the commands that concern leases."""
        executor.register(LEASES, "remove", lambda request, emit: self._remove(executor, request, emit))

    def install(self, mac: str, hostname: str) -> DhcpClient:
        """A new device on a fixed line. Raises ValueError for a bad MAC address."""
        client = DhcpClient(self, parse_mac(mac), hostname)
        with self._machine.lock:
            self.clients.append(client)
        return client

    def ask(self, client: DhcpClient) -> None:
        with self._machine.lock:
            client.present = True
            self._begin(client)
        self._settle()

    def release(self, client: DhcpClient) -> None:
        with self._machine.lock:
            client.present = False
            if client.lease is not None:
                self.roster.end(client.lease, CAUSE_USER_REQUEST)
        self._settle()

    def power_off(self) -> None:
        self._powered = False
        for lease in self.roster.all():
            self.roster.vanish(lease)

    def power_on(self) -> None:
        """Devices notice that the link was down, and ask anew."""
        self._powered = True
        for client in self.clients:
            client.asking = False
            self._again(client, 1.0)

    def _again(self, client: DhcpClient, seconds: float) -> None:
        if client.present:
            self._machine.after(seconds, lambda: self._begin(client))

    def _ended(self, lease: Lease, cause: int) -> None:
        """A lease that ran out is asked for anew at once; one that was taken away is missed half-way through it."""
        if cause == CAUSE_ADMIN_RESET and lease.ends_at is not None:
            self._again(lease.client, max(1.0, (lease.ends_at - self._machine.seconds()) / 2))
        else:
            self._again(lease.client, 1.0)

    def _begin(self, client: DhcpClient) -> None:
        if client.asking or not (client.present and self._powered):
            return
        servers = self._machine.tables[SERVERS]
        enabled = [number for number in servers.records if servers.get(number, "disabled") != "true"]
        serving = [number for number in enabled if servers.get(number, "use-radius") == "yes"]
        if not serving:
            client.error = REFUSED
            return
        server = serving[0]
        session_id, port = self.roster.next_session_id()
        lease = client.lease or Lease(
            client=client,
            server=servers.get(server, "name"),
            interface=servers.get(server, "interface"),
            user=client.mac,
            grant=Grant(),
            session_id=session_id,
            port=port,
            started_at=self._machine.seconds(),
            radius=True,
            reported=self._machine.tables.value("/ip/dhcp-server/config", "accounting") != "false",
            server_number=None,
        )
        client.asking = True

        def concluded(outcome: Outcome) -> None:
            with self._machine.lock:
                client.asking = False
                if lease.ended:
                    self._again(client, 1.0)
                elif self._powered and client.present:
                    self._conclude(lease, server, outcome)

        password = self._machine.tables.value("/ip/dhcp-server/config", "radius-password")
        asked = radius_servers(self._machine, self._source, "dhcp")
        self._client.ask(asked, who_asks(self._machine, lease), password, concluded)

    def _conclude(self, lease: Lease, server: int, outcome: Outcome) -> None:
        log, client, answer = self._machine.radius_log, lease.client, outcome.answer
        if answer is None or outcome.server is None:
            log.append(("authentication", "timeout", lease.user, "RADIUS server is not responding"))
            self._refuse(client, "RADIUS server is not responding")
            return
        if answer.code != ACCESS_ACCEPT:
            reason = "".join(answer.texts("Reply-Message")) or REFUSED
            log.append(("authentication", "Access-Reject", lease.user, reason))
            self._refuse(client, reason)
            return
        log.append(("authentication", "Access-Accept", lease.user, ""))
        servers = self._machine.tables[SERVERS]
        pool = servers.get(server, "address-pool")
        seconds = parse_duration_ms(servers.get(server, "lease-time") or "0s") / 1000 or LEASE_SECONDS_DEFAULT
        base = Grant(session_seconds=seconds, pool=None if pool in ("", "static-only") else pool)
        try:
            grant = replace(of_answer(answer, base, self._machine.tables["/ip/pool"]), idle_seconds=None)
            self._grant(lease, grant, outcome.server.number)
        except BadGrant as refusal:
            self._refuse(client, str(refusal))

    def _grant(self, lease: Lease, grant: Grant, server_number: int) -> None:
        """A new lease, or the same one with new time and limits; another address means another lease."""
        lease.server_number = server_number
        now = self._machine.seconds()
        running = lease.client.lease
        if running is not None:
            stays = grant.address in (None, running.address) and grant.pool in (None, running.grant.pool)
            if stays and grant.classes == running.grant.classes:
                self.roster.change(running, grant, new_time=True)
                running.renewed_at = now
                self._half_way(running)
                return
            self.roster.end(running, CAUSE_LOST_CARRIER)
            return
        lease.grant, lease.renewed_at = grant, now
        self.roster.begin(lease)
        self._half_way(lease)

    def _half_way(self, lease: Lease) -> None:
        if lease.grant.session_seconds is not None:
            self._again(lease.client, lease.grant.session_seconds / 2)

    def _refuse(self, client: DhcpClient, reason: str) -> None:
        """A lease that was given goes on until its end; whoever has none asks again soon."""
        client.error = reason
        if client.lease is None:
            self._again(client, RETRY_SECONDS)

    def _remove(self, executor: Executor, request: Request, _emit: Emit) -> dict[str, str]:
        """Take leases away; the device does not notice before it asks again. Rows made by hand just go."""
        with self._machine.lock:
            table = self._machine.tables[LEASES]
            numbers = set(executor.rows_meant(request, table))
            for lease in self.roster.all():
                if lease.number in numbers:
                    self.roster.end(lease, CAUSE_ADMIN_RESET)
                    numbers.discard(lease.number)
            for number in numbers:
                table.remove(number)
        return {}
