"""The hotspot's own pages: what lies in the box, and how `$(…)` in a page is filled in (reference routeros.md §3.4).

`$(name)` is a variable, `$(name-esc)` the same for use inside a link, `$(if name)`, `$(if name == "text")`, `$(elif …)`,
`$(else)` and `$(endif)` choose. A page may set the answer's status and headers: text inside `$(if http-status == 302)` is
the reason, and inside `$(if http-header == "Location")` the header's value.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

FACTORY = {
    "login.html": (
        '<html><head><title>login</title></head><body>$(if error)<p class="error">$(error)</p>$(endif)'
        '<form name="login" action="$(link-login-only)" method="post">'
        '<input type="hidden" name="dst" value="$(link-orig)"><input type="hidden" name="popup" value="true">'
        '<input name="username" value="$(username)"><input name="password" type="password"></form></body></html>\n'
    ),
    "rlogin.html": (
        '<html>$(if http-status == 302)Hotspot redirect$(endif)$(if http-header == "Location")$(link-redirect)$(endif)'
        '<head><meta http-equiv="refresh" content="0; url=$(link-redirect)"></head></html>\n'
    ),
    "redirect.html": (
        '<html>$(if http-status == 302)Hotspot redirect$(endif)$(if http-header == "Location")$(link-redirect)$(endif)'
        '<head><meta http-equiv="refresh" content="0; url=$(link-redirect)"></head></html>\n'
    ),
    "alogin.html": "<html><body>You are logged in as $(username)</body></html>\n",
    "status.html": "<html><body>$(username) $(ip) $(uptime) $(session-time-left)</body></html>\n",
    "logout.html": "<html><body>you have just logged out</body></html>\n",
    "error.html": "<html><body>Hotspot ERROR $(error)</body></html>\n",
    "radvert.html": "<html><body></body></html>\n",
    "errors.txt": "invalid-username = invalid username or password\n",
    "md5.js": "/* MD5 */\n",
    "api.json": (
        '{"captive": $(if logged-in == "yes")false$(else)true$(endif),'
        '$(if session-timeout-secs != 0)"seconds-remaining": $(session-timeout-secs),$(endif)'
        '"user-portal-url": "$(link-login-only)"}\n'
    ),
}
_TOKEN = re.compile(r"\$\((if [^)]*|elif [^)]*|else|endif|[A-Za-z0-9-]+)\)")
_TEST = re.compile(r'([A-Za-z0-9-]+)\s*(==|!=|<=|>=|<|>)\s*(?:"([^"]*)"|\'([^\']*)\'|(\S+))')


@dataclass
class Page:
    """A page filled in."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


class BadPage(Exception):
    """The page cannot be read: an `$(if` without its `$(endif)`, or the other way round."""


def render(text: str, values: Mapping[str, str]) -> Page:
    """The page with everything filled in. What is not known is empty. Raises BadPage."""
    page = Page()
    out: list[str] = []
    stack: list[_Branch] = []
    at = 0

    def add(piece: str) -> None:
        for branch in stack:
            if not branch.taken:
                return
        for branch in reversed(stack):
            if branch.status is not None:
                page.status = branch.status
                return
            if branch.header:
                page.headers[branch.header] = page.headers.get(branch.header, "") + piece
                return
        out.append(piece)

    for found in _TOKEN.finditer(text):
        add(text[at : found.start()])
        at = found.end()
        word = found[1]
        if word.startswith("if "):
            stack.append(_Branch.of(word[3:], values))
        elif word in ("else", "endif") or word.startswith("elif "):
            if not stack:
                raise BadPage(f"$({word}) without $(if)")
            _turn(stack, word, values)
        else:
            add(_value(word, values))
    add(text[at:])
    if stack:
        raise BadPage("$(if) without $(endif)")
    page.body = "".join(out)
    return page


@dataclass
class _Branch:
    """One open `$(if`: whether its text counts now, and whether one of its parts has counted already."""

    taken: bool
    done: bool
    status: int | None = None
    header: str = ""

    @classmethod
    def of(cls, test: str, values: Mapping[str, str]) -> _Branch:
        found = _TEST.fullmatch(test.strip())
        if found and found[1] == "http-status":
            return cls(True, True, status=int(_wanted(found)))
        if found and found[1] == "http-header":
            return cls(True, True, header=_wanted(found))
        holds = _holds(test, values)
        return cls(holds, holds)


def _turn(stack: list[_Branch], word: str, values: Mapping[str, str]) -> None:
    branch = stack[-1]
    if word == "endif":
        stack.pop()
    elif word == "else":
        branch.taken, branch.done = not branch.done, True
    else:
        branch.taken = not branch.done and _holds(word[5:], values)
        branch.done = branch.done or branch.taken


def _holds(test: str, values: Mapping[str, str]) -> bool:
    found = _TEST.fullmatch(test.strip())
    if not found:
        return values.get(test.strip(), "") != ""
    have, wanted = _value(found[1], values), _wanted(found)
    if found[2] in ("==", "!="):
        same = have == wanted or (wanted == "0" and have in ("", "0"))
        return same == (found[2] == "==")
    left, right = (int(one) if one.isdigit() else 0 for one in (have, wanted))
    return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[found[2]]


def _wanted(found: re.Match[str]) -> str:
    return next(text for text in found.groups()[2:] if text is not None)


def _value(name: str, values: Mapping[str, str]) -> str:
    if name in values:
        return values[name]
    if name.endswith("-esc"):
        return urllib.parse.quote(values.get(name.removesuffix("-esc"), ""), safe="")
    return ""
