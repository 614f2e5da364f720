"""What our SMS adapter is tested with: the pretend Africa's Talking with one account, and a company that says anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Self

import pytest

from core.adapters.africastalking import AfricasTalking
from core.adapters.http import Timeouts
from core.phone import Msisdn
from core.ports import Sms
from sim.africastalking import AfricasTalking as PretendCompany
from sim.http import Server
from tests.adapters.our_side import Page, say

CALLER = Msisdn("+254712345678")
KEY = "atsk_key-of-the-town-that-nobody-may-see"
HELLO = Sms(CALLER, "Your 3 hours have begun")
QUICK = Timeouts(connect_seconds=1.0, read_seconds=0.4)


class Town:
    """The pretend company with one account, and our adapter in front of it."""

    def __init__(self) -> None:
        self.company = PretendCompany().start()
        self.company.add_account("duka", KEY, 100_00)
        self.company.add_sender("duka", "DUKA")
        self.company.add_short_code("20880", "duka")

    def gateway(self, sender_id: str | None = "DUKA", api_key: str = KEY, username: str = "duka") -> AfricasTalking:
        return AfricasTalking(username, api_key, sender_id, base_url=self.company.base_url, timeouts=QUICK)

    def sent(self) -> list[dict[str, str]]:
        return [request.form() for request in self.company.requests_seen if request.method == "POST"]

    def say(self, body: object, content_type: str = "application/json", status: int = 201) -> None:
        """Let the company answer the next call with this."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.company.answer_with(status, text, content_type=content_type)


@pytest.fixture
def town() -> Iterator[Town]:
    made = Town()
    yield made
    made.company.stop()
    assert not made.company.server.failures


def recipient(**changes: object) -> dict[str, object]:
    """What an answer says about one recipient."""
    said = {"statusCode": 101, "number": CALLER, "status": "Success", "cost": "KES 0.8000", "messageId": "ATXid_1"}
    return said | changes


def row(**changes: object) -> dict[str, object]:
    """An answer about one recipient."""
    return {"SMSMessageData": {"Message": "Sent to 1/1", "Recipients": [recipient(**changes)]}}


class Stranger:
    """A company that says whatever it is told to say."""

    def __init__(self) -> None:
        self.page: Page = say("")
        self._server = Server(lambda request: self.page(request))

    def __enter__(self) -> Self:
        self._server.start("127.0.0.1", 0)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def gateway(self) -> AfricasTalking:
        """Our adapter in front of it."""
        url = f"http://127.0.0.1:{self._server.address[1]}"
        return AfricasTalking("duka", KEY, base_url=url, timeouts=QUICK)


@pytest.fixture(scope="module")
def stranger() -> Iterator[Stranger]:
    with Stranger() as started:
        yield started
