"""Jobs about what is set on routers: comparing them with their blueprints, and keeping their walled gardens."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from core import network
from core.blueprint import Blueprint
from core.errors import GatewayDown, GatewayRefused
from core.planning import Applied, RouterPlan
from core.ports import RouterAddress, World
from core.tasks import CheckRouter, TendGarden
from core.uow import UnitOfWork
from jobs.job import Decision, Job, Verdict

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Site:
    """A router and what should be on it."""

    router: RouterAddress
    blueprint: Blueprint


def _site(uow: UnitOfWork, router_id: int) -> Site | None:
    """None while nobody has said where it finds our RADIUS server: then nothing can be wanted of it."""
    found = network.router(uow, router_id)
    try:
        return Site(network.address_of(uow, found), network.blueprint_of(uow, found))
    except network.NoRadiusAddress:
        return None


def _alert(site: Site, drift: str | None) -> None:
    """Once per change, to whoever reads the log; `duka router plan` and the doctor say more."""
    name = site.router.name
    if drift is None:
        log.info("router.in_step", router=name)
    else:
        log.warning("router.drifted", router=name, differences=len(drift.splitlines()), first=drift.splitlines()[0])


class Compare(Job[CheckRouter, Site, RouterPlan]):
    """Is it as it should be? What differs is put on record once; the clock asks again, so a failure is an answer too."""

    task = CheckRouter
    reads_only = repeatable = True

    def read(self, uow: UnitOfWork, task: CheckRouter) -> Site | None:
        return _site(uow, task.router_id)

    def act(self, world: World, plan: Site) -> RouterPlan:
        return world.planner.plan(plan.router, plan.blueprint)

    def record(self, uow: UnitOfWork, task: CheckRouter, plan: Site, result: RouterPlan) -> None:
        if network.checked(uow, task.router_id, result):
            _alert(plan, result.drift)

    def down(self, uow: UnitOfWork, task: CheckRouter, plan: Site, error: GatewayDown) -> Decision:
        return Verdict.DONE

    def refused(self, uow: UnitOfWork, task: CheckRouter, plan: Site, error: GatewayRefused) -> Decision:
        if network.check_failed(uow, task.router_id, str(error)):
            _alert(plan, str(error))
        return Verdict.DONE


class Tend(Job[TendGarden, Site, Applied]):
    """Open and close what the settings say. A garden half tended is tended again."""

    task = TendGarden
    reads_only = repeatable = True

    def read(self, uow: UnitOfWork, task: TendGarden) -> Site | None:
        return _site(uow, task.router_id)

    def act(self, world: World, plan: Site) -> Applied:
        done = world.planner.tend(plan.router, plan.blueprint)
        if done.stopped:
            raise GatewayDown(done.stopped)
        return done

    def record(self, uow: UnitOfWork, task: TendGarden, plan: Site, result: Applied) -> None:
        network.tended(uow, task.router_id, result)


ALL = (Compare(), Tend())
