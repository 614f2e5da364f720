"""One UDP socket: drained whole, and answered one by one."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections import deque
from typing import cast

from radius.batch import Door, Source
from radius.duplicates import Duplicates
from radius.packet import PACKET_BYTES_MAX

BATCH_MAX = 512
"""What is answered at once. Larger batches cost the database less per question, and let the last one wait longer."""
RECEIVE_BUFFER_BYTES = 16 * 1024 * 1024
"""Room in the kernel for a town that comes back after a power cut; what does not fit is asked again by the router."""
SEND_BUFFER_BYTES = 4 * 1024 * 1024
FORCE_RECEIVE_BUFFER = getattr(socket, "SO_RCVBUFFORCE", 33)

Datagram = tuple[bytes, Source]


class Port:
    """A socket, what it is for, who answers its ordinary requests, and what it was asked lately."""

    def __init__(self, name: str, host: str, number: int, *, code: int, alive_code: int, door: Door) -> None:
        """Bind it. Raises OSError when the port is taken."""
        self.name, self.code, self.alive_code, self.door = name, code, alive_code, door
        self.duplicates = Duplicates()
        self.again: deque[Datagram] = deque()
        """What was in hand when a bug struck: each is tried once more, alone."""
        self.turn = threading.Lock()
        """Held while a batch is in hand."""
        self._socket = _bound(host, number)
        self._arrivals = select.poll()
        self._arrivals.register(self._socket, select.POLLIN)

    @property
    def number(self) -> int:
        """Its UDP port."""
        return int(self._socket.getsockname()[1])

    def gather(self, wait_seconds: float) -> list[Datagram]:
        """Everything that has arrived, at most `BATCH_MAX`; empty when nothing comes within `wait_seconds`."""
        if self.again:
            return [self.again.popleft()]
        if not self._arrivals.poll(wait_seconds * 1000):
            return []
        receive, arrived = self._socket.recvfrom, list[Datagram]()
        try:
            while len(arrived) < BATCH_MAX:
                arrived.append(cast(Datagram, receive(PACKET_BYTES_MAX + 1, socket.MSG_DONTWAIT)))
        except OSError:  # the queue is empty; or news about an answer that could not be delivered
            pass
        return arrived

    def send(self, raw: bytes, source: Source) -> None:
        """Send an answer. Raises OSError when it cannot leave."""
        self._socket.sendto(raw, source)

    def close(self) -> None:
        self._socket.close()


def _bound(host: str, number: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        with contextlib.suppress(OSError):  # beyond the system's limit only when we may
            bound.setsockopt(socket.SOL_SOCKET, FORCE_RECEIVE_BUFFER, RECEIVE_BUFFER_BYTES)
        bound.bind((host, number))
    except OSError:
        bound.close()
        raise
    return bound
