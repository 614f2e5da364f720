"""`python -m bench.radius_load`: a router that asks as fast as it is answered, in a process of its own.

Reads a job (JSON) from standard input; writes how many were answered how, and in what time, to standard output.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import select
import socket
import struct
import sys
import time
from collections import Counter
from typing import Any

WINDOW = 32
"""How many questions are on their way at once."""
SILENCE_SECONDS_MAX = 5.0
USER_NAME, USER_PASSWORD, CALLING_STATION, NAS_IDENTIFIER = 1, 2, 31, 32
STATUS_TYPE, INPUT_OCTETS, OUTPUT_OCTETS, SESSION_ID, SESSION_TIME, SIGNATURE = 40, 42, 43, 44, 46, 80
ACCESS_REQUEST, ACCOUNTING_REQUEST, INTERIM = 1, 4, 3
NAMES = {2: "accepted", 3: "rejected", 5: "accounted"}


def attribute(kind: int, value: bytes) -> bytes:
    return bytes([kind, len(value) + 2]) + value


def access_request(identifier: int, secret: bytes, mac: str, password: bytes) -> bytes:
    """A MAC login by PAP, signed."""
    authenticator = os.urandom(16)
    padded = password.ljust(-(-len(password) // 16) * 16, b"\0")
    hidden, last = b"", authenticator
    for start in range(0, len(padded), 16):
        pad = hashlib.md5(secret + last, usedforsecurity=False).digest()
        last = bytes(a ^ b for a, b in zip(padded[start : start + 16], pad, strict=True))
        hidden += last
    body = (
        attribute(USER_NAME, mac.encode()) + attribute(USER_PASSWORD, hidden) + attribute(CALLING_STATION, mac.encode())
        + attribute(NAS_IDENTIFIER, b"market")
    )  # fmt: skip
    head = struct.pack("!BBH", ACCESS_REQUEST, identifier, 20 + len(body) + 18) + authenticator
    signature = hmac.digest(secret, head + body + attribute(SIGNATURE, bytes(16)), "md5")
    return head + body + attribute(SIGNATURE, signature)


def accounting_request(identifier: int, secret: bytes, mac: str, number: int, tick: int) -> bytes:
    """An interim report of a session whose totals have grown."""
    numbers = ((STATUS_TYPE, INTERIM), (INPUT_OCTETS, tick * 1000), (OUTPUT_OCTETS, tick * 9000), (SESSION_TIME, tick))
    body = (
        attribute(USER_NAME, mac.encode()) + attribute(CALLING_STATION, mac.encode())
        + attribute(SESSION_ID, f"8010{number:04x}".encode())
        + b"".join(attribute(kind, struct.pack("!I", value)) for kind, value in numbers)
    )  # fmt: skip
    head = struct.pack("!BBH", ACCOUNTING_REQUEST, identifier, 20 + len(body))
    return head + hashlib.md5(head + bytes(16) + body + secret, usedforsecurity=False).digest() + body


def play(job: dict[str, Any]) -> dict[str, Any]:
    """Ask for `seconds`."""
    secret, password, macs = job["secret"].encode(), job["password"].encode(), job["macs"]
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.bind(("127.0.0.1", 0))
    wire.connect(("127.0.0.1", job["port"]))
    answered: Counter[str] = Counter()
    took_ms: list[float] = []
    sent_at: dict[int, float] = {}
    asked = 0

    def ask(identifier: int) -> None:
        nonlocal asked
        mac = macs[asked % len(macs)]
        if job["kind"] == "auth":
            packet = access_request(identifier, secret, mac, password)
        else:
            packet = accounting_request(identifier, secret, mac, asked % len(macs), 1 + asked // len(macs))
        asked += 1
        sent_at[identifier] = time.perf_counter()
        wire.send(packet)

    started = time.perf_counter()
    fresh = 0
    for fresh in range(WINDOW):
        ask(fresh)
    while sent_at:
        if not select.select([wire], [], [], SILENCE_SECONDS_MAX)[0]:
            raise TimeoutError(f"{len(sent_at)} packets were not answered")
        answer = wire.recv(4096)
        now = time.perf_counter()
        took_ms.append((now - sent_at.pop(answer[1])) * 1000)
        answered[NAMES.get(answer[0], str(answer[0]))] += 1
        if now - started < job["seconds"]:
            fresh = (fresh + 1) % 256
            ask(fresh)
    return {"seconds": time.perf_counter() - started, "answered": answered, "took_ms": took_ms}


if __name__ == "__main__":
    json.dump(play(json.load(sys.stdin)), sys.stdout)
