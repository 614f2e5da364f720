"""Asking Daraja what became of a prompt: what a query can say, what it cannot, and trouble that only delays."""

from __future__ import annotations

import json

import pytest

from core.errors import GatewayDown, GatewayFailure, GatewayRefused
from core.ports import ConfirmedByQuery, NotPaid, StillOpen
from tests.adapters.daraja_kit import QUERY, Town, town

__all__ = ["town"]


@pytest.mark.parametrize("how", ["html", "silence", "garbage", "busy"])
def test_trouble_with_a_query_only_delays(how: str, town: Town) -> None:
    prompted = town.gateway.prompt(town.prompt())
    match how:
        case "html":
            town.company.html_error_page(path=QUERY)
        case "silence":
            town.company.fall_silent(path=QUERY)
        case "garbage":
            town.company.answer_with(200, '{"ResponseCode": "0"}', path=QUERY)
        case _:
            town.company.fail_next(path=QUERY)
    with pytest.raises(GatewayDown):
        town.gateway.status(prompted.request_id)
    assert town.gateway.status(prompted.request_id) == StillOpen(prompted.request_id)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, {"errorCode": "500.001.1001", "errorMessage": "The transaction is being processed"}, StillOpen("ws_1")),
        (200, {"ResultCode": "4999", "ResultDesc": "The transaction is still under processing"}, StillOpen("ws_1")),
        (200, {"ResultCode": "0", "ResultDesc": "processed successfully"}, ConfirmedByQuery("ws_1")),
        (200, {"ResultCode": 0, "CheckoutRequestID": "ws_1"}, ConfirmedByQuery("ws_1")),
        (200, {"ResultCode": "7777", "ResultDesc": "New"}, NotPaid("ws_1", "other", "7777", "New")),
        (200, {"ResultCode": 1032, "ResultDesc": "Cancelled"}, NotPaid("ws_1", "cancelled", "1032", "Cancelled")),
    ],
)
def test_what_a_query_can_say(status: int, body: dict[str, object], expected: object, town: Town) -> None:
    town.company.answer_with(status, json.dumps(body), path=QUERY)
    assert town.gateway.status("ws_1") == expected


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"errorCode": "400.002.02", "errorMessage": "Invalid CheckoutRequestID"}, GatewayRefused),
        ({"errorCode": "500.001.1001", "errorMessage": "Wrong credentials"}, GatewayRefused),
        ({"errorCode": "500.009.99", "errorMessage": "Something new"}, GatewayDown),
        ({"ResultCode": "0", "CheckoutRequestID": "ws_2"}, GatewayDown),
        ({"ResultCode": None}, GatewayDown),
        ({"ResultCode": ["0"]}, GatewayDown),
    ],
)
def test_what_a_query_cannot_say(body: dict[str, object], failure: type[GatewayFailure], town: Town) -> None:
    status = int(str(body["errorCode"])[:3]) if "errorCode" in body else 200
    town.company.answer_with(status, json.dumps(body), path=QUERY)
    with pytest.raises(GatewayFailure) as raised:
        town.gateway.status("ws_1")
    assert type(raised.value) is failure


def test_a_success_under_an_error_status_is_no_success(town: Town) -> None:
    town.company.answer_with(500, '{"ResultCode": "0"}', path=QUERY)
    with pytest.raises(GatewayDown):
        town.gateway.status("ws_1")
