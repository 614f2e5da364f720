"""The wire: bytes from a router into a packet that can be trusted, and an answer back into bytes.

RFC 2865, 2866, 2869, 5997; CVE-2024-3596 (radius.md §1). Nothing here knows about customers. Attribute names, numbers and
types come from `dictionary/`, read by pyrad once per process. Taking a packet apart is done here and not by pyrad, because
the order of attributes, their number and their exact lengths decide whether a packet is believed at all.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pyrad.dictionary import Dictionary

ACCESS_REQUEST, ACCESS_ACCEPT, ACCESS_REJECT = 1, 2, 3
ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = 4, 5
STATUS_SERVER = 12

HEADER_BYTES, PACKET_BYTES_MAX = 20, 4096
ATTRIBUTES_MAX = 200
"""A router sends about twenty; more is an attempt to keep us busy (FreeRADIUS draws the same line)."""
VALUE_BYTES_MAX = 253
VENDOR_VALUE_BYTES_MAX = VALUE_BYTES_MAX - 6
PASSWORD_BYTES_MAX = 128
CHAP_PASSWORD_BYTES = 17
VENDOR_SPECIFIC, PROXY_STATE, MESSAGE_AUTHENTICATOR = 26, 33, 80
MIKROTIK = 14988

Key = int | tuple[int, int]
"""An attribute's number, or (vendor, number)."""


class Dropped(Exception):
    """This packet gets no answer. `why` is the name under which it is counted."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Packet:
    """One request, taken apart but not yet believed. `signature_at`: where the Message-Authenticator's 16 bytes begin."""

    code: int
    identifier: int
    authenticator: bytes
    raw: bytes
    attributes: dict[Key, list[bytes]]
    signature_at: int | None

    def all(self, name: str) -> list[bytes]:
        """Every value of an attribute, in order."""
        return self.attributes.get(key_of(name), [])

    def first(self, name: str) -> bytes | None:
        values = self.attributes.get(key_of(name))
        return values[0] if values else None

    def text(self, name: str) -> str:
        """Its first value as text; empty when it is not there. What is no UTF-8 becomes U+FFFD."""
        return (self.first(name) or b"").decode("utf-8", "replace")

    def integer(self, name: str) -> int | None:
        """Its first value as a whole number. Raises `Dropped` when it is not four bytes long."""
        value = self.first(name)
        if value is None:
            return None
        if len(value) != 4:
            raise Dropped("malformed")
        return int.from_bytes(value, "big")

    def address(self, name: str) -> str | None:
        """Its first value as an IPv4 address. Raises `Dropped` when it is not four bytes long."""
        number = self.integer(name)
        return None if number is None else str(ipaddress.IPv4Address(number))


@cache
def dictionary() -> Any:
    """Attribute names, numbers and types."""
    return Dictionary(str(Path(__file__).parent / "dictionary" / "dictionary"))


@cache
def key_of(name: str) -> Key:
    """The wire's key of a known attribute. KeyError for a name that is not in the dictionary."""
    attribute = dictionary().attributes[name]
    return (MIKROTIK, attribute.code) if attribute.vendor else int(attribute.code)


@cache
def word_for(name: str, number: int) -> str:
    """What a number of an enumerated attribute is called; the digits when it has no name."""
    values = dictionary().attributes[name].values
    raw = struct.pack("!L", number)
    return str(values.GetBackward(raw)) if values.HasBackward(raw) else str(number)


def decode(datagram: bytes) -> Packet:
    """Take a datagram apart. Raises `Dropped` for anything that is not a well-formed RADIUS packet."""
    if not HEADER_BYTES <= len(datagram) <= PACKET_BYTES_MAX:
        raise Dropped("malformed")
    code, identifier, length = struct.unpack_from("!BBH", datagram)
    if not HEADER_BYTES <= length <= len(datagram):
        raise Dropped("malformed")
    raw = datagram[:length]  # what follows is padding (RFC 2865 §3)
    attributes: dict[Key, list[bytes]] = {}
    signature_at = None
    at = HEADER_BYTES
    for _ in range(ATTRIBUTES_MAX):
        if at == length:
            return Packet(code, identifier, raw[4:HEADER_BYTES], raw, attributes, signature_at)
        end = at + raw[at + 1] if at + 2 <= length else 0
        if end < at + 2 or end > length:
            raise Dropped("malformed")
        number, value = raw[at], raw[at + 2 : end]
        if number == MESSAGE_AUTHENTICATOR:
            if len(value) != 16 or signature_at is not None:
                raise Dropped("malformed")
            signature_at = at + 2
        if number == VENDOR_SPECIFIC:
            _decode_vendor(value, attributes)
        elif value:  # an empty value says nothing: as if it were not there
            attributes.setdefault(number, []).append(value)
        at = end
    if at != length:
        raise Dropped("malformed")
    return Packet(code, identifier, raw[4:HEADER_BYTES], raw, attributes, signature_at)


def _decode_vendor(value: bytes, attributes: dict[Key, list[bytes]]) -> None:
    """The router maker's own attributes; those of other vendors mean nothing to us and are not opened."""
    if len(value) < 4:
        raise Dropped("malformed")
    if int.from_bytes(value[:4], "big") != MIKROTIK:
        return
    at = 4
    while at < len(value):
        end = at + value[at + 1] if at + 2 <= len(value) else 0
        if end < at + 2 or end > len(value):
            raise Dropped("malformed")
        if end > at + 2:
            attributes.setdefault((MIKROTIK, value[at]), []).append(value[at + 2 : end])
        at = end


def check_signature(packet: Packet, secret: bytes, *, demanded: bool) -> None:
    """Verify the Message-Authenticator. Raises `Dropped` when it is wrong, or missing although `demanded`."""
    if packet.signature_at is None:
        if demanded:
            raise Dropped("unsigned")
        return
    start, end = packet.signature_at, packet.signature_at + 16
    vector = bytes(16) if packet.code == ACCOUNTING_REQUEST else packet.authenticator
    zeroed = packet.raw[:4] + vector + packet.raw[HEADER_BYTES:start] + bytes(16) + packet.raw[end:]
    if not hmac.compare_digest(hmac.digest(secret, zeroed, "md5"), packet.raw[start:end]):
        raise Dropped("bad_signature")


def check_accounting(packet: Packet, secret: bytes) -> None:
    """Verify that an Accounting-Request was made by somebody who knows the secret. Raises `Dropped`."""
    expected = _md5(packet.raw[:4], bytes(16), packet.raw[HEADER_BYTES:], secret)
    if not hmac.compare_digest(expected, packet.authenticator):
        raise Dropped("bad_signature")


def reveal_password(hidden: bytes, secret: bytes, authenticator: bytes) -> bytes | None:
    """The password of a PAP login (RFC 2865 §5.2); None when these bytes cannot be one."""
    if not hidden or len(hidden) % 16 or len(hidden) > PASSWORD_BYTES_MAX:
        return None
    clear = bytearray()
    previous = authenticator
    for at in range(0, len(hidden), 16):
        block = hidden[at : at + 16]
        clear += bytes(a ^ b for a, b in zip(block, _md5(secret, previous), strict=True))
        previous = block
    return bytes(clear).rstrip(b"\0")


def chap_response(identifier: int, password: bytes, challenge: bytes) -> bytes:
    """What a CHAP login with this password answers to this challenge (RFC 1994)."""
    return _md5(bytes([identifier]), password, challenge)


def encode(name: str, value: str | int) -> bytes:
    """One attribute for an answer. KeyError for an unknown name, ValueError for a value that does not fit its type."""
    attribute = dictionary().attributes[name]
    if attribute.type == "integer":
        number = int(value)
        if not 0 <= number < 2**32:
            raise ValueError(f"{name} does not fit 32 bits")
        raw = struct.pack("!L", number)
    elif attribute.type == "ipaddr":
        raw = ipaddress.IPv4Address(value).packed
    else:
        raw = str(value).encode()
    if not 0 < len(raw) <= (VENDOR_VALUE_BYTES_MAX if attribute.vendor else VALUE_BYTES_MAX):
        raise ValueError(f"{name} is empty or too long")
    if not attribute.vendor:
        return struct.pack("!BB", attribute.code, len(raw) + 2) + raw
    inner = struct.pack("!BB", attribute.code, len(raw) + 2) + raw
    return struct.pack("!BBL", VENDOR_SPECIFIC, len(inner) + 6, MIKROTIK) + inner


def reply(packet: Packet, code: int, secret: bytes, attributes: Iterable[bytes] = (), *, signed: bool = True) -> bytes:
    """The answer to a packet, with its Proxy-State given back. Raises `Dropped` when it would not fit a packet.

    The Message-Authenticator comes first: then nobody can choose the beginning of what is signed (CVE-2024-3596).
    """
    body = b"".join(attributes)
    for state in packet.attributes.get(PROXY_STATE, ()):
        body += struct.pack("!BB", PROXY_STATE, len(state) + 2) + state
    mark = struct.pack("!BB", MESSAGE_AUTHENTICATOR, 18) if signed else b""
    length = HEADER_BYTES + len(mark) + (16 if signed else 0) + len(body)
    if length > PACKET_BYTES_MAX:
        raise Dropped("answer_too_long")
    start = struct.pack("!BBH", code, packet.identifier, length)
    if signed:
        signature = hmac.digest(secret, start + packet.authenticator + mark + bytes(16) + body, "md5")
        body = mark + signature + body
    return start + _md5(start, packet.authenticator, body, secret) + body


def _md5(*parts: bytes) -> bytes:
    return hashlib.md5(b"".join(parts), usedforsecurity=False).digest()
