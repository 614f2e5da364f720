"""Reading what a router writes: everything is text, and what is off or unset is often left out (routeros.md §1.2)."""

from __future__ import annotations

import re
import unicodedata

UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
DURATION_LENGTH_MAX = 40
SENTENCE_LENGTH_MAX = 200

_UNITS = re.compile(r"(\d+)(ms|w|d|h|m|s)", re.ASCII)
_UNITS_TEXT = re.compile(r"(?:\d+(?:ms|w|d|h|m|s))+", re.ASCII)
_CLOCK_TEXT = re.compile(r"((?:\d+[wd])*) ?(\d+):(\d{2})(?::(\d{2}))?", re.ASCII)
_MAC_TEXT = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){5}", re.ASCII)

Row = dict[str, str]


def duration_ms(text: str) -> int:
    """Milliseconds in `1w2d3h4m5s6ms`, `1d 02:03:04`, `00:05` or a bare number of seconds. Raises ValueError."""
    text = text.strip()
    if len(text) <= DURATION_LENGTH_MAX:
        if text.isascii() and text.isdigit():
            return int(text) * 1000
        if _UNITS_TEXT.fullmatch(text):
            return _units_ms(text)
        clock = _CLOCK_TEXT.fullmatch(text)
        if clock:
            days, hours, minutes, seconds = clock.groups()
            return _units_ms(days) + ((int(hours) * 60 + int(minutes)) * 60 + int(seconds or 0)) * 1000
    raise ValueError(f"not a duration: {text[:DURATION_LENGTH_MAX]!r}")


def _units_ms(text: str) -> int:
    return sum(int(count) * UNITS_MS[unit] for count, unit in _UNITS.findall(text))


def seconds(row: Row, name: str) -> int | None:
    """A duration in whole seconds; None when it is absent, `none` or unreadable."""
    try:
        return duration_ms(row.get(name, "")) // 1000
    except ValueError:
        return None


def number(row: Row, name: str) -> int | None:
    """A counter; None when it is absent or not a plain number."""
    text = row.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DURATION_LENGTH_MAX else None


def flag(row: Row, name: str, *, default: bool = False) -> bool:
    """`true`/`yes` or `false`/`no`; absent or unknown words are the default."""
    word = row.get(name, "")
    if word in ("true", "yes"):
        return True
    return False if word in ("false", "no") else default


def words(row: Row, name: str, default: str = "") -> frozenset[str]:
    """A comma-separated list such as `login-by`, without its order."""
    return frozenset(word.strip() for word in row.get(name, default).split(",") if word.strip())


def mac_address(text: str) -> str:
    """Upper case with colons, the only spelling a router's equality finds (routeros.md §1.1). Raises ValueError."""
    mac = text.strip().upper().replace("-", ":")
    if not _MAC_TEXT.fullmatch(mac):
        raise ValueError(f"not a MAC address: {text[:40]!r}")
    return mac


def harmless(text: str) -> str:
    """A router's own words, fit for a log line or a chat: one line, no control characters, not endless."""
    clean = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text[: 4 * SENTENCE_LENGTH_MAX])
    return " ".join(clean.split())[:SENTENCE_LENGTH_MAX]
