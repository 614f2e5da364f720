"""Pages of the virtual router's hotspot: variables and choices as the vendor's manual describes them."""

from __future__ import annotations

import json

import pytest

from sim.routeros.pages import FACTORY, BadPage, render

VALUES = {"mac": "AA:BB", "link-orig": "http://a/?b=c&d", "error": "", "n": "5", "logged-in": "no"}


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("$(mac) $(mac-esc) $(nothing)", "AA:BB AA%3ABB "),
        ("?to=$(link-orig-esc)", "?to=http%3A%2F%2Fa%2F%3Fb%3Dc%26d"),
        ("$(if error)bad$(else)good$(endif)", "good"),
        ("$(if mac)has$(endif)", "has"),
        ("$(if logged-in == 'yes')in$(elif logged-in == \"no\")out$(else)?$(endif)", "out"),
        ("$(if n > 4)$(if n < 6)five$(endif)$(endif)", "five"),
        ("$(if n != 5)x$(endif)y", "y"),
        ("$(if session-timeout-secs != 0)$(session-timeout-secs)$(endif).", "."),
        ("costs $5 and $(", "costs $5 and $("),
    ],
)
def test_a_page_is_filled_in(text: str, body: str) -> None:
    page = render(text, VALUES)
    assert (page.status, page.body) == (200, body)


def test_a_page_can_be_a_real_redirect() -> None:
    text = '$(if http-status == 302)Moved$(endif)$(if http-header == "Location")http://x/$(mac-esc)$(endif)rest'
    page = render(text, VALUES)
    assert (page.status, page.headers, page.body) == (302, {"Location": "http://x/AA%3ABB"}, "rest")


@pytest.mark.parametrize("text", ["$(if mac)x", "x$(endif)", "$(else)", "$(if mac)$(endif)$(endif)"])
def test_a_page_with_loose_ends_is_told(text: str) -> None:
    with pytest.raises(BadPage):
        render(text, VALUES)


def test_the_factorys_own_pages_can_all_be_read() -> None:
    for name, text in FACTORY.items():
        page = render(text, VALUES)
        assert page.status == (302 if name in ("rlogin.html", "redirect.html") else 200)
    assert (
        json.loads(render(FACTORY["api.json"], {**VALUES, "link-login-only": "http://h/login"}).body)["captive"] is True
    )
