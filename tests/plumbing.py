"""An app with one ISP, and jobs that do as a test tells them: for tests of the plumbing that carries promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from sqlalchemy import func, select, update

from core import tenants
from core.app import App, open_app
from core.audit import AuditEntry
from core.clock import Clock
from core.config import Settings
from core.errors import GatewayDown, GatewayRefused, OutcomeUnknown
from core.outbox import Promise
from core.ports import World
from core.tasks import LogOut, SendMessage, Task
from core.uow import UnitOfWork
from jobs.job import Decision, Job


class Crash(BaseException):
    """The process dies here."""


@contextmanager
def opened(settings: Settings, clock: Clock | None = None) -> Iterator[App]:
    """The real app on the test's own database, with one ISP in it (its id is 1)."""
    app = open_app(settings, clock=clock)
    with app.work(None) as uow:
        tenants.open_tenant(
            uow, slug="savanna", name="Savanna Wi-Fi", country="KE", currency="KES", timezone="Africa/Nairobi"
        )
    yield app
    app.close()


TENANT = 1


@dataclass
class Rehearsal(Job[Task, int, str]):
    """A job that remembers what it was asked to do. `on_act` is what the world does; the hooks answer as told."""

    task: ClassVar[type[Task]] = SendMessage
    on_act: Callable[[int], str] = lambda number: "done"
    on_read: Callable[[UnitOfWork, int], int | None] = lambda uow, number: number
    on_record: Callable[[UnitOfWork, int], None] = lambda uow, number: None
    verdict: Decision | None = None
    acted: list[int] = field(default_factory=list)

    def read(self, uow: UnitOfWork, task: Task) -> int | None:
        return self.on_read(uow, number_of(task))

    def act(self, world: World, plan: int) -> str:
        self.acted.append(plan)
        return self.on_act(plan)

    def record(self, uow: UnitOfWork, task: Task, plan: int, result: str) -> None:
        uow.record("rehearsed", number=plan, result=result)
        self.on_record(uow, plan)

    def down(self, uow: UnitOfWork, task: Task, plan: int, error: GatewayDown) -> Decision:
        return self.verdict or super().down(uow, task, plan, error)

    def refused(self, uow: UnitOfWork, task: Task, plan: int, error: GatewayRefused) -> Decision:
        return self.verdict or super().refused(uow, task, plan, error)

    def unsure(self, uow: UnitOfWork, task: Task, plan: int, error: OutcomeUnknown) -> Decision:
        return self.verdict or super().unsure(uow, task, plan, error)


class LaneRehearsal(Rehearsal):
    """The same for promises that have a lane."""

    task = LogOut


def number_of(task: Task) -> int:
    """The test's own number of a task."""
    match task:
        case LogOut(mac=mac):
            return int(mac)
        case _:
            return int(next(iter(task.payload().values())))


def owe(app: App, *tasks: Task, at: datetime | None = None) -> list[int]:
    """Promise these; their ids."""
    with app.work(TENANT) as uow:
        for task in tasks:
            uow.later(task, at)
        uow.session.flush()
        return list(uow.session.scalars(select(Promise.id).order_by(Promise.id.desc()).limit(len(tasks))))[::-1]


def promise_of(app: App, promise_id: int) -> Promise:
    """The promise as it is now."""
    with app.work(None) as uow:
        row = uow.session.get(Promise, promise_id)
        assert row is not None
        return row


def kept(app: App) -> int:
    """How many promises are kept."""
    with app.work(None) as uow:
        return uow.session.scalar(select(func.count()).where(Promise.done_at.is_not(None))) or 0


def end_leases(app: App) -> None:
    """As if LEASE_SECONDS had passed: everything open is due."""
    with app.work(None) as uow:
        uow.session.execute(update(Promise).where(Promise.done_at.is_(None)).values(due_at=app.clock.now()))


def audited(app: App, event: str) -> list[dict[str, object]]:
    """The facts of every audit entry of this kind."""
    with app.work(TENANT) as uow:
        return list(uow.session.scalars(select(AuditEntry.facts).where(AuditEntry.event == event)))
