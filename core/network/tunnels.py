"""Routers' ways to us through other people's networks: an address for each, keys made here, and both ends in words.

WireGuard for RouterOS 7; for 6, which has none, L2TP in IPsec, or SSTP. The router's address in our records is then its inside
address, and RADIUS knows it by that (radius.md §4.6).
"""

from __future__ import annotations

import base64
import ipaddress
import secrets
from collections.abc import Iterator
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import select

from core.blueprint import Installation
from core.errors import Refusal
from core.network.actions import add_router
from core.network.models import Router, Tunnel, TunnelServer
from core.roles import Can, requires, system_only
from core.uow import UnitOfWork

WIREGUARD, L2TP, SSTP = "wireguard", "l2tp", "sstp"
KINDS = (WIREGUARD, L2TP, SSTP)
KEY_BYTES, PASSWORD_BYTES = 32, 18
KEEPALIVE_SECONDS = 25
ROUTER_LISTENS_AT = 13231


class NoTunnels(Refusal):
    """Nobody said yet how routers reach our end: set tunnel.host in config.toml."""


class NoTunnel(Refusal):
    """This router has no tunnel."""


class TunnelExists(Refusal):
    """This router has a tunnel already."""


class SubnetFull(Refusal):
    """Every address of tunnel.subnet is given out."""


class NoWireGuard(Refusal):
    """RouterOS 6 has no WireGuard: give it a tunnel of kind l2tp or sstp."""


class BadKey(Refusal):
    """This is not a WireGuard key."""


class KeyPair(NamedTuple):
    """A WireGuard key and its public half, as both ends write them."""

    private: str
    public: str

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r})"


def new_keys() -> KeyPair:
    """X25519, base64 (wireguard.com/protocol)."""
    key = X25519PrivateKey.generate()
    private, public = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    return KeyPair(base64.b64encode(private).decode(), base64.b64encode(public).decode())


@requires(Can.MANAGE_ROUTERS)
def add_tunnelled_router(
    uow: UnitOfWork, *, name: str, username: str, password: str, site_id: int | None = None, kind: str = WIREGUARD,
    api_port: int = 8728, api_tls: bool = False,
) -> Router:  # fmt: skip
    """Register a router that will reach us by a tunnel only: its address is known before it is switched on."""
    address = _free_address(uow)
    made = add_router(
        uow, name=name, host=address, username=username, password=password, nas_address=address, site_id=site_id,
        api_port=api_port, api_tls=api_tls,
    )  # fmt: skip
    _keep(uow, made, kind, address)
    made.layout = made.layout.model_copy(update={"radius_address": server_address(uow)})
    return made


@requires(Can.MANAGE_ROUTERS)
def give_tunnel(uow: UnitOfWork, router: Router, kind: str | None = None) -> Tunnel:
    """Give a router that is reached otherwise a tunnel. Its addresses stay what they are until `duka tunnel use`.

    Without a `kind` it is WireGuard, or L2TP when the router was seen to run RouterOS 6.
    """
    if tunnel_of(uow, router) is not None:
        raise TunnelExists(router=router.name)
    is_six = router.version.startswith("6.")
    if is_six and kind == WIREGUARD:
        raise NoWireGuard(router=router.name, version=router.version)
    return _keep(uow, router, kind or (L2TP if is_six else WIREGUARD), _free_address(uow))


def _keep(uow: UnitOfWork, router: Router, kind: str, address: str) -> Tunnel:
    assert kind in KINDS
    tunnel_server(uow)
    made = Tunnel(router_id=router.id, kind=kind, address=address, made_at=uow.now)
    _let_in(made)
    uow.add(made)
    uow.record("tunnel.made", router, kind=kind, address=address)
    return made


def _let_in(made: Tunnel) -> None:
    """Keys or an account, as its kind wants."""
    if made.kind == WIREGUARD:
        made.private_key, made.public_key = new_keys()
    else:
        made.username, made.password = f"duka-{made.router_id}", secrets.token_urlsafe(PASSWORD_BYTES)


@system_only
def tunnel_as(uow: UnitOfWork, router: Router, kind: str) -> Tunnel:
    """The router's tunnel, from now on of this kind; its address stays. For a box that says only now what it can."""
    assert kind in KINDS
    tunnel = must_have_tunnel(uow, router)
    if tunnel.kind != kind:
        tunnel.kind, tunnel.public_key, tunnel.private_key, tunnel.username, tunnel.password = kind, "", None, "", None
        _let_in(tunnel)
        uow.record("tunnel.made", router, kind=kind, address=tunnel.address)
    return tunnel


@requires(Can.MANAGE_ROUTERS)
def take_tunnel(uow: UnitOfWork, router: Router) -> None:
    """A router's tunnel is closed when our end is next written. Refused while the router is only known by its address."""
    tunnel = must_have_tunnel(uow, router)
    if tunnel.address in (router.host, router.nas_address):
        raise TunnelInUse(router=router.name, address=tunnel.address)
    uow.session.delete(tunnel)
    uow.record("tunnel.removed", router, address=tunnel.address)


class TunnelInUse(Refusal):
    """The router is reached by this tunnel: give it another address first (`duka router edit --host --nas-address`)."""


@system_only
def tunnel_key_learned(uow: UnitOfWork, router: Router, public_key: str) -> None:
    """The router made a key of its own and told its public half: the one we made for it is forgotten."""
    try:
        if len(base64.b64decode(public_key, validate=True)) != KEY_BYTES:
            raise ValueError(public_key)
    except ValueError as error:
        raise BadKey(key=public_key[:44]) from error
    tunnel = must_have_tunnel(uow, router)
    if tunnel.public_key != public_key:
        tunnel.public_key, tunnel.private_key = public_key, None
        uow.record("tunnel.key_learned", router, public_key=public_key)


@system_only
def tunnel_of(uow: UnitOfWork, router: Router) -> Tunnel | None:
    """The router's tunnel."""
    return uow.session.scalar(select(Tunnel).where(Tunnel.router_id == router.id))


@system_only
def must_have_tunnel(uow: UnitOfWork, router: Router) -> Tunnel:
    """The router's tunnel. Refuses when it has none."""
    found = tunnel_of(uow, router)
    if found is None:
        raise NoTunnel(router=router.name)
    return found


@system_only
def tunnel_server(uow: UnitOfWork) -> TunnelServer:
    """Our end; made when it is first asked for."""
    known = uow.session.get(TunnelServer, 1)
    if known is not None:
        return known
    keys = new_keys()
    made = TunnelServer(
        id=1, private_key=keys.private, public_key=keys.public, ipsec_secret=secrets.token_urlsafe(PASSWORD_BYTES),
        made_at=uow.now,
    )  # fmt: skip
    return uow.add(made)


@system_only
def server_address(uow: UnitOfWork) -> str:
    """Our address inside all tunnels: the first of the subnet."""
    return str(next(ipaddress.IPv4Network(uow.installation.tunnel_subnet).hosts()))


@system_only
def all_tunnels(uow: UnitOfWork) -> list[Tunnel]:
    """Every tunnel of this installation, for our end of them; in a visit of a tenant only its own."""
    return list(uow.session.scalars(select(Tunnel).order_by(Tunnel.id)))


def _free_address(uow: UnitOfWork) -> str:
    """The lowest address nobody has. Who is quicker wins: the table's rule refuses the other."""
    if not uow.installation.tunnel_host:
        raise NoTunnels
    uow.session.flush()
    given = set(uow.connection.execute(select(Tunnel.address)).scalars())  # everybody's: the subnet is one
    hosts = ipaddress.IPv4Network(uow.installation.tunnel_subnet).hosts()
    next(hosts)
    free = next((str(host) for host in hosts if str(host) not in given), None)
    if free is None:
        raise SubnetFull(subnet=uow.installation.tunnel_subnet)
    return free


def wireguard_config(ours: TunnelServer, tunnels: list[Tunnel], here: Installation) -> str:
    """Our end as `wg-quick` reads it. Contains our private key."""
    subnet = ipaddress.IPv4Network(here.tunnel_subnet)
    lines = [
        "# Written by `duka tunnel server-config`; changes are lost with the next time.",
        "[Interface]",
        f"Address = {next(subnet.hosts())}/{subnet.prefixlen}",
        f"ListenPort = {here.tunnel_port}",
        f"PrivateKey = {ours.private_key}",
    ]
    for tunnel in tunnels:
        if tunnel.kind == WIREGUARD:
            lines += ["", "[Peer]", f"PublicKey = {tunnel.public_key}", f"AllowedIPs = {tunnel.address}/32"]
    return "\n".join(lines) + "\n"


def ppp_secrets(tunnels: list[Tunnel]) -> str:
    """The dial-in accounts as pppd reads them (`chap-secrets`): who, at which server, password, address."""
    dialling = (tunnel for tunnel in tunnels if tunnel.kind != WIREGUARD)
    return "".join(f'"{one.username}" * "{one.password}" {one.address}\n' for one in dialling)


def server_notes(tunnel: Tunnel, here: Installation) -> Iterator[str]:
    """What else a dial-in tunnel needs, at both ends: WireGuard's is all in the lines and the file."""
    server = next(ipaddress.IPv4Network(here.tunnel_subnet).hosts())
    if tunnel.kind == L2TP:
        yield f"our end: xl2tpd with strongSwan at {here.tunnel_host}, UDP 500, 4500 and 1701 open"
    if tunnel.kind == SSTP:
        yield f"our end: an SSTP server (accel-ppp) at {here.tunnel_host}, TCP 443 open, with a certificate for that name"
        yield (
            "RouterOS 6 brings no certificate authorities: import the one behind our certificate first, or it never connects: "
            '/certificate import file-name=ca.pem passphrase=""'
        )
    if tunnel.kind != WIREGUARD:
        yield (
            f"its own address in there is {server}; accounts and their fixed addresses are in chap-secrets, "
            "which `duka tunnel server-config` writes; mschap2 only"
        )


def router_commands(tunnel: Tunnel, ours: TunnelServer, here: Installation) -> Iterator[str]:
    """The router's end, as lines for its terminal. They contain its secrets."""
    subnet = ipaddress.IPv4Network(here.tunnel_subnet)
    server = next(subnet.hosts())
    if tunnel.kind == WIREGUARD:
        key = f' private-key="{tunnel.private_key}"' if tunnel.private_key else ""
        yield (
            f"/interface/wireguard/add name=duka-wg listen-port={ROUTER_LISTENS_AT}{key} comment=duka:tunnel disabled=no"
        )
        yield (
            f'/interface/wireguard/peers/add interface=duka-wg public-key="{ours.public_key}" '
            f"endpoint-address={here.tunnel_host} endpoint-port={here.tunnel_port} allowed-address={server}/32 "
            f"persistent-keepalive={KEEPALIVE_SECONDS}s comment=duka:tunnel disabled=no"
        )
        yield f"/ip/address/add address={tunnel.address}/32 network={server} interface=duka-wg comment=duka:tunnel disabled=no"
    elif tunnel.kind == L2TP:
        yield (
            f"/interface l2tp-client add name=duka-l2tp connect-to={here.tunnel_host} user={tunnel.username} "
            f'password="{tunnel.password}" use-ipsec=yes ipsec-secret="{ours.ipsec_secret}" allow=mschap2 '
            "add-default-route=no comment=duka:tunnel disabled=no"
        )
    else:
        yield (
            f"/interface sstp-client add name=duka-sstp connect-to={here.tunnel_host} user={tunnel.username} "
            f'password="{tunnel.password}" authentication=mschap2 verify-server-certificate=yes '
            "add-default-route=no comment=duka:tunnel disabled=no"
        )
