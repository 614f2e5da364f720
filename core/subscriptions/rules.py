"""Pure stacking of time and quota: buying early never throws away what is left.

The same package again lengthens what one has: time is added to time, data to data. A different package waits behind what
is there, so that each runs at its own speed for its whole time; it starts at once when nothing usable is left. What is
bought in a period of grace starts where the grace began: those days have been used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.catalog import GRACE_SHARE


@dataclass(frozen=True, slots=True)
class Term:
    """One subscription as the rules see it. `usable` is False once its data is used up or an operator stopped it.

    `over_at` is later than `ends_at` with a period of grace.
    """

    id: int
    package_id: int
    starts_at: datetime
    ends_at: datetime
    quota_bytes: int | None
    used_bytes: int
    usable: bool = True
    over_at: datetime | None = None

    @property
    def over(self) -> datetime:
        return self.over_at or self.ends_at


@dataclass(frozen=True, slots=True)
class Offer:
    """What a package adds."""

    package_id: int
    duration_seconds: int
    quota_bytes: int | None


@dataclass(frozen=True, slots=True)
class Extend:
    """Lengthen a term that exists; those behind it move by `shift`."""

    term_id: int
    ends_at: datetime
    quota_bytes: int | None
    shift: timedelta
    behind: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Begin:
    """A new term from `starts_at` to `ends_at`."""

    starts_at: datetime
    ends_at: datetime


def stack(terms: Sequence[Term], offer: Offer, now: datetime) -> Extend | Begin:
    """Where a purchase goes among the terms that are not over.

    Grace takes back at most half of what is bought (1/GRACE_SHARE), also of something short: whoever pays gets on.
    """
    terms = sorted((term for term in terms if term.over > now), key=lambda term: term.starts_at)
    duration = timedelta(seconds=offer.duration_seconds)
    in_grace = [term for term in terms if term.usable and term.ends_at <= now]
    usable = [term for term in terms if term.usable and term.ends_at > now] or in_grace[-1:]
    same = [term for term in usable or terms if term.package_id == offer.package_id]
    if same:
        term = same[-1]
        quota = None if offer.quota_bytes is None or term.quota_bytes is None else term.quota_bytes + offer.quota_bytes
        behind = tuple(other.id for other in usable if other.starts_at >= term.ends_at)
        return Extend(term.id, term.ends_at + duration, quota, duration, behind)
    follows = max((term.ends_at for term in usable), default=now)
    starts_at = max(follows, now - duration / GRACE_SHARE)
    return Begin(starts_at, starts_at + duration)


DAY_BEFORE, HOURS_BEFORE = timedelta(hours=24), timedelta(hours=2)
DAY_FROM, HOURS_FROM = timedelta(hours=48), timedelta(hours=6)
"""Packages of at least so long are worth a reminder a day, two hours before their end."""
assert DAY_FROM > DAY_BEFORE > HOURS_BEFORE < HOURS_FROM, "a reminder falls into the time it reminds of"


def first_reminder(duration: timedelta, ends_at: datetime, over_at: datetime) -> datetime | None:
    """When somebody who bought `duration` is reminded first that it `ends_at`."""
    if duration >= DAY_FROM:
        return ends_at - DAY_BEFORE
    return ends_at - HOURS_BEFORE if duration >= HOURS_FROM else _at_the_end(ends_at, over_at)


def reminder(ends_at: datetime, over_at: datetime, now: datetime) -> tuple[str | None, datetime | None]:
    """What there is to say `now` (`day`, `hours`, `grace`; None when it is too late), and when the next reminder is due.

    Told by what is left, not by what was planned: a clock that stood still says what is true, and once.
    """
    if now < ends_at - HOURS_BEFORE:
        return "day", ends_at - HOURS_BEFORE
    if now < ends_at:
        return "hours", _at_the_end(ends_at, over_at)
    return ("grace" if now < over_at else None), None


def _at_the_end(ends_at: datetime, over_at: datetime) -> datetime | None:
    """With grace somebody has to be told that the end has come; without it, the ending itself is told."""
    return ends_at if over_at > ends_at else None


@dataclass(frozen=True, slots=True)
class Left:
    """What a customer still has: seconds and bytes (None: unlimited) over all terms, and when the last one ends."""

    seconds: int
    bytes: int | None
    ends_at: datetime | None
    running: bool = field(default=False)


def remaining(terms: Sequence[Term], now: datetime) -> Left:
    """Add up what is usable."""
    usable = [term for term in terms if term.usable and term.ends_at > now]
    if not usable:
        return Left(0, 0, None)
    seconds = sum(int((term.ends_at - max(term.starts_at, now)).total_seconds()) for term in usable)
    metered = [term for term in usable if term.quota_bytes is not None]
    volume = None
    if len(metered) == len(usable):
        volume = sum(max((term.quota_bytes or 0) - term.used_bytes, 0) for term in metered)
    return Left(seconds, volume, max(term.ends_at for term in usable), any(term.starts_at <= now for term in usable))
