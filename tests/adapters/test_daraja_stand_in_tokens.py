"""Tokens of the pretend Daraja: how long they live, what kills them, and who gets none."""

from __future__ import annotations

from datetime import timedelta

import pytest
import requests

from core.clock import FrozenClock
from sim.daraja import Daraja
from tests.adapters.daraja_stand_in_kit import Client, client, clock, daraja, error_code, money
from tests.adapters.our_side import ours

__all__ = ["client", "clock", "daraja", "money", "ours"]


def test_a_token_lasts_3599_seconds_given_as_text(client: Client, clock: FrozenClock) -> None:
    answer = client.fetch_token().json()
    assert (set(answer), answer["expires_in"]) == ({"access_token", "expires_in"}, "3599")
    client.token = answer["access_token"]
    clock.advance(timedelta(seconds=3599))
    assert error_code(client.push(Timestamp="x")) == "404.001.03"


def test_a_new_token_kills_the_old_one_of_that_app_only(client: Client) -> None:
    client.fetch_token("rival-key", "rival-secret")
    assert client.query("none").json()["errorCode"] == "400.002.02"
    newer = client.fetch_token().json()["access_token"]
    assert error_code(client.push()) == "404.001.03"
    client.token = newer
    assert client.push().status_code == 200


def test_all_tokens_can_die_at_once(client: Client, daraja: Daraja) -> None:
    daraja.forget_tokens()
    assert error_code(client.push()) == "404.001.03"
    client.token = ""
    assert error_code(client.push()) == "404.001.03"


@pytest.mark.parametrize(
    ("key", "secret", "grant", "code"),
    [
        ("key", "wrong", "client_credentials", "400.008.01"),
        ("unknown", "secret", "client_credentials", "400.008.01"),
        ("key", "secret", "password", "400.008.02"),
        ("key", "secret", "", "400.008.02"),
    ],
)
def test_bad_credentials_get_no_token(client: Client, key: str, secret: str, grant: str, code: str) -> None:
    assert error_code(client.fetch_token(key, secret, grant)) == code


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !!!", "Basic a2V5", "Bearer a2V5OnNlY3JldA==", "Basic //79/A=="]
)
def test_a_broken_login_header_gets_no_token(daraja: Daraja, header: str) -> None:
    url = f"{daraja.base_url}/oauth/v1/generate?grant_type=client_credentials"
    assert error_code(requests.get(url, headers={"Authorization": header}, timeout=5)) == "400.008.01"


def test_without_a_token_nothing_is_read(daraja: Daraja) -> None:
    url = f"{daraja.base_url}/mpesa/stkpush/v1/processrequest"
    for header in ("", "Bearer", "Bearer ", "Bearer x\xe9", "Basic a2V5OnNlY3JldA=="):
        response = requests.post(url, b"rubbish", headers={"Authorization": header.encode("latin-1")}, timeout=5)
        assert error_code(response) == "404.001.03"
