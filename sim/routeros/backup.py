"""`/system/backup`: the whole configuration in one file, for the same box."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from sim.routeros.checks import CATEGORY_MISSING, Trap
from sim.routeros.commands import Emit, Executor, Request
from sim.routeros.files import Files
from sim.routeros.machine import Machine

MAGIC = b"\x88\xac\xa1\xb1"
OF_THE_MOMENT = frozenset(
    {"/log", "/file", "/ip/hotspot/host", "/ip/hotspot/active", "/ip/hotspot/cookie", "/ppp/active", "/system/history"}
    | {"/interface/pppoe-server", "/system/resource", "/system/package", "/system/device-mode", "/system/routerboard"}
)
Rows = dict[str, list[dict[str, str]]]


class Backup:
    """Registers `save` and `load`. `restore` puts rows back and boots."""

    def __init__(self, machine: Machine, executor: Executor, files: Files, restore: Callable[[Rows], None]) -> None:
        self._machine = machine
        self._files = files
        self._restore = restore
        executor.register("/system/backup", "save", self._save)
        executor.register("/system/backup", "load", self._load)

    def _save(self, request: Request, _emit: Emit) -> dict[str, str]:
        given, machine = request.arguments, self._machine
        name = given.get("name") or f"{machine.identity}-{machine.stamp().translate(str.maketrans('/: ', '---'))}"
        with machine.lock:
            tables = {
                table.menu: [dict(one.values) for one in table.records.values() if one.values.get("dynamic") != "true"]
                for table in machine.tables.existing()
                if table.menu not in OF_THE_MOMENT
            }
        lock = "" if "dont-encrypt" in given else _digest(given.get("password", ""))
        body = {"board": machine.board.name, "version": machine.version, "lock": lock, "tables": tables}
        self._files.write(name.removesuffix(".backup") + ".backup", MAGIC + json.dumps(body).encode(), "backup")
        request.shown = "Configuration backup saved"
        return {}

    def _load(self, request: Request, _emit: Emit) -> dict[str, str]:
        name = request.arguments.get("name", "")
        if not name:
            raise Trap("missing value(s) of argument(s) name", CATEGORY_MISSING)
        raw = self._files.read(name.removesuffix(".backup") + ".backup")
        if raw is None or not raw.startswith(MAGIC):
            raise Trap("failure: no such file" if raw is None else "failure: not a backup file")
        body = json.loads(raw[len(MAGIC) :])
        if body["lock"] and body["lock"] != _digest(request.arguments.get("password", "")):
            raise Trap("failure: wrong password")
        if body["board"] != self._machine.board.name:
            raise Trap("failure: backup of another board")
        self._restore(body["tables"])
        return {}


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
