"""What a router lets through: NAT, the walled lines, and its own doors, closed towards internet and customers and open to us.

Everything that could cut the connection it is made through stands in `risky`, doors that open before doors that close.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from core.adapters.routeros.desire import Kind, Stage, Wanted, Words
from core.adapters.routeros.facts import RouterFacts
from core.blueprint import Blueprint, DialIn, Scope, WireGuard

FILTER, NAT, LIST = "/ip/firewall/filter", "/ip/firewall/nat", "/ip/firewall/address-list"
ON = ("disabled", "no")
GARDEN_LIST = "duka-garden"
WALLED = ("expired", "suspended", "topup")
"""Address lists RADIUS puts lines on that have not paid, without `duka-` before them."""
MANAGED_PORTS = ("21", "22", "23", "80", "443", "2000", "8291", "8728", "8729")
"""FTP, SSH, Telnet, the web page, the bandwidth test, Winbox, the API."""
DIALLED_IN = "all-ppp"
"""What a router calls everybody who has dialled in."""
OFFICE_LIST = "duka-office"
"""Whom the owner puts on this list, by addresses of his own, comes in from wherever he is."""
GROUP = "duka-api"
RIGHTS = "api,ftp,read,test,write"
"""The least that is enough (routeros.md §1.5): neither `policy` nor `sensitive`."""
SERVICES_OFF = ("ftp", "telnet")


def forward(blueprint: Blueprint) -> Iterator[Wanted]:
    """NAT for a whole box, and for its lines the wall around who has not paid."""
    if blueprint.scope is not Scope.BOX:
        return
    if blueprint.wan_interface:
        values: Words = (("chain", "srcnat"), ("action", "masquerade"), ("out-interface", blueprint.wan_interface), ON)
        yield Wanted(NAT, "nat", values, Stage.FIREWALL)
    if blueprint.lines is None:
        return
    places = {opening.host or opening.address for opening in blueprint.garden}
    for place in sorted(places):
        if not place.startswith("*"):  # a list holds names and addresses, no patterns
            values = (("list", GARDEN_LIST), ("address", place), ON)
            yield Wanted(LIST, f"garden-{place}", values, Stage.FIREWALL)
    for name in WALLED:
        who = (("chain", "forward"), ("src-address-list", f"duka-{name}"))
        opened = (*who, ("dst-address-list", GARDEN_LIST), ("action", "accept"), ON)
        yield Wanted(FILTER, f"{name}-garden", opened, Stage.FIREWALL, first=True)
        yield Wanted(FILTER, f"{name}-wall", (*who, ("action", "drop"), ON), Stage.FIREWALL, first=True)


def risky(blueprint: Blueprint, facts: RouterFacts) -> Iterator[Wanted]:
    """Tunnel, doors, account: in this order each step can be made through what the one before it left open."""
    yield from _tunnel(blueprint)
    yield from _opened(blueprint)
    yield from _closed(blueprint)
    if blueprint.scope is Scope.BOX:
        yield from _account(blueprint)


def _tunnel(blueprint: Blueprint) -> Iterator[Wanted]:
    tunnel = blueprint.tunnel
    if isinstance(tunnel, WireGuard):
        key: Words = (("private-key", tunnel.private_key),) if tunnel.private_key else ()
        link = (("name", tunnel.interface), ("listen-port", str(tunnel.listen_port)), *key, ON)
        yield Wanted("/interface/wireguard", "tunnel", link, Stage.RISKY, unique="name")
        peer = (
            ("interface", tunnel.interface), ("public-key", tunnel.peer_public_key),
            ("endpoint-address", tunnel.endpoint_host), ("endpoint-port", str(tunnel.endpoint_port)),
            ("allowed-address", tunnel.server_network), ("persistent-keepalive", f"{tunnel.keepalive_seconds}s"), ON,
        )  # fmt: skip
        yield Wanted("/interface/wireguard/peers", "tunnel", peer, Stage.RISKY)
        other_end = ("network", str(ipaddress.IPv4Interface(tunnel.server_network).ip))
        here = (("address", tunnel.address), other_end, ("interface", tunnel.interface), ON)
        yield Wanted("/ip/address", "tunnel", here, Stage.RISKY, unique="address")
    elif isinstance(tunnel, DialIn):
        secured = bool(tunnel.ipsec_secret)
        secret: Words = (("ipsec-secret", tunnel.ipsec_secret),) if secured else ()
        dialled = (
            ("name", tunnel.interface), ("connect-to", tunnel.server), ("user", tunnel.user),
            ("password", tunnel.password), ("use-ipsec", "yes" if secured else "no"), *secret, ("allow", "mschap2"),
            ("add-default-route", "no"), ON,
        )  # fmt: skip
        once = frozenset({"password", "ipsec-secret"})
        yield Wanted("/interface/l2tp-client", "tunnel", dialled, Stage.RISKY, unique="name", once=once)
        way = (("dst-address", tunnel.server_network), ("gateway", tunnel.interface), ON)
        yield Wanted("/ip/route", "tunnel", way, Stage.RISKY)


def _opened(blueprint: Blueprint) -> Iterator[Wanted]:
    """Accepted before anything is dropped: answers, the tunnel, our server's orders and API calls, and the owner's own places."""
    if not blueprint.wan_interface:
        return
    yield _input("established", ("connection-state", "established,related,untracked"), ("action", "accept"))
    if blueprint.tunnel is not None:
        inside = (("in-interface", blueprint.tunnel.interface), ("src-address", blueprint.tunnel.server_network))
        yield _input("tunnel", *inside, ("action", "accept"))
    api = blueprint.api
    for number, source in enumerate(api.allowed if api else ()):
        from_us = (("src-address", source), ("action", "accept"))
        yield _input(f"api-{number}", ("protocol", "tcp"), ("dst-port", str(api.port if api else 0)), *from_us)
        yield _input(f"coa-{number}", ("protocol", "udp"), ("dst-port", str(blueprint.radius.coa_port)), *from_us)
    owner = (("src-address-list", OFFICE_LIST), ("protocol", "tcp"), ("dst-port", ",".join(_doors(blueprint))))
    yield _input("office", *owner, ("action", "accept"))


def _closed(blueprint: Blueprint) -> Iterator[Wanted]:
    """Towards the internet nothing of the router's own is open; nor does it answer names there for everybody. Customers reach
    what the hotspot listens at (64872 to 64875, where it leads their port 80), names, DHCP and time, and no door of the owner's.

    When we know no other way in than the API from anywhere, that one port stays open.
    """
    outside = ("in-interface", blueprint.wan_interface)
    if not blueprint.wan_interface:
        return
    doors = (("protocol", "tcp"), ("dst-port", ",".join(_doors(blueprint))), ("action", "drop"))
    yield _input("doors", outside, *doors)
    for protocol in ("tcp", "udp"):
        yield _input(f"names-{protocol}", outside, ("protocol", protocol), ("dst-port", "53"), ("action", "drop"))
    if blueprint.lan is None or blueprint.scope is not Scope.BOX:
        return
    yield _input("lan-doors", ("in-interface", blueprint.lan.interface), *doors)
    if blueprint.lines is not None:
        yield _input("lines-doors", ("in-interface", DIALLED_IN), *doors)


def _doors(blueprint: Blueprint) -> list[str]:
    """Ports that are nobody's but the owner's and ours."""
    api = blueprint.api
    ports = [*MANAGED_PORTS, *([str(api.port)] if api and str(api.port) not in MANAGED_PORTS else [])]
    only_way = str(api.port) if api and not api.allowed and blueprint.tunnel is None else ""
    return [port for port in ports if port != only_way]


def _input(key: str, *values: tuple[str, str]) -> Wanted:
    return Wanted(FILTER, f"input-{key}", (("chain", "input"), *values, ON), Stage.RISKY, first=True)


def _account(blueprint: Blueprint) -> Iterator[Wanted]:
    api = blueprint.api
    if api is None:
        return
    sources = ",".join((*api.allowed, *((blueprint.tunnel.server_network,) if blueprint.tunnel else ())))
    allowed: Words = (("address", sources),) if sources else ()
    yield Wanted("/user/group", "api", (("policy", RIGHTS),), Stage.RISKY)
    values = (("name", api.name), ("group", GROUP), ("password", api.password), *allowed, ON)
    yield Wanted("/user", "api", values, Stage.RISKY, unique="name", once=frozenset({"password"}))
    service = (("port", str(api.port)), *allowed, ON)
    name = "api-ssl" if api.tls else "api"
    yield Wanted("/ip/service", "api", service, Stage.RISKY, Kind.NAMED, find=(("name", name),))
    for off in SERVICES_OFF:
        yield Wanted("/ip/service", off, (("disabled", "yes"),), Stage.RISKY, Kind.NAMED, find=(("name", off),))
