"""`python -m bench.radius_load`: routers that ask, in a process of its own. A job (JSON) in, what was seen (JSON) out.

In between it says that the last answer has come (JSON, a line) and waits for a line: whoever started it may look first at what
the servers have still to do, before answers are verified.

Everything dear is done before or after the clock runs: packets are built before, answers are verified after. In between,
datagrams go out and come in many at a time (sendmmsg, recvmmsg), so that the processor is left to the server. Packets are
due at given moments (open loop; delay counts from the moment a packet was due) or as soon as fewer than `window` are on
their way (closed loop). What is not answered is sent again as RouterOS does, byte by byte the same.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import os
import select
import socket
import struct
import sys
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.measure import percentile
from bench.radius_wire import INTERIM, START, STOP, access_request, accounting_request, is_genuine

BATCH = 64
ANSWER_BYTES_MAX = 1024
HEADER_BYTES = 64
"""sizeof(struct mmsghdr) where pointers have 64 bits."""
LOOK_SECONDS = 0.05
INTERIMS = 8
AT_ONCE = 2048
"""How many sessions the accounting mix has going at any time."""
_LIBC = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)


@dataclass
class Router:
    """A router on loopback, with a few sockets because each has 256 numbers only."""

    address: str
    secret: bytes
    password: bytes

    @property
    def nas(self) -> bytes:
        return socket.inet_aton(self.address)


class Packets:
    """What will be sent, laid out in memory as the kernel wants it."""

    def __init__(self, routers: list[Router], sockets_each: int) -> None:
        self.routers, self.sockets_each = routers, sockets_each
        self.blob = bytearray()
        self.offsets = array("L", [0])
        self.socket_of = array("H")
        self.due = array("d")
        self.wave = array("B")
        self.final_bytes: dict[bytes, int] = {}
        """What each session of the accounting mix has carried in the end."""
        self._next = [0] * (len(routers) * sockets_each)

    def __len__(self) -> int:
        return len(self.socket_of)

    def number(self, sock: int) -> int:
        """The next identifier of this socket."""
        self._next[sock] = (self._next[sock] + 1) % 256
        return self._next[sock]

    def add(self, raw: bytes, sock: int, due: float = 0.0, wave: int = 0) -> None:
        self.blob += raw
        self.offsets.append(len(self.blob))
        self.socket_of.append(sock)
        self.due.append(due)
        self.wave.append(wave)

    def raw(self, index: int) -> bytes:
        return bytes(self.blob[self.offsets[index] : self.offsets[index + 1]])

    def router_of(self, index: int) -> Router:
        return self.routers[self.socket_of[index] // self.sockets_each]

    def headers(self) -> tuple[bytearray, bytearray]:
        """An iovec and an mmsghdr per packet. Both must live as long as they are used."""
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.blob))
        vectors, headers = bytearray(16 * len(self)), bytearray(HEADER_BYTES * len(self))
        vector_base = ctypes.addressof(ctypes.c_char.from_buffer(vectors))
        for index in range(len(self)):
            start, end = self.offsets[index], self.offsets[index + 1]
            struct.pack_into("QQ", vectors, 16 * index, base + start, end - start)
            struct.pack_into("QQQQ", headers, HEADER_BYTES * index, 0, 0, vector_base + 16 * index, 1)
        return vectors, headers


class Inbox:
    """Room for a batch of answers, reused."""

    def __init__(self) -> None:
        self.room = bytearray(BATCH * ANSWER_BYTES_MAX)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.room))
        self._vectors, self.headers = bytearray(16 * BATCH), bytearray(HEADER_BYTES * BATCH)
        vector_base = ctypes.addressof(ctypes.c_char.from_buffer(self._vectors))
        for index in range(BATCH):
            struct.pack_into("QQ", self._vectors, 16 * index, base + index * ANSWER_BYTES_MAX, ANSWER_BYTES_MAX)
            struct.pack_into("QQQQ", self.headers, HEADER_BYTES * index, 0, 0, vector_base + 16 * index, 1)
        self._at = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(self.headers)))

    def take(self, descriptor: int) -> Iterator[bytes]:
        """What has come in on this socket, at most BATCH."""
        count = _LIBC.recvmmsg(descriptor, self._at, BATCH, socket.MSG_DONTWAIT, None)
        for index in range(max(count, 0)):
            start = index * ANSWER_BYTES_MAX
            length = int.from_bytes(self.headers[HEADER_BYTES * index + 56 : HEADER_BYTES * index + 60], sys.byteorder)
            yield bytes(self.room[start : start + length])


class Load:
    """One run: what is on its way, what came back, and how long it took."""

    def __init__(self, packets: Packets, port: int, window: int, again: float, give_up: float) -> None:
        self.packets, self.window, self.again, self.give_up = packets, window, again, give_up
        self.closed = not any(packets.due)
        """Nothing but the window decides when a packet is sent, and its delay counts from then."""
        self.sockets = [
            _connected(router.address, port) for router in packets.routers for _ in range(packets.sockets_each)
        ]
        self.descriptors = [each.fileno() for each in self.sockets]
        self.which = {descriptor: sock for sock, descriptor in enumerate(self.descriptors)}
        self.on_the_way: dict[int, float] = {}
        self.first_sent: dict[int, float] = {}
        """Of packets that were sent again."""
        self.holder = [-1] * (256 * len(self.sockets))
        """Which packet has a socket's number now."""
        self.took = array("d", [-1.0]) * len(packets)
        self.answers: list[tuple[int, bytes]] = []
        self.sent_again = self.late = self.next = 0
        self.sent_at = 0.0
        self._keep = packets.headers()
        self._headers_at = ctypes.addressof(ctypes.c_char.from_buffer(self._keep[1]))

    def run(self) -> float:
        """Send everything and wait for the answers; seconds from the first packet to the last answer."""
        poll = select.epoll()
        for descriptor in self.descriptors:
            poll.register(descriptor, select.EPOLLIN)
        inbox, count = Inbox(), len(self.packets)
        started = self.started = time.perf_counter()
        look_at = last = started
        while self.next < count or self.on_the_way:
            self._send()
            now = time.perf_counter()
            for descriptor, _ in poll.poll(self._pause(now)):
                now = time.perf_counter()
                for answer in inbox.take(descriptor):
                    last = self._arrived(self.which[descriptor], answer, now)
            if now >= look_at:
                look_at = now + LOOK_SECONDS
                self._send_again(now)
                if self.on_the_way and now - max(last, self.sent_at) > self.give_up:
                    break
        poll.close()
        return last - started

    def _pause(self, now: float) -> float:
        if self.next >= len(self.packets) or len(self.on_the_way) >= self.window:
            return LOOK_SECONDS
        return min(max(self.started + self.packets.due[self.next] - now, 0.0005), LOOK_SECONDS)

    def _send(self) -> None:
        packets, count = self.packets, len(self.packets)
        while self.next < count and len(self.on_the_way) < self.window:
            now = time.perf_counter()
            first, sock = self.next, packets.socket_of[self.next]
            most = min(first + BATCH, count, first + self.window - len(self.on_the_way))
            end = first
            while end < most and packets.socket_of[end] == sock and self.started + packets.due[end] <= now:
                place = sock * 256 + packets.blob[packets.offsets[end] + 1]
                if self.holder[place] >= 0:
                    break
                self.holder[place] = end
                end += 1
            if end == first:
                return
            at = ctypes.c_void_p(self._headers_at + HEADER_BYTES * first)
            _LIBC.sendmmsg(
                self.descriptors[sock], at, end - first, 0
            )  # what the kernel has no room for is lost, as on a line
            for index in range(first, end):
                self.on_the_way[index] = now
            self.next, self.sent_at = end, now

    def _arrived(self, sock: int, answer: bytes, now: float) -> float:
        place = sock * 256 + answer[1]
        index = self.holder[place]
        if index < 0 or (self.sent_again and not self._answers(index, answer)):
            self.late += 1  # to a packet that was answered before: its number may have been given away since
            return now
        self.holder[place] = -1
        sent = self.on_the_way.pop(index)
        begun = self.first_sent.pop(index, sent) if self.closed else self.started + self.packets.due[index]
        self.took[index] = now - begun
        self.answers.append((index, answer))
        return now

    def _answers(self, index: int, answer: bytes) -> bool:
        secret = self.packets.router_of(index).secret
        return is_genuine(answer, self.packets.raw(index), secret, signed=False)

    def _send_again(self, now: float) -> None:
        for index, sent in list(self.on_the_way.items()):
            if now - sent < self.again:
                continue
            self.first_sent.setdefault(index, sent)
            self.on_the_way[index] = now
            self.sent_again += 1
            try:
                self.sockets[self.packets.socket_of[index]].send(self.packets.raw(index))
            except OSError:
                continue  # nobody listens now; again later

    def close(self) -> None:
        for each in self.sockets:
            each.close()


def _connected(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
    made.bind((address, 0))
    made.connect(("127.0.0.1", port))
    made.setblocking(False)
    return made


# ---- what is asked -----------------------------------------------------------------------------------------------------


def mac(number: int) -> bytes:
    """The n-th device, as `bench.shop.mac` writes it."""
    digits = b"02005E%06X" % number
    return b":".join(digits[at : at + 2] for at in range(0, 12, 2))


def logins(packets: Packets, questions: list[tuple[float, int, int]]) -> None:
    """`(moment, device, wave)`: each logs in once, at its moment; neighbours use one router."""
    sockets = len(packets.routers) * packets.sockets_each
    noise = os.urandom(16 * len(questions))
    for index, (due, device, wave) in enumerate(questions):
        sock = device // BATCH % sockets  # a device stays where it is
        router = packets.routers[sock // packets.sockets_each]
        authenticator = noise[16 * index : 16 * index + 16]
        raw = access_request(
            packets.number(sock), authenticator, router.secret, mac(device), router.password, router.nas
        )
        packets.add(raw, sock, due, wave)


def reports(packets: Packets, first_device: int, count: int, rate: float, boot: int) -> None:
    """Start, eight interim updates and Stop of session after session, staggered: the mix is 1:8:1 at any time.

    A session's next report comes AT_ONCE packets later, so the one before has been answered.
    """
    sockets = len(packets.routers) * packets.sockets_each
    phases = [-(slot % (INTERIMS + 2)) for slot in range(AT_ONCE)]
    device = [first_device + slot for slot in range(AT_ONCE)]
    fresh = first_device + AT_ONCE
    while len(packets) < count:
        for slot in range(AT_ONCE):
            phase, phases[slot] = phases[slot], phases[slot] + 1
            if phase < 0:
                continue
            sock = slot // BATCH % sockets
            router = packets.routers[sock // packets.sockets_each]
            status = START if phase == 0 else STOP if phase > INTERIMS else INTERIM
            totals = (1_000_000 * phase, 9_000_000 * phase, 300 * phase)
            session = b"%02x%06x" % (boot % 256, device[slot])
            raw = accounting_request(
                packets.number(sock), router.secret, status, mac(device[slot]), session, b"duka:%d" % (device[slot] + 1),
                totals, router.nas,
            )  # fmt: skip
            packets.add(raw, sock, len(packets) / rate if rate else 0.0, status)
            packets.final_bytes[session] = totals[0] + totals[1]
            if status == STOP:
                phases[slot], device[slot], fresh = 0, fresh, fresh + 1


def build(job: dict[str, Any]) -> Packets:
    """The packets of a job: `waves` are `[first device, how many, from which moment]`."""
    routers = [Router(each["address"], each["secret"].encode(), each["password"].encode()) for each in job["routers"]]
    packets = Packets(routers, job.get("sockets", 4))
    rate = float(job.get("rate", 0.0))
    if job["kind"] == "accounting":
        reports(packets, job["first"], job["count"], rate, job.get("boot", 0x80))
        return packets
    waves = job.get("waves") or [[job["first"], job["count"], 0.0]]
    pace = 1 / rate if rate else 0.0
    asked = [(at + n * pace, first + n, wave) for wave, (first, count, at) in enumerate(waves) for n in range(count)]
    logins(packets, sorted(asked, key=lambda each: each[0]))
    return packets


def play(job: dict[str, Any]) -> dict[str, Any]:
    """Play a job; verify every answer. Waves of an accounting job are 1 Start, 3 Interim, 2 Stop."""
    packets = build(job)
    load = Load(packets, job["port"], job.get("window", 256), job.get("again", 1.1), job.get("give_up", 10.0))
    before = time.process_time()
    seconds = load.run()
    cpu = time.process_time() - before
    load.close()
    told = sum(packets.final_bytes.values())
    sys.stdout.write(json.dumps({"bytes": told, "ended_at": load.started + seconds}) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()
    codes: dict[int, Counter[int]] = {}
    forged = 0
    for index, answer in load.answers:
        secret = packets.router_of(index).secret
        if is_genuine(answer, packets.raw(index), secret, signed=job.get("signed", True)):
            codes.setdefault(packets.wave[index], Counter())[answer[0]] += 1
        else:
            forged += 1
    waves: dict[int, list[float]] = {}
    for index, took in enumerate(load.took):
        if took >= 0:
            waves.setdefault(packets.wave[index], []).append(1000 * took)
    everybody = [took for each in waves.values() for took in each]
    return {
        "asked": len(packets), "answered": len(everybody), "seconds": seconds, "rate": len(everybody) / max(seconds, 1e-9),
        "codes": codes, "forged": forged, "sent_again": load.sent_again, "late": load.late, "cpu_seconds": cpu,
        "bytes": told, "ms": _points(everybody),
        "waves": {wave: _points(took) for wave, took in waves.items()},
    }  # fmt: skip


def _points(took_ms: list[float]) -> dict[str, float]:
    points = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {name: percentile(took_ms, share) for name, share in points.items()} if took_ms else {}


if __name__ == "__main__":
    json.dump(play(json.loads(sys.stdin.readline())), sys.stdout)
