"""Who may go online, decided from values alone: the request, the router it came from, and the rows of the user.

The order is that of radius.md §5: repeated attributes, name space, password, rows, time, data. Whatever is unclear is a
no. Only what the router itself writes is believed; a browser can add attributes to a request (radius.md §1).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from core.network import Entitlement, NasClient
from core.network.desired import username as table_name
from radius.packet import chap_response

HIGH_WORD = 2**32
SESSION_SECONDS_MAX = 2**31 - 1
INTERIM_SECONDS_MIN = 60

MAC = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){5}", re.ASCII)
"""The one form in which a device's name is accepted."""
_LIKE_A_MAC = re.compile(r"\s*(?:[0-9A-Fa-f]{2}[\s:.-]?){5}[0-9A-Fa-f]{2}\s*(?:@.*)?", re.ASCII | re.DOTALL)
_SPEED = r"[1-9][0-9]{0,9}[kM]?"
_PAIR = rf"{_SPEED}(?:/{_SPEED})?"
_RATE = re.compile(
    rf"{_PAIR}(?: {_PAIR}(?: {_PAIR}(?: [0-9]{{1,4}}(?:/[0-9]{{1,4}})?(?: [1-8](?: {_PAIR})?)?)?)?)?", re.ASCII
)
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)


class Reason(Enum):
    """Why somebody is rejected; the value is what the log says and the key of the text on the login page."""

    NOT_PAID = "not_paid"
    EXPIRED = "expired"
    DATA_USED_UP = "data_used_up"
    REPEATED_ATTRIBUTE = "repeated_attribute"
    UNKNOWN_NAME = "unknown_name"
    BAD_MAC_FORM = "bad_mac_form"
    FORGED = "forged"
    NO_PASSWORD = "no_password"  # noqa: S105 (a reason)
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 (a reason)
    QUOTA_UNKNOWN = "quota_unknown"
    BAD_ROWS = "bad_rows"

    @property
    def ordinary(self) -> bool:
        """Happens all day long to honest devices that wait for their owner to pay."""
        return self in (Reason.NOT_PAID, Reason.EXPIRED, Reason.DATA_USED_UP)


@dataclass(frozen=True, slots=True)
class Chap:
    """A CHAP login: the number of the round, its answer, and what was to be answered."""

    identifier: int
    answer: bytes
    challenge: bytes


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What an Access-Request says. `password` is None without User-Password, or when its bytes cannot be one."""

    username: str = ""
    calling_station: str = ""
    password: bytes | None = None
    chap: Chap | None = None
    repeated: tuple[str, ...] = ()
    """Names of attributes that may stand only once and do not."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who proved to be who they say: `mac`, and under which name the tables know it."""

    mac: str
    table_name: str


@dataclass(frozen=True, slots=True)
class Accept:
    """Let in, with these attributes for the router."""

    who: Identity
    attributes: tuple[tuple[str, str | int], ...]


@dataclass(frozen=True, slots=True)
class Reject:
    """Not let in. `who` is known when the request was genuine; `detail` is for the log."""

    reason: Reason
    who: Identity | None = None
    detail: str = ""


def decide(
    request: AccessRequest, client: NasClient, rows_of: Callable[[str], Entitlement | None], now: datetime
) -> Accept | Reject:
    """Yes or no. `rows_of` is asked, by table name, only for somebody who has proved who it is."""
    who = identify(request, client)
    return who if isinstance(who, Reject) else admit(who, rows_of(who.table_name), now)


def identify(request: AccessRequest, client: NasClient) -> Identity | Reject:
    """Which name space the user name belongs to, and whether it is proved there. Devices are the one there is so far."""
    if request.repeated:
        return Reject(Reason.REPEATED_ATTRIBUTE, detail=", ".join(request.repeated))
    if _LIKE_A_MAC.fullmatch(request.username):
        return _device(request, client)
    return Reject(Reason.UNKNOWN_NAME)


def _device(request: AccessRequest, client: NasClient) -> Identity | Reject:
    """A MAC is believed when the router says it is the very device that asks, and proves with its secret that it says so."""
    if not MAC.fullmatch(request.username):
        return Reject(Reason.BAD_MAC_FORM)
    if request.username != request.calling_station:
        return Reject(Reason.FORGED)
    wrong = _check_password(request, client.mac_auth_password.encode())
    return wrong or Identity(request.username, table_name(request.username, client.realm))


def _check_password(request: AccessRequest, expected: bytes) -> Reject | None:
    if request.chap is not None and request.password is not None:
        return Reject(Reason.WRONG_PASSWORD, detail="PAP and CHAP at once")
    if not expected:
        return Reject(Reason.WRONG_PASSWORD, detail="this router has no MAC password")
    if request.chap is not None:
        answer = chap_response(request.chap.identifier, expected, request.chap.challenge)
        return None if hmac.compare_digest(answer, request.chap.answer) else Reject(Reason.WRONG_PASSWORD)
    if not request.password:
        return Reject(Reason.NO_PASSWORD)
    return None if hmac.compare_digest(expected, request.password) else Reject(Reason.WRONG_PASSWORD)


def admit(who: Identity, rows: Entitlement | None, now: datetime) -> Accept | Reject:
    """What the rows allow at this moment. Rows that are not understood to the last word allow nothing."""
    if rows is None or not rows.check:
        return Reject(Reason.NOT_PAID, who)
    expires = rows.check.get("Expiration", "")
    unknown = sorted(rows.check.keys() - {"Expiration"}) + sorted(rows.reply.keys() - _REPLIES.keys())
    if unknown or not _NUMBER.fullmatch(expires):
        return Reject(Reason.BAD_ROWS, who, f"check or reply not understood: {', '.join(unknown) or 'Expiration'}")
    seconds_left = int(expires) - int(now.timestamp())
    if seconds_left <= 0:
        return Reject(Reason.EXPIRED, who)
    if not rows.quota_known:
        return Reject(Reason.QUOTA_UNKNOWN, who)
    if rows.remaining_bytes is not None and rows.remaining_bytes <= 0:
        return Reject(Reason.DATA_USED_UP, who)
    try:
        replies = {name: _REPLIES[name](value) for name, value in rows.reply.items()}
    except ValueError as error:
        return Reject(Reason.BAD_ROWS, who, str(error))
    replies["Session-Timeout"] = min(
        seconds_left, int(replies.get("Session-Timeout", SESSION_SECONDS_MAX)), SESSION_SECONDS_MAX
    )
    return Accept(who, (*replies.items(), *byte_limit(rows.remaining_bytes)))


def byte_limit(remaining_bytes: int | None) -> tuple[tuple[str, int], ...]:
    """The pair that carries a byte limit; nothing when there is no limit.

    A lower half of 0 might be read as "no limit": then one byte less is given (radius.md §4.3).
    """
    if remaining_bytes is None:
        return ()
    limit = remaining_bytes - 1 if remaining_bytes % HIGH_WORD == 0 else remaining_bytes
    return (("Mikrotik-Total-Limit", limit % HIGH_WORD), ("Mikrotik-Total-Limit-Gigawords", limit // HIGH_WORD))


def _rate(value: str) -> str:
    if not _RATE.fullmatch(value):
        raise ValueError(f"not a rate: {value[:40]!r}")
    return value


def _seconds(value: str) -> int:
    if not _NUMBER.fullmatch(value) or not 0 < int(value) <= SESSION_SECONDS_MAX:
        raise ValueError(f"not a number of seconds: {value[:40]!r}")
    return int(value)


def _interim(value: str) -> int:
    return max(_seconds(value), INTERIM_SECONDS_MIN)


def _words(value: str) -> str:
    if not 0 < len(value.encode()) <= 247 or not value.isprintable():
        raise ValueError(f"not a text for a router: {value[:40]!r}")
    return value


_REPLIES: dict[str, Callable[[str], str | int]] = {
    "Mikrotik-Rate-Limit": _rate,
    "Acct-Interim-Interval": _interim,
    "Class": _words,
    "Session-Timeout": _seconds,
    "Idle-Timeout": _seconds,
    "Mikrotik-Address-List": _words,
}
"""Reply rows that are understood, with what makes their value acceptable."""
