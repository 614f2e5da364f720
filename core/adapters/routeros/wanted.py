"""What should be on a router, as one list: the only source for the API and for the bootstrap script. Pure.

Hotspot and RADIUS after routeros.md §3 and §6 and radius.md §1 and §6, PPPoE after §4, DHCP after §5. What vendors' guides get
wrong is right here: nothing is left disabled, the router resolves names, and addresses are opened before names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from core.adapters.routeros import wanted_box, wanted_firewall
from core.adapters.routeros.desire import Kind, Stage, Wanted, Words
from core.adapters.routeros.facts import RouterFacts
from core.blueprint import Blueprint, Scope

HOTSPOT, PPP, DHCP = "hotspot", "ppp", "dhcp"
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 (how a router says "whichever you like"; nothing is bound)
RADIUS_TIMEOUT = "2s"
LOGIN_BY = "mac,http-pap,http-chap"
NAMES_ON_SIX_MAX = 4
"""How many time servers version 6 is given by name."""


def wanted(blueprint: Blueprint, facts: RouterFacts) -> list[Wanted]:
    """Everything that should be on this router, in the order in which it can be made."""
    box = blueprint.scope is Scope.BOX
    found = [
        *(wanted_box.links(blueprint, facts) if box else ()),
        *(wanted_box.addresses(blueprint) if box else ()),
        *_names(blueprint, facts),
        *_clock(blueprint, facts),
        *_log(blueprint),
        *_radius(blueprint, facts),
        *(wanted_box.hotspot(blueprint, profile(blueprint, facts)) if box else _hotspots(blueprint, facts)),
        *_lines(blueprint, facts),
        *garden(blueprint),
        *wanted_firewall.forward(blueprint),
        *wanted_firewall.risky(blueprint, facts),
    ]
    return sorted(found, key=lambda one: one.stage)


def profile(blueprint: Blueprint, facts: RouterFacts, *, https: bool = False) -> Words:
    """A hotspot profile that asks us: by MAC, with the router's own secret, and by the forms of our login page."""
    pages = (("html-directory", facts.files + blueprint.pages),) if blueprint.pages else ()
    return (
        *pages,
        ("login-by", f"{LOGIN_BY},https" if https else LOGIN_BY),
        ("mac-auth-mode", "mac-as-username"),
        ("mac-auth-password", blueprint.radius.mac_auth_password),
        ("radius-mac-format", "XX:XX:XX:XX:XX:XX"),
        ("use-radius", "yes"),
        ("radius-accounting", "yes"),
        ("radius-interim-update", "received"),
    )


def services(blueprint: Blueprint, facts: RouterFacts) -> list[str]:
    """What asks RADIUS on this router: what we make, or what somebody has put to use there."""
    if blueprint.scope is Scope.BOX:
        return [*([HOTSPOT] if blueprint.lan else []), *([PPP] if blueprint.lines else [])]
    found = [HOTSPOT] if _theirs(blueprint, facts) else []
    return [*found, *([PPP] if facts.dials else []), *([DHCP] if facts.leases else [])]


def garden(blueprint: Blueprint) -> Iterator[Wanted]:
    """The walled garden: by address and name where the router can, by the name a browser sends where it must (a `*`)."""
    for opening in blueprint.garden:
        if opening.host.startswith("*"):
            words: Words = (("action", "allow"), ("dst-host", opening.host), ("dst-port", str(opening.port)))
            yield Wanted("/ip/hotspot/walled-garden", opening.key, (*words, ("disabled", "no")), Stage.GARDEN)
        else:
            where = ("dst-address", opening.address) if opening.address else ("dst-host", opening.host)
            words = (("action", "accept"), where, ("protocol", opening.protocol), ("dst-port", str(opening.port)))
            yield Wanted("/ip/hotspot/walled-garden/ip", opening.key, (*words, ("disabled", "no")), Stage.GARDEN)


def _theirs(blueprint: Blueprint, facts: RouterFacts) -> list[tuple[str, str, bool]]:
    """(server, profile, logs in over HTTPS) of the owner's hotspots that are ours to use: the named one, or all."""
    return [
        (one.name, one.profile, one.https)
        for one in facts.hotspots
        if blueprint.hotspot_server in ("", one.name) and not one.name.startswith("duka-")
    ]


def _hotspots(blueprint: Blueprint, facts: RouterFacts) -> Iterator[Wanted]:
    theirs = _theirs(blueprint, facts)
    for name, https in sorted({(profile, https) for _, profile, https in theirs}):
        yield Wanted(
            "/ip/hotspot/profile", f"profile-{name}", profile(blueprint, facts, https=https), Stage.ACCESS, Kind.NAMED,
            find=(("name", name),),
        )  # fmt: skip
    for name, _, _ in theirs:
        yield Wanted(
            "/ip/hotspot", f"server-{name}", (("login-timeout", wanted_box.LOGIN_TIMEOUT),), Stage.ACCESS, Kind.NAMED,
            find=(("name", name),),
        )  # fmt: skip
    if theirs:
        yield wanted_box.keepalive()


def _radius(blueprint: Blueprint, facts: RouterFacts) -> Iterator[Wanted]:
    radius, asking = blueprint.radius, services(blueprint, facts)
    if not asking:
        return
    values = (
        ("address", radius.host),
        ("secret", radius.secret),
        ("service", ",".join(asking)),
        ("authentication-port", str(radius.auth_port)),
        ("accounting-port", str(radius.acct_port)),
        ("timeout", RADIUS_TIMEOUT),
        ("src-address", radius.src_address or ANY_ADDRESS),
        ("disabled", "no"),
    )
    yield Wanted("/radius", "radius", values, Stage.ACCESS, first=True)
    yield Wanted(
        "/radius/incoming", "incoming", (("accept", "yes"), ("port", str(radius.coa_port))), Stage.ACCESS, Kind.SETTING
    )
    if DHCP in asking:
        password = (("radius-password", radius.mac_auth_password),)
        yield Wanted("/ip/dhcp-server/config", "dhcp", password, Stage.ACCESS, Kind.SETTING)


def _lines(blueprint: Blueprint, facts: RouterFacts) -> Iterator[Wanted]:
    if blueprint.scope is Scope.BOX:
        yield from wanted_box.lines(blueprint)
    if PPP in services(blueprint, facts):
        values = (
            ("use-radius", "yes"), ("accounting", "yes"), ("interim-update", f"{blueprint.radius.interim_seconds}s"),
        )  # fmt: skip
        yield Wanted("/ppp/aaa", "lines", values, Stage.ACCESS, Kind.SETTING)


def _names(blueprint: Blueprint, facts: RouterFacts) -> Iterator[Wanted]:
    """Before anybody paid the router answers all names itself, so it must be able and willing to."""
    ask = bool(blueprint.dns_servers) and not facts.resolves
    servers = (("servers", ",".join(blueprint.dns_servers)),) if ask else ()
    yield Wanted("/ip/dns", "names", (*servers, ("allow-remote-requests", "yes")), Stage.ADDRESSES, Kind.SETTING)


def _clock(blueprint: Blueprint, facts: RouterFacts) -> Iterator[Wanted]:
    servers = blueprint.ntp_servers
    if not servers or (facts.timed and blueprint.scope is Scope.SERVICE):  # an owner's own choice stays
        return
    values: Words
    if facts.major >= 7:
        values = (("enabled", "yes"), ("servers", ",".join(servers)))
    else:
        numbers = [one for one in servers if _is_address(one)]
        values = (("enabled", "yes"), *zip(("primary-ntp", "secondary-ntp"), numbers, strict=False))
        names = [one for one in servers if not _is_address(one)][:NAMES_ON_SIX_MAX]
        values = (*values, *((("server-dns-names", ",".join(names)),) if names else ()))
    yield Wanted("/system/ntp/client", "clock", values, Stage.ADDRESSES, Kind.SETTING)


def _log(blueprint: Blueprint) -> Iterator[Wanted]:
    if blueprint.log:
        for topic in ("hotspot", "radius"):
            topics = f"{topic},!debug,!packet"
            values = (("topics", topics), ("action", "memory"), ("disabled", "no"))
            yield Wanted("/system/logging", topic, values, Stage.ADDRESSES)


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
