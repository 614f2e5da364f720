"""Accounting-Requests: what a router tells about sessions, as a value for the core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

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
    key_of,
    reply,
    word_for,
)

KINDS = {
    "Start": "start", "Stop": "stop", "Interim-Update": "interim", "Accounting-On": "on", "Accounting-Off": "off",
}  # fmt: skip
WORD_LENGTH_MAX = 253
WORDS_KEPT_MAX, NAMES_KEPT_MAX = 32_768, 256
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

Understood = tuple[Question, AccountingEvent | None]

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
        understood: list[Understood] = []
        now = self._app.clock.now()
        for question in batch:
            try:
                understood.append((question, _read(question, now)))
            except Dropped as drop:
                yield Answer(question, None, drop.why)
        try:
            answers = self._record(understood)
        except OUT_OF_REACH:
            raise
        except UNRECORDABLE as error:
            if len(understood) == 1:
                raise
            log.warning("radius.batch_taken_apart", packets=len(understood), error=type(error).__name__)
            yield from self._one_by_one(understood)
            return
        yield from answers

    def _one_by_one(self, understood: Sequence[Understood]) -> Iterator[Answer]:
        refused: Exception | None = None
        for each in understood:
            try:
                answers = self._record([each])
            except OUT_OF_REACH:
                raise
            except UNRECORDABLE as error:
                refused = error
            else:
                yield from answers
        if refused is not None:
            raise refused

    def _record(self, understood: Sequence[Understood]) -> list[Answer]:
        """One transaction; the answers are made while the database still writes, and are good once this returns.

        What only says how far a session has come may be committed without waiting for the disk: the next report says it again.
        Two servers that stood in each other's way: once more.
        """
        questions = [question for question, _ in understood]
        events = [event for _, event in understood if event is not None]
        if not events:
            return _answers(questions)
        forgettable = all(event.kind == "interim" for event in events)
        for attempt in range(ATTEMPTS_MAX):
            try:
                with self._app.work(None, forgettable=forgettable) as uow, network.booking(uow, events):
                    answers = _answers(questions)
                return answers
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in IN_EACH_OTHERS_WAY or attempt == ATTEMPTS_MAX - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")


def _read(question: Question, now: datetime) -> AccountingEvent | None:
    packet, client = question.packet, question.client
    secret = client.secret.encode()
    check_accounting(packet, secret)
    check_signature(packet, secret, demanded=False)
    return read_event(packet, client, now)


def _answers(questions: Iterable[Question]) -> list[Answer]:
    """Nothing but the router's own Proxy-State goes back, so they always fit."""
    return [
        Answer(each, reply(each.packet, ACCOUNTING_RESPONSE, each.client.secret.encode(), signed=False), "accounted")
        for each in questions
    ]


_STATUS, _DELAY, _SESSION, _NAME, _CALLING, _CALLED, _PORT, _PORT_TYPE, _SECONDS, _CAUSE, _CLASS = (
    key_of(name)
    for name in (
        "Acct-Status-Type", "Acct-Delay-Time", "Acct-Session-Id", "User-Name", "Calling-Station-Id", "Called-Station-Id",
        "NAS-Port-Id", "NAS-Port-Type", "Acct-Session-Time", "Acct-Terminate-Cause", "Class",
    )
)  # fmt: skip
_RECEIVED, _RECEIVED_HIGH, _SENT, _SENT_HIGH = (
    key_of(f"Acct-{side}-{half}") for side in ("Input", "Output") for half in ("Octets", "Gigawords")
)


def read_event(packet: Packet, client: NasClient, now: datetime) -> AccountingEvent | None:
    """What happened, and when. None for news we have no use for. Raises `Dropped` when it cannot be understood."""
    values = packet.values
    status = values.get(_STATUS)
    if status is None:
        raise Dropped("malformed")
    kind = KINDS.get(_name_of("Acct-Status-Type", status))
    if kind is None:
        log.info("radius.accounting_ignored", router_id=client.router_id, status=_number(status))
        return None
    delay = min(_number(values.get(_DELAY)), DELAY_SECONDS_MAX)
    at = now - timedelta(seconds=delay) if delay else now
    if kind in ("on", "off"):
        return AccountingEvent(kind, client.router_id, client.address, at)
    session_id = _word(values.get(_SESSION))
    if not session_id:
        raise Dropped("malformed")
    return AccountingEvent(
        kind=kind,
        router_id=client.router_id,
        nas_address=client.address,
        at=at,
        session_id=session_id,
        username=_word(values.get(_NAME)),
        mac=_word(values.get(_CALLING)),
        framed_ip=packet.address("Framed-IP-Address"),
        called_station=_word(values.get(_CALLED)),
        nas_port_id=_word(values.get(_PORT)),
        nas_port_type=_name_of("NAS-Port-Type", values.get(_PORT_TYPE)),
        traffic=_traffic(packet, client),
        cause=_name_of("Acct-Terminate-Cause", values.get(_CAUSE)),
        klass=_word(values.get(_CLASS)),
    )


def _traffic(packet: Packet, client: NasClient) -> Traffic:
    """Totals, each from its two halves of 32 bits."""
    values = packet.values
    received = _number(values.get(_RECEIVED_HIGH)) * 2**32 + _number(values.get(_RECEIVED))
    sent = _number(values.get(_SENT_HIGH)) * 2**32 + _number(values.get(_SENT))
    seconds = min(_number(values.get(_SECONDS)), SESSION_SECONDS_MAX)
    if received + sent > SESSION_BYTES_MAX:
        log.error("radius.impossible_totals", router_id=client.router_id, received=received, sent=sent)
        return Traffic(0, 0, seconds)
    return Traffic(received, sent, seconds)


def _number(value: bytes | None) -> int:
    """0 for what is not there. Raises `Dropped` when it is not four bytes long."""
    if value is None:
        return 0
    if len(value) != 4:
        raise Dropped("malformed")
    return int.from_bytes(value, "big")


@lru_cache(maxsize=NAMES_KEPT_MAX)
def _name_of(attribute: str, value: bytes | None) -> str:
    return "" if value is None else word_for(attribute, _number(value))


@lru_cache(maxsize=WORDS_KEPT_MAX)
def _word(value: bytes | None) -> str:
    """Text from outside, made safe. A session says the same words every few minutes."""
    return "" if value is None else one_line(value.decode("utf-8", "replace"), WORD_LENGTH_MAX)
