"""A RouterOS script as it was understood: commands with values that are worked out when their turn comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


class ScriptError(Exception):
    """A script stops. `message` is what the terminal shows; `is_syntax` means that nothing of the line was carried out."""

    def __init__(self, message: str, *, is_syntax: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.is_syntax = is_syntax


@dataclass(frozen=True)
class Const:
    """A value that stands in the text."""

    value: str | int | bool | None


@dataclass(frozen=True)
class Bare:
    """A word without quotes: a text for a menu's command, and what it looks like (a number, true) for the language."""

    word: str


@dataclass(frozen=True)
class Var:
    name: str
    place: str


@dataclass(frozen=True)
class Joined:
    """A text in quotes with `$name`, `$(…)` or `$[…]` in it."""

    parts: tuple[Expr, ...]


@dataclass(frozen=True)
class Called:
    """`[…]`: what the commands between the brackets answer."""

    block: Block


@dataclass(frozen=True)
class Code:
    """`{…}` as a value: commands to be carried out by whoever gets it."""

    block: Block


@dataclass(frozen=True)
class Items:
    """`{1;2;3}` or `{a=1;b=2}`: a list, or values with names."""

    values: tuple[Expr, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """`left sign right`; `left` is None for signs that stand in front."""

    sign: str
    left: Expr | None
    right: Expr


@dataclass(frozen=True)
class Property:
    """A word in `where` that names a property of the row."""

    name: str


Expr: TypeAlias = Const | Bare | Var | Joined | Called | Code | Items | Operation | Property


@dataclass(frozen=True)
class Command:
    """One command of a menu, checked against the command tree. `given` are its arguments in their order."""

    menu: str
    verb: str
    given: tuple[tuple[str, Expr], ...]
    where: Expr | None
    place: str


@dataclass(frozen=True)
class Builtin:
    """One command of the language itself, such as `:if`. `plain` are values without names."""

    name: str
    plain: tuple[Expr, ...]
    named: dict[str, Expr] = field(hash=False)
    place: str = ""


@dataclass(frozen=True)
class Evaluated:
    """A value where a command is expected: code is carried out, anything else is the answer."""

    value: Expr


Statement: TypeAlias = Command | Builtin | Evaluated


@dataclass(frozen=True)
class Block:
    """Commands in a row. `isolated` ones stand in braces and have names of their own."""

    statements: tuple[Statement, ...]
