"""Access hours: the minutes of the week in which somebody may be online, by the wall clock of the ISP's zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

DAY_MINUTES, WEEK_MINUTES = 1440, 7 * 1440
CLOCK_CHANGES_MAX = 4
"""No zone changes its clock more often in a week."""
KEPT_MAX = 1024

Windows = tuple[tuple[int, int], ...]

_WINDOWS = re.compile(r"[0-9]{1,5}-[0-9]{1,5}(?:,[0-9]{1,5}-[0-9]{1,5})*", re.ASCII)


@lru_cache(maxsize=KEPT_MAX)
def read_hours(text: str) -> Windows:
    """`480-1200,1920-2640`, minutes since Monday 00:00: from inclusive, to exclusive. ValueError unless sorted and apart."""
    if not _WINDOWS.fullmatch(text):
        raise ValueError(f"not access hours: {text[:60]!r}")
    windows = tuple((int(start), int(end)) for start, end in (part.split("-") for part in text.split(",")))
    edges = [edge for window in windows for edge in window]
    if edges[-1] > WEEK_MINUTES or any(later <= earlier for earlier, later in pairwise(edges)):
        raise ValueError(f"not access hours: {text[:60]!r}")
    return windows


def read_zone(name: str) -> ZoneInfo:
    """A time zone. ValueError when there is none of this name."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError) as error:
        raise ValueError(f"not a time zone: {name[:60]!r}") from error


def open_until(windows: Windows, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The first moment from now on at which the wall clock shows no minute of these windows; None when there is none.

    It is `now` itself when it is outside. When the clock is changed meanwhile, the hours move with it, as people do.
    """
    moment = now
    for _ in range(CLOCK_CHANGES_MAX + 1):
        local = moment.astimezone(zone)
        minutes = _minutes_left(windows, local)
        if minutes is None:
            return None
        if minutes == 0:
            return moment
        shown = local.replace(second=0, microsecond=0, tzinfo=None, fold=0) + timedelta(minutes=minutes)
        offset = local.utcoffset() or timedelta()
        end = (shown - offset).replace(tzinfo=UTC)
        if end.astimezone(zone).utcoffset() == offset:
            return end
        moment = _change_of_clock(zone, moment, end)
    return moment


def _minutes_left(windows: Windows, local: datetime) -> int | None:
    """From the minute the clock shows to the end of its window; 0 outside, None when the windows are the whole week."""
    minute = local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute
    for start, end in windows:
        if start <= minute < end:
            if end < WEEK_MINUTES or windows[0][0] > 0:
                return end - minute
            return None if windows[0][1] == WEEK_MINUTES else end - minute + windows[0][1]
    return 0


def _change_of_clock(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second at which the zone's offset becomes another one than `before`."""
    offset = before.astimezone(zone).utcoffset()
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
