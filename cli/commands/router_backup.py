"""`duka router backup|backups|diff`: what a router's configuration was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from cli import console
from cli.commands.customer import at
from cli.console import plain
from cli.failures import Failed
from cli.shop import Shop, TenantOption, shop
from core import network, tenants
from core.ports import RouterAddress

Name = Annotated[str, typer.Argument(help="How we call it.")]
Number = Annotated[int | None, typer.Argument(help="Which backup, by its number.")]


def backup(
    name: Name,
    to: Annotated[
        Path | None, typer.Option(help="Write a kept one into this file instead, readable by you only.")
    ] = None,
    number: Annotated[int | None, typer.Option(help="Which one to write; the latest without.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Keep its configuration as it is now. What is kept may hold passwords: it is sealed here, and --to writes it in clear."""
    with shop(tenant) as here:
        if to is None:
            with here.look() as uow:
                router = network.address_of(uow, network.find_router(uow, name))
            back_up(here, router)
            return
        with here.look() as uow:
            content = network.backup(uow, network.find_router(uow, name), number).content
        write_private(to, content)
        console.good(f"written to {plain(to)}; it may hold passwords")


def backups(name: Name, tenant: TenantOption = None) -> None:
    """What is kept of it, latest first. The same configuration is kept once."""
    with shop(tenant) as here, here.look() as uow:
        zone = tenants.zone(here.tenant)
        rows = [
            (each.id, at(each.taken_at, zone), plain(each.board), plain(each.version), f"{len(each.content):,}")
            for each in network.backups_of(uow, network.find_router(uow, name))
        ]
    if not rows:
        console.say(f"there is none yet: `duka router backup {plain(name)}`")
        return
    console.table(("number", "seen last", "board", "RouterOS", "characters"), rows)


def diff(name: Name, old: Number = None, new: Number = None, tenant: TenantOption = None) -> None:
    """What differs between two backups, by default the last two. Secrets are covered."""
    with shop(tenant) as here, here.look() as uow:
        router = network.find_router(uow, name)
        kept = list(network.backups_of(uow, router))
        after = network.backup(uow, router, new) if new is not None else (kept[0] if kept else None)
        before = network.backup(uow, router, old) if old is not None else (kept[1] if len(kept) > 1 else None)
        if before is None or after is None:
            raise Failed("there are no two different ones yet")
        lines = network.difference(before, after)
    for line in lines or ["no difference"]:
        shade = {"+": "green", "-": "red"}.get(line[:1])
        console.say(f"[{shade}]{plain(line)}[/]" if shade else plain(line))


def add_to(app: typer.Typer) -> None:
    """Put these under `duka router`."""
    for command in (backup, backups, diff):
        app.command(command.__name__)(command)


def back_up(here: Shop, router: RouterAddress) -> None:
    """Ask it for its configuration, and keep that."""
    with console.out.status(f"asking {plain(router.name)} for its configuration …"):
        content = here.world.hotspot.export(router)
    with here.work() as uow:
        kept = network.keep_backup(uow, network.router(uow, router.router_id), content)
        console.good(f"backup {kept.id} of {plain(router.name)} is kept, {len(content):,} characters")


def write_private(path: Path, content: str) -> None:
    """A new file for this user only. Refuses one that is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Failed(f"{path} is there already") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
