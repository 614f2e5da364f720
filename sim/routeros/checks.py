"""What the router checks before it writes: that names exist, that values fit, that nothing stands there twice."""

from __future__ import annotations

from collections.abc import Mapping

from sim.routeros.machine import Machine
from sim.routeros.tables import Table
from sim.routeros.values import BadValue

CATEGORY_MISSING = 0
CATEGORY_BAD_VALUE = 1
CATEGORY_INTERRUPTED = 2

NAMES_MAY_REPEAT = frozenset({"/ip/dns/static", "/tool/netwatch", "/user/ssh-keys", "/interface/wifi/access-list"})
REFERENCES = {
    ("/ip/hotspot", "profile"): ("/ip/hotspot/profile", ()),
    ("/ip/hotspot", "address-pool"): ("/ip/pool", ("none",)),
    ("/ip/hotspot/user", "profile"): ("/ip/hotspot/user/profile", ()),
    ("/ip/hotspot/user", "server"): ("/ip/hotspot", ("all",)),
    ("/ip/hotspot/user/profile", "address-pool"): ("/ip/pool", ("none",)),
    ("/ip/hotspot/ip-binding", "server"): ("/ip/hotspot", ("all",)),
    ("/ip/hotspot/walled-garden", "server"): ("/ip/hotspot", ()),
    ("/ip/hotspot/walled-garden/ip", "server"): ("/ip/hotspot", ()),
    ("/ip/dhcp-server", "address-pool"): ("/ip/pool", ("static-only",)),
    ("/interface/pppoe-server/server", "default-profile"): ("/ppp/profile", ("default", "default-encryption")),
    ("/ppp/secret", "profile"): ("/ppp/profile", ("default", "default-encryption")),
    ("/user", "group"): ("/user/group", ()),
    ("/interface/bridge/port", "bridge"): ("/interface/bridge", ("none",)),
    ("/interface/list/member", "list"): ("/interface/list", ()),
    ("/interface/wireguard/peers", "interface"): ("/interface/wireguard", ()),
    ("/interface/wireless", "security-profile"): ("/interface/wireless/security-profiles", ()),
    ("/interface/wireless", "master-interface"): ("/interface/wireless", ("none",)),
    ("/interface/wifi", "configuration"): ("/interface/wifi/configuration", ()),
    ("/interface/wifi", "security"): ("/interface/wifi/security", ()),
    ("/interface/wifi", "datapath"): ("/interface/wifi/datapath", ()),
    ("/interface/wifi", "master-interface"): ("/interface/wifi", ("none",)),
    ("/interface/wifi/configuration", "security"): ("/interface/wifi/security", ()),
    ("/interface/wifi/configuration", "datapath"): ("/interface/wifi/datapath", ()),
    ("/interface/wifi/datapath", "bridge"): ("/interface/bridge", ("none",)),
    ("/ip/dhcp-server/network", "dhcp-option"): ("/ip/dhcp-server/option", ()),
    ("/ip/dhcp-server", "dhcp-option-set"): ("/ip/dhcp-server/option/sets", ("none",)),
    ("/ip/pool", "next-pool"): ("/ip/pool", ("none",)),
    ("/system/logging", "action"): ("/system/logging/action", ()),
    ("/tool/mac-server", "allowed-interface-list"): ("/interface/list", ()),
    ("/tool/mac-server/mac-winbox", "allowed-interface-list"): ("/interface/list", ()),
}
INTERFACE_LISTS = frozenset({"in-interface-list", "out-interface-list"})
RULE_INTERFACES = frozenset({"in-interface", "out-interface", "datapath.bridge"})
"""(menu, argument) → the menu whose names it takes, and words it takes besides."""

TOGETHER_UNIQUE = {
    "/ip/address": (("address", "interface"), "failure: already have such address"),
    "/ip/firewall/address-list": (("list", "address"), "failure: already have such entry"),
    "/interface/bridge/port": (("interface",), "failure: device already added as bridge port"),
    "/interface/list/member": (("list", "interface"), "failure: already have such entry"),
    "/ip/dhcp-client": (("interface",), "failure: dhcp-client on that interface already exists"),
    "/ip/dhcp-server": (("interface", "relay"), "failure: already have dhcp server on that interface"),
    "/ip/dhcp-server/network": (("address",), "failure: already have such network"),
    "/ip/hotspot": (("interface",), "failure: already have hotspot server on that interface"),
    "/interface/wireguard/peers": (("interface", "public-key"), "failure: already have such peer"),
}
DUPLICATE_TEXTS = {"/ip/hotspot/user": "failure: already have user with this name for this server"}


class Trap(Exception):
    """A command the router refuses. `category` is left out where the router sends none."""

    def __init__(self, message: str, category: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.category = category


def check_values(machine: Machine, menu: str, given: Mapping[str, str]) -> dict[str, str]:
    """The given properties in the router's own spelling; an empty text unsets and is let through."""
    checked = {}
    for name, text in given.items():
        if text == "":
            checked[name] = text
            continue
        try:
            checked[name] = machine.schema.kind(menu, name).accept(text)
        except BadValue as refusal:
            raise Trap(str(refusal).replace("{}", name), CATEGORY_BAD_VALUE) from refusal
        _check_reference(machine, menu, name, checked[name])
    return checked


def _check_reference(machine: Machine, menu: str, name: str, value: str) -> None:
    reference = REFERENCES.get((menu, name))
    if reference is not None:
        target, also = reference
        names = value.removeprefix("!").split(",")
        if all(one in also or machine.tables[target].find("name", one) is not None for one in names):
            return
    elif name in INTERFACE_LISTS:
        if machine.tables["/interface/list"].find("name", value.removeprefix("!")) is not None:
            return
    elif name in RULE_INTERFACES:
        one = value.removeprefix("!")
        if one.startswith(("all-", "*")) or machine.tables["/interface"].find("name", one) is not None:
            return
    elif name == "interface" and not menu.startswith("/interface/wifi"):
        if value.startswith(("*", "!")) or value in ("all", "none", "any", "dynamic", "static"):
            return
        if machine.tables["/interface"].find("name", value) is not None:
            return
        if machine.tables["/interface/list"].find("name", value) is not None:
            return
    else:
        return
    raise Trap(f"input does not match any value of {name}", CATEGORY_BAD_VALUE)


def check_mandatory(machine: Machine, menu: str, given: Mapping[str, str]) -> None:
    missing = [name for name in machine.schema.mandatory(menu) if not given.get(name)]
    if missing and "copy-from" not in given:
        raise Trap(f"missing value(s) of argument(s) {','.join(missing)}", CATEGORY_MISSING)


def has_unique_names(machine: Machine, menu: str) -> bool:
    return "name" in (machine.schema.arguments(menu, "add") or ()) and menu not in NAMES_MAY_REPEAT


def check_duplicates(machine: Machine, table: Table, values: Mapping[str, str], but: int | None) -> None:
    """Refuse a row that stands there already, `but` being the row that is changed."""
    menu = table.menu
    name = values.get("name")
    if name and has_unique_names(machine, menu):
        other = table.find("name", name)
        if other is not None and other != but:
            noun = menu.rsplit("/", 1)[1]
            raise Trap(DUPLICATE_TEXTS.get(menu, f"failure: already have {noun} with such name"))
    rule = TOGETHER_UNIQUE.get(menu)
    if rule is None:
        return
    names, message = rule
    wanted = [values.get(part) or (table.get(but, part) if but is not None else "") for part in names]
    for number in table.candidates(dict(zip(names, wanted, strict=True))):
        if number != but and [table.get(number, part) for part in names] == wanted:
            raise Trap(message)


def invented_name(machine: Machine, table: Table) -> str:
    """The name the router gives to a row that was added without one: `pool1`, `hotspot2`."""
    noun = table.menu.rsplit("/", 1)[1]
    count = 1
    while table.find("name", f"{noun}{count}") is not None:
        count += 1
    return f"{noun}{count}"
