"""The difference between what a router shows and what is wanted, as steps in RouterOS words. Nothing is written here.

Ours is what carries our tag (`desire.TAG_IN`). An object of the owner's in the place of one of ours is a collision when it
differs: told, never changed. A secret the router does not show is written again when somebody applies, and is no difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from core import login_page
from core.adapters.routeros.desire import SECRETS, Kind, Stage, Wanted, Words, is_ours
from core.adapters.routeros.facts import WIRELESS, RouterFacts
from core.adapters.routeros.menus import ACCOUNTS, MADE, NOT_ON_SIX, is_dynamic, readable, same, shown
from core.adapters.routeros.reading import Reading
from core.adapters.routeros.values import Row, flag, harmless
from core.adapters.routeros.wanted import services, wanted
from core.blueprint import Blueprint, Scope
from core.errors import GatewayRefused

ADD, SET, MOVE, REMOVE, FETCH = "add", "set", "move", "remove", "fetch"
RISKY_MENUS = frozenset(
    {
        "/interface/bridge", "/interface/l2tp-client", "/interface/wireguard", "/interface/wireguard/peers", "/ip/address",
        "/ip/firewall/filter", "/ip/route", "/user", "/user/group",
    }
)  # fmt: skip
"""Where a row of ours that is not wanted any more may be what we came in by."""
GARDEN_MENUS = ("/ip/hotspot/walled-garden/ip", "/ip/hotspot/walled-garden", "/ip/firewall/address-list")
FASTTRACK = "fasttrack-connection"
PASSING = ("duka:undo",)
"""Tags of what is there for a short while and is taken away by whoever put it there."""


@dataclass(frozen=True, slots=True)
class Step:
    """One write. `row` tells it from the other rows of its menu (a tag, a name); `words` are what `add` and `set` send.

    `after` are the tags that stand before a row that has its place. `quiet`: a secret nobody can see is written again.
    """

    menu: str
    verb: str
    lines: tuple[str, ...]
    words: Words = field(default=(), repr=False)
    row: Words = ()
    wanted: Wanted | None = field(default=None, repr=False)
    after: tuple[tuple[str, str], ...] = ()
    risky: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """The steps in the order they are taken, and what stands in the way."""

    facts: RouterFacts
    steps: tuple[Step, ...]
    collisions: tuple[str, ...]


def draft(reading: Reading, facts: RouterFacts, blueprint: Blueprint) -> Draft:
    """Compare. Raises `GatewayRefused` (`no_hotspot`) when there is nothing on this router that could ask us."""
    name = blueprint.hotspot_server
    nameless = blueprint.scope is Scope.SERVICE and name and name not in {one.name for one in facts.hotspots}
    if nameless or not services(blueprint, facts):
        text = f"router {reading.router.name!r} has no hotspot server {name!r} to set up"
        raise GatewayRefused(text, code="no_hotspot")
    steps, collisions = _differences(reading, facts, wanted(blueprint, facts), MADE)
    steps += _pages(reading, facts, blueprint)
    return _drawn(facts, steps, [*_remarks(reading, facts, blueprint), *collisions])


def garden_draft(reading: Reading, facts: RouterFacts, blueprint: Blueprint) -> Draft:
    """The same for the walled garden alone."""
    everything = [one for one in wanted(blueprint, facts) if one.menu in GARDEN_MENUS]
    return _drawn(facts, *_differences(reading, facts, everything, GARDEN_MENUS))


def _drawn(facts: RouterFacts, steps: Sequence[Step], collisions: Sequence[str]) -> Draft:
    safe, risky = [step for step in steps if not step.risky], [step for step in steps if step.risky]
    return Draft(facts, (*safe, *risky), tuple(collisions))


def _differences(
    reading: Reading, facts: RouterFacts, everything: Sequence[Wanted], menus: Sequence[str]
) -> tuple[list[Step], list[str]]:
    steps: list[Step] = []
    collisions = []
    orders = {key: _Order(reading, key) for key in {_group(one) for one in everything if one.first}}
    for one in everything:
        found, collision = _compare(reading, facts, one)
        if collision:
            collisions.append(collision)
        if one.first:
            found = orders[_group(one)].placed(one, found)
        steps += found
    return [*steps, *_strays(reading, facts, everything, menus)], collisions


def missing(row: Row, one: Wanted) -> list[str]:
    """The names of what a row does not say as it is wanted."""
    return [name for name, text in one.values if name not in one.once and not same(row, name, text)]


def row_of(reading: Reading, one: Wanted) -> Row | None:
    """The object as it stands: ours, or the owner's that says all we want."""
    if one.kind is Kind.SETTING:
        return reading.one(one.menu)
    if one.kind is Kind.NAMED:
        return next(iter(matching(reading, one.menu, one.find)), None)
    ours = matching(reading, one.menu, (one.tag,))
    return ours[0] if ours else next((row for row in _others(reading, one) if not missing(row, one)), None)


def matching(reading: Reading, menu: str, words: Words) -> list[Row]:
    """The rows with these values."""
    return [row for row in reading.rows(menu) if all(row.get(name) == text for name, text in words)]


def chain_of(reading: Reading, one: Wanted) -> list[Row]:
    """The rows among which a row has its place, in their order; what the router makes itself cannot be moved."""
    return [row for row in reading.rows(one.menu) if not is_dynamic(row) and _chain(one) in ("", row.get("chain", ""))]


def _others(reading: Reading, one: Wanted) -> list[Row]:
    """Rows of the owner's in the place of one of ours."""
    value = next((text for name, text in one.values if name == one.unique), None)
    if value is None:
        return []
    rows = [row for row in reading.rows(one.menu) if not is_ours(one.menu, row) and not is_dynamic(row)]
    return [row for row in rows if same(row, one.unique, value)]


def _compare(reading: Reading, facts: RouterFacts, one: Wanted) -> tuple[list[Step], str]:
    if one.menu == "/ip/hotspot" and not facts.hotspot_allowed:
        return [], ""  # told as a whole; the router would refuse
    if one.menu in reading.denied:
        return [], ""
    row = row_of(reading, one)
    if row is None and one.kind is Kind.NAMED:
        return [], f"{one.menu}: there is no {_label(one.find)}"
    if row is None:
        theirs = _others(reading, one)
        if theirs:
            differing = ", ".join(f"{name}={harmless(shown(theirs[0], name))}" for name in missing(theirs[0], one))
            return [], f"{one.menu} {_label(_unique(one))} is the owner's and has {differing or 'no tag of ours'}"
        sentence = f"{one.menu}: add {_spelled(one.sent)}"
        step = Step(one.menu, ADD, (sentence,), one.sent, (one.tag,), one, risky=one.stage is Stage.RISKY)
    else:
        found = _change(row, one)
        if found is None:
            return [], ""
        step = found
    if one.menu in ACCOUNTS and facts.rights is not None and "policy" not in facts.rights:
        who = reading.router.username
        return [], f"{step.lines[0]}: the API user {who!r} may not manage accounts; somebody at the box has to"
    return [step], ""


def _change(row: Row, one: Wanted) -> Step | None:
    names = missing(row, one)
    risky = one.stage is Stage.RISKY
    unseen = [
        name for name, text in one.values
        if name in SECRETS and text and name not in one.once and not readable(row, name) and not risky
    ]  # fmt: skip
    if not names and not unseen:
        return None
    words = tuple(pair for pair in one.values if pair[0] in names or pair[0] in unseen)
    which = one.find if one.kind is Kind.NAMED else (one.tag,) if one.kind is Kind.ROW else ()
    lines = tuple(f"{one.menu}{f' {_label(which)}' if which else ''}: {_turn(row, *pair)}" for pair in words)
    if names:
        lines = tuple(line for line, (name, _) in zip(lines, words, strict=True) if name in names)
    return Step(one.menu, SET, lines, words, which, one, risky=risky, quiet=not names)


class _Order:
    """The rows of one chain, in the order they would stand in after the steps so far."""

    def __init__(self, reading: Reading, group: tuple[str, str]) -> None:
        self._reading = reading
        self._rows: list[object] | None = None
        self._ours: list[tuple[str, str]] = []

    def placed(self, one: Wanted, steps: list[Step]) -> list[Step]:
        """The steps for this row, and a move when it stands behind what is not ours."""
        before, self._ours = tuple(self._ours), [*self._ours, one.tag]
        if self._rows is None:
            self._rows = self._identities(one)
        here = next((place for place, each in enumerate(self._rows) if each not in before), len(self._rows))
        if one.tag not in self._rows:
            self._rows.insert(here, one.tag)
            return [_after(step, before) for step in steps]
        if self._rows.index(one.tag) == here:
            return steps
        self._rows.remove(one.tag)
        self._rows.insert(here, one.tag)
        line = f"{one.menu}: move {one.tag[1]} before what is not ours"
        risky = one.stage is Stage.RISKY
        return [*steps, Step(one.menu, MOVE, (line,), (), (one.tag,), one, before, risky=risky)]

    def _identities(self, one: Wanted) -> list[object]:
        found: list[object] = []
        for row in chain_of(self._reading, one):
            tag = (one.tag[0], row.get(one.tag[0], ""))
            ours = is_ours(one.menu, row) and tag not in found
            found.append(tag if ours else row.get(".id", ""))
        return found


def _after(step: Step, before: tuple[tuple[str, str], ...]) -> Step:
    return Step(step.menu, step.verb, step.lines, step.words, step.row, step.wanted, before, step.risky, step.quiet)


def _pages(reading: Reading, facts: RouterFacts, blueprint: Blueprint) -> Iterator[Step]:
    """Files of our login page the router does not hold as they should be: it fetches them itself."""
    if not blueprint.pages:
        return
    held = {row.get("name", ""): row.get("contents", "") for row in reading.rows("/file")}
    for name, text in login_page.files(blueprint).items():
        path = f"{facts.files}{blueprint.pages}/{name}"
        if held.get(path, "").rstrip() != text.rstrip():
            words = (("url", login_page.url(blueprint, name)), ("dst-path", path))
            line = f"/tool/fetch: {path} from the portal"
            yield Step("/tool/fetch", FETCH, (line,), words, (("name", path), ("contents", text)))


def _strays(reading: Reading, facts: RouterFacts, everything: Sequence[Wanted], menus: Sequence[str]) -> Iterator[Step]:
    """What carries our tag and is not wanted, or stands there twice. The last made goes first."""
    kept = {(one.menu, one.tag) for one in everything if one.kind is Kind.ROW}
    for menu in reversed(menus):
        if menu in NOT_ON_SIX and facts.major < 7:
            continue
        if menu == "/interface/wireless/security-profiles" and facts.wifi != WIRELESS:
            continue
        seen: set[tuple[str, str]] = set()
        for row in reading.rows(menu):
            tag = Wanted(menu, "", (), Stage.LINKS).tag[0]
            mark = (tag, row.get(tag, ""))
            if not is_ours(menu, row) or is_dynamic(row) or mark[1].startswith(PASSING):
                continue
            if (menu, mark) in kept and mark not in seen:
                seen.add(mark)
                continue
            line = f"{menu}: remove {harmless(mark[1])}{', which is there twice' if mark in seen else ''}"
            yield Step(menu, REMOVE, (line,), (), ((".id", row.get(".id", "")), mark), risky=menu in RISKY_MENUS)


def _remarks(reading: Reading, facts: RouterFacts, blueprint: Blueprint) -> Iterator[str]:
    """What nobody but the owner can put right."""
    if not facts.hotspot_allowed and blueprint.lan is not None:
        yield "/system/device-mode forbids the hotspot; only somebody at the box can change it"

    for row in reading.rows("/ip/firewall/filter"):
        if row.get("action") == FASTTRACK and not flag(row, "disabled") and not is_dynamic(row):
            label = harmless(row.get("comment", "")) or "without comment"
            yield f"/ip/firewall/filter {label!r} is the owner's and lets traffic past every customer's speed (fasttrack)"


def _group(one: Wanted) -> tuple[str, str]:
    return one.menu, _chain(one)


def _chain(one: Wanted) -> str:
    return next((text for name, text in one.values if name == "chain"), "")


def _unique(one: Wanted) -> Words:
    return tuple(pair for pair in one.values if pair[0] == one.unique)


def _label(words: Words) -> str:
    return " ".join(repr(harmless(text)) for _, text in words)


def _spelled(words: Words) -> str:
    return " ".join(f"{name}={'(not shown)' if name in SECRETS else harmless(text)}" for name, text in words)


def _turn(row: Row, name: str, wanted: str) -> str:
    if name in SECRETS:
        return f"{name} changed"
    now = shown(row, name) or "nothing"
    if now in ("true", "false"):
        now = "yes" if flag({name: now}, name) else "no"
    return f"{name} {harmless(now)} → {harmless(wanted) or 'nothing'}"
