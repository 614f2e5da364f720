"""Secrets of a Daraja account stay secret, whatever goes wrong."""

from __future__ import annotations

import base64
import traceback
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from core.errors import GatewayFailure
from sim.http import Reply, Request, Server, json_reply
from tests.adapters.daraja_kit import CALLER, KEY, PASSKEY, PAYBILL, PUSH, SECRET, TOKEN, Town, town

__all__ = ["town"]


@pytest.mark.parametrize("trouble", ["none", "echo", "html", "silence", "down", "keys"])
def test_secrets_are_in_no_log_and_no_failure(trouble: str, town: Town) -> None:
    shown = ""
    echo = Server(lambda request: echo_everything(request))
    with capture_logs() as logs:
        gateway = town.gateway
        if trouble == "echo":
            echo.start("127.0.0.1", 0)
            gateway = town.adapter(base_url=f"http://127.0.0.1:{echo.address[1]}")
        elif trouble == "html":
            town.company.html_error_page(path=PUSH)
        elif trouble == "silence":
            town.company.fall_silent(path=PUSH)
        elif trouble == "down":
            town.company.go_down()
        elif trouble == "keys":
            gateway = town.adapter(consumer_secret=SECRET[::-1])
        try:
            gateway.prompt(
                replace(town.prompt(), callback_url="https://isp.example/hooks/daraja/u4GhT0pS3cr3tPathOfOurs")
            )
        except GatewayFailure as failure:
            shown = "".join(traceback.format_exception(failure)) + repr(failure.__context__) + repr(failure.args)
        echo.stop()
    everything = shown + repr(logs) + repr(town.account)
    token = town.app.token
    password = base64.b64encode(f"{PAYBILL}{PASSKEY}20261120120000".encode()).decode()
    secrets = [KEY, SECRET, SECRET[::-1], PASSKEY, password, "t0ken-t0ken", "u4GhT0pS3cr3t", CALLER.digits, CALLER]
    assert [word for word in [*secrets, *([token] if token else [])] if word in everything] == []
    assert bool(shown) is (trouble != "none")
    assert logs


def echo_everything(request: Request) -> Reply:
    """A company that throws back at us whatever it was told."""
    if request.path == TOKEN:
        return json_reply(200, {"access_token": "t0ken-t0ken-t0ken-t0ken-t0ken", "expires_in": "3599"})
    body = request.json_object()
    told = [request.headers["authorization"], *(str(body[name]) for name in ("Password", "CallBackURL", "PartyA"))]
    words = " ".join([*told, KEY, SECRET, PASSKEY])
    return json_reply(400, {"errorCode": "400.002.02", "errorMessage": words})
