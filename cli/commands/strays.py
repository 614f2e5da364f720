"""`duka router strays`: who is online without having bought, and how they come to be."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import console
from cli.console import plain
from cli.failures import Failed
from cli.shop import Shop, TenantOption, shop
from core import network
from core.network import Stray
from core.ports import RouterAddress
from core.texts import duration


def strays(
    name: Annotated[str, typer.Argument(help="The router.")],
    end: Annotated[int | None, typer.Option("--end", min=1, help="End this one of the list.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    tenant: TenantOption = None,
) -> None:
    """Sessions nobody bought, and what was made by hand on a router to let people in; one is ended by `--end N`."""
    with shop(tenant) as here:
        with here.look() as uow:
            router = network.address_of(uow, network.find_router(uow, name))
        found = _found(here, router)
        if not found:
            console.good(f"everybody who is online at {plain(name)} bought it")
            return
        if end is None:
            console.table(("", "what", "who", "where", "for", "evidence", "note"), _rows(found))
            console.hint(f"end one of them: `duka router strays {plain(name)} --end N`")
            return
        if end > len(found):
            raise Failed(f"there are {len(found)} of them")
        _end(here, router, found[end - 1], yes=yes)


def _found(here: Shop, router: RouterAddress) -> list[Stray]:
    with console.out.status(f"asking {plain(router.name)} …"):
        loose = here.world.strays.loose(router)
    with here.look() as uow:
        return network.strays(uow, loose)


def _rows(found: list[Stray]) -> list[tuple[str, ...]]:
    return [
        (
            str(number), one.what.kind, plain(one.what.name or one.what.mac), plain(one.what.address),
            "" if one.what.uptime_seconds is None else duration(one.what.uptime_seconds), plain(one.evidence),
            plain(one.what.note),
        )
        for number, one in enumerate(found, 1)
    ]  # fmt: skip


def _end(here: Shop, router: RouterAddress, one: Stray, *, yes: bool) -> None:
    about = f"{one.what.kind} {one.what.name or one.what.mac or one.what.address}"
    if not yes and not (console.interactive() and typer.confirm(f"{about}: {one.ending}. Go on?")):
        raise Failed(f"nothing was done to {about}: confirm, or say --yes")
    there = here.world.strays.end(router, one.what)
    with here.work() as uow:
        network.stray_ended(uow, network.router(uow, router.router_id), one.what)
    console.good(f"{plain(about)}: {one.ending}" if there else f"{plain(about)} was gone already")
