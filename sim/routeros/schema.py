"""The command tree of one RouterOS version: which menus, commands and arguments exist, and what they take.

Two sources lie in `data/`: what a router itself reports (`routeros-schema-*`) and what the vendor's manual adds about
types, defaults and mandatory arguments (`routeros-arguments`). Where they differ the router's own word wins.
"""

from __future__ import annotations

import json
import re
from functools import cache, cached_property
from importlib import resources
from typing import Any

from sim.routeros.additions import (
    CREATED_DISABLED,
    MENUS_OF_HARDWARE,
    MORE_DEFAULTS,
    MORE_FLAGS,
    MORE_MANDATORY,
    MORE_TYPES,
    OFF_VALUES,
    PORT_TYPE,
    SHOWN_THOUGH_OFF,
)
from sim.routeros.board import BOARDS, Board
from sim.routeros.six import CREATED_DISABLED_ON_SIX, tree_of_six
from sim.routeros.values import OWN_FORMS, BadValue, Kind, format_duration, parse_duration_ms

VERSIONS = {"7.21.5": "7.21.5", "7.18.2": "7.18.2", "6.49.18": "7.18.2", "6.42.12": "7.18.2"}
"""Selectable version → whose command tree it has. No tree exists for RouterOS 6: `six.py` makes one of the oldest."""

_ENUM = re.compile(r"(?:enum|ubit) \(([^)]*)\)")
_NUM_RANGE = re.compile(r"\bnum \[\s*(-?\d+) \.\.\s*(\d+)\s*\]")
_DESC_RANGE = re.compile(r"(\S+?)\.\.(\S+) \(time interval\)")
_FLAGS = re.compile(r"^address \(flags=([^)]*)\)$")
_LENGTH = re.compile(r"max length (\d+)")
_FREE_WORDS = ("string", "super", "multi", "composite", "object", "file", "iface_enum", "switch", "date", "enum ,")


class Schema:
    """The commands of one version on one board. Shared by all such routers, and never changed."""

    def __init__(self, version: str, board: Board) -> None:
        self.version = version
        self.board = board
        self._menus = _menus_of(version, board)
        self._manual: dict[str, Any] = _load("routeros-arguments.json")
        self._newest: dict[str, Any] = _load("routeros-schema-7.21.5.json")
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._defaults: dict[str, dict[str, str]] = {}

    @cached_property
    def number(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))

    @property
    def is_six(self) -> bool:
        return self.number[0] == 6

    @cached_property
    def created_disabled(self) -> frozenset[str]:
        """Menus whose new rows do nothing until somebody enables them."""
        return CREATED_DISABLED | (CREATED_DISABLED_ON_SIX if self.is_six else frozenset())

    @cached_property
    def _prefixes(self) -> frozenset[str]:
        found: set[str] = set()
        for path in self._menus:
            parts = path.split("/")
            found.update("/".join(parts[:length]) for length in range(1, len(parts) + 1))
        return frozenset(found)

    def menus(self) -> list[str]:
        """Every menu that has commands of its own."""
        return [path for path, menu in self._menus.items() if "commands" in menu]

    def has_prefix(self, path: str) -> bool:
        return path in self._prefixes

    def has_menu(self, menu: str) -> bool:
        return menu in self._menus

    def commands(self, menu: str) -> frozenset[str]:
        return frozenset(self._menus.get(menu, {}).get("commands", ()))

    def arguments(self, menu: str, command: str) -> frozenset[str] | None:
        """Names a command takes, or None when there is no such command. `command` is empty for menus that are one."""
        found = self._menus.get(menu)
        if found is None:
            return None
        if not command:
            return frozenset(found["args"]) if found["type"] == "cmd" else None
        arguments = found.get("commands", {}).get(command)
        return None if arguments is None else frozenset(arguments)

    def is_singleton(self, menu: str) -> bool:
        """Whether the menu is one set of values (like the identity) instead of a list of rows."""
        commands = self.commands(menu)
        return "print" in commands and "find" not in commands

    def mandatory(self, menu: str) -> list[str]:
        """Arguments `add` cannot do without."""
        named = (*self._manual_of(menu).get("mandatory", ()), *MORE_MANDATORY.get(menu, ()))
        return [name for name in named if name in self._writable(menu)]

    def read_only(self, menu: str) -> frozenset[str]:
        return frozenset(self._manual_of(menu).get("read_only", ()))

    def readable(self, menu: str) -> frozenset[str]:
        """Names `print` and `get` may return. Versions without such lists borrow those of the newest."""
        named = self._menus.get(menu, {}).get("properties") or self._newest.get(menu, {}).get("properties", ())
        return frozenset(named) | self._writable(menu)

    def flags(self, menu: str) -> list[str]:
        """Yes-or-no properties every row of the menu shows."""
        return [*self._manual_of(menu).get("flags", {}).values(), *MORE_FLAGS.get(menu, ())]

    def defaults(self, menu: str) -> dict[str, str]:
        """What a new row holds without being told, in the router's spelling; unset properties are not in it."""
        if menu not in self._defaults:
            self._defaults[menu] = self._find_defaults(menu)
        return self._defaults[menu]

    def kind(self, menu: str, argument: str) -> Kind:
        """What the argument takes."""
        key = (menu, argument)
        if key not in self._kinds:
            self._kinds[key] = self._find_kind(menu, argument)
        return self._kinds[key]

    def _manual_of(self, menu: str) -> dict[str, Any]:
        found: dict[str, Any] = self._manual.get(menu, {})
        return found

    def _writable(self, menu: str) -> frozenset[str]:
        return (self.arguments(menu, "add") or frozenset()) | (self.arguments(menu, "set") or frozenset())

    def _find_defaults(self, menu: str) -> dict[str, str]:
        stated = {**self._manual_of(menu).get("defaults", {}), **MORE_DEFAULTS.get(menu, {})}
        found = {}
        for flag in self.flags(menu):
            found[flag] = "true" if flag == "disabled" and menu in self.created_disabled else "false"
        writable = self._writable(menu)
        for name, text in stated.items():
            if name not in writable or name == "disabled":
                continue
            try:
                value = self.kind(menu, name).accept(text)
            except BadValue:
                value = text
            if value not in OFF_VALUES or (menu, name) in SHOWN_THOUGH_OFF:
                found[name] = value
        if menu == "/ip/hotspot/profile":
            found["html-directory"] = self.board.file_path("hotspot")
        return found

    def _description(self, menu: str, argument: str) -> tuple[str, list[str]]:
        """Syntax text and value list; versions without value lists borrow those of the newest."""
        for tree in (self._menus, self._newest):
            commands = tree.get(menu, {}).get("commands", {})
            for command in ("add", "set"):
                about = commands.get(command, {}).get(argument)
                if isinstance(about, dict):
                    return about.get("desc", ""), about.get("values", [])
                if about:
                    return about, []
        return "", []

    def _find_kind(self, menu: str, argument: str) -> Kind:
        text, values = self._description(menu, argument)
        stated: str = self._manual_of(menu).get("types", {}).get(argument, "")
        stated = MORE_TYPES.get(menu, {}).get(argument, stated)
        if argument == "port" or argument.endswith("-port"):
            stated = stated if stated != "num" else PORT_TYPE
        if stated.startswith("bool") and values and sorted(values) != ["no", "yes"]:
            stated = f"enum ({' | '.join(values)})"
        if not stated:
            stated = _type_of_description(text, values)
        return _parse_type(stated, text)


def _type_of_description(text: str, values: list[str]) -> str:
    if sorted(values) == ["no", "yes"]:
        return "bool"
    if text.endswith("(time interval)"):
        return "time"
    if text == "A.B.C.D (IP address)":
        return "ipAddr"
    if text.endswith("(MAC address)"):
        return "macAddr"
    return "string"


def _parse_type(stated: str, description: str) -> Kind:
    """A type of the manual's notation, such as `alt { enum (none) { none:0 } , time }`."""
    words = tuple(word.strip() for found in _ENUM.findall(stated) for word in re.split(r"[|,]", found) if word.strip())
    if stated.startswith("ubit"):
        return Kind(words=words, many=True)
    bare = re.sub(r"\([^)]*\)", "", stated)
    forms = {form for form in ("bool", "num", "time", "macAddr") if re.search(rf"\b{form}\b", bare)}
    if re.search(r"\bipAddr\b", bare):
        forms.add("ipAddr")
    if re.search(r"\b(address|ip6Addr)\b", bare):
        forms.add("address")
    flags = _FLAGS.search(stated)
    if flags and set("Di/") & set(flags[1]):  # a name, an interface or a network will do as well
        forms = {"free"}
    if any(word in stated for word in _FREE_WORDS) or (not forms and len(words) < 2):
        forms = {"free"}
    if stated in OWN_FORMS:
        forms = {stated}
    elif "key }" in stated:
        forms = {"key"}
    return _with_limits(Kind(forms=frozenset(forms), words=words), stated, description)


def _with_limits(kind: Kind, stated: str, description: str) -> Kind:
    low = high = length = None
    text = ""
    if "num" in kind.forms and (found := _NUM_RANGE.search(stated)):
        low, high = int(found[1]), int(found[2])
        text = f"{low}..{high}"
    if "time" in kind.forms and (found := _DESC_RANGE.match(description)):
        low, high = parse_duration_ms(found[1]), parse_duration_ms(found[2])
        text = f"{format_duration(low)}..{format_duration(high)}"
    if "free" in kind.forms and (found := _LENGTH.search(description)):
        length = int(found[1])
    return Kind(kind.forms, kind.words, kind.many, low, high, text, length)


@cache
def _load(name: str) -> dict[str, Any]:
    menus: dict[str, Any] = json.loads((resources.files("sim.routeros") / "data" / name).read_text("utf-8"))["menus"]
    return menus


def _menus_of(version: str, board: Board) -> dict[str, Any]:
    """The tree of this version with what this board has and without what it lacks."""
    menus = _load(f"routeros-schema-{VERSIONS[version]}.json")
    if version.startswith("6."):
        return {**tree_of_six(menus), **({} if board.is_virtual else MENUS_OF_HARDWARE)}
    if board.wifi != "wireless":
        menus = {path: menu for path, menu in menus.items() if not path.startswith("/interface/wireless")}
    return {**menus, **({} if board.is_virtual else MENUS_OF_HARDWARE)}


@cache
def schema_for(version: str, board_name: str) -> Schema:
    """The command tree of a version on a board. Raises ValueError naming what there is."""
    if version not in VERSIONS:
        raise ValueError(f"no command tree for RouterOS {version}; there are {', '.join(VERSIONS)}")
    board = BOARDS.get(board_name)
    if board is None:
        raise ValueError(f"no board {board_name!r}; there are {', '.join(BOARDS)}")
    if int(version.split(".")[0]) not in board.majors:
        raise ValueError(f"{board.name} does not run RouterOS {version}")
    return Schema(version, board)
