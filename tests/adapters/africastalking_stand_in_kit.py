"""What the pretend Africa's Talking is tested with: one account opposite our side, the company's own package, plain posts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests
from africastalking.SMS import SMSService

from core.clock import FrozenClock
from sim.africastalking import AfricasTalking
from tests.adapters.our_side import OurSide

CALLER = "+254712345678"
OTHER = "+254722000111"
KEY = "atsk_key"
USSD = "*384*35711#"
NOON = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOON)


@pytest.fixture
def company(ours: OurSide, clock: FrozenClock) -> Iterator[AfricasTalking]:
    with AfricasTalking(clock.now).start() as started:
        started.add_account("duka", KEY, 1_000_00)
        started.add_short_code(
            "35711",
            "duka",
            sms_url=ours.url("/sms"),
            delivery_url=ours.url("/delivery"),
            opt_out_url=ours.url("/opt-out"),
        )
        started.add_service_code(USSD, ussd_url=ours.url("/ussd"), ended_url=ours.url("/ended"))
        yield started
        assert started.server.failures == []


def vendor(company: AfricasTalking, key: str = KEY) -> SMSService:
    service = SMSService("duka", key)
    service._baseUrl = company.base_url + "/version1"
    return service


def send(company: AfricasTalking, **form: str) -> requests.Response:
    fields = {"username": "duka", "to": CALLER, "message": "hello", "bulkSMSMode": "1"} | form
    return requests.post(f"{company.base_url}/version1/messaging", fields, headers={"apiKey": KEY}, timeout=5)


def rows(response: requests.Response) -> list[dict[str, object]]:
    assert response.status_code == 201
    found = response.json()["SMSMessageData"]["Recipients"]
    assert isinstance(found, list)
    return found
