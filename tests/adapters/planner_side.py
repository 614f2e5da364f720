"""Blueprints for tests, and a router brought to one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from core.adapters.routeros import MikrotikHotspot
from core.blueprint import ApiUser, Blueprint, DialIn, Lan, Lines, Opening, RadiusClient, Scope, WireGuard
from core.errors import GatewayRefused
from core.planning import Planner
from core.ports import RouterAddress

LAN = Lan(address="10.20.0.1/16", pool="10.20.0.2-10.20.255.254", dns_name="wifi.duka")
LINES = Lines(
    "10.30.0.1", "10.30.0.2-10.30.255.254", "10.31.0.2-10.31.63.254", "10.31.64.2-10.31.127.254",
    "10.31.128.2-10.31.191.254",
)  # fmt: skip
GARDEN = (
    Opening("portal", address="127.0.0.1", port=8081),
    Opening("portal", host="pay.example.net"),
    Opening("bkash", host="*.pay.bka.sh"),
    Opening("nagad", host="payment.mynagad.com", port=30000),
)
WIREGUARD = WireGuard(
    address="10.77.0.2/32", private_key="cHJpdmF0ZSBrZXkgb2YgdGhlIHJvdXRlciBpbiBiYXM=",
    peer_public_key="cHVibGljIGtleSBvZiBvdXIgc2VydmVyIGluIGJhc2U=", endpoint_host="vpn.example.net", endpoint_port=51820,
    server_network="10.77.0.1/32",
)  # fmt: skip
DIAL_IN = DialIn(
    server="vpn.example.net", user="duka-1", password="dial-in-secret", server_network="10.77.0.1/32",
    ipsec_secret="shared-ipsec-secret",
)  # fmt: skip


def service_blueprint(router: RouterAddress, auth_port: int, acct_port: int, **changes: Any) -> Blueprint:
    """Of an owner's own hotspot: nothing but what selling needs."""
    radius = RadiusClient(
        "127.0.0.1", auth_port, acct_port, router.radius_secret, router.mac_auth_password, router.coa_port
    )
    made = Blueprint(
        router_id=router.router_id, name=router.name, site="market", public_key="a" * 32, scope=Scope.SERVICE,
        radius=radius, portal_url="http://127.0.0.1:8081", hotspot_server=router.hotspot_server,
        dns_servers=("9.9.9.9",), ntp_servers=("pool.ntp.org",), shop="Duka", language="en",
    )  # fmt: skip
    return replace(made, **changes)


def box_blueprint(router: RouterAddress, auth_port: int, acct_port: int, **changes: Any) -> Blueprint:
    """Of a whole box."""
    whole = service_blueprint(
        router, auth_port, acct_port, scope=Scope.BOX, wan_interface="ether1", lan=LAN, ssid="Market Wi-Fi", lines=LINES,
        garden=GARDEN, api=ApiUser(router.username, router.password, ("127.0.0.1",), router.api_port),
    )  # fmt: skip
    return replace(whole, **changes)


def new_planner() -> tuple[Planner, Callable[[], None]]:
    """A planner with connections of its own, and how to hang up."""
    hotspot = MikrotikHotspot()
    return hotspot.planner, hotspot.close


def brought(hotspot: MikrotikHotspot, router: RouterAddress, blueprint: Blueprint) -> list[str]:
    """Apply to the end; what was changed. Raises when it stopped on the way."""
    result = hotspot.planner.apply(router, blueprint)
    if result.stopped:
        raise GatewayRefused(result.stopped, code="stopped")
    return list(result.done)
