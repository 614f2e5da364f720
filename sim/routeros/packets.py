"""RADIUS packets as the router builds and reads them. The wire itself is pyrad's; the rules are ours.

Attributes travel as pairs of a key and bytes, where a key is a number, or (vendor, number) for vendor attributes, so
that a browser's odd attribute can be carried like any other.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import struct
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

from pyrad import packet as wire
from pyrad.dictionary import Dictionary

Key = int | tuple[int, int]
Pairs = list[tuple[Key, bytes]]

MIKROTIK = 14988
MICROSOFT = 311
VENDORS = {"Mikrotik": MIKROTIK, "Microsoft": MICROSOFT}
ACCESS_REQUEST, ACCESS_ACCEPT, ACCESS_REJECT = 1, 2, 3
ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = 4, 5
DISCONNECT_REQUEST, DISCONNECT_ACK, DISCONNECT_NAK = 40, 41, 42
COA_REQUEST, COA_ACK, COA_NAK = 43, 44, 45
CODE_NAMES = {
    1: "Access-Request",
    2: "Access-Accept",
    3: "Access-Reject",
    4: "Accounting-Request",
    5: "Accounting-Response",
    40: "Disconnect-Request",
    41: "Disconnect-ACK",
    42: "Disconnect-NAK",
    43: "CoA-Request",
    44: "CoA-ACK",
    45: "CoA-NAK",
}
MESSAGE_AUTHENTICATOR = 80
HIGH_WORD = 1 << 32


class BadPacket(Exception):
    """Bytes that are no RADIUS packet, or one that is not signed as it should be."""


@cache
def dictionary() -> Any:
    """The attributes by name, read once per process."""
    with resources.as_file(resources.files("sim.routeros") / "data" / "dictionary") as path:
        return Dictionary(str(path))


@cache
def key_of(name: str) -> Key:
    attribute = dictionary().attributes[name]
    return (VENDORS[attribute.vendor], attribute.code) if attribute.vendor else int(attribute.code)


@cache
def _type_of(name: str) -> str:
    return str(dictionary().attributes[name].type)


def encode(name: str, value: str | int | bytes) -> tuple[Key, bytes]:
    """One attribute by name, ready for the wire; text is cut at what an attribute holds."""
    kind = _type_of(name)
    if kind == "integer":
        raw = struct.pack("!L", int(value) & 0xFFFFFFFF)
    elif kind == "ipaddr":
        raw = ipaddress.IPv4Address(value).packed
    else:
        raw = value if isinstance(value, bytes) else str(value).encode()
    return key_of(name), raw[:247]


def pairs(values: Iterable[tuple[str, str | int | bytes]]) -> Pairs:
    return [encode(name, value) for name, value in values]


class Attributes:
    """What a received packet carries, read with the types of the dictionary."""

    def __init__(self, raw: bytes) -> None:
        try:
            self._packet: Any = wire.Packet(packet=raw, dict=dictionary())
            self._keys: list[Key] = list(dict.keys(self._packet))
        except (wire.PacketError, ValueError, KeyError, IndexError, TypeError, struct.error) as broken:
            raise BadPacket(str(broken)) from broken
        self.code: int = self._packet.code
        self.number: int = self._packet.id
        self.raw: bytes = self._packet.raw_packet

    def present(self) -> list[Key]:
        """The keys of all attributes that are there."""
        return self._keys

    def all_bytes(self, key: Key) -> list[bytes]:
        return list(dict.get(self._packet, key, ()))

    def texts(self, name: str) -> list[str]:
        return [raw.decode("utf-8", "replace") for raw in self.all_bytes(key_of(name))]

    def text(self, name: str) -> str | None:
        return next(iter(self.texts(name)), None)

    def integer(self, name: str) -> int | None:
        """A whole number of 32 bits. Raises BadPacket when the attribute has another length."""
        for raw in self.all_bytes(key_of(name)):
            if len(raw) != 4:
                raise BadPacket(f"{name} has {len(raw)} bytes")
            return int.from_bytes(raw, "big")
        return None

    def address(self, name: str) -> str | None:
        number = self.integer(name)
        return None if number is None else str(ipaddress.IPv4Address(number))

    def prefixes(self, name: str) -> list[str]:
        """IPv6 prefixes (RFC 3162 §2.3): a zero, the length, and as many octets as it needs. Raises BadPacket."""
        found = []
        for raw in self.all_bytes(key_of(name)):
            if not 2 <= len(raw) <= 18 or raw[0] != 0 or raw[1] > 128 or len(raw) - 2 < (raw[1] + 7) // 8:
                raise BadPacket(f"{name} is no prefix")
            address = raw[2:].ljust(16, b"\0")
            try:
                found.append(str(ipaddress.IPv6Network((address, raw[1]))))
            except ValueError as broken:
                raise BadPacket(f"{name} has bits behind its length") from broken
        return found

    def octets_64(self, name: str) -> int | None:
        """A byte limit from its two halves; absent or zero means no limit."""
        low, high = self.integer(name), self.integer(f"{name}-Gigawords")
        return ((high or 0) * HIGH_WORD + (low or 0)) or None

    def message_authenticator_position(self) -> int | None:
        """Where the 16 bytes of the Message-Authenticator begin, or None when there is none."""
        at = 20
        while at + 2 <= len(self.raw):
            length = self.raw[at + 1]
            if self.raw[at] == MESSAGE_AUTHENTICATOR:
                return at + 2 if length == 18 else -1
            at += length
        return None


def access_request(number: int, secret: bytes, attributes: Pairs, password: str | None) -> tuple[bytes, bytes]:
    """A signed Access-Request with the password hidden (PAP); also returns its Request Authenticator.

    Without a password the attributes carry the answer to a challenge (CHAP, MS-CHAP).
    """
    authenticator = os.urandom(16)
    packet = wire.AuthPacket(ACCESS_REQUEST, number, secret, authenticator, dict=dictionary())
    packet.add_message_authenticator()
    hidden = [] if password is None else [(key_of("User-Password"), packet.PwCrypt(password[:128]))]
    _fill(packet, [*attributes, *hidden])
    return packet.RequestPacket(), authenticator


def accounting_request(number: int, secret: bytes, attributes: Pairs) -> tuple[bytes, bytes]:
    """An Accounting-Request, signed as a whole; also returns its Request Authenticator."""
    packet = wire.AcctPacket(ACCOUNTING_REQUEST, number, secret, dict=dictionary())
    _fill(packet, attributes)
    raw_packet: bytes = packet.RequestPacket()
    return raw_packet, raw_packet[4:20]


def _fill(packet: Any, attributes: Pairs) -> None:
    """Put attributes into a packet; those that repeat stand together where the first one stood."""
    gathered: dict[Key, list[bytes]] = {}
    for key, raw in attributes:
        gathered.setdefault(key, []).append(raw)
    for key, values in gathered.items():
        packet[key] = values


def check_answer(attributes: Attributes, request_authenticator: bytes, secret: bytes, *, signed: bool) -> None:
    """Prove that an answer comes from somebody who knows the secret. Raises BadPacket.

    With `signed` an answer without Message-Authenticator is not believed (reference radius.md §1).
    """
    raw = attributes.raw
    expected = hashlib.md5(raw[:4] + request_authenticator + raw[20:] + secret, usedforsecurity=False).digest()
    if not hmac.compare_digest(expected, raw[4:20]):
        raise BadPacket("wrong response authenticator")
    position = attributes.message_authenticator_position()
    if position is None:
        if signed:
            raise BadPacket("no Message-Authenticator")
        return
    _check_message_authenticator(raw, position, request_authenticator, secret)


def check_order(attributes: Attributes, secret: bytes) -> None:
    """Prove that a change or disconnect request was signed with this secret. Raises BadPacket."""
    raw = attributes.raw
    expected = hashlib.md5(raw[:4] + bytes(16) + raw[20:] + secret, usedforsecurity=False).digest()
    if not hmac.compare_digest(expected, raw[4:20]):
        raise BadPacket("wrong request authenticator")
    position = attributes.message_authenticator_position()
    if position is not None:
        _check_message_authenticator(raw, position, bytes(16), secret)


def _check_message_authenticator(raw: bytes, position: int, vector: bytes, secret: bytes) -> None:
    if position < 0:
        raise BadPacket("malformed Message-Authenticator")
    zeroed = raw[:4] + vector + raw[20:position] + bytes(16) + raw[position + 16 :]
    if not hmac.compare_digest(hmac.new(secret, zeroed, "md5").digest(), raw[position : position + 16]):
        raise BadPacket("wrong Message-Authenticator")


def order_answer(request: Attributes, code: int, secret: bytes, attributes: Pairs) -> bytes:
    """ACK or NAK to a change or disconnect request, signed twice."""
    header_end = request.raw[4:20]
    body = struct.pack("!BB", MESSAGE_AUTHENTICATOR, 18) + bytes(16)
    for key, raw in attributes:
        assert isinstance(key, int)
        body += struct.pack("!BB", key, len(raw) + 2) + raw
    start = struct.pack("!BBH", code, request.number, 20 + len(body))
    signature = hmac.new(secret, start + header_end + body, "md5").digest()
    body = body[:2] + signature + body[18:]
    authenticator = hashlib.md5(start + header_end + body + secret, usedforsecurity=False).digest()
    return start + authenticator + body
