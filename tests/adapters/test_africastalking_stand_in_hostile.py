"""Hostile and broken callers of the pretend Africa's Talking: they are refused, and the company goes on."""

from __future__ import annotations

import socket

import pytest
import requests

from sim.africastalking import AfricasTalking
from tests.adapters.africastalking_stand_in_kit import KEY, clock, company, rows, send
from tests.adapters.our_side import ours

__all__ = ["clock", "company", "ours"]


@pytest.mark.parametrize("path", ["/version1/messaging", "/version1/messaging/bulk"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff\xfe",
        b"username=duka&to=%ff%00&message=%00",
        b"&".join(b"a%d=1" % number for number in range(5000)),
        b"[" * 100_000,
        b"null",
        b'{"username": NaN}',
        b'{"username": {"a": 1}, "message": "x", "phoneNumbers": ["+254712345678"]}',
        b'{"username": "duka", "message": "x", "phoneNumbers": "+254712345678"}',
        b'{"username": "duka", "message": "x", "phoneNumbers": [1]}',
        b"username=duka' OR 1=1 --&to=<script>&message=x",
    ],
)
def test_rubbish_is_refused_and_the_company_goes_on(company: AfricasTalking, path: str, body: bytes) -> None:
    response = requests.post(company.base_url + path, body, headers={"apiKey": KEY}, timeout=5)
    if response.status_code == 201:
        assert {row["statusCode"] for row in rows(response)} == {403}
    else:
        assert 400 <= response.status_code < 500
    assert company.network.inbox("<script>") == []
    assert send(company).status_code == 201


def raw(company: AfricasTalking, text: bytes) -> bytes:
    """What the company answers to these bytes, whatever they are."""
    with socket.create_connection(company.server.address, timeout=5) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while chunk := connection.recv(65536):
            found += chunk
        return found


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"POST /version1/messaging HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", b"413"),
        (b"POST /version1/messaging HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", b"413"),
        (b"POST /version1/messaging HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /version1/messaging HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", b"400"),
        (b"POST /version1/messaging HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST http://[ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"BREW /coffee HTTP/1.1\r\n\r\n", b"501"),
        (b"GET /version1/nothing HTTP/1.1\r\n\r\n", b"404"),
        (b"\x16\x03\x01\x02\x00\x01\x00", b""),
        (b"POST /version1/messaging HTTP/1.1\r\nContent-Length: 100\r\n\r\nshort", b""),
    ],
)
def test_broken_http_is_refused_and_the_company_goes_on(company: AfricasTalking, text: bytes, status: bytes) -> None:
    assert status in raw(company, text)[:200]
    assert send(company).status_code == 201


def test_a_body_of_one_mebibyte_is_still_read(company: AfricasTalking) -> None:
    url = f"{company.base_url}/version1/messaging"
    assert requests.post(url, b"a" * 1024 * 1024, timeout=5).status_code == 400
    assert requests.post(url, b"a" * (1024 * 1024 + 1), timeout=5).status_code == 413


def test_it_listens_on_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        AfricasTalking().start("192.0.2.1")
