"""Runs a web door in production: several processes, restarted when they die, stopped in order by SIGTERM.

The server writes no access log: the addresses of the doors contain secrets.
"""

from __future__ import annotations

import gc
import importlib
import os
import socket
import time
from typing import Any

import structlog
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger

from core.serving.worker import PatientWorker

__all__ = ["PortTaken", "serve"]

STOP_SECONDS_MAX = 8
"""How long a process may finish what it has begun after SIGTERM; then it is killed."""
SILENT_SECONDS_MAX = 30
"""A process that has not looked up from one request for so long is replaced."""
BACKLOG = 256
"""Callers that may stand in line while all processes are busy."""
SHORT_LIFE_SECONDS = 2.0
SHORT_LIVES_MAX = 5
"""So many processes in a row that died this young: starting another one will not help."""

log = structlog.get_logger()


class PortTaken(OSError):
    """Something else listens on this address already."""


def serve(target: str, host: str, port: int, processes: int) -> None:
    """Serve `target` (`module:function`, returns a WSGI application) until SIGTERM or SIGINT.

    The function is called once, before the processes part, so that they share its memory: it must not connect to anything
    yet. One request at a time per process: more threads only wait for each other (measured). Port 0 takes a free one and logs
    it. Raises `PortTaken`; SystemExit 1 when the processes die as fast as they are started.
    """
    listener = _listen(host, port)
    host, port = listener.getsockname()[:2]
    module, _, function = target.partition(":")
    application = getattr(importlib.import_module(module), function)()
    log.info("serving", host=host, port=port, processes=processes)
    gc.collect()
    gc.freeze()  # what everybody shares is not touched by collections, so it stays shared
    master = os.getpid()
    try:
        _Server(application, listener.detach(), processes).run()
    except HaltServer as halt:
        raise SystemExit(1) from halt
    except SystemExit as end:
        if os.getpid() == master and end.code:
            raise SystemExit(1) from None
        raise


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn brings no types
    """gunicorn's master with our settings, and with nothing from its files, arguments and environment."""

    def __init__(self, application: Any, listener: int, processes: int) -> None:
        self._application = application
        self._started: dict[int, float] = {}
        self._short_lives = 0
        self._settings: dict[str, Any] = {
            "bind": f"fd://{listener}",
            "workers": processes,
            "worker_class": PatientWorker,
            "timeout": SILENT_SECONDS_MAX,
            "graceful_timeout": STOP_SECONDS_MAX,
            "backlog": BACKLOG,
            "logger_class": _Log,
            "loglevel": "warning",
            "accesslog": None,
            "errorlog": None,
            "control_socket_disable": True,
            "pre_fork": self._process_starts,
            "post_fork": _process_runs,
            "child_exit": self._process_ended,
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._application

    def _process_starts(self, _master: Arbiter, worker: PatientWorker) -> None:
        self._started[worker.age] = time.monotonic()

    def _process_ended(self, master: Arbiter, worker: PatientWorker) -> None:
        lived = time.monotonic() - self._started.pop(worker.age)
        self._short_lives = self._short_lives + 1 if lived < SHORT_LIFE_SECONDS else 0
        if self._short_lives >= SHORT_LIVES_MAX and master.LISTENERS:
            raise HaltServer("the processes die as fast as they are started", 1)


def _process_runs(_master: Arbiter, _worker: PatientWorker) -> None:
    structlog.contextvars.bind_contextvars(pid=os.getpid())


class _Log(Logger):  # type: ignore[misc]  # gunicorn brings no types
    """The server's own warnings go where all our log lines go."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.propagate = True


def _listen(host: str, port: int) -> socket.socket:
    """A socket that is ours alone; callers stand in line until the processes are ready."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PortTaken(error.errno, f"{host} port {port}: {error.strerror}") from error
    return listener
