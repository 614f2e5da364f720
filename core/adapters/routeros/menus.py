"""The menus we look at: which properties we read, what is meant when one is left out, and when two spellings are the same."""

from __future__ import annotations

from core.adapters.routeros.desire import SECRETS
from core.adapters.routeros.values import Row, duration_ms, flag, words

SINGLE = frozenset(
    {
        "/ip/dhcp-server/config", "/ip/dns", "/ppp/aaa", "/radius/incoming", "/system/device-mode", "/system/identity",
        "/system/ntp/client", "/system/resource",
    }
)  # fmt: skip
"""Menus that are one set of values; they take no `.proplist`."""

_FILTER = (
    "chain,action,in-interface,src-address,src-address-list,dst-address-list,protocol,dst-port,connection-state,disabled,"
    "dynamic,comment"
)
PROPERTIES: dict[str, str] = {
    "/interface": "name,type",
    "/interface/bridge": "name,disabled,comment",
    "/interface/bridge/port": "bridge,interface,disabled,dynamic,comment",
    "/interface/l2tp-client": "name,connect-to,user,use-ipsec,allow,add-default-route,disabled,comment",
    "/interface/pppoe-server/server": (
        "service-name,interface,default-profile,authentication,one-session-per-host,keepalive-timeout,"
        "max-mtu,max-mru,disabled,comment"
    ),
    "/interface/wifi": (
        "name,configuration.mode,configuration.ssid,security.authentication-types,datapath.client-isolation,disabled"
    ),
    "/interface/wireguard": "name,listen-port,private-key,disabled,comment",
    "/interface/wireguard/peers": (
        "interface,public-key,endpoint-address,endpoint-port,allowed-address,persistent-keepalive,disabled,comment"
    ),
    "/interface/wireless": "name,mode,ssid,security-profile,default-forwarding,hide-ssid,disabled",
    "/interface/wireless/security-profiles": "name,mode",
    "/ip/address": "address,network,interface,disabled,dynamic,comment",
    "/ip/dhcp-client": "interface,add-default-route,use-peer-dns,disabled,dynamic,comment",
    "/ip/dhcp-server": "name,interface,address-pool,lease-time,use-radius,disabled,dynamic,comment",
    "/ip/dhcp-server/network": "address,gateway,dns-server,dhcp-option,dynamic,comment",
    "/ip/dhcp-server/option": "name,code,value",
    "/ip/firewall/address-list": "list,address,disabled,dynamic,comment",
    "/ip/firewall/filter": _FILTER,
    "/ip/firewall/nat": "chain,action,out-interface,disabled,dynamic,comment",
    "/ip/hotspot": "name,interface,profile,address-pool,login-timeout,disabled,invalid",
    "/ip/hotspot/profile": (
        "name,hotspot-address,dns-name,html-directory,use-radius,radius-accounting,login-by,mac-auth-mode,"
        "mac-auth-password,radius-interim-update,radius-mac-format"
    ),
    "/ip/hotspot/user/profile": "name,keepalive-timeout,default",
    "/ip/hotspot/walled-garden": "action,dst-host,dst-port,src-address,disabled,dynamic,comment",
    "/ip/hotspot/walled-garden/ip": (
        "action,dst-host,dst-address,protocol,dst-port,src-address,disabled,dynamic,comment"
    ),
    "/ip/pool": "name,ranges",
    "/ip/route": "dst-address,gateway,disabled,dynamic,comment",
    "/ip/service": "name,port,address,disabled,dynamic",
    "/ppp/profile": "name,local-address,remote-address,dns-server",
    "/radius": (
        "address,secret,service,authentication-port,accounting-port,timeout,src-address,disabled,dynamic,comment"
    ),
    "/system/logging": "topics,action,prefix,disabled",
    "/system/scheduler": "name,interval,on-event,policy,disabled,comment",
    "/user": "name,group,address,disabled,comment",
    "/user/group": "name,policy",
}
"""Menu → the properties we read. Files are looked at by name."""

MADE = (
    "/interface/bridge", "/interface/wireless/security-profiles", "/interface/bridge/port", "/ip/dhcp-client",
    "/ip/address", "/ip/pool", "/ip/dhcp-server/option", "/ip/dhcp-server/network", "/ip/dhcp-server", "/system/logging", "/radius",
    "/ip/hotspot/profile", "/ip/hotspot", "/ppp/profile", "/interface/pppoe-server/server",
    "/ip/hotspot/walled-garden/ip", "/ip/hotspot/walled-garden", "/ip/firewall/nat", "/ip/firewall/address-list",
    "/ip/firewall/filter", "/interface/wireguard", "/interface/wireguard/peers", "/interface/l2tp-client", "/ip/route",
    "/user/group", "/user",
)  # fmt: skip
"""Menus in which we make rows, what needs another behind it."""

ACCOUNTS = ("/user", "/user/group")
"""Only who manages accounts may change them, and on some versions look at them."""

NOT_ON_SIX = frozenset({"/interface/wifi", "/interface/wireguard", "/interface/wireguard/peers", "/system/device-mode"})

DEFAULTS = {
    "accept": "no",
    "accounting": "yes",
    "accounting-port": "1813",
    "add-default-route": "yes",
    "allow-remote-requests": "no",
    "authentication-port": "1812",
    "disabled": "no",
    "interim-update": "0s",
    "login-by": "cookie,http-chap",
    "login-timeout": "none",
    "mac-auth-mode": "mac-as-username",
    "port": "1700",
    "radius-accounting": "yes",
    "radius-interim-update": "received",
    "radius-mac-format": "XX:XX:XX:XX:XX:XX",
    "src-address": "0.0.0.0",  # noqa: S104 (how a router says "whichever you like"; nothing is bound)
    "timeout": "1100ms",
    "use-peer-dns": "yes",
    "use-radius": "no",
}
"""What a property means when the router leaves it out."""

LISTS = frozenset(
    {
        "address", "allow", "allowed-address", "authentication", "connection-state", "dhcp-option", "dns-server", "dst-port", "login-by", "ranges",
        "security.authentication-types", "server-dns-names", "servers", "service", "topics",
    }
)  # fmt: skip
DURATIONS = frozenset(
    {"interim-update", "keepalive-timeout", "lease-time", "login-timeout", "persistent-keepalive", "timeout"}
)
NETWORKS = frozenset({"address", "allowed-address", "dst-address", "src-address"})
"""Addresses, of which some versions show a single one as `/32`."""


def readable(row: Row, name: str) -> bool:
    """Whether a secret was shown to us at all."""
    return row.get(name, "").strip("*") != ""


def shown(row: Row, name: str) -> str:
    """A property as it stands, its default when it is left out."""
    return row.get(name, DEFAULTS.get(name, ""))


def same(row: Row, name: str, wanted: str) -> bool:
    """Does the row say what is wanted? A secret that cannot be seen is taken to be right."""
    if name in SECRETS and not readable(row, name):
        return True
    text = shown(row, name)
    if wanted in ("yes", "no") and text not in ("optional", "accounting", "required"):
        return flag({name: text}, name) == (wanted == "yes")
    if name == "policy":
        return _granted(text) == _granted(wanted)
    if name in LISTS:
        return _parts(name, text) == _parts(name, wanted)
    if name in DURATIONS:
        return _milliseconds(text) == _milliseconds(wanted)
    return _plain(name, text) == _plain(name, wanted)


def is_dynamic(row: Row) -> bool:
    """Rows the router made itself: they can be neither changed nor moved."""
    return flag(row, "dynamic")


def _granted(text: str) -> frozenset[str]:
    return frozenset(word for word in words({"policy": text}, "policy") if not word.startswith("!"))


def _parts(name: str, text: str) -> frozenset[str]:
    return frozenset(_plain(name, part) for part in words({name: text}, name))


def _plain(name: str, text: str) -> str:
    return text.removesuffix("/32") if name in NETWORKS else text


def _milliseconds(text: str) -> int | str:
    try:
        return duration_ms(text)
    except ValueError:
        return text
