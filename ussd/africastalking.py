"""Africa's Talking's forms → what they mean to us (reference: africastalking.md §2, §3). Nothing else knows their words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from core.phone import INPUT_LENGTH_MAX, Msisdn
from core.texts import one_line

SESSION_ID = re.compile(r"[A-Za-z0-9_.:\-]{1,128}")
NETWORK_CODE = re.compile(r"[0-9]{4,8}")
MESSAGE_ID = re.compile(r"[A-Za-z0-9_.:\-]{1,64}")
SEPARATOR = "*"
STATES = {
    "sent": "sent",
    "submitted": "sent",
    "buffered": "sent",
    "success": "delivered",
    "failed": "failed",
    "rejected": "failed",
    "expired": "failed",
    "absentsubscriber": "failed",
}
"""Their words for what became of a message, lower case → ours (africastalking.md §3.3)."""

Form = Mapping[str, str]


class BadPost(Exception):
    """A post that Africa's Talking would not send; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Dial:
    """One hop of a USSD session. `typed` is everything answered so far, oldest first."""

    session_id: str
    phone: str
    network: str | None
    typed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """A session is over. Figures are None when they are missing or make no sense."""

    session_id: str
    status: str
    cost: str
    duration_ms: int | None
    hops: int | None


@dataclass(frozen=True, slots=True)
class Sms:
    """A text somebody sent us."""

    id: str
    sender: str
    to: str
    text: str
    network: str | None
    link_id: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a message of ours. `state` is None for a word we do not know."""

    id: str
    word: str
    state: str | None
    reason: str | None


def dial(form: Form) -> Dial:
    """Read a session callback. Unknown fields are ignored; raises `BadPost`."""
    session_id, phone, text = form.get("sessionId", ""), form.get("phoneNumber", ""), form.get("text", "")
    if not SESSION_ID.fullmatch(session_id):
        raise BadPost("sessionId is missing or malformed")
    if not phone.strip():
        raise BadPost("phoneNumber is missing")
    return Dial(session_id, phone, _network(form), tuple(text.split(SEPARATOR)) if text else ())


def ended(form: Form) -> Ended:
    """Read an end notice. `input` and `lastAppResponse` are left where they are: they repeat what the customer typed."""
    session_id = form.get("sessionId", "")
    return Ended(
        session_id if SESSION_ID.fullmatch(session_id) else "",
        one_line(form.get("status", ""), 20),
        one_line(form.get("cost", ""), 20),
        _number(form.get("durationInMillis", "")),
        _number(form.get("hopsCount", "")),
    )


def sms(form: Form) -> Sms:
    """Read an incoming message. Raises `BadPost` when it has no sender."""
    sender = form.get("from", "").strip()
    if not sender:
        raise BadPost("from is missing")
    given = form.get("id", "").strip()
    id_ = given if MESSAGE_ID.fullmatch(given) else _made_up_id(form)
    link_id = one_line(form.get("linkId", ""), 100) or None
    return Sms(id_, sender, one_line(form.get("to", ""), 20), form.get("text", ""), _network(form), link_id)


def report(form: Form) -> Report:
    """Read a delivery report. Raises `BadPost` when it names no message."""
    id_, word = one_line(form.get("id", ""), 100), one_line(form.get("status", ""), 40)
    if not id_:
        raise BadPost("id is missing")
    return Report(id_, word, STATES.get(word.lower()), one_line(form.get("failureReason", "")) or None)


@lru_cache(maxsize=4096)
def number(phone: str, country: str) -> Msisdn:
    """A caller's number. Kept, because every hop of a session brings it again. Raises `BadPhone`."""
    return Msisdn.parse(phone if len(phone) <= INPUT_LENGTH_MAX else "", country)


def _network(form: Form) -> str | None:
    code = form.get("networkCode", "").strip()
    return code if NETWORK_CODE.fullmatch(code) else None


def _number(text: str) -> int | None:
    found = re.fullmatch(r"\s*([0-9]{1,9})(?:\.[0-9]*)?\s*", text, re.ASCII)
    return int(found[1]) if found else None


def _made_up_id(form: Form) -> str:
    """For a message without a usable id: the same sender, text and date are the same message."""
    parts = "\0".join(form.get(name, "") for name in ("id", "from", "to", "text", "date", "linkId"))
    return hashlib.sha256(parts.encode("utf-8", "replace")).hexdigest()
