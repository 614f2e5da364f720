"""The files of a router's login page: small, inert whatever the ISP is called, and usable while the portal is away."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import pytest

from core import login_page
from core.adapters.routeros import wanted
from core.blueprint import Blueprint, RadiusClient, Scope
from radius.policy import Reason
from radius.texts import say, texts

BLUEPRINT = Blueprint(
    router_id=1, name="market", site="market", public_key="ab" * 16, scope=Scope.BOX,
    radius=RadiusClient("10.0.0.1", 1812, 1813, "radius-secret", "mac-secret"),
    portal_url="https://pay.example.org", pages="duka", shop="Shore WiFi", language="sw",
)  # fmt: skip
HERE = f"https://pay.example.org/p/market?r={'ab' * 16}&mac=$(mac-esc)&ip=$(ip-esc)&to=$(link-orig-esc)"
VARIABLES = {
    "mac", "mac-esc", "ip-esc", "link-orig-esc", "link-login", "link-login-only", "link-redirect", "error", "error-orig",
    "session-time-left", "session-time-left-secs", "remain-bytes-total", "else", "endif",
}  # fmt: skip


class Page(HTMLParser):
    """What a browser would find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_every_file_of_the_hotspot_is_there_and_short_enough_to_be_read_back() -> None:
    files = login_page.files(BLUEPRINT)
    assert {"login.html", "rlogin.html", "alogin.html", "errors.txt", "api.json"} <= files.keys()
    assert all(len(text.encode()) <= 4000 for text in files.values())


def test_the_login_page_leads_to_the_portal_if_that_answers_and_without_scripts_after_a_while() -> None:
    text = login_page.files(BLUEPRINT)["login.html"]
    page = Page(text)
    assert f'<noscript><meta http-equiv="refresh" content="4;url={escape(HERE)}"></noscript>' in text
    assert [link["href"] for link in page.all("a")] == [HERE]
    assert "fetch(u).then(function(r){if(r.ok)location=u},function(){})" in text


def test_a_voucher_can_be_typed_without_the_portal_and_without_scripts() -> None:
    text = login_page.files(BLUEPRINT)["login.html"]
    page = Page(text)
    assert page.all("form") == [{"method": "post", "action": "$(link-login-only)"}]
    device, code = page.all("input")
    assert device == {"type": "hidden", "name": "username", "value": "$(mac)"}
    assert (code["name"], code["maxlength"], "required" in code) == ("password", "40", False)
    assert "Una vocha?" in text and "<button>Unganisha</button>" in text
    assert "http-pap" in wanted.LOGIN_BY.split(","), "a code has to arrive in clear"


def test_what_radius_may_say_on_the_page_is_no_html() -> None:
    for language in texts().languages:
        for reason in Reason:
            for code in ("", "*384*100#"):
                said = say(reason, language, code)
                assert escape(said) == said and "$" not in said, reason


def test_who_cannot_reach_the_portal_is_told_what_to_dial() -> None:
    dialled = login_page.files(replace(BLUEPRINT, service_code="*384*100#"))["login.html"]
    assert "piga *384*100#." in dialled
    assert "piga" not in login_page.files(BLUEPRINT)["login.html"]


def test_an_error_stays_on_the_screen_instead_of_leading_away() -> None:
    text = login_page.files(BLUEPRINT)["login.html"]
    assert re.search(
        r"\$\(if error\)\$\(else\)<noscript><meta http-equiv=\"refresh\"[^$]*(?:\$\([a-z-]+-esc\)[^$]*)+\$\(endif\)",
        text,
    )
    assert re.search(r"\$\(if error\)\$\(else\)<script>[^$]*</script>\$\(endif\)", text)
    assert "$(if error)<p><b>$(error)</b></p>$(endif)" in text


def test_only_variables_are_shown_that_nobody_outside_can_choose() -> None:
    for name, text in login_page.files(BLUEPRINT).items():
        used = set(re.findall(r"\$\(([a-z-]+)\)", text))
        assert used <= VARIABLES, name
        assert "$(username)" not in text


def test_the_router_redirects_by_itself_and_says_it_in_two_lines() -> None:
    assert login_page.files(BLUEPRINT)["rlogin.html"] == (
        '$(if http-status == 302)Redirect$(endif)\n$(if http-header == "Location")$(link-login)$(endif)\n'
    )


@pytest.mark.parametrize("shop", ['<script>alert("x")</script>', "$(username)", 'O\'Neil & "Sons"', "سوق $[x]"])
def test_the_name_of_an_isp_is_neither_html_nor_a_variable(shop: str) -> None:
    plain = login_page.files(BLUEPRINT)
    for name, text in login_page.files(replace(BLUEPRINT, shop=shop)).items():
        assert text.count("<script") == plain[name].count("<script"), name
        assert "$(username)" not in text and "$[" not in text, name


def test_errors_are_told_in_the_language_of_the_isp_and_name_nobody() -> None:
    swahili = login_page.files(BLUEPRINT)["errors.txt"]
    english = login_page.files(replace(BLUEPRINT, language="en"))["errors.txt"]
    assert "invalid-username = This code or device is not known." in english
    assert "invalid-username = Nambari au kifaa hiki hakijulikani." in swahili
    assert "radius-reply = $(error-orig)" in english
    assert login_page.files(replace(BLUEPRINT, language="xx"))["errors.txt"] == english


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"logged-in": "no"}, {"captive": True}),
        ({"logged-in": "yes", "secs": "90"}, {"captive": False, "seconds-remaining": 90}),
    ],
)
def test_a_phone_that_asks_the_router_is_told_whether_it_is_held_back(
    state: dict[str, str], said: dict[str, object]
) -> None:
    text = login_page.files(BLUEPRINT)["api.json"]
    online, secs = state["logged-in"] == "yes", state.get("secs", "0")
    text = text.replace('$(if logged-in == "yes")false$(else)true$(endif)', "false" if online else "true")
    text = re.sub(r"\$\(if session-time-left-secs != 0\)(.*)\$\(endif\)", r"\1" if secs != "0" else "", text)
    text = re.sub(r"\$\(if remain-bytes-total\)(.*)\$\(endif\)", "", text)
    told = json.loads(text.replace("$(session-time-left-secs)", secs))
    page = "https://pay.example.org/p/market"
    assert told == {**said, "user-portal-url": page, "venue-info-url": page, "can-extend-session": True}


def test_nothing_secret_lies_in_a_file_that_every_customer_can_read() -> None:
    everything = "".join(login_page.files(BLUEPRINT).values())
    assert "radius-secret" not in everything and "mac-secret" not in everything


def test_an_address_that_makes_a_file_too_long_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="shorten"):
        login_page.files(replace(BLUEPRINT, portal_url="https://" + "long." * 500 + "org"))
