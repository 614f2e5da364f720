"""The words of the script language, and what values without names mean to a command."""

from __future__ import annotations

PLAIN_NAMES: dict[str, tuple[str, ...]] = {
    "get": ("number", "value-name"),
    "move": ("numbers", "destination"),
    "comment": ("numbers", "comment"),
    "import": ("file-name",),
    "run": ("number",),
    "ping": ("address",),
    **dict.fromkeys(("info", "warning", "error", "debug"), ("message",)),
    **dict.fromkeys(("set", "remove", "enable", "disable", "unset", "reset", "reset-counters"), ("numbers",)),
}
"""Command → what its values without names mean, in their order."""

BUILTINS = {
    "local": ("do",), "global": ("do",), "set": ("do",), "put": ("message",), "error": ("message",), "return": ("value",),
    "delay": ("delay-time",), "if": ("condition", "do", "else"), "do": ("command", "while", "on-error"),
    "while": ("condition", "do"), "foreach": ("counter", "in", "do"), "for": ("counter", "from", "to", "step", "do"),
    "log": ("topics", "message"), "len": ("value",), "pick": ("counter", "begin", "end"), "find": ("in", "what", "from"),
    "typeof": ("value",), "tostr": ("value",), "tonum": ("value",), "toarray": ("value",), "tobool": ("value",),
    "parse": ("value",), "execute": ("script", "file", "as-string"), "nothing": (),
}  # fmt: skip
"""Commands of the language and their argument names."""
