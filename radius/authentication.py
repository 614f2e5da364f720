"""Access-Requests: read all of a batch, ask the database once, answer who is let in, then who is not, then take notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from core import network, vouchers
from core.app import App
from core.network import Entitlement, Knock, LogLine
from core.network.desired import username as table_name
from core.texts import one_line
from radius.batch import Answer, Question
from radius.clients import Clients
from radius.notes import Note, Notebook, Signs, Throttle
from radius.packet import ACCESS_ACCEPT, ACCESS_REJECT, Dropped, check_signature, encode, reply
from radius.policy import Accept, Identity, Reason, Reject, admit, claimed, identify
from radius.requests import AccessRequest, read_request
from radius.texts import say

LOGGED_LENGTH_MAX = 64
KNOCK_AGAIN = timedelta(seconds=30)
LOG_AGAIN, LOG_ORDINARY_AGAIN = timedelta(seconds=30), timedelta(minutes=10)
"""The same reject of the same device is logged once in a while: somebody who guesses all night fills no disk."""

log = structlog.get_logger()


class Asked(NamedTuple):
    """A question that is genuine, and what it says."""

    question: Question
    request: AccessRequest


class Authentication:
    """Answers Access-Requests. One thread at a time."""

    def __init__(self, app: App, clients: Clients, notebook: Notebook) -> None:
        self._app = app
        self._clients = clients
        self._notebook = notebook
        self._throttle = Throttle()

    def answer(self, batch: Sequence[Question]) -> Iterator[Answer]:
        """Payers first: an accept leaves as soon as it is decided, the rejects after the last of them."""
        notes: list[Note] = []
        rejects: list[tuple[Asked, Reject]] = []
        proved: list[tuple[Asked, Identity]] = []
        wanted: dict[str, int] = {}
        for question in batch:
            packet, client, _ = question
            secret = client.secret.encode()
            try:
                self._check_signature(question, secret, notes)
                asked = Asked(question, read_request(packet, secret))
            except Dropped as drop:
                yield Answer(question, None, drop.why)
                continue
            who = identify(asked.request, client)
            if isinstance(who, Reject):
                rejects.append((asked, who))
            else:
                proved.append((asked, who))
                wanted[who.table_name] = client.tenant_id
        now = self._app.clock.now()
        yield from self._let_in(proved, wanted, now, rejects, notes)
        for asked, reject in rejects:
            yield self._send_away(asked, reject, now, notes)
        self._notebook.take(notes)

    def _check_signature(self, question: Question, secret: bytes, notes: list[Note]) -> None:
        packet, client, _ = question
        check_signature(packet, secret, demanded=self._clients.must_sign(client))
        if packet.signature_at is not None and self._clients.signs(client):
            notes.append(Signs(client.router_id))

    def _let_in(
        self, proved: Iterable[tuple[Asked, Identity]], wanted: dict[str, int], now: datetime,
        rejects: list[tuple[Asked, Reject]], notes: list[Note],
    ) -> Iterator[Answer]:  # fmt: skip
        """Accepts. One visit to the database, only reading; whoever may not get in is put with the rejects."""
        if not wanted:
            return
        with self._app.look(None) as uow:
            found = network.entitlements(uow, wanted)
        for asked, who in sorted(proved, key=lambda each: bool(each[1].typed)):  # vouchers last: each writes
            rows = found.get(who.table_name)
            decision = self._claim(asked, who, rows, now) if who.typed else admit(asked.request, who, rows, now)
            if isinstance(decision, Reject):
                rejects.append((asked, decision))
                continue
            packet, client, _ = asked.question
            attributes = [encode(name, value) for name, value in decision.attributes]
            try:
                raw = reply(packet, ACCESS_ACCEPT, client.secret.encode(), attributes)
            except Dropped as drop:
                yield Answer(asked.question, None, drop.why)
                continue
            yield Answer(asked.question, raw, "accepted")
            notes.append(_accept_line(asked, decision, now))
            if decision.redirected is not None:
                self._knock(asked, who, now, notes)

    def _claim(self, asked: Asked, who: Identity, rows: Entitlement | None, now: datetime) -> Accept | Reject:
        """A voucher typed on the router's own page: in the books before it is answered, in a visit of its own."""
        client = asked.question.client
        with self._app.work(client.tenant_id) as uow:
            verdict = vouchers.claim(uow, who.typed, who.name, client.router_id)
        if verdict == "claimed":
            return claimed(who)
        if verdict == "own":
            return admit(asked.request, who, rows, now)
        language = rows.user.language if rows is not None and rows.user is not None else ""
        return Reject(Reason(verdict), language=language)

    def _send_away(self, asked: Asked, reject: Reject, now: datetime, notes: list[Note]) -> Answer:
        packet, client, _ = asked.question
        if reject.who is not None:
            self._knock(asked, reject.who, now, notes)
        reason, request = reject.reason, asked.request
        again = LOG_ORDINARY_AGAIN if reason.ordinary else LOG_AGAIN
        if self._throttle.passes(now, again, client.router_id, request.username, request.calling_station, reason):
            notes.append(_line(asked, f"Access-Reject ({reason.value})", now))
            if reason in (Reason.BAD_ROWS, Reason.QUOTA_UNKNOWN):
                log.error("radius.rows_not_understood", router_id=client.router_id, reason=reason.value,
                          detail=one_line(reject.detail, 200))  # fmt: skip
        text = say(reason, reject.language or client.language, client.service_code)
        try:
            raw = reply(packet, ACCESS_REJECT, client.secret.encode(), [encode("Reply-Message", text)])
        except Dropped as drop:
            return Answer(asked.question, None, drop.why)
        return Answer(asked.question, raw, "rejected")

    def _knock(self, asked: Asked, who: Identity, now: datetime, notes: list[Note]) -> None:
        """Where a device waits: somebody who pays is let in there. Whoever is let in is told of by accounting."""
        router_id = asked.question.client.router_id
        if who.is_device and self._throttle.passes(now, KNOCK_AGAIN, router_id, who.name):
            notes.append(Knock(router_id, who.name, now))


def _accept_line(asked: Asked, accept: Accept, now: datetime) -> LogLine:
    words = "Access-Accept" if accept.redirected is None else f"Access-Accept (redirect {accept.redirected.value})"
    return _line(asked, words, now, accept.klass)


def _line(asked: Asked, words: str, now: datetime, klass: str = "") -> LogLine:
    """The name as the tables key it, so that an ISP reads its own lines only."""
    request, called = asked.request, asked.question.packet.text("Called-Station-Id")
    name = table_name(_tidy(request.username), asked.question.client.realm)
    return LogLine(name, words, _tidy(called), _tidy(request.calling_station), now, klass)


def _tidy(text: str) -> str:
    """As the log keeps it. Nearly all names are tidy; looking at each letter would cost as much as deciding."""
    if len(text) <= LOGGED_LENGTH_MAX and text.isascii() and text.isprintable() and " " not in text:
        return text
    return one_line(text, LOGGED_LENGTH_MAX)
