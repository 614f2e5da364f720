"""What FreeRADIUS needs beside it: its routers as files, its log of answers and the reports it took brought into the tables.

FreeRADIUS answers from the same rows as the embedded server (deploy/freeradius/), but it can neither follow a table of
routers within two seconds nor write a row per answer, or book a report by itself, without losing two thirds of its speed
(measured.md). So one small process per FreeRADIUS keeps a file per router as `nas` says, reads the log it writes, a line per
answer, into `radpostauth` in groups, and brings reports into the books (`radius.digest`). A crash of either process loses no
line and doubles none. While the database is away routers' files, log and reports simply stay.
"""

from __future__ import annotations

import re
import signal
import socket
import sys
import threading
import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core import heartbeats, logs, network
from core.app import App, open_app
from core.config import ConfigError
from core.network import Knock, LogLine, NasClient
from core.texts import one_line
from core.uow import UnitOfWork
from radius.appended import AppendedFiles
from radius.digest import Digest
from radius.notes import Throttle
from radius.router_files import RouterFiles

ROUTERS_EVERY_SECONDS = 0.25
"""How old a router's file may be; FreeRADIUS looks at its date once a second."""
LOOK_EVERY_SECONDS = 0.25
"""How long a report or an answer may lie there before it is brought into the tables."""
BEAT_SECONDS = 10
LOG_EVERYDAY_AGAIN = timedelta(minutes=10)
KNOCK_AGAIN = timedelta(seconds=30)
KEPT_SECONDS = 3 * 3600
"""A log file is one hour's; it is removed when it was read to its end and nobody has written to it for so long."""
LOGGED_LENGTH_MAX = 64
LOG_FILES = "auth-*.log"

_ESCAPED = re.compile(r"=([0-9A-Fa-f]{2})")
_FIELDS = 9
EVERYDAY = {"not_paid", "expired", "data_used_up"}
_UNPROVED = {
    "repeated_attribute", "bad_mac_form", "forged", "wrong_service", "unknown_name", "no_password", "wrong_password",
    "unknown_user", "undecided", "unknown_voucher", "voucher_used", "voucher_expired", "voucher_stuck", "too_many_codes",
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
        at=_moment(at),
        nas_address=address,
        accepted=kind == "Access-Accept",
        reason=reason,
        username=_unescaped(username),
        calling_station=_unescaped(calling),
        called_station=_unescaped(called),
        klass=_octets(klass),
    )


@lru_cache(maxsize=64)
def _moment(epoch: str) -> datetime:
    """Many lines are of the same second."""
    return datetime.fromtimestamp(int(epoch), UTC)


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


class Collector:
    """Keeps one FreeRADIUS company until told to stop. `run_folder` and `log_folder` are those it was started with."""

    def __init__(self, app: App, run_folder: Path, log_folder: Path, server: str = "") -> None:
        server = server or f"{socket.gethostname()}:{log_folder}"
        self._app = app
        self._files = RouterFiles(run_folder)
        self._answers = AppendedFiles(app, server, log_folder, LOG_FILES, KEPT_SECONDS)
        self._routers: dict[str, NasClient] = {}
        self._reports = Digest(app, run_folder, server, lambda address: self._routers.get(address))
        self._name = f"{heartbeats.COLLECTOR}{socket.gethostname()[:13]} {zlib.crc32(server.encode()):08x}"
        self._beat_at: datetime | None = None
        self._stop = threading.Event()
        self._throttle = Throttle()
        self._ready = False
        self._held_up = False

    def run(self) -> None:
        """Until `stop`, which takes what is there by then."""
        routers = threading.Thread(target=self._run_routers, name="radius-routers", daemon=True)
        routers.start()
        while not self._stop.is_set():
            more = self._try(self.digest_once)
            if not self._try(self.collect_once) and not more:
                self._stop.wait(LOOK_EVERY_SECONDS)
        for what in (self.digest_once, self.collect_once, self._resign):
            self._try(what)
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
        block = self._answers.next()
        if block is None:
            return False
        answers = [answer for line in block.lines if (answer := read_line(line))]
        with self._app.work(None, forgettable=True) as uow:
            self._put(uow, answers)
            self._answers.made_use_of(uow, block)
        self._answers.go_on(block)
        return block.more

    def digest_once(self) -> bool:
        """Bring reports that wait into the books, and say now and then that this goes well. True when there may be more at once."""
        more = self._reports.once()
        now = self._app.clock.now()
        if self._beat_at is None or not self._beat_at <= now < self._beat_at + timedelta(seconds=BEAT_SECONDS):
            with self._app.work(None, forgettable=True) as uow:
                heartbeats.begin(uow.session, self._name, now, BEAT_SECONDS)
                heartbeats.beat(uow.session, self._name, now, self._reports.digested, 0)
            self._beat_at = now
        return more

    def _resign(self) -> bool:
        """Stopped in order: nobody expects another beat."""
        with self._app.work(None, forgettable=True) as uow:
            heartbeats.forget(uow.session, self._name)
        return False

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
