"""What an Access-Request says, as a value: which service asks, for whom, and how a password is proved."""

from __future__ import annotations

import re
from dataclasses import dataclass

from radius.packet import Packet, key_of
from radius.passwords import Chap, MsChap2, read_chap, read_ms_chap2, reveal_password

HOTSPOT, PPP, DHCP = "hotspot", "ppp", "dhcp"

ONLY_ONCE = (
    "User-Name", "User-Password", "CHAP-Password", "CHAP-Challenge", "MS-CHAP-Challenge", "MS-CHAP2-Response",
    "Calling-Station-Id", "Called-Station-Id", "Framed-IP-Address", "NAS-IP-Address", "NAS-IPv6-Address", "NAS-Identifier",
    "NAS-Port", "NAS-Port-Type", "NAS-Port-Id", "Mikrotik-Host-IP", "Framed-Protocol", "Service-Type",
)  # fmt: skip
"""A browser can add attributes to a login (radius.md §1): a second one of these is not the router's."""

_CLIENT_IDENTIFIER = re.compile(r"1((?::[0-9A-Fa-f]{1,2}){6})", re.ASCII)
"""How DHCP names a device: hardware type 1, then its MAC, with or without leading zeros."""
_FRAMED_PPP = (1).to_bytes(4, "big")


@dataclass(slots=True)
class AccessRequest:
    """What an Access-Request says. `password` is None without User-Password, and empty when its bytes cannot be one."""

    username: str = ""
    calling_station: str = ""
    password: bytes | None = None
    chap: Chap | None = None
    ms_chap: MsChap2 | None = None
    service: str = HOTSPOT
    repeated: tuple[str, ...] = ()
    """Names of attributes that may stand only once and do not."""

    @property
    def device(self) -> str:
        """The MAC of the device that asks, as the router says it; on DHCP spelled out from its client identifier."""
        if self.service != DHCP:
            return self.calling_station
        return ":".join(group.zfill(2).upper() for group in self.calling_station.split(":")[1:])


_NAME, _PASSWORD, _CHAP, _CHALLENGE, _CALLING, _PROTOCOL, _HOST, _MS_CHALLENGE, _MS_RESPONSE = (
    key_of(name)
    for name in (
        "User-Name", "User-Password", "CHAP-Password", "CHAP-Challenge", "Calling-Station-Id", "Framed-Protocol",
        "Mikrotik-Host-IP", "MS-CHAP-Challenge", "MS-CHAP2-Response",
    )
)  # fmt: skip


def read_request(packet: Packet, secret: bytes) -> AccessRequest:
    """What the packet says, with the password revealed."""
    values = packet.values
    calling_station = values.get(_CALLING, b"").decode("utf-8", "replace")
    request = AccessRequest(values.get(_NAME, b"").decode("utf-8", "replace"), calling_station)
    if _PASSWORD in values:
        request.password = reveal_password(values[_PASSWORD], secret, packet.authenticator) or b""
    if _CHAP in values:
        request.chap = read_chap(values[_CHAP], values.get(_CHALLENGE) or packet.authenticator)
    if _MS_RESPONSE in values:
        request.ms_chap = read_ms_chap2(values[_MS_RESPONSE], values.get(_MS_CHALLENGE, b""))
    if values.get(_PROTOCOL) == _FRAMED_PPP:
        request.service = PPP
    elif _HOST not in values and _CLIENT_IDENTIFIER.fullmatch(calling_station):
        request.service = DHCP
    if packet.more:
        request.repeated = packet.repeated(ONLY_ONCE)
    return request
