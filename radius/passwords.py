"""The three ways a password is proved: PAP, CHAP, and MS-CHAPv2 for PPP.

RFC 2865 §5.2, RFC 1994, RFC 2759 with the attributes of RFC 2548. MS-CHAPv2 stands on MD4 and single DES: it hides a
password from nobody who listens and tries, and is here because routers and clients on PPP speak it. No keys for MPPE are
ever sent (RFC 2548 §2.4): they would encrypt the customer's line with RC4 under a key made from that password, and a
router that gets none simply does not offer it.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from Crypto.Cipher import DES
from Crypto.Hash import MD4

from radius.packet import md5

PASSWORD_BYTES_MAX = 128
CHAP_PASSWORD_BYTES = 17
MS_CHAP_CHALLENGE_BYTES, MS_CHAP2_RESPONSE_BYTES = 16, 50

_SIGNING = b"Magic server to client signing constant"
_ITERATION = b"Pad to make it do more than one iteration"


class Chap(NamedTuple):
    """A CHAP login: the number of the round, its answer, and what was to be answered."""

    identifier: int
    answer: bytes
    challenge: bytes


class MsChap2(NamedTuple):
    """An MS-CHAPv2 login: the number of the round, both challenges, and the answer of 24 bytes."""

    identifier: int
    challenge: bytes
    peer_challenge: bytes
    answer: bytes


def reveal_password(hidden: bytes, secret: bytes, authenticator: bytes) -> bytes | None:
    """The password of a PAP login (RFC 2865 §5.2); None when these bytes cannot be one."""
    if not hidden or len(hidden) % 16 or len(hidden) > PASSWORD_BYTES_MAX:
        return None
    clear, previous = b"", authenticator
    for at in range(0, len(hidden), 16):
        block = hidden[at : at + 16]
        pad = md5(secret + previous)
        clear += (int.from_bytes(block, "big") ^ int.from_bytes(pad, "big")).to_bytes(16, "big")
        previous = block
    return clear.rstrip(b"\0")


def chap_answer(identifier: int, password: bytes, challenge: bytes) -> bytes:
    """What a CHAP login with this password answers to this challenge (RFC 1994 §4.1)."""
    return md5(bytes((identifier,)) + password + challenge)


def read_chap(value: bytes, challenge: bytes) -> Chap:
    """A CHAP-Password attribute (RFC 2865 §5.3); one of a wrong length is an answer that never fits."""
    return Chap(value[0], value[1:] if len(value) == CHAP_PASSWORD_BYTES else b"", challenge)


def read_ms_chap2(value: bytes, challenge: bytes) -> MsChap2:
    """An MS-CHAP2-Response attribute (RFC 2548 §2.3.2); wrong lengths make an answer that never fits."""
    if len(value) != MS_CHAP2_RESPONSE_BYTES or len(challenge) != MS_CHAP_CHALLENGE_BYTES:
        return MsChap2(value[0], challenge, b"", b"")
    return MsChap2(value[0], challenge, value[2:18], value[26:50])


def ms_chap2_answer(login: MsChap2, username: bytes, password: str) -> bytes:
    """What somebody who knows the password answers (RFC 2759 §8.1, GenerateNTResponse)."""
    key = nt_hash(password).ljust(21, b"\0")
    challenge = _challenge(login, username)
    return b"".join(DES.new(_with_parity(key[at : at + 7]), DES.MODE_ECB).encrypt(challenge) for at in (0, 7, 14))


def ms_chap2_success(login: MsChap2, username: bytes, password: str) -> bytes:
    """MS-CHAP2-Success: shows the client that we know the password too (RFC 2759 §8.7, RFC 2548 §2.3.3)."""
    hashed = MD4.new(nt_hash(password)).digest()
    digest = _sha1(hashed + login.answer + _SIGNING)
    proof = _sha1(digest + _challenge(login, username) + _ITERATION)
    return bytes((login.identifier,)) + b"S=" + proof.hex().upper().encode()


def nt_hash(password: str) -> bytes:
    """MD4 over the password in UTF-16 (RFC 2759 §8.3)."""
    return MD4.new(password.encode("utf-16-le")).digest()


def _challenge(login: MsChap2, username: bytes) -> bytes:
    """RFC 2759 §8.2, ChallengeHash; the name without a domain before it."""
    return _sha1(login.peer_challenge + login.challenge + username.rpartition(b"\\")[2])[:8]


def _with_parity(seven: bytes) -> bytes:
    """56 bits as a DES key of 64; the eighth bit of each byte is parity, which nobody looks at."""
    bits = int.from_bytes(seven, "big")
    return bytes((bits >> shift & 0x7F) << 1 for shift in range(49, -1, -7))


def _sha1(content: bytes) -> bytes:
    return hashlib.sha1(content, usedforsecurity=False).digest()
