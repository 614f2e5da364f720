"""`duka router grace`: a few slow minutes for a device whose owner pays by card (decision 21)."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import console
from cli.commands.customer import at
from cli.console import plain
from cli.shop import TenantOption, shop
from core import network, tenants


def grace(
    mac: Annotated[str, typer.Argument(help="Address of the device that waits: AA:BB:CC:DD:EE:FF.")],
    tenant: TenantOption = None,
) -> None:
    """Let a device that waits at a router on for the minutes it takes to pay by card. Once a day; it ends by itself."""
    with shop(tenant) as here, here.work() as uow:
        lent = network.lend_grace(uow, mac)
        place = network.router(uow, lent.router_id).name
        until = at(lent.ends_at, tenants.zone(here.tenant))
        console.good(f"{plain(lent.mac)} is let in at {plain(place)} within half a minute, until {until}")


def add_to(app: typer.Typer) -> None:
    """Make it a command of `duka router`."""
    app.command("grace")(grace)
