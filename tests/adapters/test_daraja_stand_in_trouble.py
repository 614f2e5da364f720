"""A pretend Daraja in trouble, and its hostile callers: silence, error pages, rubbish."""

from __future__ import annotations

import threading

import pytest
import requests

from sim.daraja import Daraja
from sim.mobile_money import MobileMoney, Outcome
from tests.adapters.daraja_stand_in_kit import CALLER, Client, callbacks, client, clock, daraja, error_code, money, pay
from tests.adapters.our_side import OurSide, ours

__all__ = ["client", "clock", "daraja", "money", "ours"]


# ---- trouble with the company ----------------------------------------------------------------------------------------


def test_silence_may_hide_a_prompt(client: Client, daraja: Daraja, money: MobileMoney, ours: OurSide) -> None:
    daraja.fall_silent(path="/mpesa/stkpush/", after_acting=True)
    silence: list[type[Exception]] = []

    def ask() -> None:
        headers = {"Authorization": f"Bearer {client.token}"}
        url = f"{client.base_url}/mpesa/stkpush/v1/processrequest"
        try:
            requests.post(url, json=client.push_body(), headers=headers, timeout=(1, 0.2))
        except requests.ReadTimeout as error:
            silence.append(type(error))

    asking = threading.Thread(target=ask)
    asking.start()
    assert pay(money) is Outcome.PAID
    assert callbacks(ours)[0]["ResultCode"] == 0
    asking.join()
    assert silence == [requests.ReadTimeout]


def test_spike_arrest_error_pages_and_refused_connections(client: Client, daraja: Daraja) -> None:
    daraja.fail_next()
    assert error_code(client.push()) == "500.003.02"
    daraja.fail_next("500.003.03", "Quota violation", path="/oauth/")
    assert error_code(client.fetch_token()) == "500.003.03"
    daraja.html_error_page(path="/mpesa/")
    assert client.push().headers["Content-Type"] == "text/html"
    daraja.go_down()
    with pytest.raises(requests.ConnectionError):
        client.push()
    daraja.recover()
    assert client.push().status_code == 200


def test_a_slow_company_is_slow_until_it_recovers(client: Client, daraja: Daraja) -> None:
    daraja.slow(30)
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{client.base_url}/oauth/v1/generate", timeout=(1, 0.1))
    daraja.recover()
    assert client.push().status_code == 200


def test_harm_can_be_done_before_and_after_a_prompt(client: Client, daraja: Daraja, money: MobileMoney) -> None:
    seen: list[bool] = []
    daraja.on_prompt.append(lambda checkout: seen.append(money.pending(checkout.msisdn) is not None))
    daraja.after_prompt.append(lambda checkout: seen.append(money.pending(checkout.msisdn) is not None))
    client.push()
    assert seen == [False, True]


# ---- hostile callers -------------------------------------------------------------------------------------------------


PATHS = ["/mpesa/stkpush/v1/processrequest", "/mpesa/stkpushquery/v1/query", "/mpesa/c2b/v2/registerurl"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000, b'{"Amount": ' + b"9" * 5000 + b"}", b"{}"],
)
def test_rubbish_is_refused_and_the_company_goes_on(client: Client, path: str, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {client.token}"}
    response = requests.post(client.base_url + path, body, headers=headers, timeout=5)
    assert error_code(response) in ("400.002.02", "400.002.05")
    assert client.push().status_code == 200


@pytest.mark.parametrize("value", [{"a": 1}, [1], True, "\x00", "' OR 1=1 --", "٢٥٤٧١٢٣٤٥١٢٦", 10**400])
@pytest.mark.parametrize("field", ["BusinessShortCode", "Timestamp", "Amount", "PartyA", "PartyB", "CallBackURL"])
def test_odd_values_are_refused_field_by_field(client: Client, money: MobileMoney, field: str, value: object) -> None:
    assert error_code(client.push(**{field: value})) == "400.002.02"
    assert money.pending(CALLER) is None


def test_too_large_a_body_is_not_read(client: Client) -> None:
    response = requests.post(f"{client.base_url}/mpesa/c2b/v2/registerurl", b"a" * (1024 * 1024 + 1), timeout=5)
    assert response.status_code == 413
