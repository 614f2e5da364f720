"""RADIUS packets for load, built before time is measured and verified after it: nothing but bytes, hashes and arithmetic.

RFC 2865, 2866, 2869. A load generator that shared a codec with a server would flatter it, so this one is its own.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

ACCESS_REQUEST, ACCESS_ACCEPT, ACCESS_REJECT, ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = 1, 2, 3, 4, 5
START, STOP, INTERIM = 1, 2, 3
SIGNATURE = 80
_MARK = bytes([SIGNATURE, 18])
_NO_SIGNATURE = _MARK + bytes(16)
_ZERO = bytes(16)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _text(number: int, value: bytes) -> bytes:
    return bytes((number, len(value) + 2)) + value


def access_request(
    identifier: int, authenticator: bytes, secret: bytes, mac: bytes, password: bytes, nas: bytes
) -> bytes:
    """A hotspot's MAC login by PAP as RouterOS sends it (radius.md §1), signed. `password` has at most 32 bytes."""
    hidden, last = b"", authenticator
    padded = password.ljust(16 if len(password) <= 16 else 32, b"\0")
    for start in range(0, len(padded), 16):
        pad = int.from_bytes(_md5(secret + last), "big")
        last = (int.from_bytes(padded[start : start + 16], "big") ^ pad).to_bytes(16, "big")
        hidden += last
    body = (
        b"\x3d\x06\0\0\0\x13" + _text(31, mac) + _text(30, b"hotspot1") + b"\x57\x08bridge" + _text(1, mac)
        + b"\x05\x06\x80\x40\0\1" + _text(44, b"80400001") + b"\x08\x06\x0a\x05\x32\x09" + b"\x1a\x0c\0\0\x3a\x8c\x0a\x06\x0a\x05\x32\x09"
        + _text(2, hidden) + _text(32, b"market") + b"\x04\x06" + nas
    )  # fmt: skip
    head = struct.pack("!BBH", ACCESS_REQUEST, identifier, 38 + len(body)) + authenticator
    return head + body + _MARK + hmac.digest(secret, head + body + _NO_SIGNATURE, "md5")


def accounting_request(
    identifier: int, secret: bytes, status: int, mac: bytes, session: bytes, klass: bytes, totals: tuple[int, int, int],
    nas: bytes,
) -> bytes:  # fmt: skip
    """A report about a session; `totals` are bytes in, bytes out and seconds."""
    received, sent, seconds = totals
    body = (
        b"\x28\x06\0\0\0" + bytes((status,)) + _text(1, mac) + _text(31, mac) + _text(30, b"hotspot1") + b"\x57\x08bridge"
        + b"\x3d\x06\0\0\0\x13" + b"\x05\x06\x80\x40\0\1" + _text(44, session) + b"\x08\x06\x0a\x05\x32\x09" + _text(25, klass)
        + _text(32, b"market") + b"\x04\x06" + nas + b"\x29\x06\0\0\0\0"
    )  # fmt: skip
    if status != START:
        body += struct.pack(
            "!BBIBBIBBIBBIBBI", 42, 6, received % 2**32, 43, 6, sent % 2**32, 52, 6, received >> 32, 53, 6, sent >> 32,
            46, 6, seconds,
        )  # fmt: skip
    if status == STOP:
        body += b"\x31\x06\0\0\0\1"
    head = struct.pack("!BBH", ACCOUNTING_REQUEST, identifier, 20 + len(body))
    return head + _md5(head + _ZERO + body + secret) + body


def is_genuine(answer: bytes, request: bytes, secret: bytes, *, signed: bool = True) -> bool:
    """Whether this answers that request and comes from who knows the secret: both signatures are right.

    Not `signed`: a server that adds no Message-Authenticator (FreeRADIUS 3.2.1 as it comes) is believed without one.
    """
    if len(answer) < 20 or answer[1] != request[1] or int.from_bytes(answer[2:4], "big") != len(answer):
        return False
    asked = request[4:20]
    if _md5(answer[:4] + asked + answer[20:] + secret) != answer[4:20]:
        return False
    if answer[0] == ACCOUNTING_RESPONSE or not signed:
        return True
    at = 20
    while at < len(answer) and answer[at] != SIGNATURE:
        at += answer[at + 1]
    if at >= len(answer):
        return False
    zeroed = answer[:4] + asked + answer[20 : at + 2] + _ZERO + answer[at + 18 :]
    return hmac.digest(secret, zeroed, "md5") == answer[at + 2 : at + 18]
