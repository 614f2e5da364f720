"""What should be on a router, computed from our records, and what came of comparing it."""

from __future__ import annotations

import ipaddress

from core import tenants
from core.blueprint import ApiUser, Blueprint, DialIn, Lan, Lines, RadiusClient, Scope, Tunnel, WireGuard
from core.errors import Refusal
from core.network import tunnels
from core.network.actions import router
from core.network.models import Router
from core.network.openings import openings
from core.planning import Applied, RouterPlan
from core.roles import system_only
from core.texts import one_line
from core.uow import UnitOfWork

ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 (recognised in order to be refused)
LINES_ADDRESS, LINES_POOL = "10.30.0.1", "10.30.0.2-10.30.255.254"
WALLED_POOLS = ("10.31.0.2-10.31.63.254", "10.31.64.2-10.31.127.254", "10.31.128.2-10.31.191.254")
"""Of lines that have expired, are suspended, or have used up their data."""
PAGES = "duka"
"""The directory of our login page on a router; the one it came with stays as it is."""
DRIFT_LENGTH_MAX = 8000


class NoRadiusAddress(Refusal):
    """Nobody said where this router finds our RADIUS server: radius.host stands for every address."""


@system_only
def blueprint_of(uow: UnitOfWork, what: Router) -> Blueprint:
    """Everything that should be on this router. Refuses when it could not find our RADIUS server."""
    here, layout = uow.installation, what.layout
    settings = tenants.settings_of(uow)
    scope = Scope(layout.scope)
    site = next((site.slug for site in tenants.sites(uow) if site.id == what.site_id), "")
    radius_host = layout.radius_address or here.radius_host
    if radius_host in ANYWHERE:
        raise NoRadiusAddress(router=what.name)
    tunnel = _tunnel(uow, what)
    return Blueprint(
        router_id=what.id,
        name=what.name,
        site=site,
        public_key=what.public_key,
        scope=scope,
        radius=RadiusClient(
            host=radius_host, auth_port=here.auth_port, acct_port=here.acct_port, secret=what.radius_secret,
            mac_auth_password=what.mac_auth_password, coa_port=what.coa_port,
            src_address=what.nas_address if tunnel or what.nas_address != what.host else "",
            interim_seconds=settings.interim_seconds,
        ),
        portal_url=here.portal_url,
        hotspot_server=what.hotspot_server,
        api=ApiUser(what.username, what.password, _sources(radius_host), what.api_port, what.api_tls),
        tunnel=tunnel,
        wan_interface=layout.wan_interface,
        lan=_lan(what) if scope is Scope.BOX else None,
        ssid=layout.ssid or "",
        lines=Lines(LINES_ADDRESS, LINES_POOL, *WALLED_POOLS) if layout.lines else None,
        pages=PAGES if site and (scope is Scope.BOX or layout.login_page) else "",
        garden=openings(here.portal_url, settings.companies, settings.garden_extra),
        dns_servers=settings.dns_servers,
        ntp_servers=settings.ntp_servers,
        shop=tenants.current(uow).name,
        language=tenants.current(uow).language,
        service_code=(settings.africastalking and settings.africastalking.service_code) or "",
    )  # fmt: skip


@system_only
def checked(uow: UnitOfWork, router_id: int, plan: RouterPlan) -> bool:
    """It was compared with its blueprint. A difference is put on record once, when it comes and when it goes: then True."""
    found = router(uow, router_id)
    drift = plan.drift and plan.drift[:DRIFT_LENGTH_MAX]
    found.checked_at = uow.now
    if drift == found.drift:
        return False
    if drift is None:
        uow.record("router.in_step", found)
    else:
        uow.record("router.drifted", found, differences=drift.splitlines())
    found.drift_since = None if drift is None else found.drift_since or uow.now
    found.drift = drift
    return True


@system_only
def applied(uow: UnitOfWork, router_id: int, result: Applied) -> None:
    """It was brought to its blueprint, wholly or as far as it went."""
    found = router(uow, router_id)
    plan = RouterPlan(found.version, found.board, result.left, result.collisions)
    if result.done or result.stopped:
        uow.record("router.applied", found, done=list(result.done), left=list(result.left), stopped=result.stopped)
    checked(uow, router_id, plan)
    if not result.stopped:
        found.applied_at = uow.now


@system_only
def tended(uow: UnitOfWork, router_id: int, result: Applied) -> None:
    """Its walled garden is as the settings say."""
    if result.done:
        uow.record("router.garden", router(uow, router_id), done=list(result.done))


@system_only
def check_failed(uow: UnitOfWork, router_id: int, why: str) -> bool:
    """It answers, and could not be compared. That is put on record like a difference."""
    found = router(uow, router_id)
    return checked(uow, router_id, RouterPlan(found.version, found.board, collisions=(one_line(why, 200),)))


def _lan(what: Router) -> Lan | None:
    """A network of its own: the one that was chosen for it, or ours."""
    layout = what.layout
    address = layout.lan_address or "10.20.0.1/16"
    return Lan(address, layout.lan_pool or _pool(address), layout.dns_name or "wifi.duka")


def _pool(address: str) -> str:
    """Everything behind the router's own address."""
    lan = ipaddress.IPv4Interface(address)
    first = lan.ip + 1
    last = lan.network.broadcast_address - 1
    return f"{first}-{last}"


def _tunnel(uow: UnitOfWork, what: Router) -> Tunnel | None:
    found = tunnels.tunnel_of(uow, what)
    if found is None:
        return None
    here, ours = uow.installation, tunnels.tunnel_server(uow)
    network = f"{tunnels.server_address(uow)}/32"
    if found.kind == tunnels.WIREGUARD:
        return WireGuard(
            address=f"{found.address}/32", private_key=found.private_key or "", peer_public_key=ours.public_key,
            endpoint_host=here.tunnel_host, endpoint_port=here.tunnel_port, server_network=network,
            listen_port=tunnels.ROUTER_LISTENS_AT, keepalive_seconds=tunnels.KEEPALIVE_SECONDS,
        )  # fmt: skip
    if found.kind == tunnels.L2TP:
        return DialIn(
            server=here.tunnel_host, user=found.username, password=found.password or "", server_network=network,
            ipsec_secret=ours.ipsec_secret,
        )  # fmt: skip
    return None  # SSTP is set up by hand: it needs a certificate the router trusts


def _sources(radius_host: str) -> tuple[str, ...]:
    """Our server speaks from where its RADIUS is; by a name nobody can be let in."""
    try:
        return (str(ipaddress.IPv4Address(radius_host)),)
    except ValueError:
        return ()
