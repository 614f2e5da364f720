"""`duka tunnel`: routers' ways to us through other people's networks."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cli import console
from cli.commands.router_record import look, tell
from cli.console import plain
from cli.failures import Failed
from cli.shop import OPERATOR, TenantOption, opened, shop
from core import network
from core.network import KINDS

app = typer.Typer(no_args_is_help=True, help="Tunnels of routers: add, show, use, remove, server-config.")
Name = Annotated[str, typer.Argument(help="The router.")]
Kind = Annotated[
    str | None,
    typer.Option(help="wireguard for RouterOS 7; l2tp (without a choice) or sstp for 6.", show_default=False),
]


@app.command("add")
def add(name: Name, kind: Kind = None, tenant: TenantOption = None) -> None:
    """Give a router an address of its own and keys; then `duka tunnel show` says what to paste into it."""
    if kind not in (None, *KINDS):
        raise Failed(f"--kind is one of {', '.join(KINDS)}")
    with shop(tenant) as here:
        with here.work() as uow:
            made = network.give_tunnel(uow, network.find_router(uow, name), kind)
            address = made.address
        console.good(f"{plain(name)} has the address {address}")
        for step in (f"duka tunnel show {name}", "duka tunnel server-config", f"duka tunnel use {name}"):
            console.hint(f"next: {plain(step)}")


@app.command("show")
def show(name: Name, tenant: TenantOption = None) -> None:
    """What to paste into the router's terminal. It holds the router's secrets."""
    with shop(tenant) as here:
        with here.work() as uow:
            tunnel = network.must_have_tunnel(uow, network.find_router(uow, name))
            server = network.tunnel_server(uow)
            lines = list(network.router_commands(tunnel, server, uow.installation))
            notes = list(network.server_notes(tunnel, uow.installation))
        for line in lines:
            console.say(plain(line))
        for note in notes:
            console.hint(plain(note))
        if tunnel.kind == "wireguard" and tunnel.private_key is None:
            console.hint("the router made its own key: add the lines only where they are missing")


@app.command("use")
def use(
    name: Name,
    unverified: Annotated[bool, typer.Option(help="Switch although nothing answers through it.")] = False,
    tenant: TenantOption = None,
) -> None:
    """From now on reach the router by its tunnel, and know its RADIUS by that address. It is tried first."""
    with shop(tenant) as here:
        with here.look() as uow:
            router = network.find_router(uow, name)
            address = network.must_have_tunnel(uow, router).address
            inside = network.server_address(uow)
            wanted = replace(network.address_of(uow, router), host=address, certificate_sha256="")
        seen = look(here, wanted)
        tell(seen)
        if seen.blocked and not unverified:
            raise Failed("nothing was changed (--unverified switches all the same)")
        with here.work() as uow:
            router = network.find_router(uow, name)
            layout = router.layout.model_copy(update={"radius_address": inside})
            network.change_router(uow, router, host=address, nas_address=address, layout=layout)
            if seen.health is not None:
                network.pin_certificate(uow, router, seen.certificate_sha256)
        console.good(f"{plain(name)} is reached at {address} now")
        console.hint(f"`duka router apply {plain(name)}` tells it to ask RADIUS through the tunnel too")


@app.command("remove")
def remove(name: Name, tenant: TenantOption = None) -> None:
    """Forget a router's tunnel. Our end closes when it is next written."""
    with shop(tenant) as here:
        with here.work() as uow:
            network.take_tunnel(uow, network.find_router(uow, name))
        console.good(f"{plain(name)} has no tunnel any more; write our end anew: `duka tunnel server-config`")


@app.command("server-config")
def server_config(
    folder: Annotated[Path, typer.Option(help="Where the files go.")] = Path("var/tunnel"),
) -> None:
    """Write our end: duka.conf for `wg-quick`, chap-secrets and the IPsec secret for L2TP. For all ISPs of this installation."""
    with opened() as application, application.work(None, OPERATOR) as uow:
        tunnels, ours = network.all_tunnels(uow), network.tunnel_server(uow)
        wireguard = network.wireguard_config(ours, tunnels, uow.installation)
        dialling, ipsec_secret = network.ppp_secrets(tunnels), ours.ipsec_secret
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(folder / "duka.conf", wireguard)
    console.good(f"{plain(folder / 'duka.conf')} is written")
    console.hint(f"once: wg-quick up {plain((folder / 'duka.conf').resolve())}")
    console.hint(f"later: wg syncconf duka <(wg-quick strip {plain((folder / 'duka.conf').resolve())})")
    if dialling:
        _replace(folder / "chap-secrets", dialling)
        _replace(folder / "ipsec.secrets", f'%any : PSK "{ipsec_secret}"\n')
        console.good(
            f"{plain(folder / 'chap-secrets')} and ipsec.secrets are written, for L2TP (xl2tpd, strongSwan) and SSTP"
        )


def _replace(path: Path, content: str) -> None:
    """Whole or not at all, and nobody else's to read."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    fresh.replace(path)
