"""Reading a script's text sign by sign: places for error messages, words, and strings with their escapes."""

from __future__ import annotations

import re

from sim.routeros.script_tree import ScriptError

SPACE = " \t\r"
ENDS_WORD = frozenset(' \t\r\n;])}"[{(?$')
ESCAPES = {
    "n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v", '"': '"', "\\": "\\", "$": "$", "?": "?",
    "_": " ", "'": "'",
}  # fmt: skip
_CONTINUED = re.compile(r"\\[ \t]*\r?\n")
_OCTET = re.compile(r"[0-9A-F]{2}")
_NAME = re.compile(r"[A-Za-z0-9]+")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Source:
    """The text and where we are in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    # Places and complaints

    def place(self, at: int | None = None) -> str:
        """`(line 1 column 5)`, as the router says it."""
        at = self.at if at is None else at
        before = self.text[:at]
        return f"(line {before.count(chr(10)) + 1} column {at - before.rfind(chr(10))})"

    def refuse(self, words: str, at: int | None = None) -> ScriptError:
        return ScriptError(f"{words} {self.place(at)}", is_syntax=True)

    # Looking

    @property
    def is_over(self) -> bool:
        return self.at >= len(self.text)

    def peek(self, length: int = 1) -> str:
        return self.text[self.at : self.at + length]

    def skip_space(self) -> None:
        """Blanks, and line ends that a backslash takes away."""
        while not self.is_over:
            if self.text[self.at] in SPACE:
                self.at += 1
                continue
            found = _CONTINUED.match(self.text, self.at)
            if not found:
                return
            self.at = found.end()

    def skip_empty(self) -> None:
        """Blanks, line ends, semicolons and comments between commands."""
        while True:
            self.skip_space()
            sign = self.peek()
            if sign and sign in "\n;":
                self.at += 1
            elif sign == "#":
                self.skip_line()
            else:
                return

    def skip_wide(self) -> None:
        """Blanks and line ends, inside of brackets."""
        while True:
            self.skip_space()
            if self.peek() != "\n":
                return
            self.at += 1

    def skip_line(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def take(self, sign: str) -> bool:
        """Step over this text if it stands here."""
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            return True
        return False

    def expect(self, sign: str, complaint: str = "syntax error") -> None:
        if not self.take(sign):
            raise self.refuse(complaint)

    def match(self, pattern: re.Pattern[str]) -> str:
        """Step over what fits here; empty when nothing does."""
        found = pattern.match(self.text, self.at)
        if not found:
            return ""
        self.at = found.end()
        return found[0]

    # Words and strings

    def name(self) -> str:
        """A command's, menu's or argument's name; empty when none stands here."""
        return self.match(_WORD)

    def bare(self) -> str:
        """A value without quotes: everything up to a blank or a sign that cannot be part of it."""
        start = self.at
        while not self.is_over and self.text[self.at] not in ENDS_WORD and not _CONTINUED.match(self.text, self.at):
            self.at += 1
        if self.peek() and self.peek() in '"$?[{(':
            raise self.refuse("syntax error")
        return self.text[start : self.at]

    def variable(self) -> str:
        """The name behind a `$`. Names with other signs than letters and digits stand in quotes."""
        if self.take('"'):
            end = self.text.find('"', self.at)
            if end < 0:
                raise self.refuse("syntax error")
            name, self.at = self.text[self.at : end], end + 1
            return name
        name = self.match(_NAME)
        if not name:
            raise self.refuse("syntax error")
        return name

    def pieces(self) -> list[str | tuple[str, int]]:
        """A text in quotes, the opening one being behind us: its texts, and `("$", place)` where a value goes.

        At such a place the reader stands on what follows the `$`; the caller reads it and calls again for the rest.
        """
        octets = bytearray()
        while not self.is_over:
            sign = self.text[self.at]
            self.at += 1
            if sign == '"':
                return [octets.decode("utf-8", "replace")]
            if sign == "$":
                return [octets.decode("utf-8", "replace"), ("$", self.at)]
            if sign == "\\":
                octets += self._escape()
            else:
                octets += sign.encode()
        raise self.refuse('expected closing quote "')

    def _escape(self) -> bytes:
        found = _CONTINUED.match(self.text, self.at - 1)
        if found:
            self.at = found.end()
            while self.peek() and self.peek() in SPACE:
                self.at += 1
            return b""
        octet = self.match(_OCTET)
        if octet:
            return bytes([int(octet, 16)])
        sign = self.peek()
        if sign not in ESCAPES or not sign:
            raise self.refuse("syntax error")
        self.at += 1
        return ESCAPES[sign].encode()
