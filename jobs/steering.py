"""Bringing sessions that run to what they may be now: by an order where an order can, by a new login where it cannot.

An ACK is no proof and a NAK no reason to give up (radius.md §3): the router's own tables are read before and after, and the
API is the other way for everything.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import GatewayDown, GatewayRefused
from core.network import HIDDEN, LIVE, NOTHING_NEW, Open, SessionPlan, misfits
from core.ports import RunningSession, World

AS_IT_IS, TOLD, HUNG_UP, TAKEN_AWAY = "as it is", "told", "hung up", "taken away"
"""What it took: nothing; an order that changed it live; an order that ended it; the API, which ended it."""
WALLED = frozenset({"duka-suspended", "duka-expired", "duka-topup"})
"""The address lists of whoever was let into the walled network only (docs/radius-policy.md)."""
BY_ORDER = frozenset({"time", "rate"})
"""What an order changes, of that which a router shows."""


def settle(world: World, plan: SessionPlan) -> dict[str, str]:
    """Every session of the name that its router shows; session id (or address, where none is shown) → what it took."""
    try:
        seen = look(world, plan)
    except GatewayDown:
        tell_all(world, plan)
        raise
    return {one.session_id or one.address: _settle_one(world, plan, one) for one in seen}


def look(world: World, plan: SessionPlan) -> list[RunningSession]:
    """What runs under the name now."""
    return [one for service in plan.services for one in world.sessions.running(plan.router, service, plan.user)]


def brought_to_terms(world: World, plan: SessionPlan, seen: RunningSession) -> str | None:
    """What it took to make a session fit while it went on; None when it must begin anew."""
    assert plan.terms is not None
    known = plan.known(seen.address, seen.session_id)
    wrong = misfits(seen, plan.terms, known.reported_bytes if known is not None else 0)
    if plan.must_begin_anew(known) or wrong - BY_ORDER:
        return None
    if not wrong and (plan.news == NOTHING_NEW or (plan.news == LIVE and seen.seconds_left is not None)):
        return AS_IT_IS
    time_is_told = "time" in wrong or seen.seconds_left is None  # a line does not show its time
    seconds = plan.terms.seconds_after(seen.uptime_seconds) if time_is_told else None
    if known is not None and _told(world, plan, known, seconds):
        again = [one for one in look(world, plan) if _is_the_same(one, seen)]
        if not again:
            return None  # the order ended it: a new time that counts from the start may be over already
        if all(not misfits(one, plan.terms, known.reported_bytes) - {"bytes"} for one in again):
            return TOLD
        return TOLD if _counted_from_the_start(world, plan, known, again) else None
    return AS_IT_IS if not wrong and plan.news != HIDDEN else None


def _counted_from_the_start(world: World, plan: SessionPlan, known: Open, again: list[RunningSession]) -> bool:
    """It is not known whether a new Session-Timeout counts from now or from the start of the session (radius.md §3).

    We take it from now. Where only the time is wrong afterwards, the other meaning is tried, and read back as well.
    """
    assert plan.terms is not None
    if len(again) != 1 or misfits(again[0], plan.terms, known.reported_bytes) - {"bytes"} != {"time"}:
        return False
    uptime_seconds = again[0].uptime_seconds
    if not _told(world, plan, known, plan.terms.seconds_after(uptime_seconds) + uptime_seconds):
        return False
    after = [one for one in look(world, plan) if _is_the_same(one, again[0])]
    return all(not misfits(one, plan.terms, known.reported_bytes) - {"bytes"} for one in after)


def hung_up(world: World, plan: SessionPlan, known: Open | None) -> bool:
    """Order the router to end a session. True on ACK, which is no proof."""
    try:
        return known is not None and not known.is_lease and world.coa.disconnect(plan.router, known.ref)
    except (GatewayDown, GatewayRefused):
        return False


def _settle_one(world: World, plan: SessionPlan, seen: RunningSession) -> str:
    known = plan.known(seen.address, seen.session_id)
    if plan.terms is not None:
        how = brought_to_terms(world, plan, seen)
        if how is not None:
            return how
    elif plan.may_stay(known) or (plan.may_be_walled and seen.address_lists & WALLED):
        return AS_IT_IS
    if hung_up(world, plan, known) and not any(_is_the_same(one, seen) for one in look(world, plan)):
        return HUNG_UP
    world.sessions.end(plan.router, seen)
    return TAKEN_AWAY


def _told(world: World, plan: SessionPlan, known: Open, seconds: int | None) -> bool:
    """Send the terms. False for a NAK, silence, a lease, or what no order can say."""
    terms = plan.terms
    if terms is None or known.is_lease or (seconds is None and terms.rate is None and not terms.further):
        return False
    try:
        return world.coa.change(
            plan.router, known.ref, rate=terms.rate, session_timeout_seconds=seconds,
            further=terms.further,
        )  # fmt: skip
    except (GatewayDown, GatewayRefused):
        return False


def must_begin_anew(world: World, plan: SessionPlan, seen: Sequence[RunningSession]) -> bool:
    """Change what can be changed of these sessions; whether one of them does not fit all the same."""
    return None in [brought_to_terms(world, plan, one) for one in seen]


def tell_all(world: World, plan: SessionPlan) -> None:
    """The API is away: what an order can do is done at once, and looked at when the API is back."""
    for known in plan.sessions:
        if plan.terms is None:
            if not plan.may_stay(known):
                hung_up(world, plan, known)
        elif plan.must_begin_anew(known):
            hung_up(world, plan, known)
        else:
            _told(world, plan, known, plan.terms.seconds_after(0))


def _is_the_same(one: RunningSession, other: RunningSession) -> bool:
    """By its id; where a router shows none, by its row, which a new session does not inherit."""
    if one.session_id or other.session_id:
        return one.session_id == other.session_id
    return (one.row_id, one.address) == (other.row_id, other.address)
