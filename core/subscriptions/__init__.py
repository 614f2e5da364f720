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

__all__ = [
    "Grant",
    "Left",
    "Subscription",
    "Suspension",
    "exhaust",
    "grant",
    "left",
    "live",
    "resume",
    "running",
    "start_due",
    "subscription",
    "suspend",
    "use",
]
