"""A MikroTik router over its API: the ports `Hotspot` and `Sessions` as routeros.md §3 and §4 say it must be done."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from core.adapters.routeros import clean, export, health, running, sessions, tables, verify
from core.adapters.routeros.lines import Lines
from core.adapters.routeros.planner import MikrotikPlanner
from core.adapters.routeros.strays import MikrotikStrays
from core.adapters.routeros.values import mac_address
from core.adapters.routeros.wire import Patience
from core.errors import GatewayRefused
from core.findings import RouterHealth, Verification
from core.ports import ActiveRow, HostRow, RouterAddress, RunningSession


class MikrotikHotspot:
    """Keeps one connection per router and process, so a process should have one of these. Safe for many threads."""

    def __init__(
        self,
        patience: Patience | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`monotonic` times the breaker's pauses, `pause` waits between two looks at a login that is under way."""
        self._lines = Lines(patience or Patience(), monotonic, pause)
        self.planner = MikrotikPlanner(self._lines, patience)
        self.strays = MikrotikStrays(self._lines)

    def let_in(self, router: RouterAddress, mac: str, *, refresh: bool = False) -> ActiveRow | None:
        """Put a paid device online now; see the port. Raises `GatewayRefused` with one of the codes of `sayings`."""
        mac = _spelled(mac)
        with self._lines.talk(router) as talk:
            return sessions.let_in(talk, mac, refresh=refresh)

    def throw_out(self, router: RouterAddress, mac: str) -> bool:
        """End a device's sessions on this router and forget its login cookies. True when one was running."""
        mac = _spelled(mac)
        with self._lines.talk(router) as talk:
            return sessions.throw_out(talk, mac)

    def waiting(self, router: RouterAddress) -> list[HostRow]:
        """Devices the hotspot sees and holds back."""
        with self._lines.talk(router) as talk:
            seen = [tables.host_row(row) for row in tables.hosts(talk)]
        return [host for host in seen if not host.authorized and not host.bypassed]

    def online(self, router: RouterAddress) -> list[ActiveRow]:
        """Devices that are on the network."""
        with self._lines.talk(router) as talk:
            return [tables.active_row(row) for row in tables.actives(talk)]

    def shut_out(self, router: RouterAddress) -> list[str]:
        """Devices an IP binding blocks."""
        with self._lines.talk(router) as talk:
            return tables.blocked(talk)

    def running(self, router: RouterAddress, service: str, user: str) -> list[RunningSession]:
        """The sessions under one name, of any service, with what queues and address lists say of them."""
        with self._lines.talk(router) as talk:
            return running.running(talk, service, user)

    def end(self, router: RouterAddress, session: RunningSession) -> None:
        """End one of them."""
        with self._lines.talk(router) as talk:
            running.end(talk, session)

    def probe(self, router: RouterAddress, now: datetime) -> RouterHealth:
        """What the router says about itself and what is wrong with its set-up (routeros.md §6)."""
        with self._lines.talk(router) as talk:
            return health.probe(talk, now)

    def glance(self, router: RouterAddress) -> RouterHealth:
        """A look of few questions: who looks at hundreds of routers asks no more."""
        with self._lines.talk(router) as talk:
            return health.glance(talk)

    def verify(self, router: RouterAddress, now: datetime) -> Verification:
        """Everything that could keep us from working with it."""
        return verify.verify(self._lines, router, now)

    def export(self, router: RouterAddress) -> str:
        """Its configuration as text."""
        with self._lines.talk(router) as talk:
            return export.export(talk)

    def clean(self, router: RouterAddress) -> tuple[list[str], list[str]]:
        """Take what is ours off it."""
        with self._lines.talk(router) as talk:
            return clean.clean(talk)

    def close(self) -> None:
        """Hang up everywhere, for an orderly stop."""
        self._lines.close()


def _spelled(mac: str) -> str:
    try:
        return mac_address(mac)
    except ValueError as error:
        raise GatewayRefused(str(error), code="bad_value") from error
