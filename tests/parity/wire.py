"""A router's side of RADIUS for the parity suite: requests from lists of attributes, answers verified and taken apart.

Written apart from both servers and from pyrad, so that no mistake is made twice in the same way. RFC 2865, 2866, 2869, 3162.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

ACCESS_REQUEST, ACCESS_ACCEPT, ACCESS_REJECT, ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE, STATUS_SERVER = 1, 2, 3, 4, 5, 12
CODES = {ACCESS_ACCEPT: "Access-Accept", ACCESS_REJECT: "Access-Reject", ACCOUNTING_RESPONSE: "Accounting-Response"}
MESSAGE_AUTHENTICATOR = 80
MIKROTIK, MICROSOFT = 14988, 311

Value = str | int | bytes
Attribute = tuple[str, Value]

_PLAIN = {
    "User-Name": (1, "text"), "User-Password": (2, "hidden"), "CHAP-Password": (3, "octets"), "NAS-IP-Address": (4, "ipv4"),
    "NAS-Port": (5, "number"), "Service-Type": (6, "number"), "Framed-Protocol": (7, "number"),
    "Framed-IP-Address": (8, "ipv4"), "Filter-Id": (11, "text"), "Reply-Message": (18, "text"), "Framed-Route": (22, "text"),
    "State": (24, "octets"), "Class": (25, "text"), "Session-Timeout": (27, "number"), "Idle-Timeout": (28, "number"),
    "Called-Station-Id": (30, "text"), "Calling-Station-Id": (31, "text"), "NAS-Identifier": (32, "text"),
    "Proxy-State": (33, "octets"), "Acct-Status-Type": (40, "number"), "Acct-Delay-Time": (41, "number"),
    "Acct-Input-Octets": (42, "number"), "Acct-Output-Octets": (43, "number"), "Acct-Session-Id": (44, "text"),
    "Acct-Authentic": (45, "number"), "Acct-Session-Time": (46, "number"), "Acct-Terminate-Cause": (49, "number"),
    "Acct-Input-Gigawords": (52, "number"), "Acct-Output-Gigawords": (53, "number"), "Event-Timestamp": (55, "number"),
    "CHAP-Challenge": (60, "octets"), "NAS-Port-Type": (61, "number"), "Port-Limit": (62, "number"),
    "Acct-Interim-Interval": (85, "number"), "NAS-Port-Id": (87, "text"), "Framed-Pool": (88, "text"),
    "NAS-IPv6-Address": (95, "octets"), "Framed-IPv6-Prefix": (97, "prefix"), "Framed-IPv6-Pool": (100, "text"),
    "Delegated-IPv6-Prefix": (123, "prefix"),
}  # fmt: skip
_VENDORS = {
    MIKROTIK: {
        "Mikrotik-Group": (3, "text"), "Mikrotik-Rate-Limit": (8, "text"), "Mikrotik-Realm": (9, "text"),
        "Mikrotik-Host-IP": (10, "ipv4"), "Mikrotik-Mark-Id": (11, "text"), "Mikrotik-Total-Limit": (17, "number"),
        "Mikrotik-Total-Limit-Gigawords": (18, "number"), "Mikrotik-Address-List": (19, "text"),
        "Mikrotik-Delegated-IPv6-Pool": (22, "text"),
    },
    MICROSOFT: {
        "MS-CHAP-Error": (2, "octets"), "MS-CHAP-Challenge": (11, "octets"), "MS-CHAP2-Response": (25, "octets"),
        "MS-CHAP2-Success": (26, "octets"),
    },
}  # fmt: skip
NUMBERS: dict[str, tuple[int, int, str]] = {name: (0, *about) for name, about in _PLAIN.items()} | {
    name: (vendor, *about) for vendor, table in _VENDORS.items() for name, about in table.items()
}
"""Name → (vendor or 0, number, type)."""
_NAMES = {(vendor, number): (name, kind) for name, (vendor, number, kind) in NUMBERS.items()}


class NotTheServer(AssertionError):
    """An answer whose authenticator or Message-Authenticator is wrong."""


@dataclass(frozen=True)
class Reply:
    """A verified answer. `attributes` in the order of the packet; the first one is the Message-Authenticator, not listed."""

    code: str
    attributes: tuple[Attribute, ...]
    raw: bytes
    signed_first: bool

    def named(self, name: str) -> list[Value]:
        return [value for each, value in self.attributes if each == name]


def hide(password: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """PAP (RFC 2865 §5.2)."""
    padded = password.ljust(max(-(-len(password) // 16) * 16, 16), b"\0")
    hidden, last = b"", authenticator
    for start in range(0, len(padded), 16):
        pad = hashlib.md5(secret + last).digest()
        last = bytes(a ^ b for a, b in zip(padded[start : start + 16], pad, strict=True))
        hidden += last
    return hidden


def encode(name: str, value: Value, secret: bytes, authenticator: bytes) -> bytes:
    """One attribute. Bytes go as they are, except for User-Password, which is always hidden."""
    vendor, number, kind = NUMBERS[name]
    if kind == "hidden":
        raw = hide(value if isinstance(value, bytes) else str(value).encode(), secret, authenticator)
    elif isinstance(value, bytes):
        raw = value
    elif kind == "number":
        raw = struct.pack("!I", int(value))
    elif kind == "ipv4":
        raw = ipaddress.IPv4Address(value).packed
    else:
        raw = str(value).encode()
    inner = bytes([number, len(raw) + 2]) + raw
    return inner if not vendor else struct.pack("!BBI", 26, len(inner) + 6, vendor) + inner


def request(
    code: int, attributes: Sequence[Attribute], secret: bytes, *, signed: bool, identifier: int = 0,
    authenticator: bytes | None = None,
) -> bytes:  # fmt: skip
    """A whole packet, with its Message-Authenticator last."""
    start = authenticator or os.urandom(16)
    zero = bytes(16)
    body = b"".join(encode(name, value, secret, start) for name, value in attributes)
    mark = bytes([MESSAGE_AUTHENTICATOR, 18])
    length = 20 + len(body) + (18 if signed else 0)
    head = struct.pack("!BBH", code, identifier, length)
    vector = zero if code == ACCOUNTING_REQUEST else start
    if signed:
        body += mark + hmac.digest(secret, head + vector + body + mark + zero, "md5")
    if code == ACCOUNTING_REQUEST:
        start = hashlib.md5(head + zero + body + secret).digest()
    return head + start + body


def understand(raw: bytes, asked: bytes, secret: bytes) -> Reply:
    """Verify an answer to `asked` and take it apart. Raises `NotTheServer`."""
    code, identifier, length = struct.unpack_from("!BBH", raw)
    if identifier != asked[1] or length != len(raw):
        raise NotTheServer(f"identifier {identifier} for {asked[1]}, {len(raw)} bytes called {length}")
    if hashlib.md5(raw[:4] + asked[4:20] + raw[20:] + secret).digest() != raw[4:20]:
        raise NotTheServer("the response authenticator is wrong")
    attributes: list[Attribute] = []
    first_is_signature, at = False, 20
    while at < length:
        number, end = raw[at], at + raw[at + 1]
        value = raw[at + 2 : end]
        if number == MESSAGE_AUTHENTICATOR:
            zeroed = raw[:4] + asked[4:20] + raw[20 : at + 2] + bytes(16) + raw[end:]
            if hmac.digest(secret, zeroed, "md5") != value:
                raise NotTheServer("the Message-Authenticator is wrong")
            first_is_signature = first_is_signature or at == 20
        else:
            attributes += _taken_apart(number, value)
        at = end
    return Reply(CODES.get(code, str(code)), tuple(attributes), raw, first_is_signature)


def _taken_apart(number: int, value: bytes) -> Iterator[Attribute]:
    if number != 26:
        yield _read(0, number, value)
        return
    vendor, inner = int.from_bytes(value[:4], "big"), value[4:]
    while inner:
        yield _read(vendor, inner[0], inner[2 : inner[1]])
        inner = inner[inner[1] :]


def _read(vendor: int, number: int, raw: bytes) -> Attribute:
    name, kind = _NAMES.get((vendor, number), (f"{vendor}-{number}", "octets"))
    if kind == "number":
        return name, int.from_bytes(raw, "big")
    if kind == "ipv4":
        return name, str(ipaddress.IPv4Address(raw))
    if kind == "prefix":
        return name, f"{ipaddress.IPv6Address(raw[2:].ljust(16, bytes(1)))}/{raw[1]}"
    return name, raw if kind == "octets" else raw.decode()


@contextmanager
def bound(source: str) -> Iterator[socket.socket]:
    """A socket at a router's address; anything in 127.0.0.0/8 will do."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind((source, 0))
        yield wire


def ask(
    wire: socket.socket, port: int, raw: bytes, secret: bytes, seconds: float = 6.0, again: float = 1.1
) -> Reply | None:
    """Send, and send again every `again` seconds as RouterOS does, until answered; None for silence."""
    wire.settimeout(again)
    for _ in range(max(round(seconds / again), 1)):
        wire.sendto(raw, ("127.0.0.1", port))
        try:
            return understand(wire.recv(4096), raw, secret)
        except TimeoutError:
            continue
    return None
