"""Setting up the SMS adapter, and what it never shows: the key, the text, the number."""

from __future__ import annotations

import traceback

import pytest
from africastalking.SMS import SMSService  # type: ignore[import-untyped]
from structlog.testing import capture_logs

from core.adapters.africastalking import AfricasTalking
from core.errors import GatewayFailure, GatewayRefused
from core.ports import Sms
from sim.http import Reply, Request, text_reply
from tests.adapters.sms_gateway_kit import CALLER, HELLO, KEY, QUICK, Stranger, Town, stranger, town
from tests.services import eventually

__all__ = ["stranger", "town"]


def test_the_package_is_pointed_elsewhere_in_all_its_ways(town: Town) -> None:
    gateway = AfricasTalking("sandbox", KEY, "20880", base_url=town.company.base_url + "/", timeouts=QUICK)
    town.company.add_account("sandbox", KEY)
    gateway.send(HELLO)
    gateway.balance()
    gateway.send(Sms(CALLER, "Thank you", link_id="x"))
    eventually(lambda: len(town.company.requests_seen) >= 3)
    assert {request.path for request in town.company.requests_seen} == {"/version1/messaging", "/version1/user"}


def test_without_an_address_the_package_keeps_its_own() -> None:
    assert SMSService("duka", KEY)._make_url("/messaging") == "https://api.africastalking.com/version1/messaging"
    assert AfricasTalking("duka", KEY)._sms._make_url("/x") == "https://api.africastalking.com/version1/x"
    sandbox = AfricasTalking("sandbox", KEY)
    assert sandbox._sms._make_url("/x") == "https://api.sandbox.africastalking.com/version1/x"


@pytest.mark.parametrize(("username", "key"), [("duka", "key\nX: y"), ("duka", ""), ("", KEY), ("du ka", KEY),
                                               ("duka", "k\u2026y")])  # fmt: skip
def test_odd_keys_are_refused_without_being_shown(username: str, key: str) -> None:
    with pytest.raises(GatewayRefused) as refused:
        AfricasTalking(username, key)
    assert refused.value.code == "configuration"
    assert not key or key not in str(refused.value)


# ---- what is never shown ---------------------------------------------------------------------------------------------


SECRET_TEXT = Sms(CALLER, "Voucher 7K2M-QX4P")


@pytest.mark.parametrize("trouble", ["none", "echo", "html", "silence", "down", "unreadable"])
def test_neither_key_nor_text_nor_number_is_shown(trouble: str, town: Town, stranger: Stranger) -> None:
    shown = ""
    gateway = town.gateway()
    match trouble:
        case "echo":
            stranger.page = echo_everything
            gateway = stranger.gateway()
        case "html":
            town.company.html_error_page()
        case "silence":
            town.company.fall_silent()
        case "down":
            town.company.go_down()
        case "unreadable":
            town.say("PIN 1234 " + CALLER)
    with capture_logs() as logs:
        try:
            gateway.send(SECRET_TEXT)
        except GatewayFailure as failure:
            shown = "".join(traceback.format_exception(failure)) + repr(failure.__context__) + repr(failure.args)
    everything = shown + repr(logs) + repr(gateway)
    assert [word for word in (KEY, "7K2M-QX4P", CALLER, CALLER.digits) if word in everything] == []
    assert bool(shown) is (trouble != "none")
    assert logs


def echo_everything(request: Request) -> Reply:
    """A company that throws back at us what it was told."""
    return text_reply(400, f"Invalid: {request.headers['apikey']} to {CALLER} {CALLER.digits}")
