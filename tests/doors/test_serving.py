"""The web server under the doors, as a process, with callers that are slow, rude or in a hurry."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.serving import SHORT_LIVES_MAX
from core.serving.worker import CALLERS_MAX, REQUEST_SECONDS_MAX, SEND_SECONDS_MAX
from tests.doors.tiny_door import SLOW_SECONDS
from tests.services import eventually, free_port

ROOT = Path(__file__).parent.parent.parent
PROMPT_SECONDS = 3.0
"""A machine that is busy with other tests needs a while; whoever is held up here waits for ten seconds and more."""
SECRET = "s3cr3t-of-the-address"


@dataclass
class Door:
    """The running tiny door."""

    child: subprocess.Popen[bytes]
    port: int
    output: Path

    def connect(self, seconds: float = 10) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=seconds)

    def ask(self, request: bytes, seconds: float = 10) -> bytes:
        """Everything that is answered to these bytes until the door hangs up."""
        with self.connect(seconds) as caller:
            caller.sendall(request)
            return heard(caller)

    def alive(self) -> bool:
        try:
            return b" GET / " in self.ask(get("/"), PROMPT_SECONDS)
        except OSError:
            return False

    def printed(self) -> str:
        return self.output.read_text("utf-8")


def get(path: str, *, close: bool = True) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{'Connection: close' if close else 'X: y'}\r\n\r\n".encode()


def heard(caller: socket.socket) -> bytes:
    """Until the other side hangs up."""
    pieces = []
    while piece := caller.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


@contextmanager
def running(folder: Path, *words: str, processes: int = 1) -> Iterator[Door]:
    port, output = free_port(), folder / "output.txt"
    with output.open("wb") as sink:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.doors.tiny_door", str(port), str(processes), *words], cwd=ROOT, stdout=sink,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        yield Door(child, port, output)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """One process, so that whoever holds it up holds up everybody."""
    with running(tmp_path) as door:
        eventually(door.alive, 30, "the door answers")
        yield door


def test_callers_that_send_byte_by_byte_hold_up_nobody_and_are_told_when_their_time_is_up(door: Door) -> None:
    begun = time.monotonic()
    with ExitStack() as open_:
        slow = [open_.enter_context(door.connect(REQUEST_SECONDS_MAX + 15)) for _ in range(40)]
        for letter in range(8):
            for number, caller in enumerate(slow):
                head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n" if number % 2 else get("/")
                caller.sendall(head if number % 2 and letter == 0 else head[letter : letter + 1])
            asked = time.monotonic()
            assert b" GET /quick " in door.ask(get("/quick"))
            assert time.monotonic() - asked < PROMPT_SECONDS
        for caller in slow:
            assert heard(caller).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert REQUEST_SECONDS_MAX <= time.monotonic() - begun < REQUEST_SECONDS_MAX + 15


def test_more_silent_callers_than_there_are_places_keep_nobody_out(door: Door) -> None:
    with ExitStack() as open_:
        silent = [open_.enter_context(door.connect()) for _ in range(CALLERS_MAX + 20)]
        assert b" GET /late " in door.ask(get("/late"))
        silent[-1].sendall(get("/last"))
        assert b" GET /last " in heard(silent[-1])


def test_of_more_callers_than_there_are_places_who_has_waited_longest_gives_way(door: Door) -> None:
    with ExitStack() as open_:
        hesitant = []
        for number in range(CALLERS_MAX + 20):
            hesitant.append(open_.enter_context(door.connect()))
            hesitant[-1].sendall(b"GE")
            if number % 50 == 0:  # the kernel's queue is shorter than the room inside
                assert b" GET /late " in door.ask(get("/late"))
        assert heard(hesitant[0]) == b""


def test_a_caller_that_does_not_listen_is_left_alone(door: Door) -> None:
    with door.connect() as deaf:
        deaf.sendall(get("/big"))
        asked = time.monotonic()
        assert b" GET /next " in door.ask(get("/next"))
        assert time.monotonic() - asked < SEND_SECONDS_MAX + PROMPT_SECONDS
    eventually(lambda: "a caller did not wait for the answer" in door.printed(), 5, "it is noted")


def test_a_connection_serves_one_request_whole_or_in_chunks_and_says_so(door: Door) -> None:
    one = door.ask(get("/one", close=False) + get("/two", close=False))
    assert b" GET /one " in one
    assert b"\r\nConnection: close\r\n" in one
    assert b"/two" not in one
    chunked = b"POST /three HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    assert b" POST /three hello" in door.ask(chunked)


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (400, f"GET /{SECRET}\x00 HTTP/1.1\r\n\r\n".encode()),
        (400, f"{SECRET}\r\n\r\n".encode()),
        (413, f"POST /{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n".encode() + b"x" * 500_000),
        (431, f"GET /{SECRET} HTTP/1.1\r\nA: ".encode() + b"a" * 100_000),
        (500, get(f"/broken?{SECRET}")),
    ],
)
def test_what_is_refused_is_answered_in_a_word_and_noted_without_secrets(
    door: Door, status: int, request_: bytes
) -> None:
    answer = door.ask(request_)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert SECRET.encode() not in answer
    assert door.alive()
    assert ("request failed" if status == 500 else f'"status": {status}') in door.printed()
    assert SECRET not in door.printed()


def test_whoever_has_asked_before_the_end_is_answered(door: Door) -> None:
    answers: list[bytes] = []
    with door.connect() as silent:
        asking = [
            threading.Thread(target=lambda: answers.append(door.ask(get("/slow", close=False)))) for _ in range(2)
        ]
        for thread in asking:
            thread.start()
        time.sleep(SLOW_SECONDS / 3)  # real processes: both must have asked before the signal
        door.child.send_signal(signal.SIGTERM)
        assert heard(silent) == b""
        for thread in asking:
            thread.join()
    assert door.child.wait(10) == 0
    assert [b" GET /slow " in answer and b"Connection: close" in answer for answer in answers] == [True, True]
    assert '"level": "warning"' not in door.printed()


def test_a_process_that_dies_is_replaced_and_noted(tmp_path: Path) -> None:
    with running(tmp_path, processes=2) as door:
        eventually(door.alive, 30, "the door answers")
        first = int(door.ask(get("/")).rpartition(b"\r\n\r\n")[2].split()[0])
        os.kill(first, signal.SIGKILL)
        children = Path(f"/proc/{door.child.pid}/task/{door.child.pid}/children")
        eventually(lambda: len(set(children.read_text().split()) - {str(first)}) == 2, 10, "there are two again")
        assert door.alive()
        assert f"Worker (pid:{first}) was sent SIGKILL!" in door.printed()


def test_a_door_whose_processes_die_at_once_gives_up(tmp_path: Path) -> None:
    with running(tmp_path, "dies", processes=2) as door:
        assert door.child.wait(30) == 1
        assert door.printed().count("exited with code 9") in range(SHORT_LIVES_MAX, SHORT_LIVES_MAX + 3)
        assert "the processes die as fast as they are started" in door.printed()
