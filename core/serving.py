"""Runs a web door in production: several processes, restarted when they die, stopped in order by SIGTERM.

The server writes no access log: the addresses of the doors contain secrets.
"""

from __future__ import annotations

import socket
from typing import Any

import structlog
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

STOP_SECONDS_MAX = 8
"""How long a process may finish what it has begun after SIGTERM; then it is killed."""
HEADER_MILLISECONDS_MAX = 10_000
"""How long a caller may take to send its headers; slower ones are not customers."""
RESPAWN_SECONDS = 0.5
LOGGING: dict[str, Any] = {
    "formatters": {},
    "handlers": {},
    "loggers": {
        "_granian": {"handlers": [], "propagate": True},
        "granian.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
    },
}
"""The server's own warnings go where all our log lines go."""

log = structlog.get_logger()


class PortTaken(OSError):
    """Something else listens on this address already."""


def serve(target: str, host: str, port: int, processes: int) -> None:
    """Serve `target` (`module:function`, called once in every process, returns a WSGI application) until SIGTERM or SIGINT.

    One request at a time per process: more threads only wait for each other (measured). Port 0 takes a free one and logs
    it. Raises `PortTaken`; SystemExit 1 when the processes die as fast as they are started.
    """
    port = _checked(host, port)
    server = Granian(
        target,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=processes,
        blocking_threads=1,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS_MAX),
        websockets=False,
        log_level=LogLevels.warning,
        log_dictconfig=LOGGING,
        log_access=False,
        respawn_failed_workers=True,
        respawn_interval=RESPAWN_SECONDS,
        workers_kill_timeout=STOP_SECONDS_MAX,
        factory=True,
    )
    log.info("serving", host=host, port=port, processes=processes)
    server.serve()


def _checked(host: str, port: int) -> int:
    """A port that is ours to take. The server's sockets share a port with anybody, so a second copy would go unnoticed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(error.errno, f"{host} port {port}: {error.strerror}") from error
        return int(probe.getsockname()[1])
