"""The wire: bytes from a router into a packet that can be trusted, and an answer back into bytes.

RFC 2865, 2866, 2869, 5997; CVE-2024-3596 (radius.md §1). Nothing here knows about customers. The order of attributes, their
number and their exact lengths decide whether a packet is believed at all, and every packet passes through here once on the
way in and once on the way out: so it is written on `struct`, `hashlib` and `hmac` alone.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from radius.attributes import MICROSOFT, MIKROTIK, VENDOR_SPECIFIC, Key, encode, key_of, word_for

__all__ = [
    "ACCESS_ACCEPT", "ACCESS_REJECT", "ACCESS_REQUEST", "ACCOUNTING_REQUEST", "ACCOUNTING_RESPONSE", "ATTRIBUTES_MAX",
    "HEADER_BYTES", "PACKET_BYTES_MAX", "STATUS_SERVER", "Dropped", "Packet", "check_accounting", "check_signature", "decode",
    "encode", "key_of", "reply", "word_for",
]  # fmt: skip

ACCESS_REQUEST, ACCESS_ACCEPT, ACCESS_REJECT = 1, 2, 3
ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = 4, 5
STATUS_SERVER = 12

HEADER_BYTES, PACKET_BYTES_MAX = 20, 4096
ATTRIBUTES_MAX = 200
"""A router sends about twenty; more is an attempt to keep us busy (FreeRADIUS draws the same line)."""
PROXY_STATE, MESSAGE_AUTHENTICATOR = 33, 80
SIGNATURE_BYTES = 16

_HEADER = struct.Struct("!BBH")
_MARK = bytes((MESSAGE_AUTHENTICATOR, SIGNATURE_BYTES + 2))
_UNSIGNED = bytes(SIGNATURE_BYTES)
_OPENED_VENDORS = {vendor.to_bytes(4, "big"): vendor << 8 for vendor in (MICROSOFT, MIKROTIK)}


class Dropped(Exception):
    """This packet gets no answer. `why` is the name under which it is counted."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(slots=True)
class Packet:
    """One request, taken apart but not yet believed. `signature_at`: where the Message-Authenticator's 16 bytes begin."""

    code: int
    identifier: int
    authenticator: bytes
    raw: bytes
    values: dict[Key, bytes]
    """The first value of each attribute."""
    more: dict[Key, list[bytes]]
    """The second and further values of those that stand several times."""
    signature_at: int | None

    def all(self, name: str) -> list[bytes]:
        """Every value of an attribute, in order."""
        key = key_of(name)
        first = self.values.get(key)
        return [] if first is None else [first, *self.more.get(key, ())]

    def first(self, name: str) -> bytes | None:
        """Its first value; None when it is not there (or empty, which says nothing)."""
        return self.values.get(key_of(name))

    def text(self, name: str) -> str:
        """Its first value as text; empty when it is not there. What is no UTF-8 becomes U+FFFD."""
        value = self.values.get(key_of(name))
        return "" if value is None else value.decode("utf-8", "replace")

    def integer(self, name: str) -> int | None:
        """Its first value as a whole number. Raises `Dropped` when it is not four bytes long."""
        value = self.values.get(key_of(name))
        if value is None:
            return None
        if len(value) != 4:
            raise Dropped("malformed")
        return int.from_bytes(value, "big")

    def address(self, name: str) -> str | None:
        """Its first value as an IPv4 address. Raises `Dropped` when it is not four bytes long."""
        value = self.values.get(key_of(name))
        if value is None:
            return None
        if len(value) != 4:
            raise Dropped("malformed")
        return socket.inet_ntoa(value)

    def repeated(self, names: Sequence[str]) -> tuple[str, ...]:
        """Which of these attributes stand more than once."""
        return tuple(name for name in names if key_of(name) in self.more) if self.more else ()


def decode(datagram: bytes) -> Packet:
    """Take a datagram apart. Raises `Dropped` for anything that is not a well-formed RADIUS packet."""
    if not HEADER_BYTES <= len(datagram) <= PACKET_BYTES_MAX:
        raise Dropped("malformed")
    code, identifier, length = _HEADER.unpack_from(datagram)
    if not HEADER_BYTES <= length <= len(datagram):
        raise Dropped("malformed")
    raw = datagram if length == len(datagram) else datagram[:length]  # what follows is padding (RFC 2865 §3)
    values: dict[Key, bytes] = {}
    more: dict[Key, list[bytes]] = {}
    signature_at = None
    at, count = HEADER_BYTES, 0
    while at < length:
        end = at + raw[at + 1] if at + 2 <= length else 0
        count += 1
        if end < at + 2 or end > length or count > ATTRIBUTES_MAX:
            raise Dropped("malformed")
        number = raw[at]
        if number == VENDOR_SPECIFIC:
            _decode_vendor(raw[at + 2 : end], values, more)
        elif number == MESSAGE_AUTHENTICATOR:
            if end != at + 2 + SIGNATURE_BYTES or signature_at is not None:
                raise Dropped("malformed")
            signature_at = at + 2
        elif end == at + 2:  # an empty value says nothing: as if it were not there
            pass
        elif number in values:
            more.setdefault(number, []).append(raw[at + 2 : end])
        else:
            values[number] = raw[at + 2 : end]
        at = end
    return Packet(code, identifier, raw[4:HEADER_BYTES], raw, values, more, signature_at)


def _decode_vendor(value: bytes, values: dict[Key, bytes], more: dict[Key, list[bytes]]) -> None:
    """The attributes of two vendors; those of others mean nothing to us and are not opened."""
    if len(value) < 4:
        raise Dropped("malformed")
    vendor = _OPENED_VENDORS.get(value[:4])
    if vendor is None:
        return
    at = 4
    while at < len(value):
        end = at + value[at + 1] if at + 2 <= len(value) else 0
        if end < at + 2 or end > len(value):
            raise Dropped("malformed")
        if end > at + 2:
            key = vendor | value[at]
            if key in values:
                more.setdefault(key, []).append(value[at + 2 : end])
            else:
                values[key] = value[at + 2 : end]
        at = end


def check_signature(packet: Packet, secret: bytes, *, demanded: bool) -> None:
    """Verify the Message-Authenticator. Raises `Dropped` when it is wrong, or missing although `demanded`."""
    start = packet.signature_at
    if start is None:
        if demanded:
            raise Dropped("unsigned")
        return
    raw, end = packet.raw, start + SIGNATURE_BYTES
    if packet.code == ACCOUNTING_REQUEST:
        zeroed = raw[:4] + _UNSIGNED + raw[HEADER_BYTES:start] + _UNSIGNED + raw[end:]
    else:
        zeroed = raw[:start] + _UNSIGNED + raw[end:]
    if not hmac.compare_digest(hmac.digest(secret, zeroed, "md5"), raw[start:end]):
        raise Dropped("bad_signature")


def check_accounting(packet: Packet, secret: bytes) -> None:
    """Verify that an Accounting-Request was made by somebody who knows the secret. Raises `Dropped`."""
    expected = md5(packet.raw[:4] + _UNSIGNED + packet.raw[HEADER_BYTES:] + secret)
    if not hmac.compare_digest(expected, packet.authenticator):
        raise Dropped("bad_signature")


def reply(packet: Packet, code: int, secret: bytes, attributes: Iterable[bytes] = (), *, signed: bool = True) -> bytes:
    """The answer to a packet, with its Proxy-State given back. Raises `Dropped` when it would not fit a packet.

    The Message-Authenticator comes first: then nobody can choose the beginning of what is signed (CVE-2024-3596).
    """
    body = b"".join(attributes)
    if PROXY_STATE in packet.values:
        for state in packet.all("Proxy-State"):
            body += bytes((PROXY_STATE, len(state) + 2)) + state
    length = HEADER_BYTES + len(body) + (len(_MARK) + SIGNATURE_BYTES if signed else 0)
    if length > PACKET_BYTES_MAX:
        raise Dropped("answer_too_long")
    start = _HEADER.pack(code, packet.identifier, length)
    if signed:
        body = _MARK + hmac.digest(secret, start + packet.authenticator + _MARK + _UNSIGNED + body, "md5") + body
    return start + md5(start + packet.authenticator + body + secret) + body


def md5(content: bytes) -> bytes:
    """What RADIUS builds everything on (RFC 2865 §3)."""
    return hashlib.md5(content, usedforsecurity=False).digest()
