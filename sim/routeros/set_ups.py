"""What an administrator types to sell access at a router, as one call each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.routeros import factory
from sim.routeros.values import format_duration

if TYPE_CHECKING:
    from sim.routeros.router import VirtualRouter

PPPOE_INTERFACE, DHCP_INTERFACE = "ether5", "ether4"


def _ask_radius(
    router: VirtualRouter,
    service: str,
    radius_host: str,
    auth_port: int,
    acct_port: int,
    secret: str,
    src_address: str | None,
    timeout_seconds: float = 1.1,
) -> None:
    """One row of `/radius` for one service, and orders are listened to."""
    radius = {
        "address": radius_host,
        "secret": secret,
        "service": service,
        "authentication_port": str(auth_port),
        "accounting_port": str(acct_port),
        "timeout": format_duration(timeout_seconds * 1000),
    }
    if src_address is not None:
        radius["src_address"] = src_address
    router.run("/radius/add", **radius)
    router.run("/radius/incoming/set", accept="yes", port=str(router.coa_port))


def set_up_hotspot(
    router: VirtualRouter,
    radius_host: str,
    auth_port: int,
    acct_port: int,
    secret: str,
    mac_auth_password: str,
    server: str = "hotspot1",
    login_timeout_seconds: float = 30,
    interim_seconds: float | None = None,
    src_address: str | None = None,
    radius_timeout_seconds: float = 1.1,
    keepalive_seconds: float = 120,
) -> None:
    """RADIUS, CoA, profile and server of a hotspot."""
    _ask_radius(router, "hotspot", radius_host, auth_port, acct_port, secret, src_address, radius_timeout_seconds)
    interim = "received" if interim_seconds is None else format_duration(interim_seconds * 1000)
    router.run(
        "/ip/hotspot/profile/add",
        name=server,
        use_radius="yes",
        login_by="mac,http-pap,http-chap",
        mac_auth_mode="mac-as-username",
        mac_auth_password=mac_auth_password,
        radius_interim_update=interim,
    )
    router.run(
        "/ip/hotspot/user/profile/set",
        numbers="default",
        keepalive_timeout=format_duration(keepalive_seconds * 1000) if keepalive_seconds else "none",
    )
    router.run(
        "/ip/hotspot/add",
        name=server,
        interface=factory.HOTSPOT_INTERFACE,
        profile=server,
        login_timeout=format_duration(login_timeout_seconds * 1000) if login_timeout_seconds else "none",
        disabled="no",
    )


def set_up_pppoe(
    router: VirtualRouter,
    radius_host: str,
    auth_port: int,
    acct_port: int,
    secret: str,
    service_name: str = "internet",
    ranges: str = "10.30.0.2-10.30.255.254",
    authentication: str = "mschap2,mschap1,chap,pap",
    src_address: str | None = None,
) -> None:
    """RADIUS, CoA, a pool, and a PPPoE server whose default profile gives addresses of that pool."""
    _ask_radius(router, "ppp", radius_host, auth_port, acct_port, secret, src_address)
    router.run("/ppp/aaa/set", use_radius="yes", accounting="yes", interim_update="5m")
    router.run("/ip/pool/add", name="pppoe", ranges=ranges)
    router.run("/ppp/profile/set", numbers="default", local_address="10.30.0.1", remote_address="pppoe")
    router.run(
        "/interface/pppoe-server/server/add",
        service_name=service_name,
        interface=PPPOE_INTERFACE,
        authentication=authentication,
        disabled="no",
    )


def set_up_dhcp(
    router: VirtualRouter,
    radius_host: str,
    auth_port: int,
    acct_port: int,
    secret: str,
    radius_password: str = "",
    server: str = "lines",
    ranges: str = "10.40.0.2-10.40.255.254",
    src_address: str | None = None,
) -> None:
    """RADIUS, a pool, and a DHCP server that leases to whom RADIUS knows by MAC address."""
    _ask_radius(router, "dhcp", radius_host, auth_port, acct_port, secret, src_address)
    router.run("/ip/pool/add", name=server, ranges=ranges)
    if radius_password:
        router.run("/ip/dhcp-server/config/set", radius_password=radius_password)
    router.run(
        "/ip/dhcp-server/add",
        name=server,
        interface=DHCP_INTERFACE,
        address_pool=server,
        use_radius="yes",
        disabled="no",
    )
