"""Time and data that were paid for."""

from core.subscriptions.actions import (
    all_due,
    exhaust,
    grant,
    latest,
    left,
    live,
    renew_by_itself,
    resume,
    running,
    start_due,
    subscription,
    suspend,
    suspensions,
    use,
)
from core.subscriptions.metering import Meter, meters, use_many
from core.subscriptions.models import Grant, Subscription, Suspension
from core.subscriptions.rules import Left
from core.subscriptions.sweeps import (
    BATCH,
    begin_waiting,
    close_ended,
    remind,
    renewals_due,
    slow_down,
    suspend_exhausted,
)

__all__ = [
    "BATCH",
    "Grant",
    "Left",
    "Meter",
    "Subscription",
    "Suspension",
    "all_due",
    "begin_waiting",
    "close_ended",
    "exhaust",
    "grant",
    "latest",
    "left",
    "live",
    "meters",
    "remind",
    "renew_by_itself",
    "renewals_due",
    "resume",
    "running",
    "slow_down",
    "start_due",
    "subscription",
    "suspend",
    "suspend_exhausted",
    "suspensions",
    "use",
    "use_many",
]
