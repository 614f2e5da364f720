"""What the login page says to somebody who is not let in, in the customer's language."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from core.texts import Catalogue, catalogue, plain
from radius.policy import Reason

TEXT_BYTES_MAX = 240
KEPT_MAX = 4096

_KEYS = {
    Reason.REPEATED_ATTRIBUTE: "reject.unknown_name",
    Reason.BAD_MAC_FORM: "reject.forged",
    Reason.FORGED: "reject.forged",
    Reason.WRONG_SERVICE: "reject.wrong_service",
    Reason.UNKNOWN_NAME: "reject.unknown_name",
    Reason.NO_PASSWORD: "reject.wrong_password",
    Reason.WRONG_PASSWORD: "reject.wrong_password",
    Reason.UNKNOWN_VOUCHER: "reject.unknown_voucher",
    Reason.VOUCHER_USED: "reject.voucher_used",
    Reason.VOUCHER_EXPIRED: "reject.voucher_expired",
    Reason.VOUCHER_STUCK: "reject.voucher_stuck",
    Reason.TOO_MANY_CODES: "reject.too_many_codes",
    Reason.UNKNOWN_USER: "reject.wrong_password",
    Reason.NOT_PAID: "reject.not_paid",
    Reason.BAD_ROWS: "reject.trouble",
    Reason.SUSPENDED: "reject.suspended",
    Reason.EXPIRED: "reject.expired",
    Reason.QUOTA_UNKNOWN: "reject.trouble",
    Reason.DATA_USED_UP: "reject.data_used_up",
    Reason.OUTSIDE_HOURS: "reject.outside_hours",
    Reason.TOO_MANY_SESSIONS: "reject.too_many_sessions",
}
"""A wrong password and an unknown name sound the same: nobody learns which logins exist."""
assert _KEYS.keys() == set(Reason), "every reason has words"


def texts() -> Catalogue:
    """The catalogue of this folder."""
    return catalogue(Path(__file__).parent)


@lru_cache(maxsize=KEPT_MAX)
def say(reason: Reason, language: str, service_code: str = "") -> str:
    """The text for a rejected customer: one short line a router can show. `service_code`: what they dial to buy, if anything."""
    words = texts()
    key = "how.dial" if service_code else "how.plain"
    how = words.say(language, key, code=service_code)
    text = plain(words.say(language, _KEYS[reason], how=how))
    return text.encode()[:TEXT_BYTES_MAX].decode("utf-8", "ignore")
