"""What time alone changes: each sweep is found by an indexed statement, in batches, and its cost follows what changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from core import dialogs, network, outbox, payments, subscriptions, vouchers
from core.uow import UnitOfWork
from jobs.schedule import Every

if TYPE_CHECKING:
    from core.app import App

BATCHES_MAX = 50
"""A sweep that has found this many full batches lets the others have their turn; it comes again at once."""
KEPT_PROMISES = timedelta(days=7)
SIGHTINGS = timedelta(days=1)
MONTH = timedelta(days=31)


def in_batches(verb: Callable[[UnitOfWork], int], batch: int) -> Callable[[App], int]:
    """Call `verb` in a transaction of its own until it finds less than a full batch."""

    def sweep(app: App) -> int:
        found = 0
        for _ in range(BATCHES_MAX):
            with app.work(None) as uow:
                count = verb(uow)
            found += count
            if count < batch:
                break
        return found

    return sweep


def once(verb: Callable[[UnitOfWork], int]) -> Callable[[App], int]:
    """Call `verb` in one transaction."""

    def sweep(app: App) -> int:
        with app.work(None) as uow:
            return verb(uow)

    return sweep


def drift(app: App) -> int:
    """Find rows that do not say what was sold, and promise to write them."""
    with app.look(None) as uow:
        found = network.drifted(uow)
    if not found:
        return 0
    with app.work(None) as uow:
        return network.heal(uow, found)


def prune(app: App) -> int:
    """Forget what nobody needs: kept promises, ended conversations, old sightings and guesses, minutes lent long ago.

    Money and messages are never pruned.
    """
    with app.work(None) as uow:
        found = outbox.prune(uow.session, uow.now - KEPT_PROMISES)
    with app.work(None) as uow:
        found += dialogs.prune(uow)
    with app.work(None) as uow:
        found += vouchers.forget_guesses(uow)
    with app.work(None) as uow:
        return found + network.forget_sightings(uow, uow.now - SIGHTINGS) + network.forget_graces(uow, uow.now - MONTH)


def months(app: App) -> int:
    """Make room for the sessions of the coming months, and forget those that ended longer ago than the settings keep them."""
    with app.work(None) as uow:
        found = network.prepare_months(uow)
    kept = app.settings.radius.session_months
    if not kept:
        return found
    return found + in_batches(lambda uow: network.forget_sessions(uow, uow.now - kept * MONTH), network.FORGET_BATCH)(
        app
    )


def settle_outages(app: App) -> int:
    """Outages that are over: who lost time, and what is given back for it. Each in a visit of its own."""
    with app.work(None) as uow:
        over = network.unsettled(uow)
    for tenant_id, outage_id in over:
        with app.work(tenant_id) as uow:
            network.settle_outage(uow, outage_id)
    return len(over)


SWEEPS = [
    Every(1, "expire", in_batches(subscriptions.close_ended, subscriptions.BATCH)),
    Every(1, "begin", in_batches(subscriptions.begin_waiting, subscriptions.BATCH)),
    Every(2, "exhaust", in_batches(subscriptions.suspend_exhausted, subscriptions.BATCH)),
    Every(2, "slow", in_batches(subscriptions.slow_down, subscriptions.BATCH)),
    Every(10, "renew", in_batches(subscriptions.renewals_due, subscriptions.BATCH)),
    Every(30, "remind", in_batches(subscriptions.remind, subscriptions.BATCH)),
    Every(30, "chase", once(payments.chase)),
    Every(30, "outages", settle_outages),
    Every(60, "stale", in_batches(network.close_silent, network.STALE_BATCH)),
    Every(300, "drift", drift),
    Every(300, "check", once(network.check_all)),
    Every(1800, "backups", once(network.nightly)),
    Every(3600, "prune", prune),
    Every(3600, "months", months),
]
