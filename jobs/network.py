"""Jobs about access: write the rows, let devices in, put them out, look after routers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core import network
from core.errors import GatewayDown, GatewayRefused
from core.network import AccessPlan, LoginPlan
from core.ports import ActiveRow, RouterAddress, RouterHealth, SessionRef, World
from core.tasks import LogIn, LogOut, Probe, SyncAccess
from core.uow import UnitOfWork
from jobs.job import Decision, Job, Verdict

TIME_TOLERANCE_SECONDS = 60
"""A running session whose end is off by more than this gets new limits."""


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
        return network.login_plan(uow, task.device_id, task.router_id)

    def act(self, world: World, plan: LoginPlan) -> ActiveRow | None:
        refresh = plan.session is not None and not plan.session_is_current
        row = world.hotspot.let_in(plan.router, plan.mac, refresh=refresh)
        if row is None or refresh or _fits(row, plan):
            return row
        if plan.session is not None and _bytes_fit(row, plan) and self._told_to_go_on(world, plan, plan.session):
            row = world.hotspot.let_in(plan.router, plan.mac)  # an ACK is not proof: look
            if row is None or _fits(row, plan):
                return row
        return world.hotspot.let_in(plan.router, plan.mac, refresh=True)

    def _told_to_go_on(self, world: World, plan: LoginPlan, session: SessionRef) -> bool:
        """A longer time is the one limit a router changes without interrupting anybody (radius.md §3)."""
        try:
            return world.coa.change(plan.router, session, rate=None, session_timeout_seconds=plan.seconds_left)
        except (GatewayDown, GatewayRefused):
            return False

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


def _bytes_fit(row: ActiveRow, plan: LoginPlan) -> bool:
    """A metered session must know a limit, and one close to what is left (traffic goes on while we look)."""
    return (row.limit_bytes_total is None) == (plan.bytes_left is None)


def _fits(row: ActiveRow, plan: LoginPlan) -> bool:
    if row.session_time_left_seconds is None:
        return False
    return abs(row.session_time_left_seconds - plan.seconds_left) <= TIME_TOLERANCE_SECONDS and _bytes_fit(row, plan)


@dataclass(frozen=True, slots=True)
class Leaving:
    """A session that must end."""

    router: RouterAddress
    mac: str
    session: SessionRef | None


class PutOut(Job[LogOut, Leaving, None]):
    """End a session, over the API; over RADIUS when the API cannot be reached."""

    task = LogOut
    reads_only = repeatable = True

    def read(self, uow: UnitOfWork, task: LogOut) -> Leaving | None:
        plan = network.logout_plan(uow, task.mac, task.router_id)
        return None if plan is None else Leaving(plan[0], task.mac, plan[1])

    def act(self, world: World, plan: Leaving) -> None:
        try:
            world.hotspot.throw_out(plan.router, plan.mac)
        except GatewayDown:
            if plan.session is None or not world.coa.disconnect(plan.router, plan.session):
                raise

    def down(self, uow: UnitOfWork, task: LogOut, plan: Leaving, error: GatewayDown) -> Decision:
        network.router_down(uow, task.router_id, str(error))
        return super().down(uow, task, plan, error)


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


ALL = (Sync(), LetIn(), PutOut(), LookAfter())
