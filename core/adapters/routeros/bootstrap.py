"""A bare box becomes one of ours by two scripts that it fetches itself.

The first one is the same for every box: it changes nothing, asks the box what it is, and fetches the second with the answer.
The second is made for exactly that box from the same list of wanted objects as `plan` and `apply` use; so neither ever
contains a command that its RouterOS does not know. Both may be run again. What a factory's default configuration is made of:
rows with a comment that begins with `defconf`, a DHCP server of that name and its pool; nothing else is ever removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from core import login_page
from core.adapters.routeros.desire import Stage, Wanted
from core.adapters.routeros.facts import RADIO_TYPES, WIFI, RouterFacts, version_of
from core.adapters.routeros.rsc import AT, at, block, command, found, made_so, quoted, said, stopped
from core.adapters.routeros.wanted import wanted
from core.blueprint import Blueprint, Scope

FIRST_FILE, SECOND_FILE, BACKUP, REPORT = "duka.rsc", "duka-setup.rsc", "duka-before", "duka-setup"
FACTS_BYTES_MAX, LINES_MAX = 16_000, 200
HOME_TRIES, HOME_PAUSE = 20, "6s"
"""A WAN that was just arranged anew may need a while until it has an address."""
FILTER = "/ip/firewall/filter"
CLEANER = "duka-clean"
"""Takes the scripts away when the box was switched off before they were: the second one holds passwords."""

DEFAULTS: tuple[tuple[str, str], ...] = (
    ("/ip/dhcp-server", 'name="defconf"'),
    ("/ip/dhcp-server/network", 'comment~"^defconf"'),
    ("/ip/pool", 'name="default-dhcp"'),
    ("/ip/dns/static", 'comment~"^defconf"'),
    ("/ip/address", 'comment~"^defconf"'),
    ("/ip/firewall/nat", 'comment~"^defconf"'),
    ("/ip/firewall/filter", 'comment~"^defconf"'),
    ("/interface/list/member", 'comment~"^defconf"'),
    ("/interface/bridge/port", 'comment~"^defconf"'),
    ("/interface/bridge", 'comment~"^defconf"'),
)
"""What a factory's configuration has put where ours goes, in the order in which it can be removed."""

_FIRST = """\
# Asks this router what it is, tells the shop, and fetches the script that is made for it, which is taken away again in any case.
{
:local url @URL@
:local check "no"
:local facts ("version=" . [/system resource get version] . "\\nboard=" . [/system resource get board-name] . "\\n")
:local serial ""
:do { :set serial [/system routerboard get serial-number] } on-error={}
:if ([:len $serial] = 0) do={ :do { :set serial [/system license get software-id] } on-error={} }
:if ([:len $serial] = 0) do={ :do { :set serial [[:parse ":return [/system license get system-id]"]] } on-error={} }
:set facts ($facts . "serial=" . $serial . "\\n")
:foreach i in=[/interface find] do={
:local kind [/interface get $i type]
:if ($kind = "ether" or $kind = "wlan" or $kind = "wifi") do={ :set facts ($facts . $kind . "=" . [/interface get $i name] . "\\n") }
}
:if ([:len [/file find where name="flash"]] > 0) do={ :set facts ($facts . "files=flash/\\n") }
:do { :set facts ($facts . "hotspot=" . [[:parse ":return [/system device-mode get hotspot]"]] . "\\n") } on-error={}
:do { :set facts ($facts . "scheduler=" . [[:parse ":return [/system device-mode get scheduler]"]] . "\\n") } on-error={}
:do { :if ([:len [[:parse ":return [/certificate settings get builtin-trust-store]"]]] > 0) do={ :set check @CHECK@ } } on-error={}
:do { /system scheduler remove [/system scheduler find where name=@CLEANER@] } on-error={}
:do { /system scheduler add name=@CLEANER@ start-time=startup on-event=@CLEAN@ policy=ftp,read,test,write } on-error={}
:put "duka: fetching the script for this router"
/tool fetch url=($url . "/setup.rsc") http-method=post http-header-field="Content-Type: text/plain" http-data=$facts dst-path=@SECOND@ check-certificate=$check
:put "duka: the set-up now goes on by itself and takes a minute; this connection may end. See: /log print where message~\\"duka\\""
:execute script=@RUN@ file=@REPORT@
}
"""


@dataclass(frozen=True, slots=True)
class AskedBox:
    """What a box answered to the first script. `serial` tells it from all others; `text` is the whole answer."""

    version: str
    board: str
    serial: str
    text: str


class RouterScripts:
    """The scripts of `core.app.App`: text alone, nothing is sent anywhere."""

    def line(self, base_url: str, wan_interface: str, *, believes: bool) -> str:
        """What is pasted into a box's terminal: it gets an address, fetches the first script and runs it.

        `believes`: whoever answers at that address is believed. Else the certificate is checked, which only a box can do that
        knows what time it is and has roots of its own (RouterOS 7.19 or newer).
        """
        check = "" if believes else " check-certificate=yes-without-crl"
        return (
            f":do {{ /ip dhcp-client add interface={quoted(wan_interface)} disabled=no }} on-error={{}}; :delay 5s; "
            f"/tool fetch url={quoted(f'{base_url}.rsc')} dst-path={FIRST_FILE}{check}; /import file-name={FIRST_FILE}"
        )

    def first(self, base_url: str) -> str:
        """The script behind the pasted line. `base_url` is the address with the token, without an ending."""
        failed = f':global {AT}; :put ("duka: stopped at " . ${AT}); :log error ("duka: stopped at " . ${AT})'
        run = f"{at('the script as a whole')}; :do {{ /import file-name={SECOND_FILE} }} on-error={{ {failed} }}"
        clean = (
            f'/file remove [/file find where name="{SECOND_FILE}" or name="{FIRST_FILE}"]; '
            f':do {{ /system scheduler remove [/system scheduler find where name="{CLEANER}"] }} on-error={{}}'
        )
        parts = {
            "@URL@": quoted(base_url),
            "@CHECK@": quoted("yes-without-crl" if base_url.startswith("https:") else "no"),
            "@SECOND@": quoted(SECOND_FILE),
            "@CLEANER@": quoted(CLEANER),
            "@CLEAN@": quoted(clean),
            "@RUN@": quoted(f"{run}; {clean}"),
            "@REPORT@": quoted(REPORT),
        }
        return re.sub("|".join(parts), lambda match: parts[match[0]], _FIRST)

    def understand(self, answer: bytes) -> AskedBox | None:
        """What a box said of itself; None when no box says that."""
        text = answer[: FACTS_BYTES_MAX + 1].decode("utf-8", "replace")
        facts = dict(_pairs(text))
        try:
            version_of(facts.get("version", ""))
        except ValueError:
            return None
        if len(answer) > FACTS_BYTES_MAX:
            return None
        return AskedBox(facts["version"], facts.get("board", ""), facts.get("serial", ""), text)

    def second(self, blueprint: Blueprint, box: AskedBox, base_url: str) -> str:
        """The script that makes this box what `blueprint` says, and calls home at its end."""
        facts = facts_of(box)
        things = wanted(blueprint, facts)
        doors = [each for each in things if each.menu == FILTER]
        later = {blueprint.tunnel and blueprint.tunnel.interface, blueprint.lan and blueprint.lan.interface}
        parts = [
            "# Made for one router. Contains its passwords; the router deletes it when it is done.\n",
            said("begins"),
            *_refusals(facts),
            _backup(facts),
            said("closing API, Winbox and SSH towards the internet"),
            *(_step(each) for each in reversed(doors) if dict(each.values).get("in-interface", "any") not in later),
            *((*_adopt(blueprint, things), *_without_defaults()) if blueprint.scope is Scope.BOX else ()),
        ]
        for stage, group in groupby((each for each in things if each.menu != FILTER), key=lambda each: each.stage):
            parts += [said(_NAMES[stage]), *(_step(each) for each in group)]
        parts += [_step(each) for each in reversed(doors)]  # each goes to the top, so the last one first
        return "".join([*parts, *_pages(blueprint, facts), _home(base_url, box)])


def _step(wanted: Wanted) -> str:
    return f"{at(f'{wanted.menu} {wanted.key}')}\n{made_so(wanted)}"


_NAMES = {
    Stage.LINKS: "interfaces and Wi-Fi",
    Stage.ADDRESSES: "addresses, DHCP, DNS, clock",
    Stage.ACCESS: "RADIUS and hotspot",
    Stage.GARDEN: "what phones may reach before they pay",
    Stage.FIREWALL: "NAT",
    Stage.RISKY: "account and way to the shop",
}


def facts_of(box: AskedBox) -> RouterFacts:
    """The box as the rest of this package knows boxes. A fresh one has no hotspot and no lines."""
    pairs = list(_pairs(box.text))
    said_of = dict(pairs)
    radios = [(kind, name) for kind, name in pairs if kind in RADIO_TYPES]
    drivers = {RADIO_TYPES[kind] for kind, _ in radios}
    driver = WIFI if WIFI in drivers else next(iter(drivers), None)
    return RouterFacts(
        version=version_of(box.version),
        board=box.board,
        wifi=driver,
        radios=tuple(name for kind, name in radios if RADIO_TYPES[kind] == driver),
        ports=tuple(name for kind, name in pairs if kind == "ether"),
        files="flash/" if said_of.get("files") == "flash/" else "",
        hotspot_allowed=said_of.get("hotspot", "true") in ("true", "yes"),
        scheduler_allowed=said_of.get("scheduler", "true") in ("true", "yes"),
    )


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    for line in text.split("\n")[:LINES_MAX]:
        name, equals, value = line.strip("\r").partition("=")
        if equals and value:
            yield name, value


def _refusals(facts: RouterFacts) -> list[str]:
    """What makes all the rest pointless: better said before anything is changed."""
    if facts.hotspot_allowed:
        return []
    text = (
        "device-mode forbids a hotspot on this box: type /system/device-mode/update mode=advanced hotspot=yes, press its "
        "button or cut its power within five minutes, then paste the line again"
    )
    return [f"{stopped(text)}\n"]


def _backup(facts: RouterFacts) -> str:
    """How the box was before us, once: a second run does not replace it."""
    name = f"{facts.files}{BACKUP}"
    return f"{at('keeping the present configuration')}\n" + block(
        (
            f":if ([:len {found('/file', (('name', f'{name}.backup'),))}] = 0) do={{",
            said(f"keeping the present configuration as {name}").rstrip("\n"),
            f"/system backup save name={quoted(name)} dont-encrypt=yes",
            f"/export file={quoted(name)}",
            "}",
        )
    )


def _adopt(blueprint: Blueprint, things: Iterable[Wanted]) -> list[str]:
    """The DHCP client that gives this box its internet becomes ours, with its address: it must not go for a moment."""
    menu = "/ip/dhcp-client"
    for each in things:
        if each.menu == menu:
            place, tag = each.tag
            rows = f"[{command(menu, 'find')} where interface={quoted(blueprint.wan_interface)}]"
            return [f"{command(menu, 'set')} {rows} {place}={quoted(tag)}\n"]
    return []


def _without_defaults() -> Iterable[str]:
    for menu, which in DEFAULTS:
        text = quoted(f"duka: removing from {menu} what the factory put there: ")
        yield f"{at(f'removing from {menu}')}\n"
        yield block(
            (
                f":local old [{command(menu, 'find')} where {which}]",
                ":if ([:len $old] > 0) do={",
                f":put ({text} . [:len $old])",
                f":log info ({text} . [:len $old])",
                f"{command(menu, 'remove')} $old",
                "}",
            )
        )


def _pages(blueprint: Blueprint, facts: RouterFacts) -> Iterable[str]:
    if not blueprint.pages:
        return
    yield said("login page")
    for name in login_page.files(blueprint):
        path = f"{facts.files}{blueprint.pages}/{name}"
        yield f"{at(f'fetching {name}')}\n/tool fetch url={quoted(login_page.url(blueprint, name))} dst-path={quoted(path)}\n"


def _home(base_url: str, box: AskedBox) -> str:
    """Tell the shop that all is done; patiently, for the way to it may have been arranged anew."""
    body = json.dumps({"version": box.version, "board": box.board, "serial": box.serial}, ensure_ascii=True)
    fetch = (
        f"/tool fetch url={quoted(f'{base_url}/home')} http-method=post "
        f'http-header-field="Content-Type: application/json" http-data={quoted(body)} keep-result=no'
    )
    return block(
        (
            ":local done false",
            f":for n from=1 to={HOME_TRIES} do={{ :if (!$done) do={{",
            f":do {{ {fetch}",
            f":set done true }} on-error={{ :delay {HOME_PAUSE} }}",
            "} }",
            f":if ($done) do={{ :put {quoted('duka: done, the shop knows this router now')}",
            f":log info {quoted('duka: done, the shop knows this router now')}",
            f"}} else={{ :log error {quoted('duka: set up, but the shop could not be told')} }}",
        )
    )
