"""What the rows of a name mean, to the last word: an attribute nobody knows, or a value that makes no sense, lets nobody in.

FreeRADIUS skips a reply attribute it does not know, and lets the user in without it (radius.md §4.1): a typo in a rate would
mean unlimited. Here it is a no.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from core.network import Entitlement
from core.network.hours import Windows, read_hours, read_zone
from radius.attributes import Value

SECONDS_MAX = 2**31 - 1
INTERIM_SECONDS_MIN = 60
SESSIONS_MAX = 999
PASSWORD_BYTES_MAX = 128
WORDS_BYTES_MAX = 247
KEPT_MAX = 8192

_SPEED = r"[1-9][0-9]{0,9}[kM]?"
_PAIR = rf"{_SPEED}(?:/{_SPEED})?"
_RATE = re.compile(
    rf"{_PAIR}(?: {_PAIR}(?: {_PAIR}(?: [0-9]{{1,4}}(?:/[0-9]{{1,4}})?(?: [1-8](?: {_PAIR})?)?)?)?)?", re.ASCII
)
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
_CLASS = re.compile(r"duka:[0-9]{1,19}", re.ASCII)


class Meaning(NamedTuple):
    """The rows of one name, understood. `replies` is what an accepted session gets, without Session-Timeout."""

    expires_epoch: int
    password: str
    sessions_max: int | None
    replies: tuple[tuple[str, Value], ...]
    session_seconds: int
    interim_seconds: int | None
    klass: str
    windows: Windows
    zone: ZoneInfo | None


def understand(rows: Entitlement) -> Meaning:
    """Every row, or ValueError."""
    check = _check(rows.check)
    if "Expiration" not in check:
        raise ValueError("no Expiration")
    single: dict[str, Value] = {}
    replies: list[tuple[str, Value]] = []
    for attribute, text in rows.reply:
        value = read_reply(attribute, text)
        if attribute not in SEVERAL:
            if attribute in single:
                raise ValueError(f"{attribute} stands twice")
            single[attribute] = value
        if attribute != "Session-Timeout":
            replies.append((attribute, value))
    interim = single.get("Acct-Interim-Interval")
    windows, zone = _hours(rows)
    return Meaning(
        int(check["Expiration"]), check.get("Cleartext-Password", ""),
        int(check["Simultaneous-Use"]) if "Simultaneous-Use" in check else None, tuple(replies),
        int(single.get("Session-Timeout", SECONDS_MAX)), None if interim is None else int(interim), str(single.get("Class", "")), windows, zone,
    )  # fmt: skip


def _check(rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    check: dict[str, str] = {}
    for attribute, value in rows:
        understood = CHECKS.get(attribute)
        if understood is None or attribute in check:
            raise ValueError(f"check {attribute[:40]!r} is unknown or stands twice")
        understood(value)
        check[attribute] = value
    return check


def _hours(rows: Entitlement) -> tuple[Windows, ZoneInfo | None]:
    if rows.user is None or not rows.user.hours:
        return (), None
    return read_hours(rows.user.hours), read_zone(rows.user.timezone)


@lru_cache(maxsize=KEPT_MAX)
def read_reply(attribute: str, value: str) -> Value:
    """A reply row's value as it is sent. Raises ValueError for what is not understood."""
    understood = REPLIES.get(attribute)
    if understood is None:
        raise ValueError(f"reply {attribute[:40]!r} is unknown")
    return understood(value)


def _rate(value: str) -> str:
    if not _RATE.fullmatch(value):
        raise ValueError(f"not a rate: {value[:40]!r}")
    return value


def _epoch(value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise ValueError(f"not seconds since 1970: {value[:40]!r}")
    return int(value)


def _positive(value: str) -> int:
    if not _NUMBER.fullmatch(value) or not 0 < int(value) <= SECONDS_MAX:
        raise ValueError(f"not a positive number: {value[:40]!r}")
    return int(value)


def _sessions(value: str) -> int:
    if _positive(value) > SESSIONS_MAX:
        raise ValueError(f"not a number of sessions: {value[:40]!r}")
    return int(value)


def _interim(value: str) -> int:
    return max(_positive(value), INTERIM_SECONDS_MIN)


def _class(value: str) -> str:
    if not _CLASS.fullmatch(value):
        raise ValueError(f"not a subscription: {value[:40]!r}")
    return value


def _printable(value: str, bytes_max: int) -> str:
    if not 0 < len(value.encode()) <= bytes_max or not value.isprintable():
        raise ValueError(f"empty, too long or not printable, {len(value)} letters")
    return value


def _password(value: str) -> str:
    return _printable(value, PASSWORD_BYTES_MAX)


def _words(value: str) -> str:
    return _printable(value, WORDS_BYTES_MAX)


def _address(value: str) -> str:
    return str(ipaddress.IPv4Address(value))


def _route(value: str) -> str:
    """`prefix/len [gateway [metric]]` (RFC 2865 §5.22)."""
    prefix, *rest = value.split(" ")
    if "/" not in prefix or len(rest) > 2:
        raise ValueError(f"not a route: {value[:60]!r}")
    ipaddress.IPv4Network(prefix)
    if rest:
        ipaddress.IPv4Address(rest[0])
    if rest[1:]:
        _epoch(rest[1])
    return value


def _ipv6_prefix(value: str) -> str:
    if "/" not in value:
        raise ValueError(f"not a prefix: {value[:60]!r}")
    return str(ipaddress.IPv6Network(value))


CHECKS: dict[str, Callable[[str], object]] = {
    "Expiration": _epoch, "Cleartext-Password": _password, "Simultaneous-Use": _sessions,
}  # fmt: skip
REPLIES: dict[str, Callable[[str], Value]] = {
    "Mikrotik-Rate-Limit": _rate,
    "Acct-Interim-Interval": _interim,
    "Class": _class,
    "Session-Timeout": _positive, "Idle-Timeout": _positive, "Port-Limit": _positive,
    "Framed-Pool": _words, "Mikrotik-Group": _words, "Mikrotik-Mark-Id": _words, "Filter-Id": _words,
    "Mikrotik-Delegated-IPv6-Pool": _words, "Framed-IPv6-Pool": _words, "Mikrotik-Address-List": _words,
    "Framed-IP-Address": _address,
    "Framed-Route": _route,
    "Framed-IPv6-Prefix": _ipv6_prefix, "Delegated-IPv6-Prefix": _ipv6_prefix,
}  # fmt: skip
"""Rows that are understood, with what makes their value acceptable."""
SEVERAL = frozenset({"Mikrotik-Address-List", "Framed-Route", "Framed-IPv6-Prefix", "Delegated-IPv6-Prefix"})
"""What may stand several times; everything else twice is a contradiction."""
