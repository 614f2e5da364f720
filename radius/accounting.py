"""Accounting-Requests: what a router tells about sessions, as a value for the core."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core import network
from core.app import App
from core.errors import Refusal
from core.network import AccountingEvent, NasClient, Traffic
from core.texts import one_line
from radius.batch import Answer, Question
from radius.packet import (
    ACCOUNTING_RESPONSE,
    Dropped,
    Packet,
    check_accounting,
    check_signature,
    reply,
    word_for,
)

KINDS = {
    "Start": "start", "Stop": "stop", "Interim-Update": "interim", "Accounting-On": "on", "Accounting-Off": "off",
}  # fmt: skip
WORD_LENGTH_MAX = 253
DELAY_SECONDS_MAX = 30 * 86_400
SESSION_SECONDS_MAX = 10 * 366 * 86_400
SESSION_BYTES_MAX = 10**15
"""More than any line carries in one session: such a number is a fault of the router, and nobody is charged for it."""
ATTEMPTS_MAX = 5
IN_EACH_OTHERS_WAY = ("40001", "40P01", "23505")
"""SQLSTATEs of a row that was moved meanwhile, of a deadlock, of a session that another server wrote first."""
OUT_OF_REACH = (OperationalError, InterfaceError, PoolTimeout)
UNRECORDABLE = (SQLAlchemyError, Refusal, ValueError, OverflowError)
"""What one packet may be to blame for, unless the database is out of reach."""

log = structlog.get_logger()


class Accounting:
    """Answers Accounting-Requests once what they say is committed."""

    def __init__(self, app: App) -> None:
        self._app = app

    def answer(self, batch: Sequence[Question]) -> Iterator[Answer]:
        """The responses to a batch, all behind one commit.

        A packet with which the batch cannot be recorded does not hold up the others: then each is recorded by itself.
        Raises `SQLAlchemyError` when the database cannot be reached, or at the end when some could not be recorded; those
        are not answered and will be said again.
        """
        understood: list[tuple[Question, bytes, AccountingEvent | None]] = []
        for question in batch:
            try:
                understood.append(self._read(question))
            except Dropped as drop:
                yield Answer(question, None, drop.why)
        try:
            self._record([event for _, _, event in understood if event is not None])
        except OUT_OF_REACH:
            raise
        except UNRECORDABLE as error:
            if len(understood) == 1:
                raise
            log.warning("radius.batch_taken_apart", packets=len(understood), error=type(error).__name__)
            yield from self._one_by_one(understood)
            return
        for question, raw, _ in understood:
            yield Answer(question, raw, "accounted")

    def _one_by_one(self, understood: Sequence[tuple[Question, bytes, AccountingEvent | None]]) -> Iterator[Answer]:
        refused: Exception | None = None
        for question, raw, event in understood:
            try:
                self._record([event] if event is not None else [])
            except OUT_OF_REACH:
                raise
            except UNRECORDABLE as error:
                refused = error
            else:
                yield Answer(question, raw, "accounted")
        if refused is not None:
            raise refused

    def _read(self, question: Question) -> tuple[Question, bytes, AccountingEvent | None]:
        packet, client = question.packet, question.client
        secret = client.secret.encode()
        check_accounting(packet, secret)
        check_signature(packet, secret, demanded=False)
        event = read_event(packet, client, self._app.clock.now())
        return question, reply(packet, ACCOUNTING_RESPONSE, secret, signed=False), event

    def _record(self, events: Sequence[AccountingEvent]) -> None:
        """One transaction. What only says how far a session has come may be committed without waiting for the disk: the
        next report says it again. Two servers that stood in each other's way: once more."""
        if not events:
            return
        forgettable = all(event.kind == "interim" for event in events)
        for attempt in range(ATTEMPTS_MAX):
            try:
                with self._app.work(None, forgettable=forgettable) as uow:
                    network.account_many(uow, events)
                return
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in IN_EACH_OTHERS_WAY or attempt == ATTEMPTS_MAX - 1:
                    raise


def read_event(packet: Packet, client: NasClient, now: datetime) -> AccountingEvent | None:
    """What happened, and when. None for news we have no use for. Raises `Dropped` when it cannot be understood."""
    status = packet.integer("Acct-Status-Type")
    if status is None:
        raise Dropped("malformed")
    kind = KINDS.get(word_for("Acct-Status-Type", status))
    if kind is None:
        log.info("radius.accounting_ignored", router_id=client.router_id, status=status)
        return None
    at = now - timedelta(seconds=min(packet.integer("Acct-Delay-Time") or 0, DELAY_SECONDS_MAX))
    if kind in ("on", "off"):
        return AccountingEvent(kind, client.router_id, client.address, at)
    session_id = _word(packet, "Acct-Session-Id")
    if not session_id:
        raise Dropped("malformed")
    port_type, cause = packet.integer("NAS-Port-Type"), packet.integer("Acct-Terminate-Cause")
    return AccountingEvent(
        kind=kind,
        router_id=client.router_id,
        nas_address=client.address,
        at=at,
        session_id=session_id,
        username=_word(packet, "User-Name"),
        mac=_word(packet, "Calling-Station-Id"),
        framed_ip=packet.address("Framed-IP-Address"),
        called_station=_word(packet, "Called-Station-Id"),
        nas_port_id=_word(packet, "NAS-Port-Id"),
        nas_port_type="" if port_type is None else word_for("NAS-Port-Type", port_type),
        traffic=_traffic(packet, client),
        cause="" if cause is None else word_for("Acct-Terminate-Cause", cause),
        klass=_word(packet, "Class"),
    )


def _traffic(packet: Packet, client: NasClient) -> Traffic:
    """Totals, each from its two halves of 32 bits."""
    received, sent = (
        (packet.integer(f"Acct-{side}-Gigawords") or 0) * 2**32 + (packet.integer(f"Acct-{side}-Octets") or 0)
        for side in ("Input", "Output")
    )
    seconds = min(packet.integer("Acct-Session-Time") or 0, SESSION_SECONDS_MAX)
    if received + sent > SESSION_BYTES_MAX:
        log.error("radius.impossible_totals", router_id=client.router_id, received=received, sent=sent)
        return Traffic(0, 0, seconds)
    return Traffic(received, sent, seconds)


def _word(packet: Packet, name: str) -> str:
    return one_line(packet.text(name), WORD_LENGTH_MAX)
