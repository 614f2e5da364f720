"""`duka router install`: a bare box becomes a shop by one pasted line."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

import typer
from pydantic import ValidationError

from cli import console
from cli.commands.customer import at
from cli.console import plain
from cli.failures import Failed
from cli.shop import TenantOption, shop
from core import network, tenants
from core.network import Layout, NoSuchRouter, Router
from core.uow import UnitOfWork

USER, PASSWORD_BYTES = "duka", 18
BOX: Final = "box"


def install(
    name: Annotated[str, typer.Argument(help="How we call it; the box will carry this name.")],
    site: Annotated[str, typer.Option(help="Slug of the place it stands at; made when new.")],
    ssid: Annotated[str | None, typer.Option(help="Name of the open Wi-Fi; without, Wi-Fi is left alone.")] = None,
    wan: Annotated[
        str, typer.Option(help="The port that leads to the internet; it asks for its address there.")
    ] = "ether1",
    lan: Annotated[
        str | None, typer.Option(help="The box's address for customers, with its prefix: 10.20.0.1/16.")
    ] = None,
    hours: Annotated[int, typer.Option(min=1, max=168, help="How long the line works.")] = 24,
    tenant: TenantOption = None,
) -> None:
    """Make a factory-reset MikroTik a shop: prints the one line to paste into its terminal. Repeated, it prints a new one."""
    with shop(tenant) as here:
        with here.work() as uow:
            made = _record(uow, name, site, _layout(ssid, wan, lan))
            token, expires_at = network.invite(uow, made, hours=hours)
        base = f"{here.app.installation.portal_url}/install/{token}"
        until = at(expires_at, tenants.zone(here.tenant))
    console.good(f"{plain(name)} is expected; the line works for one box, until {until}")
    console.say()
    lines = here.app.router_scripts
    if base.startswith("https:"):
        console.say("RouterOS 7.19 and newer:")
        _show(lines.line(base, wan, believes=False))
        console.say("RouterOS 6.49, and 7 before 7.19:")
        _show(lines.line(base, wan, believes=True))
        console.hint(
            "The first line checks who answers. For that the box must know what time it is: fresh from its box it may show 1970 "
            "(`/system clock print`); on the internet it finds out within a minute or two. When it says that a certificate is not "
            "yet valid, wait and paste again. The second line believes whoever answers, so paste it on a line you trust."
        )
    else:
        console.say("RouterOS 6.49 and 7:")
        _show(lines.line(base, wan, believes=True))
        console.hint("public_url in config.toml is not https, so passwords travel in clear: for trying out only")
    console.say("1. Let its tunnel in at our end: `duka tunnel server-config` (for RouterOS 6 once more after step 2).")
    console.say(
        "2. Paste the line into the box's terminal (Winbox, SSH). The connection may end; nothing more has to be typed."
    )
    console.say("3. Give the box's `admin` a password. A minute later `duka router list` says that it is online.")


def _show(line: str) -> None:
    console.say()
    console.say(f"  {plain(line)}")
    console.say()


def _layout(ssid: str | None, wan: str, lan: str | None) -> Layout:
    try:
        return Layout(scope=BOX, wan_interface=wan, lan_address=lan, ssid=ssid)
    except ValidationError as error:
        what = error.errors()[0]
        named = {"ssid": "--ssid", "wan_interface": "--wan", "lan_address": "--lan"}
        option = named.get(str(what["loc"][0]), "this")
        raise Failed(f"{option}: {what['msg'].removeprefix('Value error, ')}") from error


def _record(uow: UnitOfWork, name: str, site: str, layout: Layout) -> Router:
    """The router of this name, made when new. One that was registered by hand stays as it is."""
    slugs = {each.slug: each.id for each in tenants.sites(uow)}
    site_id = slugs.get(site) or tenants.add_site(uow, site, site).id
    try:
        known = network.find_router(uow, name)
    except NoSuchRouter:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        known = network.add_tunnelled_router(uow, name=name, username=USER, password=password, site_id=site_id)
    else:
        if known.layout.scope != BOX:
            raise Failed(
                f"{name} is registered already, and its network is its owner's: `duka router remove {name}` first"
            )
    kept = layout.model_dump(exclude={"radius_address"}) | {"radius_address": known.layout.radius_address}
    known.layout, known.site_id = Layout.model_validate(kept), site_id
    return known
