"""How the two ends of a PPP line prove that they know the password: PAP, CHAP (RFC 1994), MS-CHAP (RFC 2433, RFC 2759).

Written from the RFCs and on its own: the servers under test have theirs, and a shared mistake must not hide.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from sim.routeros.packets import Attributes, Pairs, key_of, pairs

METHODS = ("mschap2", "mschap1", "chap", "pap")
"""In the order in which a router prefers them."""

_MAGIC_SIGNING = b"Magic server to client signing constant"
_MAGIC_PAD = b"Pad to make it do more than one iteration"
USE_NT_RESPONSE = 1


@dataclass(frozen=True)
class Proof:
    """What goes into the Access-Request, and whether the answer shows that the server knows the password too."""

    attributes: Pairs
    password: str | None
    convinces: Callable[[Attributes], bool]


def prove(method: str, user: str, password: str) -> Proof:
    """A fresh challenge of the router, answered by the far end of the line."""
    ident = os.urandom(1)
    if method == "pap":
        return Proof([], password, lambda _answer: True)
    if method == "chap":
        challenge = os.urandom(16)
        digest = hashlib.md5(ident + password.encode() + challenge, usedforsecurity=False).digest()
        return Proof(
            pairs([("CHAP-Password", ident + digest), ("CHAP-Challenge", challenge)]), None, lambda _answer: True
        )
    if method == "mschap1":
        challenge = os.urandom(8)
        response = ident + bytes([USE_NT_RESPONSE]) + bytes(24) + challenge_response(challenge, nt_hash(password))
        return Proof(
            pairs([("MS-CHAP-Challenge", challenge), ("MS-CHAP-Response", response)]), None, lambda _answer: True
        )
    return _second_version(ident, user, password)


def _second_version(ident: bytes, user: str, password: str) -> Proof:
    ours, theirs = os.urandom(16), os.urandom(16)
    hashed = nt_hash(password)
    challenge = hashlib.sha1(theirs + ours + user.encode(), usedforsecurity=False).digest()[:8]
    response = challenge_response(challenge, hashed)
    expected = b"S=" + authenticator_response(hashed, response, challenge).hex().upper().encode()

    def convinces(answer: Attributes) -> bool:
        """RFC 2759 §5: a peer that is not answered rightly hangs up."""
        (success, *more) = answer.all_bytes(key_of("MS-CHAP2-Success")) or [b""]
        return not more and success[:1] == ident and hmac.compare_digest(success[1:43], expected)

    wire = ident + b"\0" + theirs + bytes(8) + response
    return Proof(pairs([("MS-CHAP-Challenge", ours), ("MS-CHAP2-Response", wire)]), None, convinces)


def nt_hash(password: str) -> bytes:
    return md4(password.encode("utf-16-le"))


def challenge_response(challenge: bytes, hashed: bytes) -> bytes:
    """RFC 2759 §8.5: the challenge under three DES keys cut from the hash."""
    padded = hashed + bytes(5)
    return b"".join(_des(padded[at : at + 7], challenge) for at in (0, 7, 14))


def authenticator_response(hashed: bytes, response: bytes, challenge: bytes) -> bytes:
    """RFC 2759 §8.7, before it is written in hex: the server knows the password as well."""
    first = hashlib.sha1(md4(hashed) + response + _MAGIC_SIGNING, usedforsecurity=False).digest()
    return hashlib.sha1(first + challenge + _MAGIC_PAD, usedforsecurity=False).digest()


def _des(key: bytes, block: bytes) -> bytes:
    bits = int.from_bytes(key, "big")
    spread = bytes(((bits >> (49 - 7 * at)) & 0x7F) << 1 for at in range(8))
    encryptor = Cipher(TripleDES(spread * 3), modes.ECB()).encryptor()
    return encryptor.update(block)


def md4(data: bytes) -> bytes:
    """RFC 1320; no longer part of most TLS libraries."""
    message = data + b"\x80" + bytes((55 - len(data)) % 64) + struct.pack("<Q", len(data) * 8)
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    for at in range(0, len(message), 64):
        words = struct.unpack("<16L", message[at : at + 64])
        before = list(state)
        for mix, constant, order, turns in _ROUNDS:
            for step, index in enumerate(order):
                a, b, c, d = state
                total = (a + mix(b, c, d) + words[index] + constant) & 0xFFFFFFFF
                turn = turns[step % 4]
                state = [d, (total << turn | total >> (32 - turn)) & 0xFFFFFFFF, b, c]
        state = [(old + new) & 0xFFFFFFFF for old, new in zip(before, state, strict=True)]
    return struct.pack("<4L", *state)


_ROUNDS: tuple[tuple[Callable[[int, int, int], int], int, tuple[int, ...], tuple[int, ...]], ...] = (
    (lambda x, y, z: (x & y) | (~x & z), 0, tuple(range(16)), (3, 7, 11, 19)),
    (
        lambda x, y, z: (x & y) | (x & z) | (y & z),
        0x5A827999,
        (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
        (3, 5, 9, 13),
    ),
    (
        lambda x, y, z: x ^ y ^ z,
        0x6ED9EBA1,
        (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15),
        (3, 9, 11, 15),
    ),
)
