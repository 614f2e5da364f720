"""What attributes are called, which number they have on the wire, and how a value becomes bytes.

Names, numbers and types are read once per process from `dictionary/`, which is written as RADIUS programs everywhere write
theirs. A value that does not fit its type is never sent.
"""

from __future__ import annotations

import ipaddress
import struct
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

VENDOR_SPECIFIC = 26
MICROSOFT, MIKROTIK = 311, 14988
VALUE_BYTES_MAX = 253
VENDOR_VALUE_BYTES_MAX = VALUE_BYTES_MAX - 6
ENCODED_KEPT_MAX = 8192

Value = str | int | bytes
Key = int
"""How an attribute is found in a packet: its number; for a vendor's own, 256 × vendor + number."""


class Attribute(NamedTuple):
    """One line of the dictionary. `vendor` is 0 for the attributes of the RFCs."""

    name: str
    vendor: int
    number: int
    type: str

    @property
    def key(self) -> Key:
        return self.vendor << 8 | self.number


class Dictionary(NamedTuple):
    """Attributes by name, and the words for numbers of enumerated ones."""

    attributes: dict[str, Attribute]
    words: dict[tuple[str, int], str]


@cache
def dictionary() -> Dictionary:
    """The dictionary of this folder. Raises ValueError for a line that is not understood."""
    read = Dictionary({}, {})
    vendors, vendor = {"": 0}, 0
    for line in (Path(__file__).parent / "dictionary" / "dictionary").read_text("ascii").splitlines():
        match line.partition("#")[0].split():
            case []:
                pass
            case ["VENDOR", name, number]:
                vendors[name] = int(number)
            case ["BEGIN-VENDOR", name]:
                vendor = vendors[name]
            case ["END-VENDOR", _]:
                vendor = 0
            case ["ATTRIBUTE", name, number, kind]:
                read.attributes[name] = Attribute(name, vendor, int(number), kind)
            case ["VALUE", name, word, number]:
                read.words[name, int(number)] = word
            case _:
                raise ValueError(f"not a line of a dictionary: {line!r}")
    return read


@cache
def key_of(name: str) -> Key:
    """The key of a known attribute. KeyError for a name that is not in the dictionary."""
    return dictionary().attributes[name].key


def word_for(name: str, number: int) -> str:
    """What a number of an enumerated attribute is called; the digits when it has no name."""
    return dictionary().words.get((name, number)) or str(number)


@lru_cache(maxsize=ENCODED_KEPT_MAX)
def encode(name: str, value: Value) -> bytes:
    """One attribute for an answer. KeyError for an unknown name, ValueError for a value that does not fit its type."""
    attribute = dictionary().attributes[name]
    raw = _raw(attribute, value)
    if not 0 < len(raw) <= (VENDOR_VALUE_BYTES_MAX if attribute.vendor else VALUE_BYTES_MAX):
        raise ValueError(f"{name} is empty or too long")
    plain = bytes((attribute.number, len(raw) + 2)) + raw
    if not attribute.vendor:
        return plain
    return struct.pack("!BBL", VENDOR_SPECIFIC, len(plain) + 6, attribute.vendor) + plain


def _raw(attribute: Attribute, value: Value) -> bytes:
    if isinstance(value, bytes):
        return value
    if attribute.type == "integer":
        number = int(value)
        if not 0 <= number < 2**32:
            raise ValueError(f"{attribute.name} does not fit 32 bits")
        return number.to_bytes(4, "big")
    if attribute.type == "ipaddr":
        return ipaddress.IPv4Address(value).packed
    if attribute.type == "ipv6addr":
        return ipaddress.IPv6Address(value).packed
    if attribute.type == "ipv6prefix":  # a reserved byte, the length, the prefix (RFC 3162 §2.3)
        network = ipaddress.IPv6Network(value)
        return bytes((0, network.prefixlen)) + network.network_address.packed
    return str(value).encode()
