"""Orders: a package somebody wants, until it is paid for and handed over."""

from core.purchases.actions import (
    NoLine,
    NoWayToPay,
    Order,
    ask_again,
    buy,
    buy_at,
    cancel,
    claim,
    complete,
    last_completed,
    last_package,
    money_arrived,
    not_paid,
    prompt_refused,
    purchase,
)
from core.purchases.models import Purchase
from core.purchases.renewal import renew

__all__ = [
    "NoLine",
    "NoWayToPay",
    "Order",
    "Purchase",
    "ask_again",
    "buy",
    "buy_at",
    "cancel",
    "claim",
    "complete",
    "last_completed",
    "last_package",
    "money_arrived",
    "not_paid",
    "prompt_refused",
    "purchase",
    "renew",
]
