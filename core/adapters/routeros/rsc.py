"""RouterOS' script language: values that stay values, and one wanted object as the lines that make it so.

The same words are understood by RouterOS 6 and 7: menus with spaces, every value in quotes, everything in a value but letters,
digits and a few signs written as octets (`\\22`). A block is one top-level command, so that its names are known in all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.adapters.routeros.desire import Kind, Wanted, Words

PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:/_-@+=*!<>")
"""Octets that mean themselves in a RouterOS string."""
FIREWALL = "/ip/firewall/"
"""There a hotspot has rows of its own, before which nothing can stand."""
AT = "dukaAt"
"""The name of what a script is at, or why it ends: whoever started it can say so when it did not come to its end."""
NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")


def quoted(text: str) -> str:
    """A RouterOS string that is exactly these octets: no variable, command, escape or end of it can come from `text`."""
    return '"' + "".join(chr(octet) if octet in PLAIN else f"\\{octet:02X}" for octet in text.encode()) + '"'


def command(menu: str, verb: str) -> str:
    """`/ip/pool`, `add` → `/ip pool add`, as both versions read it."""
    return f"/{menu.strip('/').replace('/', ' ')} {verb}"


def given(values: Words) -> str:
    """Arguments: `name="x" ranges="…"`. Names are ours; one that is none is a bug."""
    for name, _ in values:
        if not name or not NAME.issuperset(name):
            raise ValueError(f"not a name of an argument: {name!r}")
    return " ".join(f"{name}={quoted(text)}" for name, text in values)


def block(lines: Iterable[str]) -> str:
    """Several commands as one."""
    return "{\n" + "\n".join(lines) + "\n}\n"


def said(text: str, *, level: str = "info") -> str:
    """Tell whoever watches, and the log."""
    words = quoted(f"duka: {text}")
    return f":put {words}\n:log {level} {words}\n"


def at(what: str) -> str:
    """Remember what comes next."""
    return f":global {AT} {quoted(what)}"


def stopped(text: str) -> str:
    """End the script, with the reason."""
    return f"{at(text)}; :error {quoted(text)}"


def found(menu: str, words: Words) -> str:
    """The rows with these values."""
    return f"[{command(menu, 'find')} where {' and '.join(f'{name}={quoted(text)}' for name, text in words)}]"


def made_so(wanted: Wanted) -> str:
    """The lines after which this object is as wanted, whether or not it was before."""
    if wanted.kind is Kind.SETTING:
        return f"{command(wanted.menu, 'set')} {given(wanted.values)}\n"
    if wanted.kind is Kind.NAMED:
        missing = stopped(f"duka: there is no {wanted.menu} {_label(wanted.find)}")
        changed = f"{command(wanted.menu, 'set')} $i {given(wanted.values)}"
        return block(
            (
                f":local i {found(wanted.menu, wanted.find)}",
                f":if ([:len $i] = 0) do={{ {missing} }} else={{ {changed} }}",
            )
        )
    return block(_row(wanted))


def _row(wanted: Wanted) -> Sequence[str]:
    menu, kept = wanted.menu, tuple(pair for pair in wanted.values if pair[0] not in wanted.once)
    lines = [f":local i {found(menu, (wanted.tag,))}"]
    foreign = [pair for pair in wanted.values if pair[0] == wanted.unique]
    if foreign:
        text = f"duka: there is another {menu} with {_label(foreign)}: take it away, or change it"
        lines.append(f":if ([:len $i] = 0 and [:len {found(menu, tuple(foreign))}] > 0) do={{ {stopped(text)} }}")
    changed = f"{command(menu, 'set')} $i {given(kept)}"
    lines.append(
        f":if ([:len $i] = 0) do={{ {command(menu, 'add')} {given(wanted.sent)} }}"
        + (f" else={{ {changed} }}" if kept else "")
    )
    if wanted.first:
        where = " where dynamic=no" if menu.startswith(FIREWALL) else ""
        everything = f"[{command(menu, 'find')}{where}]"
        lines += [
            f":set i {found(menu, (wanted.tag,))}",
            f":local top [:pick {everything} 0]",
            f":if ([:pick $i 0] != $top) do={{ {command(menu, 'move')} $i destination=$top }}",
        ]
    return lines


def _label(words: Iterable[tuple[str, str]]) -> str:
    return " ".join(f"{name} {text}" for name, text in words)
