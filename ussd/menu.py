"""Show, Turn, and the way from one answer to one screen.

A screen is a function `Turn → Show`, registered under its name. What an option leads to is decided when it is shown and
remembered with it, so an answer can only mean what the caller saw, whatever has changed since.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from core import customers, dialogs
from core.customers import Customer
from core.dialogs import Conversation
from core.errors import Refusal
from core.phone import Msisdn
from core.texts import USSD_SEPTETS_MAX, clip, plain, septets
from core.uow import UnitOfWork
from ussd import words
from ussd.shop import Shop

BACK, HOME, MORE = "0", "00", "98"
OPTIONS_MAX = 6
TRAIL_MAX = 10
OPTIONS_KEPT_MAX = 60
FIRST_SCREEN = "home"
ORDERED = "ordered"
"""The outcome of a conversation in which something was bought: whatever was dropped before is of no interest now."""
LAST_WORD = frozenset({"too_many_tries", "no_way_to_pay"})
"""Refusals after which asking again is pointless."""


class NotUnderstood(Refusal):
    """This is none of the choices."""


@dataclass(frozen=True, slots=True)
class Option:
    """A numbered line and the screen it leads to, with what that screen has to know."""

    label: str
    to: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Show:
    """What the caller sees. `typed` names the screen that gets whatever is typed instead of a number.

    `outcome` is set on the last word of a conversation. `screen` and `args` say which screen this is, for going back.
    """

    text: str
    options: tuple[Option, ...] = ()
    typed: str = ""
    outcome: str = ""
    screen: str = ""
    args: dict[str, Any] = field(default_factory=dict)


@dataclass
class Turn:
    """One answer of one caller, in the hands of a screen. `offset` turns to a page of what is shown next.

    `looked_only` is True until a screen was asked that may change more than the conversation.
    """

    uow: UnitOfWork
    shop: Shop
    session_id: str
    msisdn: Msisdn
    network: str | None
    language: str
    customer_id: int | None
    trail: list[list[Any]]
    args: dict[str, Any] = field(default_factory=dict)
    answer: str = ""
    resumable: bool = False
    offset: int = 0
    looked_only: bool = True
    _customer: Customer | None = None

    def say(self, key: str, /, **facts: object) -> str:
        """A text in the caller's language."""
        return words.say(self.language, key, **facts)

    @property
    def help_line(self) -> str:
        return words.help_line(self.language, self.shop)

    def knows(self, who: Customer) -> None:
        """This is the caller."""
        self._customer, self.customer_id, self.language = who, who.id, who.language

    @property
    def customer(self) -> Customer | None:
        """The caller, if we have met before."""
        if self._customer is None and self.customer_id is not None:
            self._customer = customers.customer(self.uow, self.customer_id)
        return self._customer

    def recognise(self) -> Customer:
        """The caller, from now on known to us."""
        if self.customer is None or (self.network and self.customer.last_network != self.network):
            language = self.language
            self.knows(customers.recognise(self.uow, self.msisdn, language, self.network))
            self.language = language
        assert self._customer is not None
        return self._customer

    def go(self, screen: str, note: str = "", **args: Any) -> Show:
        """Another screen, with a word in front."""
        self.args = args
        show = SCREENS[screen](self)
        return replace(show, text=f"{note}\n{show.text}" if show.text else note) if note else show

    def end(self, text: str, outcome: str = "done") -> Show:
        """The last word."""
        return Show(text, outcome=outcome)


Screen = Callable[[Turn], Show]
SCREENS: dict[str, Screen] = {}
LOOKING: set[str] = set()
"""The screens that change nothing but the conversation."""


def screen(name: str, *, looks: bool = False) -> Callable[[Screen], Screen]:
    """Register a screen. What it shows carries its name, unless it has handed on to another.

    `looks`: it changes nothing. Where only such screens were asked, nobody waits for the disk.
    """

    def register(function: Screen) -> Screen:
        def named(turn: Turn) -> Show:
            args = turn.args
            turn.looked_only = turn.looked_only and name in LOOKING
            show = function(turn)
            return show if show.screen or show.outcome else replace(show, screen=name, args=args)

        SCREENS[name] = named
        if looks:
            LOOKING.add(name)
        return named

    return register


@dataclass
class Memory:
    """What a conversation remembers between two answers. `shown` options are on the phone, beginning at `offset`."""

    show: Show
    offset: int = 0
    shown: int = 0
    wrong: bool = False
    trail: list[list[Any]] = field(default_factory=list)

    @classmethod
    def load(cls, kept: dict[str, Any]) -> Memory:
        show = Show(
            kept["text"], tuple(Option(*option) for option in kept["options"]), kept["typed"], screen=kept["screen"],
            args=kept["args"],
        )  # fmt: skip
        return cls(show, kept["offset"], kept["shown"], kept["wrong"], kept["trail"])

    def dump(self, language: str) -> dict[str, Any]:
        show = self.show
        return {
            "text": show.text, "options": [[o.label, o.to, o.args] for o in show.options], "typed": show.typed,
            "screen": show.screen, "args": show.args, "offset": self.offset, "shown": self.shown, "wrong": self.wrong,
            "trail": self.trail, "language": language,
        }  # fmt: skip


def converse(turn: Turn, told: Conversation, typed: tuple[str, ...]) -> str:
    """Take in the answers that are new, remember where that leads, and return the reply with its `CON ` or `END `."""
    reply = ""
    if told.memory:
        memory = Memory.load(told.memory)
        turn.trail = memory.trail
    else:
        memory = Memory(turn.go(FIRST_SCREEN))
        reply = _render(turn, memory, "")
    for answer in typed[told.steps :]:
        reply = _render(turn, memory, _take_in(turn, memory, answer))
        if memory.show.outcome or memory.wrong:
            break  # a star inside an answer looks like two answers: the second one is not meant for what comes now
    told.customer_id, told.steps, told.last_reply = turn.customer_id, len(typed), reply
    told.outcome = memory.show.outcome or None
    told.screen = memory.show.screen or told.screen
    told.memory = {} if memory.show.outcome else memory.dump(turn.language)
    kept = dialogs.keep(turn.uow, told, forgettable=turn.looked_only)
    if kept is not told:  # a copy of this first post was faster: both get the same answer
        return kept.last_reply or reply
    if told.outcome == ORDERED:
        dialogs.drop_unfinished(turn.uow, told.msisdn, told.session_id, "superseded")
    return reply


def _take_in(turn: Turn, memory: Memory, answer: str) -> str:
    """One answer. Returns what to say in front of the screen: empty, or why the answer was no good."""
    try:
        show = _follow(turn, memory, _tidy(answer))
    except Refusal as refusal:
        why = words.refused(turn.language, refusal)
        if memory.wrong or refusal.code() in LAST_WORD:
            memory.show = turn.end(f"{why} {turn.help_line}", "lost")
            return ""
        memory.wrong = True
        return why
    memory.wrong = False
    if show is not memory.show:
        _step(memory, show, turn)
    return ""


def _tidy(answer: str) -> str:
    """What was meant: full-width digits, spaces around and a closing `#` or `.` do not matter."""
    return unicodedata.normalize("NFKC", answer[:USSD_SEPTETS_MAX]).strip().rstrip("#.").rstrip()


def _follow(turn: Turn, memory: Memory, answer: str) -> Show:
    """The screen that an answer leads to. Raises `NotUnderstood`, or whatever the screen refuses."""
    show = memory.show
    if answer == HOME or (answer == BACK and not turn.trail):
        turn.trail.clear()
        return turn.go(FIRST_SCREEN)
    if answer == BACK:
        name, args = turn.trail[-1]
        return turn.go(name if name in SCREENS else FIRST_SCREEN, **args)
    if answer == MORE and memory.offset + memory.shown < len(show.options):
        memory.offset += memory.shown
        return show
    if re.fullmatch(r"[1-9]", answer, re.ASCII) and int(answer) <= memory.shown:
        option = show.options[memory.offset + int(answer) - 1]
        return turn.go(option.to if option.to in SCREENS else FIRST_SCREEN, **option.args)
    if show.typed in SCREENS and answer:
        turn.answer = answer
        return turn.go(show.typed, **show.args)
    raise NotUnderstood()


def _step(memory: Memory, show: Show, turn: Turn) -> None:
    """Make `show` the present screen and keep the way back to the ones before it, each once."""
    trail = turn.trail
    before = memory.show
    names = [name for name, _ in trail]
    if show.screen in names:
        del trail[names.index(show.screen) :]
    elif show.screen == FIRST_SCREEN:
        trail.clear()
    elif before.screen and before.screen != show.screen and before.screen not in names:
        trail.append([before.screen, before.args])
        del trail[:-TRAIL_MAX]
    memory.show = replace(show, options=show.options[:OPTIONS_KEPT_MAX])
    memory.trail, memory.offset, memory.shown = trail, turn.offset, 0
    turn.offset = 0


def _render(turn: Turn, memory: Memory, note: str) -> str:
    show = memory.show
    if show.outcome:
        return "END " + clip(plain(show.text), USSD_SEPTETS_MAX)
    head = show.text if memory.offset == 0 else ""
    head = plain(f"{note}\n{head}" if note and head else note or head)
    back = [turn.say("menu.back", key=BACK)] if turn.trail else []
    body, memory.shown = lay_out(
        head, [option.label for option in show.options[memory.offset :]], turn.say("menu.more", key=MORE), back
    )
    return "CON " + body


def lay_out(head: str, labels: list[str], more: str, back: list[str]) -> tuple[str, int]:
    """As many numbered labels as a screen holds under `head`, with `more` when some are left; and how many that is."""
    labels = [f"{number} {plain(label)}" for number, label in enumerate(labels, start=1)]
    for count in range(min(len(labels), OPTIONS_MAX), 0, -1):
        rest = [more] if count < len(labels) else []
        lines = [*([head] if head else []), *labels[:count], *rest, *back]
        body = "\n".join(lines)
        if (septets(body) or 0) <= USSD_SEPTETS_MAX:
            return body, count
    rest = [more] if len(labels) > 1 else []
    tail = "\n".join([*labels[:1], *rest, *back])
    room = USSD_SEPTETS_MAX - (septets(tail) or 0) - 1
    body = f"{clip(head, max(room, 0))}\n{tail}" if tail else clip(head, USSD_SEPTETS_MAX)
    return body, min(len(labels), 1)
