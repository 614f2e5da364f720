"""Which reply attributes may stand in rows, and what makes a value acceptable (docs/radius-policy.md, "Attributes in rows")."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Network

WORDS_OCTETS_MAX = 247
NUMBER_MAX = 2**31 - 1
METRIC_MAX = 255
SEVERAL = frozenset({"Mikrotik-Address-List", "Framed-Route", "Framed-IPv6-Prefix", "Delegated-IPv6-Prefix"})
"""May stand several times: written with `+=`."""

_NUMBER = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


def acceptable(attribute: str, value: str) -> bool:
    """May this stand in `radreply`? False for attributes a policy does not know."""
    check = _CHECKS.get(attribute)
    return check is not None and check(value)


def _words(value: str) -> bool:
    return value.isprintable() and 0 < len(value.encode()) <= WORDS_OCTETS_MAX


def _number(value: str) -> bool:
    return _NUMBER.fullmatch(value) is not None and int(value) <= NUMBER_MAX


def _address(value: str) -> bool:
    """A customer's own IPv4 address: not 0.0.0.0 and its like, which have meanings of their own (RFC 2865 §5.8)."""
    try:
        address = IPv4Address(value)
    except AddressValueError:
        return False
    return str(address) == value and not (address.is_unspecified or address.is_multicast or address.is_reserved)


def _prefix(value: str) -> bool:
    try:
        return str(IPv6Network(value)) == value
    except ValueError:
        return False


def _route(value: str) -> bool:
    """`prefix/len [gateway [metric]]` (RFC 2865 §5.22)."""
    network, *rest = value.split(" ")
    try:
        if str(IPv4Network(network)) != network or len(rest) > 2:
            return False
        if rest:
            IPv4Address(rest[0])
    except ValueError:
        return False
    return len(rest) < 2 or (_NUMBER.fullmatch(rest[1]) is not None and int(rest[1]) <= METRIC_MAX)


_CHECKS: dict[str, Callable[[str], bool]] = {
    "Session-Timeout": _number,
    "Idle-Timeout": _number,
    "Port-Limit": _number,
    "Framed-Pool": _words,
    "Framed-IPv6-Pool": _words,
    "Mikrotik-Delegated-IPv6-Pool": _words,
    "Mikrotik-Group": _words,
    "Mikrotik-Mark-Id": _words,
    "Filter-Id": _words,
    "Mikrotik-Address-List": _words,
    "Framed-IP-Address": _address,
    "Framed-Route": _route,
    "Framed-IPv6-Prefix": _prefix,
    "Delegated-IPv6-Prefix": _prefix,
}
