"""MS-CHAPv2 as the dialling side computes it (RFC 2759), written apart from the servers' own.

MD4 (RFC 1320) is not offered by the system's libraries any more; DES comes from `cryptography` as triple DES with one key.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

_MASK = 0xFFFFFFFF
_MAGIC_1 = b"Magic server to client signing constant"
_MAGIC_2 = b"Pad to make it do more than one iteration"


def md4(data: bytes) -> bytes:
    """RFC 1320."""
    padded = data + b"\x80" + bytes((55 - len(data)) % 64) + struct.pack("<Q", 8 * len(data))
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    for start in range(0, len(padded), 64):
        words = struct.unpack("<16I", padded[start : start + 64])
        before = list(state)
        for mix, constant, shifts, order in _ROUNDS:
            for step, index in enumerate(order):
                a, b, c, d = state
                total = (a + mix(b, c, d) + words[index] + constant) & _MASK
                turn = shifts[step % 4]
                state = [d, ((total << turn) | (total >> (32 - turn))) & _MASK, b, c]
        state = [(now + then) & _MASK for now, then in zip(state, before, strict=True)]
    return struct.pack("<4I", *state)


_ROUNDS: tuple[tuple[Callable[[int, int, int], int], int, tuple[int, ...], tuple[int, ...]], ...] = (
    (lambda x, y, z: (x & y) | (~x & z), 0, (3, 7, 11, 19), tuple(range(16))),
    (
        lambda x, y, z: (x & y) | (x & z) | (y & z), 0x5A827999, (3, 5, 9, 13),
        (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
    ),
    (
        lambda x, y, z: x ^ y ^ z, 0x6ED9EBA1, (3, 9, 11, 15),
        (0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15),
    ),
)  # fmt: skip


def _des(key: bytes, block: bytes) -> bytes:
    bits = int.from_bytes(key, "big")
    spread = bytes(((bits >> (49 - 7 * n)) & 0x7F) << 1 for n in range(8))
    encryptor = Cipher(TripleDES(spread * 3), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def nt_hash(password: str) -> bytes:
    """What stands for the password (RFC 2759 §8.3)."""
    return md4(password.encode("utf-16-le"))


def challenge_hash(peer: bytes, authenticator: bytes, user: str) -> bytes:
    """Both challenges and the name in eight bytes (§8.2)."""
    return hashlib.sha1(peer + authenticator + user.encode(), usedforsecurity=False).digest()[:8]


def nt_response(authenticator: bytes, peer: bytes, user: str, password: str) -> bytes:
    """What the peer answers (§8.1)."""
    challenge, key = challenge_hash(peer, authenticator, user), nt_hash(password) + bytes(5)
    return b"".join(_des(key[at : at + 7], challenge) for at in (0, 7, 14))


def success(authenticator: bytes, peer: bytes, user: str, password: str) -> str:
    """What the server must say so that the peer believes it, too (§8.7)."""
    hashed, response = md4(nt_hash(password)), nt_response(authenticator, peer, user, password)
    first = hashlib.sha1(hashed + response + _MAGIC_1, usedforsecurity=False).digest()
    second = hashlib.sha1(first + challenge_hash(peer, authenticator, user) + _MAGIC_2, usedforsecurity=False).digest()
    return "S=" + second.hex().upper()
