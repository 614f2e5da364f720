"""The sessions of PPP: rows of `/ppp/active`, each on a line somebody dialled in on."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sim.routeros.accounting import PORT_TYPES, Reporter
from sim.routeros.grants import BadGrant, Grant, free_address, of_ppp_profile
from sim.routeros.machine import Machine
from sim.routeros.packets import Pairs, pairs
from sim.routeros.roster import Roster
from sim.routeros.sessions import Session
from sim.routeros.values import format_bool, format_seconds, parse_duration_ms

if TYPE_CHECKING:
    from sim.routeros.ppp_clients import PppoeClient

FRAMED_USER = 2
FRAMED_PROTOCOL_PPP = 1


@dataclass(eq=False, kw_only=True)
class PppSession(Session):
    """A row of `/ppp/active`. `interface` is where the line arrives, `service_name` what the server there is called."""

    line: PppoeClient
    interface: str
    service_name: str
    interface_number: int = field(default=0)
    link_name: str = ""
    binding_numbers: list[int] = field(default_factory=list)

    @property
    def mac(self) -> str:
        return self.line.mac

    @property
    def silent_since(self) -> float | None:
        return None if self.line.present else self.line.left_at_seconds

    def live(self, now: float) -> dict[str, str]:
        """What only the moment knows about the row. It shows byte limits by direction only, and no time left."""
        shown = self.limits_shown()
        limits = {name: shown.get(name, "0") for name in ("limit-bytes-in", "limit-bytes-out")}
        return {"uptime": format_seconds(now - self.started_at), "radius": format_bool(self.radius), **limits}


def who_calls(machine: Machine, session: PppSession) -> Pairs:
    """The attributes login questions and usage reports of PPP have in common (reference radius.md §1)."""
    return pairs(
        [
            ("Service-Type", FRAMED_USER),
            ("Framed-Protocol", FRAMED_PROTOCOL_PPP),
            ("User-Name", session.user),
            ("NAS-Identifier", machine.identity),
            ("NAS-Port", session.port),
            ("NAS-Port-Type", PORT_TYPES["ethernet"]),
            ("NAS-Port-Id", session.interface),
            ("Calling-Station-Id", session.mac),
            ("Called-Station-Id", session.service_name),
            ("Acct-Session-Id", session.session_id),
        ]
    )


class PppRoster(Roster[PppSession]):
    """Everybody who dialled in and was let in. `after_end` is told of every end but those of a power cut."""

    menu = "/ppp/active"
    profiles = "/ppp/profile"
    service = "ppp"
    service_code = "81"
    topics = "pppoe,ppp,info,account"

    def __init__(self, machine: Machine, reporter: Reporter, after_end: Callable[[PppSession], None]) -> None:
        super().__init__(machine, reporter)
        self._after_end = after_end

    def identity(self, session: PppSession) -> Pairs:
        return [*who_calls(self._machine, session), *pairs([("Framed-IP-Address", session.address)])]

    def regrouped(self, grant: Grant, group: str) -> Grant:
        return replace(grant, rate=self._of_profile(group).rate, profile=group)

    def _of_profile(self, name: str) -> Grant:
        return of_ppp_profile(self._machine.tables[self.profiles], name)

    def _place(self, session: PppSession) -> None:
        """The address the answer or the profile names, or one of the pool; without any there is no IP on the line."""
        grant, lines = session.grant, self._machine.tables[self.menu]
        address = grant.address
        if address is None and grant.pool is not None:
            pools = self._machine.tables["/ip/pool"]
            address = free_address(pools, grant.pool, lambda one: lines.find("address", one) is not None)
        if address is None:
            raise BadGrant("no remote address for this user")
        session.address = address
        taken = {one.link_name for one in self.all()}
        names = (f"<pppoe-{session.user}{f'-{count}' if count else ''}>" for count in range(len(taken) + 1))
        session.link_name = next(name for name in names if name not in taken)

    def _stored(self, session: PppSession) -> dict[str, str]:
        return {
            "name": session.user,
            "service": "pppoe",
            "caller-id": session.mac,
            "address": session.address,
            "encoding": "",
            "session-id": f"0x{session.session_id}",
        }

    def _live(self, session: PppSession) -> dict[str, str]:
        return session.live(self._machine.seconds())

    def _queue(self, session: PppSession) -> tuple[str, str]:
        return session.link_name, session.link_name

    def _began(self, session: PppSession) -> None:
        session.line.session = session
        session.line.error = ""
        row = {
            "name": session.link_name,
            "user": session.user,
            "service": session.service_name,
            "interface": session.interface,
            "remote-address": session.mac,
            "dynamic": "true",
            "running": "true",
        }
        session.interface_number = self._machine.tables["/interface/pppoe-server"].add(row)
        self._delegate(session)

    def _delegate(self, session: PppSession) -> None:
        """Prefixes for the customer's own router: those the answer names, else the pool it names, if there is one."""
        pools, bindings = self._machine.tables["/ipv6/pool"], self._machine.tables["/ipv6/dhcp-server/binding"]
        from_pool = session.grant.delegated_pool
        number = pools.find("name", from_pool) if from_pool is not None and not session.grant.delegated else None
        addresses = list(session.grant.delegated)
        if number is not None:
            network = ipaddress.IPv6Network(pools.get(number, "prefix"))
            parts = network.subnets(new_prefix=int(pools.get(number, "prefix-length")))
            free = (str(part) for part in parts if bindings.find("address", str(part)) is None)
            addresses += [part for part in [next(free, None)] if part is not None]
        for address in addresses:
            row = {"address": address, "server": session.link_name, "duid": session.mac, "status": "bound"}
            session.binding_numbers.append(bindings.add({**row, "dynamic": "true", "radius": "true"}))

    def _vanished(self, session: PppSession) -> None:
        session.line.session = None
        links = self._machine.tables["/interface/pppoe-server"]
        if session.interface_number in links.records:
            links.remove(session.interface_number)
        bindings = self._machine.tables["/ipv6/dhcp-server/binding"]
        for number in session.binding_numbers:
            if number in bindings.records:
                bindings.remove(number)

    def _ended(self, session: PppSession, cause: int) -> None:
        self._after_end(session)

    def _interim_seconds(self, session: PppSession) -> float | None:
        """What the answer said; 0 or nothing means the router's own setting (reference radius.md §1)."""
        own = parse_duration_ms(self._machine.tables.value("/ppp/aaa", "interim-update") or "0s") / 1000
        return session.grant.interim_seconds or own or None
