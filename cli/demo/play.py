"""One purchase, played at the real doors by a person with a phone, each step with its time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import select

from cli import console
from cli.console import plain
from cli.demo.stage import Stage
from cli.demo.town import Facts
from cli.failures import Failed
from cli.shop import Shop
from core import customers, network, subscriptions
from core.inbox import Inbound
from core.phone import Msisdn
from core.ports import ActiveRow, RouterAddress
from core.texts import duration
from core.uow import UnitOfWork

WANTED = "3 hours"
PAY = re.compile(r"\bpay\b|\blipa\b", re.IGNORECASE)
LOOK_SECONDS = 0.03
STEP_SECONDS_MAX = 30.0
BROWSED_BYTES = 5_000_000
_OPTION = re.compile(r"(\d{1,2})[.:)]?\s+(\S.*)")


@dataclass
class Story:
    """Tells what happens when it happens: time since the beginning, time this step took, words."""

    began: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)

    def tell(self, what: str, detail: str = "") -> None:
        now = time.monotonic()
        console.say(f"[cyan]{now - self.began:7.2f} s[/]  [dim]+{now - self.last:5.2f}[/]  {what}")
        for line in detail.splitlines():
            console.say(f"                   [dim]│[/] {plain(line)}")
        self.last = now

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


@dataclass
class Purchase:
    """Who buys for which device, and where we look whether it worked."""

    here: Shop
    stage: Stage
    router: RouterAddress
    story: Story
    phone: Facts
    device: Facts
    active: ActiveRow | None = None
    """The device among those that the router says are online."""
    pin_at: float = 0.0
    seconds_to_online: float = 0.0
    """From the PIN to the moment we saw the router say that the device is online."""

    def play(self) -> None:
        """From the television joining the Wi-Fi to the receipt. Raises `Failed` naming what did not happen."""
        self._join()
        self._order()
        self._pay()
        self._watch()
        self._browse()

    # ── the person ──

    def _join(self) -> None:
        mac = self.device["mac"]
        self.stage.town.do(f"devices/{mac}/come_back")
        self.stage.wait_until(
            f"the {self.device['label']} (RADIUS has not seen it)",
            lambda: self._with(self._is_waiting),
            STEP_SECONDS_MAX,
        )
        self.story.tell(
            f"the {self.device['label']} joins the Wi-Fi at {self.router.name}; RADIUS says: not paid, no entry", mac
        )

    def _is_waiting(self, uow: UnitOfWork) -> bool:
        return self.device["mac"] in {mac for mac, _ in network.waiting_devices(uow)}

    def _order(self) -> None:
        code = self.stage.plan["africastalking"]["service_code"]
        screen = self._press("dial", code=code)
        self.story.tell(f"{self.phone['label']} dials {plain(code)}", screen)
        choice = option(screen, WANTED)
        screen = self._press("answer", digits=choice)
        self.story.tell(f"presses {choice}", screen)
        device_signs = self.device["mac"][-5:].replace(":", "")
        if device_signs not in screen:
            raise Failed("the menu does not offer the device that waits")
        choice = option(screen, device_signs) if has_option(screen, device_signs) else option(screen, PAY)
        screen = self._press("answer", digits=choice)
        self.story.tell(f"presses {choice}", screen)

    def _press(self, what: str, **fields: object) -> str:
        facts = self.stage.town.do(f"phones/{self.phone['msisdn']}/{what}", **fields)
        return str(facts["screen"])

    def _pay(self) -> None:
        self.stage.wait_until("the payment prompt", lambda: self._prompt() is not None, STEP_SECONDS_MAX)
        self.story.tell("M-Pesa asks on the phone", str(self._prompt()))
        facts = self.stage.town.do(f"phones/{self.phone['msisdn']}/pin", pin=self.phone["pin"])
        self.pin_at = time.monotonic()
        if facts["outcome"] != "paid":
            raise Failed(f"M-Pesa did not take the money: {facts['outcome']}")
        self.story.tell("types the PIN: M-Pesa takes the money")

    def _prompt(self) -> str | None:
        prompt = self.stage.town.phone(self.phone["msisdn"])["prompt"]
        return None if prompt is None else str(prompt["text"])

    # ── what follows by itself ──

    def _watch(self) -> None:
        """Tell each consequence when it is there, in whatever order they come."""
        open_facts: dict[str, Callable[[UnitOfWork, Facts], str | None]] = {
            "M-Pesa's callback arrives and is written down": self._callback,
            "wallet → package, in one transaction": self._package,
            "RADIUS rows are written": self._rows,
            "the router, asked over its API: the device is online": self._online,
            "RADIUS accounting: the session has started": self._accounting,
            "SMS receipt": self._receipt,
        }
        deadline = time.monotonic() + STEP_SECONDS_MAX
        while open_facts:
            state = self.stage.town.state()
            self._look_at_router()
            with self.here.look() as uow:
                seen = [(what, words) for what, look in open_facts.items() if (words := look(uow, state)) is not None]
            for what, words in seen:
                del open_facts[what]
                self.story.tell(what, words)
            if time.monotonic() > deadline:
                raise Failed(f"within {STEP_SECONDS_MAX:.0f} s this did not happen: {'; '.join(open_facts)}")
            if not seen:
                time.sleep(LOOK_SECONDS)

    def _callback(self, uow: UnitOfWork, _state: Facts) -> str | None:
        arrived = uow.session.scalar(select(Inbound.external_id).where(Inbound.source == "daraja").limit(1))
        return None if arrived is None else ""

    def _package(self, uow: UnitOfWork, _state: Facts) -> str | None:
        known = customers.by_phone(uow, Msisdn(self.phone["msisdn"]))
        has = subscriptions.left(uow, known.id) if known is not None else None
        return None if has is None or has.ends_at is None else f"{duration(has.seconds)} left"

    def _rows(self, uow: UnitOfWork, _state: Facts) -> str | None:
        return None if network.entitlement(uow, self.device["mac"]) is None else ""

    def _look_at_router(self) -> None:
        if self.active is None:
            rows = self.here.world.hotspot.online(self.router)
            self.active = next((row for row in rows if row.mac == self.device["mac"]), None)
            self.seconds_to_online = time.monotonic() - self.pin_at

    def _online(self, _uow: UnitOfWork, _state: Facts) -> str | None:
        row = self.active
        if row is None:
            return None
        left = row.session_time_left_seconds
        return f"{row.mac} as {row.address}" + (f", {duration(left)} left" if left is not None else "")

    def _accounting(self, uow: UnitOfWork, _state: Facts) -> str | None:
        rows = network.open_sessions(uow, [self.device["mac"]])
        return None if not rows else f"Acct-Session-Id {rows[0][1]['acctsessionid']}"

    def _receipt(self, _uow: UnitOfWork, state: Facts) -> str | None:
        phone = next(each for each in state["phones"] if each["msisdn"] == self.phone["msisdn"])
        return str(phone["inbox"][-1]["text"]) if phone["inbox"] else None

    def _browse(self) -> None:
        facts = self.stage.town.do(
            f"devices/{self.device['mac']}/traffic", upload_bytes=BROWSED_BYTES // 10, download_bytes=BROWSED_BYTES
        )
        if not facts["passed_bytes"]:
            raise Failed("the router lets nothing through")
        self.story.tell(f"the {self.device['label']} browses: {facts['passed_bytes'] / 1e6:.1f} MB pass")

    def _with(self, look: Callable[[UnitOfWork], bool]) -> bool:
        with self.here.look() as uow:
            return look(uow)


def options(screen: str) -> list[tuple[str, str]]:
    """The numbered lines of a menu: (number, label)."""
    return [(match[1], match[2]) for line in screen.splitlines() if (match := _OPTION.fullmatch(line.strip()))]


def has_option(screen: str, wanted: str) -> bool:
    return any(wanted in label for _, label in options(screen))


def option(screen: str, wanted: str | re.Pattern[str]) -> str:
    """The number of the first line that says `wanted`. `Failed` when there is none."""
    for number, label in options(screen):
        if (wanted in label) if isinstance(wanted, str) else wanted.search(label):
            return number
    raise Failed(f"the menu offers no {getattr(wanted, 'pattern', wanted)!r}: {screen!r}")
