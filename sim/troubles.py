"""The town's switches for trouble, each with words a shopkeeper understands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.africastalking import AfricasTalking
from sim.daraja import C2B, STK, Daraja
from sim.mobile_money import MobileMoney
from sim.routeros import VirtualRouter

UNCOUNTED = 10**9
SLOW_SECONDS = 4.0
CLOCK_AHEAD_SECONDS = 900.0
SELF_PAY_SECONDS = 2.0


@dataclass
class Trouble:
    """One switch. A trouble without `end` happens once, at the moment it is switched on."""

    name: str
    words: str
    begin: Callable[[], object]
    end: Callable[[], object] | None = None
    is_on: bool = False

    def switch(self, on: bool) -> None:
        """Begin or end it; what is so already stays so."""
        if self.end is None:
            if on:
                self.begin()
            return
        if on != self.is_on:
            (self.begin if on else self.end)()
            self.is_on = on

    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "words": self.words, "on": self.is_on, "once": self.end is None}


def troubles_of(
    africastalking: AfricasTalking, daraja: Daraja, money: MobileMoney, routers: Mapping[str, VirtualRouter]
) -> dict[str, Trouble]:
    """All switches by name. Those of a router carry its name behind a dot when there are several."""
    found = [*_money_troubles(daraja, money), *_message_troubles(africastalking)]
    for name, router in routers.items():
        found += _router_troubles(router, "" if len(routers) == 1 else f".{name}")
    return {trouble.name: trouble for trouble in found}


def _money_troubles(daraja: Daraja, money: MobileMoney) -> list[Trouble]:
    def lose(times: int) -> None:
        for kind in (STK, C2B):
            daraja.delivery.lose(times, kind)

    return [
        Trouble("mpesa_down", "M-Pesa cannot be reached", daraja.go_down, daraja.come_up),
        *_bad_answers(daraja),
        Trouble(
            "callbacks_lost",
            "M-Pesa takes the money and never tells us",
            lambda: lose(UNCOUNTED),
            lambda: lose(-UNCOUNTED),
        ),
        Trouble(
            "callbacks_tripled",
            "M-Pesa tells us everything three times",
            lambda: daraja.repeat_callbacks(3),
            lambda: daraja.repeat_callbacks(1),
        ),
        Trouble(
            "callbacks_held",
            "M-Pesa keeps its news to itself until this is switched off",
            daraja.hold_callbacks,
            lambda: daraja.release_callbacks(newest_first=True),
        ),
        Trouble(
            "queries_deny",
            "Asked about a paid prompt, M-Pesa says it failed",
            lambda: daraja.query_says_failed(UNCOUNTED),
            lambda: daraja.query_says_failed(-UNCOUNTED),
        ),
        Trouble("tokens_forgotten", "M-Pesa forgets all access tokens", daraja.forget_tokens),
        Trouble(
            "everybody_pays",
            f"Everybody types the right PIN by themselves after {SELF_PAY_SECONDS:.0f} s",
            lambda: money.auto_approve(SELF_PAY_SECONDS),
            lambda: money.auto_approve(None),
        ),
    ]


def _bad_answers(daraja: Daraja) -> list[Trouble]:
    def talk_again(over: Trouble) -> None:
        """The web server forgets all its troubles at once; those that are still meant begin anew."""
        daraja.server.recover()
        for other in (slow, silent, html):
            if other is not over and other.is_on:
                other.begin()

    slow = Trouble(
        "mpesa_slow",
        f"M-Pesa answers {SLOW_SECONDS:.0f} s late",
        lambda: daraja.slow(SLOW_SECONDS),
        lambda: daraja.slow(0),
    )
    silent = Trouble(
        "mpesa_silent",
        "M-Pesa takes calls and never answers",
        lambda: daraja.fall_silent(times=UNCOUNTED),
        lambda: talk_again(silent),
    )
    html = Trouble(
        "mpesa_html",
        "M-Pesa answers with a web page about an error",
        lambda: daraja.html_error_page(times=UNCOUNTED),
        lambda: talk_again(html),
    )
    return [slow, silent, html]


def _message_troubles(africastalking: AfricasTalking) -> list[Trouble]:
    return [
        Trouble("sms_down", "No SMS can be sent", africastalking.go_down, africastalking.come_up),
        Trouble(
            "sms_slow",
            f"The SMS company answers {SLOW_SECONDS:.0f} s late",
            lambda: africastalking.slow(SLOW_SECONDS),
            lambda: africastalking.slow(0),
        ),
        Trouble("sms_no_credit", "The next SMS is refused: no credit", lambda: africastalking.fail_next(405)),
        Trouble("ussd_repeated", "The next USSD answer is posted twice", africastalking.repeat_next),
    ]


def _router_troubles(router: VirtualRouter, suffix: str) -> list[Trouble]:
    def set_skew(seconds: float) -> None:
        router.clock_skew_seconds = seconds

    faults = router.faults
    return [
        Trouble(
            f"router_api_down{suffix}",
            "The router's API cannot be reached; RADIUS goes on",
            faults.unreachable,
            faults.reachable,
        ),
        Trouble(f"router_off{suffix}", "The router has no power", lambda: router.power_off(False), router.power_on),
        Trouble(f"router_reboot{suffix}", "The router restarts without a word", router.power_cut),
        Trouble(
            f"router_slow{suffix}",
            f"Every command takes the router {SLOW_SECONDS:.0f} s",
            lambda: faults.slow(SLOW_SECONDS),
            lambda: faults.slow(0),
        ),
        Trouble(
            f"router_cut{suffix}", "The router hangs up in the middle of the next answer", faults.drop_mid_sentence
        ),
        Trouble(f"router_reset{suffix}", "The router forgets its whole configuration", faults.forget_everything),
        Trouble(
            f"router_clock{suffix}",
            f"The router's clock is {CLOCK_AHEAD_SECONDS / 60:.0f} minutes ahead",
            lambda: set_skew(CLOCK_AHEAD_SECONDS),
            lambda: set_skew(0.0),
        ),
    ]
