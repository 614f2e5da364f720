"""`/export`: the configuration as a script that makes it again."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sim.routeros.checks import Trap
from sim.routeros.commands import SECRETS, Emit, Executor, Request
from sim.routeros.files import Files
from sim.routeros.machine import Machine
from sim.routeros.tables import Table

ORDER = (
    "/interface/bridge", "/interface/ethernet", "/interface/wireguard", "/interface/list",
    "/interface/wireless/security-profiles", "/interface/wireless", "/interface/wifi/channel", "/interface/wifi/datapath",
    "/interface/wifi/security", "/interface/wifi/configuration", "/interface/wifi", "/interface/vlan",
    "/interface/pppoe-client", "/interface/l2tp-client", "/interface/sstp-client", "/interface/ovpn-client",
    "/ip/dhcp-server/option", "/ip/dhcp-server/option/sets", "/ip/hotspot/profile", "/ip/pool",
    "/ip/hotspot/user/profile", "/ip/dhcp-server", "/ip/hotspot", "/ppp/profile", "/interface/pppoe-server/server",
    "/queue/type", "/queue/simple", "/queue/tree", "/system/logging/action", "/user/group",
    "/interface/bridge/port", "/interface/list/member", "/interface/wireguard/peers", "/ip/address", "/ip/dhcp-client",
    "/ip/dhcp-server/config", "/ip/dhcp-server/lease", "/ip/dhcp-server/network", "/ip/dns", "/ip/dns/static",
    "/ip/firewall/address-list", "/ip/firewall/filter", "/ip/firewall/nat", "/ip/firewall/mangle", "/ip/firewall/raw",
    "/ip/hotspot/ip-binding", "/ip/hotspot/user", "/ip/hotspot/walled-garden", "/ip/hotspot/walled-garden/ip",
    "/ip/route", "/ip/service", "/ppp/aaa", "/ppp/secret", "/radius", "/radius/incoming", "/snmp", "/snmp/community",
    "/system/clock", "/system/identity", "/system/logging", "/system/note", "/system/ntp/client", "/system/script",
    "/system/scheduler", "/tool/mac-server", "/tool/mac-server/mac-winbox", "/tool/netwatch",
)  # fmt: skip
"""Menus in an order in which each finds what it names. Accounts, files and certificates are never exported."""
NAMED_BY = ("default-name", "name", "topics")
PLAIN = re.compile(r"[A-Za-z0-9._:/,@!+*-]+")
ESCAPED = {'"': '\\"', "\\": "\\\\", "$": "\\$", "?": "\\?", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Exporter:
    """Registers `/export` and `export` of every menu."""

    def __init__(self, machine: Machine, executor: Executor, files: Files) -> None:
        self._machine = machine
        self._files = files
        executor.register("/export", "", self._export)
        for menu in machine.schema.menus():
            if "export" in machine.schema.commands(menu):
                executor.register(menu, "export", self._export)

    def _export(self, request: Request, _emit: Emit) -> dict[str, str]:
        """The text goes to a file, or to the terminal; a program that asks without `file=` gets nothing."""
        given = request.arguments
        if "verbose" in given:
            raise Trap("failure: export verbose is not part of the virtual router")
        shows = "hide-sensitive" not in given if self._machine.schema.is_six else "show-sensitive" in given
        shows = shows and "sensitive" in request.policies
        within = request.menu if request.command else ""
        text = self.text(terse="terse" in given, secrets=shows, within=within)
        if "file" in given:
            if "ftp" not in request.policies:
                raise Trap("failure: cannot open file: permission denied")
            self._files.write(given["file"].removesuffix(".rsc") + ".rsc", text.encode(), "script")
        else:
            request.shown = text
        return {}

    def text(self, *, terse: bool = True, secrets: bool = False, within: str = "") -> str:
        """The configuration of all menus, or of one and those below it."""
        machine = self._machine
        lines = [f"# {machine.stamp()} by RouterOS {machine.version}", "# software id = PRET-END0", "#"]
        if not machine.board.is_virtual:
            lines.append(f"# model = {machine.board.name}")
        with machine.lock:
            for menu in ORDER:
                if not machine.schema.has_menu(menu) or not f"{menu}/".startswith(f"{within}/"):
                    continue
                head, rows = menu.replace("/", " ").replace(" ", "/", 1), list(self._menu(menu, secrets))
                if terse:
                    lines += [f"{head} {row}" for row in rows]
                elif rows:
                    lines += [head, *rows]
        return "\n".join([*lines, ""])

    def _menu(self, menu: str, secrets: bool) -> Iterator[str]:
        machine = self._machine
        table, factory = machine.tables[menu], machine.factory_rows.get(menu, {})
        if machine.schema.is_singleton(menu):
            number = next(iter(table.records))
            words = self._words(table, number, factory.get("", {}), secrets)
            if words:
                yield f"set {words}"
            return
        for number in table.records:
            if table.get(number, "dynamic") == "true" or table.get(number, "builtin") == "true":
                continue
            key = row_key(table, number)
            if key not in factory:
                yield f"add {self._words(table, number, {}, secrets)}"
                continue
            words = self._words(table, number, factory[key], secrets)
            if words:
                yield f"set [ find {key} ] {words}"

    def _words(self, table: Table, number: int, before: dict[str, str], secrets: bool) -> str:
        schema, menu = self._machine.schema, table.menu
        writable = (schema.arguments(menu, "add") or frozenset()) | (schema.arguments(menu, "set") or frozenset())
        values = table.records[number].values
        words = []
        for name in sorted({*values, *before}):
            value = values.get(name, "")
            standard = before.get(name, table.default(name))
            hidden = name in SECRETS and not secrets
            if name not in writable or name in schema.read_only(menu) or value == standard or hidden:
                continue
            words.append(f"{name}={quoted(value)}")
        return " ".join(words)


def row_key(table: Table, number: int) -> str:
    """How a row that was there from the beginning is found again."""
    values = table.records[number].values
    name = next((name for name in NAMED_BY if values.get(name)), "")
    return f"{name}={quoted(values[name])}" if name else ""


def quoted(value: str) -> str:
    """A value in a script: bare where it can be, else in quotes, everything unusual as octets."""
    if value in ("true", "false"):
        return "yes" if value == "true" else "no"
    if PLAIN.fullmatch(value):
        return value
    signs = (ESCAPED.get(sign) or (sign if " " <= sign <= "~" else _octets(sign)) for sign in value)
    return '"' + "".join(signs) + '"'


def _octets(sign: str) -> str:
    return "".join(f"\\{octet:02X}" for octet in sign.encode())


def factory_rows(machine: Machine) -> dict[str, dict[str, dict[str, str]]]:
    """What stands in each menu now, by key: taken when the box is new."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for menu in ORDER:
        if machine.schema.has_menu(menu):
            table = machine.tables[menu]
            single = machine.schema.is_singleton(menu)
            found[menu] = {
                "" if single else row_key(table, number): dict(table.records[number].values) for number in table.records
            }
    return found
