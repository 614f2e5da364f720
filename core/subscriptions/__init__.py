"""Time and data that were paid for."""

from core.subscriptions.actions import (
    AnotherService,
    all_due,
    change_package,
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
from core.subscriptions.credits import give_back, ran_between
from core.subscriptions.metering import Payer, strangers, use_many
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
    "AnotherService",
    "Grant",
    "Left",
    "Payer",
    "Subscription",
    "Suspension",
    "all_due",
    "begin_waiting",
    "change_package",
    "close_ended",
    "exhaust",
    "give_back",
    "grant",
    "latest",
    "left",
    "live",
    "ran_between",
    "remind",
    "renew_by_itself",
    "renewals_due",
    "resume",
    "running",
    "slow_down",
    "start_due",
    "strangers",
    "subscription",
    "suspend",
    "suspend_exhausted",
    "suspensions",
    "use",
    "use_many",
]
