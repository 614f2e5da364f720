"""How a router is arranged for its customers: what the owner decides and the blueprint is made from."""

from __future__ import annotations

import ipaddress
import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

SSID_BYTES_MAX = 32
"""A limit of 802.11, in bytes."""
PREFIX_MAX = 29
HIDDEN, JOINER = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}), "\u200d"
"""Characters nobody sees; but one of them makes families of emoji."""
_HOST = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$"


def _interface(text: str) -> str:
    own = ipaddress.IPv4Interface(text)
    if own.network.prefixlen > PREFIX_MAX:
        raise ValueError(f"a network for customers has a prefix up to /{PREFIX_MAX}: 10.20.0.1/16")
    if own.ip in (own.network.network_address, own.network.broadcast_address):
        raise ValueError(f"{own.ip} is no address for a router in {own.network}: the first is {own.network[1]}")
    return text


def _pool(text: str) -> str:
    first, _, last = text.partition("-")
    if ipaddress.IPv4Address(first) > ipaddress.IPv4Address(last):
        raise ValueError("a pool ends before it begins")
    return text


def _ssid(text: str) -> str:
    hidden = any(unicodedata.category(char) in HIDDEN and char != JOINER for char in text)
    if not 1 <= len(text.encode("utf-8", "replace")) <= SSID_BYTES_MAX or hidden:
        raise ValueError(f"a network is called by 1 to {SSID_BYTES_MAX} bytes of printable text")
    return text


class Layout(BaseModel):
    """See `core.blueprint`. `scope` box: all of the router is ours to arrange; service: only what selling needs.

    `lan_address` is the router's own with its prefix, `lan_pool` is `first-last`. Whatever is None or empty we do not touch.
    `lines`: PPPoE is wanted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: Literal["box", "service"] = "service"
    wan_interface: Annotated[str, Field(max_length=40, pattern=r"^[A-Za-z0-9._/-]*$")] = ""
    lan_address: Annotated[str, AfterValidator(_interface)] | None = None
    lan_pool: Annotated[str, AfterValidator(_pool)] | None = None
    dns_name: Annotated[str, Field(max_length=60, pattern=_HOST)] | None = None
    ssid: Annotated[str, AfterValidator(_ssid)] | None = None
    lines: bool = False
    radius_address: Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9.:-]*$")] = ""
    """Where this router finds our RADIUS when that is not where the others do."""

    login_page: bool = False
    """Phones are shown our login page instead of the one the router came with."""

    @model_validator(mode="after")
    def _pool_is_inside(self) -> Layout:
        if self.lan_pool is None:
            return self
        if self.lan_address is None:
            raise ValueError("a pool without a network")
        lan = ipaddress.IPv4Interface(self.lan_address)
        first, last = (ipaddress.IPv4Address(end) for end in self.lan_pool.split("-"))
        if first not in lan.network or last not in lan.network or first <= lan.ip <= last:
            raise ValueError("the pool must lie in the router's network, without its own address")
        return self
