"""Everything the demo needs, fresh each time: a folder, a key, free ports, a configuration, and the processes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import threading
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cryptography.fernet import Fernet

from cli import embedded
from cli.commands.up import with_redis
from cli.demo.town import TownClient
from cli.failures import Failed
from cli.places import ROOT
from cli.supervisor import Supervisor

FOLDER = ROOT / "var" / "demo"
PROCFILE = ROOT / "Procfile.demo"
TOWN_FILE = ROOT / "sim" / "town.toml"
MARK = ".duka-demo"
OPEN_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.05
TCP_PORTS = ("page", "africastalking", "daraja", "api", "redis", "ussd", "portal")
UDP_PORTS = ("coa", "auth", "acct")
TOWN_PORTS = ("page", "africastalking", "daraja", "api", "coa")


@dataclass
class Stage:
    """The demo's own little machine. `open` it, play, `close` it."""

    folder: Path = FOLDER
    ports: dict[str, int] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    """`sim/town.toml`: the accounts in it are pretend ones and no secrets."""
    on_town_open: Callable[[], None] = lambda: None
    _supervisor: Supervisor | None = None
    _lock: IO[str] | None = None
    _logs: dict[str, IO[str]] = field(default_factory=dict)
    _closed: bool = False

    # ── before anything runs ──

    def prepare(self) -> None:
        """A clean folder, free ports, key and configuration; this process reads that configuration from now on."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self.folder.with_name(self.folder.name + ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Failed("a demo is running already in this folder: stop it first") from error
        self._empty_folder()
        self.plan = tomllib.loads(TOWN_FILE.read_text(encoding="utf-8"))
        self.ports = choose_ports(int(self.plan["page"]["port"]))
        key = self.folder / "duka.key"
        key.touch(mode=0o600)
        key.write_bytes(Fernet.generate_key() + b"\n")
        self.config_path.write_text(self._configuration(key), encoding="utf-8")
        for name in [name for name in os.environ if name.startswith(("DUKA_", "SIM_"))]:
            del os.environ[name]
        os.environ["DUKA_CONFIG"] = str(self.config_path)

    def _empty_folder(self) -> None:
        """Only what a demo has made is ever deleted."""
        mark = self.folder / MARK
        ours = self.folder == FOLDER or mark.is_file()
        if not ours and self.folder.is_dir() and any(self.folder.iterdir()):
            raise Failed(f"{self.folder} is in use by something else: choose another --folder")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700)
        mark.touch()

    @property
    def config_path(self) -> Path:
        return self.folder / "config.toml"

    @property
    def town(self) -> TownClient:
        return TownClient(f"http://127.0.0.1:{self.ports['page']}")

    def _configuration(self, key: Path) -> str:
        ports, text = self.ports, json.dumps
        return f"""\
# Written by `duka demo`, anew each time. Use it from another terminal: DUKA_CONFIG={self.config_path}
public_url = "http://127.0.0.1:{ports["portal"]}"

[database]
url = {text(f"sqlite:///{self.folder / 'duka.db'}")}

[redis]
url = "redis://127.0.0.1:{ports["redis"]}/0"

[secrets]
key = {text(f"file:{key}")}

[ussd]
port = {ports["ussd"]}

[portal]
port = {ports["portal"]}

[radius]
auth_port = {ports["auth"]}
acct_port = {ports["acct"]}
"""

    # ── processes ──

    def start(self) -> None:
        """Start the town, Redis and every process of Duka; their output goes to `log/<name>.log`."""
        (self.folder / "log").mkdir()
        lines = PROCFILE.read_text(encoding="utf-8")
        procfile = self.folder / "Procfile"
        procfile.write_text(with_redis(lines, self.ports["redis"], self.folder / "redis"), encoding="utf-8")
        environment = dict(os.environ)
        environment["SIM_PORTS"] = " ".join(f"{name}={self.ports[name]}" for name in TOWN_PORTS)
        self._supervisor = Supervisor(
            procfile, environment, ROOT, self._on_line, scale={"worker": 2}, run_folder=self.folder / "run"
        )
        self._supervisor.start()

    def _on_line(self, name: str, line: str) -> None:
        if self._closed:
            return
        log = self._logs.get(name)
        if log is None:
            log = self._logs[name] = (self.folder / "log" / f"{name}.log").open("a", encoding="utf-8", buffering=1)
        log.write(line + "\n")
        if name == "sim" and line.startswith("the town is open"):
            self.on_town_open()

    @property
    def processes(self) -> dict[str, int]:
        """The living ones: name → process id."""
        return self._supervisor.processes if self._supervisor is not None else {}

    def wait_until(self, what: str, happened: Callable[[], bool], seconds: float = OPEN_SECONDS_MAX) -> None:
        """`Failed` naming `what` when it does not happen, with the last words of processes that keep dying."""
        deadline = time.monotonic() + seconds
        while not happened():
            if time.monotonic() > deadline:
                raise Failed(f"{what} did not come up within {seconds:.0f} s; look into {self.folder / 'log'}")
            time.sleep(LOOK_SECONDS)

    def door_answers(self, name: str) -> bool:
        """Does a web door take connections?"""
        try:
            socket.create_connection(("127.0.0.1", self.ports[name]), 1.0).close()
        except OSError:
            return False
        return True

    def has_said(self, name: str, words: str) -> bool:
        """Did a process write these words?"""
        path = self.folder / "log" / f"{name}.log"
        return path.is_file() and words in path.read_text(encoding="utf-8", errors="replace")

    def redis_answers(self) -> bool:
        return embedded.answers(f"redis://127.0.0.1:{self.ports['redis']}/0")

    def stay(self) -> None:
        """Until Ctrl-C or SIGTERM."""
        assert self._supervisor is not None
        self._supervisor.wait()

    def close(self) -> None:
        """Stop everything. Repeats are harmless."""
        if self._supervisor is not None:
            stopping = threading.Thread(target=self._supervisor.stop)
            stopping.start()
            for pid in self._supervisor.processes.values():  # all at once: nothing here is worth an orderly retreat
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            stopping.join()
        self._closed = True
        for log in self._logs.values():
            log.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def choose_ports(page_port: int) -> dict[str, int]:
    """Ports nobody has, all found while the others are held; the page gets `page_port` when that one is free."""
    held: list[socket.socket] = []
    found: dict[str, int] = {}
    try:
        for name in (*TCP_PORTS, *UDP_PORTS):
            kind = socket.SOCK_STREAM if name in TCP_PORTS else socket.SOCK_DGRAM
            wanted = page_port if name == "page" else 0
            held.append(_bound(kind, wanted) or _bound(kind, 0) or _none_free())
            found[name] = int(held[-1].getsockname()[1])
    finally:
        for each in held:
            each.close()
    return found


def _bound(kind: socket.SocketKind, port: int) -> socket.socket | None:
    made = socket.socket(socket.AF_INET, kind)
    try:
        made.bind(("127.0.0.1", port))
    except OSError:
        made.close()
        return None
    return made


def _none_free() -> socket.socket:
    raise Failed("this machine has no free port left")
