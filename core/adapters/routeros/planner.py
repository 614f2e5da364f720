"""Bringing a router to its blueprint: look, write step by step, read every write back, and never lock ourselves out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core import login_page
from core.adapters.routeros import guard
from core.adapters.routeros.facts import RouterFacts, read_facts
from core.adapters.routeros.lines import Lines, Talk
from core.adapters.routeros.menus import same
from core.adapters.routeros.plan import (
    ADD,
    FETCH,
    MOVE,
    REMOVE,
    SET,
    Draft,
    Step,
    chain_of,
    draft,
    garden_draft,
    matching,
    missing,
    row_of,
)
from core.adapters.routeros.reading import Reading
from core.adapters.routeros.sayings import failure
from core.adapters.routeros.tables import remove
from core.adapters.routeros.values import Row
from core.adapters.routeros.walled import garden_entries
from core.adapters.routeros.wire import Patience, Trap
from core.blueprint import Blueprint
from core.errors import GatewayFailure, GatewayRefused
from core.planning import Applied, GardenEntry, RouterPlan
from core.ports import RouterAddress

APPLY_SECONDS_MAX = 120.0
assert APPLY_SECONDS_MAX < guard.GUARD_SECONDS, "the router must not undo what we are still making"


class MikrotikPlanner:
    """The port `Planner`. Shares its kept connections with whoever gave it `lines`."""

    def __init__(self, lines: Lines, patience: Patience | None = None) -> None:
        patience = patience or Patience()
        self._lines = lines
        self._apply = Patience(
            patience.turn_seconds, patience.connect_seconds, patience.command_seconds, APPLY_SECONDS_MAX
        )

    def plan(self, router: RouterAddress, blueprint: Blueprint) -> RouterPlan:
        """See the port."""
        with self._lines.talk(router) as talk:
            found = _draft(Reading(talk, _paths(blueprint)), blueprint)
        told = [step for step in found.steps if not step.quiet]
        return RouterPlan(
            ".".join(str(part) for part in found.facts.version), found.facts.board,
            tuple(line for step in told for line in step.lines), found.collisions, sum(step.risky for step in told),
        )  # fmt: skip

    def apply(
        self, router: RouterAddress, blueprint: Blueprint, tell: Callable[[str], None] = lambda _: None
    ) -> Applied:
        """See the port."""
        with self._lines.talk(router, self._apply) as talk:
            reading = Reading(talk, _paths(blueprint))
            found = _draft(reading, blueprint)
            return _Visit(talk, reading, found, tell).carry_out()

    def tend(self, router: RouterAddress, blueprint: Blueprint) -> Applied:
        """See the port."""
        with self._lines.talk(router) as talk:
            reading = Reading(talk)
            found = garden_draft(reading, _facts(reading), blueprint)
            return _Visit(talk, reading, found, lambda _: None).carry_out()

    def garden(self, router: RouterAddress, blueprint: Blueprint) -> list[GardenEntry]:
        """See the port."""
        with self._lines.talk(router) as talk:
            return garden_entries(Reading(talk), blueprint)


def _paths(blueprint: Blueprint) -> list[str]:
    """Where the files of our login page may lie, on boards with flash and without."""
    names = login_page.files(blueprint) if blueprint.pages else {}
    return [f"{prefix}{blueprint.pages}/{name}" for name in names for prefix in ("", "flash/")]


def _draft(reading: Reading, blueprint: Blueprint) -> Draft:
    return draft(reading, _facts(reading), blueprint)


def _facts(reading: Reading) -> RouterFacts:
    try:
        return read_facts(reading)
    except ValueError as error:
        text = f"router {reading.router.name!r} does not say which RouterOS it runs"
        raise GatewayRefused(text, code="nonsense") from error


class _Visit:
    """One apply: the steps of a draft, in order, until one is not kept."""

    def __init__(self, talk: Talk, reading: Reading, found: Draft, tell: Callable[[str], None]) -> None:
        self._talk = talk
        self._reading = reading
        self._draft = found
        self._tell = tell
        self._done: list[str] = []
        self._kept = 0
        self._wrote = False

    def carry_out(self) -> Applied:
        """Everything, or as far as it goes."""
        steps = self._draft.steps
        risky = [step for step in steps if step.risky]
        try:
            self._take_back_guard()
            self._walk([step for step in steps if not step.risky])
            if risky:
                self._walk_guarded(risky)
        except Trap as trap:
            if not self._done:
                raise
            return self._stopped(str(failure(self._talk.router, trap)))
        except GatewayFailure as error:
            if not self._wrote:
                raise
            return self._stopped(str(error))
        return Applied(tuple(self._done), collisions=self._draft.collisions)

    def _stopped(self, why: str) -> Applied:
        left = tuple(line for step in self._draft.steps[self._kept :] if not step.quiet for line in step.lines)
        return Applied(tuple(self._done), left, self._draft.collisions, why)

    def _walk(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._wrote = True
            _write(self._talk, self._reading, step)
            self._reading.forget("/file" if step.verb == FETCH else step.menu)
            _read_back(self._reading, step)
            self._kept += 1
            for line in () if step.quiet else step.lines:
                self._done.append(line)
                self._tell(line)

    def _walk_guarded(self, steps: Sequence[Step]) -> None:
        """What may cut us off: the router takes it back by itself unless we come in once more and say that all is well."""
        name = self._talk.router.name
        if not self._draft.facts.scheduler_allowed:
            text = f"router {name!r} may not run a scheduler (device-mode), so it could not undo what locks us out"
            raise GatewayRefused(text, code="device_mode")
        self._wrote = True
        words = guard.entry(steps, self._reading)
        self._talk.ask(f"{guard.MENU}/add", *(f"={name}={text}" for name, text in words))
        self._reading.forget(guard.MENU)
        if not guard.standing(self._reading):
            raise _not_kept(self._talk.router, guard.MENU, [guard.NAME])
        kept, done = self._kept, len(self._done)
        try:
            self._walk(steps)
            self._talk.hang_up()
            self._take_back_guard(fresh=True)
        except (Trap, GatewayFailure) as error:
            words_of = str(failure(self._talk.router, error)) if isinstance(error, Trap) else str(error)
            text = f"{words_of}; the router takes back the risky steps by itself within {guard.GUARD_SECONDS} s"
            self._kept = kept
            del self._done[done:]
            raise GatewayRefused(text, code="guarded") from error

    def _take_back_guard(self, *, fresh: bool = False) -> None:
        """We are in, so what was left of an earlier guard has nothing to save."""
        if fresh:
            self._reading.forget(guard.MENU)
        for row in guard.standing(self._reading):
            self._wrote = True
            remove(self._talk, guard.MENU, row)
            self._reading.forget(guard.MENU)
        if self._wrote and guard.standing(self._reading):
            raise _not_kept(self._talk.router, guard.MENU, [guard.NAME])


def _write(talk: Talk, reading: Reading, step: Step) -> None:
    words = [f"={name}={text}" for name, text in step.words]
    if step.verb == FETCH:
        talk.ask(step.menu, *words, "=keep-result=yes")
        return
    if step.verb == ADD:
        anchor = _anchor(reading, step)
        talk.ask(f"{step.menu}/add", *words, *([f"=place-before={anchor}"] if anchor else []))
        return
    if step.verb == SET and not step.row:
        talk.ask(f"{step.menu}/set", *words)
        return
    row = next(iter(matching(reading, step.menu, step.row)), {})
    number = row.get(".id", "")
    if not number:
        raise GatewayRefused(f"router {talk.router.name!r}: {step.lines[0]}: it is gone", code="gone", permanent=False)
    if step.verb == MOVE:
        anchor = _anchor(reading, step)
        if anchor and anchor != number:
            talk.ask(f"{step.menu}/move", f"=numbers={number}", f"=destination={anchor}")
    elif step.verb == REMOVE:
        remove(talk, step.menu, row)
    else:
        talk.ask(f"{step.menu}/set", f"=.id={number}", *words)


def _anchor(reading: Reading, step: Step) -> str:
    """The first row that is to stand behind ours; empty when there is none, or the row has no place to keep."""
    if step.wanted is None or not step.wanted.first:
        return ""
    behind = [row for row in chain_of(reading, step.wanted) if not _stands_before(row, step)]
    return behind[0].get(".id", "") if behind else ""


def _stands_before(row: Row, step: Step) -> bool:
    return any(row.get(name) == text for name, text in step.after)


def _read_back(reading: Reading, step: Step) -> None:
    """A write counts when it can be read back (routeros.md §1.2)."""
    if step.verb == FETCH:
        (_, path), (_, text) = step.row
        rows = matching(reading, "/file", (("name", path),))
        lost = [] if rows and rows[0].get("contents", "").rstrip() == text.rstrip() else [path]
    elif step.verb == REMOVE:
        lost = [step.row[1][1]] if matching(reading, step.menu, step.row) else []
    elif step.wanted is None:
        lost = []
    else:
        row = row_of(reading, step.wanted)
        lost = [step.wanted.key] if row is None else _lost(row, step)
        if step.verb == MOVE and row is not None and _anchor(reading, step) != row.get(".id"):
            lost = ["its place"]
    if lost:
        raise _not_kept(reading.router, step.menu, lost)


def _lost(row: Row, step: Step) -> list[str]:
    assert step.wanted is not None
    if step.verb == ADD:
        return missing(row, step.wanted)
    return [name for name, text in step.words if not same(row, name, text)]


def _not_kept(router: RouterAddress, menu: str, lost: Sequence[str]) -> GatewayRefused:
    text = f"router {router.name!r} took a change of {menu} and did not keep: {', '.join(lost)}"
    return GatewayRefused(text, code="not_kept")
