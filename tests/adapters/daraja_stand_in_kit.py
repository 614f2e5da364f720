"""What the pretend Daraja is tested with: two payers, two short codes, and a client that knows only the documentation."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from core.clock import FrozenClock
from sim.daraja import Daraja
from sim.mobile_money import MobileMoney, Outcome
from tests.adapters.our_side import OurSide

CALLER = "+254712345126"
SURFER = "+254113000222"
PAYBILL, PASSKEY = "600111", "paybill-passkey"
STORE, TILL = "600222", "5001"
NOON = datetime(2026, 3, 2, 9, 0, 30, tzinfo=UTC)
NOON_EAT = "20260302120030"
Body = dict[str, object]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOON)


@pytest.fixture
def money(clock: FrozenClock) -> Iterator[MobileMoney]:
    with MobileMoney(clock.now) as started:
        started.add_wallet(CALLER, "1234", 1_000_00, ("Caller", "", "Family"))
        started.add_wallet(SURFER, "4321", 10_00)
        yield started


def furnish(daraja: Daraja) -> Daraja:
    daraja.add_app("key", "secret")
    daraja.add_app("rival-key", "rival-secret")
    daraja.add_short_code(PAYBILL, passkey=PASSKEY, consumer_key="key", name="Duka Net", validation=True)
    daraja.add_short_code(STORE, passkey=PASSKEY, consumer_key="key", till=TILL)
    return daraja


@pytest.fixture
def daraja(money: MobileMoney, clock: FrozenClock) -> Iterator[Daraja]:
    with Daraja(money, clock.now).start() as started:
        yield furnish(started)
        assert started.server.failures == []


class Client:
    """An independent client: nothing but requests and the documentation."""

    def __init__(self, daraja: Daraja, ours: OurSide) -> None:
        self.base_url = daraja.base_url
        self.callback_url = ours.url("/cb")
        self.token = self.fetch_token().json()["access_token"]

    def fetch_token(
        self, key: str = "key", secret: str = "secret", grant: str = "client_credentials"
    ) -> requests.Response:
        url = f"{self.base_url}/oauth/v1/generate"
        return requests.get(url, {"grant_type": grant}, auth=(key, secret), timeout=5)

    def post(self, path: str, body: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return requests.post(self.base_url + path, json=body, headers=headers, timeout=5)

    def signed(self, short_code: str = PAYBILL, timestamp: str = NOON_EAT) -> Body:
        password = base64.b64encode(f"{short_code}{PASSKEY}{timestamp}".encode()).decode()
        return {"BusinessShortCode": short_code, "Password": password, "Timestamp": timestamp}

    def push_body(self, **changes: object) -> Body:
        body: Body = self.signed() | {
            "TransactionType": "CustomerPayBillOnline",
            "Amount": 20,
            "PartyA": CALLER[1:],
            "PartyB": PAYBILL,
            "PhoneNumber": CALLER[1:],
            "CallBackURL": self.callback_url,
            "AccountReference": "A1B2C3",
            "TransactionDesc": "Internet",
        }
        return body | changes

    def push(self, **changes: object) -> requests.Response:
        return self.post("/mpesa/stkpush/v1/processrequest", self.push_body(**changes))

    def push_to(self, msisdn: str, **changes: object) -> requests.Response:
        return self.push(PartyA=msisdn[1:], PhoneNumber=msisdn[1:], **changes)

    def query(self, checkout_id: str) -> requests.Response:
        return self.post("/mpesa/stkpushquery/v1/query", self.signed() | {"CheckoutRequestID": checkout_id})

    def register(self, **changes: object) -> requests.Response:
        body: Body = {
            "ShortCode": PAYBILL,
            "ResponseType": "Completed",
            "ConfirmationURL": self.callback_url.replace("/cb", "/confirm"),
            "ValidationURL": self.callback_url.replace("/cb", "/validate"),
        }
        return self.post("/mpesa/c2b/v2/registerurl", body | changes)


@pytest.fixture
def client(daraja: Daraja, ours: OurSide) -> Client:
    return Client(daraja, ours)


def error_code(response: requests.Response) -> str:
    body = response.json()
    assert set(body) == {"requestId", "errorCode", "errorMessage"}
    assert response.status_code == int(body["errorCode"][:3])
    return str(body["errorCode"])


def pay(money: MobileMoney, msisdn: str = CALLER, pin: str = "1234") -> Outcome:
    return money.approve(money.wait_for_prompt(msisdn), pin)


def callbacks(ours: OurSide, count: int = 1) -> list[Body]:
    ours.wait_for("/cb", count)
    found = []
    for body in ours.bodies("/cb"):
        inner = body["Body"]
        assert isinstance(inner, dict)
        found.append(inner["stkCallback"])
    return found


def items(callback: Body) -> dict[str, object]:
    metadata = callback["CallbackMetadata"]
    assert isinstance(metadata, dict)
    return {item["Name"]: item.get("Value", "nothing") for item in metadata["Item"]}
