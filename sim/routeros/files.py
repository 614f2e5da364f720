"""The router's files: what lies in `/file`, what of it survives a reboot, and who may touch it."""

from __future__ import annotations

from collections.abc import Mapping

from sim.routeros.checks import CATEGORY_BAD_VALUE, CATEGORY_MISSING, Trap
from sim.routeros.commands import Emit, Executor, Request
from sim.routeros.machine import Machine

MENU = "/file"
SHOWN_BYTES_MAX = 60_000
SHOWN_BYTES_MAX_ON_SIX = 4095
"""Larger files show no `contents`; version 6 stops at 4 KiB."""
READ_BYTES_MAX = 32768


class Files:
    """Every file with its bytes. Methods take the lock."""

    def __init__(self, machine: Machine, executor: Executor) -> None:
        self._machine = machine
        self._bytes: dict[str, bytes] = {}
        executor.register(MENU, "add", self._add)
        executor.register(MENU, "set", self._set)
        executor.register(MENU, "remove", self._remove)
        executor.register(MENU, "read", self._read)
        self._executor = executor

    def write(self, path: str, body: bytes, kind: str = "") -> None:
        """Make the file, or what is in it new; folders on the way appear by themselves."""
        name = path.strip("/")
        ending = name.rsplit("/", 1)[-1].rpartition(".")
        values = {"name": name, "type": kind or (f".{ending[2]} file" if ending[1] else "file"), "size": str(len(body))}
        stamp = self._machine.stamp()
        shown_max = SHOWN_BYTES_MAX_ON_SIX if self._machine.schema.is_six else SHOWN_BYTES_MAX
        text = body.decode("utf-8", "replace") if len(body) <= shown_max and kind != "backup" else ""
        with self._machine.lock:
            table = self._machine.tables[MENU]
            self._folders(name)
            self._bytes[name] = body
            times = {"creation-time": stamp} if self._machine.schema.is_six else {"last-modified": stamp}
            number = table.find("name", name)
            if number is None:
                table.add({**values, **times, "contents": text})
            else:
                table.change(number, {**values, **times, "contents": text})

    def read(self, path: str) -> bytes | None:
        """What is in the file; None when there is none."""
        with self._machine.lock:
            return self._bytes.get(path.strip("/"))

    def names(self) -> list[str]:
        with self._machine.lock:
            return list(self._bytes)

    def forget(self) -> None:
        """Everything, as after a reset: the table is empty already."""
        self._bytes.clear()

    def boot(self) -> None:
        """What lay in memory is gone: on a board with `flash/`, everything beside it."""
        if not self._machine.board.flash:
            return
        with self._machine.lock:
            table = self._machine.tables[MENU]
            for number in list(table.records):
                name = table.get(number, "name")
                if name != "flash" and not name.startswith("flash/"):
                    table.remove(number)
                    self._bytes.pop(name, None)

    def _folders(self, name: str) -> None:
        table = self._machine.tables[MENU]
        parts = name.split("/")
        for length in range(1, len(parts)):
            folder = "/".join(parts[:length])
            if table.find("name", folder) is None:
                table.add({"name": folder, "type": "directory"})

    def _add(self, request: Request, _emit: Emit) -> dict[str, str]:
        given = request.arguments
        name = given.get("name", "").strip("/")
        if not name:
            raise Trap("missing value(s) of argument(s) name", CATEGORY_MISSING)
        with self._machine.lock:
            if self._machine.tables[MENU].find("name", name) is not None:
                raise Trap("failure: file with same name already exists")
            if given.get("type") == "directory":
                self._folders(f"{name}/x")
            else:
                self.write(name, given.get("contents", "").encode())
        return {}

    def _set(self, request: Request, _emit: Emit) -> dict[str, str]:
        with self._machine.lock:
            table = self._machine.tables[MENU]
            for number in self._executor.rows_meant(request, table):
                name = table.get(number, "name")
                new = request.arguments.get("name", name).strip("/")
                if new != name:
                    self._bytes[new] = self._bytes.pop(name, b"")
                    table.change(number, {"name": new})
                if "contents" in request.arguments:
                    self.write(new, request.arguments["contents"].encode())
        return {}

    def _remove(self, request: Request, _emit: Emit) -> dict[str, str]:
        """A folder goes with everything in it."""
        with self._machine.lock:
            table = self._machine.tables[MENU]
            for number in self._executor.rows_meant(request, table):
                if number in table.records:
                    self._remove_one(table.row(number))
        return {}

    def _read(self, request: Request, emit: Emit) -> dict[str, str]:
        """A piece of a file of any size (version 7)."""
        given = request.arguments
        body = self.read(given.get("file", ""))
        if body is None:
            raise Trap("no such item", CATEGORY_MISSING)
        try:
            offset, size = int(given.get("offset", "0")), int(given.get("chunk-size", "4096"))
        except ValueError:
            raise Trap("invalid value for argument offset", CATEGORY_BAD_VALUE) from None
        if not 1 <= size <= READ_BYTES_MAX:
            raise Trap(f"value of chunk-size out of range (1..{READ_BYTES_MAX})", CATEGORY_BAD_VALUE)
        emit({"data": body[offset : offset + size].decode("utf-8", "replace")})
        return {}

    def _remove_one(self, row: Mapping[str, str]) -> None:
        table, name = self._machine.tables[MENU], row["name"]
        for number in list(table.records):
            other = table.get(number, "name")
            if other == name or other.startswith(f"{name}/"):
                table.remove(number)
                self._bytes.pop(other, None)
