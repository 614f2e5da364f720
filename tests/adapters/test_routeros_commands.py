"""Every command that can be sent to set up a router, for every setting, is one the router knows: names, arguments and values.

Checked against the command trees of two versions 7, and of 6.49 as far as it differs (routeros.md §0).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import pytest

from core.adapters.routeros import guard
from core.adapters.routeros.desire import Kind, Wanted
from core.adapters.routeros.facts import WIFI, WIRELESS, HotspotFacts, RouterFacts
from core.adapters.routeros.menus import MADE, NOT_ON_SIX, PROPERTIES, SINGLE
from core.adapters.routeros.plan import ADD, SET, Step
from core.adapters.routeros.wanted import wanted
from core.blueprint import ApiUser, Blueprint, RadiusClient
from sim.routeros.schema import Schema, schema_for
from sim.routeros.values import BadValue
from tests.adapters.planner_side import DIAL_IN, GARDEN, LAN, LINES, WIREGUARD, box_blueprint, service_blueprint
from tests.adapters.router_side import LOCAL

Command = tuple[str, str, Sequence[tuple[str, str]]]
VERSIONS = {"7.21.5": (7, 21, 5), "7.18.2": (7, 18, 2), "6.49.18": (6, 49, 18)}

BOX, SERVICE = box_blueprint(LOCAL, 1812, 1813), service_blueprint(LOCAL, 1812, 1813)
RADIUS = BOX.radius
VARIATIONS: dict[str, Sequence[Any]] = {
    "router_id": (2,),
    "name": ("Market 2", 'a "strange" name; \\ $x'),
    "site": ("", "hill"),
    "public_key": ("b" * 32,),
    "scope": (),
    "radius": tuple(
        replace(RADIUS, **change)
        for change in (
            {"host": "10.77.0.1"}, {"auth_port": 11812}, {"acct_port": 11813}, {"coa_port": 1700}, {"secret": "x"},
            {"mac_auth_password": "y"}, {"src_address": "10.77.0.2"}, {"interim_seconds": 60},
        )
    ),
    "portal_url": ("https://pay.example.net",),
    "hotspot_server": ("", "hotspot1"),
    "api": (None, ApiUser("robot", "p", ()), ApiUser("robot", "p", ("192.0.2.0/24", "198.51.100.7"), 8729, True)),
    "tunnel": (None, WIREGUARD, replace(WIREGUARD, private_key=""), DIAL_IN, replace(DIAL_IN, ipsec_secret="")),
    "wan_interface": ("", "ether1", "pppoe-out1"),
    "lan": (replace(LAN, address="192.168.7.1/24", pool="192.168.7.10-192.168.7.99"), replace(LAN, dns_name="a.b")),
    "ssid": ("", "Café ☕"),
    "lines": (None, replace(LINES, service_name="net")),
    "pages": ("", "duka"),
    "garden": ((), GARDEN),
    "dns_servers": ((), ("1.1.1.1", "8.8.8.8")),
    "ntp_servers": ((), ("162.159.200.1", "162.159.200.123", "192.0.2.9"), ("pool.ntp.org", "time.example.net", "1.2.3.4")),
    "log": (False,),
    "shop": ("Shore",),
    "language": ("sw",),
    "service_code": ("*384*100#",),
}  # fmt: skip
"""Setting → further values, besides those of the two blueprints the others are varied from."""


def tree(version: str, wifi: str | None = WIRELESS) -> Schema:
    """The commands of a version, on a board with these radios."""
    return schema_for(version, "hAP ax^2" if wifi == WIFI else "hAP ac^2")


def boxes(version: tuple[int, ...]) -> Iterator[RouterFacts]:
    """Boxes that differ in everything the list may depend on."""
    ports = tuple(f"ether{number}" for number in range(1, 6))
    plain = RouterFacts(version, ports=ports, hotspots=(HotspotFacts("hotspot1", "wizard", https=True),))
    yield plain
    yield replace(plain, files="flash/", wifi=WIRELESS, radios=("wlan1", "wlan2"), dials=True, leases=True)
    yield replace(plain, resolves=True, timed=True, hotspot_allowed=False)
    if version >= (7,):
        yield replace(plain, wifi=WIFI, radios=("wifi1", "wifi2"))


def blueprints(version: tuple[int, ...]) -> Iterator[Blueprint]:
    for base in (BOX, SERVICE):
        yield base
        for name, values in VARIATIONS.items():
            for value in values:
                changed = replace(base, **{name: value})
                if version >= (7,) or changed.tunnel is None or changed.tunnel == DIAL_IN or name != "tunnel":
                    yield changed


def commands(blueprint: Blueprint, facts: RouterFacts) -> Iterator[Command]:
    """Everything that can come of one blueprint on one box: adding, changing any of it, and the script that undoes it."""
    for one in wanted(blueprint, facts):
        yield from commands_of(one)


def commands_of(one: Wanted) -> Iterator[Command]:
    if one.kind is Kind.ROW:
        place = [("place-before", "*1")] if one.first else []
        yield one.menu, "add", [*one.sent, *place]
        yield one.menu, "remove", [("numbers", "*1")]
    yield one.menu, "set", [*([] if one.kind is Kind.SETTING else [("numbers", "*1")]), *one.values]
    if one.first:
        yield one.menu, "move", [("numbers", "*1"), ("destination", "*2")]
    properties = [] if one.menu in SINGLE else PROPERTIES[one.menu].split(",")
    hidden = [
        name for name, _ in one.values if name not in properties and name not in one.once and one.menu not in SINGLE
    ]
    assert hidden == [], f"{one.menu}: {hidden} would be written and never read back"


def wrong(schema: Schema, found: Command) -> list[str]:
    """What the router would say no to."""
    menu, command, words = found
    known = schema.arguments(menu, command)
    if known is None:
        return [f"{menu} has no {command}"]
    complaints = [f"{menu}/{command}: unknown {name}" for name, _ in words if name not in known]
    for name, text in words:
        if name in ("numbers", "place-before", "destination") or name not in known:
            continue
        try:
            schema.kind(menu, name).accept(text)
        except BadValue as error:
            complaints.append(f"{menu}/{command}: {name}={text!r}: {error}")
    return complaints


@pytest.mark.parametrize("version", VERSIONS)
def test_every_command_for_every_setting_is_known(version: str) -> None:
    number = VERSIONS[version]
    seen: dict[Command, Schema] = {}
    for facts in boxes(number):
        for blueprint in blueprints(number):
            for menu, command, words in commands(blueprint, facts):
                seen[menu, command, tuple(words)] = tree(version, facts.wifi)
    complaints = sorted({each for found, schema in seen.items() for each in wrong(schema, found)})
    assert complaints == [], "\n".join(complaints)
    assert len(seen) > 200
    menus = {menu for menu, _, _ in seen}
    expected = {menu for menu in MADE if number >= (7,) or menu not in NOT_ON_SIX}
    assert expected <= menus, "every menu in which we make rows is covered"


def test_every_setting_is_varied() -> None:
    assert set(VARIATIONS) == {field.name for field in fields(Blueprint)}
    varied = {field.name for field in fields(RadiusClient)}
    changed = {name for name in varied for each in VARIATIONS["radius"] if getattr(each, name) != getattr(RADIUS, name)}
    assert changed == varied


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_argument_planted_in_the_generator_is_found(version: str) -> None:
    schema = tree(version)
    facts = next(boxes(VERSIONS[version]))
    (profile,) = [one for one in wanted(BOX, facts) if one.menu == "/ip/hotspot/profile"]
    fine = [each for found in commands_of(profile) for each in wrong(schema, found)]
    assert fine == []
    for planted in (("https-redirect", "yes"), ("login-timeout", "30s")):
        broken = replace(profile, values=(*profile.values, planted))
        with pytest.raises(AssertionError, match="never read back"):
            list(commands_of(broken))
        complaints = wrong(schema, (profile.menu, "add", broken.sent))
        assert complaints == [f"/ip/hotspot/profile/add: unknown {planted[0]}"]
    mistaken = replace(
        profile, values=tuple((name, "perhaps" if name == "use-radius" else text) for name, text in profile.values)
    )
    assert any("use-radius" in each for each in wrong(schema, (profile.menu, "add", mistaken.sent)))


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_read_can_be_read(version: str) -> None:
    six = version.startswith("6.")
    for menu, properties in PROPERTIES.items():
        if six and menu in NOT_ON_SIX:
            continue
        schema = tree(version, WIFI if menu == "/interface/wifi" else WIRELESS)
        assert schema.arguments(menu, "print") is not None, menu
        known = schema.readable(menu) | {"dynamic", "invalid", "default", "disabled", "type", "comment"}
        assert set(properties.split(",")) <= known, menu
    for menu in SINGLE - (NOT_ON_SIX if six else frozenset()):
        assert tree(version).arguments(menu, "print") is not None, menu


@pytest.mark.parametrize("version", VERSIONS)
def test_the_script_that_undoes_is_made_of_known_commands(version: str) -> None:
    schema, number = tree(version), VERSIONS[version]
    risky = [one for one in wanted(replace(BOX, tunnel=DIAL_IN), next(boxes(number))) if one.stage == 6]
    assert len(risky) > 8
    steps = [Step(one.menu, ADD if one.kind is Kind.ROW else SET, (), one.sent, (one.tag,), None) for one in risky]
    entry = dict(guard.entry(steps, None))  # type: ignore[arg-type]
    assert wrong(schema, (guard.MENU, "add", list(entry.items()))) == []
    for line in entry["on-event"].splitlines():
        command = re.fullmatch(r":do \{ /(.+?) (add|set|remove|disable)\b.*\} on-error=\{\}", line)
        assert command is not None, line
        assert schema.arguments(f"/{command[1].replace(' ', '/')}", command[2]) is not None, line


@pytest.mark.parametrize("version", VERSIONS)
def test_files_are_fetched_with_known_words(version: str) -> None:
    known = tree(version).arguments("/tool/fetch", "")
    assert known is not None
    assert {"url", "dst-path", "keep-result"} <= known
