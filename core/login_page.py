"""The pages that lie on a router: a stub that sends phones to the portal, and what works without it.

Built for one router from its blueprint, fetched by that router, and read back over its API; so no file is longer than what a
RouterOS 6 shows of one. Variables and page names: routeros.md §3.4. RouterOS cannot escape for HTML, so no page shows a
variable that somebody outside can choose.
"""

from __future__ import annotations

import html
import json
from functools import lru_cache
from pathlib import Path

from core.blueprint import Blueprint
from core.texts import catalogue

WORDS = catalogue(Path(__file__).parent / "data" / "login_page" / "texts")
FILE_BYTES_MAX = 4000
"""RouterOS 6 shows at most 4095 bytes of a file over its API."""

_STYLE = (
    "body{font:18px sans-serif;margin:0 auto;padding:1em;max-width:24em}a{display:block;padding:.8em;font:inherit;"
    "text-align:center;background:#064;color:#fff;text-decoration:none}input,button{display:block;width:100%;"
    "box-sizing:border-box;font:inherit;padding:.6em;margin:.3em 0}"
)
_ONWARD = (
    'var u=document.getElementById("go").href;'
    "window.fetch?fetch(u).then(function(r){if(r.ok)location=u},function(){}):location=u"
)
"""Leads to the portal only if it answers, so that otherwise this page stays and a voucher can be typed."""
WAIT_SECONDS = 4
"""Without scripts nobody can look whether the portal answers: so long one has to press a button of this page."""
_ERRORS = {
    "internal-error": "trouble", "config-error": "trouble", "not-logged-in": "logged_out", "ippool-empty": "full",
    "shutting-down": "trouble", "user-session-limit": "full", "license-session-limit": "full",
    "wrong-mac-username": "wrong", "chap-missing": "trouble", "invalid-username": "wrong", "invalid-mac": "wrong",
    "uptime-limit": "used_up", "traffic-limit": "used_up", "radius-timeout": "no_answer", "auth-in-progress": "busy",
}  # fmt: skip
"""The router's own errors → our words. What RADIUS says stands as it is: it is ours already."""


def url(blueprint: Blueprint, name: str) -> str:
    """Where the router fetches one of its files."""
    return f"{blueprint.portal_url}/hotspot/{blueprint.public_key}/{name}"


@lru_cache(maxsize=256)
def files(blueprint: Blueprint) -> dict[str, str]:
    """File name → contents, for this router alone. The same blueprint gives the same bytes."""
    made = _Pages(blueprint).files()
    longest = max(made, key=lambda name: len(made[name].encode()))
    if len(made[longest].encode()) > FILE_BYTES_MAX:
        raise ValueError(f"{longest} of router {blueprint.name!r} is too long: shorten the portal's address")
    return made


class _Pages:
    def __init__(self, blueprint: Blueprint) -> None:
        self._shop = _inert(blueprint.shop or "Wi-Fi")
        self._language = blueprint.language if blueprint.language in WORDS.languages else "en"
        self._portal = blueprint.login_url
        self._service_code = blueprint.service_code
        self._here = f"{self._portal}?r={blueprint.public_key}&mac=$(mac-esc)&ip=$(ip-esc)&to=$(link-orig-esc)"

    def files(self) -> dict[str, str]:
        return {
            "login.html": self._login(),
            "rlogin.html": _redirect("$(link-login)"),
            "redirect.html": _redirect("$(link-redirect)"),
            "alogin.html": self._page(self._online()),
            "status.html": self._page(self._online()),
            "logout.html": self._page(f"<p>{self._say('logged_out')}</p>" + self._to_portal("continue")),
            "error.html": self._page(f"<p>{self._say('trouble')}</p>" + self._to_portal("continue")),
            "errors.txt": self._errors(),
            "api.json": self._api(),
        }

    def _say(self, key: str, **facts: str) -> str:
        return _inert(WORDS.say(self._language, key, **facts))

    def _page(self, body: str, head: str = "") -> str:
        return (
            f'<!DOCTYPE html>\n<html lang="{self._language}"><head><meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
            f"<title>{self._shop}</title>{head}\n<style>{_STYLE}</style></head>\n<body><h1>{self._shop}</h1>\n{body}\n</body></html>\n"
        )

    def _to_portal(self, key: str) -> str:
        return f'<p><a id="go" href="{html.escape(self._here)}">{self._say(key)}</a></p>'

    def _login(self) -> str:
        """Leads to the portal by itself if that answers, unless there is an error to read. Otherwise there are the form and dialling."""
        refresh = f'<meta http-equiv="refresh" content="{WAIT_SECONDS};url={html.escape(self._here)}">'
        code = self._service_code
        dial = f"<p>{self._say('dial', code=code)}</p>" if code else ""
        return self._page(
            f"$(if error)<p><b>$(error)</b></p>$(endif)\n{self._to_portal('continue')}\n{self._form()}\n{dial}"
            f"\n$(if error)$(else)<script>{_ONWARD}</script>$(endif)",
            f"$(if error)$(else)<noscript>{refresh}</noscript>$(endif)",
        )

    def _form(self) -> str:
        """A voucher for the router to ask RADIUS about: the device by its own name, the code as its password (decision 0022).

        In clear, which is what `http-pap` is for: what RADIUS keeps of a code cannot be compared with an answer to CHAP.
        """
        return (
            '<form method="post" action="$(link-login-only)"><input type="hidden" name="username" value="$(mac)">'
            f'<label>{self._say("voucher")}<input name="password" maxlength="40" autocomplete="off" autocapitalize="characters"'
            f' autocorrect="off" spellcheck="false"></label><button>{self._say("connect")}</button></form>'
        )

    def _online(self) -> str:
        left = f"$(if session-time-left)<p>{self._say('time_left')} $(session-time-left)</p>$(endif)"
        return f"<p><b>{self._say('online')}</b></p>\n{left}\n{self._to_portal('packages')}"

    def _errors(self) -> str:
        lines = [f"{name} = {WORDS.say(self._language, key)}" for name, key in _ERRORS.items()]
        return "\n".join([*lines, "radius-reply = $(error-orig)", ""])

    def _api(self) -> str:
        """What a phone that knows RFC 8908 is told, when it asks the router."""
        return (
            '{\n"captive": $(if logged-in == "yes")false$(else)true$(endif),\n'
            f'"user-portal-url": {json.dumps(self._portal)},\n"venue-info-url": {json.dumps(self._portal)},\n'
            '$(if session-time-left-secs != 0)"seconds-remaining": $(session-time-left-secs),$(endif)\n'
            '$(if remain-bytes-total)"bytes-remaining": $(remain-bytes-total),$(endif)\n'
            '"can-extend-session": true\n}\n'
        )


def _redirect(target: str) -> str:
    """A real redirect, as RouterOS makes one from a page (routeros.md §3.4)."""
    return f'$(if http-status == 302)Redirect$(endif)\n$(if http-header == "Location"){target}$(endif)\n'


def _inert(text: str) -> str:
    """Foreign words inside a page: neither HTML nor a variable of the router."""
    return html.escape(text).replace("$", "&#36;")
