"""From a script's text to commands. Menus, commands and argument names are checked here, before anything is carried out.

That is the router's way too: a line with a name it does not know is refused as a whole, and `on-error` does not help.
"""

from __future__ import annotations

import re

from sim.routeros.schema import Schema
from sim.routeros.script_text import Source
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
    Property,
    Statement,
    Var,
)
from sim.routeros.script_words import BUILTINS, PLAIN_NAMES

DEPTH_MAX = 64
_SIGNS = (
    ("||", "or"),
    ("&&", "and"),
    ("!=", "<=", ">=", "=", "<", ">", "~", "in"),
    (".", ","),
    ("+", "-"),
    ("*", "/", "%"),
)
_LITERAL = re.compile(
    r"\d+\.\d+\.\d+\.\d+(?:/\d+)?|[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}|(?:\d+[wdhms])+(?![A-Za-z0-9])|\d+:\d+(?::\d+)?|\d+|\*[0-9A-F]+"
)
_WORD_HERE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WHERE_VALUE_END = frozenset(" \t\r\n;])}")


class Parser:
    """Reads one text. `menu` is where commands without a leading slash belong."""

    def __init__(self, text: str, schema: Schema, menu: str = "") -> None:
        self._source = Source(text)
        self._schema = schema
        self.menu = menu
        self._depth = 0

    def whole(self) -> Block:
        """The whole text as one script. Raises ScriptError."""
        block = self._statements(closing="")
        if not self._source.is_over:
            raise self._source.refuse("syntax error")
        return block

    def next_line(self) -> Block | None:
        """The commands of the next line (longer where brackets are open), or None at the end. Raises ScriptError."""
        source = self._source
        source.skip_empty()
        if source.is_over:
            return None
        statements: list[Statement] = []
        while True:
            found = self._statement()
            if found is not None:
                statements.append(found)
            source.skip_space()
            if source.is_over or source.peek() == "\n":
                return Block(tuple(statements))
            source.expect(";", "expected end of command")
            source.skip_space()
            if source.is_over or source.peek() in "\n#":
                source.skip_line()
                return Block(tuple(statements))

    def skip_line(self) -> None:
        """Give the present line up, as the terminal does after an error in it."""
        self._source.skip_line()

    # Commands

    def _statements(self, closing: str) -> Block:
        source, menu = self._source, self.menu
        statements: list[Statement] = []
        while True:
            source.skip_empty()
            if source.is_over or (closing and source.peek() == closing):
                self.menu = menu
                return Block(tuple(statements))
            found = self._statement()
            if found is not None:
                statements.append(found)
            source.skip_space()
            if not source.is_over and source.peek() not in ("\n", ";", closing or "\n"):
                raise source.refuse("expected end of command")

    def _statement(self) -> Statement | None:
        source = self._source
        sign = source.peek()
        if sign == ":":
            source.at += 1
            return self._builtin()
        if sign == "{":
            source.at += 1
            return Builtin("do", (Code(self._inner("}")),), {}, source.place())
        if sign and sign in "[($":
            return Evaluated(self._value())
        return self._command()

    def _inner(self, closing: str) -> Block:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._source.refuse("too deep")
        block = self._statements(closing)
        self._source.expect(closing, f"expected closing {'brace' if closing == '}' else 'bracket'} {closing}")
        self._depth -= 1
        return block

    def _command(self) -> Statement | None:
        """A path, and a command of the menu it leads to; a path alone changes the menu."""
        source, start = self._source, self._source.at
        path = "" if source.take("/") else self.menu
        while True:
            source.skip_space()
            at, word = source.at, source.name()
            if not word:
                break
            longer = f"{path}/{word}"
            if self._schema.arguments(longer, "") is not None:
                return self._arguments(longer, "", start)
            if word in self._schema.commands(path) and not self._schema.has_prefix(longer):
                return self._arguments(path, word, start)
            if not self._schema.has_prefix(longer):
                source.at = at
                if word in BUILTINS and not path:
                    return self._builtin()
                raise source.refuse(f"bad command name {word}")
            path = longer
            source.take("/")
            if source.peek() in SPACES_AND_ENDS and self._ends_here():
                break
        if not self._ends_here():
            raise source.refuse("expected command name")
        self.menu = path
        return None

    def _ends_here(self) -> bool:
        source = self._source
        source.skip_space()
        return source.is_over or source.peek() in "\n;]}"

    def _arguments(self, menu: str, verb: str, start: int) -> Command:
        """What follows a command. Commands in brackets among it, such as `[find]`, belong to the same menu."""
        around, self.menu = self.menu, menu if verb else self.menu
        found = self._given(menu, verb, start)
        self.menu = around
        return found

    def _given(self, menu: str, verb: str, start: int) -> Command:
        source, place = self._source, self._source.place(start)
        known = self._schema.arguments(menu, verb) or frozenset()
        plain = list(PLAIN_NAMES.get(verb or menu.rsplit("/", 1)[1], ()))
        if verb in ("get", "set", "unset") and self._schema.is_singleton(menu):
            plain = ["value-name"] if verb != "set" else []
        given: list[tuple[str, Expr]] = []
        where: Expr | None = None
        while not self._ends_here():
            at, word = source.at, source.name()
            if word == "where" and (verb in ("find", "print", "export") or not verb):
                where = self._where()
            elif verb == "find" and (word or source.peek() in "!("):
                source.at = at
                where = self._where()
            elif word and source.peek() == "=":
                if word not in known:
                    raise source.refuse("expected end of command", at)
                source.at += 1
                given.append((word, self._value()))
            elif word in known and word not in plain and self._is_alone():
                given.append((word, Const("")))
            else:
                source.at = at
                if not plain:
                    raise source.refuse("expected end of command", at)
                given.append((plain.pop(0), self._value()))
        return Command(menu, verb, tuple(given), where, place)

    def _is_alone(self) -> bool:
        return self._source.is_over or self._source.peek() in SPACES_AND_ENDS

    def _builtin(self) -> Builtin:
        source = self._source
        at, name = source.at, source.name()
        if name not in BUILTINS:
            raise source.refuse(f"bad command name {name}" if name else "expected command name", at)
        place, known = source.place(at), BUILTINS[name]
        plain: list[Expr] = []
        named: dict[str, Expr] = {}
        while not self._ends_here():
            at, word = source.at, source.name()
            if word and source.peek() == "=" and word in known:
                source.at += 1
                named[word] = self._value()
            elif word and source.peek() == "=" and not (name in ("local", "global", "set") and len(plain) == 1):
                raise source.refuse("expected end of command", at)
            else:
                source.at = at
                if len(plain) >= (2 if name in ("local", "global", "set") else max(1, len(known))):
                    raise source.refuse("expected end of command", at)
                plain.append(self._value())
        return Builtin(name, tuple(plain), named, place)

    # Values

    def _value(self) -> Expr:
        """A value behind `name=` or on its own."""
        source = self._source
        source.skip_space()
        sign = source.peek()
        if sign == '"':
            source.at += 1
            return self._text()
        if sign == "$":
            return self._variable()
        if sign == "(":
            source.at += 1
            return self._bracketed()
        if sign == "[":
            source.at += 1
            return Called(self._inner("]"))
        if sign == "{":
            return self._braces()
        at, word = source.at, source.bare()
        if word == "" and not self._ends_here() and source.at == at and source.peek() not in " \t\r":
            raise source.refuse("syntax error")
        return Bare(word)

    def _variable(self) -> Expr:
        source, place = self._source, self._source.place()
        source.expect("$")
        if source.take("["):
            return Called(self._inner("]"))
        if source.take("("):
            return self._bracketed()
        return Var(source.variable(), place)

    def _braces(self) -> Expr:
        """`{…}`: items separated by `;`, or else commands."""
        source, start = self._source, self._source.at
        source.at += 1
        items = self._try_items()
        if items is not None:
            return items
        source.at = start + 1
        return Code(self._inner("}"))

    def _try_items(self) -> Items | None:
        """A list is recognised by its first value: a number, a text in quotes, or a name with `=`."""
        source = self._source
        source.skip_wide()
        if not re.match(r'(?:"[^"\\$]*"|\d+)\s*[;}]|"?[A-Za-z0-9]+"?=', source.text[source.at :]):
            return None
        values: list[Expr] = []
        names: list[str] = []
        while True:
            source.skip_wide()
            found = re.compile(r'"?([A-Za-z0-9]+)"?=').match(source.text, source.at)
            if found:
                names.append(found[1])
                source.at = found.end()
            values.append(self._value())
            source.skip_wide()
            if source.take("}"):
                return Items(tuple(values), tuple(names))
            source.expect(";")

    def _text(self) -> Expr:
        parts: list[Expr] = []
        while True:
            found = self._source.pieces()
            if found[0]:
                parts.append(Const(str(found[0])))
            if len(found) == 1:
                break
            self._source.at -= 1
            parts.append(self._variable())
        if not parts:
            return Const("")
        return parts[0] if len(parts) == 1 and isinstance(parts[0], Const) else Joined(tuple(parts))

    # Expressions

    def _bracketed(self) -> Expr:
        found = self._expression(0, in_where=False)
        self._source.skip_wide()
        self._source.expect(")", "expected closing parenthesis )")
        return found

    def _where(self) -> Expr:
        """Conditions up to the end of the command; those that stand side by side must all hold."""
        found = self._expression(0, in_where=True)
        while not self._ends_here():
            found = Operation("and", found, self._expression(0, in_where=True))
        return found

    def _expression(self, level: int, *, in_where: bool) -> Expr:
        if level == len(_SIGNS):
            return self._unary(in_where=in_where)
        left = self._expression(level + 1, in_where=in_where)
        while True:
            sign = self._sign(level, in_where=in_where)
            if not sign:
                return left
            if in_where and level == 2:
                left = Operation(sign, left, self._compared())
            else:
                left = Operation(sign, left, self._expression(level + 1, in_where=in_where))

    def _sign(self, level: int, *, in_where: bool) -> str:
        source, before = self._source, self._source.at
        (source.skip_space if in_where else source.skip_wide)()
        for sign in _SIGNS[level]:
            if not source.text.startswith(sign, source.at):
                continue
            after = source.text[source.at + len(sign) : source.at + len(sign) + 1]
            if sign.isalpha() and after not in (*SPACES_AND_ENDS, "(", "[", "$", '"'):
                continue
            if sign == "-" and after == ">":
                continue
            source.at += len(sign)
            return {"||": "or", "&&": "and"}.get(sign, sign)
        source.at = before
        return ""

    def _compared(self) -> Expr:
        """What a property is compared with: a value, a bare one as in arguments."""
        source = self._source
        source.skip_space()
        if source.peek() in '"$([':
            return self._value()
        start = source.at
        while not source.is_over and source.peek() not in _WHERE_VALUE_END:
            source.at += 1
        return Bare(source.text[start : source.at])

    def _unary(self, *, in_where: bool) -> Expr:
        source = self._source
        (source.skip_space if in_where else source.skip_wide)()
        for sign in ("!", "-"):
            if source.peek() == sign:
                source.at += 1
                return Operation(sign, None, self._unary(in_where=in_where))
        found = self._atom(in_where=in_where)
        while source.take("->"):
            found = Operation("->", found, self._atom(in_where=False))
        return found

    def _atom(self, *, in_where: bool) -> Expr:
        source = self._source
        sign = source.peek()
        if sign == "(":
            source.at += 1
            found = self._expression(0, in_where=in_where)
            source.skip_wide()
            source.expect(")", "expected closing parenthesis )")
            return found
        if sign and sign in '"$[{':
            return self._value()
        literal = source.match(_LITERAL)
        if literal:
            return Const(int(literal) if literal.isdigit() else literal)
        word = source.match(_WORD_HERE)
        if not word:
            raise source.refuse("syntax error")
        if in_where:
            return Property(word)
        return Const({"true": True, "yes": True, "false": False, "no": False, "nothing": None}.get(word, word))


SPACES_AND_ENDS = ("", " ", "\t", "\r", "\n", ";", "]", "}", ")")
