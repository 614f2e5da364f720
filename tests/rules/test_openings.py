"""The walled garden's list: portal, companies, extras; each once, nothing that is not needed."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from core.blueprint import Opening
from core.network.openings import COMPANY_HOSTS, openings
from core.tenants import DarajaAccount, TenantSettings

ACCOUNT = DarajaAccount(consumer_key="ck", consumer_secret="cs", short_code="600123", passkey="pk")


@pytest.mark.parametrize(
    ("url", "opening"),
    [
        ("https://pay.example.net", Opening("portal", host="pay.example.net", port=443)),
        ("http://pay.example.net/sub", Opening("portal", host="pay.example.net", port=80)),
        ("https://192.0.2.7:8443", Opening("portal", address="192.0.2.7", port=8443)),
    ],
)
def test_the_portal_is_open_at_its_own_address(url: str, opening: Opening) -> None:
    assert openings(url, (), ()) == (opening,)


def test_a_prompt_on_the_phone_needs_no_hole_and_a_card_page_does() -> None:
    assert openings("", TenantSettings(daraja=ACCOUNT).companies, ()) == ()
    assert TenantSettings().companies == ()
    nagad = openings("", ("nagad",), ())
    assert [(one.host, one.port, one.why) for one in nagad] == [
        ("payment.mynagad.com", 443, "nagad"),
        ("payment.mynagad.com", 30000, "nagad"),
    ]


def test_extras_are_written_as_people_write_them() -> None:
    found = openings("", (), ("news.example.net", "*.example.org:8080", "192.0.2.0/24", "198.51.100.7:8443"))
    assert [(one.host, one.address, one.port) for one in found] == [
        ("news.example.net", "", 443),
        ("*.example.org", "", 8080),
        ("", "192.0.2.0/24", 443),
        ("", "198.51.100.7", 8443),
    ]


def test_what_is_there_already_is_not_opened_twice() -> None:
    found = openings("https://pay.example.net", (), ("PAY.example.net", "pay.example.net:80"))
    assert [(one.why, one.port) for one in found] == [("portal", 443), ("extra", 80)]


@pytest.mark.parametrize("text", ["https://x.example", "x y", "", "*", "host:", "host:0", "*.*.example", "a;b", "-x"])
def test_an_extra_that_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="garden_extra"):
        TenantSettings(garden_extra=(text,))


def test_no_company_opens_a_whole_network() -> None:
    for hosts in COMPANY_HOSTS.values():
        for host, port in hosts:
            assert host.removeprefix("*.").count(".") >= 1
            assert 0 < port < 65536
