"""What FreeRADIUS needs beside it: its routers as files, and its log of answers brought into the tables.

FreeRADIUS answers from the same rows as the embedded server (deploy/freeradius/), but it can neither follow a table of
routers within two seconds nor write one log row per answer without losing two thirds of its speed (measured.md). So one
small process per FreeRADIUS keeps a file per router as `nas` says, and reads the log it writes, a line per answer, into
`radpostauth` in groups. Where it stopped reading stands in `radius_log_file`, in the same transaction as the rows: a crash
of either process loses no line and doubles none. While the database is away both files and log simply stay.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import structlog
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import SQLAlchemyError

from core import logs, network
from core.app import App, open_app
from core.config import ConfigError
from core.network import Knock, LogLine, NasClient
from core.radius_tables import radius_log_file
from core.texts import one_line
from core.uow import UnitOfWork
from radius.notes import Throttle

ROUTERS_EVERY_SECONDS = 0.25
"""How old a router's file may be; FreeRADIUS looks at its date once a second."""
LOG_EVERY_SECONDS = 0.25
BATCH_BYTES = 256 * 1024
LOG_EVERYDAY_AGAIN = timedelta(minutes=10)
KNOCK_AGAIN = timedelta(seconds=30)
KEPT_SECONDS = 3 * 3600
"""A log file is one hour's; it is removed when it was read to its end and nobody has written to it for so long."""
LOGGED_LENGTH_MAX = 64
LOG_FILES = "auth-*.log"
ROUTERS, ROUTERS_IPV6 = "clients", "clients6"
"""The folders of router files inside FreeRADIUS's run folder."""

_ESCAPED = re.compile(r"=([0-9A-Fa-f]{2})")
_FIELDS = 9
EVERYDAY = {"not_paid", "expired", "data_used_up"}
_UNPROVED = {
    "repeated_attribute", "bad_mac_form", "forged", "wrong_service", "unknown_name", "no_password", "wrong_password",
    "unknown_user", "undecided",
}  # fmt: skip
"""Rejects of somebody who has not proved to be the device they name."""
_MAC = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){5}", re.ASCII)

log = structlog.get_logger()


class Answer(NamedTuple):
    """One line of the log: what a router was answered."""

    at: datetime
    nas_address: str
    accepted: bool
    reason: str
    username: str
    calling_station: str
    called_station: str
    klass: str

    @property
    def reply(self) -> str:
        """As `radpostauth` says it."""
        kind = "Access-Accept" if self.accepted else "Access-Reject"
        return f"{kind} ({self.reason})" if self.reason else kind

    @property
    def waits(self) -> bool:
        """A device that is what it says, and is not let in, or into a walled network only."""
        return bool(self.reason) and self.reason not in _UNPROVED and bool(_MAC.fullmatch(self.username))


def read_line(line: bytes) -> Answer | None:
    """A line of the log, understood; None for one that is not whole."""
    parts = line.decode("utf-8", "replace").rstrip("\n").split("|")
    if len(parts) != _FIELDS or parts[0] != "1" or not parts[1].isdigit():
        return None
    _version, at, address, kind, reason, username, calling, called, klass = parts
    return Answer(
        at=datetime.fromtimestamp(int(at), UTC),
        nas_address=address,
        accepted=kind == "Access-Accept",
        reason=reason,
        username=_unescaped(username),
        calling_station=_unescaped(calling),
        called_station=_unescaped(called),
        klass=_octets(klass),
    )


def _unescaped(field: str) -> str:
    if "=" not in field:
        return field
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), field)
    return plain.encode("latin-1", "replace").decode("utf-8", "replace")


def _octets(field: str) -> str:
    if not field.startswith("0x"):
        return field
    try:
        return bytes.fromhex(field[2:]).decode("utf-8", "replace")
    except ValueError:
        return ""


class RouterFiles:
    """One file per router, in the shape FreeRADIUS reads (deploy/freeradius/sites-enabled/clients)."""

    def __init__(self, run_folder: Path) -> None:
        self._folder = run_folder
        self._kept: tuple[dict[tuple[str, str], str], list[int]] | None = None

    def keep(self, routers: Iterable[NasClient]) -> None:
        """Make the folders say exactly this. A router that FreeRADIUS cannot be told about is left out."""
        wanted: dict[tuple[str, str], str] = {}
        left_out: list[int] = []
        for client in routers:
            try:
                wanted[ROUTERS_IPV6 if ":" in client.address else ROUTERS, client.address] = _client(client)
            except ValueError:
                left_out.append(client.router_id)
        if (wanted, left_out) == self._kept:
            return
        for router_id in left_out:
            log.error("radius.router_left_out", router_id=router_id, why="FreeRADIUS cannot be told this secret")
        for folder in (ROUTERS, ROUTERS_IPV6):
            (self._folder / folder).mkdir(mode=0o750, parents=True, exist_ok=True)
            for path in (self._folder / folder).iterdir():
                if (folder, path.name) not in wanted:
                    path.unlink(missing_ok=True)
        for (folder, address), text in wanted.items():
            path = self._folder / folder / address
            if not path.exists() or path.read_text("utf-8") != text:
                _replace(path, self._folder / f".{address}.new", text)
        self._kept = wanted, left_out


def _replace(path: Path, fresh: Path, text: str) -> None:
    """Whole or not at all: FreeRADIUS may read it at this very moment. It is nobody else's to read."""
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def _client(client: NasClient) -> str:
    demands = "yes" if client.demands_message_authenticator else "no"
    family = "ipv6addr" if ":" in client.address else "ipaddr"
    return (
        f"client {client.address} {{\n\t{family} = {client.address}\n\tsecret = {_quoted(client.secret)}\n"
        f"\tduka_mac_password = {_quoted(client.mac_auth_password)}\n\trequire_message_authenticator = {demands}\n}}\n"
    )


def _quoted(secret: str) -> str:
    """Between quotes FreeRADIUS takes everything as it stands, but for the quote itself, which has a backslash before it.

    Raises ValueError for a secret that cannot be written so.
    """
    for quote, expanded in (("'", ()), ('"', ("${", "$ENV{"))):
        ends = secret.endswith("\\") or f"\\{quote}" in secret
        if secret and not ends and secret.isprintable() and not any(each in secret for each in expanded):
            return quote + secret.replace(quote, f"\\{quote}") + quote
    raise ValueError("FreeRADIUS cannot be told this secret")


class Collector:
    """Keeps one FreeRADIUS company until told to stop. `run_folder` and `log_folder` are those it was started with."""

    def __init__(self, app: App, run_folder: Path, log_folder: Path, server: str = "") -> None:
        self._app = app
        self._files = RouterFiles(run_folder)
        self._log_folder = log_folder
        self._server = server or f"{socket.gethostname()}:{log_folder}"
        self._stop = threading.Event()
        self._routers: dict[str, NasClient] = {}
        self._positions: dict[str, int] | None = None
        self._throttle = Throttle()
        self._ready = False
        self._held_up = False

    def run(self) -> None:
        """Until `stop`, which reads the log once more."""
        routers = threading.Thread(target=self._run_routers, name="radius-routers", daemon=True)
        routers.start()
        while not self._stop.is_set():
            more = self._try(self.collect_once)
            if not more:
                self._stop.wait(LOG_EVERY_SECONDS)
        self._try(self.collect_once)
        routers.join()

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stop.set()

    def _run_routers(self) -> None:
        while not self._stop.is_set():
            self._try(self.routers_once)
            self._stop.wait(ROUTERS_EVERY_SECONDS)

    def _try(self, what: Callable[[], bool]) -> bool:
        try:
            done = what()
        except (SQLAlchemyError, OSError) as error:
            if not self._held_up:
                log.error("radius.collector_held_up", error=type(error).__name__)
            self._held_up = True
            return False
        if self._held_up:
            log.info("radius.collector_resumed")
        self._held_up = False
        return done

    def routers_once(self) -> bool:
        """Write the files of routers that came, changed or went."""
        with self._app.look(None) as uow:
            routers = network.nas_clients(uow)
        self._files.keep(routers)
        if not self._ready:
            log.info("radius.collector_ready", routers=len(routers))
            self._ready = True
        self._routers = {client.address: client for client in routers}
        return True

    def collect_once(self) -> bool:
        """Bring what is new in the log into the tables. True when there may be more at once."""
        if self._positions is None:
            with self._app.look(None) as uow:
                found = uow.session.execute(
                    select(radius_log_file.c.name, radius_log_file.c.position).where(
                        radius_log_file.c.server == self._server
                    )
                )
                self._positions = {row.name: row.position for row in found}
        more = False
        for path in sorted(self._log_folder.glob(LOG_FILES)):
            more = self._read(path) or more
        return more

    def _read(self, path: Path) -> bool:
        assert self._positions is not None
        position = self._positions.get(path.name, 0)
        state = path.stat()
        if state.st_size < position:
            position = 0
        if state.st_size == position:
            self._forget_when_old(path, state.st_mtime)
            return False
        with path.open("rb") as file:
            file.seek(position)
            block = file.read(BATCH_BYTES)
        whole = block.rfind(b"\n") + 1
        if not whole:
            return False
        answers = [answer for line in block[:whole].split(b"\n") if line and (answer := read_line(line))]
        with self._app.work(None, forgettable=True) as uow:
            self._put(uow, answers)
            self._note_position(uow, path.name, position + whole)
        self._positions[path.name] = position + whole
        return len(block) == BATCH_BYTES

    def _forget_when_old(self, path: Path, written_at: float) -> None:
        if self._app.clock.now().timestamp() - written_at < KEPT_SECONDS:
            return
        assert self._positions is not None
        with self._app.work(None, forgettable=True) as uow:
            uow.session.execute(
                delete(radius_log_file).where(
                    radius_log_file.c.server == self._server, radius_log_file.c.name == path.name
                )
            )
            path.unlink(missing_ok=True)
        self._positions.pop(path.name, None)

    def _note_position(self, uow: UnitOfWork, name: str, position: int) -> None:
        dialect = uow.session.get_bind().dialect.name
        statement = (postgres_insert if dialect == "postgresql" else sqlite_insert)(radius_log_file).values(
            server=self._server, name=name, position=position
        )
        uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=["server", "name"], set_={"position": statement.excluded.position}
            )
        )

    def _put(self, uow: UnitOfWork, answers: Iterable[Answer]) -> None:
        lines: list[LogLine] = []
        knocks: list[Knock] = []
        for answer in answers:
            router = self._routers.get(answer.nas_address)
            if self._worth_a_line(answer):
                lines.append(_line(answer, router))
            if (
                router is not None
                and answer.waits
                and self._throttle.passes(answer.at, KNOCK_AGAIN, answer.nas_address, answer.username)
            ):
                knocks.append(Knock(router.router_id, answer.username, answer.at))
        network.log_logins(uow, lines)
        network.knocked(uow, knocks)

    def _worth_a_line(self, answer: Answer) -> bool:
        """Every answer but the everyday reject of a waiting device, which FreeRADIUS repeats every half minute."""
        if answer.accepted or answer.reason not in EVERYDAY:
            return True
        return self._throttle.passes(
            answer.at, LOG_EVERYDAY_AGAIN, answer.nas_address, answer.username, answer.calling_station, answer.reason
        )


def _line(answer: Answer, router: NasClient | None) -> LogLine:
    name = _tidy(answer.username)
    return LogLine(
        f"{name}@{router.realm}" if router is not None and router.realm else name,
        answer.reply,
        _tidy(answer.called_station),
        _tidy(answer.calling_station),
        answer.at,
        answer.klass,
    )


def _tidy(text: str) -> str:
    """As the log keeps it. Nearly all names are tidy, and looking at each of their letters is dear."""
    if len(text) <= LOGGED_LENGTH_MAX and text.isascii() and text.isprintable() and " " not in text:
        return text
    return one_line(text, LOGGED_LENGTH_MAX)


def main(arguments: list[str]) -> int:
    """`python -m radius.collector RUN_FOLDER LOG_FOLDER`: 0 when it stopped in order, 2 when it cannot begin."""
    if len(arguments) != 2:
        sys.stderr.write("say where FreeRADIUS keeps its things: python -m radius.collector RUN_FOLDER LOG_FOLDER\n")
        return 2
    run_folder, log_folder = (Path(argument) for argument in arguments)
    try:
        logs.set_up("radius-collector")
        app = open_app()
    except (ConfigError, ValueError) as error:
        sys.stderr.write(f"radius.collector: {error}\n")
        return 2
    collector = Collector(app, run_folder, log_folder)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        # in a thread: a handler may not touch the lock that the interrupted `wait` holds
        threading.Thread(target=collector.stop, daemon=True).start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    collector.run()
    app.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
