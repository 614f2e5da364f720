"""What a script's values are, how they turn into each other, and what the signs between them do.

A value is a text, a number, true or false, nothing, a list (with names or without), or code.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from sim.routeros.script_tree import Block, ScriptError

Value = Any
_NUMBER = re.compile(r"-?\d{1,18}")


def to_text(value: Value) -> str:
    """As `:put` shows it, and as a command gets it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(to_text(one) for one in value)
    if isinstance(value, dict):
        return ";".join(f"{name}={to_text(one)}" for name, one in value.items())
    return "(code)" if isinstance(value, Block) else str(value)


def of_word(word: str) -> Value:
    """A word without quotes, or a property's text, as the value it looks like."""
    if word in ("true", "false"):
        return word == "true"
    return int(word) if _NUMBER.fullmatch(word) and str(int(word)) == word else word


def type_of(value: Value) -> str:
    names = ((bool, "bool"), (int, "num"), (str, "str"), (list, "array"), (dict, "array"), (Block, "code"))
    if value is None:
        return "nothing"
    if isinstance(value, str) and re.fullmatch(r"\*[0-9A-F]+", value):
        return "id"
    return next(name for kind, name in names if isinstance(value, kind))


def to_number(value: Value) -> int:
    """Raises ScriptError for what is no number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    raise ScriptError(f"cannot convert {type_of(value)} to a number")


def to_bool(value: Value) -> bool:
    """What `:if` takes: true, false, or their words. Raises ScriptError."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in ("true", "yes", "false", "no"):
        return value in ("true", "yes")
    raise ScriptError("conditional not boolean")


def length_of(value: Value) -> int:
    return len(value) if isinstance(value, (list, dict)) else len(to_text(value))


def same(left: Value, right: Value) -> bool:
    """Equality: of numbers as numbers, of truths as truths, of one-row lists as their row, else of texts."""
    if isinstance(left, list) and isinstance(right, list):
        return [to_text(one) for one in left] == [to_text(one) for one in right]
    if isinstance(left, bool) or isinstance(right, bool):
        words = {"yes": "true", "no": "false"}
        one, other = (words.get(to_text(side), to_text(side)) for side in (left, right))
        return one == other
    return to_text(left) == to_text(right)


def _ordered(left: Value, right: Value, holds: Callable[[Any, Any], bool]) -> bool:
    try:
        return holds(to_number(left), to_number(right))
    except ScriptError:
        return holds(to_text(left), to_text(right))


def _joined(left: Value, right: Value) -> Value:
    return to_text(left) + to_text(right)


def _listed(left: Value, right: Value) -> Value:
    parts: list[Value] = []
    for side in (left, right):
        parts += side if isinstance(side, list) else [] if side in (None, "") else [side]
    return parts


def _divided(left: Value, right: Value) -> int:
    if to_number(right) == 0:
        raise ScriptError("division by zero")
    return to_number(left) // to_number(right)


def _within(left: Value, right: Value) -> bool:
    try:
        return ipaddress.ip_address(to_text(left)) in ipaddress.ip_network(to_text(right), strict=False)
    except ValueError as error:
        raise ScriptError("cannot compare: not an address and a network") from error


def fits(left: Value, pattern: Value) -> bool:
    """`~`: whether a regular expression is found in the text."""
    try:
        return re.search(to_text(pattern), to_text(left)) is not None
    except re.error as error:
        raise ScriptError(f"bad regexp {to_text(pattern)[:60]}") from error


def _member(left: Value, right: Value) -> Value:
    if isinstance(left, dict):
        return left.get(to_text(right))
    if isinstance(left, list):
        at = to_number(right)
        return left[at] if 0 <= at < len(left) else None
    return None


SIGNS: dict[str, Callable[[Value, Value], Value]] = {
    "=": same,
    "!=": lambda left, right: not same(left, right),
    "<": lambda left, right: _ordered(left, right, lambda one, other: one < other),
    ">": lambda left, right: _ordered(left, right, lambda one, other: one > other),
    "<=": lambda left, right: _ordered(left, right, lambda one, other: one <= other),
    ">=": lambda left, right: _ordered(left, right, lambda one, other: one >= other),
    "~": fits,
    "in": _within,
    ".": _joined,
    ",": _listed,
    "+": lambda left, right: to_number(left) + to_number(right),
    "-": lambda left, right: to_number(left) - to_number(right),
    "*": lambda left, right: to_number(left) * to_number(right),
    "/": _divided,
    "%": lambda left, right: to_number(left) % to_number(right),
    "->": _member,
}


def pick(value: Value, begin: Value, end: Value) -> Value:
    """`:pick`: one member of a list or sign of a text, or those from `begin` up to before `end`."""
    first = to_number(begin)
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        value = to_text(value)
    if end is None:
        return value[first] if 0 <= first < len(value) else (None if isinstance(value, list) else "")
    return value[first : to_number(end)]


def find(value: Value, wanted: Value, start: Value) -> Value:
    """`:find`: where something stands, counted from 0, or nothing. The search begins behind `start`."""
    begin = 0 if start is None else to_number(start) + 1
    if isinstance(value, list):
        return next((at for at in range(begin, len(value)) if same(value[at], wanted)), None)
    at = to_text(value).find(to_text(wanted), begin)
    return None if at < 0 else at
