"""What the server hands to a door at once, and what it gets back.

A socket is drained, and everything that was in it is one batch: the database is asked once for all of it. The server has
already left out strangers, malformed packets, codes that do not belong to the port, repeated questions, and Status-Server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from core.network import NasClient
from radius.packet import Packet

Source = tuple[str, int]
"""Where a datagram came from, as the socket says it: address and port (on IPv6 two numbers more)."""


class Question(NamedTuple):
    """One request: well-formed, from a registered router, not yet believed (its signatures are the door's to check)."""

    packet: Packet
    client: NasClient
    source: Source


class Answer(NamedTuple):
    """What becomes of a question. `raw` None: it is not answered. `kind`: the name under which that is counted."""

    question: Question
    raw: bytes | None
    kind: str


class Door(Protocol):
    """Answers the requests of one port."""

    def answer(self, batch: Sequence[Question]) -> Iterable[Answer]:
        """An answer for each question, in the order in which they are to be sent; each is sent as soon as it is yielded.

        What must be durable is committed before the answer is yielded. A question that is dropped (`Dropped`) is yielded
        with `raw` None and `kind` `Dropped.why`; it spoils no other. When the database is away the error is let through
        (`SQLAlchemyError`): whatever was not yielded by then stays unanswered, and is new when the router asks again.
        """
        ...
