"""Keep one promise: the only place that knows about retries, giving up, and exceptions nobody expected.

    read    transaction: lock the promise, look at the present state; nothing to do → kept
    act     no transaction: ask the world
    record  transaction: lock the promise again; no longer open → another worker was faster, change nothing

Whatever dies in between, the lease ends and the promise is carried again.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core import outbox
from core.errors import GatewayDown, GatewayFailure, GatewayRefused, OutcomeUnknown
from core.logs import clean_text
from core.outbox import ERROR_LENGTH_MAX, JOB_SECONDS_MAX, LEASE_SECONDS, Promise
from core.ports import World
from core.roles import SYSTEM
from core.tasks import TASKS, Task, revive
from core.uow import UnitOfWork
from jobs.job import AnyJob, Decision, Postpone, Verdict
from jobs.lanes import BUSY_PAUSE_MILLISECONDS, lanes_at

if TYPE_CHECKING:
    from core.app import App

BATCH_SECONDS_MAX = JOB_SECONDS_MAX
"""A batch starts no further promise after so long; the rest is due again at once, for whoever is free."""
UNREAD_ATTEMPTS_MAX = 5
UNREAD_PAUSE_SECONDS = 1.0
FRAMES_LOGGED_MAX = 6
assert BATCH_SECONDS_MAX + JOB_SECONDS_MAX < LEASE_SECONDS, "the last promise of a batch must end within its lease"
assert UNREAD_ATTEMPTS_MAX * UNREAD_PAUSE_SECONDS < JOB_SECONDS_MAX, (
    "waiting for the database must not use up the time to act"
)

log = structlog.get_logger()
Jobs = Mapping[type[Task], AnyJob]


@dataclass(frozen=True, slots=True)
class Head:
    """What must be known of a promise before its tenant's visit can be opened."""

    id: int
    tenant_id: int
    kind: str
    lane: str | None
    payload: dict[str, Any]


def perform(app: App, jobs: Jobs, promise_id: int) -> None:
    """Keep one promise, or put on record why not. Raises nothing that is an `Exception`."""
    perform_batch(app, jobs, [promise_id])


def perform_batch(app: App, jobs: Jobs, promise_ids: Sequence[int]) -> None:
    """Keep several, one after another, in the order given. One that fails does not hinder the next."""
    no_more_at = app.clock.now() + timedelta(seconds=BATCH_SECONDS_MAX)
    heads = _heads_patiently(app, promise_ids)
    for position, head in enumerate(heads):
        if app.clock.now() > no_more_at:
            _give_back(app, heads[position:])
            return
        with (
            structlog.contextvars.bound_contextvars(promise=head.id, tenant=head.tenant_id, kind=head.kind),
            guard(partial(_failed, app, head)),
            lanes_at(app.settings.redis.url).hold(head.tenant_id, head.lane) as free,
        ):
            if free:
                _keep(app, jobs, head)
            else:
                _postpone(app, [head], timedelta(milliseconds=BUSY_PAUSE_MILLISECONDS))


@contextmanager
def guard(on_error: Callable[[Exception], None]) -> Iterator[None]:
    """Hand what nobody expected to `on_error` instead of dying of it. Everything that must survive bugs passes here."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (the one place: a bug in one promise or sweep must not stop the others)
        on_error(error)


def describe(error: BaseException) -> str:
    """An exception in one line without secrets: class and the first line of its message, clipped.

    SQLAlchemy puts the statement and its parameters on further lines; they stay out.
    """
    message = next(iter(str(error).strip().splitlines()), "")
    return clean_text(f"{type(error).__name__}: {message}")[:ERROR_LENGTH_MAX]


def frames(error: BaseException) -> list[str]:
    """Where it happened: the innermost frames as `file:line function`, no values."""
    inner = traceback.extract_tb(error.__traceback__)[-FRAMES_LOGGED_MAX:]
    return [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in inner]


def _heads_patiently(app: App, promise_ids: Sequence[int]) -> list[Head]:
    """A database that restarts is waited for: workers that went on would only empty Redis into leases that must run out."""
    for attempt in range(1, UNREAD_ATTEMPTS_MAX + 1):
        try:
            return _heads(app, promise_ids)
        except SQLAlchemyError as error:
            log.error("promises.unread", promises=list(promise_ids), error=describe(error), attempt=attempt)
            time.sleep(UNREAD_PAUSE_SECONDS)
    return []


def _heads(app: App, promise_ids: Sequence[int]) -> list[Head]:
    with app.look(None, SYSTEM) as uow:
        found = {row.id: Head(*row) for row in outbox.heads(uow.session, promise_ids)}
    return [found[promise_id] for promise_id in dict.fromkeys(promise_ids) if promise_id in found]


@dataclass(frozen=True, slots=True)
class Planned:
    """What `read` has found. No plan: nothing to ask of the world."""

    task: Task
    plan: Any
    world: World | None


def _keep(app: App, jobs: Jobs, head: Head) -> None:
    job = jobs[TASKS[head.kind]]
    found = (_look if job.reads_only else _read)(app, head, job)
    if found is None:
        return
    task, plan = found.task, found.plan
    try:
        result = job.act(found.world or app.world(head.tenant_id), plan)
    except GatewayFailure as error:
        _decide(app, head, job, task, plan, error)
        return
    with app.work(head.tenant_id, SYSTEM, forgettable=job.repeatable) as uow:
        if not outbox.settle_open(uow.session, head.id, uow.now):
            return
        job.record(uow, task, plan, result)
    log.info("promise.kept")


def _read(app: App, head: Head, job: AnyJob) -> Planned | None:
    """Look at the present state with the promise locked. None: there is nothing (more) to do, and that is on record."""
    with app.work(head.tenant_id, SYSTEM, forgettable=job.repeatable) as uow:
        row = outbox.lock(uow.session, head.id)
        if row is None:
            return None
        task = row.task
        plan = job.read(uow, task)
        if plan is None:
            outbox.settle(row, uow.now)
            return None
        return Planned(task, plan, app.known_world(uow))


def _look(app: App, head: Head, job: AnyJob) -> Planned | None:
    """The same for a job whose `read` changes nothing."""
    with app.look(head.tenant_id, SYSTEM) as uow:
        task = revive(head.kind, head.payload)
        plan = job.read(uow, task)
        if plan is not None:
            return Planned(task, plan, app.known_world(uow))
    with app.work(head.tenant_id, SYSTEM, forgettable=True) as uow:
        outbox.settle_open(uow.session, head.id, uow.now)
    return None


def _decide(app: App, head: Head, job: AnyJob, task: Task, plan: Any, error: GatewayFailure) -> None:
    """The world did not do as asked: let the job choose, and put the choice on record in the same transaction."""
    text = describe(error)
    with app.work(head.tenant_id, SYSTEM) as uow:
        row = outbox.lock(uow.session, head.id)
        if row is None:
            return
        parks = not (job.patient and isinstance(error, GatewayDown | OutcomeUnknown))
        decision = _choose(uow, job, task, plan, error)
        parked = _apply(uow, row, decision, text, parks=parks)
        attempts = row.attempts
    report = log.error if parked else log.warning
    choice = "postpone" if isinstance(decision, Postpone) else decision.value
    report("promise.parked" if parked else "promise.unkept", error=text, decision=choice, attempts=attempts)


def _choose(uow: UnitOfWork, job: AnyJob, task: Task, plan: Any, error: GatewayFailure) -> Decision:
    match error:
        case GatewayDown():
            return job.down(uow, task, plan, error)
        case GatewayRefused():
            return job.refused(uow, task, plan, error)
        case OutcomeUnknown():
            return job.unsure(uow, task, plan, error)
    raise error


def _apply(uow: UnitOfWork, row: Promise, decision: Decision, text: str, *, parks: bool) -> bool:
    """True when the promise is parked now."""
    parked = False
    match decision:
        case Postpone(until=until):
            outbox.postpone(row, until)
            row.last_error = text
        case Verdict.DONE:
            outbox.settle(row, uow.now)
        case Verdict.RETRY:
            parked = outbox.retry_later(row, uow.now, text, parks=parks)
        case Verdict.PARK:
            outbox.park(row, uow.now, text)
            parked = True
    if parked:
        uow.record("promise.parked", row, kind=row.kind, error=text)
    return parked


def _failed(app: App, head: Head, error: Exception) -> None:
    """Nobody expected this: note it on the promise, in a transaction of its own. A database that is away is no bug."""
    text = describe(error)
    away = isinstance(error, OperationalError | InterfaceError | PoolTimeout)
    log.error("promise.no_database" if away else "promise.bug", error=text, frames=frames(error))
    try:
        with app.work(head.tenant_id, SYSTEM) as uow:
            row = outbox.lock(uow.session, head.id)
            if row is None:
                return
            parked = _apply(uow, row, Verdict.RETRY, text, parks=not away)
        if parked:
            log.error("promise.parked", error=text)
    except SQLAlchemyError as again:
        log.error("promise.left_to_its_lease", error=describe(again))


def _give_back(app: App, heads: Sequence[Head]) -> None:
    with guard(lambda error: log.error("promises.left_to_their_lease", error=describe(error))):
        _postpone(app, heads, timedelta(0))
        log.info("promises.given_back", promises=[head.id for head in heads])


def _postpone(app: App, heads: Sequence[Head], pause: timedelta) -> None:
    with app.work(None, SYSTEM) as uow:
        for head in heads:
            row = outbox.lock(uow.session, head.id)
            if row is not None:
                outbox.postpone(row, uow.now + pause)
