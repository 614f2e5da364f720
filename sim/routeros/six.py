"""What RouterOS 6.49 does not have, or has otherwise, compared with the oldest command tree we know (routeros.md §0, §5).

No router of version 6 tells its own tree. The lists follow the field tables of community.routeros
(github.com/ansible-collections/community.routeros @86fe25a, `_api_data.py`), where a field without a version mark
belongs to both majors, and the vendor's manual of version 6.
"""

from __future__ import annotations

import copy
from typing import Any

MENUS_OF_SEVEN = (
    "/interface/wireguard",
    "/interface/wifi",
    "/system/device-mode",
    "/console/inspect",
    "/user-manager",
    "/ip/dns/adlist",
    "/ip/dns/forwarders",
    "/ip/dhcp-server/matcher",
)
CREATED_DISABLED_ON_SIX = frozenset({"/ip/dhcp-server", "/ip/dhcp-client"})

ARGUMENTS_OF_SEVEN: dict[str, tuple[str, ...]] = {
    "/interface/bridge": (
        "add-dhcp-option82", "forward-reserved-addresses", "max-learned-entries", "mvrp", "port-cost-mode",
    ),
    "/interface/bridge/port": ("mvrp-applicant-state", "mvrp-registrar-state"),
    "/interface/bridge/vlan": ("mvrp-forbidden",),
    "/interface/vlan": ("mvrp",),
    "/interface/ethernet": ("cable-settings", "sfp-ignore-rx-los"),
    "/interface/pppoe-server/server": ("pppoe-over-vlan-range",),
    "/ip/dhcp-client": (
        "allow-reconfigure", "check-gateway", "default-route-tables", "dscp", "use-broadcast", "vlan-priority",
    ),
    "/ip/dhcp-server": ("address-lists", "dynamic-lease-identifiers", "use-reconfigure"),
    "/ip/dns": (
        "address-list-extra-time", "doh-max-concurrent-queries", "doh-max-server-connections", "doh-timeout",
        "mdns-repeat-ifaces", "vrf",
    ),
    "/ip/dns/static": ("address-list", "match-subdomain"),
    "/ip/firewall/nat": ("socks5-port", "socks5-server", "socksify-service"),
    "/ip/service": ("max-sessions", "vrf"),
    "/ppp/aaa": ("enable-ipv6-accounting",),
    "/ppp/profile": ("bridge-port-trusted", "bridge-port-vid"),
    "/radius": ("require-message-auth", "vrf"),
    "/radius/incoming": ("vrf",),
    "/snmp": ("engine-id-suffix", "vrf"),
    "/system/logging": ("regex",),
    "/system/logging/action": ("cef-event-delimiter", "remote-log-format", "remote-protocol"),
    "/system/ntp/client": ("mode", "servers", "vrf"),
    "/tool/e-mail": ("server", "vrf"),
    "/user": ("inactivity-policy", "inactivity-timeout"),
}  # fmt: skip
ARGUMENTS_OF_SIX: dict[str, tuple[str, ...]] = {
    "/system/ntp/client": ("primary-ntp", "secondary-ntp", "server-dns-names"),
    "/system/logging/action": ("bsd-syslog",),
    "/tool/e-mail": ("address", "start-tls"),
}
COMMANDS_OF_SEVEN = {"/file": ("add", "read")}
OWN_ARGUMENTS_OF_SEVEN = {
    "/export": ("show-sensitive",),
    "/import": ("dry-run",),
    "/tool/fetch": ("certificate", "http-max-redirect-count", "idle-timeout"),
}
"""Menus that are commands themselves."""


def tree_of_six(menus: dict[str, Any]) -> dict[str, Any]:
    """The command tree of a version 7, made into what 6.49 would say. The given tree stays as it is."""
    found = {path: menu for path, menu in menus.items() if not path.startswith(MENUS_OF_SEVEN)}
    touched = {*ARGUMENTS_OF_SEVEN, *ARGUMENTS_OF_SIX, *COMMANDS_OF_SEVEN, *OWN_ARGUMENTS_OF_SEVEN}
    for path in touched & set(found):
        menu = found[path] = copy.deepcopy(found[path])
        for name in COMMANDS_OF_SEVEN.get(path, ()):
            menu["commands"].pop(name, None)
        for name in OWN_ARGUMENTS_OF_SEVEN.get(path, ()):
            menu["args"].pop(name, None)
        for command in ("add", "set"):
            arguments = menu.get("commands", {}).get(command)
            if arguments is None:
                continue
            for name in ARGUMENTS_OF_SEVEN.get(path, ()):
                arguments.pop(name, None)
            arguments.update(dict.fromkeys(ARGUMENTS_OF_SIX.get(path, ()), ""))
    return {path: _hiding(menu) for path, menu in found.items()}


def _hiding(menu: dict[str, Any]) -> dict[str, Any]:
    """Version 6 shows secrets in an export unless told to hide them; it has no word for showing."""
    commands = menu.get("commands")
    if commands is None or not any("show-sensitive" in arguments for arguments in commands.values()):
        return menu
    shown = {
        command: {name: about for name, about in arguments.items() if name != "show-sensitive"}
        for command, arguments in commands.items()
    }
    return {**menu, "commands": shown}
