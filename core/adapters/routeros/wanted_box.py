"""What a whole box is given that an owner's own network has already: links, addresses, the hotspot, the lines."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from core.adapters.routeros.desire import Kind, Stage, Wanted, Words, tag_of
from core.adapters.routeros.facts import WIFI, RouterFacts
from core.blueprint import Blueprint, Lan

KEEPALIVE_TIMEOUT, LOGIN_TIMEOUT, LEASE_TIME = "2m", "30s", "1h"
HOTSPOT_POOL, LINES_POOL, OPEN, LINES_PROFILE, HOTSPOT = (
    "duka-hotspot",
    "duka-lines",
    "duka-open",
    "duka-lines",
    "duka-hotspot",
)
CAPTIVE, CAPTIVE_CODE = "captive", 114
ON = ("disabled", "no")


def keepalive() -> Wanted:
    """Devices that left end their session within two minutes, and a Stop is told."""
    return Wanted(
        "/ip/hotspot/user/profile", "keepalive", (("keepalive-timeout", KEEPALIVE_TIMEOUT),), Stage.ACCESS, Kind.NAMED,
        find=(("name", "default"),),
    )  # fmt: skip


def links(blueprint: Blueprint, facts: RouterFacts) -> Iterator[Wanted]:
    """Name, bridge, ports, and an open network in the air."""
    yield Wanted("/system/identity", "name", (("name", blueprint.name),), Stage.LINKS, Kind.SETTING)
    lan = blueprint.lan
    if lan is None:
        return
    yield Wanted("/interface/bridge", "lan", (("name", lan.interface), ON), Stage.LINKS, unique="name")
    if blueprint.ssid and facts.wifi is not None:
        yield from _wifi(blueprint.ssid, facts)
    radios = facts.radios if blueprint.ssid else ()
    for port in (*facts.ports, *radios):
        if port != blueprint.wan_interface:
            values = (("bridge", lan.interface), ("interface", port))
            yield Wanted("/interface/bridge/port", f"port-{port}", values, Stage.LINKS, unique="interface")


def _wifi(ssid: str, facts: RouterFacts) -> Iterator[Wanted]:
    """Open, and devices do not see each other. Bands and channels stay as the box has them."""
    values: Words
    if facts.wifi == WIFI:
        menu = "/interface/wifi"
        values = (
            ("configuration.mode", "ap"), ("configuration.ssid", ssid), ("security.authentication-types", ""),
            ("datapath.client-isolation", "yes"), ON,
        )  # fmt: skip
    else:
        menu = "/interface/wireless"
        yield Wanted("/interface/wireless/security-profiles", "open", (("mode", "none"),), Stage.LINKS)
        values = (
            ("mode", "ap-bridge"), ("ssid", ssid), ("security-profile", OPEN), ("default-forwarding", "no"),
            ("hide-ssid", "no"), ON,
        )  # fmt: skip
    for radio in facts.radios:
        yield Wanted(menu, f"radio-{radio}", values, Stage.LINKS, Kind.NAMED, find=(("name", radio),))


def addresses(blueprint: Blueprint) -> Iterator[Wanted]:
    """WAN by DHCP; the LAN's address, pool and leases."""
    if blueprint.wan_interface:
        values = (("interface", blueprint.wan_interface), ("use-peer-dns", "yes"), ("add-default-route", "yes"), ON)
        yield Wanted("/ip/dhcp-client", "wan", values, Stage.ADDRESSES, unique="interface")
    lan = blueprint.lan
    if lan is None:
        return
    inside = ipaddress.IPv4Interface(lan.address)
    here = (("address", lan.address), ("interface", lan.interface), ON)
    yield Wanted("/ip/address", "lan", here, Stage.ADDRESSES, unique="address")
    yield Wanted("/ip/pool", "hotspot", (("ranges", lan.pool),), Stage.ADDRESSES)
    if blueprint.captive_url:
        yield Wanted("/ip/dhcp-server/option", CAPTIVE, _announced(blueprint.captive_url), Stage.ADDRESSES)
    told = tag_of("/ip/dhcp-server/option", CAPTIVE)[1] if blueprint.captive_url else ""
    network = (
        ("address", str(inside.network)), ("gateway", str(inside.ip)), ("dns-server", str(inside.ip)),
        ("dhcp-option", told),
    )  # fmt: skip
    yield Wanted("/ip/dhcp-server/network", "lan", network, Stage.ADDRESSES, unique="address")
    server = (("interface", lan.interface), ("address-pool", HOTSPOT_POOL), ("lease-time", LEASE_TIME), ON)
    yield Wanted("/ip/dhcp-server", "lan", (("name", "duka-lan"), *server), Stage.ADDRESSES, unique="interface")


def _announced(url: str) -> Words:
    """DHCP option 114 (RFC 8910) as a text, which both versions write between single quotes."""
    return (("code", str(CAPTIVE_CODE)), ("value", f"'{url}'"))


def hotspot(blueprint: Blueprint, profile: Words) -> Iterator[Wanted]:
    """Profile, server, and what departed devices are told by."""
    lan = blueprint.lan
    if lan is None:
        return
    yield Wanted("/ip/hotspot/profile", "hotspot", (*_place(lan), *profile), Stage.ACCESS)
    yield keepalive()
    values = (
        ("interface", lan.interface), ("profile", HOTSPOT), ("address-pool", HOTSPOT_POOL),
        ("login-timeout", LOGIN_TIMEOUT), ON,
    )  # fmt: skip
    yield Wanted("/ip/hotspot", "hotspot", values, Stage.ACCESS, unique="interface")


def _place(lan: Lan) -> Words:
    return (("hotspot-address", str(ipaddress.IPv4Interface(lan.address).ip)), ("dns-name", lan.dns_name))


def lines(blueprint: Blueprint) -> Iterator[Wanted]:
    """PPPoE on the same bridge, its pools, and those RADIUS names for who has not paid (`radius.policy.REDIRECTS`)."""
    lines, lan = blueprint.lines, blueprint.lan
    if lines is None or lan is None:
        return
    pools = (
        ("lines", lines.pool), ("expired", lines.expired_pool), ("suspended", lines.suspended_pool),
        ("topup", lines.topup_pool),
    )  # fmt: skip
    for key, ranges in pools:
        yield Wanted("/ip/pool", key, (("ranges", ranges),), Stage.ADDRESSES)
    profile = (
        ("local-address", lines.local_address), ("remote-address", LINES_POOL), ("dns-server", lines.local_address),
    )  # fmt: skip
    yield Wanted("/ppp/profile", "lines", profile, Stage.ACCESS)
    server = (
        ("service-name", lines.service_name), ("interface", lan.interface), ("default-profile", LINES_PROFILE),
        ("authentication", "pap,chap,mschap1,mschap2"), ("one-session-per-host", "yes"), ("keepalive-timeout", "10"),
        ("max-mtu", "1480"), ("max-mru", "1480"), ON,
    )  # fmt: skip
    yield Wanted("/interface/pppoe-server/server", "lines", server, Stage.ACCESS)
