"""Time and data that were paid for."""

from core.subscriptions.actions import (
    exhaust,
    grant,
    left,
    live,
    resume,
    running,
    start_due,
    subscription,
    suspend,
    use,
)
from core.subscriptions.models import Grant, Subscription, Suspension
from core.subscriptions.rules import Left
from core.subscriptions.sweeps import BATCH, begin_waiting, close_ended, suspend_exhausted

__all__ = [
    "BATCH",
    "Grant",
    "Left",
    "Subscription",
    "Suspension",
    "begin_waiting",
    "close_ended",
    "exhaust",
    "grant",
    "left",
    "live",
    "resume",
    "running",
    "start_due",
    "subscription",
    "suspend",
    "suspend_exhausted",
    "use",
]
