"""The smallest door there is, for tests of the server under it: `python -m tests.doors.tiny_door PORT PROCESSES [dies]`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from core import logs
from core.serving import PortTaken, serve

SLOW_SECONDS = 1.5
BIG_BYTES = 32 * 1024 * 1024


def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """`/slow` takes its time, `/big` says much, `/broken` fails; the rest repeats what it was sent."""
    path, body = environ["PATH_INFO"], environ["wsgi.input"].read()
    if path == "/slow":
        time.sleep(SLOW_SECONDS)
    if path == "/broken":
        raise LookupError("a bug")
    words = b"x" * BIG_BYTES if path == "/big" else f"{os.getpid()} {environ['REQUEST_METHOD']} {path} ".encode() + body
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(words)))])
    return [words]


def make() -> Callable[..., Iterable[bytes]]:
    """The application."""
    logs.set_up("tiny")
    return answer


def make_deadly() -> Callable[..., Iterable[bytes]]:
    """An application under which every process dies as soon as it starts."""
    os.register_at_fork(after_in_child=lambda: os._exit(9))
    return make()


if __name__ == "__main__":
    try:
        serve(
            f"tests.doors.tiny_door:{'make_deadly' if 'dies' in sys.argv else 'make'}",
            "127.0.0.1",
            int(sys.argv[1]),
            int(sys.argv[2]),
        )
    except PortTaken:
        sys.exit(3)
