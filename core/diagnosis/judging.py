"""The checks, in the order in which a cause hides those after it. Pure: records and what routers said in, sentences out.

A check is a yes, a no, or unknown when it could not be made; the first no is the cause. Nothing is guessed: what a router was
not asked, or did not answer, is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.diagnosis.case import DEVICE, LOGIN, Case, Name, Sight, Term
from core.ports import MAC
from core.texts import duration

YES, NO, UNKNOWN = "yes", "no", "unknown"
CLOCK_SKEW_SECONDS_MAX = 120
SILENCE = timedelta(minutes=15)
"""A device that waits at a router is asked about every half minute; an everyday no is logged at least so often."""

_REASONS = {
    "not_paid": ("RADIUS has no rows for it", "it is written anew by itself within a minute; see `duka doctor`"),
    "expired": ("RADIUS says its time is over", "sell them a package"),
    "data_used_up": ("RADIUS says its data is used up", "sell them a package"),
    "suspended": ("RADIUS says it was cut off by hand", "let them on again: `duka customer suspend PHONE --undo`"),
    "outside_hours": ("its package lets it in at certain hours only, and not now", "wait, or sell another package"),
    "too_many_sessions": ("as many sessions as allowed are open already", "end one of them, or sell a package for more devices"),
    "wrong_password": (
        "its router proved itself with another secret than the one kept here, or somebody typed no code into its login page",
        "bring the router in line: `duka router repair NAME`",
    ),
    "no_password": ("its router sends no password for devices", "bring the router in line: `duka router repair NAME`"),
    "bad_mac_form": ("its router writes addresses in another form", "bring the router in line: `duka router repair NAME`"),
    "forged": ("somebody used this device's name from another device", "look for who does that; the device itself is let in"),
    "wrong_service": ("it came in by a way that its package is not for", "a line needs a package for lines, a device one for devices"),
    "bad_rows": ("RADIUS does not understand its rows", "somebody wrote into the tables by hand: `duka doctor`"),
    "quota_unknown": ("RADIUS could not find out what data is left", "somebody wrote into the tables by hand: `duka doctor`"),
    "unknown_voucher": ("a wrong code was typed on its login page", "compare the code with the card"),
    "voucher_used": ("a used voucher was typed on its login page", "sell them another"),
    "voucher_expired": ("a voucher that is no longer valid was typed on its login page", "sell them another"),
    "voucher_stuck": ("its voucher was taken, and what it sells was not given", "see what is parked: `duka doctor`, `duka promise retry`"),
    "too_many_codes": ("too many wrong codes were typed there", "wait an hour, or sell them a package"),
    "unknown_user": ("RADIUS knows no such login", "compare the spelling with `duka customer login list PHONE`"),
}  # fmt: skip
_NOT_PAID = {
    "cancelled": "they cancelled the payment on their phone", "no_answer": "their phone could not be asked for the PIN",
    "low_balance": "their M-Pesa balance was too low", "wrong_pin": "they typed a wrong PIN",
    "limit": "M-Pesa refused because of a limit", "busy": "their line was busy", "expired": "they did not answer in time",
    "repeat": "M-Pesa wants two minutes between equal payments", "locked": "their M-Pesa PIN is locked",
    "configuration": "M-Pesa does not accept our account: `duka doctor`",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """One question: its answer, what was found, and what to do next (for a no, and where it helps for an unknown)."""

    key: str
    answer: str
    found: str
    advice: str = ""


def cause(checks: Sequence[Check]) -> Check | None:
    """The first no; None when nothing is known to be wrong."""
    return next((check for check in checks if check.answer == NO), None)


def judge(case: Case, sights: Sequence[Sight] = ()) -> list[Check]:
    """All checks, in order. After somebody nobody knows, or who holds nothing, there is nothing more to ask."""
    made = []
    for check in _checks(case, sights):
        made.append(check)
        if check.answer == NO and (case.customer_id is None or case.name is None):
            break
    return made


def _checks(case: Case, sights: Sequence[Sight]) -> Iterator[Check]:
    yield _known(case, sights)
    yield _paid(case)
    yield _entitled(case)
    if case.name is None:
        return
    name = case.name
    yield _rows(case, name)
    yield _answered(case, name, sights)
    yield from _at_routers(case, name, sights)


def _known(case: Case, sights: Sequence[Sight]) -> Check:
    if case.customer_id is not None:
        return Check("known", YES, f"{case.shown} is a customer")
    if case.asked == DEVICE:
        there = [sight.place.name for sight in sights if any(host.mac == case.shown for host in sight.waiting)]
        where = f", it waits at {', '.join(there)}" if there else ""
        return Check(
            "known",
            NO,
            f"this device belongs to nobody{where}",
            f"its owner dials {case.dial}, My devices, and adds it",
        )
    if case.asked == LOGIN:
        return Check("known", NO, f"there is no login {case.shown!r}", "see `duka customer login list PHONE`")
    return Check(
        "known", NO, "nobody with this number was ever here", f"is the number right? To buy, they dial {case.dial}"
    )


def _paid(case: Case) -> Check:
    if case.term is not None and (case.term.running or case.order is None):
        return Check("paid", YES, f"bought {case.term.package} at {_at(case, case.term.bought_at)}")
    order = case.order
    if order is None:
        return Check("paid", NO, "they never bought anything", f"to buy, they dial {case.dial}")
    what = f"{order.package} for {order.price}, asked for at {_at(case, order.asked_at)}"
    if order.paid:
        return Check("paid", NO, f"{what}, is paid and was not handed over", "work is stuck: `duka doctor`")
    if order.why_not:
        why = _NOT_PAID.get(order.why_not, "M-Pesa said no")
        return Check(
            "paid", NO, f"{what}, is not paid: {why}", f"they dial {case.dial} again, or pay to the Paybill by hand"
        )
    return Check(
        "paid", NO, f"{what}, is not paid yet", "wait for the PIN; after two minutes we ask M-Pesa by ourselves"
    )


def _entitled(case: Case) -> Check:
    term = case.term
    if term is None:
        return Check("entitled", NO, "there is nothing that lets them in", f"to buy, they dial {case.dial}")
    if not term.running:
        return Check("entitled", NO, *_why_it_does_not_run(case, term))
    if case.name is None:
        return Check(
            "entitled",
            NO,
            "they hold no device",
            f"they join the Wi-Fi with it, dial {case.dial}, My devices, and add it",
        )
    if case.name.refused == "too many devices":
        text = f"{case.name.short} has no place: newer devices have all that {term.package} has"
        return Check("entitled", NO, text, "they remove one of their other devices, or buy for more devices")
    return Check("entitled", YES, f"{term.package} runs until {_at(case, term.over_at)}")


def _why_it_does_not_run(case: Case, term: Term) -> tuple[str, str]:
    if term.suspended_reason == "operator":
        return f"{term.package} was stopped by hand", "let them on again: `duka customer suspend PHONE --undo`"
    if term.over_at <= case.at:
        return f"{term.package} ended at {_at(case, term.over_at)}", f"to buy again, they dial {case.dial}"
    if term.used_up:
        return f"the data of {term.package} is used up", f"to buy again, they dial {case.dial}"
    return f"{term.package} begins at {_at(case, term.starts_at)}", "wait, or sell something for now"


def _rows(case: Case, name: Name) -> Check:
    if name.rows:
        return Check("rows", YES, "what RADIUS reads says the same")
    return Check(
        "rows",
        NO,
        "RADIUS has not been told yet",
        "relay and workers write it within seconds when they run: `duka doctor`",
    )


def _answered(case: Case, name: Name, sights: Sequence[Sight]) -> Check:
    """The last answer counts only if it was given after what they have now was bought."""
    since = case.term.bought_at if case.term else case.at
    if name.session_at and not name.refused:
        return Check("answered", YES, f"RADIUS let it in at {name.session_at}")
    if name.answered_at is None or name.answered_at < since:
        waits = [sight.place.name for sight in sights if any(host.mac == name.user for host in sight.waiting)]
        if waits and case.at - max(name.answered_at or since, since) > SILENCE:
            text = f"it waits at {waits[0]}, and no router has asked RADIUS about it since {_at(case, since)}"
            return Check(
                "answered", NO, text, f"does RADIUS run, and does the router ask it? `duka router check {waits[0]}`"
            )
        return Check("answered", UNKNOWN, "no router has asked RADIUS about it since they bought")
    when = _at(case, name.answered_at)
    if name.answer == "rejected":
        found, advice = _REASONS.get(name.reason, (f"RADIUS said no: {name.reason}", "`duka doctor`"))
        return Check("answered", NO, f"{found} (at {when})", advice)
    if name.answer == "walled":
        return Check(
            "answered", NO, f"RADIUS let it to the pay page only (at {when})", f"to buy, they dial {case.dial}"
        )
    return Check(
        "answered", YES if name.answer == "let in" else UNKNOWN, f"RADIUS said {name.answer or 'nothing'} at {when}"
    )


def _at_routers(case: Case, name: Name, sights: Sequence[Sight]) -> Iterator[Check]:
    """Where they are, if anywhere: the router that has the device, else those where it was seen, else any."""
    here = [sight for sight in sights if _has(sight, name)]
    likely = here or [sight for sight in sights if sight.place in name.places] or list(sights)
    talking = [sight for sight in likely if not sight.trouble]
    yield _reachable(case, likely, talking)
    yield _set_up(talking)
    if name.service == MAC:
        yield _seen(name, here, talking)
        yield _same(name, here, talking)
    yield _active(name, here)
    yield _limits(case)
    yield _garden(talking)
    yield _clock(talking)


def _has(sight: Sight, name: Name) -> bool:
    return any(host.mac == name.user for host in sight.waiting) or any(row.mac == name.user for row in sight.online)


def _reachable(case: Case, likely: Sequence[Sight], talking: Sequence[Sight]) -> Check:
    if talking:
        return Check("reachable", YES, f"{', '.join(sight.place.name for sight in talking)} answers")
    if likely:
        text = "; ".join(f"{sight.place.name}: {sight.trouble}" for sight in likely)
        return Check("reachable", NO, text, "power, internet, tunnel? Who has paid gets in when it is back")
    down = [place for place in case.places if place.down_since is not None]
    if case.places and len(down) == len(case.places):
        since = f"{down[0].name} does not answer since {_at(case, down[0].down_since or case.at)}"
        return Check("reachable", NO, since, "power, internet, tunnel? Who has paid gets in when it is back")
    return Check("reachable", UNKNOWN, "no router was asked", "" if case.places else "it was seen nowhere lately")


def _set_up(talking: Sequence[Sight]) -> Check:
    known = [(sight.place.name, sight.health) for sight in talking if sight.health is not None]
    if not known:
        return Check("set up", UNKNOWN, "no router said how it is set up")
    for router, health in known:
        for problem in health.problems or ():
            if "clock" not in problem:
                return Check("set up", NO, f"{router}: {problem}", f"bring it in line: `duka router repair {router}`")
    return Check("set up", YES, "the router is set up as it should be")


def _seen(name: Name, here: Sequence[Sight], talking: Sequence[Sight]) -> Check:
    for sight in talking:
        if name.user in sight.blocked:
            text = f"somebody blocked {name.short} by hand at {sight.place.name}, by an IP binding"
            return Check("seen", NO, text, "take it away there (/ip hotspot ip-binding), if it was not meant so")
    if here:
        return Check("seen", YES, f"{name.short} is at {here[0].place.name}")
    if not talking:
        return Check("seen", UNKNOWN, "no router could be asked where it is")
    if any(sight.strangers for sight in talking):
        return Check("seen", UNKNOWN, f"{name.short} is at none of the routers asked, but devices of nobody are")
    routers = ", ".join(sight.place.name for sight in talking)
    return Check("seen", NO, f"{name.short} is not at {routers}", "is its Wi-Fi on, and is it on our network?")


def _same(name: Name, here: Sequence[Sight], talking: Sequence[Sight]) -> Check:
    """A phone that shows another address than before is a stranger to us."""
    if here:
        return Check("same device", YES, "it is the device they bought for")
    strangers = [(mac, sight.place.name) for sight in talking for mac in sight.strangers]
    if not strangers:
        return Check("same device", UNKNOWN, "nothing waits that could be theirs")
    mac, router = strangers[0]
    text = f"{name.short} is away, and {mac} of nobody waits at {router}: a phone may have changed its address"
    if not name.randomised:
        text = f"{name.short} is away, and {mac} of nobody waits at {router}: perhaps another device of theirs"
    return Check("same device", NO, text, "they dial, My devices, and move the package to the device in their hand")


def _active(name: Name, here: Sequence[Sight]) -> Check:
    for sight in here:
        if any(row.mac == name.user for row in sight.online):
            return Check("active", YES, f"it is online at {sight.place.name}")
    if here:
        router = here[0].place.name
        text = f"it stands at {router} and is not logged in"
        if here[0].differs:
            text = f"{text}; {router} differs from what should be on it: {here[0].differs[0]}"
            return Check("active", NO, text, f"bring it in line: `duka router repair {router}`")
        return Check("active", NO, text, "the router asks again within half a minute; else switch its Wi-Fi off and on")
    if name.session_at:
        return Check("active", YES, f"it has an open session at {name.session_at}")
    return Check(
        "active",
        UNKNOWN if name.service == MAC else NO,
        "it has no open session",
        "" if name.service == MAC else "its own router has to dial: cable, name and password",
    )


def _limits(case: Case) -> Check:
    term = case.term
    if term is not None and term.slowed_at is not None:
        text = f"it goes on slowly since {_at(case, term.slowed_at)}: the data of {term.package} is used up"
        return Check("limits", NO, text, f"for full speed, they dial {case.dial}")
    return Check("limits", YES, "no limit is reached")


def _garden(talking: Sequence[Sight]) -> Check:
    asked = [sight for sight in talking if sight.closed is not None]
    if not asked:
        return Check("garden", UNKNOWN, "no router said what phones may reach before they pay")
    for sight in asked:
        if sight.closed:
            text = f"at {sight.place.name} phones do not reach {sight.closed[0]} before they pay"
            return Check("garden", NO, text, f"`duka router repair {sight.place.name}`")
    return Check("garden", YES, "phones reach the portal before they pay")


def _clock(talking: Sequence[Sight]) -> Check:
    skews = [
        (sight.place.name, sight.health.clock_skew_seconds)
        for sight in talking
        if sight.health is not None and sight.health.clock_skew_seconds is not None
    ]
    if not skews:
        return Check("clock", UNKNOWN, "no router said what time it is")
    for router, seconds in skews:
        if abs(seconds) > CLOCK_SKEW_SECONDS_MAX:
            text = f"the clock of {router} is {duration(abs(seconds))} {'ahead' if seconds > 0 else 'behind'}"
            return Check("clock", NO, text, f"`duka router repair {router}` sets its time servers")
    return Check("clock", YES, "the router knows what time it is")


def _at(case: Case, moment: datetime) -> str:
    return f"{moment.astimezone(ZoneInfo(case.zone)):%d.%m. %H:%M}"
