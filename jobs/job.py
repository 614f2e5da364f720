"""The shape of every job: read (in a transaction), act (outside of any), record (in a transaction).

The signatures make the rule physical: `act` has no unit of work, `read` and `record` have no world. What happens when the
world does not do as it was asked is decided by three hooks, each in the same transaction that puts the decision on record.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar

from core.errors import GatewayDown, GatewayRefused, OutcomeUnknown
from core.ports import World
from core.tasks import Task
from core.uow import UnitOfWork

T = TypeVar("T", bound=Task)
Plan = TypeVar("Plan")
Result = TypeVar("Result")


class Verdict(Enum):
    """What becomes of a promise that was not kept."""

    RETRY = "retry"
    """Again after a growing pause; the failure counts."""
    DONE = "done"
    """Settled: somebody else finishes it (a check that is already promised), or there is nothing left to do."""
    PARK = "park"
    """Given up until a person looks."""


@dataclass(frozen=True, slots=True)
class Postpone:
    """Not now: again at `until`, and the failure does not count."""

    until: datetime


Decision = Verdict | Postpone


class Job(ABC, Generic[T, Plan, Result]):
    """How one kind of promise is kept. Stateless: one object serves every promise of its kind.

    `patient`: while the other side is away (`GatewayDown`) or does not say what it did (`OutcomeUnknown`), the promise is
    tried for ever; a router that comes back after two days is still served. Refusals and bugs park all the same.
    """

    task: ClassVar[type[Task]]
    patient: ClassVar[bool] = True
    reads_only: ClassVar[bool] = False
    """`read` changes nothing: it takes no locks and is not committed."""
    repeatable: ClassVar[bool] = False
    """Keeping it twice does no harm, so it counts as kept before that has reached the disk (see `App.work`, `forgettable`)."""

    @abstractmethod
    def read(self, uow: UnitOfWork, task: T) -> Plan | None:
        """Look at the present state and say what to ask of the world. None: nothing to ask, the promise is kept."""

    def act(self, world: World, plan: Plan) -> Result:
        """Ask the world. No transaction is open; may raise the three failures of `core.errors`."""
        raise TypeError(f"{type(self).__name__} made a plan but does not say how to act on it")

    def record(self, uow: UnitOfWork, task: T, plan: Plan, result: Result) -> None:
        """Write down what the world answered. Runs once per promise, whoever else acted on it too."""

    def down(self, uow: UnitOfWork, task: T, plan: Plan, error: GatewayDown) -> Decision:
        """Nothing happened over there. A breaker that says when it will ask again is believed."""
        seconds = getattr(error, "retry_after_seconds", None)
        return Verdict.RETRY if seconds is None else Postpone(uow.now + timedelta(seconds=seconds))

    def refused(self, uow: UnitOfWork, task: T, plan: Plan, error: GatewayRefused) -> Decision:
        """They said no."""
        return Verdict.PARK if error.permanent else Verdict.RETRY

    def unsure(self, uow: UnitOfWork, task: T, plan: Plan, error: OutcomeUnknown) -> Decision:
        """It may have been done. Right only for jobs whose repetition is harmless; the others leave it to a check."""
        return Verdict.RETRY


AnyJob = Job[Any, Any, Any]


def by_task(jobs: Iterable[AnyJob]) -> dict[type[Task], AnyJob]:
    """Jobs under the kind of promise they keep. Two jobs for one kind are a bug."""
    found: dict[type[Task], AnyJob] = {}
    for job in jobs:
        if job.task in found:
            raise TypeError(f"{type(job).__name__} and {type(found[job.task]).__name__} both keep {job.task.__name__}")
        found[job.task] = job
    return found
