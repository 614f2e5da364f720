"""Carrying out a script: its own language here, and the commands of menus through the same door as the API's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sim.routeros import script_values as values
from sim.routeros.checks import Trap
from sim.routeros.commands import Executor, Request
from sim.routeros.machine import Machine
from sim.routeros.script_parser import Parser
from sim.routeros.script_tree import (
    Bare,
    Block,
    Builtin,
    Called,
    Code,
    Command,
    Const,
    Evaluated,
    Expr,
    Items,
    Joined,
    Operation,
    ScriptError,
    Var,
)
from sim.routeros.script_values import Value
from sim.routeros.script_where import Condition
from sim.routeros.tables import Table

TURNS_MAX = 100_000
DEPTH_MAX = 100
NUMBERED = frozenset({"numbers", "number", "destination", "place-before", "copy-from"})
STOPPED = "interrupted"


class Returned(Exception):
    """`:return` on its way to whoever called."""

    def __init__(self, value: Value) -> None:
        super().__init__("returned")
        self.value = value


@dataclass
class Scope:
    """The names known in one pair of braces, and the braces around."""

    names: dict[str, Value] = field(default_factory=dict)
    outer: Scope | None = None

    def home_of(self, name: str) -> dict[str, Value] | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names
            scope = scope.outer
        return None


class Script:
    """One script on its way, carried out with somebody's rights. `output` gathers what the terminal would show."""

    def __init__(
        self,
        machine: Machine,
        executor: Executor,
        policies: frozenset[str],
        shared: dict[str, Value],
        cancelled: threading.Event,
        language: Mapping[str, Handler],
    ) -> None:
        self._machine = machine
        self._executor = executor
        self._policies = policies
        self._globals = shared
        self._cancelled = cancelled
        self._language = language
        self._turns = 0
        self._depth = 0
        self.output: list[str] = []

    def run(self, block: Block, scope: Scope | None = None) -> Value:
        """All commands in their order; what `:return` named, or the last answer. Raises ScriptError."""
        answer: Value = None
        scope = Scope(outer=scope)
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise ScriptError("maximum recursion depth reached")
        try:
            for statement in block.statements:
                self.turn()
                if isinstance(statement, Command):
                    answer = self._command(statement, scope)
                elif isinstance(statement, Evaluated):
                    answer = self._called(self.value(statement.value, scope), scope)
                else:
                    answer = self._builtin(statement, scope)
        finally:
            self._depth -= 1
        return answer

    def turn(self) -> None:
        """One more step, of which nobody makes without end. Raises ScriptError."""
        self._turns += 1
        if self._turns > TURNS_MAX:
            raise ScriptError("script runs for ever")
        if self._cancelled.is_set():
            raise ScriptError(STOPPED)

    def code(self, value: Value, scope: Scope) -> Value:
        """Carry out what was given as `do=` or the like."""
        return self.run(value, scope) if isinstance(value, Block) else value

    def _called(self, value: Value, scope: Scope) -> Value:
        if not isinstance(value, Block):
            return value
        try:
            return self.run(value, scope)
        except Returned as returned:
            return returned.value

    # Values

    def value(self, expr: Expr, scope: Scope, *, typed: bool = False) -> Value:
        """What an expression comes to. `typed`: words without quotes are what they look like."""
        if isinstance(expr, Const):
            return expr.value
        if isinstance(expr, Bare):
            return values.of_word(expr.word) if typed else expr.word
        if isinstance(expr, Var):
            return self._variable(expr, scope)
        if isinstance(expr, Joined):
            return "".join(values.to_text(self.value(part, scope)) for part in expr.parts)
        if isinstance(expr, Called):
            try:
                return self.run(expr.block, scope)
            except Returned as returned:
                return returned.value
        if isinstance(expr, Code):
            return expr.block
        if isinstance(expr, Items):
            found = [self.value(one, scope, typed=True) for one in expr.values]
            return dict(zip(expr.names, found, strict=True)) if expr.names else found
        if isinstance(expr, Operation):
            return self._operation(expr, lambda part: self.value(part, scope, typed=True))
        raise ScriptError(f"syntax error: {expr.name} is no value here", is_syntax=True)

    def _variable(self, variable: Var, scope: Scope) -> Value:
        home = scope.home_of(variable.name)
        if home is None:
            raise ScriptError(f"variable {variable.name} is not known here {variable.place}")
        found = home[variable.name]
        return self._globals.get(variable.name) if isinstance(found, _Global) else found

    def _operation(self, operation: Operation, value: Callable[[Expr], Value]) -> Value:
        sign, left, right = operation.sign, operation.left, operation.right
        if left is None:
            return not values.to_bool(value(right)) if sign == "!" else -values.to_number(value(right))
        if sign in ("and", "or"):
            first = values.to_bool(value(left))
            return first if first == (sign == "or") else values.to_bool(value(right))
        return values.SIGNS[sign](value(left), value(right))

    # The language itself

    def _builtin(self, one: Builtin, scope: Scope) -> Value:
        handler = self._language.get(one.name)
        if handler is None:
            raise ScriptError(f":{one.name} is not part of the virtual router {one.place}", is_syntax=True)
        return handler(self, one, scope)

    def argument(self, one: Builtin, scope: Scope, at: int, name: str = "") -> Value:
        """The value with this name, else the one at this place among those without; None when it is missing."""
        if name and name in one.named:
            return self.value(one.named[name], scope, typed=True)
        return self.value(one.plain[at], scope, typed=True) if at < len(one.plain) else None

    def declare(self, one: Builtin, scope: Scope) -> Value:
        name = values.to_text(self.value(one.plain[0], scope)) if one.plain else ""
        if not name:
            raise ScriptError(f"expected variable name {one.place}", is_syntax=True)
        given = len(one.plain) > 1 or "do" in one.named
        value = self.argument(one, scope, 1, "do")
        if one.name == "set":
            home = scope.home_of(name)
            if home is None:
                raise ScriptError(f"variable {name} is not known here {one.place}")
            if isinstance(home[name], _Global):
                home = self._globals
            home[name] = value
        elif one.name == "global":
            scope.names[name] = _Global()
            if given:
                self._globals[name] = value
        else:
            scope.names[name] = value
        return None

    def pause(self, seconds: float) -> None:
        """`:delay`: true seconds on the real clock. A clock that is moved by hand stands still meanwhile."""
        if not self._machine.clock.manual:
            self._cancelled.wait(seconds)

    def parsed(self, text: str) -> Block:
        try:
            return Parser(text, self._machine.schema).whole()
        except ScriptError as error:
            raise ScriptError(error.message) from error

    def log(self, topic: str, message: str) -> None:
        with self._machine.lock:
            self._machine.note(f"script,{topic}", message)

    # Commands of menus

    def ask(self, path: str, arguments: Mapping[str, str]) -> tuple[str, list[dict[str, str]]]:
        """Carry out one command; its answer and its rows. Raises ScriptError with the router's words."""
        request = Request(path, dict(arguments), policies=self._policies, cancelled=self._cancelled)
        rows: list[dict[str, str]] = []
        try:
            self._executor.resolve(request)
            answer = self._executor.execute(request, lambda row: rows.append(dict(row)))
        except Trap as trap:
            raise ScriptError(trap.message) from trap
        finally:
            if request.shown:
                self.output.append(request.shown)
        return answer.get("ret", ""), rows

    def _command(self, one: Command, scope: Scope) -> Value:
        table = self._machine.tables[one.menu] if one.verb else None
        if one.verb == "find":
            assert table is not None
            if "read" not in self._policies:
                raise ScriptError("not enough permissions (9)")
            return self._found(one, table, scope)
        given: dict[str, str] = {}
        for name, expr in one.given:
            value = self.value(expr, scope)
            given[name] = self._rows(value, table) if name in NUMBERED and table is not None else values.to_text(value)
        which = given.get("numbers", given.get("number"))
        if which == "":
            if one.verb == "get":
                raise ScriptError("no such item")
            return None
        if one.verb == "print":
            return self._print(one, given, scope)
        answer, rows = self.ask(f"{one.menu}/{one.verb}" if one.verb else one.menu, given)
        if one.verb == "get":
            return values.of_word(answer)
        if rows and "as-value" in given:
            return rows[0] if len(rows) == 1 else rows
        self.output += [f"  {name}: {value}" for row in rows for name, value in row.items() if name != ".section"]
        return answer or None

    def _rows(self, value: Value, table: Table) -> str:
        """Rows as a command names them: ids as they are, and places in the list as the ids that stand there."""
        parts = value if isinstance(value, list) else values.to_text(value).split(",")
        ids = [f"*{number:X}" for number in table.records]
        found = []
        for part in (values.to_text(one) for one in parts):
            if part.isdigit() and table.find("name", part) is None:
                if int(part) >= len(ids):
                    raise ScriptError("no such item")
                part = ids[int(part)]
            found.append(part)
        return ",".join(found)

    def _found(self, one: Command, table: Table, scope: Scope) -> list[str]:
        with self._machine.lock:
            rows = list(table.rows())
        wanted = self._wanted(one, scope)
        return [row[".id"] for row in rows if wanted(row)]

    def _wanted(self, one: Command, scope: Scope) -> Callable[[Mapping[str, str]], bool]:
        if one.where is None:
            return lambda _row: True
        where = one.where
        condition = Condition(self._machine.schema, one.menu, lambda expr: self.value(expr, scope), self._operation)
        return lambda row: condition.holds(where, row)

    def _print(self, one: Command, given: dict[str, str], scope: Scope) -> Value:
        for word in ("as-value", "where", "file", "append", "terse", "without-paging", "detail", "brief", "interval"):
            given.pop(word, None)
        _, rows = self.ask(f"{one.menu}/print", {} if "count-only" in given else given)
        wanted = self._wanted(one, scope)
        rows = [row for row in rows if wanted(row)]
        if "count-only" in given:
            self.output.append(str(len(rows)))
            return len(rows)
        if any(name == "as-value" for name, _ in one.given):
            return rows
        for place, row in enumerate(rows):
            words = " ".join(f'{name}="{value}"' for name, value in row.items() if name != ".id")
            self.output.append(f"{place:2} {words}")
        return None


class _Global:
    """Marks a name of a scope that lives in the router's global variables."""


Handler = Callable[[Script, Builtin, Scope], Value]
"""Carries out one command of the language."""
