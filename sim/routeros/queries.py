"""The router's query language: words that push true or false on a stack (reference routeros.md §1.1).

Whatever is left on the stack at the end is ANDed. Equality is exact and case-sensitive, which is why a MAC address in
lower case finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sim.routeros.values import order_key

Row = Mapping[str, str]
STACK_DEPTH_MAX = 256


class BadQuery(Exception):
    """A query word that cannot be understood, or an operator that finds too little on the stack."""


class Query:
    """All query words of one command, ready to be asked about any number of rows."""

    def __init__(self, words: Sequence[str]) -> None:
        self._steps = [_step(word) for word in words]
        self._equalities = dict(filter(None, (_equality(word) for word in words)))
        self._has_operators = any(word.startswith("?#") for word in words)

    def matches(self, row: Row) -> bool:
        """Whether the row is wanted. No words at all means every row is."""
        stack: list[bool] = []
        for step in self._steps:
            step(row, stack)
            if len(stack) > STACK_DEPTH_MAX:
                raise BadQuery("stack too deep")
        return all(stack)

    @property
    def equalities(self) -> dict[str, str]:
        """Property values every wanted row must have exactly: what an index can be asked about."""
        return {} if self._has_operators else self._equalities


Step = Callable[[Row, list[bool]], None]


def _equality(word: str) -> tuple[str, str] | None:
    body = word[2:] if word.startswith("?=") else word[1:]
    name, equals, wanted = body.partition("=")
    if not equals or not name or name[0] in "#-<>":
        return None
    return name, wanted


def _step(word: str) -> Step:
    if not word.startswith("?") or word == "?":
        raise BadQuery(f"not a query word: {word[:40]!r}")
    body = word[1:]
    if body.startswith("#"):
        return _operators(body[1:])
    if body.startswith("-"):
        absent = body[1:]
        return lambda row, stack: stack.append(absent not in row)
    if body[0] in "<>":
        return _comparison(body)
    name, equals, wanted = body.removeprefix("=").partition("=")
    if not name:
        raise BadQuery(f"no name in {word[:40]!r}")
    if equals:
        return lambda row, stack: stack.append(row.get(name) == wanted)
    return lambda row, stack: stack.append(name in row)


def _comparison(body: str) -> Step:
    name, equals, bound = body[1:].partition("=")
    if not name or not equals:
        raise BadQuery(f"comparison without a value: {body[:40]!r}")
    wanted = order_key(bound)
    less = body[0] == "<"

    def step(row: Row, stack: list[bool]) -> None:
        if name not in row:
            stack.append(False)
            return
        have = order_key(row[name])
        stack.append(have < wanted if less else have > wanted)

    return step


def _operators(text: str) -> Step:
    if not all(sign in "0123456789!&|." for sign in text):
        raise BadQuery(f"unknown operator in {text[:40]!r}")

    def step(_row: Row, stack: list[bool]) -> None:
        index = ""
        for sign in text:
            if sign.isdigit():
                index += sign
                continue
            if index:
                stack.append(_at(stack, index))
                index = ""
                if sign == ".":
                    continue
            _operate(sign, stack)
        if index:
            stack[:] = [_at(stack, index)]

    return step


def _operate(sign: str, stack: list[bool]) -> None:
    if sign == ".":
        stack.append(_at(stack, "0"))
    elif sign == "!":
        stack.append(not _pop(stack))
    else:
        right, left = _pop(stack), _pop(stack)
        stack.append((left and right) if sign == "&" else (left or right))


def _at(stack: list[bool], index: str) -> bool:
    position = int(index[:6])
    if position >= len(stack):
        raise BadQuery("index beyond the stack")
    return stack[-1 - position]


def _pop(stack: list[bool]) -> bool:
    if not stack:
        raise BadQuery("operator without operands")
    return stack.pop()
