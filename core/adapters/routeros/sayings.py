"""What a router says when it refuses, and what that means for a job: the table of routeros.md §1.2 and §3.3.

Matched loosely, lower case, first hit wins: texts differ between versions.
"""

from __future__ import annotations

from typing import NamedTuple

from core.adapters.routeros.wire import Trap
from core.errors import GatewayDown, GatewayFailure, GatewayRefused
from core.ports import RouterAddress


class Saying(NamedTuple):
    """`part` of the router's text → our `code`. `down` means asking again later is right."""

    part: str
    code: str
    permanent: bool = True
    down: bool = False


SAYINGS = (
    Saying("radius server is not responding", "radius", down=True),
    Saying("already authorizing", "authorizing", down=True),
    Saying("interrupted", "interrupted", down=True),
    Saying("invalid user name or password", "login"),
    Saying("cannot log in", "login"),
    Saying("not logged in", "login"),
    Saying("unknown host ip", "unknown_host", permanent=False),
    Saying("wrong mac provided", "wrong_mac", permanent=False),
    Saying("mac address required", "bad_value"),
    Saying("invalid username or password", "rejected", permanent=False),
    Saying("no more sessions", "sessions", permanent=False),
    Saying("no such command", "version"),
    Saying("unknown parameter", "version"),
    Saying("no such item", "gone", permanent=False),
    Saying("already have", "exists"),
    Saying("already exists", "exists"),
    Saying("input does not match any value", "bad_value"),
    Saying("invalid value", "bad_value"),
    Saying("out of range", "bad_value"),
    Saying("not enough permissions", "rights"),
    Saying("permission denied", "rights"),
)
OTHER = Saying("", "other")
STALE = frozenset({"unknown_host", "wrong_mac"})


def meaning(trap: Trap) -> Saying:
    """The table's line for a refusal; `OTHER` when the text is not in it."""
    return next((saying for saying in SAYINGS if saying.part in trap.text), OTHER)


def failure(router: RouterAddress, trap: Trap, *, login: bool = False) -> GatewayFailure:
    """A refusal as what the caller of a port may see. While logging in to the API every refusal is about the login."""
    saying = meaning(trap)
    if saying.down:
        return GatewayDown(f"router {router.name!r} says: {trap}")
    code = "login" if login else saying.code
    return GatewayRefused(f"router {router.name!r} says: {trap}", code=code, permanent=saying.permanent)
