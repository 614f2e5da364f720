"""The router's terminal, and everything else that carries out scripts: `/import`, `/execute` and stored scripts."""

from __future__ import annotations

import threading

from sim.routeros.checks import CATEGORY_MISSING, Trap
from sim.routeros.commands import Emit, Executor, Request
from sim.routeros.files import Files
from sim.routeros.machine import Machine
from sim.routeros.policies import ALL_POLICIES
from sim.routeros.script import Returned, Script
from sim.routeros.script_builtins import LANGUAGE
from sim.routeros.script_parser import Parser
from sim.routeros.script_tree import Block, ScriptError
from sim.routeros.script_values import Value

SCRIPTS = "/system/script"
IMPORTED = "Script file loaded and executed successfully"
DEPTH_MAX = 10


class Terminal:
    """Runs scripts of all kinds. Global variables live here until the next boot."""

    def __init__(self, machine: Machine, executor: Executor, files: Files) -> None:
        self._machine = machine
        self._executor = executor
        self._files = files
        self._globals: dict[str, Value] = {}
        self._inside = threading.local()
        executor.register("/import", "", self._import, slow=True)
        executor.register("/execute", "", self._execute, slow=True)
        executor.register(SCRIPTS, "run", self._run_stored, slow=True)

    def boot(self) -> None:
        self._globals.clear()

    def paste(self, text: str, policies: frozenset[str] = ALL_POLICIES) -> str:
        """Type lines into the terminal, one after the other; what it shows. An error ends its line, not the rest."""
        parser, shown = Parser(text, self._machine.schema), list[str]()
        while True:
            try:
                line = parser.next_line()
                if line is None:
                    return "\n".join(shown)
                self._carry_out(line, policies, shown, threading.Event())
            except ScriptError as error:
                shown.append(error.message)
                if error.is_syntax:
                    parser.skip_line()

    def run_lines(self, text: str, policies: frozenset[str], cancelled: threading.Event, shown: list[str]) -> None:
        """Lines as `/import` takes them: the first error ends everything. `shown` grows by what they show.

        Raises ScriptError; the lines before it have been carried out.
        """
        parser = Parser(text, self._machine.schema)
        while (line := parser.next_line()) is not None:
            self._carry_out(line, policies, shown, cancelled)

    def run_whole(self, text: str, policies: frozenset[str], shown: list[str]) -> None:
        """A script as `/system/script` has it: understood as a whole before anything is done. Raises ScriptError."""
        self._carry_out(Parser(text, self._machine.schema).whole(), policies, shown, threading.Event())

    def _carry_out(self, block: Block, policies: frozenset[str], shown: list[str], cancelled: threading.Event) -> None:
        depth = getattr(self._inside, "depth", 0)
        if depth >= DEPTH_MAX:
            raise ScriptError("maximum recursion depth reached")
        self._inside.depth = depth + 1
        script = Script(self._machine, self._executor, policies, self._globals, cancelled, LANGUAGE)
        script.output = shown
        try:
            script.run(block)
        except Returned:
            return
        finally:
            self._inside.depth = depth

    def _import(self, request: Request, _emit: Emit) -> dict[str, str]:
        name = request.arguments.get("file-name", "")
        if not name:
            raise Trap("missing value(s) of argument(s) file-name", CATEGORY_MISSING)
        body = self._files.read(name)
        if body is None:
            body = self._files.read(f"{name}.rsc")
        if body is None:
            raise Trap(f"failure: can't open file: {name}")
        shown: list[str] = []
        try:
            self.run_lines(body.decode("utf-8", "replace"), request.policies, request.cancelled, shown)
        except ScriptError as error:
            self._machine.note_safely("script,error", f"import of {name} failed: {error.message}")
            request.shown = "\n".join(shown)
            raise Trap(f"failure: {error.message}" if error.is_syntax else error.message) from error
        request.shown = "\n".join([*shown, IMPORTED])
        return {}

    def _execute(self, request: Request, _emit: Emit) -> dict[str, str]:
        """A job beside the terminal. Here it is over before the command answers; its output goes to a file or nowhere."""
        text = request.arguments.get("script", "")
        named = self._machine.tables[SCRIPTS].find("name", text)
        shown: list[str] = []
        try:
            source = text if named is None else self._machine.tables[SCRIPTS].get(named, "source")
            self.run_lines(source, request.policies, request.cancelled, shown)
        except ScriptError as error:
            shown.append(error.message)
            self._machine.note_safely("script,error", f"executing script failed: {error.message}")
        if "file" in request.arguments:
            if "ftp" not in request.policies:
                raise Trap("failure: cannot open file: permission denied")
            name = request.arguments["file"]
            self._files.write(name if name.endswith(".txt") else f"{name}.txt", "\n".join([*shown, ""]).encode())
        return {"ret": "\n".join(shown)} if "as-string" in request.arguments else {"ret": "*1"}

    def _run_stored(self, request: Request, _emit: Emit) -> dict[str, str]:
        table = self._machine.tables[SCRIPTS]
        with self._machine.lock:
            number = self._executor.rows_meant(request, table)[0]
            source, count = table.get(number, "source"), int(table.get(number, "run-count") or 0)
            table.change(number, {"run-count": str(count + 1), "last-started": self._machine.stamp()})
        shown: list[str] = []
        try:
            self.run_whole(source, request.policies, shown)
        except ScriptError as error:
            raise Trap(error.message) from error
        finally:
            request.shown = "\n".join(shown)
        return {}
