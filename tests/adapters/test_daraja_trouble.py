"""Trouble while asking Daraja for a prompt: not asked, refused for good, or nobody knows."""

from __future__ import annotations

import json

import pytest

from core.errors import GatewayDown, GatewayFailure, GatewayRefused, OutcomeUnknown
from tests.adapters.daraja_kit import PUSH, TOKEN, Town, town

__all__ = ["town"]


def test_a_company_that_is_down_was_not_asked_and_can_be_asked_later(town: Town) -> None:
    town.company.go_down()
    with pytest.raises(GatewayDown):
        town.gateway.prompt(town.prompt())
    with pytest.raises(GatewayDown):
        town.gateway.status("ws_CO_1")
    with pytest.raises(GatewayDown):
        town.gateway.ping()
    town.company.come_up()
    assert town.gateway.prompt(town.prompt()).request_id


@pytest.mark.parametrize("after_acting", [True, False])
def test_silence_after_asking_is_not_a_no(after_acting: bool, town: Town) -> None:
    town.company.fall_silent(path=PUSH, after_acting=after_acting)
    with pytest.raises(OutcomeUnknown):
        town.gateway.prompt(town.prompt())
    assert len(town.calls(PUSH)) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 200])
def test_an_error_page_instead_of_a_verdict_is_not_a_no(status: int, town: Town) -> None:
    town.company.html_error_page(path=PUSH, status=status)
    with pytest.raises(OutcomeUnknown):
        town.gateway.prompt(town.prompt())
    assert len(town.calls(PUSH)) == 1


@pytest.mark.parametrize("status", [302, 403, 404, 429])
def test_an_error_page_that_says_no_means_not_asked(status: int, town: Town) -> None:
    town.company.html_error_page(path=PUSH, status=status)
    with pytest.raises(GatewayDown):
        town.gateway.prompt(town.prompt())


@pytest.mark.parametrize("trouble", ["html", "silence", "slow"])
def test_trouble_with_the_token_means_not_asked(trouble: str, town: Town) -> None:
    if trouble == "html":
        town.company.html_error_page(path=TOKEN)
    elif trouble == "silence":
        town.company.fall_silent(path=TOKEN)
    else:
        town.company.slow(2.0)
    with pytest.raises(GatewayDown):
        town.gateway.prompt(town.prompt())
    assert not town.calls(PUSH)


@pytest.mark.parametrize(
    ("code", "message", "failure", "our_code"),
    [
        ("400.002.02", "Bad Request - Invalid Amount", GatewayRefused, "configuration"),
        ("400.002.05", "Invalid Request Payload", GatewayRefused, "configuration"),
        ("404.001.01", "Resource not found", GatewayRefused, "configuration"),
        ("405.001", "Method Not Allowed", GatewayRefused, "configuration"),
        ("500.001.1001", "Merchant does not exist", GatewayRefused, "configuration"),
        ("500.001.1001", "Wrong credentials", GatewayRefused, "configuration"),
        ("500.001.1001", "Unable to lock subscriber, a transaction is already in process for the current subscriber",
         GatewayDown, ""),
        ("500.001.1001", "Server busy", GatewayDown, ""),
        ("500.003.02", "Spike arrest violation", GatewayDown, ""),
        ("500.003.02", "System is busy. Please try again in few minutes.", GatewayDown, ""),
        ("500.003.03", "Quota Violation", GatewayDown, ""),
        ("500.009.99", "Something nobody described", OutcomeUnknown, ""),
    ],
)  # fmt: skip
def test_every_documented_error_of_a_prompt(
    code: str, message: str, failure: type[GatewayFailure], our_code: str, town: Town
) -> None:
    town.company.fail_next(code, message, path=PUSH)
    with pytest.raises(GatewayFailure) as raised:
        town.gateway.prompt(town.prompt())
    assert type(raised.value) is failure
    assert code in str(raised.value)
    if isinstance(raised.value, GatewayRefused):
        assert (raised.value.code, raised.value.permanent) == (our_code, True)


def test_a_prompt_while_another_is_open_is_for_later(town: Town) -> None:
    town.gateway.prompt(town.prompt())
    with pytest.raises(GatewayDown, match="lock subscriber"):
        town.gateway.prompt(town.prompt())


@pytest.mark.parametrize(
    ("changes", "asking"),
    [({"passkey": "wrong"}, True), ({"short_code": "999999"}, True), ({"consumer_secret": "wrong"}, False)],
)
def test_wrong_credentials_are_the_operators_business(changes: dict[str, str], asking: bool, town: Town) -> None:
    with pytest.raises(GatewayRefused) as refused:
        town.adapter(**changes).prompt(town.prompt())
    assert (refused.value.code, refused.value.permanent) == ("configuration", True)
    assert bool(town.calls(PUSH)) is asking


@pytest.mark.parametrize("body", ["", '{"errorCode": "400.008.01", "errorMessage": "Invalid Authentication passed"}'])
def test_bad_keys_are_told_even_without_words(body: str, town: Town) -> None:
    town.company.answer_with(400, body, path=TOKEN)
    with pytest.raises(GatewayRefused) as refused:
        town.gateway.ping()
    assert refused.value.code == "configuration"


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"ResponseCode": "0"}, OutcomeUnknown),
        ({"ResponseCode": "0", "CheckoutRequestID": ""}, OutcomeUnknown),
        ({"ResponseCode": "0", "CheckoutRequestID": ["ws_CO_1"]}, OutcomeUnknown),
        ({"ResponseCode": "0", "CheckoutRequestID": "ws CO\n1"}, OutcomeUnknown),
        ({"CheckoutRequestID": "ws_CO_1"}, OutcomeUnknown),
        ({"ResponseCode": True, "CheckoutRequestID": "ws_CO_1"}, OutcomeUnknown),
        ([], OutcomeUnknown),
        ({"ResponseCode": "1", "ResponseDescription": "Rejected"}, GatewayRefused),
    ],
)
def test_only_code_0_with_a_request_id_is_a_prompt(body: object, failure: type[GatewayFailure], town: Town) -> None:
    town.company.answer_with(200, json.dumps(body), path=PUSH, content_type="application/json")
    with pytest.raises(failure):
        town.gateway.prompt(town.prompt())


def test_the_code_of_success_may_also_be_a_number(town: Town) -> None:
    body = {"ResponseCode": 0, "CheckoutRequestID": "ws_CO_1"}
    town.company.answer_with(200, json.dumps(body), path=PUSH)
    assert town.gateway.prompt(town.prompt()).request_id == "ws_CO_1"
