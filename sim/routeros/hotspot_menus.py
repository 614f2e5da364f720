"""Commands of the hotspot menus that do more than write a row (reference routeros.md §3)."""

from __future__ import annotations

from sim.routeros.checks import CATEGORY_BAD_VALUE, CATEGORY_MISSING, Trap
from sim.routeros.commands import Emit, Executor, Request
from sim.routeros.hotspot import Hotspot
from sim.routeros.machine import Machine
from sim.routeros.sessions import CAUSE_ADMIN_RESET
from sim.routeros.tables import show_id
from sim.routeros.values import parse_mac

NO_ADDRESS = "0.0.0.0"  # noqa: S104  what the router says when it was given none


class HotspotMenus:
    """Registers the commands of active sessions, hosts and users."""

    def __init__(self, machine: Machine, executor: Executor, hotspot: Hotspot) -> None:
        self._machine = machine
        self._executor = executor
        self._hotspot = hotspot
        active, host = "/ip/hotspot/active", "/ip/hotspot/host"
        executor.register(active, "login", self._login, slow=True)
        executor.register(active, "remove", self._remove_active)
        executor.register(host, "remove", self._remove_host)
        executor.register(host, "make-binding", self._make_binding)
        executor.register("/ip/hotspot/cookie", "remove", self._remove_cookie)
        executor.register("/ip/hotspot/user", "reset-counters", self._reset_counters)
        for command in ("add", "set", "comment"):
            executor.register(active, command, self._refuse)

    def _login(self, request: Request, _emit: Emit) -> dict[str, str]:
        given = request.arguments
        if "mac-address" in given:
            try:
                mac: str | None = parse_mac(given["mac-address"])
            except ValueError:
                raise Trap("invalid value of mac-address, mac address required", CATEGORY_BAD_VALUE) from None
        else:
            mac = None
        for name in ("user", "password", "ip", "domain"):
            if given.get(name) == "":
                raise Trap(f"invalid value for argument {name}", CATEGORY_BAD_VALUE)
        if "user" not in given:
            raise Trap("missing value(s) of argument(s) user", CATEGORY_MISSING)
        user = given["user"] + (f"@{given['domain']}" if "domain" in given else "")
        result = self._hotspot.logins.by_program(user, given.get("password", ""), given.get("ip", NO_ADDRESS), mac)
        if not result.ok:
            raise Trap(result.error)
        return {}

    def _remove_active(self, request: Request, _emit: Emit) -> dict[str, str]:
        with self._machine.lock:
            table = self._machine.tables[request.menu]
            numbers = set(self._executor.rows_meant(request, table))
            for session in self._hotspot.roster.all():
                if session.number in numbers:
                    self._hotspot.end_session(session.host, CAUSE_ADMIN_RESET)
        return {}

    def _remove_host(self, request: Request, _emit: Emit) -> dict[str, str]:
        with self._machine.lock:
            table = self._machine.tables[request.menu]
            for number in self._executor.rows_meant(request, table):
                self._hotspot.drop(self._hotspot.host(number))
        return {}

    def _remove_cookie(self, request: Request, _emit: Emit) -> dict[str, str]:
        with self._machine.lock:
            table = self._machine.tables[request.menu]
            for number in self._executor.rows_meant(request, table):
                self._hotspot.cookies.drop(table.get(number, "mac-address"))
        return {}

    def _make_binding(self, request: Request, _emit: Emit) -> dict[str, str]:
        with self._machine.lock:
            table, bindings = self._machine.tables[request.menu], self._machine.tables["/ip/hotspot/ip-binding"]
            kind = request.arguments.get("type", "regular")
            if kind not in ("regular", "bypassed", "blocked"):
                raise Trap("input does not match any value of type", CATEGORY_BAD_VALUE)
            made = 0
            for number in self._executor.rows_meant(request, table):
                row = table.row(number)
                values = {name: row[name] for name in ("mac-address", "address", "to-address", "server")}
                made = bindings.add({**values, "type": kind, "comment": request.arguments.get("comment", "")})
            self._executor.wrote("/ip/hotspot/ip-binding")
        return {"ret": show_id(made)}

    def _reset_counters(self, request: Request, _emit: Emit) -> dict[str, str]:
        with self._machine.lock:
            table = self._machine.tables[request.menu]
            for number in self._executor.rows_meant(request, table):
                table.change(number, {"uptime": "", "bytes-in": "", "bytes-out": ""})
        return {}

    def _refuse(self, request: Request, _emit: Emit) -> dict[str, str]:
        raise Trap(f"failure: rows of {request.menu} come and go by themselves")
