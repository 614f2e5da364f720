"""Which rows a `where` means."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sim.routeros import script_values as values
from sim.routeros.schema import Schema
from sim.routeros.script_tree import Expr, Operation, Property, ScriptError
from sim.routeros.script_values import Value
from sim.routeros.values import BadValue

Compute = Callable[[Operation, Callable[[Expr], Value]], Value]


class Condition:
    """Asks conditions about rows of one menu. `value` works out what is no property, `compute` carries out signs."""

    def __init__(self, schema: Schema, menu: str, value: Callable[[Expr], Value], compute: Compute) -> None:
        self._schema = schema
        self._menu = menu
        self._value = value
        self._compute = compute

    def holds(self, where: Expr, row: Mapping[str, str]) -> bool:
        """Raises ScriptError for a property the menu does not have."""
        if isinstance(where, Property):
            return self._text(where, row) in ("true", "yes")
        if not isinstance(where, Operation):
            return self._value(where) is True
        sign, left = where.sign, where.left
        if sign == "!" and left is None:
            return not self.holds(where.right, row)
        if left is not None and sign in ("and", "or"):
            first = self.holds(left, row)
            return first if first == (sign == "or") else self.holds(where.right, row)
        if isinstance(left, Property) and sign in ("=", "!="):
            return (self._text(left, row) == self._stored(left.name, self._value(where.right))) == (sign == "=")
        return self._compute(where, lambda expr: self._side(expr, row)) is True

    def _side(self, expr: Expr, row: Mapping[str, str]) -> Value:
        return values.of_word(self._text(expr, row)) if isinstance(expr, Property) else self._value(expr)

    def _text(self, wanted: Property, row: Mapping[str, str]) -> str:
        if wanted.name not in row and wanted.name not in self._schema.readable(self._menu):
            raise ScriptError(f"expected end of command: {self._menu} has no {wanted.name}", is_syntax=True)
        return row.get(wanted.name, "")

    def _stored(self, name: str, value: Value) -> str:
        """What a property is compared with, in the router's own spelling of that property."""
        text = values.to_text(value)
        if text in ("yes", "no") and name in (*self._schema.flags(self._menu), "default", "builtin"):
            return "true" if text == "yes" else "false"
        try:
            return self._schema.kind(self._menu, name).accept(text) if text else ""
        except BadValue:
            return text
