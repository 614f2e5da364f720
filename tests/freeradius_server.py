"""FreeRADIUS for real: ours (deploy/freeradius/), and Debian's with its stock SQL configuration as a yardstick.

Plain context managers, for tests, the parity suite and benches. They listen on free loopback ports, write below a folder
of their own, and are stopped by their process ids.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from cryptography.fernet import Fernet
from sqlalchemy.engine import URL, make_url

from tests.services import START_ATTEMPTS_MAX, STOP_SECONDS_MAX, ServiceFailed, ServiceMissing, eventually, free_port

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "deploy" / "freeradius"
STOCK = Path("/etc/freeradius/3.0")
STOCK_SQL = STOCK / "mods-config" / "sql" / "main" / "postgresql"
STOCK_SECRET = "testing123"
STATUS_SECRET = "only-for-health-checks"
START_SECONDS_MAX = 20
SETTLE_SECONDS_MAX = 20.0
READY_WORDS = "radius.collector_ready"


def freeradius_program() -> str:
    """The server's program. Raises `ServiceMissing`."""
    for folder in (None, "/usr/sbin"):
        for name in ("freeradius", "radiusd"):
            if found := shutil.which(name, path=folder):
                return found
    raise ServiceMissing("FreeRADIUS was not found. Install it (Debian: apt install freeradius freeradius-postgresql)")


def _modules() -> str:
    """Where the package keeps them, beside its program or as Debian does."""
    beside = Path(freeradius_program()).parent.parent
    for folder in (beside / "lib" / "freeradius", beside / "lib64" / "freeradius", beside / "lib"):
        if (folder / "rlm_sql_postgresql.so").exists():
            return str(folder)
    raise ServiceMissing("FreeRADIUS has no module for PostgreSQL (Debian: apt install freeradius-postgresql)")


def conninfo(database_url: str) -> str:
    """A PostgreSQL URL as the keywords that libpq reads, without the password, for DUKA_FREERADIUS_DATABASE."""
    url: URL = make_url(database_url)
    parts = {"host": url.host, "port": url.port, "dbname": url.database, "user": url.username}
    return " ".join(f"{name}={value}" for name, value in parts.items() if value)


@dataclass
class FreeRadius:
    """One running FreeRADIUS, and (ours only) the collector beside it."""

    config: Path
    folder: Path
    environment: dict[str, str]
    host: str = "127.0.0.1"
    auth_port: int = 0
    acct_port: int = 0
    status_port: int = 0
    status_secret: str = STATUS_SECRET
    secret: str = ""
    """Of the one client that Debian's own configuration knows; ours has those of the tables."""
    collector_command: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    collector: subprocess.Popen[bytes] | None = None

    @property
    def log_folder(self) -> Path:
        return self.folder / "log"

    @property
    def run_folder(self) -> Path:
        return self.folder / "run"

    def start(self) -> None:
        """Start what is not running, on the same ports as before if there were any. Raises `ServiceFailed`."""
        if self.collector is None and self.collector_command:
            self.start_collector()
        if self.process is not None:
            return
        for attempt in range(START_ATTEMPTS_MAX):
            self.auth_port = self.auth_port or free_port(socket.SOCK_DGRAM)
            self.acct_port = self.acct_port or free_port(socket.SOCK_DGRAM)
            self.status_port = self.status_port or free_port(socket.SOCK_DGRAM)
            self._launch()
            if self._ready():
                return
            self._end("process", signal.SIGKILL)
            if attempt == START_ATTEMPTS_MAX - 1 or self.config != CONFIG:
                raise ServiceFailed(f"FreeRADIUS did not start: {self.words()[-1500:]}")
            self.auth_port = self.acct_port = self.status_port = 0

    def start_collector(self) -> None:
        """Start the collector and wait until it has written the files of all routers there are."""
        with (self.folder / "collector.out").open("a+b") as output:
            output.seek(0)
            before = output.read().decode().count(READY_WORDS)
            self.collector = subprocess.Popen(
                self.collector_command, cwd=ROOT, env={**os.environ, **self.environment}, stdout=output, stderr=output
            )
        deadline, said = time.monotonic() + START_SECONDS_MAX, self.folder / "collector.out"
        while said.read_text().count(READY_WORDS) <= before:
            if self.collector.poll() is not None or time.monotonic() > deadline:
                raise ServiceFailed(f"the collector did not start: {self.words()[-1500:]}")
            time.sleep(0.02)

    def _launch(self) -> None:
        ports = {
            "DUKA_FREERADIUS_AUTH_PORT": str(self.auth_port),
            "DUKA_FREERADIUS_ACCT_PORT": str(self.acct_port),
            "DUKA_FREERADIUS_STATUS_PORT": str(self.status_port),
        }
        with (self.folder / "freeradius.out").open("ab") as output:
            self.process = subprocess.Popen(
                [freeradius_program(), "-f", "-d", str(self.config)],
                env={**os.environ, **self.environment, **ports},
                stdout=output,
                stderr=output,
            )

    def _ready(self) -> bool:
        deadline = time.monotonic() + START_SECONDS_MAX
        assert self.process is not None
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.answers_status():
                return True
            time.sleep(0.05)
        return False

    def answers_status(self) -> bool:
        """Whether it answers a Status-Server on its status port."""
        asked = subprocess.run(
            ["radclient", "-q", "-r", "1", "-t", "1", f"{self.host}:{self.status_port}", "status", self.status_secret],
            input=b"Message-Authenticator = 0x00\n",
            capture_output=True,
            check=False,
        )
        return asked.returncode == 0

    def stop(self) -> None:
        """In order: the server, then the collector, which reads the log to its end."""
        self._end("process", signal.SIGTERM)
        self._end("collector", signal.SIGTERM)

    def kill(self) -> None:
        """kill -9 of the server; the collector goes on."""
        self._end("process", signal.SIGKILL)

    def kill_collector(self) -> None:
        """kill -9 of the collector; the server goes on."""
        self._end("collector", signal.SIGKILL)

    def _end(self, which: str, how: signal.Signals) -> None:
        running: subprocess.Popen[bytes] | None = getattr(self, which)
        if running is None:
            return
        with suppress(ProcessLookupError):
            running.send_signal(how)
        try:
            running.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        setattr(self, which, None)

    def settle(self) -> None:
        """Wait until every report that was answered so far is in the books. AssertionError when that takes too long."""
        eventually(self._is_settled, SETTLE_SECONDS_MAX, "reports are in the books")

    def _is_settled(self) -> bool:
        files = (self.run_folder / "reports").glob("reports-*.log")
        sizes = {path.name: path.stat().st_size for path in files}
        url = make_url(self.environment["DUKA_DATABASE__URL"]).set(drivername="postgresql")
        with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
            if connection.execute("SELECT FROM radius_report LIMIT 1").fetchone() is not None:
                return False
            mine = (f"{socket.gethostname()}:{self.log_folder}",)
            found = connection.execute("SELECT name, position FROM radius_log_file WHERE server = %s", mine)
            read: dict[str, int] = dict(found.fetchall())
        return all(read.get(name, 0) >= size for name, size in sizes.items())

    def words(self) -> str:
        """Everything it has said so far."""
        paths = [self.folder / "freeradius.out", self.folder / "collector.out", self.log_folder / "radius.log"]
        return "\n".join(path.read_text(errors="replace") for path in paths if path.exists())


@contextmanager
def freeradius_server(
    database_url: str, folder: Path | None = None, *, key: str = "", collector: bool = True,
    environment: dict[str, str] | None = None,
) -> Iterator[FreeRadius]:  # fmt: skip
    """Our FreeRADIUS on this PostgreSQL database, running, with its collector. Everything it writes is below `folder`.

    `key` is what the database was sealed with.
    """
    with _home(folder) as home:
        settings = {
            "DUKA_FREERADIUS_DATABASE": conninfo(database_url),
            "DUKA_FREERADIUS_PASSWORD": make_url(database_url).password or "",
            "DUKA_FREERADIUS_HOST": "127.0.0.1",
            "DUKA_FREERADIUS_LIB": _modules(),
            "DUKA_FREERADIUS_LOG": str(home / "log"),
            "DUKA_FREERADIUS_RUN": str(home / "run"),
            "DUKA_FREERADIUS_STATUS_SECRET": STATUS_SECRET,
            "DUKA_DATABASE__URL": database_url,
            "DUKA_SECRETS__KEY": "env:DUKA_FREERADIUS_TEST_KEY",
            "DUKA_FREERADIUS_TEST_KEY": key or Fernet.generate_key().decode(),
            **(environment or {}),
        }
        command = [sys.executable, "-m", "radius.collector", str(home / "run"), str(home / "log")] if collector else []
        server = FreeRadius(CONFIG, home, settings, collector_command=command)
        try:
            server.start()
            yield server
        finally:
            server.stop()


# ---- the yardstick -----------------------------------------------------------------------------------------------------


@contextmanager
def stock_server(database_url: str, folder: Path | None = None) -> Iterator[FreeRadius]:
    """Debian's FreeRADIUS as its package is: groups read, `radpostauth` written, accounting by its own queries.

    Its configuration is copied, its SQL module switched on, and nothing changed but where things are: connection, ports,
    folders. Its own schema is put into the empty database at `database_url`. Asked from 127.0.0.1 with `secret`.
    """
    if not STOCK.is_dir():
        raise ServiceMissing(f"{STOCK} was not found. Install Debian's freeradius and freeradius-postgresql")
    with _home(folder) as home:
        url = make_url(database_url)
        config = home / "raddb"
        shutil.copytree(STOCK, config, symlinks=True)
        with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
            connection.execute((STOCK_SQL / "schema.sql").read_bytes())
        server = FreeRadius(
            config, home, {}, auth_port=free_port(socket.SOCK_DGRAM), acct_port=free_port(socket.SOCK_DGRAM),
            status_secret=STOCK_SECRET, secret=STOCK_SECRET,
        )  # fmt: skip
        server.status_port = server.auth_port
        _adapt_stock(config, home, url, server)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _adapt_stock(config: Path, home: Path, url: URL, server: FreeRadius) -> None:
    (config / "mods-enabled" / "sql").symlink_to("../mods-available/sql")
    _edit(
        config / "mods-available" / "sql",
        (r'^\tdialect = "sqlite"', '\tdialect = "postgresql"'),
        (r'^\tdriver = "rlm_sql_null"', '\tdriver = "rlm_sql_postgresql"'),
        (
            r'^\tradius_db = "radius"',
            f'\tserver = "{url.host}"\n\tport = {url.port}\n\tlogin = "{url.username}"\n'
            f'\tpassword = "{url.password or ""}"\n\tradius_db = "{url.database}"',
        ),
    )
    _edit(
        config / "radiusd.conf",
        (r"^logdir = .*", f"logdir = {home / 'log'}"),
        (r"^raddbdir = .*", f"raddbdir = {config}"),
        (r"^run_dir = .*", f"run_dir = {home / 'run'}"),
        (r"^\t(user|group) = freerad", ""),
    )
    site = config / "sites-available" / "default"
    _edit(
        site,
        (r"(?ms)^listen \{\n(?:(?!^\}).)*?^\tipv6addr = ::.*?^\}", ""),
        (r"^\tipaddr = \*", "\tipaddr = 127.0.0.1"),
    )
    text = site.read_text()
    for port in (server.auth_port, server.acct_port):
        text = text.replace("\n\tport = 0\n", f"\n\tport = {port}\n", 1)
    site.write_text(text)
    _edit(config / "sites-available" / "inner-tunnel", (r"port = 18120", f"port = {free_port(socket.SOCK_DGRAM)}"))


def _edit(path: Path, *changes: tuple[str, str]) -> None:
    """Each pattern must be there: a package that looks different is noticed."""
    text = path.read_text()
    for pattern, replacement in changes:
        text, count = re.subn(pattern, replacement.replace("\\", "\\\\"), text, flags=re.MULTILINE)
        if not count:
            raise ServiceFailed(f"{path.name} of the package is not as expected: nothing like {pattern!r}")
    path.write_text(text)


@contextmanager
def _home(folder: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="duka-freeradius-", ignore_cleanup_errors=True) as own:
        home = folder or Path(own)
        for part in ("log", "run/reports", "run/clients", "run/clients6"):
            (home / part).mkdir(parents=True, exist_ok=True)
        yield home
