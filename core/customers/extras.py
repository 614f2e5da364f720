"""What one device or login gets beyond its package: addresses that are always the same."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

SEVERAL_MAX = 16


def _address(text: str) -> str:
    address = IPv4Address(text)
    if address.is_unspecified or address.is_multicast or address.is_reserved or address.is_loopback:
        raise ValueError("not an address a customer can have")
    return str(address)


def _route(text: str) -> str:
    """`prefix/len [gateway [metric]]` (RFC 2865 §5.22)."""
    network, *rest = text.split()
    if len(rest) > 2 or (len(rest) == 2 and not (rest[1].isdecimal() and 0 < int(rest[1]) < 256)):
        raise ValueError("prefix/length, then maybe a gateway and a metric")
    return " ".join([str(IPv4Network(network)), *(str(IPv4Address(gateway)) for gateway in rest[:1]), *rest[1:]])


def _prefix(text: str) -> str:
    return str(IPv6Network(text))


Prefixes = Annotated[tuple[Annotated[str, AfterValidator(_prefix)], ...], Field(max_length=SEVERAL_MAX)]


class Extras(BaseModel):
    """Fixed addresses. `routes` lead to networks behind the customer; `delegated` are prefixes for their own router."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: Annotated[str, AfterValidator(_address)] | None = None
    routes: Annotated[tuple[Annotated[str, AfterValidator(_route)], ...], Field(max_length=SEVERAL_MAX)] = ()
    prefixes: Prefixes = ()
    delegated: Prefixes = ()
