"""Values in RouterOS' script language: whatever they hold, they stay values, and come out as they went in."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.routeros.desire import Kind, Stage, Wanted
from core.adapters.routeros.rsc import made_so, quoted

HOSTILE = [
    'Free"; /system reset-configuration; :put "',
    "$password",
    "$[/system reboot]",
    "[/system reboot]",
    "a\\",
    "a\nb\r\n/user add name=x",
    "Café Chäi ☕",
    "who?",
    "it's {1;2} #1 (a.b) `x` | ~ ^ & %41",
    "\x00\x1f\x7f\u202e",
    "",
]


def read(literal: str) -> str:
    """A RouterOS string as the router reads it: `\\` and two upper-case hex digits are an octet, all else is itself."""
    assert literal.startswith('"') and literal.endswith('"')
    octets = re.sub(rb"\\([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), literal[1:-1].encode())
    return octets.decode()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_value_comes_out_as_it_went_in_and_is_nothing_else(text: str) -> None:
    literal = quoted(text)
    assert read(literal) == text
    inside = literal[1:-1]
    assert '"' not in inside
    assert not re.search(r"[$\[\]{};#?\n\r]", inside)
    assert re.fullmatch(r"(?:[^\\]|\\[0-9A-F]{2})*", inside)


@given(st.text(max_size=80))
def test_every_text_comes_out_as_it_went_in(text: str) -> None:
    literal = quoted(text)
    assert read(literal) == text
    assert literal.isascii() and literal.isprintable()


def test_a_hostile_name_of_a_network_is_one_argument_of_one_command() -> None:
    values = (("ssid", HOSTILE[0]), ("mode", "ap-bridge"))
    radio = Wanted("/interface/wireless", "radio-wlan1", values, Stage.LINKS, Kind.NAMED, find=(("name", 'w"1'),))
    text = made_so(radio)
    assert text.count("reset-configuration") == 1
    assert 'ssid="Free\\22\\3B /system reset-configuration\\3B :put \\22" mode="ap-bridge"' in text
    assert '[/interface wireless find where name="w\\221"]' in text


def test_a_name_of_an_argument_that_is_none_is_a_bug() -> None:
    for name in ("", "a b", 'x"', "a=b", "A"):
        with pytest.raises(ValueError, match="not a name"):
            made_so(Wanted("/ip/dns", "names", ((name, "1"),), Stage.ADDRESSES, Kind.SETTING))


def test_a_row_is_added_once_and_changed_afterwards_but_for_what_cannot_be_read_back() -> None:
    values = (("name", "duka"), ("password", "s3cret"), ("disabled", "no"))
    text = made_so(Wanted("/user", "api", values, Stage.RISKY, unique="name", once=frozenset({"password"})))
    assert text.splitlines() == [
        "{",
        ':local i [/user find where comment="duka:api"]',
        ':if ([:len $i] = 0 and [:len [/user find where name="duka"]] > 0) do={ :global dukaAt "duka: there is another /user with name duka: take it away, or change it"; :error "duka: there is another /user with name duka: take it away, or change it" }',
        ':if ([:len $i] = 0) do={ /user add name="duka" password="s3cret" disabled="no" comment="duka:api" } else={ /user set $i name="duka" disabled="no" }',
        "}",
    ]


def test_rows_that_must_stand_first_are_moved_there() -> None:
    rule = Wanted("/ip/firewall/filter", "input-doors", (("chain", "input"),), Stage.RISKY, first=True)
    assert ":local top [:pick [/ip firewall filter find where dynamic=no] 0]" in made_so(rule)
    assert "/ip firewall filter move $i destination=$top" in made_so(rule)
    radius = Wanted("/radius", "radius", (("address", "10.0.0.1"),), Stage.ACCESS, first=True)
    assert ":local top [:pick [/radius find] 0]" in made_so(radius)
