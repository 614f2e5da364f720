"""Commands of the PPP menus that do more than write a row (reference routeros.md §4)."""

from __future__ import annotations

from sim.routeros.checks import Trap
from sim.routeros.commands import Emit, Executor, Request
from sim.routeros.machine import Machine
from sim.routeros.ppp import PppServer
from sim.routeros.sessions import CAUSE_ADMIN_RESET


class PppMenus:
    """Registers the commands of active PPP sessions."""

    def __init__(self, machine: Machine, executor: Executor, ppp: PppServer) -> None:
        self._machine = machine
        self._executor = executor
        self._ppp = ppp
        executor.register("/ppp/active", "remove", self._remove_active)
        executor.register("/interface/pppoe-server", "remove", self._remove_link)

    def _remove_active(self, request: Request, _emit: Emit) -> dict[str, str]:
        """Hang up; a client that is still there dials again at once."""
        with self._machine.lock:
            numbers = set(self._executor.rows_meant(request, self._machine.tables[request.menu]))
            for session in self._ppp.roster.all():
                if session.number in numbers:
                    self._ppp.roster.end(session, CAUSE_ADMIN_RESET)
        return {}

    def _remove_link(self, request: Request, _emit: Emit) -> dict[str, str]:
        """Removing the interface of a session hangs up as well; bindings made by hand are ordinary rows."""
        with self._machine.lock:
            table = self._machine.tables[request.menu]
            numbers = set(self._executor.rows_meant(request, table))
            for session in self._ppp.roster.all():
                if session.interface_number in numbers:
                    self._ppp.roster.end(session, CAUSE_ADMIN_RESET)
                    numbers.discard(session.interface_number)
            for number in numbers:
                if number not in table.records:
                    raise Trap("no such item")
                table.remove(number)
        return {}
