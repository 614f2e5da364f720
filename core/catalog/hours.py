"""When a package may be used: "Mo-Fr 08:00-20:00, Sa 09:00-13:00" and the minutes of the week that RADIUS counts.

Minutes since Monday 00:00 on the wall clock of the ISP's zone, `480-1200,1920-2640`: from inclusive, to exclusive, sorted,
not touching (docs/radius-policy.md). Empty means always.
"""

from __future__ import annotations

import re
from itertools import groupby

from core.errors import Refusal

DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
TEXT_LENGTH_MAX = 400
_DAY = r"(?:mon?|tue?s?|wed?n?|thu?r?s?|fri?|sat?|sun?)(?:days?|nesdays?|urdays?)?"
_TOKEN = re.compile(
    rf"(?P<all>daily|every ?day)|(?P<from>{_DAY})\b\.?(?:\s*(?:-|–|to\b)\s*(?P<to>{_DAY})\b\.?)?"
    r"|(?P<begin>\d{1,2})(?:[:.](?P<begin_minute>\d\d))?\s*(?:-|–|to\b)\s*(?P<end>\d{1,2})(?:[:.](?P<end_minute>\d\d))?"
    r"|[\s,;+&]+|and\b",
    re.IGNORECASE | re.ASCII,
)

Window = tuple[int, int]


class BadHours(Refusal):
    """These access hours are not understood."""


def parse(text: str) -> str:
    """What somebody wrote → minutes of the week; empty for always. Raises `BadHours` with what is wrong and an example.

    Days before times; several of both; a time of its own is every day's; 22:00-06:00 goes on in the next day.
    """
    if text.strip().lower() in ("", "always"):
        return ""
    windows: list[Window] = []
    days: list[int] = []
    timed = True
    for token in _tokens(text):
        if token["begin"] is not None:
            begin, end = _minute(token["begin"], token["begin_minute"]), _minute(token["end"], token["end_minute"])
            if begin in (end, DAY_MINUTES):
                raise _bad(f"{token[0]!r} is no span of time")
            length = end - begin if end > begin else end + DAY_MINUTES - begin
            windows += [(day * DAY_MINUTES + begin, length) for day in days or range(7)]
            timed = True
        elif token["all"] or token["from"]:
            days = [] if timed else days
            first = 0 if token["all"] else _day(token["from"])
            last = 6 if token["all"] else _day(token["to"] or token["from"])
            days += [(first + step) % 7 for step in range((last - first) % 7 + 1)]
            timed = False
    if not timed or not windows:
        raise _bad("there is no time" + (f" for {DAYS[days[-1]]}" if days else ""))
    return _written(windows)


def tell(hours: str) -> str:
    """The same for people: `Mo-Fr 08:00-20:00, Sa 09:00-13:00`; `always`."""
    if not hours:
        return "always"
    windows = _windows(hours)
    if len(windows) > 1 and windows[0][0] == 0 and windows[-1][1] == WEEK_MINUTES:  # one window over the week's end
        windows = [*windows[1:-1], (windows[-1][0], WEEK_MINUTES + windows[0][1])]
    by_day = sorted(piece for window in windows for piece in _daily(window))
    said: dict[str, list[int]] = {}
    for day, span in by_day:
        said.setdefault(span, []).append(day)
    groups = sorted((run[0], f"{_days(run)} {span}") for span, days in said.items() for run in _runs(days))
    return ", ".join(words for _, words in groups)


def _tokens(text: str) -> list[re.Match[str]]:
    if len(text) > TEXT_LENGTH_MAX:
        raise _bad("this is too long")
    found, at = [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None or token.end() == at:
            raise _bad(f"{text[at : at + 20]!r} is neither a day nor a time")
        found.append(token)
        at = token.end()
    return found


def _bad(what: str) -> BadHours:
    return BadHours(what=what, hint='write them like "Mo-Fr 08:00-20:00, Sa 09:00-13:00"')


def _day(word: str) -> int:
    return DAYS.index(word[:2].capitalize())


def _minute(hour: str, minute: str | None) -> int:
    said = int(hour) * 60 + int(minute or 0)
    if said > DAY_MINUTES or int(minute or 0) > 59:
        raise _bad(f"{hour}:{minute or '00'} is no time of day")
    return said


def _written(windows: list[Window]) -> str:
    """`(begin, length)` anywhere in the week → sorted, joined where they touch, cut at the week's end."""
    pieces: list[Window] = []
    for begin, length in windows:
        end = begin + length
        pieces += [(begin, end)] if end <= WEEK_MINUTES else [(begin, WEEK_MINUTES), (0, end - WEEK_MINUTES)]
    joined: list[Window] = []
    for begin, end in sorted(pieces):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return "" if joined == [(0, WEEK_MINUTES)] else ",".join(f"{begin}-{end}" for begin, end in joined)


def _windows(hours: str) -> list[Window]:
    return [(int(begin), int(end)) for begin, _, end in (window.partition("-") for window in hours.split(","))]


def _daily(window: Window) -> list[tuple[int, str]]:
    """A window by the days on which its parts begin; one that ends within a day's length stays whole."""
    begin, end = window
    pieces = []
    while begin < end:
        day, minute = divmod(begin, DAY_MINUTES)
        whole = end - begin < DAY_MINUTES or (minute == 0 and end - begin == DAY_MINUTES)
        until = end if whole else (day + 1) * DAY_MINUTES
        pieces.append((day % 7, f"{_clock(minute)}-{_clock((until - 1) % DAY_MINUTES + 1)}"))
        begin = until
    return pieces


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _runs(days: list[int]) -> list[list[int]]:
    """0 1 2 5 → 0 1 2, 5."""
    return [[day for _, day in run] for _, run in groupby(enumerate(sorted(days)), key=lambda pair: pair[1] - pair[0])]


def _days(run: list[int]) -> str:
    if len(run) == 7:
        return "daily"
    return DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}{'-' if len(run) > 2 else ' '}{DAYS[run[-1]]}"
