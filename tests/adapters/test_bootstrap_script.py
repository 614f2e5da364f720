"""Every line of the scripts for a new box, for every setting and box, is one its RouterOS knows; and values stay values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace

import pytest

from core.adapters.routeros import bootstrap
from core.adapters.routeros.bootstrap import AskedBox, RouterScripts, facts_of
from core.adapters.routeros.desire import Kind, Stage, Wanted
from core.adapters.routeros.facts import WIFI, WIRELESS
from core.adapters.routeros.rsc import made_so
from core.adapters.routeros.wanted import wanted
from sim.routeros.schema import Schema
from sim.routeros.script_parser import Parser
from sim.routeros.script_tree import Bare, Command, Const, ScriptError
from tests.adapters.test_routeros_commands import BOX, VERSIONS, blueprints, tree, wrong

BASE = "https://pay.example.org/install/0123456789abcdef"
PORTS = "".join(f"ether=ether{number}\n" for number in range(1, 6))
RADIOS = {WIFI: "wifi=wifi1\nwifi=wifi2\n", WIRELESS: "wlan=wlan1\nwlan=wlan2\n", None: ""}


def asked(version: str, wifi: str | None = WIRELESS, more: str = "") -> AskedBox:
    """What a box of this kind answers to the first script."""
    said = f"version={version} (long-term)\nboard=hAP\nserial=HD1\n{PORTS}{RADIOS[wifi]}{more}"
    box = RouterScripts().understand(said.encode())
    assert box is not None
    return box


def commands(thing: object) -> Iterator[Command]:
    """All commands of menus anywhere in a parsed script."""
    if isinstance(thing, Command):
        yield thing
    if isinstance(thing, tuple | list):
        for each in thing:
            yield from commands(each)
    elif isinstance(thing, dict):
        for each in thing.values():
            yield from commands(each)
    elif is_dataclass(thing):
        for each in fields(thing):
            yield from commands(getattr(thing, each.name))


def complaints(text: str, schema: Schema) -> list[str]:
    """What a router of this version would not understand, name or value."""
    parser, found = Parser(text, schema), []
    try:
        while (line := parser.next_line()) is not None:
            for each in commands(line):
                told = [(name, str(value.value)) for name, value in each.given if isinstance(value, Const)]
                told += [(name, value.word) for name, value in each.given if isinstance(value, Bare)]
                if schema.commands(each.menu):
                    found += wrong(
                        schema, (each.menu, each.verb, [one for one in told if one[0] not in ("", "numbers")])
                    )
    except ScriptError as error:
        found.append(error.message)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_line_for_every_setting_is_known(version: str) -> None:
    scripts, number = RouterScripts(), VERSIONS[version]
    drivers = (WIFI, WIRELESS, None) if number >= (7,) else (WIRELESS, None)
    found: set[str] = set()
    lines: set[str] = set()
    for driver in drivers:
        schema = tree(version, driver)
        for blueprint in blueprints(number):
            for more in ("", "files=flash/\nhotspot=true\n"):
                text = scripts.second(blueprint, asked(version, driver, more), BASE)
                new = [line for line in text.splitlines(keepends=True) if line not in lines]
                lines.update(new)
                if new:
                    found.update(complaints(text, schema))
    assert sorted(found) == []
    assert len(lines) > 250


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("base", [BASE, BASE.replace("https", "http")])
def test_the_script_that_asks_and_the_pasted_line_are_known(version: str, base: str) -> None:
    scripts = RouterScripts()
    for text in (
        scripts.first(base), scripts.line(base, "ether1", believes=True), scripts.line(base, "ether1", believes=False)
    ):  # fmt: skip
        assert complaints(text, tree(version)) == []


@pytest.mark.parametrize(
    "planted",
    [
        Wanted("/ip/pool", "x", (("ranges", "10.0.0.1-10.0.0.2"), ("rangs", "1")), Stage.ADDRESSES),
        Wanted("/ip/pools", "x", (("ranges", "1"),), Stage.ADDRESSES),
        Wanted("/ip/dns", "x", (("allow-remote-requests", "perhaps"),), Stage.ADDRESSES, Kind.SETTING),
    ],
    ids=["a wrong argument", "a wrong menu", "a wrong value"],
)
def test_something_wrong_in_the_list_would_be_noticed(planted: Wanted) -> None:
    for version in ("7.21.5", "7.18.2"):
        assert complaints(made_so(planted), tree(version)) != []


HOSTILE = ['"; /system reset-configuration; :put "', "$[/system reboot]", "a\nb", "Café ☕ \\ $x [y] {z}", "who?"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_settings_change_values_and_no_command(text: str) -> None:
    schema = tree("7.21.5", WIFI)
    plain = replace(BOX, ssid="x", name="x", radius=replace(BOX.radius, secret="x"))
    hostile = replace(plain, ssid=text, name=text, radius=replace(BOX.radius, secret=text))
    shapes = []
    for blueprint in (plain, hostile):
        block = Parser(RouterScripts().second(blueprint, asked("7.21.5", WIFI), BASE), schema).whole()
        found = list(commands(block))
        shapes.append([(each.menu, each.verb, tuple(name for name, _ in each.given)) for each in found])
        ssids = {value for each in found for name, value in each.given if name == "configuration.ssid"}
        assert ssids == {Const(blueprint.ssid)}
    assert shapes[0] == shapes[1]


def test_backup_and_closed_doors_come_before_anything_is_changed() -> None:
    text = RouterScripts().second(BOX, asked("7.21.5"), BASE)
    order = [
        text.index(each)
        for each in (
            "/system backup save", 'comment="duka:input-doors"', '/interface bridge remove $old', "/interface bridge add",
            "/tool fetch", "/home",
        )
    ]  # fmt: skip
    assert order == sorted(order)


def test_only_what_the_factory_made_is_ever_removed() -> None:
    text = RouterScripts().second(BOX, asked("6.49.18"), BASE)
    block = Parser(text, tree("6.49.18")).whole()
    removed = {each.menu for each in commands(block) if each.verb == "remove"}
    assert removed == {menu for menu, _ in bootstrap.DEFAULTS}
    assert all("defconf" in which or "default-dhcp" in which for _, which in bootstrap.DEFAULTS)


def test_a_box_that_may_have_no_hotspot_is_told_how_to_allow_it_before_anything_else() -> None:
    text = RouterScripts().second(BOX, asked("7.21.5", more="hotspot=false\n"), BASE)
    assert text.index("device-mode") < text.index(":error") < text.index("/system backup save")


def test_what_a_box_says_becomes_facts() -> None:
    facts = facts_of(asked("7.18.2", WIFI, "files=flash/\nhotspot=false\nscheduler=no\n"))
    assert facts.version == (7, 18, 2)
    assert (facts.wifi, facts.radios, facts.files) == (WIFI, ("wifi1", "wifi2"), "flash/")
    assert facts.ports == ("ether1", "ether2", "ether3", "ether4", "ether5")
    assert (facts.hotspot_allowed, facts.scheduler_allowed) == (False, False)
    assert facts_of(asked("6.49.18", None)).wifi is None
    assert facts_of(asked("7.21.5", WIFI, "files=../../etc\n")).files == ""


def test_no_secret_shows_when_a_box_or_a_wish_is_printed() -> None:
    printed = repr(wanted(BOX, facts_of(asked("7.21.5"))))
    assert BOX.radius.secret not in printed and BOX.radius.mac_auth_password not in printed
