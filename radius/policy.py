"""Who may go online, decided from values alone: the request, the router it came from, and the rows of the name.

docs/radius-policy.md is the order, which FreeRADIUS keeps as well; the numbers in comments are its steps. Whatever is unclear
is a no. Only what the router itself writes is believed; a browser can add attributes to a request (radius.md §1).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from core.network import Entitlement, NasClient, RadiusUser
from core.network.desired import username as table_name
from core.network.hours import open_until
from radius.attributes import Value
from radius.passwords import chap_answer, ms_chap2_answer, ms_chap2_success
from radius.requests import DHCP, HOTSPOT, PPP, AccessRequest
from radius.rows import SECONDS_MAX, Meaning, understand

HIGH_WORD = 2**32
REDIRECT_RATE, REDIRECT_SECONDS, REDIRECT_CLASS = "1M/1M", 300, "duka:0"
SILENT_INTERVALS, INTERIM_SECONDS = 3, 300
"""A session nobody has spoken of for so many interim intervals (of so many seconds unless the rows say) is not counted."""

MAC = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){5}", re.ASCII)
"""The one form in which a device's name is accepted."""
_LIKE_A_MAC = re.compile(r"\s*(?:[0-9A-Fa-f]{2}[\s:.-]?){5}[0-9A-Fa-f]{2}\s*(?:@.*)?", re.ASCII | re.DOTALL)
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_TYPED = re.compile(rb"[ ._-]*(?:[0-9A-Za-z][ ._-]*){8,11}", re.ASCII)
_TYPED_BYTES_MAX = 40
"""What may be a voucher code on the form of a login page, with a letter too many or too few. A router's password is longer."""
CLAIM_SECONDS = 120
CLAIM_REPLIES: tuple[tuple[str, Value], ...] = (
    ("Mikrotik-Rate-Limit", REDIRECT_RATE), ("Acct-Interim-Interval", 60), ("Session-Timeout", CLAIM_SECONDS),
)  # fmt: skip
"""For who has just typed a good voucher, until it is redeemed and its own rows hold. No Class: the subscription is charged."""
_SERVICES = {"mac": (HOTSPOT, DHCP), "ppp": (PPP,), "code": (HOTSPOT,)}
"""What a kind of name may be used for."""


class Reason(Enum):
    """Why somebody is rejected; the value is what the log says and the key of the text on the login page."""

    REPEATED_ATTRIBUTE = "repeated_attribute"
    BAD_MAC_FORM = "bad_mac_form"
    FORGED = "forged"
    WRONG_SERVICE = "wrong_service"
    UNKNOWN_NAME = "unknown_name"
    NO_PASSWORD = "no_password"  # noqa: S105 (a reason)
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 (a reason)
    UNKNOWN_VOUCHER = "unknown_voucher"
    VOUCHER_USED = "voucher_used"
    VOUCHER_EXPIRED = "voucher_expired"
    VOUCHER_STUCK = "voucher_stuck"
    TOO_MANY_CODES = "too_many_codes"
    UNKNOWN_USER = "unknown_user"
    NOT_PAID = "not_paid"
    BAD_ROWS = "bad_rows"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    QUOTA_UNKNOWN = "quota_unknown"
    DATA_USED_UP = "data_used_up"
    OUTSIDE_HOURS = "outside_hours"
    TOO_MANY_SESSIONS = "too_many_sessions"

    @property
    def ordinary(self) -> bool:
        """Happens all day long to honest devices that wait for their owner to pay."""
        return self in (Reason.NOT_PAID, Reason.EXPIRED, Reason.DATA_USED_UP)


REDIRECTS = {Reason.SUSPENDED: "duka-suspended", Reason.EXPIRED: "duka-expired", Reason.DATA_USED_UP: "duka-topup"}
"""Pool and address list of the walled network somebody is let into instead of being sent away."""


class Identity(NamedTuple):
    """Who asks: the name as the router says it and as the tables key it. A device has proved it; a login not yet.

    `typed`: a device whose owner typed this on the login page instead; whoever asks sees to it that it is a voucher's code.
    """

    name: str
    table_name: str
    is_device: bool
    typed: str = ""

    def __repr__(self) -> str:
        return f"Identity({self.name})"


class Accept(NamedTuple):
    """Let in, with these attributes for the router; `redirected` when it is only a walled network. `klass` is who is charged."""

    who: Identity
    attributes: tuple[tuple[str, Value], ...]
    redirected: Reason | None = None
    klass: str = ""


class Reject(NamedTuple):
    """Not let in. `who` is known when the request was genuine; `detail` is for the log, `language` the customer's."""

    reason: Reason
    who: Identity | None = None
    detail: str = ""
    language: str = ""


def decide(
    request: AccessRequest, client: NasClient, rows_of: Callable[[str], Entitlement | None], now: datetime
) -> Accept | Reject:
    """Yes or no. `rows_of` is asked, by table name, only for a name that may have rows. No voucher is known here."""
    who = identify(request, client)
    if isinstance(who, Identity) and who.typed:
        return Reject(Reason.UNKNOWN_VOUCHER)
    return who if isinstance(who, Reject) else admit(request, who, rows_of(who.table_name), now)


def identify(request: AccessRequest, client: NasClient) -> Identity | Reject:
    """Everything that can be said without rows: the name space, and whether a device is the one it says it is."""
    if request.repeated:  # 2
        return Reject(Reason.REPEATED_ATTRIBUTE, detail=", ".join(request.repeated))
    name = request.username
    if MAC.fullmatch(name):
        if name != request.device:  # 5
            return Reject(Reason.FORGED)
        if request.service == PPP:  # 6
            return Reject(Reason.WRONG_SERVICE)
        refused = _prove(request, client.mac_auth_password)  # 8
        typed = _typed(request) if refused and client.mac_auth_password else ""
        if refused and not typed:
            return refused
        return Identity(name, table_name(name, client.realm), True, typed)
    if _LIKE_A_MAC.fullmatch(name):  # 4
        return Reject(Reason.BAD_MAC_FORM)
    if not _LOGIN.fullmatch(name):  # 7
        return Reject(Reason.UNKNOWN_NAME)
    return Identity(name, table_name(name, client.realm), False)


def _typed(request: AccessRequest) -> str:
    """What may be the code of a voucher, in clear; on the hotspot only, and empty when it is something else."""
    pap = request.password
    alone = request.chap is None and request.ms_chap is None and request.service == HOTSPOT
    if not alone or not pap or len(pap) > _TYPED_BYTES_MAX or not _TYPED.fullmatch(pap):
        return ""
    return pap.decode("ascii")


def claimed(who: Identity) -> Accept:
    """Let in for a moment: a voucher has just become this device's."""
    return Accept(who, CLAIM_REPLIES)


def _prove(request: AccessRequest, expected: str) -> Reject | None:
    """Whether the password is known to who asks. None: it is."""
    pap, chap, ms_chap = request.password, request.chap, request.ms_chap
    if (pap is not None) + (chap is not None) + (ms_chap is not None) > 1:
        return Reject(Reason.WRONG_PASSWORD, detail="two kinds of password at once")
    if chap is None and not pap and (ms_chap is None or request.service != PPP):
        return Reject(Reason.NO_PASSWORD)
    if not expected:
        return Reject(Reason.WRONG_PASSWORD, detail="there is no password to compare with")
    if pap is not None:
        right = hmac.compare_digest(expected.encode(), pap)
    elif chap is not None:
        right = hmac.compare_digest(chap_answer(chap.identifier, expected.encode(), chap.challenge), chap.answer)
    else:
        assert ms_chap is not None
        right = hmac.compare_digest(ms_chap2_answer(ms_chap, request.username.encode(), expected), ms_chap.answer)
    return None if right else Reject(Reason.WRONG_PASSWORD)


def admit(request: AccessRequest, who: Identity, rows: Entitlement | None, now: datetime) -> Accept | Reject:
    """What the rows allow at this moment. Rows that are not understood to the last word allow nothing."""
    if not who.is_device:  # 8
        refused = _prove_login(request, rows)
        if refused:
            return refused
    if rows is None or not rows.check or rows.user is None:  # 9
        return Reject(Reason.NOT_PAID, who, language=_language(rows))
    user = rows.user
    if request.service not in _SERVICES.get(user.service, ()):  # 10
        return Reject(Reason.WRONG_SERVICE, who, language=user.language)
    try:
        meaning = understand(rows)  # 11
    except ValueError as error:
        return Reject(Reason.BAD_ROWS, who, str(error), user.language)
    refusal, seconds = _allowed(request, rows, user, meaning, now)
    success = _success(request, meaning)
    if refusal is None:
        timeout = ("Session-Timeout", min(seconds, meaning.session_seconds, SECONDS_MAX))
        return Accept(
            who, (*meaning.replies, timeout, *byte_limit(user.remaining_bytes), *success), None, meaning.klass
        )
    if refusal in REDIRECTS and user.redirects and request.service != HOTSPOT:
        return Accept(who, (*_redirect(REDIRECTS[refusal], meaning), *success), refusal, REDIRECT_CLASS)
    return Reject(refusal, who, language=user.language)


def _prove_login(request: AccessRequest, rows: Entitlement | None) -> Reject | None:
    """A login's password is in its rows. Whether it is there at all is told only to who sends one."""
    passwords = [] if rows is None else [value for name, value in rows.check if name == "Cleartext-Password"]
    refused = _prove(request, passwords[0] if passwords else "")
    if refused is not None and refused.reason is Reason.WRONG_PASSWORD and not (rows and rows.check):
        kinds = refused.detail.startswith("two kinds")
        return refused if kinds else Reject(Reason.UNKNOWN_USER)
    return refused


def _allowed(
    request: AccessRequest, rows: Entitlement, user: RadiusUser, meaning: Meaning, now: datetime
) -> tuple[Reason | None, int]:
    """Why not, and for how many seconds yes."""
    epoch = int(now.timestamp())
    seconds = meaning.expires_epoch - epoch
    if user.blocked:  # 12
        return Reason.SUSPENDED, 0
    if seconds <= 0:  # 13
        return Reason.EXPIRED, 0
    if user.metered:
        if user.remaining_bytes is None:  # 14
            return Reason.QUOTA_UNKNOWN, 0
        if user.remaining_bytes <= 0:  # 15
            return Reason.DATA_USED_UP, 0
    if meaning.zone is not None:  # 16
        until = open_until(meaning.windows, meaning.zone, now)
        if until is not None:
            seconds = min(seconds, int(until.timestamp()) - epoch)
        if seconds <= 0:
            return Reason.OUTSIDE_HOURS, 0
    if meaning.sessions_max is not None:  # 17
        since = now - timedelta(seconds=SILENT_INTERVALS * (meaning.interim_seconds or INTERIM_SECONDS))
        others = sum(s.heard_at >= since and s.calling_station != request.calling_station for s in rows.sessions)
        if others >= meaning.sessions_max:
            return Reason.TOO_MANY_SESSIONS, 0
    return None, seconds


def _success(request: AccessRequest, meaning: Meaning) -> tuple[tuple[str, Value], ...]:
    """With MS-CHAPv2 the customer's side wants to see that we know the password too."""
    if request.ms_chap is None:
        return ()
    return (("MS-CHAP2-Success", ms_chap2_success(request.ms_chap, request.username.encode(), meaning.password)),)


def _redirect(place: str, meaning: Meaning) -> tuple[tuple[str, Value], ...]:
    interim = meaning.interim_seconds
    return (
        ("Framed-Pool", place), ("Mikrotik-Address-List", place), ("Mikrotik-Rate-Limit", REDIRECT_RATE),
        ("Session-Timeout", REDIRECT_SECONDS), *(() if interim is None else (("Acct-Interim-Interval", interim),)),
        ("Class", REDIRECT_CLASS),
    )  # fmt: skip


def _language(rows: Entitlement | None) -> str:
    return rows.user.language if rows is not None and rows.user is not None else ""


def byte_limit(remaining_bytes: int | None) -> tuple[tuple[str, int], ...]:
    """The pair that carries a byte limit; nothing when there is no limit.

    A lower half of 0 might be read as "no limit": then one byte less is given (radius.md §4.3).
    """
    if remaining_bytes is None:
        return ()
    limit = remaining_bytes - 1 if remaining_bytes % HIGH_WORD == 0 else remaining_bytes
    return (("Mikrotik-Total-Limit", limit % HIGH_WORD), ("Mikrotik-Total-Limit-Gigawords", limit // HIGH_WORD))
