"""What a running session may be like now, and where it is not so. Pure: rows, a moment and a router's tables are given.

RADIUS answers a login from the same rows, so what a session ought to be is what a login at this moment would get.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from core.network.hours import open_until, read_hours
from core.network.policy import Entitlement
from core.ports import Access, RunningSession

RATE, TIMEOUT, GROUP, LISTS, ADDRESS = (
    "Mikrotik-Rate-Limit", "Session-Timeout", "Mikrotik-Group", "Mikrotik-Address-List", "Framed-IP-Address",
)  # fmt: skip
FURTHER = frozenset({"Idle-Timeout", "Port-Limit", GROUP, "Mikrotik-Mark-Id", "Filter-Id"})
"""What an order changes besides rate and time, and no table shows (radius.md §3)."""
OF_THE_LOGIN = frozenset({"Class", "Acct-Interim-Interval"})
"""Told to a session when it begins; the Class of a session that goes on is compared by itself."""
NOTHING_NEW, LIVE, HIDDEN, ANEW = "", "live", "hidden", "anew"
"""What the new rows mean for sessions that run: nothing; an order, which can be read back; an order, which cannot; only a
new login brings it."""

TIME_TOLERANCE_SECONDS = 60
"""A running session whose end is off by more than this gets new limits."""
BYTES_TOLERANCE = 1_000_000
"""Traffic goes on while we look."""
PRIORITY_LAST = 8

_SIDE = re.compile(r"(\d{1,12})([kMG]?)", re.ASCII)
_UNITS = {"": 1, "k": 1000, "M": 1_000_000, "G": 1_000_000_000}
_SPAN = re.compile(r"(\d{1,6})([hms]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}

Pair = tuple[int, int]
Rate = tuple[Pair, Pair, Pair, Pair, int, Pair]
"""Limit, burst, threshold, burst seconds, priority, guaranteed; each pair upload first."""
NO_PAIR: Pair = (0, 0)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a login would get now. `bytes_left` None: without a limit; `rate` None: without one that we set.

    `session_seconds` is how long any one session may last, counted from its own start.
    """

    subscription_id: int
    seconds_left: int
    session_seconds: int | None
    bytes_left: int | None
    rate: str | None
    address: str | None
    address_lists: frozenset[str]
    further: tuple[tuple[str, str], ...]

    def seconds_after(self, uptime_seconds: int) -> int:
        """What a session that has lasted so long has left; at least the second in which it ends."""
        if self.session_seconds is None:
            return self.seconds_left
        return max(1, min(self.seconds_left, self.session_seconds - uptime_seconds))


def terms_of(rows: Entitlement | None, now: datetime) -> Terms | None:
    """What these rows allow at this moment; None when they allow nothing (docs/radius-policy.md, order 9 to 16)."""
    if rows is None or rows.user is None or rows.user.blocked:
        return None
    user, replies = rows.user, _grouped(rows.reply)
    ends = dict(rows.check).get("Expiration", "")
    window = window_seconds(user.hours, user.timezone, now)
    if not (ends.isascii() and ends.isdigit()) or window == 0:
        return None
    left = int(ends) - int(now.timestamp())
    if window is not None:
        left = min(left, window)
    if left <= 0 or (user.metered and (user.remaining_bytes is None or user.remaining_bytes <= 0)):
        return None
    return Terms(
        subscription_id=user.subscription_id,
        seconds_left=left,
        session_seconds=next((int(text) for text in replies.get(TIMEOUT, ())), None),
        bytes_left=user.remaining_bytes if user.metered else None,
        rate=next(iter(replies.get(RATE, ())), None),
        address=next(iter(replies.get(ADDRESS, ())), None),
        address_lists=frozenset(replies.get(LISTS, ())),
        further=tuple((name, value) for name, value in rows.reply if name in FURTHER),
    )


def window_seconds(hours: str, timezone: str, now: datetime) -> int | None:
    """Seconds until the access hours end, on the wall clock of their zone; 0 outside of them, None without any."""
    if not hours:
        return None
    until = open_until(read_hours(hours), ZoneInfo(timezone), now)
    return None if until is None else int((until - now).total_seconds())


def news(stored: Entitlement | None, wanted: Access) -> str:
    """What becomes of running sessions when these rows give way to this wish; the strongest of the four words."""
    if stored is None or not wanted.allowed:
        return NOTHING_NEW
    before = _grouped(stored.reply)
    after = _grouped([*wanted.replies, *([(RATE, wanted.rate)] if wanted.rate is not None else [])])
    changed = {
        name for name in before.keys() | after.keys() if sorted(before[name]) != sorted(after[name])
    } - OF_THE_LOGIN
    if changed - FURTHER - {RATE, TIMEOUT} or any(not after[name] for name in changed & (FURTHER | {RATE})):
        return ANEW  # what is set cannot be taken away by an order, only replaced
    if changed & FURTHER:
        return HIDDEN
    ends = wanted.expires_at
    moved = ends is not None and dict(stored.check).get("Expiration") != str(int(ends.timestamp()))
    moved = moved or (stored.user is not None and stored.user.hours != wanted.hours)
    return LIVE if changed or moved else NOTHING_NEW


def _grouped(pairs: list[tuple[str, str]]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        found[name].append(value)
    return found


def misfits(seen: RunningSession, terms: Terms, reported_bytes: int) -> frozenset[str]:
    """In what a session differs from its terms, as far as tables show: time · rate · bytes · lists · address.

    `reported_bytes` is what the session itself has used according to accounting. A limit that is too high is none of our
    business here: others share what is left, and all are cut when the sum is used up.
    """
    found = set()
    if _wrong_time(seen, terms):
        found.add("time")
    if (terms.rate is not None or GROUP not in dict(terms.further)) and spelled(seen.rate) != spelled(terms.rate or ""):
        found.add("rate")
    if seen.service == "hotspot":
        limit, left = seen.limit_bytes_total, terms.bytes_left
        if (limit is None) != (left is None) or (
            limit is not None and left is not None and limit + BYTES_TOLERANCE < left + reported_bytes
        ):
            found.add("bytes")
    if terms.address_lists - seen.address_lists:
        found.add("lists")
    if terms.address not in (None, seen.address):
        found.add("address")
    return frozenset(found)


def _wrong_time(seen: RunningSession, terms: Terms) -> bool:
    """PPP shows no time left; a lease is renewed half-way through and may be shorter than what is left."""
    if seen.service == "ppp":
        return False
    if seen.seconds_left is None:
        return True
    over = seen.seconds_left - terms.seconds_after(seen.uptime_seconds)
    return over > TIME_TOLERANCE_SECONDS or (seen.service == "hotspot" and -over > TIME_TOLERANCE_SECONDS)


def spelled(rate: str) -> Rate | None:
    """A rate with all its parts in bits and seconds, so that two spellings can be compared; None when there is none.

    Missing parts are what the router takes for them (radius.md §1); a burst that is not faster is none.
    Raises ValueError for a text that is no rate.
    """
    parts = rate.split()
    if not parts or _bits(parts[0]) == NO_PAIR:
        return None
    if len(parts) > 6:
        raise ValueError(f"not a rate: {rate[:80]!r}")
    limit = _bits(parts[0])
    burst = _bits(parts[1]) if len(parts) > 1 else NO_PAIR
    threshold = _bits(parts[2]) if len(parts) > 2 else limit
    seconds = _spans(parts[3]) if len(parts) > 3 else (1, 1)
    priority = int(parts[4]) if len(parts) > 4 else PRIORITY_LAST
    guaranteed = _bits(parts[5]) if len(parts) > 5 else NO_PAIR
    if burst[0] <= limit[0] and burst[1] <= limit[1]:
        burst = threshold = seconds = NO_PAIR
    return limit, burst, threshold, seconds, priority, guaranteed


def _bits(text: str) -> Pair:
    up, slash, down = text.partition("/")
    return _side(up), _side(down if slash else up)


def _side(text: str) -> int:
    found = _SIDE.fullmatch(text)
    if found is None:
        raise ValueError(f"not a rate: {text[:40]!r}")
    return int(found[1]) * _UNITS[found[2]]


def _spans(text: str) -> Pair:
    up, slash, down = text.partition("/")
    one, two = (
        [_SECONDS[unit] * int(count) for count, unit in _SPAN.findall(part)] for part in (up, down if slash else up)
    )
    return sum(one), sum(two)
