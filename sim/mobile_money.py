"""The town's mobile money: phones with a purse and a PIN, whatever company stands behind them."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from sim.background import Background, system_now

PROMPT_SECONDS = 60.0
WRONG_PINS_MAX = 3
DAY_LIMIT_MINOR = 500_000_00


class Outcome(StrEnum):
    """How a prompt ended. Each company has its own words and numbers for these."""

    PAID = "paid"
    NO_FUNDS = "no funds"
    BELOW_MINIMUM = "below minimum"
    ABOVE_MAXIMUM = "above maximum"
    DAY_LIMIT = "day limit"
    BUSINESS_FULL = "business cannot hold more"
    CANCELLED = "cancelled"
    NO_ANSWER = "no answer"
    UNREACHABLE = "unreachable"
    LINE_BUSY = "line busy"
    EXPIRED = "expired"
    WRONG_PIN = "wrong pin"
    PIN_LOCKED = "pin locked"
    PUSH_FAILED = "push failed"
    NOT_SENT = "not sent"


class NoPrompt(LookupError):
    """There is nothing on that phone's screen to answer."""


class PaymentRefused(Exception):
    """The person tried to pay by hand and the company said no; `reason` is the company's word for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Wallet:
    """One person's mobile money. `names` are first, middle and last name as the company knows them."""

    msisdn: str
    pin: str
    balance_minor: int
    names: tuple[str, str, str] = ("", "", "")
    reachable: bool = True
    line_busy: bool = False
    wrong_pins: int = 0
    spent_minor_by_day: dict[str, int] = field(default_factory=dict)

    @property
    def locked(self) -> bool:
        """Whether the PIN was wrong too often."""
        return self.wrong_pins >= WRONG_PINS_MAX


@dataclass
class Prompt:
    """A request for money. `shown` tells whether it ever came up on the phone; no outcome yet means it is open."""

    number: int
    msisdn: str
    amount_minor: int
    business: str
    account_reference: str
    asked_at: datetime
    shown: bool = False
    outcome: Outcome | None = None

    @property
    def text(self) -> str:
        """What the screen says."""
        amount = f"{self.amount_minor // 100}.{self.amount_minor % 100:02d}"
        return f"Pay {amount} to {self.business} account no. {self.account_reference}. Enter PIN:"


Decided = Callable[[Prompt], None]


class MobileMoney:
    """All wallets and prompts of the town. `line_is_busy` tells whether a number is in the middle of a USSD session."""

    def __init__(
        self,
        now: Callable[[], datetime] | None = None,
        line_is_busy: Callable[[str], bool] | None = None,
        prompt_seconds: float = PROMPT_SECONDS,
        day_limit_minor: int = DAY_LIMIT_MINOR,
    ) -> None:
        self.now = now or system_now
        self._line_is_busy = line_is_busy or (lambda _msisdn: False)
        self._prompt_seconds = prompt_seconds
        self._day_limit_minor = day_limit_minor
        self._changed = threading.Condition(threading.RLock())
        self._wallets: dict[str, Wallet] = {}
        self._open: dict[str, Prompt] = {}
        self._decided: dict[int, Decided] = {}
        self._numbers = itertools.count(1)
        self._forced: deque[Outcome] = deque()
        self._auto_seconds: float | None = None
        self._background = Background("mobile-money", threads=2)

    def start(self) -> Self:
        """Let time pass for prompts; without it a prompt waits for ever. Returns itself."""
        self._background.start()
        return self

    def stop(self) -> None:
        """Stop the clockwork."""
        self._background.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ── people ──

    def add_wallet(
        self, msisdn: str, pin: str = "1234", balance_minor: int = 0, names: tuple[str, str, str] = ("", "", "")
    ) -> Wallet:
        """Open a wallet for a phone number (E.164 with +); an older one under the number is replaced."""
        wallet = Wallet(msisdn, pin, balance_minor, names)
        with self._changed:
            self._wallets[msisdn] = wallet
        return wallet

    def wallet(self, msisdn: str) -> Wallet | None:
        """The wallet of a number, if it has one."""
        with self._changed:
            return self._wallets.get(msisdn)

    def msisdns(self) -> list[str]:
        """Every number with a wallet."""
        with self._changed:
            return list(self._wallets)

    def pending(self, msisdn: str) -> Prompt | None:
        """The prompt on the phone's screen now."""
        with self._changed:
            return self._open.get(msisdn)

    def wait_for_prompt(self, msisdn: str, timeout_seconds: float = 10.0) -> Prompt:
        """Wait until a prompt is on the screen; `NoPrompt` when none comes."""
        with self._changed:
            if not self._changed.wait_for(lambda: msisdn in self._open, timeout_seconds):
                raise NoPrompt(f"no prompt came within {timeout_seconds} s")
            return self._open[msisdn]

    def approve(self, prompt: Prompt, pin: str) -> Outcome:
        """The person types a PIN. Money moves only when it is right and there is enough of it."""
        with self._changed:
            self._must_be_open(prompt)
            return self._close(prompt, self._outcome_of(prompt, pin))

    def cancel(self, prompt: Prompt) -> Outcome:
        """The person presses Cancel."""
        with self._changed:
            self._must_be_open(prompt)
            return self._close(prompt, Outcome.CANCELLED)

    def ignore(self, prompt: Prompt) -> Outcome:
        """The person looks away until the prompt is gone."""
        with self._changed:
            self._must_be_open(prompt)
            return self._close(prompt, Outcome.NO_ANSWER)

    def auto_approve(self, after_seconds: float | None) -> None:
        """From now on people pay by themselves, with the right PIN, after so many seconds; None ends it."""
        self._background.start()
        with self._changed:
            self._auto_seconds = after_seconds

    def decide_next(self, outcome: Outcome, times: int = 1) -> None:
        """The next prompts end like this without anybody touching the phone (`PAID` takes the money)."""
        with self._changed:
            self._forced.extend([outcome] * times)

    # ── companies ──

    def ask(self, msisdn: str, amount_minor: int, business: str, account_reference: str, decided: Decided) -> Prompt:
        """Show a prompt. `decided` is called once with its outcome, possibly before this returns."""
        with self._changed:
            prompt = Prompt(next(self._numbers), msisdn, amount_minor, business, account_reference, self.now())
            self._decided[prompt.number] = decided
            forced = self._forced.popleft() if self._forced else None
            at_once = self._obstacle(msisdn) if forced is None else forced
            if at_once is Outcome.PAID:
                at_once = self._take(self._wallets.get(msisdn), amount_minor)
            if at_once is not None:
                self._close(prompt, at_once)
                return prompt
            prompt.shown = True
            self._open[msisdn] = prompt
            self._changed.notify_all()
            if self._auto_seconds is not None:
                self._background.later(self._auto_seconds, lambda: self._approve_rightly(prompt))
            self._background.later(self._prompt_seconds, lambda: self._run_out(prompt))
            return prompt

    def take(self, msisdn: str, amount_minor: int) -> None:
        """The person pays by hand, with the right PIN; `PaymentRefused` when that is not possible."""
        with self._changed:
            outcome = self._take(self._wallets.get(msisdn), amount_minor)
        if outcome is not Outcome.PAID:
            raise PaymentRefused(outcome.value)

    def give_back(self, msisdn: str, amount_minor: int) -> None:
        """Return money to a wallet (a reversal)."""
        with self._changed:
            self._wallets[msisdn].balance_minor += amount_minor

    # ── inside; the lock is held ──

    def _must_be_open(self, prompt: Prompt) -> None:
        if self._open.get(prompt.msisdn) is not prompt:
            raise NoPrompt("the prompt is no longer on the screen")

    def _obstacle(self, msisdn: str) -> Outcome | None:
        wallet = self._wallets.get(msisdn)
        if wallet is None or not wallet.reachable:
            return Outcome.UNREACHABLE
        if wallet.line_busy or msisdn in self._open or self._line_is_busy(msisdn):
            return Outcome.LINE_BUSY
        return None

    def _outcome_of(self, prompt: Prompt, pin: str) -> Outcome:
        wallet = self._wallets[prompt.msisdn]
        if wallet.locked:
            return Outcome.PIN_LOCKED
        if pin != wallet.pin:
            wallet.wrong_pins += 1
            return Outcome.WRONG_PIN
        wallet.wrong_pins = 0
        return self._take(wallet, prompt.amount_minor)

    def _take(self, wallet: Wallet | None, amount_minor: int) -> Outcome:
        if wallet is None:
            return Outcome.UNREACHABLE
        if amount_minor <= 0:
            return Outcome.BELOW_MINIMUM
        day = self.now().date().isoformat()
        spent_minor = wallet.spent_minor_by_day.get(day, 0)
        if wallet.balance_minor < amount_minor:
            return Outcome.NO_FUNDS
        if spent_minor + amount_minor > self._day_limit_minor:
            return Outcome.DAY_LIMIT
        wallet.balance_minor -= amount_minor
        wallet.spent_minor_by_day = {day: spent_minor + amount_minor}
        return Outcome.PAID

    def _close(self, prompt: Prompt, outcome: Outcome) -> Outcome:
        prompt.outcome = outcome
        if self._open.get(prompt.msisdn) is prompt:
            del self._open[prompt.msisdn]
        self._changed.notify_all()
        self._decided.pop(prompt.number)(prompt)
        return outcome

    def _approve_rightly(self, prompt: Prompt) -> None:
        with self._changed:
            wallet = self._wallets.get(prompt.msisdn)
            if wallet is not None and self._open.get(prompt.msisdn) is prompt:
                self._close(prompt, self._outcome_of(prompt, wallet.pin))

    def _run_out(self, prompt: Prompt) -> None:
        with self._changed:
            if self._open.get(prompt.msisdn) is prompt:
                self._close(prompt, Outcome.NO_ANSWER)
