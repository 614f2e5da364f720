"""Reports that FreeRADIUS has answered, brought into the books in groups: by the same verb as those of the embedded server.

FreeRADIUS writes a line per report (deploy/freeradius/mods-enabled/reports): how far a session has come into a file, which
outlives the death of every process; its beginning and its end into the table `radius_report`, before it answers, and into
the file when the database does not take them. Whatever is taken from either counts, and is gone from there, in one transaction;
so several FreeRADIUS with their collectors may share a database, and each of them may die at any moment (decision 0014).
"""

from __future__ import annotations

import os
from binascii import unhexlify
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from core import network
from core.app import App
from core.errors import Refusal
from core.network import AccountingEvent, NasClient
from core.network.reports import Waiting
from radius.accounting import (
    ATTEMPTS_MAX,
    DELAY_SECONDS_MAX,
    IN_EACH_OTHERS_WAY,
    read_event,
)
from radius.appended import AppendedFiles, Block
from radius.packet import ACCOUNTING_REQUEST, Dropped, Packet, key_of

ATTRIBUTES = (
    "Acct-Status-Type", "User-Name", "Acct-Session-Id", "Calling-Station-Id", "Called-Station-Id", "Framed-IP-Address",
    "NAS-Port-Id", "NAS-Port-Type", "Class", "Acct-Delay-Time", "Acct-Session-Time", "Acct-Input-Octets",
    "Acct-Input-Gigawords", "Acct-Output-Octets", "Acct-Output-Gigawords", "Acct-Terminate-Cause",
)  # fmt: skip
"""What a line says of a report after its form, when it was heard and from which router: octets, hexadecimal, as they came."""
FORM = b"1"
FOLDER, FILES, REFUSED = "reports", "reports-*.log", "refused.log"
KEPT_SECONDS = 300
"""A report's file is one minute's; FreeRADIUS works on a report for ten seconds at most."""
ROWS_MAX = 2000
BLAMED_ON_A_REPORT = (DataError, IntegrityError, Refusal, ValueError, OverflowError)
"""Tables that are missing or closed to us are nobody's fault who reports."""
AGE_MAX = timedelta(seconds=DELAY_SECONDS_MAX)
_KEYS = tuple(key_of(name) for name in ATTRIBUTES)

log = structlog.get_logger()


@dataclass(slots=True)
class Group:
    """Reports that are to count together, in the order in which they were heard."""

    rows: list[Waiting] = field(default_factory=list)
    block: Block | None = None

    @property
    def more(self) -> bool:
        """There may be others that wait."""
        return len(self.rows) == ROWS_MAX or (self.block is not None and self.block.more)

    @property
    def lines(self) -> list[bytes]:
        return [row.line for row in self.rows] + (self.block.lines if self.block else [])


class Digest:
    """Takes the reports of one FreeRADIUS from its folder, and those of all of them from the table.

    `client` is asked for the router at an address; None for one that is not registered (any more).
    """

    def __init__(self, app: App, run_folder: Path, server: str, client: Callable[[str], NasClient | None]) -> None:
        self._app = app
        self._folder = run_folder / FOLDER
        self._files = AppendedFiles(app, server, self._folder, FILES, KEPT_SECONDS)
        self._client = client
        self._singly = 0
        self.digested = 0
        """How many reports so far."""

    def once(self) -> bool:
        """Bring a group of reports into the books; True when there may be more at once.

        What only one report can be to blame for costs that report: they are taken one by one then, and it is put aside into
        `refused.log`. Raises SQLAlchemy's other errors, and then everything stays where it was.
        """
        group = Group()
        try:
            group.block = self._files.next()
        finally:
            self._files.sync()
        try:
            self._digest(group, 1 if self._singly else ROWS_MAX)
        except BLAMED_ON_A_REPORT as error:
            many = len(group.lines)
            if many > 1:
                log.warning("radius.reports_taken_apart", reports=many, error=type(error).__name__)
                self._singly = many
                return True
            self._refuse(group, error)
        self._singly = max(self._singly - 1, 0)
        self.digested += len(group.lines)
        return group.more or self._singly > 0

    def _digest(self, group: Group, most: int) -> None:
        """One transaction. It need not wait for the disk: what it took is there until the transaction is."""
        block = group.block
        for attempt in range(ATTEMPTS_MAX):
            try:
                with self._app.work(None, forgettable=True) as uow:
                    group.rows = network.take_reports(uow, most)
                    if most == 1:
                        group.block = None if group.rows or block is None else block.first()
                    events = self._understood(group.lines, uow.now)
                    if events:
                        network.account_many(uow, events)
                    if group.block is not None:
                        self._files.made_use_of(uow, group.block)
                break
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in IN_EACH_OTHERS_WAY or attempt == ATTEMPTS_MAX - 1:
                    raise
        if group.block is not None:
            self._files.go_on(group.block)

    def _refuse(self, group: Group, error: Exception) -> None:
        """Put a report aside, for somebody who can say what is wrong with it."""
        with self._app.work(None) as uow:
            network.put_reports_away(uow, [row.id for row in group.rows])
            if group.block is not None:
                self._files.made_use_of(uow, group.block)
            self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            with (self._folder / REFUSED).open("ab") as file:
                file.writelines(line + b"\n" for line in group.lines)
                file.flush()
                os.fsync(file.fileno())
        log.error("radius.report_refused", error=type(error).__name__, kept_in=str(self._folder / REFUSED))
        if group.block is not None:
            self._files.go_on(group.block)

    def _understood(self, lines: Iterable[bytes], now: datetime) -> list[AccountingEvent]:
        """What the lines say, in the order in which it was heard."""
        told: list[tuple[datetime, AccountingEvent]] = []
        for line in lines:
            try:
                heard, event = read_report(line, self._client, now)
            except (ValueError, OverflowError, Dropped) as error:
                log.error("radius.report_not_understood", octets=len(line), error=type(error).__name__)
            else:
                if event is not None:
                    told.append((heard, event))
        told.sort(key=itemgetter(0))
        return [event for _, event in told]


def read_report(
    line: bytes, client: Callable[[str], NasClient | None], now: datetime
) -> tuple[datetime, AccountingEvent | None]:
    """When a report was heard, and what it says: the same as `read_event` of the packet. Raises ValueError, OverflowError or
    `Dropped` for what is no such line.

    Whatever a clock said that was wrong meanwhile: nothing was heard after `now`, nothing happened longer ago than is believed.
    """
    form, moment, source, *octets = line.split(b"|")
    if form != FORM or len(octets) != len(_KEYS):
        raise ValueError("not a line of ours")
    seconds, _, micros = moment.partition(b".")
    heard = min(datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=int(micros)), now)
    values = {key: unhexlify(each) for key, each in zip(_KEYS, octets, strict=True) if each}
    address = source.decode()
    packet = Packet(ACCOUNTING_REQUEST, 0, b"", b"", values, {}, None)
    event = read_event(packet, client(address) or _nobody(address), heard)
    if event is not None and event.at < now - AGE_MAX:
        event = event._replace(at=now - AGE_MAX)
    return heard, event


def _nobody(address: str) -> NasClient:
    """A router that is not registered, or not known here yet; the tables will tell."""
    return NasClient(address, "", 0, 0, "", "", demands_message_authenticator=False)
