"""Before a step that could cut our own connection the router is told to take it back by itself; when we could come in again, not.

A scheduler entry holds a script that undoes the steps and then removes itself. Removing the entry is the confirmation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from core.adapters.routeros.desire import SECRETS, Kind, Words
from core.adapters.routeros.menus import PROPERTIES, shown
from core.adapters.routeros.plan import ADD, MOVE, REMOVE, SET, Step, matching, row_of
from core.adapters.routeros.reading import Reading
from core.adapters.routeros.rsc import command, found, given
from core.adapters.routeros.values import Row

MENU = "/system/scheduler"
NAME, TAG = "duka-undo", "duka:undo"
GUARD_SECONDS = 180
POLICY = "read,test,write"
FLAGS = ("dynamic", "invalid", ".id")


def entry(steps: Iterable[Step], reading: Reading) -> Words:
    """The scheduler entry that takes these steps back."""
    lines = [line for step in reversed(list(steps)) for line in _undone(step, reading)]
    lines.append(f"{command(MENU, 'remove')} {found(MENU, (('comment', TAG),))}")
    script = "\n".join(f":do {{ {line} }} on-error={{}}" for line in lines)
    return (
        ("name", NAME), ("interval", f"{GUARD_SECONDS}s"), ("on-event", script), ("policy", POLICY), ("comment", TAG),
        ("disabled", "no"),
    )  # fmt: skip


def standing(reading: Reading) -> list[Row]:
    """Entries of ours that wait on the router."""
    return matching(reading, MENU, (("comment", TAG),))


def _undone(step: Step, reading: Reading) -> Iterator[str]:
    menu = step.menu
    if step.verb == ADD:
        yield f"{command(menu, 'remove')} {found(menu, step.row)}"
    elif step.verb == SET:
        row = row_of(reading, step.wanted) if step.wanted else None
        before = tuple((name, _said(row or {}, name)) for name, _ in step.words if name not in SECRETS)
        where = "" if step.wanted and step.wanted.kind is Kind.SETTING else f"{found(menu, step.row)} "
        if before:
            yield f"{command(menu, 'set')} {where}{given(before)}"
    elif step.verb == MOVE:  # where it stood cannot be said in a script; without it nothing is closed
        yield f"{command(menu, 'disable')} {found(menu, step.row)}"
    elif step.verb == REMOVE:
        row = next(iter(matching(reading, menu, step.row[:1])), {})
        names = [name for name in PROPERTIES[menu].split(",") if name not in FLAGS and row.get(name)]
        yield f"{command(menu, 'add')} {given(tuple((name, _said(row, name)) for name in names))}"


def _said(row: Row, name: str) -> str:
    """A value as it is written, where it is read otherwise."""
    text = shown(row, name)
    return {"true": "yes", "false": "no"}.get(text, text)
