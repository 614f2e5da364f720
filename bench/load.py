"""`python -m bench.load`: many callers with kept connections, in one cheap process of its own.

Reads a job (JSON) from standard input, plays it, and writes what it saw (JSON) to standard output. Each connection plays
whole scripts, one request after the other; a script is a list of `[kind, body]`. Raw sockets and as little parsing as a
keep-alive client can do with, because the machine is shared with the server under test.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

ANSWER_BYTES_MAX = 64 * 1024
SILENCE_SECONDS_MAX = 20.0


@dataclass(slots=True)
class Caller:
    """One connection in the middle of a script."""

    sock: socket.socket | None = None
    script: list[list[str]] = field(default_factory=list)
    step: int = 0
    sent_at: float = 0.0
    answer: bytearray = field(default_factory=bytearray)


class Load:
    """Play `scripts` from `callers` connections for `seconds`; each script is played once."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._where = (job["host"], job["port"])
        self._head = (
            f"POST {job['path']} HTTP/1.1\r\nHost: {job['host']}:{job['port']}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
        )
        self._scripts: Iterator[list[list[str]]] = iter(job["scripts"])
        self._seconds: float = job["seconds"]
        self._callers = [Caller() for _ in range(job["callers"])]
        self._selector = selectors.DefaultSelector()
        self.took_ms: dict[str, list[float]] = {}
        self.statuses: Counter[str] = Counter()
        self.samples: dict[str, str] = {}
        self.ran_out = False

    def play(self) -> float:
        """Until the time is over; how many seconds it took until the last answer was in."""
        started = time.perf_counter()
        until = started + self._seconds
        open_ = sum(self._next(caller) for caller in self._callers)
        while open_:
            events = self._selector.select(SILENCE_SECONDS_MAX)
            if not events:
                raise TimeoutError(f"{open_} answers did not come within {SILENCE_SECONDS_MAX} s")
            for key, _ in events:
                caller: Caller = key.data
                if self._hear(caller):
                    goes_on = time.perf_counter() < until and self._next(caller)
                    open_ -= not goes_on
        return time.perf_counter() - started

    def _next(self, caller: Caller) -> bool:
        """Send the next request of this caller; False when there is nothing left to play."""
        if caller.step >= len(caller.script):
            script = next(self._scripts, None)
            if script is None:
                self.ran_out = True
                return False
            caller.script, caller.step = script, 0
        body = caller.script[caller.step][1]
        request = f"{self._head}{len(body)}\r\n\r\n{body}".encode()
        caller.sent_at = time.perf_counter()
        if caller.sock is None:
            caller.sock = socket.create_connection(self._where)
            caller.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(caller.sock, selectors.EVENT_READ, caller)
        caller.sock.sendall(request)
        return True

    def _hear(self, caller: Caller) -> bool:
        """Take in what has come; True when the answer is complete."""
        assert caller.sock is not None
        piece = caller.sock.recv(ANSWER_BYTES_MAX)
        if not piece:
            raise ConnectionError("the server hung up in the middle of an answer")
        caller.answer += piece
        head, gap, body = caller.answer.partition(b"\r\n\r\n")
        if not gap:
            return False
        lowered = bytes(head).lower()
        length = int(lowered.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return False
        kind = caller.script[caller.step][0]
        self.took_ms.setdefault(kind, []).append((time.perf_counter() - caller.sent_at) * 1000)
        self.statuses[head[9:12].decode()] += 1
        if kind not in self.samples:
            self.samples[kind] = body.decode()
        caller.step += 1
        caller.answer.clear()
        if b"connection: close" in lowered:
            self._selector.unregister(caller.sock)
            caller.sock.close()
            caller.sock = None
        return True


def main() -> int:
    """Play one job."""
    load = Load(json.load(sys.stdin))
    seconds = load.play()
    json.dump(
        {
            "seconds": seconds, "took_ms": load.took_ms, "statuses": load.statuses, "samples": load.samples,
            "ran_out": load.ran_out,
        },
        sys.stdout,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
