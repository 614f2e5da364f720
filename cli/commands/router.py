"""`duka router`: the MikroTiks."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import replace
from typing import Annotated

import typer

from cli import console
from cli.commands import router_backup, router_grace, router_plan, router_record
from cli.commands.customer import at
from cli.console import plain
from cli.failures import Failed
from cli.shop import Shop, TenantOption, shop
from core import network, tenants
from core.errors import GatewayFailure
from core.findings import RouterHealth
from core.ports import RouterAddress
from core.texts import duration
from core.uow import UnitOfWork

SECRET_BYTES = 18

app = typer.Typer(no_args_is_help=True, help="The MikroTik routers: add, show, test, plan, apply, check, back up.")
router_plan.add_to(app)
router_record.add_to(app)
router_backup.add_to(app)
router_grace.add_to(app)
Name = Annotated[str, typer.Argument(help="How we call it.")]
RadiusAddress = Annotated[
    str | None, typer.Option("--radius-address", help="Where the router finds our RADIUS; radius.host by default.")
]


@app.command("add")
def add(
    name: Name,
    host: Annotated[str, typer.Option(help="Address or name of its API.")],
    user: Annotated[str, typer.Option(help="API user.")] = "duka",
    api_port: Annotated[int | None, typer.Option(min=1, max=65535, help="8729 with TLS, 8728 without.")] = None,
    tls: Annotated[bool, typer.Option(help="Speak TLS to the API.")] = True,
    nas_address: Annotated[
        str | None, typer.Option(help="Where its RADIUS packets come from; --host by default.")
    ] = None,
    hotspot: Annotated[str, typer.Option(help="Name of its hotspot server; all of them without.")] = "",
    coa_port: Annotated[int, typer.Option(min=1, max=65535, help="Where it hears changes of authorisation.")] = 3799,
    site: Annotated[str | None, typer.Option(help="Slug of the place it stands at; made when new.")] = None,
    set_up: Annotated[bool | None, typer.Option("--set-up/--no-set-up", help="Make it ask our RADIUS server.")] = None,
    radius_address: RadiusAddress = None,
    unverified: Annotated[bool, typer.Option(help="Keep it although it does not answer now.")] = False,
    secrets_from_stdin: Annotated[bool, typer.Option(help="Read the password from standard input.")] = False,
    tenant: TenantOption = None,
) -> None:
    """Register a router. The connection is tried first; the password comes from DUKA_ROUTER_PASSWORD, a prompt or stdin."""
    password = console.ask_secret("DUKA_ROUTER_PASSWORD", "Password of the API user", from_stdin=secrets_from_stdin)
    assert password is not None
    with shop(tenant) as here:
        wanted = RouterAddress(
            router_id=0, name=name, host=host, api_port=api_port or (8729 if tls else 8728), api_tls=tls, username=user,
            password=password, hotspot_server=hotspot, mac_auth_password=secrets.token_urlsafe(SECRET_BYTES),
            coa_port=coa_port, radius_secret=secrets.token_urlsafe(SECRET_BYTES),
        )  # fmt: skip
        seen = router_record.look(here, wanted)
        health = seen.health
        router_record.tell(replace(seen, findings=tuple(one for one in seen.findings if one.code != "set_up")))
        if seen.blocked and not unverified:
            raise Failed("nothing was saved (--unverified saves it all the same)")
        router = keep(
            here, replace(wanted, certificate_sha256=seen.certificate_sha256),
            nas_address=nas_address or _own_address(host), site=site, health=health, radius_address=radius_address or "",
        )  # fmt: skip
        if seen.certificate_sha256:
            router_record.pinned(seen)
        console.good(
            f"{plain(name)} is registered" + (f": {_about(health)}" if health else ", though it did not answer")
        )
        if health is None:
            return
        if set_up is None:
            set_up = console.interactive() and typer.confirm(
                "Make its hotspot ask our RADIUS server now?", default=True
            )
        if set_up:
            router_plan.carry_out(here, router)
            health = probe(here, router)
        _problems(health)
        if not set_up:
            console.hint(f"its hotspot does not ask us before `duka router apply {plain(name)}`")


@app.command("list")
def list_(tenant: TenantOption = None) -> None:
    """All routers, as they were when last looked at."""
    with shop(tenant) as here, here.look() as uow:
        zone = tenants.zone(here.tenant)
        rows = []
        for each in network.routers(uow):
            if each.up_at is None:
                state = "[yellow]never seen[/]"
            elif each.down_since is not None:
                state = f"[red]offline[/] since {at(each.down_since, zone)}"
            else:
                state = f"[green]online[/] since {at(each.up_since or each.up_at, zone)}"
            address = f"{each.host}:{each.api_port}"
            rows.append((plain(each.name), plain(address), plain(each.nas_address), state, plain(_trouble(each))))
    if not rows:
        console.say("there is no router yet: `duka router add`")
        return
    console.table(("name", "API", "RADIUS from", "state", "trouble"), rows)


def _trouble(each: network.Router) -> str:
    count = len(each.drift.splitlines()) if each.drift else 0
    differing = f"{count} difference{'s' if count > 1 else ''}: `duka router plan {each.name}`" if count else ""
    return "; ".join(part for part in (each.trouble, differing) if part)


@app.command("test")
def try_out(name: Name, tenant: TenantOption = None) -> None:
    """Talk to it now and say what in its set-up would keep paid customers out. Status 1 when something would."""
    with shop(tenant) as here:
        health = probe(here, found(here, name))
        console.good(f"{plain(name)}: {_about(health)}")
        if _problems(health):
            raise typer.Exit(1)


def keep(
    here: Shop, wanted: RouterAddress, *, nas_address: str, site: str | None = None, health: RouterHealth | None = None,
    radius_address: str = "",
) -> RouterAddress:  # fmt: skip
    """Put a router on record, with the secrets in `wanted`; how to reach it from now on."""
    with here.work() as uow:
        made = network.add_router(
            uow, name=wanted.name, host=wanted.host, username=wanted.username, password=wanted.password,
            nas_address=nas_address, site_id=_site(uow, site), api_port=wanted.api_port, api_tls=wanted.api_tls,
            hotspot_server=wanted.hotspot_server, coa_port=wanted.coa_port, radius_secret=wanted.radius_secret,
            mac_auth_password=wanted.mac_auth_password,
        )  # fmt: skip
        network.pin_certificate(uow, made, wanted.certificate_sha256)
        made.layout = made.layout.model_copy(update={"radius_address": radius_address})
        if health is not None:
            network.router_up(uow, made.id, health)
        return network.address_of(uow, made)


def probe(here: Shop, router: RouterAddress) -> RouterHealth:
    """Ask it, and note what came of it, as the clock does."""
    try:
        with console.out.status(f"asking {plain(router.name)} …"):
            health = here.world.hotspot.probe(router, here.app.clock.now())
    except GatewayFailure as error:
        with here.work() as uow:
            network.router_down(uow, router.router_id, str(error))
        raise
    with here.work() as uow:
        network.router_up(uow, router.router_id, health)
    return health


def found(here: Shop, name: str) -> RouterAddress:
    with here.look() as uow:
        return network.address_of(uow, network.find_router(uow, name))


def _own_address(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError as error:
        raise Failed(
            f"{host!r} is a name: say with --nas-address from which address its RADIUS packets come"
        ) from error


def _site(uow: UnitOfWork, slug: str | None) -> int | None:
    if slug is None:
        return None
    known = next((site for site in tenants.sites(uow) if site.slug == slug), None)
    return (known or tenants.add_site(uow, slug, slug)).id


def _about(health: RouterHealth) -> str:
    return (
        f"{plain(health.identity)}, RouterOS {plain(health.version)} {plain(health.board)}".rstrip()
        + f", up {duration(health.uptime_seconds)}, {health.active_count} online"
    )


def _problems(health: RouterHealth) -> bool:
    for problem in health.problems:
        console.say(f"[yellow]![/] {plain(problem)}")
    return bool(health.problems)
