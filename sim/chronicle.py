"""What happened in the town, in order: who dialled, what M-Pesa asked, when a device came online.

Nobody reports here. The chronicle looks at phones, purses, routers and deliveries ten times a second and writes down what
changed, so it is true whatever made it happen, and a step that nobody wrote code for cannot claim to have been done.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from sim.africastalking import UssdSession
from sim.daraja import Daraja
from sim.mobile_money import MobileMoney, Outcome, Prompt
from sim.phone import Handset
from sim.routeros import VirtualRouter
from sim.troubles import Trouble

LOOK_SECONDS = 0.1
KEPT_MAX = 120
WORDS_LENGTH_MAX = 200
LET_IN, THROW_OUT = "/ip/hotspot/active/login", "/ip/hotspot/active/remove"


@dataclass(frozen=True)
class Happening:
    """One line. `who` is a phone number, a MAC address or a router's name; `kind` is for programs, `words` for people."""

    number: int
    at: str
    kind: str
    who: str
    words: str


class Chronicle:
    """Start it once everything it looks at exists. Safe to ask from many threads."""

    def __init__(
        self,
        money: MobileMoney,
        daraja: Daraja,
        phones: Mapping[str, Handset],
        routers: Mapping[str, VirtualRouter],
        troubles: Mapping[str, Trouble],
    ) -> None:
        self._now = money.now
        self._watchers: list[Callable[[], None]] = [
            *(_PhoneWatcher(self.note, money, phone).look for phone in phones.values()),
            _NewRows(lambda: daraja.delivery.log, lambda row: self._delivered(row.parcel.kind, row.answer.status)).look,
            *(_RouterWatcher(self.note, name, router).look for name, router in routers.items()),
            _Switches(self.note, troubles).look,
        ]
        self._kept: deque[Happening] = deque(maxlen=KEPT_MAX)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="chronicle", daemon=True)

    def start(self) -> Self:
        """Begin to look; what is so already is not news."""
        self._look()
        with self._lock:
            self._kept.clear()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Look away. Stopping what never began is fine."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def facts(self) -> list[dict[str, Any]]:
        """The newest happenings, oldest of them first."""
        with self._lock:
            return [asdict(happening) for happening in self._kept]

    def note(self, kind: str, who: str, words: str, at: datetime | None = None) -> None:
        """Write one line."""
        with self._lock:
            when = (at or self._now()).isoformat()
            self._kept.append(Happening(next(self._numbers), when, kind, who, words[:WORDS_LENGTH_MAX]))

    def _delivered(self, kind: str, status: int | None) -> None:
        news = "the outcome of the prompt" if kind == "stk" else "a payment"
        heard = f"the shop answers {status}" if status else "the shop does not answer"
        self.note("callback", kind, f"M-Pesa tells {news}; {heard}")

    def _look(self) -> None:
        for look in self._watchers:
            look()

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            self._look()


Note = Callable[..., None]


class _PhoneWatcher:
    """Menus, prompts and messages of one phone."""

    def __init__(self, note: Note, money: MobileMoney, phone: Handset) -> None:
        self._note, self._money, self._phone = note, money, phone
        self._session: UssdSession | None = None
        self._hops = 0
        self._was_open = False
        self._prompt: Prompt | None = None
        self._messages = 0

    def look(self) -> None:
        """Compare with the last time."""
        self._look_at_menu()
        self._look_at_prompt()
        messages = self._phone.sms_inbox
        for sms in messages[self._messages :]:
            self._note("sms", self._phone.msisdn, sms.text, sms.at)
        self._messages = len(messages)

    def _look_at_menu(self) -> None:
        session = self._phone.session
        if session is None:
            return
        if session is not self._session:
            self._session, self._hops, self._was_open = session, 0, True
            self._note("dial", self._phone.msisdn, f"dials {session.service_code}", session.started_at)
        hops = session.hops[self._hops :]
        for hop in hops:
            if hop.text:
                self._note("answer", self._phone.msisdn, f"answers {hop.text.rpartition('*')[2]}")
        self._hops += len(hops)
        if self._was_open and not session.open:
            self._was_open = False
            if session.error:
                self._note("menu_broken", self._phone.msisdn, session.error)

    def _look_at_prompt(self) -> None:
        current, before = self._money.pending(self._phone.msisdn), self._prompt
        if before is current:
            return
        if before is not None and before.outcome is not None:
            kind = "paid" if before.outcome is Outcome.PAID else "unpaid"
            self._note(kind, self._phone.msisdn, f"the prompt ends: {before.outcome}")
        if current is not None:
            words = f"M-Pesa asks for {current.amount_minor // 100}.{current.amount_minor % 100:02d}"
            self._note("prompt", self._phone.msisdn, words, current.asked_at)
        self._prompt = current


class _RouterWatcher:
    """Who is online at one router, what it is told, and what RADIUS answers it."""

    def __init__(self, note: Note, name: str, router: VirtualRouter) -> None:
        self._note, self._name, self._router = note, name, router
        self._online: set[str] = set()
        self._radius = _NewRows(lambda: router.radius_log, self._answered)
        router.on_command.append(self._told)

    def look(self) -> None:
        """Compare with the last time."""
        self._radius.look()
        online = {device.mac for device in self._router.devices if device.online}
        for mac in sorted(online - self._online):
            self._note("online", mac, f"online at {self._name}")
        for mac in sorted(self._online - online):
            self._note("offline", mac, "offline")
        self._online = online

    def _told(self, path: str, arguments: dict[str, str]) -> None:
        if path == LET_IN:
            self._note("let_in", self._name, f"the shop tells {self._name}: let {arguments.get('user', 'somebody')} in")
        elif path == THROW_OUT:
            self._note("thrown_out", self._name, f"the shop tells {self._name}: end a session")

    def _answered(self, row: tuple[str, str, str, str]) -> None:
        _kind, code, user, _reason = row
        if code == "Access-Accept":
            self._note("accepted", user, "RADIUS says yes")


class _Switches:
    """The town's switches for trouble."""

    def __init__(self, note: Note, troubles: Mapping[str, Trouble]) -> None:
        self._note, self._troubles = note, troubles
        self._on: set[str] = set()

    def look(self) -> None:
        """Compare with the last time."""
        on = {name for name, trouble in self._troubles.items() if trouble.is_on}
        for name in sorted(on ^ self._on):
            begins = name in on
            self._note(
                "trouble" if begins else "healed", name, f"{self._troubles[name].words}{'' if begins else ': over'}"
            )
        self._on = on


class _NewRows:
    """What was added to a log that forgets its oldest rows. Rows are told apart by identity."""

    def __init__(self, log: Callable[[], Iterable[Any]], tell: Callable[[Any], None]) -> None:
        self._log, self._tell = log, tell
        self._last: object = None

    def look(self) -> None:
        """Tell every row behind the last one seen."""
        rows = list(self._log())
        seen = next((place for place in range(len(rows) - 1, -1, -1) if rows[place] is self._last), -1)
        for row in rows[seen + 1 :]:
            self._tell(row)
        if rows:
            self._last = rows[-1]
