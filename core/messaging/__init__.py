"""Words that leave by SMS: once per key, in the customer's language, proven to fit."""

from core.messaging.actions import (
    MESSAGES,
    delivered,
    failed,
    history,
    keep_trying,
    may_market,
    notify,
    opt_in,
    opt_out,
    reply,
    sent,
    to_send,
)
from core.messaging.models import Message, OptOut

__all__ = [
    "MESSAGES",
    "Message",
    "OptOut",
    "delivered",
    "failed",
    "history",
    "keep_trying",
    "may_market",
    "notify",
    "opt_in",
    "opt_out",
    "reply",
    "sent",
    "to_send",
]
