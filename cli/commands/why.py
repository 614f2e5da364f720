"""`duka why`: why is somebody not online?"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from cli import console
from cli.console import plain
from cli.failures import first_line
from cli.shop import Shop, TenantOption, shop
from core import customers, diagnosis, network
from core.blueprint import Blueprint
from core.diagnosis import Check, Place, Sight
from core.errors import GatewayFailure, Refusal
from core.planning import MISSING
from core.ports import RouterAddress

LETS_IN = frozenset({"/radius", "/radius/incoming", "/ip/hotspot", "/ip/hotspot/profile", "/ppp/aaa"})
"""Menus of a router in which a difference keeps people out who have paid."""
MARKS = {"yes": "[green]yes[/]", "no": "[red]no[/]", "unknown": "[yellow]?[/]"}


def why(
    who: Annotated[str, typer.Argument(help="A phone number, a device's address (MAC), or a login.")],
    tenant: TenantOption = None,
) -> None:
    """Why somebody is not online: ordered checks, the first no is the cause. Asks the routers they may be at."""
    with shop(tenant) as here:
        with here.look() as uow:
            case = diagnosis.case_of(uow, who)
        checks = diagnosis.judge(case, sights(here, case.places))
    console.say(
        f"{plain(case.shown)}" + (f", {plain(case.name.user)}" if case.name and case.name.user != case.shown else "")
    )
    console.table(("", "", "found"), [_row(check) for check in checks])
    first = diagnosis.cause(checks)
    if first is None:
        console.good("nothing is known to be wrong")
        return
    console.say(f"[red]✗[/] {plain(first.found)}")
    console.say(f"  {plain(first.advice)}")


def sights(here: Shop, places: tuple[Place, ...]) -> list[Sight]:
    """What these routers say now; and which devices that wait there are nobody's."""
    asked = []
    for place in places:
        with here.look() as uow:
            router = network.router(uow, place.router_id)
            address, plan = network.address_of(uow, router), network.blueprint_of(uow, router)
        with console.out.status(f"asking {plain(place.name)} …"):
            asked.append(_ask(here, place, address, plan))
    with here.look() as uow:
        return [
            replace(
                sight, strangers=tuple(host.mac for host in sight.waiting if customers.owner_of(uow, host.mac) is None)
            )
            for sight in asked
        ]


def _ask(here: Shop, place: Place, address: RouterAddress, plan: Blueprint) -> Sight:
    hotspot = here.world.hotspot
    try:
        health = hotspot.probe(address, here.app.clock.now())
        waiting, online = hotspot.waiting(address), hotspot.online(address)
        blocked = hotspot.shut_out(address)
        garden = here.world.planner.garden(address, plan)
        steps = here.world.planner.plan(address, plan).steps
    except (GatewayFailure, Refusal) as error:
        return Sight(place, trouble=first_line(error))
    closed = tuple(entry.place for entry in garden if entry.whose == MISSING)
    return Sight(
        place, health=health, waiting=tuple(waiting), online=tuple(online), closed=closed, blocked=tuple(blocked),
        differs=tuple(step for step in steps if step.split()[0].rstrip(":") in LETS_IN),
    )  # fmt: skip


def _row(check: Check) -> tuple[str, str, str]:
    return check.key, MARKS[check.answer], plain(check.found)
