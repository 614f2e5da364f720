"""What neither the command tree nor the manual's tables say about a menu, as plain tables for `schema.py`."""

from __future__ import annotations

from typing import Any

CREATED_DISABLED = frozenset(
    {"/ip/hotspot", "/interface/pppoe-server/server"}
    | {f"/interface/{kind}-client" for kind in ("l2tp", "sstp", "ovpn", "pppoe")}
)
OFF_VALUES = frozenset({"", "0", "0s", "0.0.0.0", "0.0.0.0:0", "00:00:00:00:00:00"})  # noqa: S104
"""Defaults that mean "not set": such a property is left out of the row (reference routeros.md §1.2)."""

MORE_DEFAULTS = {
    "/ip/hotspot/profile": {"mac-auth-mode": "mac-as-username", "install-hotspot-queue": "no"},
    "/interface/wireless": {"mode": "station", "ssid": "MikroTik", "security-profile": "default"},
    "/ip/firewall/filter": {"action": "accept"},
    "/ip/firewall/nat": {"action": "accept"},
    "/system/script": {"policy": "ftp,reboot,read,write,policy,test,password,sniff,sensitive,romon"},
    "/system/scheduler": {
        "interval": "0s",
        "policy": "ftp,reboot,read,write,policy,test,password,sniff,sensitive,romon",
    },
}
SHOWN_THOUGH_OFF = {("/system/scheduler", "interval")}
RULES = tuple(f"/ip/firewall/{table}" for table in ("filter", "nat", "mangle", "raw"))
MORE_FLAGS = dict.fromkeys(RULES, ("disabled", "dynamic", "invalid"))
MORE_MANDATORY = {"/interface/wireguard/peers": ("public-key",), "/ip/dhcp-server/option": ("code", "name")}

_POLICY = {"policy": "policies"}
_DURATION_OR_NONE = "alt { enum (none) , time }"
_COUNT_OR_UNLIMITED = "alt { enum (unlimited) , num [1 .. 4294967295] }"
_RULE = {
    "src-address": "matched-addresses",
    "dst-address": "matched-addresses",
    "src-port": "ports",
    "dst-port": "ports",
    "port": "ports",
    "to-ports": "ports",
    "to-addresses": "matched-addresses",
    "protocol": "protocol",
    "connection-state": "states",
    "address-list-timeout": "alt { enum (none-static | none-dynamic) , time }",
}
MORE_TYPES = {
    "/ip/address": {"address": "interface-address"},
    "/ip/pool": {"ranges": "ranges"},
    "/ip/hotspot/user/profile": {
        "shared-users": _COUNT_OR_UNLIMITED,
        "idle-timeout": _DURATION_OR_NONE,
        "keepalive-timeout": _DURATION_OR_NONE,
    },
    "/ip/hotspot": {"addresses-per-mac": _COUNT_OR_UNLIMITED},
    "/ip/hotspot/walled-garden/ip": {
        "dst-address": "matched-addresses",
        "src-address": "matched-addresses",
        "dst-port": "ports",
        "protocol": "protocol",
    },
    "/ip/hotspot/walled-garden": {"dst-port": "ports"},
    "/ip/dhcp-server/network": {
        "address": "prefix",
        "gateway": "addresses",
        "dns-server": "addresses",
        "ntp-server": "addresses",
    },
    "/ip/dhcp-server/option": {"code": "num [1 .. 254]"},
    "/ip/dns": {"servers": "addresses"},
    "/ip/service": {"address": "prefixes"},
    "/ip/firewall/filter": _RULE,
    "/ip/firewall/nat": _RULE,
    "/interface/wireguard": {"private-key": "key"},
    "/interface/wireguard/peers": {
        "public-key": "key",
        "preshared-key": "alt { enum (none | auto) , key }",
        "allowed-address": "prefixes",
        "endpoint-address": "host",
        "persistent-keepalive": "time",
    },
    "/system/ntp/client": {"servers": "hosts", "primary-ntp": "ipAddr", "secondary-ntp": "ipAddr"},
    "/system/scheduler": {**_POLICY, "interval": "time"},
    "/system/script": _POLICY,
    "/user/group": _POLICY,
    "/user": {"address": "prefixes"},
    "/ppp/profile": {"dns-server": "addresses"},
}
PORT_TYPE = "num [0 .. 65535]"

_SHOWN: dict[str, Any] = {
    "type": "dir",
    "commands": {"print": {"proplist": ""}, "get": {"value-name": ""}},
    "properties": [
        "routerboard", "board-name", "model", "serial-number", "firmware-type", "factory-firmware", "current-firmware",
        "upgrade-firmware",
    ],
}  # fmt: skip
MENUS_OF_HARDWARE: dict[str, Any] = {
    "/system/routerboard": _SHOWN,
    "/system/reset-configuration": {
        "type": "cmd",
        "args": {"keep-users": "", "no-defaults": "", "run-after-reset": "", "skip-backup": ""},
    },
}
"""Menus a virtual router does not have, so that no command tree lists them; from the vendor's manual."""
