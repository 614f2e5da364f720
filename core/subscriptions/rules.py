"""Pure stacking of time and quota: buying early never throws away what is left.

The same package again lengthens what one has: time is added to time, data to data. A different package waits behind what
is there, so that each runs at its own speed for its whole time; it starts at once when nothing usable is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Term:
    """One subscription as the rules see it. `usable` is False once its data is used up or an operator stopped it."""

    id: int
    package_id: int
    starts_at: datetime
    ends_at: datetime
    quota_bytes: int | None
    used_bytes: int
    usable: bool = True


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
    """Where a purchase goes among the terms that have not ended."""
    terms = sorted((term for term in terms if term.ends_at > now), key=lambda term: term.starts_at)
    duration = timedelta(seconds=offer.duration_seconds)
    usable = [term for term in terms if term.usable]
    same = [term for term in usable or terms if term.package_id == offer.package_id]
    if same:
        term = same[-1]
        quota = None if offer.quota_bytes is None or term.quota_bytes is None else term.quota_bytes + offer.quota_bytes
        behind = tuple(other.id for other in usable if other.starts_at >= term.ends_at)
        return Extend(term.id, term.ends_at + duration, quota, duration, behind)
    starts_at = max([now, *(term.ends_at for term in usable)])
    return Begin(starts_at, starts_at + duration)


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
