"""The commands every menu has: print, add, set, remove and their relatives, checked against the command tree."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sim.routeros import checks, shapes
from sim.routeros.checks import CATEGORY_BAD_VALUE, CATEGORY_MISSING, Trap
from sim.routeros.machine import HISTORY_MAX, Machine
from sim.routeros.policies import ALL_POLICIES
from sim.routeros.queries import BadQuery, Query
from sim.routeros.tables import Table, read_id, show_id

Emit = Callable[[Mapping[str, str]], None]
Handler = Callable[["Request", Emit], dict[str, str]]

LISTEN_BACKLOG_MAX = 10_000
READING = frozenset({"print", "getall", "get", "find", "listen", "monitor"})
FILE_WRITING = frozenset({"/system/backup", "/import"})
TESTING = frozenset({"/ping", "/tool/ping", "/tool/fetch", "/tool/traceroute", "/tool/torch"})
SECRETS = frozenset({"password", "secret", "mac-auth-password", "otp-secret", "private-key", "preshared-key"}) | {
    "radius-password", "wpa-pre-shared-key", "wpa2-pre-shared-key", "security.passphrase", "passphrase", "ipsec-secret",
}  # fmt: skip
NEVER_SHOWN = {"/user": frozenset({"password"})}


@dataclass
class Request:
    """One command as it arrived, and who is asking."""

    path: str
    arguments: dict[str, str] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)
    tag: str | None = None
    policies: frozenset[str] = ALL_POLICIES
    cancelled: threading.Event = field(default_factory=threading.Event)
    menu: str = ""
    command: str = ""
    shown: str = ""
    """What a terminal would show of it; programs do not see it."""

    @classmethod
    def parse(cls, words: list[str]) -> Request:
        """A sentence as a command. Raises Trap for words that are neither arguments nor queries."""
        request = cls(path=words[0])
        for word in words[1:]:
            if word.startswith(".tag="):
                request.tag = word[5:]
        for word in words[1:]:
            if word.startswith("="):
                name, _, value = word[1:].partition("=")
                request.arguments[name] = value
            elif word.startswith("?"):
                request.queries.append(word)
            elif not word.startswith(".tag="):
                raise Trap(f"unknown parameter {word[:60]}")
        return request

    def wanted(self) -> Query:
        try:
            return Query(self.queries)
        except BadQuery as refusal:
            raise Trap(f"invalid query: {refusal}", CATEGORY_BAD_VALUE) from refusal


class Executor:
    """Runs commands. Special menus register handlers; everything else is a table."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._slow: set[tuple[str, str]] = set()
        self.after_write: list[Callable[[str], None]] = []
        self.on_command: list[Callable[[str, dict[str, str]], None]] = []
        self.history: deque[tuple[str, dict[str, str]]] = deque(maxlen=HISTORY_MAX)

    def register(self, menu: str, command: str, handler: Handler, *, slow: bool = False) -> None:
        """Take over one command; `slow` ones may wait, so a connection runs them beside the others."""
        self._handlers[menu, command] = handler
        if slow:
            self._slow.add((menu, command))

    def resolve(self, request: Request) -> None:
        """Find menu and command of the path, or refuse in the router's words."""
        path, schema = request.path, self._machine.schema
        if not path.startswith("/"):
            raise Trap("no such command prefix", CATEGORY_MISSING)
        if schema.arguments(path, "") is not None:
            request.menu, request.command = path, ""
            return
        menu, _, command = path.rpartition("/")
        known = {"getall": "print", "listen": "print"}.get(command, command)
        if schema.arguments(menu, known) is None:
            known_prefix = schema.has_prefix(menu) and menu
            raise Trap("no such command" if known_prefix else "no such command prefix", CATEGORY_MISSING)
        request.menu, request.command = menu, command

    def is_slow(self, request: Request) -> bool:
        if request.command == "listen":
            return True
        follows = "follow" in request.arguments or "follow-only" in request.arguments
        return (request.menu, request.command) in self._slow or (request.command in ("print", "getall") and follows)

    def execute(self, request: Request, emit: Emit) -> dict[str, str]:
        """Run a resolved command; rows go to `emit`, and what `!done` carries comes back. Raises Trap."""
        self.history.append((request.path, dict(request.arguments)))
        for hook in list(self.on_command):
            hook(request.path, dict(request.arguments))
        self._check_policy(request)
        self._check_arguments(request)
        handler = self._handlers.get((request.menu, request.command))
        if handler is not None:
            return handler(request, emit)
        generic = _GENERIC.get(request.command)
        if generic is None:
            raise Trap(f"failure: {request.path} is not part of the virtual router")
        if request.command == "listen" or "follow-only" in request.arguments:
            return self._listen(request, emit)
        rows: list[Mapping[str, str]] = []
        with self._machine.lock:
            answer = generic(self, request, rows.append)
            if request.command not in READING:
                self.wrote(request.menu)
        for row in rows:
            emit(row)
        return self._listen(request, emit) if "follow" in request.arguments else answer

    def wrote(self, menu: str) -> None:
        """Tell whoever lives off the configuration that this menu changed. Call under the lock."""
        for hook in self.after_write:
            hook(menu)

    def _check_policy(self, request: Request) -> None:
        menu, command = request.menu, request.command
        if menu in TESTING:
            needed = "test"
        elif menu in ("/system/reboot", "/system/reset-configuration"):
            needed = "reboot"
        elif command in READING or menu == "/export":
            needed = "read"
        else:
            needed = "policy" if menu == "/user" or menu.startswith("/user/") else "write"
        if needed not in request.policies:
            raise Trap("not enough permissions (9)")
        touches_files = menu == "/file" and command not in READING
        if (touches_files or menu in FILE_WRITING) and "ftp" not in request.policies:
            raise Trap("failure: cannot open file: permission denied")

    def _check_arguments(self, request: Request) -> None:
        known = {"getall": "print", "listen": "print"}.get(request.command, request.command)
        allowed = self._machine.schema.arguments(request.menu, known) or frozenset()
        for name in request.arguments:
            fits = name in allowed
            if name == ".id":
                fits = "numbers" in allowed or "number" in allowed
            elif name == ".proplist":
                fits = request.command in ("print", "getall", "listen", "monitor", "")
            if not fits:
                raise Trap(f"unknown parameter {name[:60]}")

    def _print(self, request: Request, emit: Emit) -> dict[str, str]:
        query = request.wanted()
        table = self._machine.tables[request.menu]
        show = self.shown_part(request)
        single = self._machine.schema.is_singleton(request.menu)
        counting = "count-only" in request.arguments
        count = 0
        for number in table.candidates(query.equalities):
            row = table.row(number)
            if single:
                del row[".id"]
            if not _matches(query, row):
                continue
            count += 1
            if not counting:
                emit(show(row))
        return {"ret": str(count)} if counting else {}

    def shown_part(self, request: Request) -> Callable[[Mapping[str, str]], dict[str, str]]:
        """What of a row this request may see and wants to see."""
        hidden = NEVER_SHOWN.get(request.menu, frozenset())
        if "sensitive" not in request.policies:
            hidden |= SECRETS
        wanted = request.arguments.get(".proplist") or request.arguments.get("proplist")
        names = wanted.split(",") if wanted else None

        def show(row: Mapping[str, str]) -> dict[str, str]:
            if names is not None:
                return {name: row[name] for name in names if name in row and name not in hidden}
            return {name: value for name, value in row.items() if name not in hidden}

        return show

    def _listen(self, request: Request, emit: Emit) -> dict[str, str]:
        """Stream changes until cancelled; a row that went away carries `.dead`."""
        query, show = request.wanted(), self.shown_part(request)
        changes: queue.Queue[dict[str, str]] = queue.Queue(LISTEN_BACKLOG_MAX)

        def heard(number: int, row: Mapping[str, str] | None) -> None:
            try:
                if row is None:
                    changes.put_nowait({".id": show_id(number), ".dead": "true"})
                elif _matches(query, row):
                    changes.put_nowait(show(row))
            except queue.Full:
                request.cancelled.set()

        table = self._machine.tables[request.menu]
        with self._machine.lock:
            table.listeners.append(heard)
        try:
            while not request.cancelled.is_set():
                try:
                    emit(changes.get(timeout=0.1))
                except queue.Empty:
                    continue
        finally:
            with self._machine.lock:
                table.listeners.remove(heard)
        raise Trap("interrupted", checks.CATEGORY_INTERRUPTED)

    def _get(self, request: Request, _emit: Emit) -> dict[str, str]:
        if self._machine.schema.is_singleton(request.menu):
            table, number = self._machine.tables.single(request.menu)
        else:
            table = self._machine.tables[request.menu]
            number = self.rows_meant(request, table)[0]
        row = self.shown_part(request)(table.row(number))
        name = request.arguments.get("value-name")
        if name is None:
            return {"ret": ";".join(f"{key}={value}" for key, value in row.items())}
        if name not in row and name not in self._machine.schema.readable(request.menu):
            raise Trap("input does not match any value of value-name", CATEGORY_BAD_VALUE)
        return {"ret": row.get(name, "")}

    def _find(self, request: Request, _emit: Emit) -> dict[str, str]:
        return {"ret": ";".join(show_id(number) for number in self._machine.tables[request.menu].records)}

    def _add(self, request: Request, _emit: Emit) -> dict[str, str]:
        machine, table = self._machine, self._machine.tables[request.menu]
        given = dict(request.arguments)
        copy_from, before = given.pop("copy-from", None), given.pop("place-before", None)
        checks.check_mandatory(machine, request.menu, request.arguments)
        values = checks.check_values(machine, request.menu, given)
        values = shapes.shape(machine, table, values, None, request.policies)
        if copy_from is not None:
            values = {**table.records[self._row_named(table, copy_from)].values, **values}
        if checks.has_unique_names(machine, request.menu) and not values.get("name"):
            values["name"] = checks.invented_name(machine, table)
        checks.check_duplicates(machine, table, values, but=None)
        front = self._row_named(table, before) if before is not None else None
        if front is not None:
            _refuse_place(table, front)
        number = table.add(values)
        if front is not None:
            table.move(number, front)
        return {"ret": show_id(number)}

    def _set(self, request: Request, _emit: Emit) -> dict[str, str]:
        machine = self._machine
        given = {name: text for name, text in request.arguments.items() if name not in (".id", "numbers")}
        values = checks.check_values(machine, request.menu, given)
        if machine.schema.is_singleton(request.menu):
            table, number = machine.tables.single(request.menu)
            table.change(number, values)
            return {}
        table = machine.tables[request.menu]
        for number in self.rows_meant(request, table):
            _refuse_dynamic(table, number)
            checks.check_duplicates(machine, table, values, but=number)
            table.change(number, shapes.shape(machine, table, values, number, request.policies))
        return {}

    def _remove(self, request: Request, _emit: Emit) -> dict[str, str]:
        table = self._machine.tables[request.menu]
        for number in self.rows_meant(request, table):
            _refuse_dynamic(table, number)
            if "true" in (table.get(number, "default"), table.get(number, "builtin")):
                raise Trap("failure: can not remove default entry")
            table.remove(number)
        return {}

    def _enable(self, request: Request, _emit: Emit) -> dict[str, str]:
        table = self._machine.tables[request.menu]
        for number in self.rows_meant(request, table):
            _refuse_dynamic(table, number)
            table.change(number, {"disabled": "true" if request.command == "disable" else "false"})
        return {}

    def _comment(self, request: Request, _emit: Emit) -> dict[str, str]:
        table = self._machine.tables[request.menu]
        for number in self.rows_meant(request, table):
            table.change(number, {"comment": request.arguments.get("comment", "")})
        return {}

    def _move(self, request: Request, _emit: Emit) -> dict[str, str]:
        table = self._machine.tables[request.menu]
        destination = request.arguments.get("destination")
        front = self._row_named(table, destination) if destination else None
        if front is not None:
            _refuse_place(table, front)
        for number in self.rows_meant(request, table):
            _refuse_dynamic(table, number)
            if number != front:
                table.move(number, front)
        return {}

    def _unset(self, request: Request, _emit: Emit) -> dict[str, str]:
        table = self._machine.tables[request.menu]
        name = request.arguments.get("value-name", "")
        if name not in (self._machine.schema.arguments(request.menu, "set") or ()):
            raise Trap("input does not match any value of value-name", CATEGORY_BAD_VALUE)
        for number in self.rows_meant(request, table):
            table.change(number, {name: ""})
        return {}

    def rows_meant(self, request: Request, table: Table) -> list[int]:
        """The rows named by `.id` or `numbers` (a list with commas), or the router's refusal."""
        text = request.arguments.get(".id") or request.arguments.get("numbers") or request.arguments.get("number")
        if not text:
            raise Trap("missing value(s) of argument(s) .id", CATEGORY_MISSING)
        return [self._row_named(table, part) for part in text.split(",")]

    @staticmethod
    def _row_named(table: Table, text: str) -> int:
        number = read_id(text) if text.startswith("*") else table.find("name", text)
        if number is None or number not in table.records:
            raise Trap("no such item", CATEGORY_MISSING)
        return number


def _matches(query: Query, row: Mapping[str, str]) -> bool:
    try:
        return query.matches(row)
    except BadQuery as refusal:
        raise Trap(f"invalid query: {refusal}", CATEGORY_BAD_VALUE) from refusal


def _refuse_dynamic(table: Table, number: int) -> None:
    if table.get(number, "dynamic") == "true" and table.menu != "/ip/firewall/address-list":
        raise Trap("failure: can not change dynamic entry")


def _refuse_place(table: Table, front: int) -> None:
    """Rows a hotspot has made stay in front of all others."""
    if table.get(front, "dynamic") == "true":
        raise Trap("failure: can not move before dynamic entry")


_GENERIC: dict[str, Callable[[Executor, Request, Emit], dict[str, str]]] = {
    "print": Executor._print,
    "getall": Executor._print,
    "listen": Executor._listen,
    "get": Executor._get,
    "find": Executor._find,
    "add": Executor._add,
    "set": Executor._set,
    "remove": Executor._remove,
    "enable": Executor._enable,
    "disable": Executor._enable,
    "comment": Executor._comment,
    "move": Executor._move,
    "unset": Executor._unset,
}
