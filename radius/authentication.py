"""Access-Requests: read, decide, answer, take notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import structlog

from core import network
from core.app import App
from core.network import NasClient
from core.texts import one_line
from radius.batch import Answer, Question
from radius.clients import Clients
from radius.notes import LogLine, Notebook, Seen, Signs, Throttle
from radius.packet import (
    ACCESS_ACCEPT,
    ACCESS_REJECT,
    CHAP_PASSWORD_BYTES,
    Dropped,
    Packet,
    check_signature,
    encode,
    key_of,
    reply,
    reveal_password,
)
from radius.policy import Accept, AccessRequest, Chap, Reason, Reject, decide
from radius.texts import Voices, say

ONLY_ONCE = (
    "User-Name", "User-Password", "CHAP-Password", "CHAP-Challenge", "Calling-Station-Id", "Called-Station-Id",
    "Framed-IP-Address", "NAS-IP-Address", "NAS-IPv6-Address", "NAS-Identifier", "NAS-Port", "NAS-Port-Type",
    "NAS-Port-Id", "Mikrotik-Host-IP",
)  # fmt: skip
"""A browser can add attributes to a login (radius.md §1): a second one of these is not the router's."""
LOGGED_LENGTH_MAX = 64

log = structlog.get_logger()


class Authentication:
    """Answers Access-Requests. Safe to share between threads."""

    def __init__(self, app: App, clients: Clients, notebook: Notebook) -> None:
        self._app = app
        self._clients = clients
        self._notebook = notebook
        self._voices = Voices()
        self._throttle = Throttle()

    def answer(self, batch: Sequence[Question]) -> Iterator[Answer]:
        """Accepts and rejects. Raises `SQLAlchemyError` without a database."""
        for question in batch:
            try:
                yield Answer(question, *self._one(question.packet, question.client))
            except Dropped as drop:
                yield Answer(question, None, drop.why)

    def _one(self, packet: Packet, client: NasClient) -> tuple[bytes, str]:
        secret = client.secret.encode()
        check_signature(packet, secret, demanded=self._clients.must_sign(client))
        if packet.signature_at is not None and self._clients.signs(client):
            self._notebook.take(Signs(client.tenant_id, client.router_id))
        request = read_request(packet, secret)
        decision, text = self._decide(request, client)
        self._note(packet, request, client, decision)
        if isinstance(decision, Accept):
            attributes = [encode(name, value) for name, value in decision.attributes]
            return reply(packet, ACCESS_ACCEPT, secret, attributes), "accepted"
        return reply(packet, ACCESS_REJECT, secret, [encode("Reply-Message", text)]), "rejected"

    def _decide(self, request: AccessRequest, client: NasClient) -> tuple[Accept | Reject, str]:
        """The decision, and the words for a customer who is not let in. One visit to the database, only reading."""
        with self._app.look(client.tenant_id) as uow:
            decision = decide(request, client, lambda name: network.entitlement(uow, name), uow.now)
            text = say(decision.reason, self._voices.of(uow)) if isinstance(decision, Reject) else ""
        return decision, text

    def _note(self, packet: Packet, request: AccessRequest, client: NasClient, decision: Accept | Reject) -> None:
        """Where the device is, and a line in the log unless it is the everyday "not paid"."""
        now = self._app.clock.now()
        if decision.who is not None and self._throttle.passes(now, "seen", client.router_id, decision.who.mac):
            self._notebook.take(Seen(client.tenant_id, client.router_id, decision.who.mac))
        klass = ""
        if isinstance(decision, Accept):
            result = "Access-Accept"
            klass = str(dict(decision.attributes).get("Class", ""))
        else:
            if decision.reason.ordinary:
                return
            knock = (client.router_id, request.username, request.calling_station, decision.reason)
            if not self._throttle.passes(now, *knock):
                return
            result = f"Access-Reject ({decision.reason.value})"
            if decision.reason in (Reason.BAD_ROWS, Reason.QUOTA_UNKNOWN):
                log.error("radius.rows_not_understood", router_id=client.router_id, reason=decision.reason.value,
                          detail=one_line(decision.detail, 200))  # fmt: skip
        self._notebook.take(
            LogLine(
                client.tenant_id, one_line(request.username, LOGGED_LENGTH_MAX), result,
                one_line(packet.text("Called-Station-Id"), LOGGED_LENGTH_MAX),
                one_line(request.calling_station, LOGGED_LENGTH_MAX), now, klass,
            )
        )  # fmt: skip


def read_request(packet: Packet, secret: bytes) -> AccessRequest:
    """What the packet says, with the password revealed."""
    hidden, chap = packet.first("User-Password"), packet.first("CHAP-Password")
    round_of_chap = None
    if chap is not None:
        challenge = packet.first("CHAP-Challenge") or packet.authenticator
        answer = chap[1:] if len(chap) == CHAP_PASSWORD_BYTES else b""
        round_of_chap = Chap(chap[0], answer, challenge)
    return AccessRequest(
        username=packet.text("User-Name"),
        calling_station=packet.text("Calling-Station-Id"),
        password=None if hidden is None else reveal_password(hidden, secret, packet.authenticator) or b"",
        chap=round_of_chap,
        repeated=tuple(name for name in ONLY_ONCE if len(packet.attributes.get(key_of(name), ())) > 1),
    )
