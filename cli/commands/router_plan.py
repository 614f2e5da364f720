"""`duka router plan|apply|check|repair|garden`: what should be on a router, and making it so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from cli import console
from cli.commands.router_backup import back_up
from cli.console import plain
from cli.failures import Failed, first_line
from cli.shop import Shop, TenantOption, shop
from core import network
from core.blueprint import Blueprint
from core.errors import GatewayDown, GatewayFailure, GatewayRefused
from core.planning import Applied, RouterPlan
from core.ports import RouterAddress

Name = Annotated[str, typer.Argument(help="How we call it.")]
SHADES = {"ours": "[green]ours[/]", "yours": "yours", "missing": "[red]missing[/]"}


def plan(name: Name, tenant: TenantOption = None) -> None:
    """Say what `apply` would do. Changes nothing. Status 1 when there is anything to do."""
    with shop(tenant) as here:
        router, blueprint = site(here, name)
        with console.out.status(f"reading {plain(name)} …"):
            found = here.world.planner.plan(router, blueprint)
        if _told(name, found):
            raise typer.Exit(1)


def check(name: Name, tenant: TenantOption = None) -> None:
    """Compare it with what should be on it and note the difference, as the clock does. Status 1 when there is one."""
    with shop(tenant) as here:
        router, blueprint = site(here, name)
        try:
            with console.out.status(f"reading {plain(name)} …"):
                found = here.world.planner.plan(router, blueprint)
        except GatewayDown:
            raise
        except GatewayFailure as error:
            with here.work() as uow:
                network.check_failed(uow, router.router_id, first_line(error))
            raise
        with here.work() as uow:
            network.checked(uow, router.router_id, found)
        if _told(name, found):
            raise typer.Exit(1)


def apply(name: Name, tenant: TenantOption = None) -> None:
    """Bring it to what should be on it, step by step. Only what is ours is changed; harmless to repeat at any point."""
    with shop(tenant) as here:
        router, _ = site(here, name)
        result = carry_out(here, router)
        if not result.done:
            console.good("nothing had to be changed")
        for each in result.collisions:
            console.say(f"[yellow]![/] {plain(each)}")
        if result.collisions:
            raise typer.Exit(1)


def garden(name: Name, tenant: TenantOption = None) -> None:
    """Its walled garden: where phones may go before anybody paid, and whose doing each entry is."""
    with shop(tenant) as here:
        router, blueprint = site(here, name)
        with console.out.status(f"reading {plain(name)} …"):
            entries = here.world.planner.garden(router, blueprint)
    if not entries:
        console.say("nothing is open")
        return
    rows = [(SHADES[each.whose], plain(each.place), plain(each.port), plain(each.why)) for each in entries]
    console.table(("whose", "where to", "port", "why"), rows)


def add_to(app: typer.Typer) -> None:
    """Put these under `duka router`."""
    for command in (plan, apply, check, garden):
        app.command(command.__name__)(command)
    app.command("repair", help="Mend what `check` found: the same as `apply`.")(apply)


def carry_out(here: Shop, router: RouterAddress) -> Applied:
    """Keep what is on it before its first change, then bring it to its blueprint and tell every step."""
    with here.look() as uow:
        found = network.router(uow, router.router_id)
        first = found.applied_at is None and not network.backups_of(uow, found)
    if first:
        try:
            back_up(here, router)
        except GatewayRefused as error:
            console.say(f"[yellow]![/] there is no backup from before the first change: {plain(first_line(error))}")
    return bring(here, router, lambda line: console.say(f"  {plain(line)}"))


def bring(here: Shop, router: RouterAddress, tell: Callable[[str], None] = lambda _: None) -> Applied:
    """Bring a router to its blueprint, and put on record how far it got. `Failed` when it stopped."""
    with here.look() as uow:
        blueprint = network.blueprint_of(uow, network.router(uow, router.router_id))
    with console.out.status(f"setting up {plain(router.name)} …"):
        result = here.world.planner.apply(router, blueprint, tell)
    with here.work() as uow:
        network.applied(uow, router.router_id, result)
    if result.stopped:
        raise Failed(
            f"{result.stopped}; {len(result.left)} changes are left: `duka router apply {router.name}` goes on"
        )
    return result


def site(here: Shop, name: str) -> tuple[RouterAddress, Blueprint]:
    """How to reach a router, and what should be on it."""
    with here.look() as uow:
        found = network.find_router(uow, name)
        return network.address_of(uow, found), network.blueprint_of(uow, found)


def _told(name: str, found: RouterPlan) -> bool:
    """Say it. True when there was anything to say."""
    for line in found.steps:
        console.say(f"  {plain(line)}")
    for each in found.collisions:
        console.say(f"[yellow]![/] {plain(each)}")
    if found.in_step:
        console.good(f"{plain(name)} is as it should be")
    elif found.steps:
        risky = f", {found.risky} of them could cut our connection and come last" if found.risky else ""
        console.say(f"{len(found.steps)} changes{risky}: `duka router apply {plain(name)}`")
    return not found.in_step
