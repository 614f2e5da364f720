"""What the login page says to somebody who is not let in, in the ISP's language."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from core import tenants
from core.texts import Catalogue, catalogue, plain
from core.uow import UnitOfWork
from radius.policy import Reason

VOICE_SECONDS = 5.0
"""An ISP that changes its language or its USSD code is heard with the new one after so long."""
TEXT_BYTES_MAX = 240

_KEYS = {
    Reason.NOT_PAID: "reject.not_paid",
    Reason.EXPIRED: "reject.expired",
    Reason.DATA_USED_UP: "reject.data_used_up",
    Reason.REPEATED_ATTRIBUTE: "reject.unknown_name",
    Reason.UNKNOWN_NAME: "reject.unknown_name",
    Reason.BAD_MAC_FORM: "reject.forged",
    Reason.FORGED: "reject.forged",
    Reason.NO_PASSWORD: "reject.wrong_password",
    Reason.WRONG_PASSWORD: "reject.wrong_password",
    Reason.QUOTA_UNKNOWN: "reject.trouble",
    Reason.BAD_ROWS: "reject.trouble",
}
assert _KEYS.keys() == set(Reason), "every reason has words"


@dataclass(frozen=True, slots=True)
class Voice:
    """How one ISP speaks: its language, and the code customers dial (None: it has none)."""

    language: str = "en"
    service_code: str | None = None


def texts() -> Catalogue:
    """The catalogue of this folder."""
    return catalogue(Path(__file__).parent)


def say(reason: Reason, voice: Voice) -> str:
    """The text for a rejected customer: one short line a router can show."""
    words = texts()
    key = "how.dial" if voice.service_code else "how.plain"
    how = words.say(voice.language, key, code=voice.service_code or "")
    text = plain(words.say(voice.language, _KEYS[reason], how=how))
    return text.encode()[:TEXT_BYTES_MAX].decode("utf-8", "ignore")


class Voices:
    """How each ISP speaks, read again every few seconds. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, tuple[float, Voice]] = {}

    def of(self, uow: UnitOfWork) -> Voice:
        """The voice of this visit's ISP."""
        now = time.monotonic()
        with self._lock:
            known = self._known.get(uow.tenant)
        if known is not None and now - known[0] <= VOICE_SECONDS:
            return known[1]
        account = tenants.settings_of(uow).africastalking
        voice = Voice(tenants.current(uow).language, account.service_code if account else None)
        with self._lock:
            self._known[uow.tenant] = (now, voice)
        return voice
