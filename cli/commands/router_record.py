"""`duka router ping|show|edit|delete`: what we know of a router, and changing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from cli import console
from cli.commands.customer import at
from cli.console import plain
from cli.failures import Failed
from cli.shop import Shop, TenantOption, shop
from core import network, tenants
from core.findings import Verification
from core.network import Change, Layout, Router
from core.ports import RouterAddress
from core.texts import duration

Name = Annotated[str, typer.Argument(help="How we call it.")]
OUTAGES_SHOWN = 5


def ping(name: Name, tenant: TenantOption = None) -> None:
    """Try everything we need of it once, and say what to do about what is wrong. Status 1 when we could not work with it."""
    with shop(tenant) as here:
        with here.look() as uow:
            router = network.address_of(uow, network.find_router(uow, name))
        seen = look(here, router)
        note(here, router, seen)
        tell(seen)
        if seen.health is not None:
            console.good(
                f"{plain(name)} answers: RouterOS {plain(seen.health.version)} {plain(seen.health.board)}".rstrip()
            )
        if seen.blocked:
            raise typer.Exit(1)


def show(name: Name, tenant: TenantOption = None) -> None:
    """Everything on record about it, without its secrets, and its last outages."""
    with shop(tenant) as here, here.look() as uow:
        zone = tenants.zone(here.tenant)
        found = network.find_router(uow, name)
        tunnel = network.tunnel_of(uow, found)
        site = next((each.slug for each in tenants.sites(uow) if each.id == found.site_id), "")
        rows = [
            ("name", found.name), ("site", site), ("box", " ".join((found.board, found.version, found.serial)).strip()),
            ("API", f"{found.host}:{found.api_port}" + (" with TLS" if found.api_tls else "")),
            ("certificate", _pairs(found.certificate_sha256) or ("any" if found.api_tls else "")),
            ("user", found.username), ("RADIUS from", found.nas_address), ("orders to", f"port {found.coa_port}"),
            ("login page key", found.public_key),
            ("tunnel", f"{tunnel.kind}, {tunnel.address} {tunnel.public_key}".strip() if tunnel else "none"),
            *((f"layout: {key}", str(value)) for key, value in found.layout.model_dump(exclude_defaults=True).items()),
            ("state", _state(found, lambda moment: at(moment, zone))), ("trouble", found.trouble or ""),
        ]  # fmt: skip
        console.table(("what", "value"), [(plain(what), plain(value)) for what, value in rows if value])
        past = network.outages_of(uow, found, OUTAGES_SHOWN)
        if past:
            console.say("\nOutages")
            console.table(
                ("from", "until", "short returns", "customers", "time they lost"),
                [
                    (
                        at(each.began_at, zone), "…" if each.ended_at is None else at(each.ended_at, zone), each.flaps,
                        "?" if each.customers is None else each.customers,
                        "?" if each.lost_seconds is None else duration(each.lost_seconds),
                    )
                    for each in past
                ],
            )  # fmt: skip


def edit(
    name: Name,
    new_name: Annotated[str | None, typer.Option("--name", help="Call it so from now on.")] = None,
    host: Annotated[str | None, typer.Option(help="Address or name of its API.")] = None,
    api_port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
    tls: Annotated[bool | None, typer.Option("--tls/--no-tls", help="Speak TLS to the API.")] = None,
    user: Annotated[str | None, typer.Option(help="API user.")] = None,
    new_password: Annotated[bool, typer.Option("--password", help="Ask for a new password of the API user.")] = False,
    nas_address: Annotated[str | None, typer.Option(help="Where its RADIUS packets come from.")] = None,
    hotspot: Annotated[str | None, typer.Option(help="Name of its hotspot server; empty for all of them.")] = None,
    coa_port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
    wan: Annotated[
        str | None,
        typer.Option(help="Its interface towards the internet, where its own doors are closed; empty for none."),
    ] = None,
    ssid: Annotated[str | None, typer.Option(help="Name of its open Wi-Fi; empty to leave Wi-Fi alone.")] = None,
    dns_name: Annotated[str | None, typer.Option(help="Name of its login page; empty for none.")] = None,
    radius_address: Annotated[str | None, typer.Option(help="Where it finds our RADIUS.")] = None,
    accept_certificate: Annotated[bool, typer.Option(help="The certificate it shows now is the right one.")] = False,
    unverified: Annotated[bool, typer.Option(help="Save it although it does not answer so.")] = False,
    secrets_from_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
    tenant: TenantOption = None,
) -> None:
    """Change what we know of it. It is tried first with the new values, and nothing is saved when it does not work so."""
    change: Change = {}
    given = {
        "name": new_name, "host": host, "api_port": api_port, "api_tls": tls, "username": user, "nas_address": nas_address,
        "hotspot_server": hotspot, "coa_port": coa_port,
    }  # fmt: skip
    change.update({key: value for key, value in given.items() if value is not None})  # type: ignore[typeddict-item]
    if new_password:
        typed = console.ask_secret("DUKA_ROUTER_PASSWORD", "Password of the API user", from_stdin=secrets_from_stdin)
        assert typed is not None
        change["password"] = typed
    layout = {"wan_interface": wan, "ssid": ssid, "dns_name": dns_name, "radius_address": radius_address}
    with shop(tenant) as here:
        with here.look() as uow:
            before = network.find_router(uow, name)
            change["layout"] = _layout(before.layout, layout)
            router = network.address_of(uow, before)
        wanted = _as_changed(router, change, accept=accept_certificate)
        seen = look(here, wanted)
        tell(seen)
        if seen.blocked and not unverified:
            raise Failed("nothing was saved (--unverified saves it all the same)")
        with here.work() as uow:
            found = network.change_router(uow, network.find_router(uow, name), **change)
            if seen.health is not None:
                network.pin_certificate(uow, found, seen.certificate_sha256)
                network.router_up(uow, found.id, seen.health)
        console.good(f"{plain(found.name)} is changed")


def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    clean: Annotated[bool | None, typer.Option("--clean/--leave", help="Take what is ours off the box first.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Forget a router: RADIUS does not answer it any more. What is on the box stays there, unless --clean takes ours off it."""
    with shop(tenant) as here:
        with here.look() as uow:
            router = network.address_of(uow, network.find_router(uow, name))
        if not yes and not (console.interactive() and typer.confirm(f"Forget {name}?")):
            raise Failed("nothing was done: confirm, or say --yes")
        if clean is None:
            clean = console.interactive() and typer.confirm("Take what we made off the box too?", default=False)
        if clean:
            with console.out.status(f"cleaning {plain(name)} …"):
                gone, left = here.world.hotspot.clean(router)
            for line in gone:
                console.say(f"  removed {plain(line)}")
            for line in left:
                console.say(f"  [yellow]left[/] {plain(line)}")
        with here.work() as uow:
            network.remove_router(uow, network.find_router(uow, name))
        console.good(f"{plain(name)} is forgotten")
        if not clean:
            console.hint("on the box everything stays: what is ours carries a comment that begins with duka:")


def add_to(app: typer.Typer) -> None:
    """Put these under `duka router`."""
    for command in (ping, show, edit, delete):
        app.command(command.__name__)(command)
    app.command("remove", help="The same as `delete`.")(delete)


def look(here: Shop, router: RouterAddress) -> Verification:
    """Try it."""
    with console.out.status(f"asking {plain(router.name)} …"):
        return here.world.hotspot.verify(router, here.app.clock.now())


def tell(seen: Verification) -> None:
    """Every finding with what to do about it."""
    for finding in seen.findings:
        mark = "[red]✗[/]" if finding.blocks else "[yellow]![/]"
        console.say(f"{mark} {plain(finding.text)}")
        if finding.advice:
            console.hint(f"  {plain(finding.advice)}")


def note(here: Shop, router: RouterAddress, seen: Verification) -> None:
    """Put on record what came of trying a router that is known."""
    with here.work() as uow:
        if seen.health is None:
            network.router_down(uow, router.router_id, seen.findings[0].text)
            return
        network.router_up(uow, router.router_id, seen.health)
        if not router.certificate_sha256 and seen.certificate_sha256:
            pinned(seen)
            network.pin_certificate(uow, network.router(uow, router.router_id), seen.certificate_sha256)


def pinned(seen: Verification) -> None:
    """Say which certificate is the right one from now on."""
    console.say(f"its certificate, from now on the only one: {_pairs(seen.certificate_sha256)}")


def _pairs(sha256: str | None) -> str:
    return ":".join(sha256[at : at + 2] for at in range(0, len(sha256), 2)).upper() if sha256 else ""


def _as_changed(router: RouterAddress, change: Change, *, accept: bool) -> RouterAddress:
    known = {"name", "host", "api_port", "api_tls", "username", "password", "hotspot_server", "coa_port"}
    values: dict[str, Any] = {key: value for key, value in change.items() if key in known}
    wanted = replace(router, **values)
    elsewhere = (wanted.host, wanted.api_tls) != (router.host, router.api_tls)
    return replace(wanted, certificate_sha256="") if accept or elsewhere else wanted


def _layout(before: Layout, given: dict[str, str | None]) -> Layout:
    words = {
        key: value or (None if key in ("ssid", "dns_name") else "") for key, value in given.items() if value is not None
    }
    try:
        return Layout.model_validate(before.model_dump() | words)
    except ValidationError as error:
        what = error.errors()[0]
        named = str(what["loc"][0]).removesuffix("_interface").replace("_", "-")
        raise Failed(f"--{named}: {what['msg'].removeprefix('Value error, ')}") from error


def _state(found: Router, when: Callable[[datetime], str]) -> str:
    if found.up_at is None:
        return "never seen"
    if found.down_since is not None or found.up_since is None:
        return f"offline since {when(found.down_since or found.up_at)}"
    busy = [f"up {duration(found.uptime_seconds)}"] if found.uptime_seconds is not None else []
    busy += [f"{found.cpu_percent} % busy"] if found.cpu_percent is not None else []
    busy += [f"{found.active_count} online"] if found.active_count is not None else []
    return ", ".join([f"online since {when(found.up_since)}", *busy])
