"""Jobs about access: write the rows, let devices in, put them out, look after routers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core import network
from core.errors import GatewayDown, GatewayRefused
from core.findings import RouterHealth
from core.network import AccessPlan, LoginPlan, SessionPlan
from core.ports import Access, ActiveRow, RouterAddress, RunningSession, World
from core.tasks import BackUp, LendGrace, LogIn, LogOut, Probe, Settle, SyncAccess
from core.uow import UnitOfWork
from jobs import steering
from jobs.job import Decision, Job, Verdict

TIME_TOLERANCE_SECONDS = 60
"""A running session whose end is off by more than this begins anew."""


class Sync(Job[SyncAccess, AccessPlan, None]):
    """Make RADIUS say what the customer may do now. From here on a paid device gets in by itself."""

    task = SyncAccess
    repeatable = True

    def read(self, uow: UnitOfWork, task: SyncAccess) -> AccessPlan | None:
        return network.desired_access(uow, task.customer_id)

    def act(self, world: World, plan: AccessPlan) -> None:
        world.access.apply(plan.accesses)

    def record(self, uow: UnitOfWork, task: SyncAccess, plan: AccessPlan, result: None) -> None:
        network.synced(uow, task.customer_id, plan)


class LetIn(Job[LogIn, LoginPlan, ActiveRow | None]):
    """Let a waiting device in at once, or give a running session its new limits."""

    task = LogIn
    reads_only = repeatable = True

    def read(self, uow: UnitOfWork, task: LogIn) -> LoginPlan | None:
        return network.login_plan(uow, task.device_id, task.router_id, task.news)

    def act(self, world: World, plan: LoginPlan) -> ActiveRow | None:
        running = self._running(world, plan) if plan.sessions.sessions else []
        anew = bool(running) and steering.must_begin_anew(world, plan.sessions, running)
        if running and not anew:
            return _as_row(running[0])
        row = world.hotspot.let_in(plan.router, plan.mac, refresh=anew)
        if row is None or anew:
            return row
        if row.uptime_seconds > 0 and not plan.sessions.sessions:  # it ran, and accounting has not heard of it
            anew = steering.must_begin_anew(world, plan.sessions, self._running(world, plan))
        if not anew and _fits(row, plan):
            return row
        return world.hotspot.let_in(plan.router, plan.mac, refresh=True)

    @staticmethod
    def _running(world: World, plan: LoginPlan) -> list[RunningSession]:
        try:
            return steering.look(world, plan.sessions)
        except GatewayDown:
            steering.tell_all(world, plan.sessions)
            raise

    def record(self, uow: UnitOfWork, task: LogIn, plan: LoginPlan, result: ActiveRow | None) -> None:
        if result is None:
            network.away(uow, task.device_id, task.router_id)
        else:
            network.let_in(uow, task.device_id, task.router_id, result)

    def down(self, uow: UnitOfWork, task: LogIn, plan: LoginPlan, error: GatewayDown) -> Decision:
        network.router_down(uow, task.router_id, str(error))
        return super().down(uow, task, plan, error)

    def refused(self, uow: UnitOfWork, task: LogIn, plan: LoginPlan, error: GatewayRefused) -> Decision:
        """The router answers, but not as we wish. What may pass (RADIUS restarting, a login under way) is tried again."""
        uow.record(
            "device.login_refused", why=str(error)[:200], code=error.code, router=task.router_id, device=task.device_id
        )
        return super().refused(uow, task, plan, error)


def _as_row(session: RunningSession) -> ActiveRow:
    return ActiveRow(
        session.mac, session.user, session.address, session.seconds_left, session.limit_bytes_total,
        session.uptime_seconds,
    )  # fmt: skip


def _fits(row: ActiveRow, plan: LoginPlan) -> bool:
    """A session that nobody told us of may be an old one: it must know its end, and a limit if it is metered."""
    if row.session_time_left_seconds is None:
        return False
    off = abs(row.session_time_left_seconds - plan.terms.seconds_after(row.uptime_seconds))
    return off <= TIME_TOLERANCE_SECONDS and (row.limit_bytes_total is None) == (plan.terms.bytes_left is None)


class PutOut(Job[LogOut, SessionPlan, None]):
    """End a session: by an order, and over the API, which sees whether it is so and makes it so."""

    task = LogOut
    reads_only = repeatable = True

    def read(self, uow: UnitOfWork, task: LogOut) -> SessionPlan | None:
        return network.logout_plan(uow, task.mac, task.router_id)

    def act(self, world: World, plan: SessionPlan) -> None:
        for known in plan.sessions:
            steering.hung_up(world, plan, known)
        world.hotspot.throw_out(plan.router, plan.user)

    def down(self, uow: UnitOfWork, task: LogOut, plan: SessionPlan, error: GatewayDown) -> Decision:
        network.router_down(uow, task.router_id, str(error))
        return super().down(uow, task, plan, error)


class Bring(Job[Settle, SessionPlan, dict[str, str]]):
    """Bring lines and leases to what they may be now. Those who dial in do so again by themselves."""

    task = Settle
    reads_only = repeatable = True

    def read(self, uow: UnitOfWork, task: Settle) -> SessionPlan | None:
        return network.session_plan(uow, task.username, task.router_id, task.lease, task.news)

    def act(self, world: World, plan: SessionPlan) -> dict[str, str]:
        return steering.settle(world, plan)

    def record(self, uow: UnitOfWork, task: Settle, plan: SessionPlan, result: dict[str, str]) -> None:
        network.settled(uow, task.username, task.router_id, result)

    def down(self, uow: UnitOfWork, task: Settle, plan: SessionPlan, error: GatewayDown) -> Decision:
        network.router_down(uow, task.router_id, str(error))
        return super().down(uow, task, plan, error)


class Lend(Job[LendGrace, Access, None]):
    """The rows of a device that nobody holds, with their end in them. It gets in by itself within half a minute."""

    task = LendGrace
    repeatable = True

    def read(self, uow: UnitOfWork, task: LendGrace) -> Access | None:
        return network.grace_access(uow, task.grace_id)

    def act(self, world: World, plan: Access) -> None:
        world.access.apply([plan])

    def record(self, uow: UnitOfWork, task: LendGrace, plan: Access, result: None) -> None:
        network.grace_written(uow, task.grace_id, plan)


@dataclass(frozen=True, slots=True)
class Look:
    """A router to look at."""

    router: RouterAddress
    now: datetime


class LookAfter(Job[Probe, Look, RouterHealth]):
    """Does it answer? Noted as up or down; the clock asks again, so a failure is an answer too."""

    task = Probe
    reads_only = repeatable = True

    def read(self, uow: UnitOfWork, task: Probe) -> Look | None:
        return Look(network.address_of(uow, network.router(uow, task.router_id)), uow.now)

    def act(self, world: World, plan: Look) -> RouterHealth:
        return world.hotspot.probe(plan.router, plan.now)

    def record(self, uow: UnitOfWork, task: Probe, plan: Look, result: RouterHealth) -> None:
        network.router_up(uow, task.router_id, result)

    def down(self, uow: UnitOfWork, task: Probe, plan: Look, error: GatewayDown) -> Decision:
        network.router_down(uow, task.router_id, str(error))
        return Verdict.DONE

    def refused(self, uow: UnitOfWork, task: Probe, plan: Look, error: GatewayRefused) -> Decision:
        network.router_down(uow, task.router_id, str(error))
        return Verdict.DONE


class KeepBackup(Job[BackUp, RouterAddress, str]):
    """Keep today's configuration. A router that is away is asked again when it is back, or tomorrow."""

    task = BackUp
    patient = False
    repeatable = True

    def read(self, uow: UnitOfWork, task: BackUp) -> RouterAddress | None:
        return network.address_of(uow, network.router(uow, task.router_id))

    def act(self, world: World, plan: RouterAddress) -> str:
        return world.hotspot.export(plan)

    def record(self, uow: UnitOfWork, task: BackUp, plan: RouterAddress, result: str) -> None:
        network.keep_backup(uow, network.router(uow, task.router_id), result)

    def down(self, uow: UnitOfWork, task: BackUp, plan: RouterAddress, error: GatewayDown) -> Decision:
        return Verdict.DONE

    def refused(self, uow: UnitOfWork, task: BackUp, plan: RouterAddress, error: GatewayRefused) -> Decision:
        uow.record("router.backup_refused", network.router(uow, task.router_id), why=str(error)[:200], code=error.code)
        return Verdict.DONE


ALL = (Sync(), LetIn(), PutOut(), Bring(), Lend(), LookAfter(), KeepBackup())
